// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>
#include <tl/expected.hpp>

#include "milter/lmtp/data_reader.hh"
#include "milter/lmtp/limits.hh"
#include "milter/lmtp/spool_file.hh"
#include "milter/lmtp/transaction.hh"

namespace postbearer::milter {

/// A message while its data comes in. Whatever is wrong with it, it is read to its end, so that
/// client and server stay in step; what is not kept takes no room.
class IncomingMessage {
public:
    IncomingMessage(const LmtpLimits& limits, SpoolFile spool);
    IncomingMessage(const IncomingMessage&) = delete;
    IncomingMessage& operator=(const IncomingMessage&) = delete;
    IncomingMessage(IncomingMessage&&) = delete;
    IncomingMessage& operator=(IncomingMessage&&) = delete;
    ~IncomingMessage() = default;

    /// Returns how many of `bytes` were the message's.
    std::size_t feed(std::string_view bytes) { return reader_.feed(bytes); }
    [[nodiscard]] bool done() const noexcept { return reader_.done(); }

    /// Once, after done(). The error is every recipient's reply: 552 too large, 452 no room.
    [[nodiscard]] tl::expected<SpooledMessage, LmtpReply> finish();

private:
    void take(std::string_view piece);

    std::uint64_t max_message_bytes_;
    std::size_t max_header_bytes_;
    SpoolFile spool_;
    DataReader reader_;
};

}  // namespace postbearer::milter
