// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "token-agent/access_rules.hh"
#include "token-agent/account_table.hh"
#include "token-agent/config.hh"

namespace postbearer::agent {

/// One configuration with its look-up tables, immutable and swapped as a whole on reload.
struct Policy {
    explicit Policy(std::shared_ptr<const AgentConfig> settings)
        : config(std::move(settings)), accounts(*config), access(*config) {}

    std::shared_ptr<const AgentConfig> config;
    AccountTable accounts;
    AccessRules access;
};

}  // namespace postbearer::agent
