// SPDX-License-Identifier: Apache-2.0
#include "milter/envelope/address.hh"

#include <algorithm>
#include <span>
#include <utility>

#include "common/text.hh"
#include "milter/envelope/address_parts.hh"
#include "milter/envelope/address_tokens.hh"
#include "milter/envelope/encoded_word.hh"

namespace postbearer::milter {
namespace {

using Kind = AddressToken::Kind;
using Tokens = std::vector<AddressToken>;

const char* end_of(std::string_view text) { return text.data() + text.size(); }

std::string_view between(std::string_view first, std::string_view last) {
    return {first.data(), static_cast<std::size_t>(end_of(last) - first.data())};
}

std::string without_folding(std::string_view text) {
    std::string out(text);
    std::erase_if(out, [](char byte) { return byte == '\r' || byte == '\n'; });
    return out;
}

/// What stands in a list between two commas.
class Item {
public:
    explicit Item(std::span<const AddressToken> all) : all_(all) {
        std::copy_if(all.begin(), all.end(), std::back_inserter(tokens_),
                     [](const AddressToken& token) { return token.kind != Kind::Comment; });
    }

    [[nodiscard]] bool empty() const { return tokens_.empty(); }

    [[nodiscard]] bool is_phrase() const {
        return !tokens_.empty() && std::all_of(tokens_.begin(), tokens_.end(), is_word);
    }

    /// A mailbox as in RFC 5322 3.4.
    [[nodiscard]] std::optional<ParsedAddress> mailbox() const {
        const std::size_t count = tokens_.size();
        if (count == 3) {
            return address_at(0, 0);
        }
        if (count < 5 || !tokens_[count - 5].is('<') || !tokens_[count - 1].is('>')) {
            return std::nullopt;
        }
        const auto name_end = tokens_.begin() + static_cast<std::ptrdiff_t>(count - 5);
        if (!std::all_of(tokens_.begin(), name_end, [](const AddressToken& token) {
                return is_word(token) || token.is('@');
            })) {
            return std::nullopt;
        }
        return address_at(count - 4, count - 5);
    }

    /// Whatever has the look of an addr-spec, for items that are no mailbox.
    void salvage(std::vector<ParsedAddress>& out) const {
        for (std::size_t i = 1; i + 1 < tokens_.size(); ++i) {
            if (tokens_[i].is('@') && is_word(tokens_[i - 1]) && is_domain(tokens_[i + 1])) {
                std::string spec = spec_at(i - 1);
                std::string key = address_key(spec).value_or(ascii_lower(spec));
                const std::string_view text = between(tokens_[i - 1].text, tokens_[i + 1].text);
                out.push_back({std::move(key), std::move(spec), text, false, false, false});
            }
        }
    }

private:
    static bool is_word(const AddressToken& token) {
        return token.kind == Kind::Atom || token.kind == Kind::Quoted;
    }
    static bool is_domain(const AddressToken& token) {
        return token.kind == Kind::Atom || token.kind == Kind::Literal;
    }

    [[nodiscard]] std::string spec_at(std::size_t first) const {
        return without_folding(tokens_[first].text) + '@' +
               without_folding(tokens_[first + 2].text);
    }

    /// The addr-spec of three tokens from `first` on, after a display name of `name_tokens`.
    [[nodiscard]] std::optional<ParsedAddress> address_at(std::size_t first,
                                                          std::size_t name_tokens) const {
        if (!is_word(tokens_[first]) || !tokens_[first + 1].is('@') ||
            !is_domain(tokens_[first + 2])) {
            return std::nullopt;
        }
        ParsedAddress address;
        address.addr_spec = spec_at(first);
        const std::optional<AddressParts> parts = split_address(address.addr_spec);
        // An encoded word is no local part (RFC 2047 5), but some software decodes it there.
        if (!parts || address.addr_spec.find("=?") != std::string::npos) {
            return std::nullopt;
        }
        address.key = *address_key(address.addr_spec);
        address.text = between(all_.front().text, all_.back().text);
        const std::string_view spec = between(tokens_[first].text, tokens_[first + 2].text);
        const bool angled = tokens_.size() > 3;
        const bool tight =
            spec == address.addr_spec && !tokens_[first].escaped &&
            (!angled ||
             between(tokens_[first - 1].text, tokens_[first + 3].text).size() == spec.size() + 2);
        const bool named = judge_name(std::span(tokens_).first(name_tokens), address);
        address.clean = named && tight && reads_one_way(parts->domain) &&
                        is_plain_utf8(without_folding(address.text));
        return address;
    }

