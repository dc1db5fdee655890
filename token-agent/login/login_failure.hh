// SPDX-License-Identifier: Apache-2.0
#pragma once

// How logins end when they do not succeed, in the classes and codes of the sockets.

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "common/agent_messages.hh"
#include "token-agent/token_exchange.hh"

namespace postbearer::agent {

enum class LoginFlow : std::uint8_t { Device, Code };

/// One step of a login: a device code or a redirect, and the tokens it ended with.
using StepResult = tl::expected<ExchangeAnswer, protocol::AgentFailure>;

/// A sentence, cut to what the protocol takes.
[[nodiscard]] protocol::AgentFailure login_failure(protocol::FailureClass failure_class,
                                                   protocol::FailureCode code,
                                                   std::string_view message);

/// The step's code or address was not used in time.
[[nodiscard]] protocol::AgentFailure not_confirmed(std::chrono::seconds life);

[[nodiscard]] protocol::AgentFailure user_declined();

/// With the reason that this provider has for it.
[[nodiscard]] protocol::AgentFailure no_refresh_token(const ProviderConfig& provider);

/// Somebody else than `login` signed in; names both, and the ways out.
[[nodiscard]] protocol::AgentFailure other_user(std::string_view user, std::string_view login);

/// Nobody says who signed in, and this provider should; names the way out.
[[nodiscard]] protocol::AgentFailure unnamed_user(const ProviderConfig& provider,
                                                  std::string_view login);

}  // namespace postbearer::agent
