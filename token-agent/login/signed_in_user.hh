// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who signed in: by the names in the id_token, or by what Graph's /me says of a mailbox.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/http_client.hh"
#include "common/secret.hh"
#include "token-agent/config.hh"
#include "token-agent/login/claimed_names.hh"

namespace postbearer::agent {

enum class ConfirmedBy : std::uint8_t { IdToken, GraphMe, Unconfirmed };
[[nodiscard]] std::string_view name_of(ConfirmedBy by) noexcept;

struct SignedIn {
    std::string user;  // empty: nobody says
    ConfirmedBy by = ConfirmedBy::Unconfirmed;
    bool wanted = false;  // it is the login that was asked for
};

/// Any sure name will do; a doubtful one only where there is no sure one, and it confirms nothing.
/// Compared without regard to ASCII case.
[[nodiscard]] SignedIn judge_names(const ClaimedNames& names, std::string_view login,
                                   ConfirmedBy by);

/// Whether a mail address in this provider's answers is the word of the one directory that the
/// configuration names. Any directory's administrator can give its users any address, so with
/// tenants such as `common` it is nobody's word.
[[nodiscard]] bool vouches_for_mail(const ProviderConfig& provider);

/// mail and userPrincipalName of a user of Graph; empty where the body is none.
[[nodiscard]] ClaimedNames names_in_me(std::string_view body, bool mail_is_vouched_for);

/// Where /me is: on the host that the provider's graph scopes name. nullopt: no such scope.
[[nodiscard]] std::optional<std::string> graph_me_url(const ProviderConfig& provider);
/// The scope that lets a token read /me, on the same host.
[[nodiscard]] std::optional<std::string> user_read_scope(const ProviderConfig& provider);

/// `done` runs once, later; no names: Graph did not tell.
void ask_me(http::HttpClient& client, const http::Transport& transport, const std::string& url,
            const Secret& token, bool mail_is_vouched_for, std::function<void(ClaimedNames)> done);

}  // namespace postbearer::agent
