// SPDX-License-Identifier: Apache-2.0
#include "milter/envelope/header_facts.hh"

#include <algorithm>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "common/text.hh"
#include "milter/envelope/address.hh"
#include "milter/envelope/header_block.hh"

namespace postbearer::milter {
namespace {

constexpr std::string_view kFragile[] = {"auto-submitted", "precedence", "errors-to", "feedback-id",
                                         "archived-at"};

bool is_fragile(std::string_view lower_name) {
    return lower_name.starts_with("list-") ||
           std::find(std::begin(kFragile), std::end(kFragile), lower_name) != std::end(kFragile);
}

bool has_eight_bit(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](char byte) { return static_cast<unsigned char>(byte) > 0x7F; });
}

/// Appends the keys of `value`; true: the list is doubtful.
bool add_keys(std::string_view value, std::vector<std::string>& keys) {
    AddressList list = parse_address_list(value);
    for (ParsedAddress& address : list.addresses) {
        keys.push_back(std::move(address.key));
    }
    return list.doubtful;
}

void drop_repeated(std::vector<std::string>& keys) {
    std::unordered_set<std::string> seen;
    std::erase_if(keys, [&seen](const std::string& key) { return !seen.insert(key).second; });
}

bool is_blank(char byte) noexcept { return byte == ' ' || byte == '\t'; }

bool is_queue_id(std::string_view text) noexcept {
    constexpr std::size_t kShortest = 5;
    constexpr std::size_t kLongest = 64;
    return text.size() >= kShortest && text.size() <= kLongest &&
           std::all_of(text.begin(), text.end(), [](char byte) {
               return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                      (byte >= 'a' && byte <= 'z');
           });
}

/// The last word of `text`; takes it and the blanks around it off.
std::string_view take_last_word(std::string_view& text) {
    const auto trim = [&text] {
        while (!text.empty() && is_blank(text.back())) {
            text.remove_suffix(1);
        }
    };
    trim();
    const std::size_t blank = text.find_last_of(" \t");
    const std::string_view word = blank == std::string_view::npos ? text : text.substr(blank + 1);
    text.remove_suffix(word.size());
    trim();
    return word;
}

/// `text` up to its "for <...>", if that ends it.
std::string_view without_recipient(std::string_view text) {
    if (!text.ends_with('>')) {
        return text;
    }
    const std::size_t start = std::max(text.rfind("\tfor <") + 1, text.rfind(" for <") + 1);
    return start == 0 ? text : trimmed(text.substr(0, start - 1));
}

/// "... (Postfix)" or "... (Postfix, from userid 0)".
bool ends_with_postfix(std::string_view text) {
    const std::size_t open = text.rfind('(');
    return text.ends_with(')') && open != std::string_view::npos &&
           text.substr(open).starts_with("(Postfix");
}

}  // namespace

void HeaderFactsCollector::add(std::string_view name, std::string_view value) {
    name = trimmed(name);
    facts_.eight_bit = facts_.eight_bit || has_eight_bit(name) || has_eight_bit(value);
    const std::string lower = ascii_lower(name);
    if (lower == "from") {
        ++facts_.from_fields;
        facts_.from_doubtful |= add_keys(value, facts_.from);
    } else if (lower == "to" || lower == "cc") {
        facts_.recipients_doubtful |= add_keys(value, facts_.recipients);
    } else if (lower == "message-id") {
        facts_.message_id = facts_.message_id_fields++ == 0 ? unfolded(value) : std::string{};
    } else if (lower == "received") {
        if (facts_.received_fields++ == 0) {
            facts_.topmost_received = unfolded(value);
        }
    } else if (lower == ascii_lower(kIdHeader)) {
        ++facts_.id_fields;
    } else if (lower == ascii_lower(kRouteHeader)) {
        facts_.route_headers.push_back(unfolded(value));
    } else if (lower.starts_with("resent-")) {
        facts_.resent = true;
    } else if (is_fragile(lower)) {
        facts_.fragile.emplace_back(name);
    }
}

HeaderFacts HeaderFactsCollector::finish() && {
    drop_repeated(facts_.from);
    drop_repeated(facts_.recipients);
    return std::move(facts_);
}

HeaderFacts facts_of(std::string_view section) {
    const std::string tidy = tidy_section(section);
    HeaderFactsCollector collector;
    for (const HeaderField& field : split_fields(tidy)) {
        collector.add(field.name, field.value);
    }
    return std::move(collector).finish();
}

std::string queue_id_in_received(std::string_view received) {
    std::string text = unfolded(received.substr(0, received.rfind(';')));
    std::string_view rest = without_recipient(text);
    const std::string_view id = take_last_word(rest);
    if (!is_queue_id(id) || take_last_word(rest) != "id") {
        return {};
    }
    if (!rest.ends_with(')')) {
        (void)take_last_word(rest);  // the protocol
        if (take_last_word(rest) != "with") {
            return {};
        }
    }
    return ends_with_postfix(rest) ? std::string(id) : std::string{};
}

}  // namespace postbearer::milter
