// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/lmtp_parser.hh"

#include <algorithm>
#include <array>
#include <utility>

#include "common/text.hh"
#include "milter/lmtp/limits.hh"
#include "milter/lmtp/mail_path.hh"

namespace postbearer::milter {
namespace {

using Refusal = tl::unexpected<LmtpReply>;

constexpr std::array<std::pair<std::string_view, LmtpVerb>, 11> kVerbs{{
    {"lhlo", LmtpVerb::Lhlo},
    {"mail", LmtpVerb::Mail},
    {"rcpt", LmtpVerb::Rcpt},
    {"data", LmtpVerb::Data},
    {"rset", LmtpVerb::Rset},
    {"noop", LmtpVerb::Noop},
    {"quit", LmtpVerb::Quit},
    {"vrfy", LmtpVerb::Vrfy},
    {"xforward", LmtpVerb::Xforward},
    {"helo", LmtpVerb::Helo},
    {"ehlo", LmtpVerb::Helo},
}};

Refusal refuse(int code, const char* enhanced, std::string text) {
    return Refusal(LmtpReply{code, enhanced, std::move(text)});
}

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20U || c == '\x7F'; }

/// The next word of `rest`, which loses it and the blanks around it.
std::string_view next_word(std::string_view& rest) {
    rest = trimmed(rest);
    const std::string_view word = rest.substr(0, rest.find(' '));
    rest.remove_prefix(word.size());
    rest = trimmed(rest);
    return word;
}

struct PathWords {
    const char* keyword;     // as the standard writes it
    const char* bad_syntax;  // enhanced codes
    const char* what;
    PathRules rules;
};
constexpr PathWords kMailWords{"FROM:", "5.1.7", "sender", {true, false}};
constexpr PathWords kRcptWords{"TO:", "5.1.3", "recipient", {false, true}};

/// The path; `argument` keeps the parameters.
Parsed<MailPath> take_path(std::string_view& argument, const PathWords& words) {
    const std::string_view keyword = words.keyword;
    if (ascii_lower(argument.substr(0, keyword.size())) != ascii_lower(keyword)) {
        return refuse(501, "5.5.4", std::string("expected ") + words.keyword + "<address>");
    }
    argument.remove_prefix(keyword.size());
    MailPath path = read_path(argument, words.rules);
    if (path.problem == PathProblem::TooLong) {
        return refuse(501, words.bad_syntax,
                      std::string(words.what) + " address is longer than " +
                          std::to_string(kMaxAddressBytes) + " bytes");
    }
    if (path.problem != PathProblem::None ||
        (argument.size() > path.length && argument[path.length] != ' ')) {
        return refuse(501, words.bad_syntax,
                      std::string("bad ") + words.what + " address syntax, expected " +
                          words.keyword + "<local-part@domain>");
    }
    argument.remove_prefix(path.length);
    return path;
}

Refusal refuse_not_ascii(const char* what) {
    return refuse(553, "5.6.7",
                  std::string(what) + " address is not ASCII, and MAIL did not say SMTPUTF8");
}

Refusal refuse_parameter(std::string_view word) {
    return refuse(555, "5.5.4", "parameter not known: " + std::string(word));
}

struct MailParameters {
    bool size = false;
    bool body = false;
};

/// False: not a value for this parameter, or given twice.
Parsed<bool> take_parameter(std::string_view word, MailParameters& seen, MailCommand& command) {
    const std::size_t equals = word.find('=');
    const std::string name = ascii_lower(word.substr(0, equals));
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view() : word.substr(equals + 1);
    if (name == "size") {
        command.size = parse_decimal(value);
        return !std::exchange(seen.size, true) && command.size;
    }
    if (name == "body") {
        const std::string kind = ascii_lower(value);
        command.eight_bit_mime = kind == "8bitmime";
        return !std::exchange(seen.body, true) && (command.eight_bit_mime || kind == "7bit");
    }
    if (name == "smtputf8") {
        return !std::exchange(command.smtputf8, true) && equals == std::string_view::npos;
    }
    return refuse_parameter(word);
}

struct Attribute {
    std::string_view name;
    std::string Forwarded::*member;
};
constexpr std::array<Attribute, 7> kAttributes{{
    {"name", &Forwarded::name},
    {"addr", &Forwarded::address},
    {"port", &Forwarded::port},
    {"proto", &Forwarded::protocol},
    {"helo", &Forwarded::helo},
    {"ident", &Forwarded::ident},
    {"source", &Forwarded::source},
}};

int hex_digit(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// RFC 3461 section 4: +XX in upper case; '=' is taken as it stands.
std::optional<std::string> decode_xtext(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '+') {
            out += text[i];
            continue;
        }
        if (text.size() - i < 3) {
            return std::nullopt;
        }
        const int high = hex_digit(text[i + 1]);
        const int low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0) {
            return std::nullopt;
        }
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

}  // namespace

