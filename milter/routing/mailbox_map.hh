// SPDX-License-Identifier: Apache-2.0
#pragma once

// `mailbox = "map:FILE"`: which Graph mailbox sends for whom. Lines `KEY MAILBOX`; KEY is a header
// From address, `@domain`, `sasl:USER` or `*`; `#` begins a comment line.

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace postbearer::milter {

class MailboxMap {
public:
    struct Mistake {
        std::size_t line = 0;
        std::string text;
    };
    /// What is wrong goes into `mistakes`; such lines are left out.
    [[nodiscard]] static MailboxMap parse(std::string_view text, std::vector<Mistake>& mistakes);

    /// The most specific key wins: address, sasl user, @domain, *. Empty: none. `from_key` is an
    /// address_key(), may be empty.
    [[nodiscard]] std::string find(std::string_view from_key, std::string_view sasl_user) const;
    [[nodiscard]] std::size_t size() const noexcept { return mailboxes_.size(); }

private:
    [[nodiscard]] const std::string* at(const std::string& key) const;
    std::unordered_map<std::string, std::string> mailboxes_;
};

}  // namespace postbearer::milter
