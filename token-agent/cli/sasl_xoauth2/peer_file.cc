// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/sasl_xoauth2/peer_file.hh"

#include <json/json.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "common/text.hh"

namespace postbearer::cli {
namespace {

constexpr int kMaxDepth = 16;

/// A parsed file; its strings are wiped, because some are secrets.
class Document {
public:
    Document() = default;
    ~Document() { wipe(root); }
    Document(const Document&) = delete;
    Document& operator=(const Document&) = delete;
    Document(Document&&) = delete;
    Document& operator=(Document&&) = delete;

    Json::Value root;

private:
    static void wipe(Json::Value& value) {
        const char* begin = nullptr;
        const char* end = nullptr;
        if (value.isString() && value.getString(&begin, &end)) {
            // JsonCpp allocated these bytes for this value; only its interface makes them const.
            explicit_bzero(const_cast<char*>(begin), static_cast<std::size_t>(end - begin));
        } else if (value.isArray() || value.isObject()) {
            for (Json::Value& member : value) {
                wipe(member);
            }
        }
    }
};

Place place_of(std::string_view text, std::size_t offset) {
    const std::string_view before = text.substr(0, offset);
    const auto lines = std::count(before.begin(), before.end(), '\n');
    const std::size_t start = before.rfind('\n') + 1;  // npos + 1 is 0
    return {static_cast<std::uint32_t>(lines + 1),
            static_cast<std::uint32_t>(before.size() - start + 1)};
}

std::uint32_t number_after(std::string_view text, std::string_view word) {
    const std::size_t at = text.find(word);
    std::uint32_t number = 0;
    for (std::size_t i = at == std::string_view::npos ? text.size() : at + word.size();
         i < text.size() && text[i] >= '0' && text[i] <= '9' && number < 100'000'000; ++i) {
        number = number * 10 + static_cast<std::uint32_t>(text[i] - '0');
    }
    return number;
}

/// JsonCpp's messages quote the document, which may be a secret: only what kind of fault it was,
/// and where, is taken from them. "* Line 5, Column 3\n  Missing ',' or '}' in object declaration"
PeerMistake syntax_mistake(std::string_view message) {
    PeerMistake mistake;
    mistake.at = {number_after(message, "Line "), number_after(message, "Column ")};
    if (message.find("Missing ',' or '}'") != std::string_view::npos) {
        mistake.text = "a comma is missing before this";
    } else if (message.find("Missing ':'") != std::string_view::npos) {
        mistake.text = "a colon is missing before this";
    } else if (message.find("Missing '}' or object member name") != std::string_view::npos) {
        mistake.text = "a name in double quotes is expected here; is there a comma too many?";
    } else {
        mistake.text = "is no JSON from here on; are the quotes right?";
    }
    return mistake;
}

bool parse(std::string_view text, Json::Value& root, std::string& errors) {
    Json::CharReaderBuilder builder;  // the defaults, as the other program uses them
    builder["stackLimit"] = kMaxDepth;
    builder["collectComments"] = false;
    const std::unique_ptr<Json::CharReader> reader(builder.newCharReader());
    try {
        return reader->parse(text.data(), text.data() + text.size(), &root, &errors);
    } catch (const Json::Exception&) {
        return false;  // it throws for too great a depth
    }
}

bool says_yes(const std::string& word) {
    const std::string lower = ascii_lower(word);
    return lower == "yes" || lower == "true";
}

/// Takes the members over one by one and remembers the first that cannot be taken.
class Members {
public:
    Members(const Json::Value& root, std::string_view text) : root_(root), text_(text) {}

    void take(const char* name, std::optional<PeerText>& out) {
        const Json::Value* value = find(name);
        if (value == nullptr) {
            return;
        }
        std::string word(trimmed(value->asString()));
        if (!is_plain_utf8(word)) {
            refuse(*value, name, "holds control characters");
            return;
        }
        out = PeerText{std::move(word), place_of(*value)};
    }

    void take(const char* name, std::optional<PeerSecret>& out) {
        const Json::Value* value = find(name);
        const char* begin = nullptr;
        const char* end = nullptr;
        if (value == nullptr) {
            return;
        }
        if (!value->isString() || !value->getString(&begin, &end)) {
            refuse(*value, name, "is no text in quotes");
            return;
        }
        // A blank stands for "none": people write " " to get past a check for "" there.
        const std::string_view word = trimmed({begin, static_cast<std::size_t>(end - begin)});
        if (!is_plain_utf8(word)) {
            refuse(*value, name, "holds control characters");
            return;
        }
        out = PeerSecret{Secret(word), place_of(*value)};
    }

    void take(const char* name, std::optional<bool>& out) {
        if (const Json::Value* value = find(name)) {
            out = says_yes(value->asString());
        }
    }

    [[nodiscard]] const std::optional<PeerMistake>& mistake() const noexcept { return mistake_; }

private:
    /// Strings, numbers and booleans: what asString() takes.
    [[nodiscard]] const Json::Value* find(const char* name) {
        const Json::Value* value = root_.find(name, name + strlen(name));
        if (value == nullptr || value->isNull()) {
            return nullptr;
        }
        if (!value->isString() && !value->isNumeric() && !value->isBool()) {
            refuse(*value, name, "is no text in quotes");
            return nullptr;
        }
        return value;
    }
    void refuse(const Json::Value& value, const char* name, std::string_view why) {
        if (!mistake_) {
            mistake_ = PeerMistake{place_of(value), std::string(name) + " " + std::string(why)};
        }
    }
    [[nodiscard]] Place place_of(const Json::Value& value) const {
        const auto offset =
            static_cast<std::size_t>(std::max<ptrdiff_t>(value.getOffsetStart(), 0));
        return cli::place_of(text_, std::min(offset, text_.size()));
    }

    const Json::Value& root_;
    std::string_view text_;
    std::optional<PeerMistake> mistake_;
};

}  // namespace

tl::expected<PeerFile, PeerMistake> parse_peer_file(std::string_view text) {
    if (text.size() > kMaxPeerFileBytes) {
        return tl::unexpected(PeerMistake{{}, "is larger than 256 KiB"});
    }
    Document document;
    std::string errors;
    if (!parse(text, document.root, errors)) {
        return tl::unexpected(syntax_mistake(errors));
    }
    if (!document.root.isObject()) {
        return tl::unexpected(PeerMistake{{1, 1}, "is no JSON object: { \"name\": \"value\" }"});
    }
    Members members(document.root, text);
    PeerFile file;
    members.take("client_id", file.client_id);
    members.take("client_secret", file.client_secret);
    members.take("token_endpoint", file.token_endpoint);
    members.take("proxy", file.proxy);
    members.take("ca_bundle_file", file.ca_bundle_file);
    members.take("ca_certs_dir", file.ca_certs_dir);
    members.take("scope", file.scope);
    members.take("user", file.user);
    members.take("refresh_token", file.refresh_token);
    members.take("use_client_credentials", file.use_client_credentials);
    members.take("manage_token_externally", file.manage_token_externally);
    if (members.mistake()) {
        return tl::unexpected(*members.mistake());
    }
    return file;
}

}  // namespace postbearer::cli
