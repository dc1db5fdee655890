// SPDX-License-Identifier: Apache-2.0
#include "oidc_client.hh"

#include "client_assertion.hh"
#include "json.hh"

namespace postbearer::rehearsal {

std::optional<OidcRefusal> judge_oidc_shape(const HttpRequest& request, const TokenRequest& asked) {
    if (request.method != "POST") {
        return OidcRefusal{405, "invalid_request", "POST is expected"};
    }
    if (!asked.is_form) {
        return OidcRefusal{400, "invalid_request", "application/x-www-form-urlencoded is expected"};
    }
    if (!asked.form.malformed.empty()) {
        return OidcRefusal{400, "invalid_request", asked.form.malformed};
    }
    if (!asked.form.duplicates.empty()) {
        return OidcRefusal{400, "invalid_request", "repeated: " + asked.form.duplicates.front()};
    }
    if (asked.client_auth == "several" || asked.client_auth == "unreadable") {
        return OidcRefusal{400, "invalid_request", "one way of client authentication is expected"};
    }
    return std::nullopt;
}

std::optional<OidcRefusal> judge_oidc_client(const Client* client, const TokenRequest& asked,
                                             LoginState& state,
                                             const std::vector<std::string>& endpoints,
                                             RequestRecord& record, WallTime now) {
    bool good = client != nullptr && client->lives_in("oidc");
    if (good && asked.client_auth == "none") {
        good = client->login.is_public;
    } else if (good && asked.client_auth == "assertion") {
        AssertionJudge judge(state, *client, endpoints, now, /*by_thumbprint=*/false);
        good = !judge.judge(asked.form.get("client_assertion_type"),
                            asked.form.get("client_assertion"), client->id);
        record.login["assertion"] = judge.kind();
    } else if (good) {
        good = judge_secret(*client, asked.client_secret) == SecretVerdict::Good;
    }
    return good ? std::nullopt
                : std::optional(OidcRefusal{401, "invalid_client", "client authentication failed"});
}

OidcRefusal without_numbers(const EntraError& error) {
    if (error.error == "authorization_declined") {
        return {400, "access_denied", error.description};
    }
    if (error.error == "bad_verification_code") {
        return {400, "invalid_grant", error.description};
    }
    return {error.status, error.error, error.description};
}

HttpAnswer oidc_json(unsigned status, const Json::Value& json) {
    HttpAnswer answer;
    answer.status = status;
    answer.body = to_text(json);
    answer.headers = {{"Content-Type", "application/json"},
                      {"Cache-Control", "no-store"},
                      {"Pragma", "no-cache"}};
    return answer;
}

HttpAnswer oidc_refusal(const OidcRefusal& refusal, bool with_challenge) {
    Json::Value json;
    json["error"] = refusal.error;
    json["error_description"] = refusal.description;
    HttpAnswer answer = oidc_json(refusal.status, json);
    if (with_challenge) {  // RFC 6749 section 5.2
        answer.set_header("WWW-Authenticate", "Basic realm=\"rehearsal\"");
    }
    return answer;
}

}  // namespace postbearer::rehearsal
