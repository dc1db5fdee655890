// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/redirect_answer.hh"

#include <algorithm>
#include <array>

#include "common/text.hh"

namespace postbearer::agent {
namespace {

constexpr std::size_t kMaxParameters = 64;
constexpr std::size_t kMaxCodeBytes = 8UL * 1024;

/// One decoded parameter may be a code, so all are wiped.
struct Parameters {
    std::optional<WipedBytes> code, state, iss, error, error_description;

    std::optional<WipedBytes>* find(std::string_view name) {
        return name == "code"                ? &code
               : name == "state"             ? &state
               : name == "iss"               ? &iss
               : name == "error"             ? &error
               : name == "error_description" ? &error_description
                                             : nullptr;
    }
};

int digit_of(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = static_cast<char>(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// nullopt: a '%' that begins nothing.
std::optional<WipedBytes> decoded(std::string_view text) {
    WipedBytes out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '+') {
            out.push_back(' ');
        } else if (text[i] != '%') {
            out.push_back(text[i]);
        } else {
            const int high = i + 2 < text.size() ? digit_of(text[i + 1]) : -1;
            const int low = high < 0 ? -1 : digit_of(text[i + 2]);
            if (low < 0) {
                return std::nullopt;
            }
            out.push_back(static_cast<char>(high * 16 + low));
            i += 2;
        }
    }
    return out;
}

Result<Parameters> read_parameters(std::string_view query) {
    Parameters found;
    for (std::size_t count = 0; !query.empty(); ++count) {
        if (count == kMaxParameters) {
            return failure(Errc::Protocol, "That address has too many parameters");
        }
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        const std::size_t equals = std::min(pair.find('='), pair.size());
        std::optional<WipedBytes>* const place = found.find(pair.substr(0, equals));
        if (place == nullptr) {
            continue;
        }
        if (place->has_value()) {
            return failure(Errc::Protocol,
                           "That address names " + std::string(pair.substr(0, equals)) +
                               " twice; paste the one address that the browser ended at");
        }
        *place = decoded(pair.substr(std::min(equals + 1, pair.size())));
        if (!place->has_value()) {
            return failure(Errc::Protocol,
                           "That address is damaged (a '%' without its two digits); copy it whole");
        }
    }
    return found;
}

/// RFC 6749 appendix A: codes and states are visible ASCII and blanks.
bool is_visible(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < '\x7f'; });
}

std::string text_of(const std::optional<WipedBytes>& value, std::size_t max_bytes) {
    return value ? printable(view(*value), max_bytes) : std::string();
}

/// "http://localhost:1" and "http://localhost:1/" are one address.
std::string_view without_root(std::string_view address) {
    const std::size_t authority = address.find("//");
    const bool only_root = authority != std::string_view::npos &&
                           address.find('/', authority + 2) == address.size() - 1;
    return only_root ? address.substr(0, address.size() - 1) : address;
}

bool is_absolute(std::string_view text) {
    return text.substr(0, std::min(text.size(), text.find_first_of("?#&="))).find("://") !=
           std::string_view::npos;
}

/// Splits the parameters off, and refuses an address that is not where we sent the browser.
Result<Parameters> parameters_of(std::string_view text, const std::string& redirect_uri) {
    const std::size_t hash = std::min(text.find('#'), text.size());
    const std::string_view fragment = text.substr(std::min(hash + 1, text.size()));
    text = text.substr(0, hash);
    const std::size_t mark = text.find('?');
    if (is_absolute(text) && without_root(text.substr(0, mark)) != without_root(redirect_uri)) {
        return failure(
            Errc::Protocol,
            "That is not the address the browser was sent back to; it begins with " + redirect_uri);
    }
    const bool bare = mark == std::string_view::npos;
    const std::string_view query = !bare ? text.substr(mark + 1)
                                   : text.empty() || text.front() == '/' || is_absolute(text)
                                       ? std::string_view()
                                       : text;
    auto found = read_parameters(query);
    if (found && !found->code && !found->error && !fragment.empty()) {
        return read_parameters(fragment);
    }
    return found;
}

}  // namespace

Result<RedirectAnswer> read_redirect(std::string_view text, const std::string& redirect_uri) {
    text = trimmed(text);
    if (text.size() > kMaxRedirectAnswerBytes) {
        return failure(Errc::Protocol, "That is too long to be the redirected address");
    }
    if (text.empty() || !is_plain_utf8(text)) {
        return failure(Errc::Protocol,
                       "That is no address; paste the one the browser ended at, in one line");
    }
    auto found = parameters_of(text, redirect_uri);
    if (!found) {
        return tl::unexpected(std::move(found.error()));
    }
    if (found->code.has_value() == found->error.has_value()) {
        return failure(Errc::Protocol,
                       found->code ? "That address holds both a code and an error"
                                   : "That address holds no code; paste the one the browser ended "
                                     "at, with everything after the '?'");
    }
    RedirectAnswer answer;
    if (found->code) {
        if (!is_visible(view(*found->code)) || found->code->size() > kMaxCodeBytes) {
            return failure(Errc::Protocol, "That address holds no usable code");
        }
        answer.code = Secret(std::move(*found->code));
    }
    if (found->state) {
        answer.state = Secret(std::move(*found->state));
    }
    answer.error = text_of(found->error, 64);
    if (found->error && answer.error.empty()) {
        answer.error = "unknown";
    }
    answer.error_description = text_of(found->error_description, 1024);
    if (found->iss) {
        answer.issuer = text_of(found->iss, 2048);
    }
    return answer;
}

}  // namespace postbearer::agent
