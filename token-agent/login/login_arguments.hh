// SPDX-License-Identifier: Apache-2.0
#pragma once

// From the arguments of a verb to an order, or to the refusal that says what is missing.

#include <string_view>
#include <tl/expected.hpp>

#include "common/agent_messages.hh"
#include "token-agent/login/login_order.hh"
#include "token-agent/policy.hh"

namespace Json {
class Value;
}

namespace postbearer::agent {

inline constexpr std::size_t kMaxAccountBytes = 320;

/// Whose login `account` means, by the rules; with the resources that the [[access]] rules let
/// anybody have for it, as far as the provider has them, smtp if there are none.
/// Refused: no such account, a rule without logins (naming its place), no store, no client.
[[nodiscard]] tl::expected<LoginOrder, protocol::AgentFailure> login_order(
    const Policy& policy, const Json::Value& arguments, bool has_store);

/// Adds flow, redirect_uri, accept_user and resources as asked for.
[[nodiscard]] tl::expected<void, protocol::AgentFailure> complete_order(
    LoginOrder& order, const Json::Value& arguments);

/// A string argument as a view; its bytes are overwritten when this goes. JsonCpp's parser has had
/// copies that nobody can reach.
class SecretArgument {
public:
    SecretArgument(const Json::Value& arguments, const char* name);
    SecretArgument(const SecretArgument&) = delete;
    SecretArgument& operator=(const SecretArgument&) = delete;
    SecretArgument(SecretArgument&&) = delete;
    SecretArgument& operator=(SecretArgument&&) = delete;
    ~SecretArgument();

    /// Empty where it is absent or no string.
    [[nodiscard]] std::string_view view() const noexcept;

private:
    const char* begin_ = nullptr;
    const char* end_ = nullptr;
};

}  // namespace postbearer::agent
