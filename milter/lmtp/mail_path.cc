// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/mail_path.hh"

#include <algorithm>

#include "common/text.hh"
#include "milter/lmtp/limits.hh"

namespace postbearer::milter {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

bool is_ascii(char c) { return static_cast<unsigned char>(c) < 0x80U; }

bool is_alnum(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool is_atext(char c) {
    constexpr std::string_view kOthers = "!#$%&'*+-/=?^_`{|}~";
    return is_alnum(c) || !is_ascii(c) || kOthers.find(c) != kNone;
}

/// The underscore is no host name's, but Postfix takes and sends it.
bool is_label_byte(char c) { return is_alnum(c) || c == '-' || c == '_' || !is_ascii(c); }

/// The length of words of `is_word` with single dots between them; 0: there is none.
std::size_t dotted(std::string_view text, bool (*is_word)(char)) {
    std::size_t length = 0;
    for (;;) {
        const auto* const begin = text.begin() + length;
        const auto word = std::find_if_not(begin, text.end(), is_word) - begin;
        if (word == 0) {
            return 0;
        }
        length += static_cast<std::size_t>(word);
        if (length == text.size() || text[length] != '.') {
            return length;
        }
        ++length;
    }
}

std::size_t quoted(std::string_view text) {
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (text[i] == '"') {
            return i + 1;
        }
        if (text[i] == '\\') {
            ++i;
        }
    }
    return 0;
}

std::size_t domain_length(std::string_view text) {
    if (!text.starts_with('[')) {
        return dotted(text, is_label_byte);
    }
    const std::size_t end = text.find(']');
    const std::string_view literal = text.substr(1, end == kNone ? end : end - 1);
    const bool good = std::all_of(literal.begin(), literal.end(), [](char c) {
        return is_alnum(c) || c == '.' || c == ':' || c == '-';
    });
    return end != kNone && !literal.empty() && good ? end + 1 : 0;
}

/// `@one,@two:` is dropped, as RFC 5321 appendix C asks.
std::size_t route_length(std::string_view text) {
    std::size_t length = 0;
    while (text.substr(length).starts_with('@')) {
        const std::size_t domain = domain_length(text.substr(length + 1));
        length += 1 + domain;
        if (domain == 0 || length >= text.size()) {
            return kNone;
        }
        const char next = text[length++];
        if (next == ':') {
            return length;
        }
        if (next != ',') {
            return kNone;
        }
    }
    return length == 0 ? 0 : kNone;
}

MailPath refused(PathProblem problem) {
    MailPath path;
    path.problem = problem;
    return path;
}

}  // namespace

MailPath read_path(std::string_view text, PathRules rules) {
    if (!text.starts_with('<')) {
        return refused(PathProblem::Syntax);
    }
    const std::size_t route = route_length(text.substr(1));
    if (route == kNone) {
        return refused(PathProblem::Syntax);
    }
    const std::size_t begin = 1 + route;
    const std::string_view mailbox = text.substr(begin);
    std::size_t length = 0;
    if (!mailbox.starts_with('>') || route != 0) {
        length = mailbox.starts_with('"') ? quoted(mailbox) : dotted(mailbox, is_atext);
        if (length == 0) {
            return refused(PathProblem::Syntax);
        }
        if (mailbox.substr(length).starts_with('@')) {
            const std::size_t domain = domain_length(mailbox.substr(length + 1));
            if (domain == 0) {
                return refused(PathProblem::Syntax);
            }
            length += 1 + domain;
        } else if (!rules.postmaster || ascii_lower(mailbox.substr(0, length)) != "postmaster") {
            return refused(PathProblem::Syntax);
        }
    } else if (!rules.empty) {
        return refused(PathProblem::Syntax);
    }
    const std::string_view address = mailbox.substr(0, length);
    if (!mailbox.substr(length).starts_with('>') || !is_plain_utf8(address)) {
        return refused(PathProblem::Syntax);
    }
    if (length > kMaxAddressBytes) {
        return refused(PathProblem::TooLong);
    }
    MailPath path;
    path.address = address;
    path.length = begin + length + 1;
    path.ascii = std::all_of(address.begin(), address.end(), is_ascii);
    return path;
}

}  // namespace postbearer::milter
