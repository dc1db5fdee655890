// SPDX-License-Identifier: Apache-2.0
#include "graph_mime.hh"

#include <gmime/gmime.h>

#include <algorithm>

#include "codec.hh"
#include "files.hh"

namespace postbearer::rehearsal {
namespace {

using StreamOwner = Owned<GMimeStream, g_object_unref>;
using ParserOwner = Owned<GMimeParser, g_object_unref>;
using MessageOwner = Owned<GMimeMessage, g_object_unref>;
using ListOwner = Owned<InternetAddressList, g_object_unref>;

std::string text_of(const char* text) { return text == nullptr ? std::string() : text; }

/// Folds become blanks, the ends lose theirs.
std::string unfolded(const std::string& raw) {
    std::string out;
    for (const char c : raw) {
        if (c != '\r' && c != '\n') {
            out += c == '\t' ? ' ' : c;
        }
    }
    const std::size_t begin = out.find_first_not_of(' ');
    return begin == std::string::npos ? std::string()
                                      : out.substr(begin, out.find_last_not_of(' ') - begin + 1);
}

/// Where the header ends: {after its last line, after the empty line}.
std::pair<std::size_t, std::size_t> header_end(const std::string& bytes) {
    if (bytes.rfind("\r\n", 0) == 0) {
        return {0, 2};
    }
    if (bytes.rfind('\n', 0) == 0) {
        return {0, 1};
    }
    std::size_t at = 0;
    while ((at = bytes.find('\n', at)) != std::string::npos) {
        ++at;
        if (bytes.compare(at, 2, "\r\n") == 0) {
            return {at, at + 2};
        }
        if (bytes.compare(at, 1, "\n") == 0) {
            return {at, at + 1};
        }
    }
    return {bytes.size(), bytes.size()};
}

void take_list(InternetAddressList& list, AddressField& field) {
    const int count = internet_address_list_length(&list);
    for (int i = 0; i < count; ++i) {
        InternetAddress* const item = internet_address_list_get_address(&list, i);
        if (INTERNET_ADDRESS_IS_GROUP(item)) {
            InternetAddressList* const members =
                internet_address_group_get_members(INTERNET_ADDRESS_GROUP(item));
            field.group = true;
            const int before = static_cast<int>(field.addresses.size());
            if (members != nullptr) {
                take_list(*members, field);
            }
            field.empty_group =
                field.empty_group || before == static_cast<int>(field.addresses.size());
            continue;
        }
        MailAddress address;
        address.name = text_of(internet_address_get_name(item));
        address.address =
            text_of(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(item)));
        field.malformed = field.malformed || !plausible_address(address.address);
        field.addresses.push_back(std::move(address));
    }
}

AddressField* field_of(MimeFacts& facts, const std::string& name) {
    const std::string key = lower(name);
    if (key == "from") {
        return &facts.from;
    }
    if (key == "sender") {
        return &facts.sender;
    }
    if (key == "to") {
        return &facts.to;
    }
    if (key == "cc") {
        return &facts.cc;
    }
    if (key == "bcc") {
        return &facts.bcc;
    }
    const bool resent = key == "resent-to" || key == "resent-cc" || key == "resent-bcc";
    return resent ? &facts.resent : nullptr;
}

void take_headers(GMimeHeaderList& list, MimeFacts& facts) {
    const int count = g_mime_header_list_get_count(&list);
    for (int i = 0; i < count; ++i) {
        GMimeHeader* const header = g_mime_header_list_get_header_at(&list, i);
        const std::string name = text_of(g_mime_header_get_name(header));
        const std::string value = unfolded(text_of(g_mime_header_get_raw_value(header)));
        facts.headers.emplace_back(name, value);
        if (AddressField* const field = field_of(facts, name)) {
            read_addresses(value, *field);
        } else if (iequals(name, "Message-ID") && facts.message_id.empty()) {
            facts.message_id = value;
        }
    }
}

}  // namespace

void start_mime() { g_mime_init(); }

bool plausible_address(std::string_view address) {
    const std::size_t at = address.rfind('@');
    if (at == std::string_view::npos || at == 0 || at + 1 == address.size()) {
        return false;
    }
    const std::string_view domain = address.substr(at + 1);
    const auto unclean = [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || c == '<' || c == '>' || c == ',' || c == 127;
    };
    const bool quoted = address.front() == '"';
    return std::none_of(domain.begin(), domain.end(), unclean) &&
           (quoted || std::none_of(address.begin(), address.end(), unclean)) &&
           (quoted || address.find('@') == at) && domain.front() != '.' && domain.back() != '.' &&
           domain.find("..") == std::string_view::npos;
}

void read_addresses(const std::string& text, AddressField& field) {
    field.present = true;
    if (text.empty()) {
        return;
    }
    const ListOwner list(internet_address_list_parse(nullptr, text.c_str()));
    if (!list || internet_address_list_length(list.get()) == 0) {
        field.malformed = true;
        return;
    }
    take_list(*list, field);
}

MimeFacts read_mime(const std::string& bytes) {
    MimeFacts facts;
    const auto [header_bytes, body_offset] = header_end(bytes);
    facts.body_offset = body_offset;
    if (header_bytes == 0) {
        return facts;
    }
    // The header is what is judged; a body of megabytes need not be read for that.
    const std::string header = bytes.substr(0, header_bytes) + "\r\n";
    const StreamOwner stream(g_mime_stream_mem_new_with_buffer(header.data(), header.size()));
    const ParserOwner parser(g_mime_parser_new_with_stream(stream.get()));
    const MessageOwner message(g_mime_parser_construct_message(parser.get(), nullptr));
    if (!message) {
        return facts;
    }
    take_headers(*g_mime_object_get_header_list(GMIME_OBJECT(message.get())), facts);
    facts.subject = text_of(g_mime_message_get_subject(message.get()));
    facts.readable = !facts.headers.empty();
    return facts;
}

}  // namespace postbearer::rehearsal
