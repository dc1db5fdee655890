// SPDX-License-Identifier: Apache-2.0
#include "milter/envelope/header_editor.hh"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "common/text.hh"
#include "milter/envelope/address.hh"
#include "milter/envelope/address_parts.hh"
#include "milter/envelope/header_block.hh"
#include "milter/envelope/header_facts.hh"
#include "milter/envelope/recipient_fields.hh"
#include "milter/envelope/recipient_set.hh"

namespace postbearer::milter {
namespace {

using Fields = std::vector<HeaderField>;

constexpr std::ptrdiff_t kMaxReceived = 25;
constexpr std::ptrdiff_t kMaxIds = 5;
constexpr std::size_t kShownBytes = 200;

/// Fields that name recipients to somebody, or are not for the world. X-Receiver is a recipient to
/// the pickup directories of Microsoft's servers.
constexpr std::string_view kNeverSent[] = {"Bcc",           "Return-Path",
                                           "Apparently-To", "X-Receiver",
                                           kRouteHeader,    "X-MS-Exchange-Organization-BCC"};

HeaderRefusal refusal(std::string_view enhanced, std::string text) {
    return {554, std::string(enhanced), std::move(text)};
}

std::ptrdiff_t count_of(const Fields& fields, std::string_view name) {
    return std::count_if(fields.begin(), fields.end(),
                         [name](const HeaderField& field) { return field.is(name); });
}

Fields fields_of(const Fields& fields, std::string_view name) {
    Fields out;
    std::copy_if(fields.begin(), fields.end(), std::back_inserter(out),
                 [name](const HeaderField& field) { return field.is(name); });
    return out;
}

bool is_never_sent(const HeaderField& field) {
    return ascii_lower(field.name).starts_with("resent-") ||
           std::any_of(std::begin(kNeverSent), std::end(kNeverSent),
                       [&field](std::string_view name) { return field.is(name); });
}

/// domain_key() of an address; empty: it is none.
std::string domain_of(std::string_view addr_spec) {
    const std::optional<AddressParts> parts = split_address(addr_spec);
    return parts ? domain_key(parts->domain) : std::string{};
}

/// The d= tag of a DKIM-Signature as domain_key() (RFC 6376 3.2, 3.5); empty: none.
std::string signing_domain(std::string_view value) {
    const std::string text = unfolded(value);
    for (std::string_view rest = text; !rest.empty();) {
        const std::string_view tag = rest.substr(0, rest.find(';'));
        rest.remove_prefix(std::min(tag.size() + 1, rest.size()));
        const std::size_t equals = tag.find('=');
        if (equals != std::string_view::npos && trimmed(tag.substr(0, equals)) == "d") {
            return domain_key(trimmed(tag.substr(equals + 1)));
        }
    }
    return {};
}

struct From {
    std::string domain;               // domain_key()
    std::optional<std::string> anew;  // written in place of the field that is there, or added
};

/// What to do about a field that names one mailbox; nullopt: it does not.
std::optional<From> judge_from(std::string_view value) {
    const AddressList list = parse_address_list(value);
    if (list.doubtful || list.has_group || list.addresses.size() != 1) {
        return std::nullopt;
    }
    const ParsedAddress& address = list.addresses.front();
    const std::optional<AddressParts> parts = split_address(address.addr_spec);
    if (!parts) {
        return std::nullopt;
    }
    From from{domain_key(parts->domain), std::nullopt};
    if (!address.clean || address.at_in_name) {
        from.anew = "From: <" + written_address(*parts) + ">\r\n";
    }
    return from;
}

/// From fields with nothing in them are no fields.
tl::expected<From, HeaderRefusal> find_from(const Fields& all, std::string_view mail_from) {
    Fields fields = fields_of(all, "From");
    std::erase_if(fields, [](const HeaderField& field) { return trimmed(field.value).empty(); });
    if (fields.size() > 1) {
        return tl::unexpected(
            refusal("5.6.0",
                    "the message has several From fields and Graph sends for one author; send it "
                    "with one From field, or relay it by SMTP"));
    }
    if (fields.empty()) {
        const std::optional<AddressParts> parts = split_address(mail_from);
        if (!parts || mail_from.find("=?") != std::string_view::npos) {
            return tl::unexpected(refusal(
                "5.6.0", "the message has no From field and its envelope sender <" +
                             printable(mail_from, kShownBytes) +
                             "> cannot stand for it; add a From field, or relay it by SMTP"));
        }
        return From{domain_key(parts->domain), "From: <" + written_address(*parts) + ">\r\n"};
    }
    std::optional<From> from = judge_from(fields.front().value);
    if (!from) {
        return tl::unexpected(refusal(
            "5.6.0", "the From field (" + printable(trimmed(fields.front().value), kShownBytes) +
                         ") does not name exactly one mailbox as RFC 5322 has it; correct it, or "
                         "relay the message by SMTP"));
    }
    return *std::move(from);
}

class Editor {
public:
    Editor(const HeaderEdit& edit, const Fields& fields, RecipientSet& recipients, From from)
        : edit_(edit), fields_(fields), recipients_(recipients), from_(std::move(from)) {}

