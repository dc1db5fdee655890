// SPDX-License-Identifier: Apache-2.0
#include "authorize_flow.hh"

#include <algorithm>
#include <array>

#include "login_pages.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::size_t kChallengeLength = 43;  // base64url of 32 bytes
constexpr std::array<const char*, 15> kKnown = {
    "client_id",   "response_type", "redirect_uri", "scope",          "state",
    "nonce",       "prompt",        "login_hint",   "code_challenge", "code_challenge_method",
    "access_type", "login_as",      "domain_hint",  "response_mode",  "client_info"};

std::string get(const std::map<std::string, std::string>& parameters, const char* name) {
    const auto found = parameters.find(name);
    return found == parameters.end() ? std::string() : found->second;
}

std::string description(const LoginProvider& provider, const EntraError& error) {
    return provider.entra ? "AADSTS" + std::to_string(error.code) + ": " + error.description
                          : error.description;
}

/// Nothing that came with the request can be trusted with an answer.
HttpAnswer fatal(const LoginProvider& provider, const EntraError& error, const char* google) {
    if (provider.entra) {
        return error_page(400, error);
    }
    return message_page(400, "Access blocked", provider.google ? google : error.description);
}

}  // namespace

struct AuthorizeFlow::Turn {
    const LoginProvider& provider;
    const Client& client;
    const HttpRequest& request;
    RequestRecord& record;
    std::map<std::string, std::string> parameters;
    std::vector<std::string> scopes;
    WallTime now;

    [[nodiscard]] std::string get(const char* name) const {
        return rehearsal::get(parameters, name);
    }
    /// Back to the client, with state and where it is due iss.
    [[nodiscard]] HttpAnswer go_back(
        std::vector<std::pair<std::string, std::string>> answer) const {
        if (!get("state").empty()) {
            answer.emplace_back("state", get("state"));
        }
        if (client.login.send_iss) {
            answer.emplace_back("iss", provider.issuer);
        }
        return redirect_to(get("redirect_uri"), answer);
    }
    [[nodiscard]] HttpAnswer refuse(const std::string& error, const EntraError& why) const {
        record.aadsts = why.code;
        return go_back({{"error", error}, {"error_description", description(provider, why)}});
    }
};

void describe_authorize(const HttpRequest& request, RequestRecord& record) {
    const auto parameters = page_parameters(request);
    record.client_id = get(parameters, "client_id");
    record.scope = get(parameters, "scope");
    for (const auto& [name, value] : parameters) {
        record.parameters.push_back(name);
        const bool known = name == "user" || name == "decision" ||
                           std::find(kKnown.begin(), kKnown.end(), name) != kKnown.end();
        if (!known) {
            record.unknown_parameters.push_back(name);
        }
    }
    for (const char* name : {"response_type", "redirect_uri", "code_challenge_method", "prompt",
                             "login_hint", "nonce", "access_type"}) {
        record.login[name] = get(parameters, name);
    }
    record.login["code_challenge"] = !get(parameters, "code_challenge").empty();
    record.login["state_length"] = static_cast<Json::UInt64>(get(parameters, "state").size());
}

std::variant<std::vector<std::string>, EntraError> grantable(const LoginProvider& provider,
                                                             const Client& client,
                                                             const std::string& scope) {
    const Scopes asked = provider.entra ? parse_entra_scopes(scope) : parse_scopes(scope);
    if (asked.permissions.empty() && asked.identity.empty()) {
        return entra_error(900144, "scope");
    }
    std::vector<std::string> granted = asked.identity;
    const auto& offered = client.login.delegated_scopes;
    for (const std::string& permission : asked.permissions) {
        const bool all = provider.entra && offered && permission.size() > 9 &&
                         permission.compare(permission.size() - 9, 9, "/.default") == 0;
        if (all) {
            for (const std::string& one : *offered) {
                if (iequals(resource_of(one), resource_of(permission))) {
                    granted.push_back(one);
                }
            }
        } else if (offered && !contains_scope(*offered, permission)) {
            return entra_error(70011, permission);
        } else {
            granted.push_back(permission);
        }
    }
    return granted;
}

