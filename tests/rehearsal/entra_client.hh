// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "aadsts.hh"
#include "client_registry.hh"
#include "login_state.hh"
#include "records.hh"
#include "token_request.hh"

namespace postbearer::rehearsal {

[[nodiscard]] bool is_shared_tenant(const std::string& tenant);

/// RFC 6749 section 3.2 and Entra's order: encoding, repeated names, what must be there.
[[nodiscard]] std::optional<EntraError> judge_entra_form(const TokenRequest& asked);
/// One resource and /.default, as client_credentials wants it.
[[nodiscard]] std::optional<EntraError> judge_app_scope(const std::string& scope);

/// Who a client says it is, by secret or assertion.
class EntraClientJudge {
public:
    EntraClientJudge(LoginState& state, std::string base_url)
        : state_(state), base_url_(std::move(base_url)) {}

    /// client_credentials: always with a secret or an assertion.
    [[nodiscard]] std::optional<EntraError> judge_app(const Client& client,
                                                      const TokenRequest& asked,
                                                      const HttpRequest& request,
                                                      RequestRecord& record, WallTime now) const;
    /// A person's grant: a public client brings neither.
    [[nodiscard]] std::optional<EntraError> judge_login(const Client& client,
                                                        const TokenRequest& asked,
                                                        const HttpRequest& request,
                                                        RequestRecord& record, WallTime now) const;

private:
    [[nodiscard]] std::optional<EntraError> judge_proof(const Client& client,
                                                        const TokenRequest& asked,
                                                        const HttpRequest& request,
                                                        RequestRecord& record, WallTime now) const;

    LoginState& state_;
    std::string base_url_;
};

}  // namespace postbearer::rehearsal
