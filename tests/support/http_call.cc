// SPDX-License-Identifier: Apache-2.0
#include "tests/support/http_call.hh"

#include <curl/curl.h>

#include <cctype>

#include "common/owned.hh"
#include "tests/support/failure.hh"
#include "tests/support/rehearsal_process.hh"

namespace postbearer::test {
namespace {

using CurlEasy = Owned<CURL, curl_easy_cleanup>;
using CurlList = Owned<curl_slist, curl_slist_free_all>;

std::size_t collect(char* data, std::size_t size, std::size_t count, void* target) noexcept {
    try {
        static_cast<std::string*>(target)->append(data, size * count);
        return size * count;
    } catch (...) {
        return 0;
    }
}

void add_header(CurlList& headers, const std::string& line) {
    if (curl_slist* const longer = curl_slist_append(headers.get(), line.c_str())) {
        (void)headers.release();
        headers.reset(longer);
    }
}

void set_path(CURL* easy, CURLoption option, const Path& path) {
    if (!path.empty()) {
        curl_easy_setopt(easy, option, path.c_str());
    }
}

}  // namespace

HttpReply http_call(const HttpCall& call) {
    const CurlEasy easy(curl_easy_init());
    CurlList headers;
    if (!call.type.empty()) {
        add_header(headers, "Content-Type: " + call.type);
    }
    if (!call.bearer.empty()) {
        add_header(headers, "Authorization: Bearer " + call.bearer);
    }
    HttpReply reply;
    curl_easy_setopt(easy.get(), CURLOPT_URL, call.url.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_PROTOCOLS_STR, "https,http");
    set_path(easy.get(), CURLOPT_CAINFO, call.ca_file);
    set_path(easy.get(), CURLOPT_UNIX_SOCKET_PATH, call.unix_socket);
    set_path(easy.get(), CURLOPT_COOKIEFILE, call.cookies);
    set_path(easy.get(), CURLOPT_COOKIEJAR, call.cookies);
    curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
    if (call.method != "GET") {
        curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(call.body.size()));
        curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDS, call.body.c_str());
        curl_easy_setopt(easy.get(), CURLOPT_CUSTOMREQUEST, call.method.c_str());
    }
    curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, &collect);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &reply.body);
    if (!call.credentials.empty()) {
        curl_easy_setopt(easy.get(), CURLOPT_USERPWD, call.credentials.c_str());
    }
    const CURLcode code = curl_easy_perform(easy.get());
    if (code != CURLE_OK) {
        fail(call.method + " " + call.url + ": " + curl_easy_strerror(code));
    }
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &reply.status);
    const char* location = nullptr;
    curl_easy_getinfo(easy.get(), CURLINFO_REDIRECT_URL, &location);
    reply.location = location == nullptr ? "" : location;
    return reply;
}

Json::Value HttpReply::json() const { return body.empty() ? Json::Value() : json_of(body); }

std::string form_of(const FormFields& fields) {
    std::string body;
    for (const auto& [name, value] : fields) {
        body += (body.empty() ? "" : "&") + name + "=" + percent_encoded(value);
    }
    return body;
}

std::string percent_encoded(const std::string& text) {
    constexpr const char* kHex = "0123456789ABCDEF";
    std::string coded;
    for (const char each : text) {
        const auto byte = static_cast<unsigned char>(each);
        if (std::isalnum(byte) != 0 || std::string("-._~").find(each) != std::string::npos) {
            coded += each;
        } else {
            coded += {'%', kHex[byte >> 4], kHex[byte & 15]};
        }
    }
    return coded;
}

}  // namespace postbearer::test
