// SPDX-License-Identifier: Apache-2.0
#include "milter/daemon.hh"

#include <pthread.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <csignal>
#include <utility>

#include "common/http/url.hh"
#include "common/service/privileges.hh"
#include "milter/state_dir.hh"

namespace postbearer::milter {
namespace {

using namespace std::chrono_literals;
using boost::system::error_code;

constexpr std::string_view kMilterName = "milter";
constexpr std::string_view kLmtpName = "graph";
constexpr std::string_view kSocketNames[] = {kMilterName, kLmtpName};
constexpr mode_t kGroupOnly = 0660;
/// Transactions that a stop finds at work: longer than a usual answer of Graph, shorter than
/// systemd's patience.
constexpr std::chrono::seconds kDrain = 45s;
/// lmtp(8) processes (maxproc 200 in our snippet), and some room.
constexpr std::size_t kMaxSessions = 250;
constexpr http::ConnectionLimits kConnections{256, 256};

/// Who the mode of the LMTP socket lets in, asked again of the kernel: a descriptor may have been
/// passed on, or a directory opened up.
struct PeerRule {
    std::optional<gid_t> group;
    bool everybody = false;

    [[nodiscard]] bool allows(const service::Peer& peer) const {
        return everybody || peer.uid == 0 || peer.uid == ::geteuid() ||
               (group &&
                std::find(peer.groups.begin(), peer.groups.end(), *group) != peer.groups.end());
    }
};

PeerRule rule_of(const std::string& path) {
    PeerRule rule;
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0) {
        if ((status.st_mode & S_IWGRP) != 0) {
            rule.group = status.st_gid;
        }
        rule.everybody = (status.st_mode & S_IWOTH) != 0;
    }
    return rule;
}

std::string host_name() {
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0 || name.front() == '\0') {
        return "localhost";
    }
    return name.data();
}

bool same_place(const Endpoint& a, const Endpoint& b) {
    return a.kind == b.kind && a.name == b.name && a.socket.path == b.socket.path &&
           a.socket.group == b.socket.group && a.socket.mode == b.socket.mode;
}

}  // namespace

Daemon::Daemon(LoadedConfig loaded, Log& log) : log_(log), config_(std::move(loaded.config)) {
    log_warnings(loaded.warnings);
}

Daemon::~Daemon() {
    if (loop_thread_.joinable()) {
        stop_loop();
    }
    for (const auto* socket : {&milter_socket_, &lmtp_socket_}) {
        if (*socket) {
            service::remove_bound(**socket);
        }
    }
}

void Daemon::log_warnings(const std::vector<std::string>& warnings) {
    for (const std::string& warning : warnings) {
        log_.write(LogLine(LogLevel::Warning, "config_warning").add("message", warning));
    }
}

Result<void> Daemon::start() {
    service::raise_descriptor_limit();  // libmilter gives up where accept(2) fails too often
    // Ends of sockets that go away and files that grow too large are errors of write(2).
    (void)std::signal(SIGPIPE, SIG_IGN);
    (void)std::signal(SIGXFSZ, SIG_IGN);
    for (const auto step : {&Daemon::open_sockets, &Daemon::open_state, &Daemon::open_services,
                            &Daemon::open_fronts}) {
        if (auto done = (this->*step)(); !done) {
            return done;
        }
    }
    const auto config = config_.get();
    log_.write(LogLine(LogLevel::Notice, "started")
                   .add("version", POSTBEARER_VERSION)
                   .add("config", config->file)
                   .add("routes", static_cast<std::int64_t>(config->routes.size()))
                   .add("graph", config->graph.enabled ? config->sending->endpoint : "off"));
    (void)::sd_notify(0, "READY=1\nSTATUS=serving");
    return {};
}

