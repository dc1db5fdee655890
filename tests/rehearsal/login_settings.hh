// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "json.hh"

namespace postbearer::rehearsal {

/// Somebody who can sign in to an app.
struct LoginUser {
    std::string name;  // key of the map: what is typed at the page
    std::string upn;
    std::optional<std::string> mail;  // Graph's `mail` may be null
    std::string display_name;
    /// ok, declined (refuses what he is asked), and those whom no new token is given: disabled,
    /// deleted, mfa, password_changed, inactive, blocked, sign_in_frequency.
    std::string state = "ok";
};

/// An outside issuer an app trusts (workload identity federation).
struct FederatedCredential {
    std::string issuer;
    std::string subject;
    std::string audience;
    std::string public_key;  // PEM, SPKI
};

/// The part of an app registration that logins and assertions need.
struct LoginSettings {
    bool is_public = false;  // "Allow public client flows"
    std::vector<std::string> redirect_uris;
    std::vector<std::string> certificates;  // PEM
    std::vector<std::string> assertion_algorithms{"PS256", "RS256"};
    bool refuse_replay = false;  // of an assertion's jti
    std::vector<FederatedCredential> federated;
    std::string rotation = "lenient";                          // strict, none
    std::optional<std::vector<std::string>> delegated_scopes;  // nothing: whatever is asked for
    std::vector<std::string> preconsented;                     // by the administrator; "*": all
    std::map<std::string, LoginUser> users;                    // empty: anybody
    std::optional<std::string> auto_user;                      // approves without a page
    bool send_iss = false;                                     // RFC 9207
    std::int64_t device_interval = 5;
    std::int64_t device_expires = 900;
    std::int64_t device_slow_downs = 0;  // so many polls are slow_down, whatever their time
    std::int64_t code_expires = 600;
    Json::Value id_token_claims{Json::objectValue};  // null takes a claim away
    bool opaque = true;                              // Google: ya29. before the JWT

    /// By name or UPN; where there is no list, anybody exists.
    [[nodiscard]] std::optional<LoginUser> find_user(std::string_view name) const;
    [[nodiscard]] bool allows_redirect(std::string_view uri) const;
};

/// Takes its members from a client's description; what is wrong with them, or empty.
[[nodiscard]] std::string read_login_settings(ObjectReader& reader, LoginSettings& settings);
/// Adds them to what GET /clients shows.
void describe_login_settings(const LoginSettings& settings, Json::Value& json);

}  // namespace postbearer::rehearsal
