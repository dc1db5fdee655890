// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>

#include "client_registry.hh"
#include "login_provider.hh"
#include "login_state.hh"
#include "room.hh"

namespace postbearer::rehearsal {

/// Puts what an authorization request says into the record, as far as it is no secret.
void describe_authorize(const HttpRequest& request, RequestRecord& record);

/// The authorization endpoint (RFC 6749 section 4.1.1, RFC 7636, OpenID Connect): a page for a
/// person, or one GET for a test that names the user by `login_as` or in the client's settings.
class AuthorizeFlow {
public:
    explicit AuthorizeFlow(LoginState& state) : state_(state) {}

    /// `client` may be null: nobody of that name.
    [[nodiscard]] HttpAnswer serve(const LoginProvider& provider, const Client* client,
                                   const HttpRequest& request, RequestRecord& record, WallTime now);

private:
    struct Turn;
    [[nodiscard]] HttpAnswer approve(const Turn& turn, const LoginUser& user);
    [[nodiscard]] HttpAnswer decide(const Turn& turn);

    LoginState& state_;
};

/// Why these scopes cannot be asked for, or the list of all that is granted when they are.
[[nodiscard]] std::variant<std::vector<std::string>, EntraError> grantable(
    const LoginProvider& provider, const Client& client, const std::string& scope);

}  // namespace postbearer::rehearsal
