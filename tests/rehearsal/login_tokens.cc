// SPDX-License-Identifier: Apache-2.0
#include "login_tokens.hh"

#include "json.hh"

namespace postbearer::rehearsal {
namespace {

/// How long ago a token of the expired_token behaviour ended.
constexpr std::int64_t kExpiredSeconds = -60;
constexpr const char* kGooglePrefix = "ya29.";

void overlay(Json::Value& claims, const Json::Value& changes) {
    for (const std::string& name : changes.getMemberNames()) {
        if (changes[name].isNull()) {
            claims.removeMember(name);
        } else {
            claims[name] = changes[name];
        }
    }
}

std::string subject_of(const LoginAnswer& order) {
    return base64url(sha256(order.client.id + "/" + order.user.upn));  // pairwise
}

}  // namespace

std::string user_object_id(const std::string& upn) { return guid_of("user " + upn); }

std::string LoginTokens::access_token(const LoginAnswer& order) const {
    MintOrder mint;
    mint.client_id = order.client.id;
    mint.tenant = order.provider.tenant;
    mint.issuer = order.provider.issuer;
    mint.audience = order.audience;
    mint.lifetime_seconds = order.twists.expired ? kExpiredSeconds : order.client.lifetime_seconds;
    mint.user = order.user.upn;
    mint.scope = order.client.scope.value_or(order.scopes.text());
    mint.extra_claims["name"] = order.user.display_name;
    if (order.user.mail) {
        mint.extra_claims["email"] = *order.user.mail;
    } else {
        mint.extra_claims["email"] = Json::Value();
    }
    if (order.provider.google) {
        mint.extra_claims["scp"] = mint.scope;
    }
    for (const std::string& name : order.client.extra_claims.getMemberNames()) {
        mint.extra_claims[name] = order.client.extra_claims[name];
    }
    mint.pad_bytes = order.client.pad_bytes;
    mint.foreign_key = order.twists.foreign_key;
    if (!order.twists.kid.empty()) {
        mint.header["kid"] = order.twists.kid;
    }
    mint.prefix = order.provider.google && order.client.login.opaque ? kGooglePrefix : "";
    return mint_.mint(mint, order.now);
}

std::string LoginTokens::id_token(const LoginAnswer& order) const {
    const std::int64_t now = unix_seconds(order.now);
    const std::int64_t lifetime =
        order.twists.expired ? kExpiredSeconds : order.client.lifetime_seconds;
    Json::Value claims;
    claims["ver"] = "2.0";
    claims["iss"] = order.provider.issuer;
    claims["sub"] = subject_of(order);
    claims["aud"] = order.client.id;
    claims["iat"] = static_cast<Json::Int64>(now);
    claims["nbf"] = static_cast<Json::Int64>(now);
    claims["exp"] = static_cast<Json::Int64>(now + lifetime);
    if (!order.grant.nonce.empty()) {
        claims["nonce"] = order.grant.nonce;
    }
    if (order.provider.entra) {
        claims["tid"] = tenant_guid(order.provider.tenant);
        claims["oid"] = user_object_id(order.user.upn);
    }
    if (!order.provider.google && order.scopes.has_identity("profile")) {
        claims["preferred_username"] = order.user.upn;
    }
    if (order.scopes.has_identity("profile")) {
        claims["name"] = order.user.display_name;
    }
    if (order.user.mail && order.scopes.has_identity("email")) {
        claims["email"] = *order.user.mail;
        claims["email_verified"] = true;
    }
    overlay(claims, order.client.login.id_token_claims);
    Json::Value header;
    header["kid"] = order.twists.kid.empty() ? own_.kid() : order.twists.kid;
    return (order.twists.foreign_key ? foreign_ : own_).sign(claims, header);
}

Json::Value LoginTokens::answer(const LoginAnswer& order, RequestRecord& record) const {
    const std::string token = access_token(order);
    Json::Value json;
    json["token_type"] = "Bearer";
    json["scope"] = order.scopes.text();
    json["expires_in"] = static_cast<Json::Int64>(order.client.lifetime_seconds);
    if (order.provider.entra) {
        json["ext_expires_in"] = json["expires_in"];
    }
    if (order.client.refresh_in_seconds) {
        json["refresh_in"] = static_cast<Json::Int64>(*order.client.refresh_in_seconds);
    }
    json["access_token"] = token;
    if (!order.refresh_token.empty()) {
        json["refresh_token"] = order.refresh_token;
        record.login["issued_refresh_token"] = fingerprint(order.refresh_token);
    }
    if (order.scopes.has_identity("openid")) {
        json["id_token"] = id_token(order);
    }
    record.login["user"] = order.user.name;
    record.token_fingerprint = fingerprint(token);
    return json;
}

}  // namespace postbearer::rehearsal
