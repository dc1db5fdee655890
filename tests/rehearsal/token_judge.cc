// SPDX-License-Identifier: Apache-2.0
#include "token_judge.hh"

#include <algorithm>

#include "codec.hh"
#include "login_revocation.hh"

namespace postbearer::rehearsal {
namespace {

bool contains_word(const std::string& words, const std::string& word) {
    return (" " + words + " ").find(" " + word + " ") != std::string::npos;
}

bool contains(const std::vector<std::string>& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

}  // namespace

void TokenJudge::judge(const std::string& mechanism, const std::string& message, AuthRecord& record,
                       WallTime now) {
    const CredentialsOrReason parsed = mechanism == "XOAUTH2"       ? parse_xoauth2(message)
                                       : mechanism == "OAUTHBEARER" ? parse_oauthbearer(message)
                                                                    : parse_plain(message);
    if (const auto* reason = std::get_if<std::string>(&parsed)) {
        record.reason = *reason;
        return;
    }
    const auto& credentials = std::get<Credentials>(parsed);
    record.user = credentials.user;
    record.reason =
        mechanism == "PLAIN" ? judge_password(credentials) : judge_token(credentials, record, now);
    if (record.reason.empty() && policy_.refuse_next > 0) {
        --policy_.refuse_next;
        record.reason = "refused as ordered";
    }
    record.success = record.reason.empty();
}

std::string TokenJudge::judge_password(const Credentials& credentials) const {
    const auto found = policy_.passwords.find(credentials.user);
    const bool good = found != policy_.passwords.end() && found->second == credentials.secret;
    return good ? "" : "wrong password";
}

std::string TokenJudge::judge_token(const Credentials& credentials, AuthRecord& record,
                                    WallTime now) const {
    record.fingerprint = fingerprint(credentials.secret);
    const auto token = verifier_.verify(without_google_prefix(credentials.secret), now);
    if (!token) {
        return "not a JWT";
    }
    const Json::Value& claims = token->claims;
    record.client_id = text_claim(claims, "appid");
    if (!token->problem.empty()) {
        return token->problem;
    }
    if (std::string reason = judge_times(claims, now); !reason.empty()) {
        return reason;
    }
    if (text_claim(claims, "iss").rfind(issuer_prefix_, 0) != 0) {
        return "wrong issuer";
    }
    if (logins_.revoked_access.count(record.fingerprint) > 0) {
        return "token revoked";
    }
    if (text_claim(claims, "iss") == issuer_prefix_ + "google") {
        return judge_google(claims, record);
    }
    if (!contains(policy_.audiences, text_claim(claims, "aud"))) {
        return "wrong audience";
    }
    if (contains(policy_.revoked, record.fingerprint)) {
        return "token revoked";
    }
    return claims.isMember("upn") ? judge_user(claims, record) : judge_app(claims, record);
}

std::string TokenJudge::judge_times(const Json::Value& claims, WallTime now) const {
    const Json::Value& expires = claims["exp"];
    const Json::Value& not_before = claims["nbf"];
    if (!expires.isInt64() || !(not_before.isNull() || not_before.isInt64())) {
        return "malformed times";
    }
    const std::int64_t left = expires.asInt64() - unix_seconds(now);
    if (left <= 0) {
        return "token expired";
    }
    if (left < policy_.min_left_seconds) {
        return "too little time left";
    }
    if (!not_before.isNull() && not_before.asInt64() > unix_seconds(now)) {
        return "token not valid yet";
    }
    return {};
}

std::string TokenJudge::judge_app(const Json::Value& claims, const AuthRecord& record) const {
    const Json::Value& roles = claims["roles"];
    const bool has_role =
        policy_.role.empty() ||
        (roles.isArray() && std::any_of(roles.begin(), roles.end(), [this](const auto& role) {
             return role.isString() && role.asString() == policy_.role;
         }));
    if (!has_role) {
        return "role missing";
    }
    const Client* client = clients_.find(record.client_id);
    if (client == nullptr) {
        return "unknown client";
    }
    return client->covers(record.user) ? "" : "no mailbox permission";
}

std::string TokenJudge::judge_google(const Json::Value& claims, const AuthRecord& record) {
    constexpr const char* kMail = "https://mail.google.com/";
    if (text_claim(claims, "aud") != kMail || !contains_word(text_claim(claims, "scp"), kMail)) {
        return "scope missing";
    }
    return iequals(text_claim(claims, "upn"), record.user) ? "" : "no mailbox permission";
}

std::string TokenJudge::judge_user(const Json::Value& claims, const AuthRecord& record) const {
    if (!policy_.scope.empty() && !contains_word(text_claim(claims, "scp"), policy_.scope)) {
        return "scope missing";
    }
    const Client* client = clients_.find(record.client_id);
    // Another mailbox than the token's own: a shared one, where the client's list allows it.
    const bool may = iequals(text_claim(claims, "upn"), record.user) ||
                     (client != nullptr && client->covers(record.user));
    return may ? "" : "no mailbox permission";
}

}  // namespace postbearer::rehearsal
