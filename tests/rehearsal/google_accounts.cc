// SPDX-License-Identifier: Apache-2.0
#include "google_accounts.hh"

#include <algorithm>

#include "client_assertion.hh"
#include "json.hh"
#include "login_scopes.hh"
#include "token_verifier.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::int64_t kLongestSeconds = 3600;
constexpr std::int64_t kLeewaySeconds = 60;

GoogleError invalid_grant(const std::string& why) { return {400, "invalid_grant", why}; }

std::optional<GoogleError> judge_times(const Json::Value& claims, WallTime now) {
    const Json::Value& issued = claims["iat"];
    const Json::Value& expires = claims["exp"];
    if (!issued.isInt64() || !expires.isInt64()) {
        return invalid_grant("Invalid JWT: iat and exp are required.");
    }
    const std::int64_t now_seconds = unix_seconds(now);
    const bool good = expires.asInt64() > now_seconds &&
                      expires.asInt64() <= issued.asInt64() + kLongestSeconds &&
                      issued.asInt64() <= now_seconds + kLeewaySeconds;
    return good ? std::nullopt
                : std::optional(invalid_grant(
                      "Invalid JWT: Token must be a short-lived token (60 minutes) and in a "
                      "reasonable timeframe. Check your iat and exp values in the JWT claim."));
}

std::optional<GoogleError> judge_key(const Jwt& jwt, const ServiceAccount& account) {
    const bool kid_fits = account.key_id.empty() || text_claim(jwt.header, "kid") == account.key_id;
    const Key key = public_key_of(account.public_key);
    const bool good = kid_fits && key && text_claim(jwt.header, "alg") == "RS256" &&
                      verify_rsa(*key, "RS256", jwt.signed_part, jwt.signature);
    return good ? std::nullopt : std::optional(invalid_grant("Invalid JWT Signature."));
}

}  // namespace

std::variant<std::vector<ServiceAccount>, std::string> parse_service_accounts(
    const Json::Value& json) {
    ObjectReader outer(json);
    std::vector<ServiceAccount> accounts;
    const Json::Value list = outer.any("accounts");
    if (!outer.problem().empty() || !list.isArray()) {
        return "'accounts' must be a list. " + outer.problem();
    }
    for (const Json::Value& item : list) {
        ObjectReader reader(item);
        ServiceAccount account;
        account.client_email = reader.text("client_email", "");
        account.client_id = reader.text("client_id", account.client_email);
        account.public_key = reader.text("public_key", "");
        account.key_id = reader.text("private_key_id", "");
        account.scopes = reader.texts("scopes", account.scopes);
        account.subjects = reader.texts("subjects", {});
        account.lifetime_seconds = reader.integer("lifetime", 3600);
        if (!reader.problem().empty()) {
            return reader.problem();
        }
        accounts.push_back(std::move(account));
    }
    return accounts;
}

std::variant<ServiceGrant, GoogleError> judge_service_assertion(
    const std::vector<ServiceAccount>& accounts, const std::string& assertion,
    const std::vector<std::string>& endpoints, WallTime now) {
    const auto jwt = parse_jwt(assertion);
    if (!jwt) {
        return invalid_grant("Bad Request");
    }
    const std::string issuer = text_claim(jwt->claims, "iss");
    const auto account =
        std::find_if(accounts.begin(), accounts.end(),
                     [&](const ServiceAccount& one) { return one.client_email == issuer; });
    if (account == accounts.end()) {
        return invalid_grant("Invalid grant: account not found");
    }
    if (auto error = judge_key(*jwt, *account)) {
        return *error;
    }
    const std::string audience = text_claim(jwt->claims, "aud");
    if (std::find(endpoints.begin(), endpoints.end(), audience) == endpoints.end()) {
        return invalid_grant("Invalid JWT: Failed audience check.");
    }
    if (auto error = judge_times(jwt->claims, now)) {
        return *error;
    }
    const std::string scope = text_claim(jwt->claims, "scope");
    const std::vector<std::string> asked = parse_scopes(scope).permissions;
    if (asked.empty()) {
        return GoogleError{400, "invalid_scope", "Empty or missing scope not allowed."};
    }
    const std::string subject = text_claim(jwt->claims, "sub");
    const bool itself = subject.empty() || subject == account->client_email;
    const bool allowed = std::all_of(asked.begin(), asked.end(), [&](const std::string& one) {
        return contains_scope(account->scopes, one);
    });
    if (!itself && (!allowed || !address_matches(account->subjects, subject))) {
        return GoogleError{401, "unauthorized_client",
                           "Client is unauthorized to retrieve access tokens using this method, or "
                           "client not authorized for any of the scopes requested."};
    }
    return ServiceGrant{&*account, itself ? account->client_email : subject, scope};
}

}  // namespace postbearer::rehearsal
