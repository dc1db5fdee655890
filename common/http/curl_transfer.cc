// SPDX-License-Identifier: Apache-2.0
#include "common/http/curl_transfer.hh"

#include <openssl/ssl.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "common/clock.hh"
#include "common/http/curl_error.hh"
#include "common/http/retry_after.hh"
#include "common/text.hh"

namespace postbearer::http {
namespace {

constexpr std::size_t kFirstBodyBytes = 8 * 1024;
// Front ends drop idle connections after a minute or two. A body that met such a moment could not
// be sent again, so it uses no connection that has been idle for nearly that long.
constexpr long kLongestIdleSeconds = 50;
constexpr long kCaCacheSeconds = 600;  // parsing the system's bundle costs tens of milliseconds

long milliseconds(std::chrono::milliseconds time) {
    constexpr std::chrono::milliseconds kLongest{3'600'000};
    return static_cast<long>(std::clamp(time, std::chrono::milliseconds(1), kLongest).count());
}

bool is_header_text(std::string_view line) {
    return std::none_of(line.begin(), line.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7F;
    });
}

/// All values of a header of the final answer, joined as RFC 9110 5.3 has it.
std::string joined_header(CURL* easy, const char* name) {
    std::string all;
    curl_header* header = nullptr;
    for (std::size_t i = 0; curl_easy_header(easy, name, i, CURLH_HEADER, -1, &header) == CURLHE_OK;
         ++i) {
        all += i == 0 ? "" : ", ";
        all += header->value;
        if (i + 1 >= header->amount) {
            break;
        }
    }
    return all;
}

/// The last value of a header of the final answer (not of a proxy or a 1xx).
std::string header_of(CURL* easy, const char* name) {
    curl_header* header = nullptr;
    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK) {
        return {};
    }
    return header->value;
}

std::string media_type(CURL* easy) {
    const char* text = nullptr;
    (void)curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &text);
    std::string_view type = text == nullptr ? std::string_view() : std::string_view(text);
    type = trimmed(type.substr(0, type.find(';')));
    return printable(ascii_lower(type), 100);
}

}  // namespace

void wipe_and_free(curl_slist* list) noexcept {
    for (curl_slist* node = list; node != nullptr; node = node->next) {
        explicit_bzero(node->data, std::char_traits<char>::length(node->data));
    }
    curl_slist_free_all(list);
}

Transfer::Transfer(Request request, UrlParts url)
    : request_(std::move(request)), url_(std::move(url)), easy_(curl_easy_init()) {}

Result<std::unique_ptr<Transfer>> Transfer::make(Request request) {
    auto url = check_url(request.url, request.transport.allow_http_loopback,
                         request.transport.allow_http_metadata);
    if (!url) {
        return tl::unexpected(std::move(url.error()));
    }
    // make_unique cannot reach the private constructor.
    std::unique_ptr<Transfer> transfer(new Transfer(std::move(request), std::move(*url)));
    if (transfer->easy_ == nullptr) {
        return failure(Errc::Internal, transfer->url_.host + ": libcurl gave no handle");
    }
    const std::string& proxy = transfer->request_.transport.proxy;
    if (!proxy.empty()) {
        auto parts = check_proxy(proxy);
        if (!parts) {
            return tl::unexpected(std::move(parts.error()));
        }
        transfer->proxy_host_ = parts->host;
    }
    transfer->set_safe_defaults();
    transfer->set_proxy();
    transfer->set_request();
    if (auto headers = transfer->set_headers(); !headers) {
        return tl::unexpected(std::move(headers.error()));
    }
    if (!transfer->set_up_) {
        return failure(Errc::Internal,
                       transfer->url_.host + ": this libcurl lacks an option that we need");
    }
    return transfer;
}

/// Other TLS libraries of libcurl know no SSL_CTX, or call something else by that name.
bool uses_openssl() {
    static const bool answer = [] {
        const curl_version_info_data* const about = curl_version_info(CURLVERSION_NOW);
        return about != nullptr && about->ssl_version != nullptr &&
               std::string_view(about->ssl_version).starts_with("OpenSSL/");
    }();
    return answer;
}

template <typename Value>
void Transfer::set(CURLoption option, Value value) {
    set_up_ = curl_easy_setopt(easy_.get(), option, value) == CURLE_OK && set_up_;
}

/// Never CURLOPT_VERBOSE: its output holds bodies and headers.
void Transfer::set_safe_defaults() {
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROTOCOLS_STR, url_.scheme.c_str());  // check_url() has judged the scheme
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (uses_openssl()) {
        set(CURLOPT_SSL_CTX_FUNCTION, &Transfer::on_tls_context);
    }
    if (!request_.transport.ca_file.empty()) {
        set(CURLOPT_CAINFO, request_.transport.ca_file.c_str());
        // Debian builds in a CApath as well, which would go on trusting the system's CAs.
        set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    }
    set(CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
    set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(request_.connect_timeout));
    set(CURLOPT_TIMEOUT_MS, milliseconds(request_.total_timeout));
    set(CURLOPT_USERAGENT, "postbearer/" POSTBEARER_VERSION);
    set(CURLOPT_ERRORBUFFER, error_text_.data());
