// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/login_service.hh"

#include <json/value.h>

#include <algorithm>
#include <utility>

#include "common/text.hh"
#include "token-agent/admin_answer.hh"
#include "token-agent/admin_json.hh"
#include "token-agent/login/import_login.hh"
#include "token-agent/login/login_arguments.hh"
#include "token-agent/login/login_failure.hh"
#include "token-agent/login/login_plan.hh"
#include "token-agent/login/logout.hh"
#include "token-agent/login/pkce.hh"
#include "token-agent/login/stranded_logins.hh"

namespace postbearer::agent {

using protocol::FailureClass;
using protocol::FailureCode;

namespace {

constexpr std::size_t kIdBytes = 16;

void refuse_with(const Reply& reply, const protocol::AgentFailure& failure) {
    reply(encode(failure));
}

/// What decides whether tokens of a login under way are still of use.
bool same_login(const LoginOrder& order, const AgentConfig& config, const AccountRule& rule) {
    const ProviderConfig& was = order.provider_config();
    const ProviderConfig& is = config.providers.at(rule.provider);
    const std::string login = rule.login.empty() ? order.account : ascii_lower(rule.login);
    return rule.grant == Grant::Delegated && login == order.login && was.name == is.name &&
           was.type == is.type && was.cloud == is.cloud && was.tenant == is.tenant &&
           was.client_id == is.client_id && was.issuer == is.issuer &&
           was.token_endpoint == is.token_endpoint;
}

std::string joined(const std::vector<Resource>& resources) {
    std::string text;
    for (const Resource resource : resources) {
        text += (text.empty() ? "" : ",") + std::string(name_of(resource));
    }
    return text;
}

/// A line about one login, with who asked for it.
LogLine line_about(const LoginOrder& order, LogLevel level, std::string_view event, uid_t uid,
                   pid_t pid) {
    LogLine line(level, event);
    line.add("uid", static_cast<std::int64_t>(uid))
        .add("pid", static_cast<std::int64_t>(pid))
        .add("account", order.account)
        .add("login", order.login)
        .add("provider", order.provider_config().name);
    return line;
}

protocol::AgentFailure not_stored(const std::string& login, std::string_view what,
                                  const Error& error) {
    return login_failure(
        FailureClass::Transient, FailureCode::StoreUnwritable,
        "the login of " + printable(login, 120) + std::string(what) + error.context);
}

protocol::AgentFailure waits_for_store(const LoginOrder& order) {
    return login_failure(
        FailureClass::Transient, FailureCode::StoreUnwritable,
        "a login of " + printable(order.login, 120) +
            " is complete and waits for the store, which cannot be written. Mend that first");
}

}  // namespace

LoginService::LoginService(Services services, std::shared_ptr<const Policy> policy)
    : services_(std::move(services)),
      policy_(std::move(policy)),
      alive_(std::make_shared<bool>(true)) {}

LoginService::~LoginService() {
    *alive_ = false;
    for (auto& [id, entry] : sessions_) {
        services_.scheduler.cancel(entry.removal);
    }
}

bool LoginService::handle(std::string_view verb, const Json::Value& arguments,
                          const service::Peer& peer, const Reply& reply) {
    if (verb == "login_wait" || verb == "login_answer" || verb == "login_cancel") {
        with_session(verb, arguments, reply);
        return true;
    }
    if (verb != "login_plan" && verb != "login_start" && verb != "logout" &&
        verb != "import_login") {
        return false;
    }
    auto order = login_order(*policy_, arguments, services_.store != nullptr);
    if (!order) {
        const SecretArgument unused(arguments, "refresh_token");
        if (verb == "logout" && services_.store != nullptr &&
            order.error().failure_class != FailureClass::BadRequest) {
            log_out_by_name(ascii_lower(string_argument(arguments, "account")), peer, reply,
                            [reply, why = order.error()] { refuse_with(reply, why); });
        } else {
            refuse_with(reply, order.error());
        }
    } else if (verb == "login_plan") {
        answer_login_plan(services_.discovery, *services_.store, *order, reply);
    } else if (verb == "login_start") {
        start(std::move(*order), arguments, peer, reply);
    } else if (verb == "logout") {
        log_out_account(*order, peer, reply);
    } else {
        import(*order, arguments, peer, reply);
    }
    return true;
}

void LoginService::reload(std::shared_ptr<const Policy> policy) {
    policy_ = std::move(policy);
    std::vector<std::shared_ptr<LoginSession>> outdated;
    for (const auto& [id, entry] : sessions_) {
        if (entry.session->state() != LoginSession::State::Waiting) {
            continue;
        }
        const LoginOrder& order = entry.session->order();
        const AccountRule* const rule = policy_->accounts.find(order.account);
        if (rule == nullptr || !same_login(order, *policy_->config, *rule)) {
            outdated.push_back(entry.session);
        }
    }
    for (const auto& session : outdated) {
        session->end(login_failure(FailureClass::NeedsAdmin, FailureCode::NotLoggedIn,
                                   "the configuration of this account changed during the login. "
                                   "Start it again"));
    }
}

/// The one under way, or null.
std::shared_ptr<LoginSession> LoginService::session_of(const std::string& login,
                                                       const std::string& provider) const {
    for (const auto& [id, entry] : sessions_) {
        const LoginOrder& theirs = entry.session->order();
        if (!entry.session->has_ended() && theirs.login == login &&
            theirs.provider_config().name == provider) {
            return entry.session;
        }
    }
    return nullptr;
}

/// One login at a time for each login, and not too many in all.
tl::expected<void, protocol::AgentFailure> LoginService::make_room(const LoginOrder& order) {
    const std::string& provider = order.provider_config().name;
    const std::shared_ptr<LoginSession> same = session_of(order.login, provider);
    auto running = static_cast<std::size_t>(
        std::count_if(sessions_.begin(), sessions_.end(),
                      [](const auto& each) { return !each.second.session->has_ended(); }));
    if (same != nullptr && same->state() == LoginSession::State::Storing) {
        return tl::unexpected(waits_for_store(order));
    }
    if (same != nullptr) {
        same->end(login_failure(FailureClass::NeedsUser, FailureCode::NotLoggedIn,
                                "another login was started for the same user"));
        --running;
    }
    if (running >= kMaxSessions) {
        return tl::unexpected(login_failure(
            FailureClass::Transient, FailureCode::Throttled,
            std::to_string(running) + " logins are under way; wait until one has ended"));
    }
    return {};
}

void LoginService::start(LoginOrder order, const Json::Value& arguments, const service::Peer& peer,
                         const Reply& reply) {
    auto ready = complete_order(order, arguments);
    if (ready) {
        ready = make_room(order);
    }
    if (!ready) {
        refuse_with(reply, ready.error());
        return;
    }
    log_started(order, peer);
    LoginSession::Services services{{services_.client, services_.discovery, services_.exchange,
                                     services_.clock, services_.scheduler},
                                    *services_.store,
                                    [this, alive = alive_](LoginSession& session) {
                                        if (*alive) {
                                            session_ended(session);
                                        }
                                    }};
    const Secret random = random_text(kIdBytes);
    const std::string id(random.reveal());
    auto session = std::make_shared<LoginSession>(std::move(services), id, std::move(order));
    sessions_[id] = Entry{session, peer.uid, peer.pid, 0};
    session->start(reply);
}

void LoginService::with_session(std::string_view verb, const Json::Value& arguments,
                                const Reply& reply) {
    const SecretArgument url(arguments, "url");
    const auto found = sessions_.find(string_argument(arguments, "session"));
    if (found == sessions_.end()) {
        refuse(reply, FailureClass::BadRequest, FailureCode::Syntax,
               "there is no such login under way (any more). Start it again");
        return;
    }
    const std::shared_ptr<LoginSession> session = found->second.session;
    if (verb == "login_wait") {
        session->wait(reply);
    } else if (verb == "login_answer") {
        session->answer(url.view(), reply);
    } else {
        session->call_off(reply);
    }
}

void LoginService::session_ended(LoginSession& session) {
    const auto found = sessions_.find(session.id());
    if (found == sessions_.end()) {
        return;
    }
    Entry& entry = found->second;
    entry.removal = services_.scheduler.at(services_.clock.boot() + kLinger,
                                           [this, alive = alive_, id = session.id()] {
                                               if (*alive) {
                                                   sessions_.erase(id);
                                               }
                                           });
    log_ended(session, entry);
    if (session.state() == LoginSession::State::Done) {
        services_.changed(session.order().provider_config().name, session.order().login);
    }
}

void LoginService::log_ended(const LoginSession& session, const Entry& entry) {
    const LoginOrder& order = session.order();
    if (session.state() == LoginSession::State::Done) {
        services_.log.write(
            line_about(order, LogLevel::Notice, "login_done", entry.uid, entry.pid)
                .add("resources", joined(session.consented()))
                .add_if("user", session.user().user)
                .add("confirmed_by", name_of(session.user().by))
                .add("generation", static_cast<std::int64_t>(session.generation())));
        return;
    }
    const protocol::AgentFailure& failure = session.failure();
    services_.log.write(line_about(order, LogLevel::Warning, "login_failed", entry.uid, entry.pid)
                            .add("resources", joined(order.resources))
                            .add("class", name_of(failure.failure_class))
                            .add("code", name_of(failure.code))
                            .add("message", failure.message)
                            .add_if("hint", failure.hint));
}

void LoginService::log_started(const LoginOrder& order, const service::Peer& peer) {
    services_.log.write(line_about(order, LogLevel::Notice, "login_started", peer.uid, peer.pid)
                            .add("resources", joined(order.resources))
                            .add("flow", order.flow == LoginFlow::Device ? "device" : "code"));
}

void LoginService::end_session_of(const LoginOrder& order, const std::string& why) {
    if (const auto session = session_of(order.login, order.provider_config().name)) {
        session->end(login_failure(FailureClass::NeedsUser, FailureCode::NotLoggedIn, why));
    }
}

LogoutServices LoginService::logout_services() {
    return {services_.client, services_.discovery, *services_.store, services_.clock};
}

void LoginService::log_out_account(const LoginOrder& order, const service::Peer& peer,
                                   const Reply& reply) {
    end_session_of(order, "this account was logged out meanwhile");
    const ProviderConfig& provider = order.provider_config();
    log_out(logout_services(),
            {order.config, order.provider, {provider.name, order.login, provider.client_id}},
            [this, alive = alive_, order, peer, reply](const Result<LogoutOutcome>& outcome) {
                if (!*alive) {
                    return;
                }
                if (!outcome) {
                    refuse_with(reply,
                                not_stored(order.login, " is still there: ", outcome.error()));
                    return;
                }
                const auto answer = [this, order, peer, reply, outcome = *outcome] {
                    tell_logout({order.account, order.login, {order.provider_config().name}},
                                outcome, peer, reply);
                };
                if (outcome->forgotten) {
                    answer();
                } else {  // it may be of the provider that the rule named before
                    log_out_by_name(order.login, peer, reply, answer);
                }
            });
}

/// `otherwise` runs where the store holds no login of this name that no rule leads to.
void LoginService::log_out_by_name(const std::string& login, const service::Peer& peer,
                                   const Reply& reply, std::function<void()> otherwise) {
    log_out_stranded(
        logout_services(), policy_, login,
        [this, alive = alive_, login, peer, reply,
         otherwise = std::move(otherwise)](const Result<StrandedOutcome>& outcome) {
            if (!*alive) {
                return;
            }
            if (!outcome) {
                refuse_with(reply, not_stored(login, " may still be there: ", outcome.error()));
                return;
            }
            if (outcome->names.empty()) {
                otherwise();
                return;
            }
            LoggedOut what{login, login, {}};
            for (const RecordName& name : outcome->names) {
                what.providers.push_back(name.provider);
            }
            tell_logout(what, outcome->outcome, peer, reply);
        });
}

void LoginService::tell_logout(const LoggedOut& what, const LogoutOutcome& outcome,
                               const service::Peer& peer, const Reply& reply) {
    for (const std::string& provider : what.providers) {
        services_.log.write(LogLine(LogLevel::Notice, "logged_out")
                                .add("uid", static_cast<std::int64_t>(peer.uid))
                                .add("pid", static_cast<std::int64_t>(peer.pid))
                                .add("account", what.account)
                                .add("login", what.login)
                                .add("provider", provider)
                                .add("forgotten", outcome.forgotten ? "yes" : "no")
                                .add("revoked", outcome.revoked ? "yes" : "no"));
        services_.changed(provider, what.login);
    }
    Json::Value json = document("logout");
    json["account"] = what.account;
    json["login"] = what.login;
    json["forgotten"] = outcome.forgotten;
    json["revoked"] = outcome.revoked;
    json["revoke_note"] = outcome.revoke_note;
    answer_json(reply, json);
}

void LoginService::import(const LoginOrder& order, const Json::Value& arguments,
                          const service::Peer& peer, const Reply& reply) {
    const SecretArgument token(arguments, "refresh_token");
    if (peer.uid != 0) {
        refuse(reply, FailureClass::Denied, FailureCode::AccessDenied,
               "only root may put refresh tokens into the store");
        return;
    }
    const std::string user = string_argument(arguments, "user");
    if (!is_refresh_token(token.view()) || user.size() > kMaxAccountBytes || !is_plain_utf8(user)) {
        refuse(reply, FailureClass::BadRequest, FailureCode::Syntax,
               "refresh_token must be 1 to " + std::to_string(kMaxRefreshTokenBytes) +
                   " visible ASCII characters, and user a plain name");
        return;
    }
    const auto session = session_of(order.login, order.provider_config().name);
    if (session != nullptr && session->state() == LoginSession::State::Storing) {
        refuse_with(reply, waits_for_store(order));
        return;
    }
    end_session_of(order, "a refresh token was imported for this account meanwhile");
    import_login(*services_.store, order, Secret(token.view()), user, services_.clock.wall(),
                 [this, alive = alive_, order, uid = peer.uid, pid = peer.pid,
                  reply](const Result<ImportedLogin>& outcome) {
                     if (!*alive) {
                         return;
                     }
                     if (!outcome) {
                         refuse_with(reply,
                                     not_stored(order.login, " was not stored: ", outcome.error()));
                         return;
                     }
                     services_.log.write(
                         line_about(order, LogLevel::Notice, "login_imported", uid, pid)
                             .add("generation", static_cast<std::int64_t>(outcome->generation)));
                     services_.changed(order.provider_config().name, order.login);
                     Json::Value json = document("import_login");
                     json["account"] = order.account;
                     json["login"] = order.login;
                     json["provider"] = order.provider_config().name;
                     json["generation"] = static_cast<Json::UInt64>(outcome->generation);
                     json["replaced"] = outcome->replaced;
                     answer_json(reply, json);
                 });
}

}  // namespace postbearer::agent
