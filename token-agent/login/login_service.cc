// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/login_service.hh"

#include <json/value.h>
#include <string.h>

#include <algorithm>
#include <utility>

#include "common/http/url.hh"
#include "common/text.hh"
#include "token-agent/account_name.hh"
#include "token-agent/admin_answer.hh"
#include "token-agent/admin_json.hh"
#include "token-agent/login/authorization_url.hh"
#include "token-agent/login/login_endpoints.hh"
#include "token-agent/login/login_failure.hh"
#include "token-agent/login/login_scopes.hh"
#include "token-agent/login/logout.hh"
#include "token-agent/login/pkce.hh"
#include "token-agent/providers.hh"

namespace postbearer::agent {

using protocol::FailureClass;
using protocol::FailureCode;

namespace {

constexpr std::size_t kIdBytes = 16;
constexpr std::size_t kMaxAccountBytes = 320;

void refuse_with(const Reply& reply, const protocol::AgentFailure& failure) {
    reply(encode(failure));
}

/// As a view into the arguments; its bytes are overwritten when this goes. JsonCpp's parser has had
/// copies that nobody can reach.
class SecretArgument {
public:
    SecretArgument(const Json::Value& arguments, const char* name) {
        const Json::Value& value = arguments[name];
        if (!value.isString() || !value.getString(&begin_, &end_)) {
            begin_ = end_ = nullptr;
        }
    }
    SecretArgument(const SecretArgument&) = delete;
    SecretArgument& operator=(const SecretArgument&) = delete;
    SecretArgument(SecretArgument&&) = delete;
    SecretArgument& operator=(SecretArgument&&) = delete;
    ~SecretArgument() {
        if (begin_ != nullptr) {
            // JsonCpp allocated these bytes for this value; only its interface makes them const.
            explicit_bzero(const_cast<char*>(begin_), static_cast<std::size_t>(end_ - begin_));
        }
    }

