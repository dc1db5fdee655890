// SPDX-License-Identifier: Apache-2.0
#include "common/config/source_scan.hh"

#include <cstddef>
#include <utility>

namespace postbearer::config {
namespace {

class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    std::optional<ScanFault> run() {
        if (text_.starts_with("\xef\xbb\xbf")) {  // a byte order mark is allowed here
            at_ = 3;
        }
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '#') {
                skip_comment();
            } else if (c == '"' || c == '\'') {
                skip_string(c);
            } else if (auto fault = step(c)) {
                return fault;
            }
        }
        return std::nullopt;
    }

private:
    /// One character outside quotes and comments.
    std::optional<ScanFault> step(char c) {
        if (static_cast<unsigned char>(c) >= 0x80) {
            return fault(
                "a character beyond ASCII stands outside quotes (the quotes of TOML are the plain "
                "\" and ')");
        }
        if (c == '.') {
            if (++dots_ > kMaxKeyDots) {
                return fault("a key has more than " + std::to_string(kMaxKeyDots) + " dots");
            }
        } else if (c == '\n' || c == '=' || c == ',' || c == ']' || c == '[' || c == '{') {
            dots_ = 0;
        }
        advance();
        return std::nullopt;
    }

    void advance() {
        const char c = text_[at_++];
        if (c == '\n') {
            ++line_;
            column_ = 1;
        } else if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) {  // not within a character
            ++column_;
        }
    }

    void skip_comment() {
        while (at_ < text_.size() && text_[at_] != '\n') {
            advance();
        }
    }

    [[nodiscard]] std::size_t quotes_here(char quote) const {
        std::size_t count = 0;
        while (count < 3 && at_ + count < text_.size() && text_[at_ + count] == quote) {
            ++count;
        }
        return count;
    }

    void skip_string(char quote) {
        const std::size_t width = quotes_here(quote) == 3 ? 3 : 1;
        for (std::size_t i = 0; i < width; ++i) {
            advance();
        }
        while (at_ < text_.size()) {
            if (width == 1 && text_[at_] == '\n') {
                return;  // an open string, which the parser reports
            }
            if (quote == '"' && text_[at_] == '\\' && at_ + 1 < text_.size()) {
                advance();
                advance();
                continue;
            }
            if (text_[at_] == quote && (width == 1 || quotes_here(quote) == 3)) {
                // up to two quotes may stand right before the closing three
                for (std::size_t i = 0; i < width; ++i) {
                    advance();
                }
                for (int i = 0; width == 3 && i < 2 && quotes_here(quote) > 0; ++i) {
                    advance();
                }
                return;
            }
            advance();
        }
    }

    [[nodiscard]] ScanFault fault(std::string text) const {
        return {line_, column_, std::move(text)};
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::uint32_t line_ = 1;
    std::uint32_t column_ = 1;
    int dots_ = 0;
};

}  // namespace

std::optional<ScanFault> scan_source(std::string_view text) { return Scanner(text).run(); }

}  // namespace postbearer::config
