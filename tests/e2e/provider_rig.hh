// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent and the rehearsal, with providers and accounts of the test's own choice: for what
// proves a client, for other providers and other clouds. No Postfix, no login there yet.

#include <json/value.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/delegated_rig.hh"

namespace postbearer::test {

[[nodiscard]] bool contains(const std::string& text, const std::string& part);

class ProviderRig {
public:
    ProviderRig();

    [[nodiscard]] const Path& directory() const noexcept { return directory_.path(); }
    [[nodiscard]] Rehearsal& rehearsal() noexcept { return rehearsal_; }
    [[nodiscard]] Agent& agent() noexcept { return *agent_; }
    /// Of the agent; those of `agent()` once it has been started.
    [[nodiscard]] AgentSettings& settings() noexcept {
        return agent_ == nullptr ? settings_ : agent_->settings();
    }

    /// Without a secret, at the rehearsal's endpoints of its tenant; `more` as in agent.toml.
    AgentProvider& add_provider(const std::string& name, const std::string& more,
                                const std::string& tenant = kTenant);
    void add_account(const std::string& match, const std::string& provider,
                     const std::string& grant = "client_credentials");
    /// A file beside the configuration; its path.
    Path put_file(const std::string& name, const std::string& content, mode_t mode = 0600) const;
    /// An app registration of kTenant without a secret, for kClientId; `json` has further members.
    void register_client(Json::Value json) const;

    void start();
    /// Of the file as it is now, by postbearer-agent itself. The agent need not run.
    [[nodiscard]] Finished check_config();

    [[nodiscard]] Finished cli(std::vector<std::string> words) const;
    /// One request on agent.sock, over a connection of its own.
    [[nodiscard]] AttributeMap token(const std::string& account,
                                     const std::string& resource = "smtp") const;
    /// postbearer token; a refusal fails the test.
    [[nodiscard]] std::string good_token(const std::string& account,
                                         const std::string& resource = "smtp") const;
    /// What the rehearsal has seen at one of its endpoints since, oldest first.
    [[nodiscard]] std::vector<Json::Value> seen(const std::string& endpoint) const;
    /// The record of a token that the rehearsal made, or null.
    [[nodiscard]] Json::Value origin_of(const std::string& token) const;

private:
    TempDir directory_{"pb-prov"};
    Rehearsal rehearsal_;
    AgentSettings settings_;
    std::unique_ptr<Agent> agent_;
};

}  // namespace postbearer::test
