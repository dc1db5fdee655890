// SPDX-License-Identifier: Apache-2.0
#include "token-agent/daemon.hh"

#include <json/value.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <random>
#include <utility>

#include "common/service/privileges.hh"
#include "token-agent/configured_store.hh"
#include "token-agent/secret_trail.hh"

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
    if (auto bound = bind_sockets(); !bound) {
        return bound;
    }
    if (auto dropped = service::drop_privileges(policy_->config->user, "[agent]"); !dropped) {
        return dropped;
    }
    service::forbid_dumps();
    // As who we stay: the store's files are checked for their owner.
    if (auto opened = open_store(); !opened) {
        return opened;
    }
    if (auto opened = open_services(); !opened) {
        return opened;
    }
    if (auto listening = listen(); !listening) {
        return listening;
    }
    wait_for_signal();
    watch_expiry();
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

Result<void> Daemon::open_store() {
    auto opened = open_configured_store(*policy_->config, loop_, clock_, log_);
    if (!opened) {
        return tl::unexpected(std::move(opened.error()));
    }
    store_ = std::move(opened->thread);
    store_report_ = std::move(opened->report);
    return {};
}

Result<void> Daemon::open_services() {
    auto http = http::CurlHttp::make(loop_);
    if (!http) {
        return tl::unexpected(std::move(http.error()));
    }
    http_ = std::move(*http);
    discovery_ = std::make_unique<Discovery>(*http_, clock_);
    sources_ = std::make_unique<TokenSources>(
        TokenSources::Services{*http_, *discovery_, store_.get(), clock_, scheduler_, log_},
        policy_->config);
    keeper_ = std::make_unique<TokenKeeper>(
        TokenKeeper::Services{clock_, scheduler_, sources_->source(), log_, random_fraction},
        policy_->config);
    tokens_ = std::make_unique<TokenService>(*keeper_, clock_, log_, policy_);
    open_admin();
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

void Daemon::open_admin() {
    const auto changed = [this](const std::string& provider, const std::string& account) {
        account_changed(provider, account);
    };
    logins_ = std::make_unique<LoginService>(
        LoginService::Services{*http_, *discovery_, sources_->exchange(), store_.get(), clock_,
                               scheduler_, log_, changed},
        policy_);
    admin_store_ = std::make_unique<AdminStore>(
        AdminStore::Services{store_.get(), clock_, scheduler_, log_, changed});
    AdminService::Services admin{*keeper_, *tokens_, clock_, log_, [this] { return reload(); }};
    admin.store = store_.get();
    admin.describe = [this](Json::Value& json) { describe(json); };
    admin.others = [this](std::string_view verb, const Json::Value& arguments,
                          const service::Peer& peer, const Reply& reply) {
        return logins_->handle(verb, arguments, peer, reply) ||
               admin_store_->handle(verb, arguments, peer, reply);
    };
    admin_ = std::make_unique<AdminService>(std::move(admin), policy_);
}

/// What is kept in memory of the login before must go first, or it would outlive the new one.
void Daemon::account_changed(const std::string& provider, const std::string& account) {
    if (Delegated* const delegated = sources_->delegated()) {
        delegated->account_changed(provider, account);
    }
    keeper_->account_changed(provider, account);
}

void Daemon::tell_expiry() {
    for (const EndingCredential& each : expiry_.due(*policy_->config, clock_.wall())) {
        const bool ended = each.threshold == 0;
        log_.write(LogLine(ended ? LogLevel::Error : LogLevel::Warning,
                           ended ? "credential_expired" : "credential_expires")
                       .add("provider", each.provider)
                       .add("credential", each.what)
                       .add("days_left", each.days_left)
                       .add("action",
                            "make a new one, put it beside the old one into credentials "
                            "= [...], reload"));
    }
}

void Daemon::watch_expiry() {
    tell_expiry();
    (void)scheduler_.at(clock_.boot() + 1h, [this] { watch_expiry(); });
}

void Daemon::describe(Json::Value& json) const {
    for (const EndingCredential& each : ending_credentials(*policy_->config, clock_.wall())) {
        Json::Value row(Json::objectValue);
        row["provider"] = each.provider;
        row["credential"] = each.what;
        row["days_left"] = static_cast<Json::Int64>(each.days_left);
        row["successor"] = each.successor;
        json["ending_credentials"].append(std::move(row));
    }
    if (store_ == nullptr) {
        if (!policy_->config->store_path.empty()) {
            json["store"]["path"] = policy_->config->store_path;
            json["store"]["trouble"] =
                "it is not open: it could not be opened at the start (see the agent's log), or "
                "master_key was added since. Restart postbearer-agent";
        }
        return;
    }
    Json::Value& store = json["store"];
    store["path"] = policy_->config->store_path;
    const Delegated& delegated = *sources_->delegated();
    store["unsaved"] = static_cast<Json::UInt64>(delegated.unsaved());
    if (!delegated.store_trouble().empty()) {
        store["trouble"] = delegated.store_trouble();
    } else if (!store_report_.read_only.empty() && !delegated.store_was_written()) {
        store["trouble"] = store_report_.read_only;
    }
    if (!store_report_.set_aside.empty()) {
        store["set_aside"] = store_report_.set_aside;
    }
}

Result<void> Daemon::bind_sockets() {
    auto inherited = inherited_listeners(log_);
    if (!inherited) {
        return tl::unexpected(std::move(inherited.error()));
    }
    listeners_ = std::move(*inherited);
    return bind_missing(*policy_->config, listeners_, log_);
}

Result<void> Daemon::listen() {
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
    const std::shared_ptr<const Policy> before = policy_;
    policy_ = std::make_shared<Policy>(std::move(loaded->config));
    warn_of_store_changes(*before->config, *policy_->config, log_);
    sources_->reload(policy_->config);
    tokens_->reload(policy_);
    admin_->reload(policy_);
    logins_->reload(policy_);
    tell_expiry();
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
            wait_for_signal();  // a second one does not wait for renewals to end
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

/// A provider that takes each refresh token once has the old one already: its answer is waited for,
/// and written down. Another signal ends that.
void Daemon::finish_renewals() {
    Delegated* const delegated = sources_->delegated();
    if (delegated == nullptr) {
        return;
    }
    delegated->stop();
    constexpr std::chrono::seconds kLongestEnd = 35s;  // a little more than a request may take
    (void)::sd_notify(0, "EXTEND_TIMEOUT_USEC=40000000");
    stopping_ = false;
    const BootTime deadline = clock_.boot() + kLongestEnd;
    (void)scheduler_.at(deadline, [] {});  // wakes the loop
    while (delegated->busy() && !stopping_ && clock_.boot() < deadline) {
        try {
            (void)loop_.run_one();
        } catch (const std::exception&) {  // the next turn, or the deadline
        }
        wipe_secret_trail();
        flush_soon();
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
        wipe_secret_trail();
        flush_soon();
    }
    (void)::sd_notify(0, "STOPPING=1");
    agent_server_->stop();
    admin_server_->stop();
    finish_renewals();
    log_.write(LogLine(LogLevel::Notice, "stopped"));
    log_.flush();
}

}  // namespace postbearer::agent
