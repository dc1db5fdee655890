// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/incoming_message.hh"

#include <string>
#include <utility>

namespace postbearer::milter {

IncomingMessage::IncomingMessage(const LmtpLimits& limits, SpoolFile spool)
    : max_message_bytes_(limits.max_message_bytes),
      max_header_bytes_(limits.max_header_bytes),
      spool_(std::move(spool)),
      reader_(limits.max_header_bytes, [this](std::string_view piece) { take(piece); }) {}

void IncomingMessage::take(std::string_view piece) {
    if (reader_.size() > max_message_bytes_ || reader_.header_too_large()) {
        spool_.discard();
        return;
    }
    spool_.write(piece);
}

tl::expected<SpooledMessage, LmtpReply> IncomingMessage::finish() {
    if (reader_.size() > max_message_bytes_) {
        return tl::unexpected(LmtpReply{
            552, "5.3.4",
            "message of " + std::to_string(reader_.size()) + " bytes is larger than the " +
                std::to_string(max_message_bytes_) + " bytes that are taken here"});
    }
    if (reader_.header_too_large()) {
        return tl::unexpected(LmtpReply{
            552, "5.3.4",
            "header section larger than " + std::to_string(max_header_bytes_) + " bytes"});
    }
    auto file = spool_.finish();
    if (!file) {
        return tl::unexpected(LmtpReply{452, "4.3.1", file.error().context});
    }
    SpooledMessage message;
    message.header = reader_.take_header();
    message.file = std::move(*file);
    message.body_offset = message.header.size();
    message.size = reader_.size();
    message.bare_line_feed = reader_.bare_line_feed();
    return message;
}

}  // namespace postbearer::milter
