// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credentials/service_account.hh"

#include <algorithm>
#include <utility>

#include "common/http/url.hh"
#include "common/text.hh"
#include "token-agent/credentials/jwt.hh"
#include "token-agent/json.hh"

namespace postbearer::agent {
namespace {

constexpr std::size_t kMaxValueBytes = 320;  // an address has less
constexpr std::string_view kDefaultTokenUri = "https://oauth2.googleapis.com/token";

/// Printable ASCII without blanks, quotes and backslash: ids and addresses.
bool is_plain_word(std::string_view text) {
    return text.size() <= kMaxValueBytes && std::all_of(text.begin(), text.end(), [](char c) {
               return c > ' ' && c < 0x7F && c != '"' && c != '\\';
           });
}

Result<std::string> word(const JsonObject& json, const char* key, bool required) {
    const std::string_view text = json.text_or_empty(key);
    if (text.empty() && required) {
        return failure(Errc::Config, std::string("it has no ") + key);
    }
    if (!is_plain_word(text)) {
        return failure(Errc::Config, std::string(key) + " in it is malformed");
    }
    return std::string(text);
}

Result<std::string> token_uri_of(const JsonObject& json, bool allow_http_loopback) {
    auto uri = word(json, "token_uri", false);
    if (!uri) {
        return uri;
    }
    if (uri->empty()) {
        return std::string(kDefaultTokenUri);
    }
    if (const auto checked = http::check_url(*uri, allow_http_loopback); !checked) {
        return failure(Errc::Config, "token_uri in it: " + checked.error().context);
    }
    return uri;
}

}  // namespace

Result<std::shared_ptr<const ServiceAccount>> parse_service_account(std::string_view text,
                                                                    bool allow_http_loopback) {
    const auto json = JsonObject::parse(text);
    if (!json) {
        return failure(Errc::Config, "expected the JSON key file of a Google service account (" +
                                         json.error().context + ")");
    }
    if (const std::string_view type = json->text_or_empty("type"); type != "service_account") {
        return failure(Errc::Config,
                       "expected a key file of type service_account, this one says '" +
                           printable(type, 40) + "'");
    }
    ServiceAccount::Facts facts;
    const struct {
        const char* key;
        bool required;
        std::string* target;
    } words[] = {{"client_email", true, &facts.client_email},
                 {"client_id", false, &facts.client_id},
                 {"private_key_id", false, &facts.private_key_id}};
    for (const auto& [key, required, target] : words) {
        auto value = word(*json, key, required);
        if (!value) {
            return tl::unexpected(std::move(value.error()));
        }
        *target = std::move(*value);
    }
    auto uri = token_uri_of(*json, allow_http_loopback);
    if (!uri) {
        return tl::unexpected(std::move(uri.error()));
    }
    facts.token_uri = std::move(*uri);
    if (json->text_or_empty("private_key").empty()) {
        return failure(Errc::Config, "it has no private_key");
    }
    auto key = load_bare_key(json->text_or_empty("private_key"));
    if (!key) {
        return tl::unexpected(std::move(key.error()));
    }
    return std::make_shared<const ServiceAccount>(std::move(facts), std::move(*key));
}

Result<Secret> make_service_assertion(const ServiceAccount& account, const std::string& subject,
                                      const std::string& scope, WallTime now) {
    JwtMembers header;
    if (!account.facts().private_key_id.empty()) {
        header.emplace_back("kid", account.facts().private_key_id);
    }
    const std::int64_t seconds = now.time_since_epoch().count();
    const JwtMembers claims{{"iss", account.facts().client_email},
                            {"sub", subject},
                            {"scope", scope},
                            {"aud", account.facts().token_uri},
                            {"iat", seconds},
                            {"exp", seconds + kServiceAssertionLife.count()}};
    return sign_jwt(account.key(), JwtAlgorithm::Rs256, header, claims);
}

}  // namespace postbearer::agent
