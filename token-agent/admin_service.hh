// SPDX-License-Identifier: Apache-2.0
#pragma once

// The verbs of admin.sock: the framing of agent.sock with one `json` attribute each way. They speak
// of tokens (state, expiry, fingerprint) and never hand one out.

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.hh"
#include "common/log.hh"
#include "common/service/peer.hh"
#include "token-agent/policy.hh"
#include "token-agent/token_keeper.hh"
#include "token-agent/token_service.hh"

namespace Json {
class Value;
}

namespace postbearer::agent {

class AdminService {
public:
    /// Warnings of the new configuration, or the lines that say why the old one stays.
    using ReloadResult = tl::expected<std::vector<std::string>, std::vector<std::string>>;

    struct Services {
        TokenKeeper& keeper;
        TokenService& tokens;
        const Clock& clock;
        Log& log;
        std::function<ReloadResult()> reload;
    };

    AdminService(Services services, std::shared_ptr<const Policy> policy);

    void handle(const service::Peer& peer, std::string_view block, Reply reply);
    void reload(std::shared_ptr<const Policy> policy);

private:
    struct RefreshJob;
    struct Target {
        std::uint32_t provider = 0;
        Resource resource = Resource::Smtp;
    };

    [[nodiscard]] bool may_administer(const service::Peer& peer) const;
    void dispatch(std::string_view verb, const Json::Value& arguments, Reply reply);
    void status(const Json::Value& arguments, const Reply& reply);
    void list(const Json::Value& arguments, const Reply& reply);
    void refresh(const Json::Value& arguments, Reply reply);
    [[nodiscard]] std::vector<Target> refresh_targets(const AccountRule* rule,
                                                      const Json::Value& arguments) const;
    [[nodiscard]] static Json::Value target_json(const AgentConfig& config, const Target& target);
    void inspect(const Json::Value& arguments, Reply reply);
    void reload_now(const Reply& reply);

    Services services_;
    std::shared_ptr<const Policy> policy_;
    std::optional<gid_t> admin_group_;
    BootTime started_;
};

}  // namespace postbearer::agent
