// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/login_arguments.hh"

#include <json/value.h>
#include <string.h>

#include <algorithm>

#include "common/text.hh"
#include "token-agent/account_name.hh"
#include "token-agent/admin_answer.hh"
#include "token-agent/admin_json.hh"
#include "token-agent/login/authorization_url.hh"
#include "token-agent/login/login_failure.hh"
#include "token-agent/login/login_scopes.hh"

namespace postbearer::agent {

using protocol::FailureClass;
using protocol::FailureCode;

namespace {

using Refusal = tl::unexpected<protocol::AgentFailure>;

Refusal malformed(const std::string& text) {
    return Refusal(login_failure(FailureClass::BadRequest, FailureCode::Syntax, text));
}

Refusal impossible(FailureCode code, const std::string& text) {
    return Refusal(login_failure(FailureClass::NeedsAdmin, code, text));
}

bool rule_covers(const AccessRule& rule, std::string_view account) {
    const std::string_view domain = domain_pattern(account);
    return (rule.uid || rule.gid) && rule.verbs[static_cast<std::size_t>(Verb::Token)] &&
           std::any_of(rule.accounts.begin(), rule.accounts.end(), [&](const std::string& each) {
               return each == "*" || each == account || (!domain.empty() && each == domain);
           });
}

std::vector<Resource> resources_for(const LoginOrder& order) {
    std::vector<Resource> wanted;
    for (const Resource resource : protocol::kResources) {
        const auto& rules = order.config->access;
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

tl::expected<void, protocol::AgentFailure> choose_resources(LoginOrder& order,
                                                            const Json::Value& resources) {
    if (!resources.isArray() || resources.empty()) {
        return {};
    }
    order.resources.clear();
    for (const Json::Value& each : resources) {
        const auto resource =
            protocol::resource_from(each.isString() ? each.asString() : std::string());
        if (!resource) {
            return malformed("resources holds something else than smtp, imap, pop, graph");
        }
        if (!offers_resource(order.provider_config(), *resource)) {
            return malformed("provider '" + order.provider_config().name + "' has no tokens for " +
                             std::string(name_of(*resource)));
        }
        if (std::find(order.resources.begin(), order.resources.end(), *resource) ==
            order.resources.end()) {
            order.resources.push_back(*resource);
        }
    }
    return {};
}

}  // namespace

tl::expected<LoginOrder, protocol::AgentFailure> login_order(const Policy& policy,
                                                             const Json::Value& arguments,
                                                             bool has_store) {
    const std::string account = ascii_lower(string_argument(arguments, "account"));
    if (!is_account_name(account) || account.size() > kMaxAccountBytes || !is_plain_utf8(account)) {
        return malformed("account must be one address, such as alice@example.com");
    }
    const AccountRule* const rule = policy.accounts.find(account);
    if (rule == nullptr) {
        return Refusal(login_failure(FailureClass::UnknownAccount, FailureCode::NoAccount,
                                     "no [[account]] rule matches " + printable(account, 254)));
    }
    const AgentConfig& config = *policy.config;
    const ProviderConfig& provider = config.providers.at(rule->provider);
    if (rule->grant != Grant::Delegated) {
        return impossible(FailureCode::NotLoggedIn,
                          config.files.at(rule->file) + ":" + std::to_string(rule->line) +
                              ": the rule for " + printable(account, 80) + " has grant = \"" +
                              std::string(name_of(rule->grant)) +
                              "\", which takes no login. Write grant = \"delegated\" there or into "
                              "a rule of its own, then reload");
    }
    if (!has_store) {
        return impossible(FailureCode::StoreUnwritable,
                          "no store is configured, so a login could not be kept. Set store and "
                          "master_key in [agent], then restart the agent");
    }
    if (provider.client_id.empty()) {
        return impossible(
            FailureCode::InvalidClient,
            "provider '" + provider.name + "': client_id is not set. Add it, then reload");
    }
    LoginOrder order;
    order.config = policy.config;
    order.provider = rule->provider;
    order.account = account;
    order.login = rule->login.empty() ? account : ascii_lower(rule->login);
    order.resources = resources_for(order);
    return order;
}

tl::expected<void, protocol::AgentFailure> complete_order(LoginOrder& order,
                                                          const Json::Value& arguments) {
    const std::string flow = string_argument(arguments, "flow");
    if (flow != "device" && flow != "code") {
        return malformed("flow is neither device nor code");
    }
    order.flow = flow == "device" ? LoginFlow::Device : LoginFlow::Code;
    order.accept_user = flag_argument(arguments, "accept_user");
    if (order.flow == LoginFlow::Code) {
        const std::string& configured = order.provider_config().redirect_uri;
        order.redirect_uri = string_argument(arguments, "redirect_uri");
        if (!fits_redirect(order.redirect_uri, configured)) {
            return malformed("redirect_uri does not fit " +
                             (configured.empty() ? "http://localhost:PORT" : configured));
        }
    }
    return choose_resources(order, arguments["resources"]);
}

SecretArgument::SecretArgument(const Json::Value& arguments, const char* name) {
    const Json::Value& value = arguments[name];
    if (!value.isString() || !value.getString(&begin_, &end_)) {
        begin_ = end_ = nullptr;
    }
}

SecretArgument::~SecretArgument() {
    if (begin_ != nullptr) {
        // JsonCpp allocated these bytes for this value; only its interface makes them const.
        explicit_bzero(const_cast<char*>(begin_), static_cast<std::size_t>(end_ - begin_));
    }
}

std::string_view SecretArgument::view() const noexcept {
    return begin_ == nullptr ? std::string_view()
                             : std::string_view(begin_, static_cast<std::size_t>(end_ - begin_));
}

}  // namespace postbearer::agent
