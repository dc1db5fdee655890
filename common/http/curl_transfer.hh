// SPDX-License-Identifier: Apache-2.0
#pragma once

// One request of CurlHttp: an easy handle with our defaults, and what came back.

#include <curl/curl.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "common/http/http_client.hh"
#include "common/http/url.hh"
#include "common/owned.hh"

namespace postbearer::http {

using CurlEasy = Owned<CURL, curl_easy_cleanup>;

/// Header lines may hold an Authorization value: they are wiped before they are freed.
void wipe_and_free(curl_slist* list) noexcept;
using WipedHeaders = Owned<curl_slist, wipe_and_free>;

/// Stays where it is: libcurl keeps pointers into it (error buffer, request body, callbacks).
class Transfer {
public:
    /// Error: Config (URL, proxy or header refused), Internal.
    [[nodiscard]] static Result<std::unique_ptr<Transfer>> make(Request request);

    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;
    Transfer(Transfer&&) = delete;
    Transfer& operator=(Transfer&&) = delete;
    ~Transfer() = default;

    [[nodiscard]] CURL* handle() const noexcept { return easy_.get(); }

    /// `taken` is called from inside libcurl, each time the last byte of a body_source has been
    /// read.
    void when_body_is_taken(std::function<void()> taken) { body_taken_ = std::move(taken); }
    [[nodiscard]] std::chrono::milliseconds answer_timeout() const noexcept {
        return request_.answer_timeout;
    }
    /// The caller ends the transfer now, because answer_timeout has passed.
    void answer_is_overdue() noexcept { answer_overdue_ = true; }

    /// After libcurl is done with the handle; takes the body out.
    [[nodiscard]] Result<Response> outcome(CURLcode code);

private:
    Transfer(Request request, UrlParts url);

    template <typename Value>
    void set(CURLoption option, Value value);
    void set_request();
    void set_body_source();
    void set_safe_defaults();
    void set_proxy();
    [[nodiscard]] Result<void> set_headers();
    void append_header(const char* line);
    [[nodiscard]] bool status_is_known() const;
    [[nodiscard]] Response response();
    [[nodiscard]] Error failed(CURLcode code);

    static std::size_t on_body(char* bytes, std::size_t size, std::size_t count,
                               void* user) noexcept;
    std::size_t take(const char* bytes, std::size_t count);

    static std::size_t on_read(char* space, std::size_t size, std::size_t count,
                               void* user) noexcept;
    static CURLcode on_tls_context(CURL* easy, void* context, void* user) noexcept;
    static int on_seek(void* user, curl_off_t offset, int origin) noexcept;
    static int on_attempt(void* user, char* remote, char* local, int remote_port,
                          int local_port) noexcept;
    std::size_t give(char* space, std::size_t count);
    bool rewind_body() noexcept;

    Request request_;
    UrlParts url_;
    std::string proxy_host_;
    WipedHeaders headers_;
    std::array<char, CURL_ERROR_SIZE> error_text_{};
    WipedBytes body_;
    std::function<void()> body_taken_;
    std::uint64_t body_bytes_taken_ = 0;
    bool body_unreadable_ = false;
    bool second_attempt_refused_ = false;
    bool answer_overdue_ = false;
    bool too_large_ = false;
    bool set_up_ = true;
    // Last, so that it goes first: libcurl holds pointers to what stands above.
    CurlEasy easy_;
};

}  // namespace postbearer::http
