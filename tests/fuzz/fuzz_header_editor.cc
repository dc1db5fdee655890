// SPDX-License-Identifier: Apache-2.0
// The header editor. The first line of the input is the envelope, parted by blanks: the sender ("-"
// is the null sender), then the recipients. The rest is the header section; where the input has no
// CR at all its LFs stand for CRLF.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/text.hh"
#include "milter/envelope/address.hh"
#include "milter/envelope/header_block.hh"
#include "milter/envelope/header_editor.hh"
#include "milter/envelope/header_facts.hh"
#include "tests/unit/milter/envelope/second_opinion.hh"

namespace {

using namespace postbearer;
using namespace postbearer::milter;

using Keys = std::set<std::string>;

constexpr std::size_t kMaxLine = 998;

void require(bool holds, const char* what) {
    if (!holds) {
        (void)std::fprintf(stderr, "does not hold: %s\n", what);
        std::abort();
    }
}

std::string key_of(std::string_view address) {
    return address_key(address).value_or(ascii_lower(address));
}

Keys keys_of(const std::vector<std::string>& recipients) {
    Keys keys;
    for (const std::string& recipient : recipients) {
        keys.insert(key_of(recipient));
    }
    return keys;
}

/// Each of To, Cc and Bcc, as we read it ourselves.
struct Named {
    Keys to;
    Keys cc;
    Keys bcc;

    [[nodiscard]] Keys all() const {
        Keys keys = to;
        keys.insert(cc.begin(), cc.end());
        keys.insert(bcc.begin(), bcc.end());
        return keys;
    }
    bool operator==(const Named&) const = default;
};

Named named_in(std::string_view section) {
    Named named;
    const std::string tidy = tidy_section(section);
    require(tidy + "\r\n" == section, "the output is tidy and ends with its only empty line");
    for (const HeaderField& field : split_fields(tidy)) {
        Keys* keys = field.is("To")    ? &named.to
                     : field.is("Cc")  ? &named.cc
                     : field.is("Bcc") ? &named.bcc
                                       : nullptr;
        if (keys != nullptr) {
            require(keys->empty(), "one field of a name");
            for (const ParsedAddress& address : parse_address_list(field.value).addresses) {
                keys->insert(address.key);
            }
        }
    }
    return named;
}

std::size_t longest_line(std::string_view text) {
    std::size_t longest = 0;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1);
        longest = std::max(longest, end);
        text.remove_prefix(end + 1);
    }
    return longest;
}

void check_second_opinion(const std::string& bytes, const Keys& wanted) {
    const bool all_keys = std::all_of(wanted.begin(), wanted.end(), [](const std::string& key) {
        return address_key(key).has_value();
    });
    const milter::test::SecondOpinion opinion = milter::test::read_with_gmime(bytes);
    require(std::includes(wanted.begin(), wanted.end(), opinion.keys.begin(), opinion.keys.end()),
            "GMime sees nobody else");
    require(!all_keys || opinion.keys == wanted, "GMime sees everybody");
    require(!opinion.has_group, "GMime sees no group");
    require(opinion.from.size() == 1, "GMime sees one author");
}

void check_edit(const HeaderEdit& edit) {
    const auto edited = edit_header(edit);
    if (!edited) {
        require(is_plain_utf8(edited.error().text) && !edited.error().text.empty(),
                "a refusal is one printable line");
        return;
    }
    const Keys wanted = keys_of(edit.recipients);
    const Named named = named_in(edited->bytes);
    require(named.all() == wanted, "we see exactly the recipients");
    require(edited->hidden == named.bcc.size() && edited->visible == wanted.size() - edited->hidden,
            "the counts are right");
    require(!has_stray_line_ends(edited->bytes), "lines end with CRLF");
    require(longest_line(edited->bytes) <= std::max(kMaxLine, longest_line(edit.section) + 1),
            "no line is too long");
    check_second_opinion(edited->bytes, wanted);
    HeaderEdit again = edit;
    again.section = edited->bytes;
    const auto twice = edit_header(again);
    require(twice || twice.error().enhanced == "5.4.6", "the output is accepted again");
    require(!twice || named_in(twice->bytes) == named, "the output is stable");
    require(!twice || twice->trimmed.empty(), "nobody is left to cut out");
}

std::string with_crlf(std::string_view text) {
    std::string out;
    for (const char byte : text) {
        out += byte == '\n' ? std::string("\r\n") : std::string(1, byte);
    }
    return out;
}

void check_facts(std::string_view section) {
    const HeaderFacts facts = facts_of(section);
    (void)queue_id_in_received(facts.topmost_received);
    for (const std::string& key : facts.recipients) {
        require(address_key(key).value_or(key) == key, "a key is its own key");
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    std::string_view envelope = input.substr(0, input.find('\n'));
    std::string section(input.substr(std::min(envelope.size() + 1, size)));
    check_facts(section);
    if (input.find('\r') == std::string_view::npos) {
        section = with_crlf(section);
    }
    std::vector<std::string> words;
    while (!envelope.empty()) {
        const std::size_t end = std::min(envelope.find(' '), envelope.size());
        words.emplace_back(envelope.substr(0, end));
        envelope.remove_prefix(std::min(end + 1, envelope.size()));
    }
    HeaderEdit edit;
    if (!words.empty()) {
        edit.mail_from = words.front() == "-" ? "" : words.front();
        edit.recipients.assign(words.begin() + 1, words.end());
    }
    edit.section = section;
    edit.mailbox = "box@mailbox.example";
    edit.id = "4cQ7lT2Yz9z1x";
    edit.fallback_message_id = "<fallback@a.example>";
    check_edit(edit);
    edit.visible = false;
    edit.batch = 2;
    check_edit(edit);
    return 0;
}
