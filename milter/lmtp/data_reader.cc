// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/data_reader.hh"

#include <algorithm>

namespace postbearer::milter {

std::size_t DataReader::feed(std::string_view bytes) {
    std::size_t at = 0;
    std::size_t kept = 0;  // [kept, at) is message, not passed on yet
    while (at < bytes.size() && state_ != State::Done) {
        switch (state_) {
            case State::LineStart:
                if (bytes[at] == '.') {
                    pass_on(bytes.substr(kept, at - kept));
                    kept = ++at;
                    state_ = State::Dot;
                } else {
                    state_ = State::Text;
                    after_cr_ = false;
                }
                break;
            case State::Dot:  // stuffed, or the end
                if (bytes[at] == '\r') {
                    kept = ++at;
                    state_ = State::DotCr;
                } else {
                    state_ = State::Text;
                    after_cr_ = false;
                }
                break;
            case State::DotCr:
                if (bytes[at] == '\n') {
                    kept = ++at;
                    state_ = State::Done;
                } else {
                    pass_on("\r");
                    state_ = State::Text;
                    after_cr_ = true;
                }
                break;
            case State::Text:
                at = read_text(bytes, at);
                break;
            case State::Done:
                break;
        }
    }
    pass_on(bytes.substr(kept, at - kept));
    return at;
}

/// To behind the next LF, or to the end.
std::size_t DataReader::read_text(std::string_view bytes, std::size_t at) {
    const std::size_t line_feed = bytes.find('\n', at);
    if (line_feed == std::string_view::npos) {
        after_cr_ = bytes.back() == '\r';
        return bytes.size();
    }
    const bool with_cr = line_feed > at ? bytes[line_feed - 1] == '\r' : after_cr_;
    if (with_cr) {
        state_ = State::LineStart;
    } else {
        bare_line_feed_ = true;
    }
    after_cr_ = false;
    return line_feed + 1;
}

void DataReader::pass_on(std::string_view piece) {
    if (piece.empty()) {
        return;
    }
    size_ += piece.size();
    if (!header_complete_) {
        collect_header(piece);
    }
    sink_(piece);
}

void DataReader::collect_header(std::string_view piece) {
    constexpr std::string_view kEmptyLine = "\r\n\r\n";
    const std::size_t known = header_.size();
    header_.append(piece);
    std::size_t end = std::string::npos;
    if (header_.starts_with("\r\n")) {
        end = 2;
    } else {
        const std::size_t from = known - std::min(known, kEmptyLine.size() - 1);
        const std::size_t found = header_.find(kEmptyLine, from);
        end = found == std::string::npos ? found : found + kEmptyLine.size();
    }
    if (end != std::string::npos) {
        header_.resize(end);
        header_complete_ = true;
    }
    if (header_.size() > max_header_bytes_) {
        header_too_large_ = true;
        header_complete_ = true;
        header_ = std::string();
    }
}

}  // namespace postbearer::milter
