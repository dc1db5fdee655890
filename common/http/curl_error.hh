// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "common/result.hh"

namespace postbearer::http {

/// What is known about a failed transfer, in our terms.
struct TransferFailure {
    int curl_code = 0;                    // CURLcode
    std::string host;                     // printable
    std::string detail;                   // libcurl's error buffer
    int os_errno = 0;                     // CURLINFO_OS_ERRNO
    long proxy_status = 0;                // CURLINFO_HTTP_CONNECTCODE
    bool connected = false;               // TLS was up
    bool too_large = false;               // our own cap ended it
    bool private_ca = false;              // the request had a ca_file
    bool body_unreadable = false;         // its source failed
    bool second_attempt_refused = false;  // the connection was lost, the body not sent again
    std::string proxy_host;               // empty: none
    std::size_t max_body_bytes = 0;
    std::chrono::milliseconds connect_timeout{0};
    std::chrono::milliseconds total_timeout{0};
};

/// "login.example: connection refused": host, cause and, where there is one, the setting to look
/// at.
[[nodiscard]] Error describe(const TransferFailure& failure);

}  // namespace postbearer::http
