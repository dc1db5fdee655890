// SPDX-License-Identifier: Apache-2.0
#include "token-agent/daemon.hh"

#include <json/value.h>
#include <openssl/crypto.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <random>
#include <utility>

#include "common/service/privileges.hh"
#include "token-agent/grants/service_account.hh"
#include "token-agent/store/sqlite_store.hh"

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

void log_store(const StoreReport& report, const std::string& path, Log& log) {
    if (report.created) {
        log.write(LogLine(LogLevel::Notice, "store_created").add("path", path));
    }
    if (!report.backup.empty()) {
        log.write(LogLine(LogLevel::Notice, "store_migrated")
                      .add("path", path)
                      .add("from_version", report.migrated_from)
                      .add("copy", report.backup));
    }
    if (!report.set_aside.empty()) {
        log.write(LogLine(LogLevel::Error, "store_damaged")
                      .add("path", path)
                      .add("cause", report.damage)
                      .add("set_aside", report.set_aside)
                      .add("action",
                           "a new store was begun: put back a backup, or log in again "
                           "with postbearer login; application tokens go on"));
    }
    if (!report.read_only.empty()) {
        log.write(LogLine(LogLevel::Error, "store_read_only").add("message", report.read_only));
    }
}

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
    const AgentConfig& config = *policy_->config;
    if (config.store_path.empty()) {
        return {};
    }
    std::vector<Secret> previous;
    for (const auto& key : config.previous_master_keys) {
        previous.push_back(key->clone());
    }
    auto ring = KeyRing::make(config.master_key->clone(), std::move(previous));
    if (!ring) {
        return tl::unexpected(std::move(ring.error()));
    }
    auto store = SqliteStore::open({config.store_path, std::move(*ring), clock_});
    if (!store) {
        return tl::unexpected(std::move(store.error()));
    }
    store_report_ = (*store)->opened();
    log_store(store_report_, config.store_path, log_);
    auto thread = StoreThread::start(std::move(*store), loop_);
    if (!thread) {
        return tl::unexpected(std::move(thread.error()));
    }
    store_ = std::move(*thread);
    return {};
}

void Daemon::open_sources() {
    exchange_ = std::make_unique<TokenExchange>(TokenExchange::Services{
        *http_, *discovery_, clock_, scheduler_, &log_, identity_host_of_this_machine()});
    client_credentials_ = std::make_unique<ClientCredentials>(
        ClientCredentials::Services{*exchange_, clock_, scheduler_});
    service_account_ = std::make_unique<ServiceAccountGrant>(
        ServiceAccountGrant::Services{*exchange_, clock_, scheduler_});
    if (store_ != nullptr) {
        delegated_ = std::make_unique<Delegated>(
            Delegated::Services{*exchange_, *store_, clock_, scheduler_, log_});
    }
    by_grant_ = std::make_unique<SourceByGrant>(
        SourceByGrant::Sources{*client_credentials_, delegated_.get(), *service_account_}, clock_,
        scheduler_);
    if (store_ != nullptr) {
        stored_tokens_ = std::make_unique<StoredTokens>(
            StoredTokens::Services{*by_grant_, *store_, clock_, log_});
        keep_alive_ = std::make_unique<KeepAlive>(
            KeepAlive::Services{*store_, *by_grant_, clock_, scheduler_, log_}, policy_->config);
    }
}

Result<void> Daemon::open_services() {
    auto http = http::CurlHttp::make(loop_);
    if (!http) {
        return tl::unexpected(std::move(http.error()));
    }
    http_ = std::move(*http);
    discovery_ = std::make_unique<Discovery>(*http_, clock_);
    open_sources();
    TokenSource& source = stored_tokens_ != nullptr ? static_cast<TokenSource&>(*stored_tokens_)
                                                    : static_cast<TokenSource&>(*by_grant_);
    keeper_ = std::make_unique<TokenKeeper>(
        TokenKeeper::Services{clock_, scheduler_, source, log_, random_fraction}, policy_->config);
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
        LoginService::Services{*http_, *discovery_, *exchange_, store_.get(), clock_, scheduler_,
                               log_, changed},
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
    if (delegated_ != nullptr) {
        delegated_->account_changed(provider, account);
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
        json["ending_credentials"].append(std::move(row));
    }
    if (store_ == nullptr) {
        return;
    }
    Json::Value& store = json["store"];
    store["path"] = policy_->config->store_path;
    store["unsaved"] = static_cast<Json::UInt64>(delegated_->unsaved());
    if (!delegated_->store_trouble().empty()) {
        store["trouble"] = delegated_->store_trouble();
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
    warn_of_store_changes(*before->config, *policy_->config);
    if (keep_alive_ != nullptr) {
        keep_alive_->reload(policy_->config);
    }
    tokens_->reload(policy_);
    admin_->reload(policy_);
    logins_->reload(policy_);
    tell_expiry();
    keeper_->reload(policy_->config);
    log_.write(LogLine(LogLevel::Notice, "reloaded")
                   .add("accounts", static_cast<std::int64_t>(policy_->config->accounts.size())));
    return std::move(loaded->warnings);
}

/// The store stays open as it is; to open another one means to start anew.
void Daemon::warn_of_store_changes(const AgentConfig& before, const AgentConfig& now) {
    const auto same_key = [](const std::shared_ptr<const Secret>& a,
                             const std::shared_ptr<const Secret>& b) {
        return a == b || (a != nullptr && b != nullptr && a->size() == b->size() &&
                          CRYPTO_memcmp(a->reveal().data(), b->reveal().data(), a->size()) == 0);
    };
    if (before.store_path != now.store_path || !same_key(before.master_key, now.master_key) ||
        before.previous_master_keys.size() != now.previous_master_keys.size()) {
        log_.write(LogLine(LogLevel::Warning, "restart_needed")
                       .add("message",
                            "store, master_key and previous_master_keys are read at the "
                            "start only")
                       .add("action", "restart postbearer-agent"));
    }
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
    if (delegated_ == nullptr) {
        return;
    }
    delegated_->stop();
    constexpr std::chrono::seconds kLongestEnd = 35s;  // a little more than a request may take
    (void)::sd_notify(0, "EXTEND_TIMEOUT_USEC=40000000");
    stopping_ = false;
    const BootTime deadline = clock_.boot() + kLongestEnd;
    (void)scheduler_.at(deadline, [] {});  // wakes the loop
    while (delegated_->busy() && !stopping_ && clock_.boot() < deadline) {
        try {
            (void)loop_.run_one();
        } catch (const std::exception&) {  // the next turn, or the deadline
        }
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
