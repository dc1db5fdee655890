// SPDX-License-Identifier: Apache-2.0
#include "milter/envelope/recipient_fields.hh"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <unordered_set>
#include <utility>

#include "common/text.hh"
#include "milter/envelope/address.hh"

namespace postbearer::milter {
namespace {

constexpr std::size_t kFoldAt = 76;
constexpr std::size_t kMaxLine = 998;  // RFC 5322 2.1.1
/// Display names on longer lines are left out; with them a line could grow above 998 bytes.
constexpr std::size_t kMaxTextLine = 900;

std::size_t last_line_length(std::string_view text) {
    const std::size_t end = text.rfind('\n');
    return end == std::string_view::npos ? text.size() : text.size() - end - 1;
}

/// CR counts.
std::size_t longest_line(std::string_view text) {
    std::size_t longest = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1);
        longest = std::max(longest, end);
        text.remove_prefix(end + 1);
    }
    return longest;
}

/// Every address is a recipient, and no parser could see anything else; nor does anybody cut a line
/// and so make a field of its end.
bool may_pass(const HeaderField& field, const AddressList& list, RecipientSet& recipients) {
    return longest_line(field.raw) <= kMaxLine + 1 && !list.addresses.empty() && !list.doubtful &&
           !list.has_group &&
           std::all_of(list.addresses.begin(), list.addresses.end(),
                       [&recipients](const ParsedAddress& address) {
                           return address.clean && recipients.find(address.key) != nullptr;
                       });
}

class Rewriter {
public:
    Rewriter(RecipientSet& recipients, EditedHeader& result)
        : recipients_(recipients), result_(result) {}

    void add(const AddressList& list) {
        for (const ParsedAddress& address : list.addresses) {
            Recipient* recipient = recipients_.find(address.key);
            if (recipient == nullptr) {
                trim(address);
            } else if (!recipient->visible) {
                recipient->visible = true;
                const bool keep_text = address.clean && longest_line(address.text) <= kMaxTextLine;
                mailboxes_.push_back(keep_text ? std::string(address.text) : recipient->written);
            }
        }
    }

    [[nodiscard]] const std::vector<std::string>& mailboxes() const { return mailboxes_; }

private:
    void trim(const ParsedAddress& address) {
        if (trimmed_keys_.insert(address.key).second) {
            result_.trimmed.push_back(address.addr_spec);
        }
    }

    RecipientSet& recipients_;
    EditedHeader& result_;
    std::vector<std::string> mailboxes_;
    std::unordered_set<std::string> trimmed_keys_;
};

}  // namespace

std::string address_field(std::string_view name, const std::vector<std::string>& mailboxes) {
    std::string out(name);
    out += ": ";
    std::size_t column = out.size();
    bool first = true;
    for (const std::string& mailbox : mailboxes) {
        const std::size_t first_line = std::min(mailbox.find('\r'), mailbox.size());
        if (!std::exchange(first, false)) {
            const bool fits = column + 2 + first_line < kFoldAt;
            out += fits ? ", " : ",\r\n ";
            column = fits ? column + 2 : 1;
        }
        out += mailbox;
        column = first_line == mailbox.size() ? column + first_line : last_line_length(mailbox);
    }
    return out + "\r\n";
}

std::string visible_field(std::string_view name, const std::vector<HeaderField>& fields,
                          RecipientSet& recipients, EditedHeader& result) {
    std::vector<AddressList> lists;
    std::transform(fields.begin(), fields.end(), std::back_inserter(lists),
                   [](const HeaderField& field) { return parse_address_list(field.value); });
    if (lists.size() == 1 && may_pass(fields.front(), lists.front(), recipients)) {
        for (const ParsedAddress& address : lists.front().addresses) {
            recipients.find(address.key)->visible = true;
        }
        return std::string(fields.front().raw);
    }
    // Several fields of a name are one too many (RFC 5322 3.6): some parsers read the first only.
    Rewriter rewriter(recipients, result);
    for (const AddressList& list : lists) {
        rewriter.add(list);
    }
    if (rewriter.mailboxes().empty()) {
        result.removed.insert(result.removed.end(), fields.size(), std::string(name));
        return {};
    }
    result.rewritten = true;
    return address_field(name, rewriter.mailboxes());
}

std::string hidden_field(const RecipientSet& recipients, EditedHeader& result) {
    std::vector<std::string> hidden;
    for (const Recipient& recipient : recipients.all()) {
        if (!recipient.visible) {
            hidden.push_back(recipient.written);
        }
    }
    result.hidden = hidden.size();
    result.visible = recipients.all().size() - hidden.size();
    return hidden.empty() ? std::string{} : address_field("Bcc", hidden);
}

}  // namespace postbearer::milter
