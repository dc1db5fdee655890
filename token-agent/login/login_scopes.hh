// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which scopes a login asks for. Entra issues a token for one resource at a time, so it is asked
// once per resource; elsewhere a refresh token is bound to the scopes it was given for, so the
// first step asks for all of them and the refreshes for one resource's share (RFC 6749 section 6).

#include <string>
#include <vector>

#include "common/result.hh"
#include "token-agent/config.hh"

namespace postbearer::agent {

/// Of a refresh for one resource: its scopes, separated by blanks; empty: no scope parameter.
/// Error: Config, as scopes_of().
[[nodiscard]] Result<std::string> refresh_scope(const ProviderConfig& provider, Resource resource);

/// Of a step that consents `resource`, on the way to `all`. Adds what makes the server say who
/// signed in and give a refresh token, where it is known to take that: `supported` is what it says
/// it takes (discovery; empty: it does not say).
[[nodiscard]] Result<std::string> step_scope(const ProviderConfig& provider, Resource resource,
                                             const std::vector<Resource>& all,
                                             const std::vector<std::string>& supported);

/// Whether a list separated by blanks holds a word.
[[nodiscard]] bool has_scope(std::string_view list, std::string_view word);

/// Whether this provider is known to have such a resource: its preset has it, or scopes are
/// configured; a generic server has what is named, and everything but graph otherwise.
[[nodiscard]] bool offers_resource(const ProviderConfig& provider, Resource resource);

}  // namespace postbearer::agent
