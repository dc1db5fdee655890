// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "common/secret.hh"
#include "sasl-plugin/agent_link.hh"

namespace postbearer::sasl {

enum class Mechanism { Xoauth2, Oauthbearer };

/// One authentication attempt: the token goes out in the first step; a further challenge is the
/// server's refusal, an empty one the end. Every failure is one sentence through utils->seterror,
/// the only text of ours that reaches Postfix's log.
class Client {
public:
    Client(Mechanism mechanism, const Limits& limits, Agent& agent) noexcept
        : mechanism_(mechanism), limits_(limits), agent_(agent) {}

    /// mech_step of libsasl2 (saslplug.h). `output` stays valid until the next step or disposal.
    /// SASL_INTERACT: the application fills in *prompts and calls again.
    [[nodiscard]] int step(sasl_client_params_t& params, std::string_view challenge,
                           sasl_interact_t** prompts, std::string_view& output,
                           sasl_out_params_t& out_params);

private:
    enum class State { Initial, TokenSent, Refused };

    [[nodiscard]] int first_step(sasl_client_params_t& params, sasl_interact_t** prompts,
                                 sasl_out_params_t& out_params);
    [[nodiscard]] int identify(sasl_client_params_t& params, sasl_interact_t** prompts,
                               sasl_out_params_t& out_params);
    [[nodiscard]] int ask_user_name(const sasl_utils_t& utils, sasl_interact_t** prompts,
                                    std::string& name);
    [[nodiscard]] int prompt_for_name(sasl_interact_t** prompts);
    [[nodiscard]] int fetch_token(const sasl_client_params_t& params);
    [[nodiscard]] int build_message(const sasl_client_params_t& params,
                                    const protocol::TokenGrant& grant);
    [[nodiscard]] int refused(const sasl_client_params_t& params, std::string_view challenge);
    [[nodiscard]] int agent_unreachable(const sasl_utils_t& utils, const Error& error) const;
    [[nodiscard]] int agent_refused(const sasl_utils_t& utils,
                                    const protocol::AgentFailure& failure) const;

    Mechanism mechanism_;
    Limits limits_;
    Agent& agent_;
    State state_ = State::Initial;
    std::string account_;    // authentication name, canonical
    std::string acting_as_;  // authorization name if the application gave another one
    protocol::Resource resource_ = protocol::Resource::Smtp;
    std::vector<std::string> sockets_;
    std::string fingerprint_;
    std::chrono::milliseconds waited_{0};
    WipedBytes output_;
    std::array<sasl_interact_t, 2>
        prompts_{};  // ours, so that an application that gives up leaks nothing
};

}  // namespace postbearer::sasl
