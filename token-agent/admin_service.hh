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
#include "token-agent/admin_refresh.hh"
#include "token-agent/admin_status.hh"
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
        StoreQueue* store = nullptr;                   // null: no store is configured
        std::function<void(Json::Value&)> describe{};  // adds what else `status` tells
        /// Verbs of other rooms: false, it is none of theirs.
        std::function<bool(std::string_view verb, const Json::Value& arguments,
                           const service::Peer& peer, const Reply& reply)>
            others{};
    };

    AdminService(Services services, std::shared_ptr<const Policy> policy);

    void handle(const service::Peer& peer, std::string_view block, Reply reply);
    void reload(std::shared_ptr<const Policy> policy);

private:
    [[nodiscard]] bool may_administer(const service::Peer& peer) const;
    void dispatch(const service::Peer& peer, std::string_view verb, const Json::Value& arguments,
                  Reply reply);
    void status(const Json::Value& arguments, Reply reply);
    void list(const Json::Value& arguments, const Reply& reply);
    void inspect(const Json::Value& arguments, Reply reply);
    void reload_now(const Reply& reply);

    Services services_;
    AdminStatus status_;
    AdminRefresh refresh_;
    std::shared_ptr<const Policy> policy_;
    std::optional<gid_t> admin_group_;
    BootTime started_;
};

}  // namespace postbearer::agent
