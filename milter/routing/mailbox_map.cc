// SPDX-License-Identifier: Apache-2.0
#include "milter/routing/mailbox_map.hh"

#include <algorithm>

#include "common/text.hh"
#include "milter/envelope/address.hh"

namespace postbearer::milter {
namespace {

constexpr std::string_view kSaslPrefix = "sasl:";
constexpr std::size_t kMaxMailboxBytes = 320;  // RFC 5321: 64 + "@" + 255

bool is_guid(std::string_view text) noexcept {
    if (text.size() != 36) {
        return false;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (dash ? c != '-' : !hex) {
            return false;
        }
    }
    return true;
}

/// RFC 5322 atext and dots; quoted local parts are no mailboxes at Exchange.
bool is_plain_local(std::string_view local) noexcept {
    constexpr std::string_view kAlso = "!#$%&'*+-/=?^_`{|}~.";
    return !local.empty() && local.size() <= 64 &&
           std::all_of(local.begin(), local.end(), [&](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      kAlso.find(c) != std::string_view::npos;
           });
}

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

bool is_mailbox_name(std::string_view text) noexcept {
    if (text.size() > kMaxMailboxBytes) {
        return false;
    }
    const std::size_t at = text.find('@');
    if (at == std::string_view::npos) {
        return is_guid(text);
    }
    return is_plain_local(text.substr(0, at)) && is_plain_domain(text.substr(at + 1));
}

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
