// SPDX-License-Identifier: Apache-2.0
#include <curl/curl.h>
#include <json/reader.h>
#include <json/writer.h>

#include <memory>
#include <sstream>

#include "common/owned.hh"
#include "tests/support/failure.hh"
#include "tests/support/rehearsal_process.hh"

namespace postbearer::test {
namespace {

using CurlEasy = Owned<CURL, curl_easy_cleanup>;

std::size_t collect(char* data, std::size_t size, std::size_t count, void* target) noexcept {
    try {
        static_cast<std::string*>(target)->append(data, size * count);
        return size * count;
    } catch (...) {
        return 0;
    }
}

}  // namespace

Json::Value json_of(const std::string& text) {
    Json::CharReaderBuilder builder;
    Json::CharReaderBuilder::strictMode(&builder.settings_);
    builder["strictRoot"] = false;
    Json::Value value;
    std::string errors;
    std::istringstream in(text);
    if (!Json::parseFromStream(builder, in, &value, &errors)) {
        fail("not JSON: " + text + ": " + errors);
    }
    return value;
}

Json::Value http_over_unix(const Path& socket, const std::string& method, const std::string& path,
                           const Json::Value& body) {
    const CurlEasy easy(curl_easy_init());
    const std::string url = "http://localhost" + path;
    const std::string text =
        body.isNull() ? "" : Json::writeString(Json::StreamWriterBuilder(), body);
    std::string answer;
    curl_easy_setopt(easy.get(), CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy.get(), CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_CUSTOMREQUEST, method.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, &collect);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &answer);
    if (!text.empty()) {
        curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(text.size()));
        curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDS, text.c_str());
    }
    const CURLcode code = curl_easy_perform(easy.get());
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status / 100 != 2) {
        fail(method + " " + path + " on " + socket.string() + ": " +
             (code != CURLE_OK ? curl_easy_strerror(code) : std::to_string(status)) + " " + answer);
    }
    return answer.empty() ? Json::Value() : json_of(answer);
}

}  // namespace postbearer::test