#if LIBCURL_VERSION_NUM >= 0x075700
    // Otherwise a time-out during name resolution would block the loop until the resolver's
    // thread comes back.
    set(CURLOPT_QUICK_EXIT, 1L);
    set(CURLOPT_CA_CACHE_TIMEOUT, kCaCacheSeconds);
#endif
}

/// Setting both options keeps libcurl from looking at http_proxy, ALL_PROXY and NO_PROXY.
/// Loopback and the link-local metadata address are never asked for through a proxy.
void Transfer::set_proxy() {
    const bool direct = proxy_host_.empty() || url_.loopback || url_.host == "169.254.169.254";
    if (direct) {
        proxy_host_.clear();
    }
    set(CURLOPT_PROXY, direct ? "" : request_.transport.proxy.c_str());
    set(CURLOPT_NOPROXY, "");
    set(CURLOPT_HTTPPROXYTUNNEL, direct ? 0L : 1L);
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(CURLOPT_HEADEROPT, static_cast<long>(CURLHEADER_SEPARATE));  // the proxy gets none of ours
}

void Transfer::set_request() {
    set(CURLOPT_URL, request_.url.c_str());
    set(CURLOPT_FRESH_CONNECT, request_.fresh_connection ? 1L : 0L);
    set(CURLOPT_FORBID_REUSE, request_.fresh_connection ? 1L : 0L);
    set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
    set(CURLOPT_WRITEDATA, this);
    if (request_.method == Method::Get) {
        set(CURLOPT_HTTPGET, 1L);
        return;
    }
    set(CURLOPT_POST, 1L);
    if (request_.body_source != nullptr) {
        set_body_source();
        return;
    }
    const std::string_view body = request_.body.reveal();
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    // Not COPYPOSTFIELDS: our memory is wiped. What libcurl and OpenSSL copy into their own send
    // and receive buffers is wiped where the program has asked for that (the agent does).
    set(CURLOPT_POSTFIELDS, body.empty() ? "" : body.data());
}

/// on_attempt() is what keeps a request from going out twice: libcurl calls it before each attempt
/// on a connection, whatever made it try again. on_seek() alone would not do, because libcurl skips
/// it where it believes that no body byte was written.
void Transfer::set_body_source() {
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body_source->size()));
    set(CURLOPT_READFUNCTION, &Transfer::on_read);
    set(CURLOPT_READDATA, this);
    set(CURLOPT_SEEKFUNCTION, &Transfer::on_seek);
    set(CURLOPT_SEEKDATA, this);
    set(CURLOPT_PREREQFUNCTION, &Transfer::on_attempt);
    set(CURLOPT_PREREQDATA, this);
    set(CURLOPT_PIPEWAIT, 1L);
    set(CURLOPT_MAXAGE_CONN, kLongestIdleSeconds);
}

void Transfer::append_header(const char* line) {
    curl_slist* longer = curl_slist_append(headers_.get(), line);
    if (longer == nullptr) {
        set_up_ = false;
        return;
    }
    (void)headers_.release();  // the head of the same list
    headers_.reset(longer);
}

Result<void> Transfer::set_headers() {
    for (const std::string& line : request_.headers) {
        if (!is_header_text(line) || line.find(':') == std::string::npos) {
            return failure(Errc::Config, url_.host + ": a header line is malformed");
        }
        append_header(line.c_str());
    }
    if (!request_.content_type.empty()) {
        if (!is_header_text(request_.content_type)) {
            return failure(Errc::Config, url_.host + ": the content type is malformed");
        }
        append_header(("Content-Type: " + request_.content_type).c_str());
    }
    append_header("Expect:");  // 100-continue costs a round trip and confuses old servers
    if (!request_.authorization.empty()) {
        if (!is_header_text(request_.authorization.reveal())) {
            return failure(Errc::Config, url_.host + ": the credentials hold control characters");
        }
        WipedBytes line;
        line.reserve(request_.authorization.size() + 32);
        append(line, "Authorization: ");
        append(line, request_.authorization.reveal());
        line.push_back('\0');
        append_header(line.data());
    }
    set(CURLOPT_HTTPHEADER, headers_.get());
    return {};
}

std::size_t Transfer::on_body(char* bytes, std::size_t size, std::size_t count,
                              void* user) noexcept {
    try {
        return static_cast<Transfer*>(user)->take(bytes, size * count);
    } catch (...) {
        return 0;  // libcurl ends the transfer with CURLE_WRITE_ERROR
    }
}

