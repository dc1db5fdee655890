// SPDX-License-Identifier: Apache-2.0
#include "token-agent/daemon.hh"

#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <random>
#include <utility>

#include "common/service/privileges.hh"

namespace postbearer::agent {
namespace {

using namespace std::chrono_literals;
using boost::system::error_code;

/// Audit lines of busy moments share one write(2): a line is at most this late. Warnings and errors
/// go out at once.
constexpr std::chrono::milliseconds kLogDelay = 20ms;
constexpr std::size_t kConnectionsOfStrangers = 8;  // per uid
constexpr std::size_t kConnectionsOfAllStrangers = 256;
constexpr std::size_t kAdminConnections = 16;

const SessionLimits kAgentLimits{protocol::kMaxRequestBytes, 2s, 300s, 10s};
const SessionLimits kAdminLimits{protocol::kMaxAdminBytes, 5s, 300s, 10s};

double random_fraction() {
    static std::minstd_rand generator(std::random_device{}());
    return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

}  // namespace

Daemon::Daemon(std::string config_path, LoadedConfig loaded, Log& log)
    : config_path_(std::move(config_path)),
      log_(log),
      policy_(std::make_shared<Policy>(std::move(loaded.config))),
      signals_(loop_),
      scheduler_(loop_) {
    log_warnings(loaded.warnings);
}

Daemon::~Daemon() { remove_bound(listeners_); }

void Daemon::log_warnings(const std::vector<std::string>& warnings) {
    for (const std::string& warning : warnings) {
        log_.write(LogLine(LogLevel::Warning, "config_warning").add("message", warning));
    }
}

Result<void> Daemon::start() {
    service::raise_descriptor_limit();
    // A reader of our answers or logs that goes away is an error of write(2), not our end.
    (void)std::signal(SIGPIPE, SIG_IGN);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
        error_code error;
        signals_.add(signal, error);
        if (error) {
            return failure(Errc::Internal, "cannot wait for signals: " + error.message());
        }
    }
    if (auto opened = scheduler_.open(); !opened) {
        return opened;
    }
    if (auto opened = open_services(); !opened) {
        return opened;
    }
    if (auto opened = open_sockets(); !opened) {
        return opened;
    }
    if (auto dropped = service::drop_privileges(policy_->config->user, "[agent]"); !dropped) {
        return dropped;
    }
    service::forbid_dumps();
    wait_for_signal();
    std::uint64_t watchdog_us = 0;
    if (::sd_watchdog_enabled(0, &watchdog_us) > 0) {
        feed_watchdog(std::chrono::microseconds(watchdog_us / 2));
    }
    LogLine line(LogLevel::Notice, "started");
    line.add("version", POSTBEARER_VERSION).add("config", config_path_);
    line.add("accounts", static_cast<std::int64_t>(policy_->config->accounts.size()));
    line.add("providers", static_cast<std::int64_t>(policy_->config->providers.size()));
    line.add("sockets", static_cast<std::int64_t>(listeners_.size()));
    log_.write(line);
    log_.flush();
    (void)::sd_notify(0, "READY=1\nSTATUS=serving");
    return {};
}

Result<void> Daemon::open_services() {
    auto http = http::CurlHttp::make(loop_);
    if (!http) {
        return tl::unexpected(std::move(http.error()));
    }
    http_ = std::move(*http);
    discovery_ = std::make_unique<Discovery>(*http_, clock_);
    exchange_ = std::make_unique<TokenExchange>(TokenExchange::Services{
        *http_, *discovery_, clock_, scheduler_, &log_, identity_host_of_this_machine()});
    source_ = std::make_unique<ClientCredentials>(
        ClientCredentials::Services{*exchange_, clock_, scheduler_});
    keeper_ = std::make_unique<TokenKeeper>(
        TokenKeeper::Services{clock_, scheduler_, *source_, log_, random_fraction},
        policy_->config);
    tokens_ = std::make_unique<TokenService>(*keeper_, clock_, log_, policy_);
    admin_ = std::make_unique<AdminService>(
        AdminService::Services{*keeper_, *tokens_, clock_, log_, [this] { return reload(); }},
        policy_);
    const Server::Services services{loop_, clock_, scheduler_, log_};
    agent_server_ = std::make_unique<Server>(
        services, kAgentLimits, [this](const service::Peer& peer) { return allowance(peer); },
        [this](const service::Peer& peer, std::string_view block, Reply reply) {
            tokens_->handle(peer, block, std::move(reply));
        },
        Server::Strangers{kConnectionsOfStrangers, kConnectionsOfAllStrangers});
    admin_server_ = std::make_unique<Server>(
        services, kAdminLimits, [](const service::Peer&) { return kAdminConnections; },
        [this](const service::Peer& peer, std::string_view block, Reply reply) {
            admin_->handle(peer, block, std::move(reply));
        });
    return {};
}

Result<void> Daemon::open_sockets() {
    auto inherited = inherited_listeners(log_);
    if (!inherited) {
        return tl::unexpected(std::move(inherited.error()));
    }
    listeners_ = std::move(*inherited);
    if (auto bound = bind_missing(*policy_->config, listeners_, log_); !bound) {
        return bound;
    }
    for (Listener& listener : listeners_) {
        Server& server = listener.role == SocketRole::Admin ? *admin_server_ : *agent_server_;
        if (auto listening = server.listen(std::move(listener.socket)); !listening) {
            return listening;
        }
    }
    return {};
}

std::size_t Daemon::allowance(const service::Peer& peer) const {
    return policy_->access.knows_uid(peer.uid, peer.groups)
               ? policy_->config->max_connections_per_uid
               : kConnectionsOfStrangers;
}

AdminService::ReloadResult Daemon::reload() {
    ConfigResult loaded = load_config(config_path_);
    if (!loaded) {
        for (const std::string& error : loaded.error()) {
            log_.write(LogLine(LogLevel::Error, "reload_failed")
                           .add("message", error)
                           .add("action", "the old configuration stays in force"));
        }
        return tl::unexpected(std::move(loaded.error()));
    }
    log_warnings(loaded->warnings);
    policy_ = std::make_shared<Policy>(std::move(loaded->config));
    tokens_->reload(policy_);
    admin_->reload(policy_);
    keeper_->reload(policy_->config);
    log_.write(LogLine(LogLevel::Notice, "reloaded")
                   .add("accounts", static_cast<std::int64_t>(policy_->config->accounts.size())));
    return std::move(loaded->warnings);
}

void Daemon::wait_for_signal() {
    signals_.async_wait([this](const error_code& error, int signal) {
        if (error) {
            return;
        }
        if (signal != SIGHUP) {
            stopping_ = true;
            return;
        }
        const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
            std::chrono::steady_clock::now().time_since_epoch());
        (void)::sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
                           static_cast<long long>(now.count()));
        wait_for_signal();
        const bool reloaded = reload().has_value();
        (void)::sd_notify(0, reloaded
                                 ? "READY=1\nSTATUS=serving"
                                 : "READY=1\nSTATUS=serving the old configuration: the new one "
                                   "has errors, see the log");
    });
}