Result<service::ListeningSocket> Daemon::socket_for(const Endpoint& endpoint, std::string_view name,
                                                    std::vector<service::ListeningSocket>& passed) {
    const std::string_view wanted =
        endpoint.kind == Endpoint::Kind::Passed ? std::string_view(endpoint.name) : name;
    const auto found =
        std::find_if(passed.begin(), passed.end(), [&](const service::ListeningSocket& each) {
            return each.name == wanted &&
                   (endpoint.kind == Endpoint::Kind::Passed || each.path == endpoint.socket.path);
        });
    if (found != passed.end()) {
        return std::move(*found);
    }
    if (endpoint.kind == Endpoint::Kind::Passed) {
        return failure(Errc::Config, "fd:" + endpoint.name +
                                         ": systemd passed no socket of that FileDescriptorName; "
                                         "start the .socket unit, or set unix:PATH");
    }
    return service::bind_socket(endpoint.socket.path,
                                service::ownership_for(endpoint.socket, kGroupOnly));
}

Result<void> Daemon::open_sockets() {
    const auto config = config_.get();
    std::vector<std::string_view> names(std::begin(kSocketNames), std::end(kSocketNames));
    for (const Endpoint* endpoint : {&config->listen, &config->lmtp}) {
        if (endpoint->kind == Endpoint::Kind::Passed) {
            names.emplace_back(endpoint->name);
        }
    }
    auto passed = service::inherited_sockets(names, log_);
    if (!passed) {
        return tl::unexpected(std::move(passed.error()));
    }
    if (config->listen.kind != Endpoint::Kind::Inet) {
        auto socket = socket_for(config->listen, kMilterName, *passed);
        if (!socket) {
            return tl::unexpected(std::move(socket.error()));
        }
        milter_socket_ = std::move(*socket);
    }
    auto socket = socket_for(config->lmtp, kLmtpName, *passed);
    if (!socket) {
        return tl::unexpected(std::move(socket.error()));
    }
    lmtp_socket_ = std::move(*socket);
    // At once: what somebody does to the file later does not count.
    lmtp_allows_ = [rule = rule_of(lmtp_socket_->path)](const service::Peer& peer) {
        return rule.allows(peer);
    };
    return {};
}

Result<void> Daemon::open_state() {
    const auto config = config_.get();
    if (auto dropped = service::drop_privileges(config->user, "[milter]"); !dropped) {
        return dropped;
    }
    service::forbid_dumps();
    auto lock = lock_state_dir(config->state_dir);
    if (!lock) {
        return tl::unexpected(std::move(lock.error()));
    }
    state_lock_ = std::move(*lock);
    if (auto made = make_directory(config->spool_dir); !made) {
        return made;
    }
    auto key = RouteKey::load_or_make(config->state_dir);
    if (!key) {
        return tl::unexpected(std::move(key.error()));
    }
    key_.emplace(std::move(*key));
    return {};
}

Result<void> Daemon::open_services() {
    const auto config = config_.get();
    if (auto opened = scheduler_.open(); !opened) {
        return opened;
    }
    auto http = http::CurlHttp::make(loop_, kConnections);
    if (!http) {
        return tl::unexpected(std::move(http.error()));
    }
    http_ = std::move(*http);
    tokens_ = std::make_unique<AgentTokens>(
        loop_, config->agent, http::host_of(config->sending->endpoint), clock_, scheduler_);
    sender_ =
        std::make_unique<GraphClient>(*http_, *tokens_, clock_, scheduler_, log_, config->sending);
    ledger_ = std::make_unique<MemoryLedger>(clock_);
    delivery_ = std::make_unique<GraphDelivery>(
        GraphDelivery::Services{config_, *key_, *sender_, *ledger_, clock_, log_, kMaxSessions});
    LmtpSettings settings;
    settings.host = host_name();
    settings.spool_dir = config->spool_dir;
    settings.limits.max_sessions = kMaxSessions;
    lmtp_ = std::make_unique<LmtpServer>(
        LmtpServer::Services{loop_, clock_, scheduler_, log_, *delivery_}, std::move(settings),
        lmtp_allows_);
    return {};
}

