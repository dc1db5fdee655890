// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace postbearer::milter {

/// Takes the dots out of what follows DATA (RFC 5321 section 4.5.2), however it is cut. Lines end
/// at CRLF alone and the message ends at CRLF.CRLF alone: where others see an end at LF.LF, there
/// is none here (SMTP smuggling).
class DataReader {
public:
    using Sink = std::function<void(std::string_view)>;

    /// `sink` gets the message piece by piece. A header section of more than `max_header_bytes` is
    /// not kept.
    DataReader(std::size_t max_header_bytes, Sink sink)
        : max_header_bytes_(max_header_bytes), sink_(std::move(sink)) {}

    /// Returns how many of `bytes` belong to the message, its end mark included.
    std::size_t feed(std::string_view bytes);

    [[nodiscard]] bool done() const noexcept { return state_ == State::Done; }
    /// Of the message so far, without the dots that were removed.
    [[nodiscard]] std::uint64_t size() const noexcept { return size_; }
    [[nodiscard]] bool bare_line_feed() const noexcept { return bare_line_feed_; }
    [[nodiscard]] bool header_too_large() const noexcept { return header_too_large_; }
    /// Through the empty line, or the whole message if it has none.
    [[nodiscard]] std::string take_header() noexcept { return std::move(header_); }

private:
    enum class State : std::uint8_t { LineStart, Dot, DotCr, Text, Done };

    std::size_t read_text(std::string_view bytes, std::size_t at);
    void pass_on(std::string_view piece);
    void collect_header(std::string_view piece);

    std::size_t max_header_bytes_;
    Sink sink_;
    State state_ = State::LineStart;
    bool after_cr_ = false;  // in Text: the byte before was CR
    bool bare_line_feed_ = false;
    bool header_complete_ = false;
    bool header_too_large_ = false;
    std::uint64_t size_ = 0;
    std::string header_;
};

}  // namespace postbearer::milter
