// SPDX-License-Identifier: Apache-2.0
#pragma once

// The lexical tokens of RFC 5322 section 3.2 in an address list.

#include <string_view>
#include <vector>

namespace postbearer::milter {

struct AddressToken {
    enum class Kind {
        Atom,     // atext and dots
        Quoted,   // with its quotes
        Literal,  // with its brackets
        Comment,  // with its parentheses
        Special,  // one of < > , ; : @
        Bad,      // what has no place here
    };
    Kind kind = Kind::Bad;
    std::string_view text;
    bool escaped = false;  // Quoted, Comment: a backslash is in it

    [[nodiscard]] bool is(char special) const {
        return kind == Kind::Special && text.front() == special;
    }
};

/// All of `value` but its blanks. Something without its end and a line end that folds nothing are
/// Bad tokens; after one without its end, marks of that kind are all Bad.
[[nodiscard]] std::vector<AddressToken> address_tokens(std::string_view value);

}  // namespace postbearer::milter
