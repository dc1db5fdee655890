// SPDX-License-Identifier: Apache-2.0
#pragma once

// Puts the milter daemon together. Two threads of ours: main() belongs to libmilter and its pool,
// the other one runs the loop of the LMTP front and of Graph.

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/http/curl_http.hh"
#include "common/service/loop_scheduler.hh"
#include "milter/config_loader.hh"
#include "milter/delivery/graph_delivery.hh"
#include "milter/front/callbacks.hh"
#include "milter/graph/agent_tokens.hh"
#include "milter/graph/graph_client.hh"
#include "milter/lmtp/lmtp_server.hh"
#include "milter/shared.hh"

namespace postbearer::milter {

class Daemon {
public:
    Daemon(LoadedConfig loaded, Log& log);
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    Daemon(Daemon&&) = delete;
    Daemon& operator=(Daemon&&) = delete;

    /// Sockets, privileges, state, readiness. Error: Config or Internal, nothing is left behind.
    [[nodiscard]] Result<void> start();

    /// Serves until SIGTERM or SIGINT. Error: Internal.
    [[nodiscard]] Result<void> run();

private:
    [[nodiscard]] Result<service::ListeningSocket> socket_for(
        const Endpoint& endpoint, std::string_view name,
        std::vector<service::ListeningSocket>& passed);
    [[nodiscard]] Result<void> open_sockets();
    [[nodiscard]] Result<void> open_state();
    [[nodiscard]] Result<void> open_services();
    [[nodiscard]] Result<void> open_fronts();
    void run_loop();
    void wait_for_reload();
    bool reload();
    void feed_watchdog(std::chrono::microseconds interval);
    void stop_loop();
    void log_warnings(const std::vector<std::string>& warnings);

    SharedLog log_;
    SystemClock clock_;
    ConfigHolder config_;
    UniqueFd state_lock_;
    std::optional<service::ListeningSocket> milter_socket_;
    std::optional<service::ListeningSocket> lmtp_socket_;
    LmtpServer::PeerCheck lmtp_allows_;
    std::optional<RouteKey> key_;
    boost::asio::io_context loop_{1};
    boost::asio::signal_set signals_{loop_};
    service::LoopScheduler scheduler_{loop_};
    std::unique_ptr<http::CurlHttp> http_;
    std::unique_ptr<TokenAsker> tokens_;
    std::unique_ptr<GraphClient> sender_;
    std::unique_ptr<MemoryLedger> ledger_;
    std::unique_ptr<GraphDelivery> delivery_;
    std::unique_ptr<LmtpServer> lmtp_;
    std::optional<FrontServices> front_services_;
    std::unique_ptr<MilterFront> front_;
    std::thread loop_thread_;
    bool gone_ = false;  // every LMTP session has ended after a stop
};

}  // namespace postbearer::milter
