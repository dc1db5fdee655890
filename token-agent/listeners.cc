// SPDX-License-Identifier: Apache-2.0
#include "token-agent/listeners.hh"

#include <unistd.h>

#include <algorithm>

namespace postbearer::agent {
namespace {

constexpr mode_t kOpenToAll = 0666;
constexpr mode_t kGroupOnly = 0660;
constexpr mode_t kOwnerOnly = 0600;
constexpr std::string_view kAdminName = "admin";
constexpr std::string_view kSocketNames[] = {"agent", "agent-chroot", kAdminName};

service::Ownership ownership_of(const service::SocketSetting& setting, SocketRole role) {
    if (role == SocketRole::Agent) {
        return service::ownership_for(setting, kOpenToAll);
    }
    const mode_t mode = setting.group.empty() ? kOwnerOnly : kGroupOnly;
    return {setting.mode.value_or(mode), setting.group};
}

}  // namespace

Result<std::vector<Listener>> inherited_listeners(Log& log) {
    auto sockets = service::inherited_sockets(kSocketNames, log);
    if (!sockets) {
        return tl::unexpected(std::move(sockets.error()));
    }
    std::vector<Listener> result;
    for (service::ListeningSocket& socket : *sockets) {
        const SocketRole role = socket.name == kAdminName ? SocketRole::Admin : SocketRole::Agent;
        result.push_back({std::move(socket), role});
    }
    return result;
}

Result<void> bind_missing(const AgentConfig& config, std::vector<Listener>& listeners, Log& log) {
    const auto bind_unless_there = [&](const service::SocketSetting& setting,
                                       SocketRole role) -> Result<void> {
        const bool there =
            std::any_of(listeners.begin(), listeners.end(),
                        [&](const Listener& each) { return each.path == setting.path; });
        if (there || setting.path.empty()) {
            return {};
        }
        if (service::is_below_queue(setting.path) && ::access(POSTBEARER_QUEUE_DIR, F_OK) != 0) {
            log.write(LogLine(LogLevel::Notice, "socket_skipped")
                          .add("path", setting.path)
                          .add("cause",
                               "Postfix's queue directory is not there; restart the agent "
                               "when Postfix is installed"));
            return {};
        }
        auto socket = service::bind_socket(setting.path, ownership_of(setting, role));
        if (!socket) {
            return tl::unexpected(std::move(socket.error()));
        }
        listeners.push_back({std::move(*socket), role});
        return {};
    };
    for (const service::SocketSetting& setting : config.sockets) {
        if (auto bound = bind_unless_there(setting, SocketRole::Agent); !bound) {
            return bound;
        }
    }
    service::SocketSetting admin = config.admin_socket;
    if (admin.group.empty()) {
        admin.group = config.admin_group;
    }
    return bind_unless_there(admin, SocketRole::Admin);
}

void remove_bound(const std::vector<Listener>& listeners) {
    for (const Listener& listener : listeners) {
        service::remove_bound(listener);
    }
}

}  // namespace postbearer::agent
