// SPDX-License-Identifier: Apache-2.0
#pragma once

// The verbs of admin.sock that make and end logins: login_plan, login_start, login_wait,
// login_answer, login_cancel, logout, import_login (root alone). Nothing else starts one, and there
// is no verb that takes a password (ROPC): providers forbid it, and it fails with a second factor.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.hh"
#include "common/http/http_client.hh"
#include "common/log.hh"
#include "common/scheduler.hh"
#include "common/service/peer.hh"
#include "token-agent/discovery.hh"
#include "token-agent/login/login_order.hh"
#include "token-agent/login/login_session.hh"
#include "token-agent/login/logout.hh"
#include "token-agent/policy.hh"
#include "token-agent/store/store_queue.hh"
#include "token-agent/token_exchange.hh"
#include "token-agent/token_service.hh"

namespace Json {
class Value;
}

namespace postbearer::agent {

class LoginService {
public:
    struct Services {
        http::HttpClient& client;
        Discovery& discovery;
        TokenExchange& exchange;
        StoreQueue* store = nullptr;  // null: none is configured, and logins are refused
        const Clock& clock;
        Scheduler& scheduler;
        Log& log;
        /// A login, logout or import is on disk: what was kept of the one before is of no use.
        std::function<void(const std::string& provider, const std::string& login)> changed;
    };

    static constexpr std::size_t kMaxSessions = 16;
    /// How long an ended session still tells its end.
    static constexpr std::chrono::seconds kLinger{60};

    LoginService(Services services, std::shared_ptr<const Policy> policy);
    LoginService(const LoginService&) = delete;
    LoginService& operator=(const LoginService&) = delete;
    LoginService(LoginService&&) = delete;
    LoginService& operator=(LoginService&&) = delete;
    ~LoginService();

    /// False: the verb is none of ours. The peer may administer, the caller has made sure.
    /// Strings of `arguments` that are secret are overwritten in place.
    bool handle(std::string_view verb, const Json::Value& arguments, const service::Peer& peer,
                const Reply& reply);
    /// Logins under way end if what they were started with has changed.
    void reload(std::shared_ptr<const Policy> policy);

private:
    struct Entry {
        std::shared_ptr<LoginSession> session;
        uid_t uid = 0;
        pid_t pid = 0;
        Scheduler::Id removal = 0;  // of an ended one
    };

    void start(LoginOrder order, const Json::Value& arguments, const service::Peer& peer,
               const Reply& reply);
    void with_session(std::string_view verb, const Json::Value& arguments, const Reply& reply);
    void log_out_account(const LoginOrder& order, const service::Peer& peer, const Reply& reply);
    struct LoggedOut {
        std::string account;
        std::string login;
        std::vector<std::string> providers;
    };
    [[nodiscard]] LogoutServices logout_services();
    void log_out_by_name(const std::string& login, const service::Peer& peer, const Reply& reply,
                         std::function<void()> otherwise);
    void tell_logout(const LoggedOut& what, const LogoutOutcome& outcome, const service::Peer& peer,
                     const Reply& reply);
    void import(const LoginOrder& order, const Json::Value& arguments, const service::Peer& peer,
                const Reply& reply);
    [[nodiscard]] tl::expected<void, protocol::AgentFailure> make_room(const LoginOrder& order);
    void session_ended(LoginSession& session);
    void log_started(const LoginOrder& order, const service::Peer& peer);
    void log_ended(const LoginSession& session, const Entry& entry);
    [[nodiscard]] std::shared_ptr<LoginSession> session_of(const std::string& login,
                                                           const std::string& provider) const;
    void end_session_of(const LoginOrder& order, const std::string& why);

    Services services_;
    std::shared_ptr<const Policy> policy_;
    std::map<std::string, Entry> sessions_;  // by id
    std::shared_ptr<bool> alive_;
};

}  // namespace postbearer::agent
