// SPDX-License-Identifier: Apache-2.0
#include "milter/routing/mailbox_map.hh"

#include <algorithm>

#include "common/text.hh"
#include "milter/envelope/address.hh"
#include "milter/envelope/mailbox_name.hh"

namespace postbearer::milter {
namespace {

constexpr std::string_view kSaslPrefix = "sasl:";

bool is_plain_domain(std::string_view domain) noexcept {
    return !domain.empty() && domain.front() != '.' && domain.back() != '.' &&
           std::all_of(domain.begin(), domain.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '.' || c == '_';
           });
}

/// The form that find() looks for; empty: not a key.
std::string normal_key(std::string_view key) {
    if (key == "*") {
        return "*";
    }
    if (key.starts_with(kSaslPrefix) && key.size() > kSaslPrefix.size()) {
        return is_plain_utf8(key) ? ascii_lower(key) : std::string();
    }
    if (key.starts_with('@')) {
        return is_plain_domain(key.substr(1)) ? ascii_lower(key) : std::string();
    }
    return address_key(key).value_or("");
}

}  // namespace

MailboxMap MailboxMap::parse(std::string_view text, std::vector<Mistake>& mistakes) {
    MailboxMap map;
    std::size_t number = 0;
    while (!text.empty()) {
        ++number;
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.front() == '#') {
            continue;
        }
        const std::size_t blank = line.find_first_of(" \t");
        const std::string_view mailbox =
            blank == std::string_view::npos ? std::string_view() : trimmed(line.substr(blank));
        const std::string key = normal_key(line.substr(0, blank));
        if (key.empty()) {
            mistakes.push_back({number,
                                "expected an address, @domain, sasl:USER or * before the "
                                "mailbox, found \"" +
                                    printable(line.substr(0, blank), 80) + '"'});
        } else if (!is_mailbox_name(mailbox)) {
            mistakes.push_back({number,
                                "expected one mailbox (an address or an object id) after "
                                "the key, found \"" +
                                    printable(mailbox, 80) + '"'});
        } else if (!map.mailboxes_.emplace(key, ascii_lower(mailbox)).second) {
            mistakes.push_back({number, "\"" + printable(key, 330) + "\" stands here twice"});
        }
    }
    return map;
}

const std::string* MailboxMap::at(const std::string& key) const {
    const auto found = mailboxes_.find(key);
    return found == mailboxes_.end() ? nullptr : &found->second;
}

std::string MailboxMap::find(std::string_view from_key, std::string_view sasl_user) const {
    const std::size_t sign = from_key.rfind('@');
    // A sender that is no address keeps its bytes as key, and must not spell a sasl user with them.
    const bool is_address = !from_key.starts_with(kSaslPrefix);
    const std::string keys[] = {
        is_address ? std::string(from_key) : std::string(),
        sasl_user.empty() ? std::string() : std::string(kSaslPrefix) + ascii_lower(sasl_user),
        sign == std::string_view::npos ? std::string() : std::string(from_key.substr(sign)), "*"};
    for (const std::string& key : keys) {
        const std::string* mailbox = key.empty() ? nullptr : at(key);
        if (mailbox != nullptr) {
            return *mailbox;
        }
    }
    return {};
}

}  // namespace postbearer::milter