    EditedHeader run() && {
        for (const HeaderField& field : fields_) {
            take(field);
        }
        append(from_.anew.value_or(""));
        if (!message_id_written_) {
            append("Message-ID: " + edit_.fallback_message_id + "\r\n");
        }
        append(hidden_field(recipients_, result_));
        append(std::string(kIdHeader) + ": " + edit_.id + '/' + std::to_string(edit_.batch) +
               "\r\n");
        append("\r\n");
        return std::move(result_);
    }

private:
    void append(std::string_view text) { result_.bytes += text; }

    void remove(const HeaderField& field) { result_.removed.emplace_back(field.name); }

    void take(const HeaderField& field) {
        if (is_never_sent(field) || is_own_signature(field)) {
            remove(field);
        } else if (field.is("To")) {
            take_visible("To", to_done_, field);
        } else if (field.is("Cc")) {
            take_visible("Cc", cc_done_, field);
        } else if (field.is("From")) {
            take_from(field);
        } else if (field.is("Message-ID")) {
            take_message_id(field);
        } else {
            append(field.raw);
        }
    }

    /// Graph signs anew; what we signed for this domain before would only fail.
    [[nodiscard]] bool is_own_signature(const HeaderField& field) const {
        if (!field.is("DKIM-Signature")) {
            return false;
        }
        const std::string domain = signing_domain(field.value);
        return !domain.empty() && (domain == from_.domain || domain == domain_of(edit_.mailbox));
    }

    /// All fields of a name are judged together, where the first of them stands.
    void take_visible(std::string_view name, bool& done, const HeaderField& field) {
        if (!edit_.visible) {
            remove(field);
        } else if (!std::exchange(done, true)) {
            append(visible_field(name, fields_of(fields_, name), recipients_, result_));
        }
    }

    void take_from(const HeaderField& field) {
        if (trimmed(field.value).empty()) {
            remove(field);
            return;
        }
        append(from_.anew ? std::string_view(*from_.anew) : field.raw);
        from_.anew.reset();
    }

    void take_message_id(const HeaderField& field) {
        if (message_id_written_ || trimmed(field.value).empty()) {
            remove(field);
            return;
        }
        append(field.raw);
        message_id_written_ = true;
    }

    const HeaderEdit& edit_;
    const Fields& fields_;
    RecipientSet& recipients_;
    From from_;
    EditedHeader result_;
    bool to_done_ = false;
    bool cc_done_ = false;
    bool message_id_written_ = false;
};

}  // namespace

tl::expected<EditedHeader, HeaderRefusal> edit_header(const HeaderEdit& edit) {
    if (has_stray_line_ends(edit.section)) {
        return tl::unexpected(
            refusal("5.6.11",
                    "the header has a bare CR, a bare LF or a NUL, which mail software "
                    "reads in different ways; send lines that end with CRLF"));
    }
    auto recipients = RecipientSet::make(edit.recipients);
    if (!recipients) {
        return tl::unexpected(std::move(recipients.error()));
    }
    const std::string tidy = tidy_section(edit.section);
    const Fields fields = split_fields(tidy);
    if (count_of(fields, "Received") > kMaxReceived || count_of(fields, kIdHeader) > kMaxIds) {
        return tl::unexpected(
            refusal("5.4.6",
                    "the message has passed here or elsewhere too often: a mail loop; "
                    "look at its Received and X-Postbearer-Id fields"));
    }
    auto from = find_from(fields, edit.mail_from);
    if (!from) {
        return tl::unexpected(std::move(from.error()));
    }
    return Editor(edit, fields, *recipients, *std::move(from)).run();
}

}  // namespace postbearer::milter
