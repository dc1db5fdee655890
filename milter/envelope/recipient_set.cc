// SPDX-License-Identifier: Apache-2.0
#include "milter/envelope/recipient_set.hh"

#include <algorithm>
#include <utility>

#include "common/text.hh"
#include "milter/envelope/address.hh"
#include "milter/envelope/address_parts.hh"

namespace postbearer::milter {
namespace {

constexpr std::size_t kShownBytes = 200;

/// What some parser takes for the end of an address, within quotes or not.
bool has_separator(std::string_view text) {
    return text.find_first_of("@<>,;:()[]\"\\") != std::string_view::npos;
}

/// No addr-spec only because of its dots: "a..b@example.com". Telephone companies gave such out.
bool is_harmless(std::string_view address) {
    const std::size_t at = address.find('@');
    return at != std::string_view::npos && at > 0 && address.size() <= kMaxAddressBytes &&
           std::all_of(address.begin(), address.begin() + static_cast<std::ptrdiff_t>(at),
                       [](char byte) { return byte == '.' || is_atext(byte); }) &&
           is_ascii(address) && split_address("x" + std::string(address.substr(at)));
}

/// nullopt: not to be written into a header.
std::optional<Recipient> recipient_of(std::string_view address) {
    if (address.find("=?") != std::string_view::npos) {
        return std::nullopt;  // some software decodes encoded words wherever they are
    }
    const std::optional<AddressParts> parts = split_address(address);
    if (!parts) {
        return is_harmless(address)
                   ? std::optional(Recipient{ascii_lower(address), std::string(address)})
                   : std::nullopt;
    }
    const std::string local = unquoted(parts->local);
    if (has_separator(local) || has_ascii_forms(local) || !is_sound_domain(parts->domain)) {
        return std::nullopt;
    }
    return Recipient{*address_key(address), written_address(*parts)};
}

}  // namespace

tl::expected<RecipientSet, HeaderRefusal> RecipientSet::make(
    const std::vector<std::string>& addresses) {
    RecipientSet set;
    for (const std::string& address : addresses) {
        std::optional<Recipient> recipient = recipient_of(address);
        if (!recipient) {
            return tl::unexpected(HeaderRefusal{
                553, "5.1.3",
                "recipient <" + printable(address, kShownBytes) +
                    "> cannot be named in a header field; correct the address, or relay the "
                    "message by SMTP"});
        }
        if (set.index_.try_emplace(recipient->key, set.recipients_.size()).second) {
            set.recipients_.push_back(*std::move(recipient));
        }
    }
    if (set.recipients_.empty()) {
        return tl::unexpected(HeaderRefusal{554, "5.5.1", "the message has no recipient"});
    }
    return set;
}

Recipient* RecipientSet::find(const std::string& key) {
    const auto found = index_.find(key);
    return found == index_.end() ? nullptr : &recipients_[found->second];
}

}  // namespace postbearer::milter
