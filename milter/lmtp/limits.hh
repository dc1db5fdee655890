// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace postbearer::milter {

constexpr std::size_t kMaxHeaderBytes = std::size_t{1} << 20U;
/// A command line with its CRLF. RFC 5321 asks for 512, our addresses have up to 1000 bytes.
constexpr std::size_t kMaxCommandBytes = 4096;
constexpr std::size_t kMaxAddressBytes = 1000;

struct LmtpLimits {
    std::uint64_t max_message_bytes = std::uint64_t{150} << 20U;
    std::size_t max_header_bytes = kMaxHeaderBytes;
    std::size_t max_recipients = 10'000;  // of one transaction
    std::size_t max_errors = 20;          // of one session; the next one ends it
    std::size_t max_sessions = 250;
    std::chrono::milliseconds command_timeout{300'000};  // from one command to the next
    std::chrono::milliseconds data_timeout{180'000};     // from one byte of data to the next
    std::chrono::milliseconds write_timeout{300'000};    // for replies the client does not read
};

struct LmtpSettings {
    std::string host;       // in the greeting
    std::string spool_dir;  // for nameless files: nothing is there after a crash
    LmtpLimits limits;
};

}  // namespace postbearer::milter
