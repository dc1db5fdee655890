// SPDX-License-Identifier: Apache-2.0
#include "milter/envelope/address_tokens.hh"

#include <cstddef>

#include "milter/envelope/address_parts.hh"

namespace postbearer::milter {
namespace {

using Kind = AddressToken::Kind;

bool is_blank(char byte) noexcept { return byte == ' ' || byte == '\t'; }

/// CRLF or LF before a blank, at the start of `text`; 0: none.
std::size_t folding_length(std::string_view text) noexcept {
    const std::size_t length = text.starts_with("\r\n") ? 2 : text.starts_with('\n') ? 1 : 0;
    return length != 0 && text.size() > length && is_blank(text[length]) ? length : 0;
}

bool is_control(char byte) noexcept {
    const auto code = static_cast<unsigned char>(byte);
    return (code < 0x20 && byte != '\t') || code == 0x7F;
}

class Scanner {
public:
    explicit Scanner(std::string_view value) : rest_(value) {}

    std::vector<AddressToken> run() && {
        while (skip_blanks(), !rest_.empty()) {
            tokens_.push_back(next());
        }
        return std::move(tokens_);
    }

private:
    void skip_blanks() {
        while (!rest_.empty()) {
            const std::size_t fold = folding_length(rest_);
            if (fold == 0 && !is_blank(rest_.front())) {
                return;
            }
            rest_.remove_prefix(fold + 1);
        }
    }

    AddressToken taken(Kind kind, std::size_t length, bool escaped = false) {
        const AddressToken token{kind, rest_.substr(0, length), escaped};
        rest_.remove_prefix(length);
        return token;
    }

    AddressToken next() {
        switch (rest_.front()) {
            case '"':
                return delimited(Kind::Quoted, '"', broken_[0]);
            case '(':
                return delimited(Kind::Comment, ')', broken_[1]);
            case '[':
                return delimited(Kind::Literal, ']', broken_[2]);
            case '<':
            case '>':
            case ',':
            case ';':
            case ':':
            case '@':
                return taken(Kind::Special, 1);
            default:
                return atom();
        }
    }

    AddressToken atom() {
        std::size_t length = 0;
        while (length < rest_.size() && (rest_[length] == '.' || is_atext(rest_[length]))) {
            ++length;
        }
        return length == 0 ? taken(Kind::Bad, 1) : taken(Kind::Atom, length);
    }

    /// Comments nest; the others end at the first `close` without a backslash.
    AddressToken delimited(Kind kind, char close, bool& broken) {
        bool escaped = false;
        std::size_t depth = 1;
        for (std::size_t i = 1; i < rest_.size() && !broken; ++i) {
            const char byte = rest_[i];
            if (const std::size_t fold = folding_length(rest_.substr(i)); fold != 0) {
                i += fold;
            } else if (byte == '\\' && i + 1 < rest_.size() && !is_control(rest_[i + 1])) {
                escaped = true;
                ++i;
            } else if (byte == '\\' || is_control(byte)) {
                break;
            } else if (byte == close && --depth == 0) {
                return taken(kind, i + 1, escaped);
            } else if (kind == Kind::Comment && byte == '(') {
                ++depth;
            }
        }
        broken = true;
        return taken(Kind::Bad, 1);  // the rest is read as if the opening mark were not there
    }

    std::string_view rest_;
    bool broken_[3] =
        {};  // quotes, comments, literals; else many opening marks would take quadratic time
    std::vector<AddressToken> tokens_;
};

}  // namespace

std::vector<AddressToken> address_tokens(std::string_view value) { return Scanner(value).run(); }

}  // namespace postbearer::milter