    [[nodiscard]] std::string_view view() const {
        return {begin_, static_cast<std::size_t>(end_ - begin_)};
    }

private:
    const char* begin_ = nullptr;
    const char* end_ = nullptr;
};

bool rule_covers(const AccessRule& rule, std::string_view account) {
    const std::string_view domain = domain_pattern(account);
    return (rule.uid || rule.gid) && rule.verbs[static_cast<std::size_t>(Verb::Token)] &&
           std::any_of(rule.accounts.begin(), rule.accounts.end(), [&](const std::string& each) {
               return each == "*" || each == account || (!domain.empty() && each == domain);
           });
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

Json::Value resources_json(const std::vector<Resource>& resources) {
    Json::Value list(Json::arrayValue);
    for (const Resource resource : resources) {
        list.append(std::string(name_of(resource)));
    }
    return list;
}

std::string joined(const std::vector<Resource>& resources) {
    std::string text;
    for (const Resource resource : resources) {
        text += (text.empty() ? "" : ",") + std::string(name_of(resource));
    }
    return text;
}

std::string_view name_of_cloud(Cloud cloud) {
    constexpr std::string_view kNames[] = {"global", "gcc", "gcc-high", "dod", "china"};
    return kNames[static_cast<std::size_t>(cloud)];
}

LogLine& add_peer(LogLine& line, uid_t uid, pid_t pid) {
    return line.add("uid", static_cast<std::int64_t>(uid))
        .add("pid", static_cast<std::int64_t>(pid));
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
    if (verb == "login_plan") {
        plan(arguments, reply);
    } else if (verb == "login_start") {
        start(arguments, peer, reply);
    } else if (verb == "login_wait" || verb == "login_answer" || verb == "login_cancel") {
        with_session(verb, arguments, reply);
    } else if (verb == "logout") {
        log_out_account(arguments, peer, reply);
    } else if (verb == "import_login") {
        import(arguments, peer, reply);
    } else {
        return false;
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

std::optional<LoginOrder> LoginService::order_for(const Json::Value& arguments,
                                                  const Reply& reply) const {
    const std::string account = ascii_lower(string_argument(arguments, "account"));
    if (!is_account_name(account) || account.size() > kMaxAccountBytes || !is_plain_utf8(account)) {
        refuse(reply, FailureClass::BadRequest, FailureCode::Syntax,
               "account must be one address, such as alice@example.com");
        return std::nullopt;
    }
    const AccountRule* const rule = policy_->accounts.find(account);
    if (rule == nullptr) {
        refuse_unknown_account(reply, account);
        return std::nullopt;
    }
    const AgentConfig& config = *policy_->config;
    const ProviderConfig& provider = config.providers.at(rule->provider);
    const auto no = [&](FailureCode code, const std::string& text) {
        refuse_with(reply, login_failure(FailureClass::NeedsAdmin, code, text));
        return std::nullopt;
    };
    if (rule->grant != Grant::Delegated) {
        return no(FailureCode::NotLoggedIn,
                  config.files.at(rule->file) + ":" + std::to_string(rule->line) +
                      ": the rule for " + printable(account, 80) + " has grant = \"" +
                      std::string(name_of(rule->grant)) +
                      "\", which takes no login. Write grant = \"delegated\" there or into a rule "
                      "of its own, then reload");
    }
    if (services_.store == nullptr) {
        return no(FailureCode::StoreUnwritable,
                  "no store is configured, so a login could not be kept. Set store and master_key "
                  "in [agent], then restart the agent");
    }
    if (provider.client_id.empty()) {
        return no(FailureCode::InvalidClient,
                  "provider '" + provider.name + "': client_id is not set. Add it, then reload");
    }
    LoginOrder order;
    order.config = policy_->config;
    order.provider = rule->provider;
    order.account = account;
    order.login = rule->login.empty() ? account : ascii_lower(rule->login);
    order.resources = resources_for(order);
    return order;
}

/// What the [[access]] rules let anybody have for this account, as far as the provider has it.
std::vector<Resource> LoginService::resources_for(const LoginOrder& order) const {
    std::vector<Resource> wanted;
    for (const Resource resource : protocol::kResources) {
        const auto& rules = policy_->config->access;
        const bool asked = std::any_of(rules.begin(), rules.end(), [&](const AccessRule& rule) {
            return rule.resources.at(static_cast<std::size_t>(resource)) &&
                   rule_covers(rule, order.account);
        });
        if (asked && offers_resource(order.provider_config(), resource)) {
            wanted.push_back(resource);
        }
    }
    return wanted.empty() ? std::vector<Resource>{Resource::Smtp} : wanted;
}

bool LoginService::complete(LoginOrder& order, const Json::Value& arguments,
                            const Reply& reply) const {
    const auto malformed = [&](const std::string& text) {
        refuse(reply, FailureClass::BadRequest, FailureCode::Syntax, text);
        return false;
    };
    const std::string flow = string_argument(arguments, "flow");
    if (flow != "device" && flow != "code") {
        return malformed("flow is neither device nor code");
    }
    order.flow = flow == "device" ? LoginFlow::Device : LoginFlow::Code;
    order.accept_user = flag_argument(arguments, "accept_user");
    const ProviderConfig& provider = order.provider_config();
    if (order.flow == LoginFlow::Code) {
        order.redirect_uri = string_argument(arguments, "redirect_uri");
        if (!fits_redirect(order.redirect_uri, provider.redirect_uri)) {
            return malformed("redirect_uri does not fit " +
                             (provider.redirect_uri.empty() ? std::string("http://localhost:PORT")
                                                            : provider.redirect_uri));
        }
    }
    const Json::Value& resources = arguments["resources"];
    if (!resources.isArray() || resources.empty()) {
        return true;
    }
    order.resources.clear();
    for (const Json::Value& each : resources) {
        const auto resource =
            protocol::resource_from(each.isString() ? each.asString() : std::string());
        if (!resource) {
            return malformed("resources holds something else than smtp, imap, pop, graph");
        }
        if (!offers_resource(provider, *resource)) {
            return malformed("provider '" + provider.name + "' has no tokens for " +
                             std::string(name_of(*resource)));
        }
        if (std::find(order.resources.begin(), order.resources.end(), *resource) ==
            order.resources.end()) {
            order.resources.push_back(*resource);
        }
    }
    return true;
}

void LoginService::plan(const Json::Value& arguments, const Reply& reply) {
    auto order = order_for(arguments, reply);
    if (!order) {
        return;
    }
    const auto config = order->config;
    const std::uint32_t provider = order->provider;
    find_login_endpoints(
        services_.discovery, config, provider,
        [this, alive = alive_, order = std::move(*order), reply](Result<LoginEndpoints> found) {
            if (!*alive) {
                return;
            }
            if (!found) {
                refuse_with(reply, login_failure(found.error().code == Errc::Config
                                                     ? FailureClass::NeedsAdmin
                                                     : FailureClass::Transient,
                                                 FailureCode::ProviderError,
                                                 "provider '" + order.provider_config().name +
                                                     "': " + found.error().context));
                return;
            }
            answer_plan(order, *found, reply);
        });
}

void LoginService::answer_plan(const LoginOrder& order, const LoginEndpoints& endpoints,
                               const Reply& reply) {
    const ProviderConfig& provider = order.provider_config();
    Json::Value json = document("login_plan");
    json["account"] = order.account;
    json["login"] = order.login;
    json["provider"] = provider.name;
    json["provider_type"] = std::string(name_of(provider.type));
    json["cloud"] = std::string(name_of_cloud(provider.cloud));
    json["tenant"] = provider.tenant;
    json["client_id"] = provider.client_id;
    json["confidential"] = !provider.credentials.empty();
    json["authority"] =
        http::host_of(endpoints.authorization.empty() ? endpoints.device : endpoints.authorization);
    json["redirect_uri"] =
        provider.redirect_uri.empty() ? "http://localhost" : provider.redirect_uri;
    json["flows"] = Json::Value(Json::arrayValue);
    if (offers_device(provider, endpoints)) {
        json["flows"].append("device");
    }
    if (!endpoints.authorization.empty()) {
        json["flows"].append("code");
    }
    json["resources"] = resources_json(order.resources);
    json["logged_in"] = Json::Value();
    ask_store<std::optional<StoredLogin>>(
        *services_.store,
        [name = RecordName{provider.name, order.login, provider.client_id}](TokenStore& store) {
            return store.find_login(name);
        },
        [json, reply](const Result<std::optional<StoredLogin>>& found) {
            Json::Value whole = json;
            if (!found) {
                whole["warnings"].append(found.error().context);
            } else if (found->has_value()) {
                const StoredLogin& login = **found;
                Json::Value& row = whole["logged_in"];
                row["user"] = login.user;
                row["logged_in_at"] =
                    static_cast<Json::Int64>(login.logged_in_at.time_since_epoch().count());
                row["used_at"] = static_cast<Json::Int64>(login.used_at.time_since_epoch().count());
                row["generation"] = static_cast<Json::UInt64>(login.generation);
            }
            answer_json(reply, whole);
        });
}

/// One login at a time for each login, and not too many in all.
bool LoginService::make_room(const LoginOrder& order, const Reply& reply) {
    const std::string& provider = order.provider_config().name;
    std::size_t running = 0;
    std::shared_ptr<LoginSession> same;
    for (const auto& [id, entry] : sessions_) {
        const LoginOrder& theirs = entry.session->order();
        if (entry.session->has_ended()) {
            continue;
        }
        ++running;
        if (theirs.login == order.login && theirs.provider_config().name == provider) {
            same = entry.session;
        }
    }
    if (same != nullptr && same->state() == LoginSession::State::Storing) {
        refuse_with(reply, login_failure(FailureClass::Transient, FailureCode::StoreUnwritable,
                                         "a login of " + printable(order.login, 120) +
                                             " is complete and waits for the store, which cannot "
                                             "be written. Mend that first"));
        return false;
    }
    if (same != nullptr) {
        same->end(login_failure(FailureClass::NeedsUser, FailureCode::NotLoggedIn,
                                "another login was started for the same user"));
        --running;
    }
    if (running >= kMaxSessions) {
        refuse_with(reply, login_failure(FailureClass::Transient, FailureCode::Throttled,
                                         std::to_string(running) +
                                             " logins are under way; wait until one has ended"));
        return false;
    }
    return true;
}

void LoginService::start(const Json::Value& arguments, const service::Peer& peer,
                         const Reply& reply) {
    auto order = order_for(arguments, reply);
    if (!order || !complete(*order, arguments, reply) || !make_room(*order, reply)) {
        return;
    }
    log_started(*order, peer);
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
    auto session = std::make_shared<LoginSession>(std::move(services), id, std::move(*order));
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
        session->end(login_failure(FailureClass::NeedsUser, FailureCode::NotLoggedIn,
                                   "the login was called off"));
        session->answer_now(reply);
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
    const LoginOrder& order = session.order();
    const bool done = session.state() == LoginSession::State::Done;
    LogLine line(done ? LogLevel::Notice : LogLevel::Warning, done ? "login_done" : "login_failed");
    add_peer(line, entry.uid, entry.pid)
        .add("account", order.account)
        .add("login", order.login)
        .add("provider", order.provider_config().name);
    if (done) {
        line.add("resources", joined(session.consented()))
            .add_if("user", session.user().user)
            .add("confirmed_by", name_of(session.user().by))
            .add("generation", static_cast<std::int64_t>(session.generation()));
    } else {
        line.add("resources", joined(order.resources))
            .add("class", name_of(session.failure().failure_class))
            .add("code", name_of(session.failure().code))
            .add("message", session.failure().message)
            .add_if("hint", session.failure().hint);
    }
    services_.log.write(line);
    if (done) {
        services_.changed(order.provider_config().name, order.login);
    }
}

void LoginService::log_started(const LoginOrder& order, const service::Peer& peer) {
    LogLine line(LogLevel::Notice, "login_started");
    add_peer(line, peer.uid, peer.pid)
        .add("account", order.account)
        .add("login", order.login)
        .add("provider", order.provider_config().name)
        .add("resources", joined(order.resources))
        .add("flow", order.flow == LoginFlow::Device ? "device" : "code");
    services_.log.write(line);
}

void LoginService::end_sessions_of(const LoginOrder& order, const std::string& why) {
    std::vector<std::shared_ptr<LoginSession>> theirs;
    for (const auto& [id, entry] : sessions_) {
        const LoginOrder& other = entry.session->order();
        if (other.login == order.login &&
            other.provider_config().name == order.provider_config().name) {
            theirs.push_back(entry.session);
        }
    }
    for (const auto& session : theirs) {
        session->end(login_failure(FailureClass::NeedsUser, FailureCode::NotLoggedIn, why));
    }
}

void LoginService::log_out_account(const Json::Value& arguments, const service::Peer& peer,
                                   const Reply& reply) {
    const auto order = order_for(arguments, reply);
    if (!order) {
        return;
    }
    end_sessions_of(*order, "this account was logged out meanwhile");
    log_out({services_.client, services_.discovery, *services_.store, services_.clock},
            {order->config, order->provider, order->login},
            [this, alive = alive_, order = *order, uid = peer.uid, pid = peer.pid,
             reply](Result<LogoutOutcome> outcome) {
                if (!*alive) {
                    return;
                }
                const std::string& provider = order.provider_config().name;
                if (!outcome) {
                    refuse_with(reply,
                                login_failure(FailureClass::Transient, FailureCode::StoreUnwritable,
                                              "the login of " + printable(order.login, 120) +
                                                  " is still there: " + outcome.error().context));
                    return;
                }
                LogLine line(LogLevel::Notice, "logged_out");
                add_peer(line, uid, pid)
                    .add("account", order.account)
                    .add("login", order.login)
                    .add("provider", provider)
                    .add("forgotten", outcome->forgotten ? "yes" : "no")
                    .add("revoked", outcome->revoked ? "yes" : "no");
                services_.log.write(line);
                services_.changed(provider, order.login);
                Json::Value json = document("logout");
                json["account"] = order.account;
                json["login"] = order.login;
                json["forgotten"] = outcome->forgotten;
                json["revoked"] = outcome->revoked;
                json["revoke_note"] = outcome->revoke_note;
                answer_json(reply, json);
            });
}

void LoginService::import(const Json::Value& arguments, const service::Peer& peer,
                          const Reply& reply) {
    const SecretArgument token(arguments, "refresh_token");
    const auto order = order_for(arguments, reply);
    if (!order) {
        return;
    }
    const std::string user = string_argument(arguments, "user");
    if (!is_refresh_token(token.view()) || user.size() > kMaxAccountBytes || !is_plain_utf8(user)) {
        refuse(reply, FailureClass::BadRequest, FailureCode::Syntax,
               "refresh_token must be 1 to " + std::to_string(kMaxRefreshTokenBytes) +
                   " visible ASCII characters, and user a plain name");
        return;
    }
    struct Import {
        RecordName name;
        NewLogin login;
    };
    struct Imported {
        std::uint64_t generation = 0;
        bool replaced = false;
    };
    const ProviderConfig& provider = order->provider_config();
    auto job = std::make_shared<Import>();
    job->name = {provider.name, order->login, provider.client_id};
    job->login.refresh_token = Secret(token.view());
    job->login.user = user;
    job->login.now = services_.clock.wall();
    end_sessions_of(*order, "a refresh token was imported for this account meanwhile");
    ask_store<Imported>(
        *services_.store,
        [job](TokenStore& store) -> Result<Imported> {
            const auto before = store.find_login(job->name);
            const auto generation = store.put_login(job->name, job->login);
            if (!generation) {
                return tl::unexpected(generation.error());
            }
            // One that cannot be read, or is another client's, was there all the same.
            return Imported{*generation, !before || before->has_value()};
        },
        [this, alive = alive_, order = *order, uid = peer.uid, pid = peer.pid,
         reply](const Result<Imported>& outcome) {
            if (!*alive) {
                return;
            }
            if (!outcome) {
                refuse_with(reply,
                            login_failure(FailureClass::Transient, FailureCode::StoreUnwritable,
                                          "the login of " + printable(order.login, 120) +
                                              " was not stored: " + outcome.error().context));
                return;
            }
            LogLine line(LogLevel::Notice, "login_imported");
            add_peer(line, uid, pid)
                .add("account", order.account)
                .add("login", order.login)
                .add("provider", order.provider_config().name)
                .add("generation", static_cast<std::int64_t>(outcome->generation));
            services_.log.write(line);
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
