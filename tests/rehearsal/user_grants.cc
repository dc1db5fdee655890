// SPDX-License-Identifier: Apache-2.0
#include "user_grants.hh"

#include <algorithm>

namespace postbearer::rehearsal {
namespace {

constexpr const char* kGraph = "https://graph.microsoft.com";
constexpr const char* kGoogleMail = "https://mail.google.com/";
constexpr const char* kOffline = "offline_access";
constexpr std::string_view kDefault = "/.default";

EntraError with_suberror(std::int64_t code, const std::string& subject, const char* suberror) {
    EntraError error = entra_error(code, subject);
    error.suberror = suberror;
    return error;
}

/// Why this user gets no new token any more.
std::optional<EntraError> judge_user(const std::optional<LoginUser>& user,
                                     const std::string& name) {
    if (!user || user->state == "deleted") {
        return entra_error(50034, name);
    }
    if (user->state == "disabled") {
        return entra_error(50057, name);
    }
    if (user->state == "mfa") {
        return with_suberror(50076, "the mailbox", "basic_action");
    }
    if (user->state == "password_changed") {
        return with_suberror(50173, name, "bad_token");
    }
    if (user->state == "inactive") {
        return with_suberror(700082, name, "bad_token");
    }
    if (user->state == "sign_in_frequency") {
        return with_suberror(70043, name, "token_expired");
    }
    if (user->state == "blocked") {
        return with_suberror(53003, name, "message_only");
    }
    return std::nullopt;
}

bool is_default(const std::string& permission) {
    return permission.size() > kDefault.size() &&
           std::string_view(permission).substr(permission.size() - kDefault.size()) == kDefault;
}

/// RFC 8707, a resource in the scope, or what the provider is itself.
std::string audience_of(const LoginProvider& provider, const Client& client,
                        const TokenRequest& asked, const Scopes& scopes) {
    if (client.audience) {
        return *client.audience;
    }
    if (provider.google) {
        return kGoogleMail;
    }
    if (!provider.entra && asked.form.has("resource")) {
        return asked.form.get("resource");
    }
    const std::vector<std::string> resources = scopes.resources();
    if (!resources.empty() && resources.front().find("://") != std::string::npos) {
        return resources.front();
    }
    return provider.entra ? kGraph : provider.issuer;
}

}  // namespace

void notice_user_grant(const TokenRequest& asked, RequestRecord& record, LoginState& state,
                       WallTime now) {
    const std::string grant_type = asked.form.get("grant_type");
    if (grant_type == kRefreshGrant) {
        ++state.counters.refresh_requests;
    } else if (grant_type == kDeviceGrant) {
        const auto noted = state.devices.note_poll(asked.form.get("device_code"), now);
        ++state.counters.device_polls;
        state.counters.device_polls_too_early += noted.early ? 1 : 0;
        record.login["early"] = noted.early;
    }
}

bool UserGrants::knows(const std::string& grant_type) {
    return grant_type == kCodeGrant || grant_type == kRefreshGrant || grant_type == kDeviceGrant;
}

UserGrants::Result UserGrants::serve(const LoginProvider& provider, const Client& client,
                                     const TokenRequest& asked, RequestRecord& record,
                                     const Twists& twists, WallTime now) {
    const Turn turn{provider, client, asked, record, twists, now};
    const std::string grant_type = asked.form.get("grant_type");
    Result result = grant_type == kCodeGrant     ? redeem_code(turn)
                    : grant_type == kDeviceGrant ? poll_device(turn)
                                                 : refresh(turn);
    if (std::holds_alternative<Json::Value>(result)) {
        records_.count_token_success();
    }
    return result;
}

UserGrants::Result UserGrants::redeem_code(const Turn& turn) {
    const Form& form = turn.asked.form;
    for (const char* name : {"code", "redirect_uri"}) {
        if (!form.has(name)) {
            return entra_error(900144, name);
        }
    }
    auto redeemed = state_.codes.redeem({turn.provider.realm, turn.client.id, form.get("code"),
                                         form.get("redirect_uri"), form.get("code_verifier")},
                                        turn.now);
    if (const auto* error = std::get_if<EntraError>(&redeemed)) {
        return *error;
    }
    return first_answer(turn, std::get<UserGrant>(redeemed));
}

UserGrants::Result UserGrants::poll_device(const Turn& turn) {
    const std::string device_code = turn.asked.form.get("device_code");
    if (device_code.empty()) {
        return entra_error(900144, "device_code");
    }
    auto polled =
        state_.devices.answer_poll(device_code, turn.provider.realm, turn.client.id, turn.now);
    if (const auto* error = std::get_if<EntraError>(&polled)) {
        return *error;
    }
    return first_answer(turn, std::get<UserGrant>(polled));
}

UserGrants::Result UserGrants::first_answer(const Turn& turn, const UserGrant& grant) {
    const ScopesOrError scopes = narrow(turn, grant);
    if (const auto* error = std::get_if<EntraError>(&scopes)) {
        return *error;
    }
    const std::string refresh_token =
        grant.offline ? state_.refresh_tokens.issue(grant, 0, turn.provider.token_prefix) : "";
    return answer(turn, grant, std::get<Scopes>(scopes), refresh_token);
}

UserGrants::Result UserGrants::refresh(const Turn& turn) {
    const std::string token = turn.asked.form.get("refresh_token");
    if (token.empty()) {
        return entra_error(900144, "refresh_token");
    }
    RefreshTokens::Entry* const entry = state_.refresh_tokens.find(token);
    if (entry == nullptr || entry->grant.realm != turn.provider.realm ||
        entry->grant.client_id != turn.client.id) {
        return with_suberror(70000, "", "bad_token");
    }
    const UserGrant grant = entry->grant;
    const std::uint64_t family = entry->family;
    turn.record.login["user"] = grant.user;
    if (entry->state == RefreshTokens::State::Used) {  // RFC 9700 section 4.14.2
        ++state_.counters.refresh_reuse;
        ++state_.counters.families_revoked;
        (void)state_.refresh_tokens.revoke_family(family);  // the counter above is what is asked
        turn.record.login["reuse"] = true;
        return with_suberror(70000, "", "bad_token");
    }
    if (entry->state == RefreshTokens::State::Revoked) {
        return with_suberror(50173, "", "bad_token");
    }
    if (auto refusal = judge_user(turn.client.login.find_user(grant.user), grant.user)) {
        return *refusal;
    }
    const ScopesOrError scopes = narrow(turn, grant);
    if (const auto* error = std::get_if<EntraError>(&scopes)) {
        return *error;
    }
    const std::string& rotation = turn.client.login.rotation;
    const bool rotates = rotation != "none" && !turn.provider.google;
    if (rotates && rotation == "strict") {
        entry->state = RefreshTokens::State::Used;
    }
    const std::string next =
        rotates ? state_.refresh_tokens.issue(grant, family, turn.provider.token_prefix) : "";
    ++state_.counters.refresh_successes;
    return answer(turn, grant, std::get<Scopes>(scopes), next);
}

Json::Value UserGrants::answer(const Turn& turn, const UserGrant& grant, const Scopes& scopes,
                               const std::string& refresh_token) const {
    const LoginUser user = turn.client.login.find_user(grant.user)
                               .value_or(LoginUser{grant.user, grant.user, grant.user, grant.user});
    return tokens_.answer({turn.provider, turn.client, user, grant, scopes,
                           audience_of(turn.provider, turn.client, turn.asked, scopes),
                           refresh_token, turn.twists, turn.now},
                          turn.record);
}

UserGrants::ScopesOrError UserGrants::narrow(const Turn& turn, const UserGrant& grant) const {
    if (turn.provider.entra) {
        return narrow_entra(turn, grant);
    }
    Scopes granted = parse_scopes("");
    for (const std::string& scope : grant.scopes) {
        const Scopes one = parse_scopes(scope);
        granted.identity.insert(granted.identity.end(), one.identity.begin(), one.identity.end());
        granted.permissions.insert(granted.permissions.end(), one.permissions.begin(),
                                   one.permissions.end());
    }
    if (!turn.asked.form.has("scope")) {
        return granted;
    }
    Scopes asked = parse_scopes(turn.asked.form.get("scope"));
    for (const auto* list : {&asked.permissions, &asked.identity}) {
        for (const std::string& scope : *list) {
            if (!contains_scope(grant.scopes, scope)) {  // RFC 6749 section 6: no more than granted
                return entra_error(70011, scope);
            }
        }
    }
    return asked;
}

UserGrants::ScopesOrError UserGrants::narrow_entra(const Turn& turn, const UserGrant& grant) const {
    std::string text = turn.asked.form.get("scope");
    const bool as_granted = text.empty();
    for (const std::string& scope : grant.scopes) {
        text += as_granted ? " " + scope : "";
    }
    Scopes scopes = parse_entra_scopes(text);
    const std::vector<std::string> resources = scopes.resources();
    if (resources.size() > 1 && !as_granted) {
        return entra_error(28000, text);
    }
    std::vector<std::string> consented = state_.consents.of(turn.client.id, grant.user);
    const auto& settings = turn.client.login;
    consented.insert(consented.end(), settings.preconsented.begin(), settings.preconsented.end());
    std::vector<std::string> permissions;
    for (const std::string& permission : scopes.permissions) {
        if (resource_of(permission) != resources.front()) {
            continue;  // the first resource is what an answer without a scope parameter is for
        }
        if (is_default(permission)) {
            std::copy_if(consented.begin(), consented.end(), std::back_inserter(permissions),
                         [&](const std::string& known) {
                             return iequals(resource_of(known), resources.front());
                         });
        } else {
            permissions.push_back(permission);
        }
    }
    for (const std::string& permission : permissions) {
        if (!contains_scope(consented, permission) && !contains_scope(consented, "*")) {
            return with_suberror(65001, turn.client.id, "consent_required");
        }
    }
    if (permissions.empty() && !scopes.permissions.empty()) {  // .default of nothing
        return with_suberror(65001, turn.client.id, "consent_required");
    }
    scopes.permissions = permissions;
    // Entra takes it as a wish and never shows it again, in no answer and no token.
    scopes.identity.erase(std::remove(scopes.identity.begin(), scopes.identity.end(), kOffline),
                          scopes.identity.end());
    return scopes;
}

}  // namespace postbearer::rehearsal
