// SPDX-License-Identifier: Apache-2.0
#include "graph_access.hh"

#include <algorithm>

#include "codec.hh"

namespace postbearer::rehearsal {
namespace {

template <typename List>
bool contains(const List& list, const std::string& item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

std::optional<GraphError> judge(const VerifiedToken& token, const GraphState& state, WallTime now) {
    const std::string failure = "Access token validation failure.";
    if (!token.problem.empty()) {
        return not_authenticated(failure + " " + token.problem + ".");
    }
    const Json::Value& not_before = token.claims["nbf"];
    const bool early = not_before.isInt64() && not_before.asInt64() > unix_seconds(now);
    if (token.expires_at <= unix_seconds(now) || early) {
        return not_authenticated("Lifetime validation failed, the token is expired.");
    }
    if (text_claim(token.claims, "iss").rfind(state.base_url + "/", 0) != 0) {
        return not_authenticated(failure + " Invalid issuer.");
    }
    if (!contains(state.settings.audiences, text_claim(token.claims, "aud"))) {
        return not_authenticated(failure + " Invalid audience.");
    }
    if (contains(state.settings.revoked, token.fingerprint)) {
        return claims_challenge(R"({"access_token":{"nbf":{"essential":true,"value":")" +
                                std::to_string(unix_seconds(now)) + R"("}}})");
    }
    return std::nullopt;
}

bool has_permission(const VerifiedToken& token, const char* permission) {
    const Json::Value& roles = token.claims["roles"];
    if (roles.isArray() && contains(roles, permission)) {
        return true;
    }
    return (" " + text_claim(token.claims, "scp") + " ")
               .find(std::string(" ") + permission + " ") != std::string::npos;
}

}  // namespace

GraphAccess read_access(const std::string& authorization, const GraphState& state,
                        TokenVerifier& verifier, WallTime now) {
    GraphAccess access;
    constexpr std::string_view kBearer = "bearer ";
    if (!iequals(std::string_view(authorization).substr(0, kBearer.size()), kBearer)) {
        access.refusal = not_authenticated("Access token is empty.");
        return access;
    }
    access.token = verifier.verify(std::string_view(authorization).substr(kBearer.size()), now);
    if (!access.token) {
        access.refusal = not_authenticated("CompactToken parsing failed with error code: 80049217");
        return access;
    }
    access.client_id = text_claim(access.token->claims, "appid");
    access.user = lower(text_claim(access.token->claims, "upn"));
    access.refusal = judge(*access.token, state, now);
    return access;
}

bool may(const GraphAccess& access, const GraphState& state, const ClientRegistry& clients,
         const std::string& mailbox, std::initializer_list<const char*> permissions) {
    const bool permitted =
        state.settings.roles == "ignore" ||
        std::any_of(permissions.begin(), permissions.end(),
                    [&](const char* name) { return has_permission(*access.token, name); });
    const Client* const client = clients.find(access.client_id);
    const bool own = !access.user.empty() && access.user == mailbox;
    return permitted && (own || (client != nullptr && client->covers(mailbox)));
}

}  // namespace postbearer::rehearsal
