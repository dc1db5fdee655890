// SPDX-License-Identifier: Apache-2.0
#include "refresh_tokens.hh"

#include <algorithm>

#include "json.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::size_t kRandomBytes = 48;

const char* name_of(RefreshTokens::State state) {
    switch (state) {
        case RefreshTokens::State::Valid:
            return "valid";
        case RefreshTokens::State::Used:
            return "used";
        case RefreshTokens::State::Revoked:
            break;
    }
    return "revoked";
}

}  // namespace

std::string RefreshTokens::issue(const UserGrant& grant, std::uint64_t family,
                                 const std::string& prefix) {
    std::string token = prefix + base64url(random_bytes(kRandomBytes));
    const std::uint64_t own_family = family != 0 ? family : ++last_family_;
    entries_.push_back({sha256(token), fingerprint(token), grant, own_family, State::Valid});
    entries_.back().grant.nonce.clear();
    return token;
}

RefreshTokens::Entry* RefreshTokens::find(const std::string& token) {
    const std::string digest = sha256(token);
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& entry) { return entry.digest == digest; });
    return found == entries_.end() ? nullptr : &*found;
}

std::size_t RefreshTokens::revoke_family(std::uint64_t family) {
    std::size_t count = 0;
    for (Entry& entry : entries_) {
        if (entry.family == family) {
            count += entry.state == State::Valid ? 1 : 0;
            entry.state = State::Revoked;
        }
    }
    return count;
}

std::size_t RefreshTokens::revoke(const std::string& user, const std::string& fingerprint) {
    std::size_t count = 0;
    for (Entry& entry : entries_) {
        const bool meant = (!user.empty() && iequals(entry.grant.user, user)) ||
                           (!fingerprint.empty() && entry.fingerprint == fingerprint);
        if (meant) {
            count += entry.state == State::Valid ? 1 : 0;
            entry.state = State::Revoked;
        }
    }
    return count;
}

Json::Value RefreshTokens::to_json() const {
    Json::Value list(Json::arrayValue);
    for (const Entry& entry : entries_) {
        Json::Value json;
        json["fingerprint"] = entry.fingerprint;
        json["realm"] = entry.grant.realm;
        json["client"] = entry.grant.client_id;
        json["user"] = entry.grant.user;
        json["scopes"] = rehearsal::to_json(entry.grant.scopes);
        json["family"] = static_cast<Json::UInt64>(entry.family);
        json["state"] = name_of(entry.state);
        list.append(json);
    }
    return list;
}

}  // namespace postbearer::rehearsal
