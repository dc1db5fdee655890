// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "aadsts.hh"
#include "client_registry.hh"
#include "login_state.hh"
#include "token_request.hh"

namespace postbearer::rehearsal {

/// RFC 6749 section 5.2, bare.
struct OidcRefusal {
    unsigned status = 400;
    std::string error;
    std::string description;
};

/// POST, a form, nothing twice, one way of client authentication.
[[nodiscard]] std::optional<OidcRefusal> judge_oidc_shape(const HttpRequest& request,
                                                          const TokenRequest& asked);
/// Secret, assertion by a registered certificate's key, or (public) the bare name. `client` may be
/// null. `endpoints` are the URLs an assertion's audience may name.
[[nodiscard]] std::optional<OidcRefusal> judge_oidc_client(
    const Client* client, const TokenRequest& asked, LoginState& state,
    const std::vector<std::string>& endpoints, RequestRecord& record, WallTime now);

/// What the grants refuse, in the words of RFC 6749 and RFC 8628.
[[nodiscard]] OidcRefusal without_numbers(const EntraError& error);

[[nodiscard]] HttpAnswer oidc_json(unsigned status, const Json::Value& json);
[[nodiscard]] HttpAnswer oidc_refusal(const OidcRefusal& refusal, bool with_challenge);

}  // namespace postbearer::rehearsal
