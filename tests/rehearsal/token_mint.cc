// SPDX-License-Identifier: Apache-2.0
#include "token_mint.hh"

#include <algorithm>

#include "codec.hh"
#include "json.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::int64_t kBackdatedSeconds = 300;

/// "https://outlook.office.com/SMTP.Send offline_access" -> "SMTP.Send offline_access".
std::string short_scopes(const std::string& scopes) {
    std::string out;
    std::size_t at = 0;
    while (at < scopes.size()) {
        const std::size_t end = std::min(scopes.find(' ', at), scopes.size());
        const std::string scope = scopes.substr(at, end - at);
        const std::size_t slash = scope.rfind('/');
        out += (out.empty() ? "" : " ");
        out += slash == std::string::npos ? scope : scope.substr(slash + 1);
        at = end + 1;
    }
    return out;
}

Json::Value common_claims(const MintOrder& order, std::int64_t expires_at, std::int64_t now) {
    const std::int64_t issued_at = std::min(now, expires_at) - kBackdatedSeconds;
    const std::string tenant = tenant_guid(order.tenant);
    Json::Value claims;
    claims["aud"] = order.audience;
    claims["iss"] = order.issuer;
    claims["iat"] = static_cast<Json::Int64>(issued_at);
    claims["nbf"] = static_cast<Json::Int64>(issued_at);
    claims["exp"] = static_cast<Json::Int64>(expires_at);
    claims["aio"] = base64(random_bytes(42));
    claims["app_displayname"] = "Rehearsal " + order.client_id;
    claims["appid"] = order.client_id;
    claims["appidacr"] = "1";
    claims["azp"] = order.client_id;
    claims["azpacr"] = "1";
    claims["idp"] = order.issuer;
    claims["rh"] = "1." + base64url(random_bytes(45)) + ".";
    claims["sid"] = guid();
    claims["tenant_region_scope"] = "EU";
    claims["tid"] = tenant;
    claims["uti"] = base64url(random_bytes(16));
    claims["ver"] = "2.0";
    claims["wids"].append(guid_of("wids " + tenant));
    claims["xms_ftd"] = base64url(random_bytes(38));
    claims["xms_idrel"] = order.user ? "1 2" : "7 30";
    return claims;
}

void name_app(Json::Value& claims, const MintOrder& order) {
    const std::string object_id = guid_of(order.tenant + "/" + order.client_id);
    claims["idtyp"] = "app";
    claims["oid"] = object_id;
    claims["sub"] = object_id;
    claims["roles"] = to_json(order.roles);
}

void name_user(Json::Value& claims, const MintOrder& order) {
    const std::string scope = order.scope.empty() ? kDelegatedScope : order.scope;
    claims["idtyp"] = "user";
    claims["oid"] = guid_of("user " + *order.user);
    claims["sub"] = base64url(sha256(order.client_id + "/" + *order.user));
    claims["name"] = *order.user;
    claims["upn"] = *order.user;
    claims["unique_name"] = *order.user;
    claims["email"] = *order.user;
    claims["preferred_username"] = *order.user;
    claims["scp"] = short_scopes(scope);
    claims["scope"] = scope;  // Dovecot 2.3 looks here and never at scp
}

}  // namespace

std::string tenant_guid(const std::string& tenant) {
    return is_guid(tenant) ? lower(tenant) : guid_of("tenant " + lower(tenant));
}

std::string TokenMint::mint(const MintOrder& order, WallTime now) {
    const std::int64_t now_seconds = unix_seconds(now);
    const std::int64_t expires_at = now_seconds + order.lifetime_seconds;
    Json::Value claims = common_claims(order, expires_at, now_seconds);
    if (order.user) {
        name_user(claims, order);
    } else {
        name_app(claims, order);
    }
    if (order.pad_bytes > 0) {
        claims["xms_pad"] = base64url(random_bytes(order.pad_bytes)).substr(0, order.pad_bytes);
    }
    for (const std::string& name : order.extra_claims.getMemberNames()) {
        if (order.extra_claims[name].isNull()) {
            claims.removeMember(name);
        } else {
            claims[name] = order.extra_claims[name];
        }
    }
    Json::Value header = order.header;
    if (order.foreign_key && !header.isMember("kid")) {
        header["kid"] = own_.kid();  // so that the signature is what fails, not the look-up
    }
    TokenRecord record;
    record.time = now;
    record.client_id = order.client_id;
    record.audience = order.audience;
    record.user = order.user.value_or("");
    record.expires_at = expires_at;
    record.foreign_key = order.foreign_key;
    record.token = order.prefix + (order.foreign_key ? foreign_ : own_).sign(claims, header);
    records_.add_token(record);
    return record.token;
}

}  // namespace postbearer::rehearsal