std::size_t Transfer::take(const char* bytes, std::size_t count) {
    const std::size_t room = request_.max_body_bytes - body_.size();
    if (request_.cut_large_answer) {
        append(body_, {bytes, std::min(count, room)});
        return count;
    }
    if (body_.empty()) {
        curl_off_t announced = 0;
        (void)curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
        too_large_ =
            announced > 0 && static_cast<std::uint64_t>(announced) > request_.max_body_bytes;
        body_.reserve(std::min(kFirstBodyBytes, request_.max_body_bytes));
    }
    too_large_ = too_large_ || count > room;
    if (too_large_) {
        return 0;
    }
    append(body_, {bytes, count});
    return count;
}

std::size_t Transfer::on_read(char* space, std::size_t size, std::size_t count,
                              void* user) noexcept {
    try {
        return static_cast<Transfer*>(user)->give(space, size * count);
    } catch (...) {
        return CURL_READFUNC_ABORT;
    }
}

std::size_t Transfer::give(char* space, std::size_t count) {
    const std::uint64_t left = request_.body_source->size() - body_bytes_taken_;
    if (left == 0) {
        return 0;
    }
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(count, left));
    const std::ptrdiff_t got = request_.body_source->read({space, wanted});
    if (got <= 0) {
        body_unreadable_ = true;
        return CURL_READFUNC_ABORT;
    }
    body_bytes_taken_ += static_cast<std::uint64_t>(got);
    if (body_bytes_taken_ == request_.body_source->size() && body_taken_) {
        body_taken_();
    }
    return static_cast<std::size_t>(got);
}

bool Transfer::rewind_body() noexcept {
    if (body_bytes_taken_ == 0) {
        return true;
    }
    if (!request_.body_source->rewind()) {
        second_attempt_refused_ = true;
        return false;
    }
    body_bytes_taken_ = 0;
    return true;
}

/// A connection that is kept must not keep the last answer in OpenSSL's buffers: they are given
/// back while it is idle.
CURLcode Transfer::on_tls_context(CURL* /*easy*/, void* context, void* /*user*/) noexcept {
    (void)SSL_CTX_set_mode(static_cast<SSL_CTX*>(context), SSL_MODE_RELEASE_BUFFERS);
    return CURLE_OK;
}

int Transfer::on_seek(void* user, curl_off_t offset, int origin) noexcept {
    const bool to_front = offset == 0 && origin == SEEK_SET;
    return to_front && static_cast<Transfer*>(user)->rewind_body() ? CURL_SEEKFUNC_OK
                                                                   : CURL_SEEKFUNC_FAIL;
}

int Transfer::on_attempt(void* user, char* /*remote*/, char* /*local*/, int /*remote_port*/,
                         int /*local_port*/) noexcept {
    return static_cast<Transfer*>(user)->rewind_body() ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

Result<Response> Transfer::outcome(CURLcode code) {
    if (code != CURLE_OK && !status_is_known()) {
        return tl::unexpected(failed(code));
    }
    return response();
}

/// Where only the status counts, a body that ends badly behind it takes nothing back.
bool Transfer::status_is_known() const {
    long status = 0;
    (void)curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    return request_.cut_large_answer && status >= 200 && !second_attempt_refused_ &&
           !body_unreadable_;
}

Response Transfer::response() {
    Response answer;
    (void)curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &answer.status);
    answer.content_type = media_type(easy_.get());
    answer.date = parse_http_date(header_of(easy_.get(), "Date"));
    answer.retry_after = parse_retry_after(header_of(easy_.get(), "Retry-After"),
                                           answer.date.value_or(SystemClock().wall()));
    const char* target = nullptr;
    (void)curl_easy_getinfo(easy_.get(), CURLINFO_REDIRECT_URL, &target);
    if (target != nullptr) {
        answer.redirect_host = host_of(target);
    }
    for (const std::string& name : request_.wanted_headers) {
        if (auto value = joined_header(easy_.get(), name.c_str()); !value.empty()) {
            answer.headers.emplace(name, std::move(value));
        }
    }
    answer.body = Secret(std::move(body_));
    return answer;
}

Error Transfer::failed(CURLcode code) {
    TransferFailure found;
    found.curl_code = static_cast<int>(code);
    found.host = printable(url_.host, 255);
    found.detail = error_text_.data();
    found.too_large = too_large_;
    found.private_ca = !request_.transport.ca_file.empty();
    found.proxy_host = printable(proxy_host_, 255);
    found.max_body_bytes = request_.max_body_bytes;
    found.connect_timeout = request_.connect_timeout;
    found.total_timeout = answer_overdue_ ? request_.answer_timeout : request_.total_timeout;
    found.body_unreadable = body_unreadable_;
    found.second_attempt_refused = second_attempt_refused_;
    long number = 0;
    (void)curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &number);
    found.os_errno = static_cast<int>(number);
    (void)curl_easy_getinfo(easy_.get(), CURLINFO_HTTP_CONNECTCODE, &found.proxy_status);
    curl_off_t connected_after = 0;
    (void)curl_easy_getinfo(easy_.get(), CURLINFO_PRETRANSFER_TIME_T, &connected_after);
    found.connected = connected_after > 0;
    return describe(found);
}

}  // namespace postbearer::http