    /// False: somebody else may read an address in the display name or in a comment.
    bool judge_name(std::span<const AddressToken> name, ParsedAddress& address) const {
        bool good = true;
        for (const AddressToken& token : name) {
            const bool at = has_at(token.text);
            address.at_in_name |= at;
            good = good && !(at && (token.kind != Kind::Quoted || token.escaped));
            good = good && !token.text.starts_with('.') &&
                   (token.kind == Kind::Quoted || token.text.find("..") == std::string_view::npos);
        }
        for (const AddressToken& token : all_) {
            if (token.kind == Kind::Comment) {
                address.at_in_name |= has_at(token.text);
                good = good && !token.escaped && !has_at(token.text) &&
                       token.text.find_first_of("<\"") == std::string_view::npos;
            }
        }
        const std::optional<std::string> hidden =
            ascii_of_encoded_words(without_folding(address.text));
        address.at_in_name |= !hidden || hidden->find('@') != std::string::npos;
        return good && hidden && is_plain_utf8(*hidden) &&
               hidden->find_first_of("@<") == std::string::npos;
    }

    std::span<const AddressToken> all_;
    Tokens tokens_;  // without comments
};

class ListParser {
public:
    explicit ListParser(std::string_view value) : tokens_(address_tokens(value)) {}

    AddressList run() && {
        for (std::size_t i = 0; i < tokens_.size(); ++i) {
            take(i);
        }
        const bool nothing = tokens_.empty();
        if (!nothing && !(after_group_ && start_ == tokens_.size())) {
            finish_item(tokens_.size());
        }
        list_.doubtful |= in_group_;
        return std::move(list_);
    }

private:
    void take(std::size_t index) {
        const AddressToken& token = tokens_[index];
        list_.doubtful |= token.kind == Kind::Bad;
        if (token.is('<') || token.is('>')) {
            in_angle_ = token.is('<');
        } else if (token.is(',') && !in_angle_) {
            finish_item(index);
            after_comma_ = true;
        } else if (token.is(':') && !in_angle_) {
            open_group(index);
        } else if (token.is(';')) {
            close_group(index);
        }
    }

    [[nodiscard]] Item item_to(std::size_t end) const {
        return Item(std::span(tokens_).subspan(start_, end - start_));
    }

    void open_group(std::size_t index) {
        const bool named = item_to(index).is_phrase();
        if (in_group_ || after_group_ || !named) {
            list_.doubtful = true;
            finish_item(index);
        }
        list_.has_group = true;
        in_group_ = true;
        after_comma_ = false;
        start_ = index + 1;
    }

    void close_group(std::size_t index) {
        const bool empty_group = in_group_ && !after_comma_ && item_to(index).empty();
        list_.doubtful |= !in_group_;
        if (!empty_group) {
            finish_item(index);
        }
        in_group_ = false;
        in_angle_ = false;
        after_comma_ = false;
        after_group_ = true;
        start_ = index + 1;
    }

    void finish_item(std::size_t end) {
        const Item item = item_to(end);
        start_ = end + 1;
        if (std::exchange(after_group_, false)) {
            list_.doubtful |= !item.empty();  // after ';' there has to be a comma
            if (item.empty()) {
                return;
            }
        }
        const std::size_t before = list_.addresses.size();
        if (std::optional<ParsedAddress> address = item.mailbox()) {
            list_.addresses.push_back(*std::move(address));
        } else {
            list_.doubtful = true;
            item.salvage(list_.addresses);
        }
        for (std::size_t i = before; i < list_.addresses.size(); ++i) {
            list_.addresses[i].in_group = in_group_;
        }
    }

    Tokens tokens_;
    AddressList list_;
    std::size_t start_ = 0;  // of the current item
    bool in_angle_ = false;
    bool in_group_ = false;
    bool after_comma_ = false;  // within a group
    bool after_group_ = false;  // nothing but comments since its end
};

}  // namespace

AddressList parse_address_list(std::string_view value) { return ListParser(value).run(); }

}  // namespace postbearer::milter