void Daemon::feed_watchdog(std::chrono::microseconds interval) {
    (void)::sd_notify(0, "WATCHDOG=1");
    const auto pause = std::chrono::duration_cast<BootClock::duration>(interval);
    scheduler_.at(clock_.boot() + pause, [this, interval] { feed_watchdog(interval); });
}

void Daemon::flush_soon() {
    if (!log_.pending()) {
        return;
    }
    const BootTime now = clock_.boot();
    if (log_.urgent() || now - last_flush_ >= kLogDelay) {
        last_flush_ = now;
        log_.flush();
    } else if (!flush_planned_) {
        flush_planned_ = true;
        scheduler_.at(last_flush_ + kLogDelay, [this] { flush_planned_ = false; });
    }
}

void Daemon::run() {
    while (!stopping_) {
        try {
            (void)loop_.run_one();
        } catch (const std::exception& error) {
            log_.write(LogLine(LogLevel::Error, "internal_error")
                           .add("what", error.what())
                           .add("action", "this request is given up, the agent goes on"));
        }
        flush_soon();
    }
    (void)::sd_notify(0, "STOPPING=1");
    agent_server_->stop();
    admin_server_->stop();
    log_.write(LogLine(LogLevel::Notice, "stopped"));
    log_.flush();
}

}  // namespace postbearer::agent