Parsed<LmtpCommand> parse_command(std::string_view line) {
    if (std::any_of(line.begin(), line.end(), is_control)) {
        return refuse(500, "5.5.2", "control character in the command");
    }
    LmtpCommand command;
    command.argument = line;
    const std::string verb = ascii_lower(next_word(command.argument));
    if (verb.empty()) {
        return refuse(500, "5.5.2", "empty command");
    }
    const auto* const found = std::find_if(kVerbs.begin(), kVerbs.end(),
                                           [&](const auto& each) { return each.first == verb; });
    if (found == kVerbs.end()) {
        return refuse(500, "5.5.1", "command not known");
    }
    command.verb = found->second;
    return command;
}

Parsed<MailCommand> parse_mail(std::string_view argument) {
    auto path = take_path(argument, kMailWords);
    if (!path) {
        return Refusal(std::move(path.error()));
    }
    MailCommand command;
    MailParameters seen;
    while (!argument.empty()) {
        const std::string_view word = next_word(argument);
        if (word.empty()) {
            break;
        }
        auto taken = take_parameter(word, seen, command);
        if (!taken) {
            return Refusal(std::move(taken.error()));
        }
        if (!*taken) {
            return refuse(501, "5.5.4", "bad or repeated parameter: " + std::string(word));
        }
    }
    if (!path->ascii && !command.smtputf8) {
        return refuse_not_ascii("sender");
    }
    command.address = std::move(path->address);
    return command;
}

Parsed<std::string> parse_rcpt(std::string_view argument, bool smtputf8) {
    auto path = take_path(argument, kRcptWords);
    if (!path) {
        return Refusal(std::move(path.error()));
    }
    const std::string_view parameter = next_word(argument);
    if (!parameter.empty()) {
        return refuse_parameter(parameter);  // DSN is not offered
    }
    if (!path->ascii && !smtputf8) {
        return refuse_not_ascii("recipient");
    }
    return std::move(path->address);
}

Parsed<Forwarded> parse_xforward(std::string_view argument, Forwarded known) {
    if (argument.empty()) {
        return refuse(501, "5.5.4", "expected XFORWARD name=value ...");
    }
    while (!argument.empty()) {
        const std::string_view word = next_word(argument);
        const std::size_t equals = word.find('=');
        const std::string name = ascii_lower(word.substr(0, equals));
        const auto* const attribute =
            std::find_if(kAttributes.begin(), kAttributes.end(),
                         [&](const Attribute& each) { return each.name == name; });
        if (equals == std::string_view::npos || attribute == kAttributes.end()) {
            return refuse(501, "5.5.4", "bad XFORWARD attribute: " + std::string(word));
        }
        const auto value = decode_xtext(word.substr(equals + 1));
        if (!value) {
            return refuse(501, "5.5.4", "bad XFORWARD value: " + std::string(word));
        }
        const bool unavailable = ascii_lower(*value) == "[unavailable]";
        known.*(attribute->member) =
            unavailable ? std::string() : printable(*value, kMaxAddressBytes);
    }
    return known;
}

}  // namespace postbearer::milter
