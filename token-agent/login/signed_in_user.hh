// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who signed in: by the names in the id_token, or by what Graph's /me says of a mailbox.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/http_client.hh"
#include "common/secret.hh"
#include "token-agent/config.hh"

namespace postbearer::agent {

enum class ConfirmedBy : std::uint8_t { IdToken, GraphMe, Unconfirmed };
[[nodiscard]] std::string_view name_of(ConfirmedBy by) noexcept;

struct SignedIn {
    std::string user;  // empty: nobody says
    ConfirmedBy by = ConfirmedBy::Unconfirmed;
    bool wanted = false;  // it is the login that was asked for
};

/// `names` the most telling first. Compared without regard to ASCII case.
[[nodiscard]] SignedIn judge_names(const std::vector<std::string>& names, std::string_view login,
                                   ConfirmedBy by);

/// mail, then userPrincipalName, of a user of Graph; empty where the body is none.
[[nodiscard]] std::vector<std::string> names_in_me(std::string_view body);

/// Where /me is: on the host that the provider's graph scopes name. nullopt: no such scope.
[[nodiscard]] std::optional<std::string> graph_me_url(const ProviderConfig& provider);
/// The scope that lets a token read /me, on the same host.
[[nodiscard]] std::optional<std::string> user_read_scope(const ProviderConfig& provider);

/// `done` runs once, later; no names: Graph did not tell.
void ask_me(http::HttpClient& client, const http::Transport& transport, const std::string& url,
            const Secret& token, std::function<void(std::vector<std::string>)> done);

}  // namespace postbearer::agent