HttpAnswer AuthorizeFlow::serve(const LoginProvider& provider, const Client* client,
                                const HttpRequest& request, RequestRecord& record, WallTime now) {
    auto parameters = page_parameters(request);
    if (client == nullptr) {
        record.aadsts = 700016;
        return fatal(provider, entra_error(700016, get(parameters, "client_id")),
                     "Error 401: invalid_client");
    }
    if (!client->login.allows_redirect(get(parameters, "redirect_uri"))) {
        record.aadsts = 50011;
        return fatal(provider, entra_error(50011, get(parameters, "redirect_uri")),
                     "Error 400: redirect_uri_mismatch");
    }
    Turn turn{provider, *client, request, record, std::move(parameters), {}, now};
    if (turn.get("response_type") != "code") {
        return turn.refuse("unsupported_response_type",
                           entra_error(90023, "response_type must be code."));
    }
    const std::string challenge = turn.get("code_challenge");
    const bool pkce_good = challenge.empty() ? !provider.pkce_needed
                                             : challenge.size() == kChallengeLength &&
                                                   turn.get("code_challenge_method") == "S256";
    if (!pkce_good) {
        return turn.refuse("invalid_request",
                           entra_error(90023, "A code_challenge made by S256 is expected."));
    }
    auto scopes = grantable(provider, *client, turn.get("scope"));
    if (const auto* error = std::get_if<EntraError>(&scopes)) {
        return turn.refuse(error->error, *error);
    }
    turn.scopes = std::get<std::vector<std::string>>(std::move(scopes));
    return decide(turn);
}

HttpAnswer AuthorizeFlow::decide(const Turn& turn) {
    const bool posted = turn.request.method == "POST";
    std::string name = posted ? turn.get("user") : turn.get("login_as");
    if (name.empty() && !posted) {
        name = turn.client.login.auto_user.value_or("");
    }
    SignInPage page{"Sign in",
                    turn.request.path + "?" + turn.request.query,
                    turn.client.id,
                    turn.scopes,
                    turn.get("login_hint"),
                    false,
                    "",
                    ""};
    if (posted && turn.get("decision") == "decline") {
        return turn.refuse("access_denied", entra_error(65004, ""));
    }
    if (name.empty()) {
        if (turn.get("prompt") == "none") {
            return turn.refuse("login_required", entra_error(50058, ""));
        }
        return sign_in_page(page);
    }
    const auto user = turn.client.login.find_user(name);
    turn.record.login["user"] = user ? user->name : "";
    if (user && user->state == "declined") {
        return turn.refuse("access_denied", entra_error(65004, ""));
    }
    const bool gone = !user || user->state == "deleted";
    if (gone || user->state == "disabled" || user->state == "blocked") {
        const EntraError why = entra_error(gone                        ? 50034
                                           : user->state == "disabled" ? 50057
                                                                       : 53003,
                                           name);
        turn.record.aadsts = why.code;
        page.notice = description(turn.provider, why);
        return sign_in_page(page);
    }
    return approve(turn, *user);
}

HttpAnswer AuthorizeFlow::approve(const Turn& turn, const LoginUser& user) {
    AuthCode code;
    code.grant = {turn.provider.realm, turn.provider.tenant, turn.client.id,   user.name,
                  turn.scopes,         turn.get("nonce"),    /*offline=*/false};
    code.grant.offline = contains_scope(turn.scopes, "offline_access");
    if (turn.provider.google) {
        const bool asked_before = !state_.consents.of(turn.client.id, user.name).empty();
        code.grant.offline = turn.get("access_type") == "offline" &&
                             (!asked_before || turn.get("prompt") == "consent");
    }
    code.redirect_uri = turn.get("redirect_uri");
    code.challenge = turn.get("code_challenge");
    code.expires = turn.now + std::chrono::seconds(turn.client.login.code_expires);
    state_.consents.add(code.grant);
    ++state_.counters.codes_issued;
    const std::string text = state_.codes.issue(std::move(code), turn.provider.code_prefix);
    std::vector<std::pair<std::string, std::string>> answer{{"code", text}};
    if (turn.provider.entra) {
        answer.emplace_back("session_state", guid());
    }
    return turn.go_back(std::move(answer));
}

}  // namespace postbearer::rehearsal
