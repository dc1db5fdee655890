// SPDX-License-Identifier: Apache-2.0
#include "entra_client.hh"

#include "client_assertion.hh"
#include "user_grants.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::string_view kDefaultScope = "/.default";

bool ends_with(std::string_view text, std::string_view end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

bool is_shared_tenant(const std::string& tenant) {
    return iequals(tenant, "common") || iequals(tenant, "organizations") ||
           iequals(tenant, "consumers");
}

std::optional<EntraError> judge_entra_form(const TokenRequest& asked) {
    if (!asked.form.malformed.empty()) {
        return entra_error(90023, asked.form.malformed + ".");
    }
    if (!asked.form.duplicates.empty()) {
        return entra_error(9000411, asked.form.duplicates.front());
    }
    const std::string grant_type = asked.form.get("grant_type");
    if (grant_type.empty()) {
        return entra_error(900144, "grant_type");
    }
    if (grant_type != "client_credentials" && !UserGrants::knows(grant_type)) {
        return entra_error(70003, grant_type);
    }
    if (asked.client_id.empty()) {
        return entra_error(900144, "client_id");
    }
    if (grant_type == "client_credentials" && !asked.form.has("scope")) {
        return entra_error(900144, "scope");
    }
    return std::nullopt;
}

std::optional<EntraError> judge_app_scope(const std::string& scope) {
    if (scope.find(' ') != std::string::npos) {
        return entra_error(70011, scope);
    }
    const std::size_t scheme = scope.find("://");
    const bool has_resource = scheme != std::string::npos && scheme > 0 &&
                              scope.size() > scheme + 3 + kDefaultScope.size();
    if (!ends_with(scope, kDefaultScope)) {
        return entra_error(1002012, scope);
    }
    if (!has_resource) {
        return entra_error(500011, scope.substr(0, scope.size() - kDefaultScope.size()));
    }
    return std::nullopt;
}

std::optional<EntraError> EntraClientJudge::judge_app(const Client& client,
                                                      const TokenRequest& asked,
                                                      const HttpRequest& request,
                                                      RequestRecord& record, WallTime now) const {
    if (asked.client_auth == "none") {
        return entra_error(7000216, asked.client_id);
    }
    return judge_proof(client, asked, request, record, now);
}

std::optional<EntraError> EntraClientJudge::judge_login(const Client& client,
                                                        const TokenRequest& asked,
                                                        const HttpRequest& request,
                                                        RequestRecord& record, WallTime now) const {
    if (client.login.is_public) {
        const bool silent =
            asked.client_auth == "none" && !asked.form.values.count("client_secret");
        return silent ? std::nullopt : std::optional(entra_error(700025, asked.client_id));
    }
    if (asked.client_auth == "none") {
        return entra_error(7000218, asked.client_id);
    }
    return judge_proof(client, asked, request, record, now);
}

std::optional<EntraError> EntraClientJudge::judge_proof(const Client& client,
                                                        const TokenRequest& asked,
                                                        const HttpRequest& request,
                                                        RequestRecord& record, WallTime now) const {
    if (asked.client_auth == "several" || asked.client_auth == "unreadable") {
        return entra_error(90023, "One way of client authentication is expected.");
    }
    if (asked.client_auth == "assertion") {
        AssertionJudge judge(
            state_, client,
            {base_url_ + request.path, "https://" + request.header("Host") + request.path}, now);
        auto refusal = judge.judge(asked.form.get("client_assertion_type"),
                                   asked.form.get("client_assertion"), asked.client_id);
        record.login["assertion"] = judge.kind();
        return refusal;
    }
    switch (judge_secret(client, asked.client_secret)) {
        case SecretVerdict::Wrong:
            return entra_error(7000215, asked.client_id);
        case SecretVerdict::Expired:
            return entra_error(7000222, asked.client_id);
        case SecretVerdict::Good:
            break;
    }
    return std::nullopt;
}

}  // namespace postbearer::rehearsal
