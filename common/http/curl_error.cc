// SPDX-License-Identifier: Apache-2.0
#include "common/http/curl_error.hh"

#include <curl/curl.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <system_error>

#include "common/text.hh"

namespace postbearer::http {
namespace {

constexpr std::size_t kMaxDetailBytes = 160;

std::string seconds_text(std::chrono::milliseconds time) {
    if (time.count() % 1000 == 0) {
        return std::to_string(time.count() / 1000) + " s";
    }
    return std::to_string(time.count()) + " ms";
}

/// libcurl's sentence without the prefixes that say no more than ours do.
std::string detail_of(const TransferFailure& failure) {
    std::string_view text = trimmed(failure.detail);
    for (const std::string_view prefix : {"SSL certificate problem: ", "SSL: "}) {
        if (text.substr(0, prefix.size()) == prefix) {
            text.remove_prefix(prefix.size());
        }
    }
    if (text.empty()) {
        text = curl_easy_strerror(static_cast<CURLcode>(failure.curl_code));
    }
    return printable(text, kMaxDetailBytes);
}

std::string connect_cause(const TransferFailure& failure) {
    if (failure.os_errno == 0) {
        return detail_of(failure);
    }
    std::string text = std::generic_category().message(failure.os_errno);
    text[0] = ascii_lower(text.substr(0, 1))[0];
    return text;
}

Error timed_out(const TransferFailure& failure) {
    if (!failure.connected) {
        return {Errc::Timeout,
                failure.host + ": no connection within " +
                    seconds_text(std::min(failure.connect_timeout, failure.total_timeout))};
    }
    return {Errc::Timeout,
            failure.host + ": no answer within " + seconds_text(failure.total_timeout)};
}

/// OpenSSL reports a signature that does not fit its CA (one made anew under its old name) as an
/// error of the handshake that comes from the libraries below TLS, in words that help nobody.
bool is_about_certificate(std::string_view detail) {
    constexpr std::string_view kLibraries[] = {"asn1 encoding routines", "rsa routines",
                                               "x509 certificate routines"};
    return std::any_of(std::begin(kLibraries), std::end(kLibraries), [&](std::string_view name) {
        return detail.find(name) != std::string_view::npos;
    });
}

Error untrusted(const TransferFailure& failure) {
    const char* advice = failure.private_ca ? "; check that ca_file holds the CA of this server"
                                            : "; set ca_file if this server uses a private CA";
    const std::string cause = failure.curl_code == CURLE_SSL_CONNECT_ERROR
                                  ? "its signature is not by a CA that we trust"
                                  : detail_of(failure);
    return {Errc::Unavailable,
            failure.host + ": TLS certificate not trusted (" + cause + ")" + advice};
}

/// How the host was reached, for causes that lie before it.
std::string reached(const TransferFailure& failure) {
    return failure.proxy_host.empty() ? failure.host
                                      : failure.host + " through proxy " + failure.proxy_host;
}

Error connection_lost(const TransferFailure& failure) {
    return {Errc::Unavailable,
            reached(failure) + ": connection lost before the answer was complete"};
}

}  // namespace

Error describe(const TransferFailure& failure) {
    if (failure.body_unreadable) {
        return {Errc::Internal, failure.host + ": the body of the request cannot be read"};
    }
    if (failure.second_attempt_refused) {
        return connection_lost(failure);
    }
    if (failure.too_large) {
        return {Errc::Protocol, failure.host + ": answer larger than " +
                                    std::to_string(failure.max_body_bytes / 1024) + " KiB"};
    }
    if (failure.proxy_status >= 300) {
        return {Errc::Unavailable, "proxy " + failure.proxy_host + " refused CONNECT to " +
                                       failure.host + " (HTTP " +
                                       std::to_string(failure.proxy_status) + ")"};
    }
    switch (failure.curl_code) {
        case CURLE_COULDNT_RESOLVE_HOST:
            return {Errc::Unavailable, failure.host + ": host name not found (DNS)"};
        case CURLE_COULDNT_RESOLVE_PROXY:
            return {Errc::Unavailable, "proxy " + failure.proxy_host + ": name not found (DNS)"};
        case CURLE_COULDNT_CONNECT:
            return {Errc::Unavailable, reached(failure) + ": " + connect_cause(failure)};
        case CURLE_OPERATION_TIMEDOUT:
            return timed_out(failure);
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_ISSUER_ERROR:
            return untrusted(failure);
        case CURLE_SSL_CACERT_BADFILE:
            return {Errc::Config, failure.host + ": cannot read the certificates of ca_file"};
        case CURLE_SSL_CONNECT_ERROR:
            if (is_about_certificate(failure.detail)) {
                return untrusted(failure);
            }
            return {Errc::Unavailable,
                    failure.host + ": TLS handshake failed (" + detail_of(failure) + ")"};
        case CURLE_GOT_NOTHING:
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
        case CURLE_PARTIAL_FILE:
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
            return connection_lost(failure);
        case CURLE_URL_MALFORMAT:
            return {Errc::Config, failure.host + ": not a usable URL"};
        case CURLE_OUT_OF_MEMORY:
        case CURLE_FAILED_INIT:
            return {Errc::Internal, failure.host + ": " + detail_of(failure)};
        default:
            return {Errc::Protocol,
                    failure.host + ": no valid HTTP answer (" + detail_of(failure) + ")"};
    }
}

}  // namespace postbearer::http
