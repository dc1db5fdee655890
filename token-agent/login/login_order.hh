// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "token-agent/config.hh"
#include "token-agent/login/login_failure.hh"

namespace postbearer::agent {

/// What an operator asked for, and for whom. Of the configuration as it was then.
struct LoginOrder {
    std::shared_ptr<const AgentConfig> config;
    std::uint32_t provider = 0;
    std::string account;              // as in the rule or the question, lower case
    std::string login;                // who shall sign in, lower case
    std::vector<Resource> resources;  // at least one, in the order they are consented
    LoginFlow flow = LoginFlow::Device;
    std::string redirect_uri;  // of LoginFlow::Code
    bool accept_user = false;

    [[nodiscard]] const ProviderConfig& provider_config() const {
        return config->providers.at(provider);
    }
};

}  // namespace postbearer::agent
