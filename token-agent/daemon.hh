// SPDX-License-Identifier: Apache-2.0
#pragma once

// Puts the agent together: loop, sockets, services, signals, systemd. One thread.

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/http/curl_http.hh"
#include "common/service/loop_scheduler.hh"
#include "token-agent/admin_service.hh"
#include "token-agent/admin_store.hh"
#include "token-agent/config_loader.hh"
#include "token-agent/credentials/expiry.hh"
#include "token-agent/discovery.hh"
#include "token-agent/listeners.hh"
#include "token-agent/login/login_service.hh"
#include "token-agent/server.hh"
#include "token-agent/store/store_opening.hh"
#include "token-agent/store/store_thread.hh"
#include "token-agent/token_keeper.hh"
#include "token-agent/token_service.hh"
#include "token-agent/token_sources.hh"

namespace postbearer::agent {

class Daemon {
public:
    Daemon(std::string config_path, LoadedConfig loaded, Log& log);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    Daemon(Daemon&&) = delete;
    Daemon& operator=(Daemon&&) = delete;

    /// Sockets, privileges, readiness. Error: Config or Internal, nothing is left behind.
    [[nodiscard]] Result<void> start();

    /// Serves until SIGTERM or SIGINT.
    void run();

private:
    [[nodiscard]] Result<void> bind_sockets();
    [[nodiscard]] Result<void> open_store();
    [[nodiscard]] Result<void> open_services();
    [[nodiscard]] Result<void> listen();
    void open_admin();
    void describe(Json::Value& json) const;
    void account_changed(const std::string& provider, const std::string& account);
    void watch_expiry();
    void tell_expiry();
    [[nodiscard]] std::size_t allowance(const service::Peer& peer) const;
    AdminService::ReloadResult reload();
    void wait_for_signal();
    void finish_renewals();
    void feed_watchdog(std::chrono::microseconds interval);
    void flush_soon();
    void log_warnings(const std::vector<std::string>& warnings);

    std::string config_path_;
    Log& log_;
    SystemClock clock_;
    std::shared_ptr<const Policy> policy_;
    boost::asio::io_context loop_{1};
    boost::asio::signal_set signals_;
    service::LoopScheduler scheduler_;
    std::unique_ptr<http::CurlHttp> http_;
    std::unique_ptr<Discovery> discovery_;
    StoreReport store_report_;
    std::unique_ptr<StoreThread> store_;  // null: none is configured
    std::unique_ptr<TokenSources> sources_;
    std::unique_ptr<TokenKeeper> keeper_;
    std::unique_ptr<TokenService> tokens_;
    std::unique_ptr<LoginService> logins_;
    std::unique_ptr<AdminStore> admin_store_;
    std::unique_ptr<AdminService> admin_;
    ExpiryWatch expiry_;
    std::unique_ptr<Server> agent_server_;
    std::unique_ptr<Server> admin_server_;
    std::vector<Listener> listeners_;  // their descriptors move to the servers
    bool stopping_ = false;
    bool flush_planned_ = false;
    BootTime last_flush_;
};

}  // namespace postbearer::agent