Result<void> Daemon::open_fronts() {
    const auto config = config_.get();
    front_services_.emplace(FrontServices{config_, *key_, log_});
    front_ = std::make_unique<MilterFront>(*front_services_);
    const std::string connection =
        milter_socket_ ? "fd:" + std::to_string(milter_socket_->socket.get()) : config->listen.name;
    if (auto opened = front_->open(connection); !opened) {
        return opened;
    }
    if (milter_socket_) {
        (void)milter_socket_->socket.release();  // libmilter closes it
    }
    if (auto listening = lmtp_->listen(std::move(lmtp_socket_->socket)); !listening) {
        return listening;
    }
    error_code error;
    signals_.add(SIGUSR1, error);
    if (error) {
        return failure(Errc::Internal, "cannot wait for signals: " + error.message());
    }
    wait_for_reload();
    std::uint64_t watchdog_us = 0;
    if (::sd_watchdog_enabled(0, &watchdog_us) > 0) {
        feed_watchdog(std::chrono::microseconds(watchdog_us / 2));
    }
    // libmilter's threads get their mask from here: none of them shall be interrupted, or take what
    // libmilter waits for from it.
    sigset_t all{};
    sigset_t before{};
    (void)::sigfillset(&all);
    (void)::pthread_sigmask(SIG_BLOCK, &all, &before);
    loop_thread_ = std::thread([this] {
        sigset_t reload_only{};
        (void)::sigemptyset(&reload_only);
        (void)::sigaddset(&reload_only, SIGUSR1);
        (void)::pthread_sigmask(SIG_UNBLOCK, &reload_only, nullptr);
        run_loop();
    });
    (void)::pthread_sigmask(SIG_SETMASK, &before, nullptr);  // main() has blocked SIGUSR1 there
    return {};
}

void Daemon::run_loop() {
    while (!gone_) {
        try {
            (void)loop_.run_one();
        } catch (const std::exception& error) {
            log_.write(LogLine(LogLevel::Error, "internal_error")
                           .add("what", error.what())
                           .add("action", "this transaction is given up, the daemon goes on"));
        }
    }
}

bool Daemon::reload() {
    const auto old = config_.get();
    ConfigResult loaded = load_config(old->file);
    if (!loaded) {
        for (const std::string& error : loaded.error()) {
            log_.write(LogLine(LogLevel::Error, "reload_failed")
                           .add("message", error)
                           .add("action", "the old configuration stays in force"));
        }
        return false;
    }
    log_warnings(loaded->warnings);
    const auto fresh = loaded->config;
    if (!same_place(old->listen, fresh->listen) || !same_place(old->lmtp, fresh->lmtp) ||
        old->state_dir != fresh->state_dir || old->spool_dir != fresh->spool_dir ||
        old->agent != fresh->agent || old->user != fresh->user) {
        log_.write(LogLine(LogLevel::Warning, "restart_needed")
                       .add("message",
                            "listen, lmtp, agent, journal, spool_dir and user of a "
                            "running daemon stay as they are; restart it"));
    }
    config_.set(fresh);
    sender_->reload(fresh->sending);
    log_.write(LogLine(LogLevel::Notice, "reloaded")
                   .add("routes", static_cast<std::int64_t>(fresh->routes.size())));
    return true;
}

void Daemon::wait_for_reload() {
    signals_.async_wait([this](const error_code& error, int /*signal*/) {
        if (error) {
            return;
        }
        wait_for_reload();
        const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
            std::chrono::steady_clock::now().time_since_epoch());
        const std::string state = "RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.count());
        (void)::sd_notify(0, state.c_str());
        const bool reloaded = reload();
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

/// Messages that are on their way to Graph get their answer, so that none becomes doubtful.
void Daemon::stop_loop() {
    boost::asio::post(loop_, [this] {
        (void)scheduler_.at(clock_.boot() + kDrain, [this] {
            log_.write(LogLine(LogLevel::Warning, "stop_cuts_off")
                           .add("transactions", static_cast<std::int64_t>(lmtp_->delivering()))
                           .add("action", "Graph may have these messages; Postfix tries again"));
            lmtp_->close_all();
            gone_ = true;
        });
        lmtp_->stop([this] { gone_ = true; });
    });
    loop_thread_.join();
}

Result<void> Daemon::run() {
    auto ended = front_->run();
    (void)::sd_notify(0, "STOPPING=1");
    stop_loop();
    log_.write(LogLine(LogLevel::Notice, "stopped"));
    return ended;
}

}  // namespace postbearer::milter
