// SPDX-License-Identifier: Apache-2.0
#include "form.hh"

#include "codec.hh"

namespace postbearer::rehearsal {
namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char letter = static_cast<char>(c | 0x20);
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

/// The form set leaves `*-._` bare; percent-encoding by RFC 3986 leaves `~`, too. Curl's and
/// everybody's hand-written bodies leave `:/` in scopes bare, which Entra accepts.
bool may_stand_bare(char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    return letter || std::string_view("*-._~:/").find(c) != std::string_view::npos;
}

}  // namespace

std::optional<std::string> form_decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            out += ' ';
        } else if (text[i] == '%') {
            if (i + 2 >= text.size()) {
                return std::nullopt;
            }
            const int high = hex_value(text[i + 1]);
            const int low = hex_value(text[i + 2]);
            if (high < 0 || low < 0) {
                return std::nullopt;
            }
            out += static_cast<char>(high * 16 + low);
            i += 2;
        } else if (may_stand_bare(text[i])) {
            out += text[i];
        } else {
            return std::nullopt;
        }
    }
    return out;
}

std::string Form::get(const std::string& name) const {
    const auto found = values.find(name);
    return found == values.end() ? std::string() : found->second;
}

Form parse_form(std::string_view body) {
    Form form;
    while (!body.empty()) {
        const std::size_t end = std::min(body.find('&'), body.size());
        const std::string_view pair = body.substr(0, end);
        body.remove_prefix(std::min(end + 1, body.size()));
        const std::size_t equals = pair.find('=');
        const auto name = form_decode(pair.substr(0, equals));
        if (!name || name->empty() || equals == std::string_view::npos) {
            form.malformed = "a parameter without a name or '='";
            continue;
        }
        const auto value = form_decode(pair.substr(equals + 1));
        form.order.push_back(*name);
        if (!value) {
            form.malformed = "the value of '" + *name + "' is not form-encoded";
            continue;
        }
        if (!form.values.emplace(*name, *value).second) {
            form.duplicates.push_back(*name);
        }
    }
    return form;
}

std::optional<BasicCredentials> parse_basic(std::string_view header) {
    constexpr std::string_view kScheme = "Basic ";
    if (header.size() < kScheme.size() || !iequals(header.substr(0, kScheme.size()), kScheme)) {
        return std::nullopt;
    }
    const auto plain = decode_base64(header.substr(kScheme.size()));
    const std::size_t colon = plain ? plain->find(':') : std::string::npos;
    if (colon == std::string::npos) {
        return std::nullopt;
    }
    const auto user = form_decode(std::string_view(*plain).substr(0, colon));
    const auto password = form_decode(std::string_view(*plain).substr(colon + 1));
    if (!user || !password) {
        return std::nullopt;
    }
    return BasicCredentials{*user, *password};
}

}  // namespace postbearer::rehearsal
