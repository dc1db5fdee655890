// SPDX-License-Identifier: Apache-2.0
#include "token-agent/grants/service_account.hh"

#include <string>
#include <utility>

#include "common/text.hh"
#include "token-agent/credentials/service_account.hh"
#include "token-agent/providers.hh"
#include "token-agent/token_failure.hh"

namespace postbearer::agent {
namespace {

using protocol::FailureCode;

using Prepared = tl::expected<ExchangeRequest, FetchFailure>;

/// What `unauthorized_client` asks for, with the words of Google's admin console.
std::string delegation_advice(const ServiceAccount& account, const std::string& scope) {
    const std::string& id = account.facts().client_id;
    return "In the Google admin console under Security, API controls, domain-wide delegation, add "
           "client ID " +
           (id.empty() ? "of " + account.facts().client_email : id) + " with scope " + scope;
}

Prepared prepare(const FetchWish& wish, WallTime now) {
    const ProviderConfig& provider = wish.config->providers.at(wish.provider);
    AnswerContext context;
    context.provider = provider.name;
    context.grant = Grant::ServiceAccount;
    context.now = now;
    if (provider.service_account == nullptr) {
        return tl::unexpected(not_sent(FailureCode::InvalidClient,
                                       "service_account_key is not set. Add it, then reload",
                                       context));
    }
    const auto scopes = scopes_of(provider, wish.resource, Grant::ServiceAccount);
    if (!scopes) {
        return tl::unexpected(unanswered(scopes.error(), context));
    }
    std::string scope;
    for (const std::string& one : *scopes) {
        scope += (scope.empty() ? "" : " ") + one;
    }
    const ServiceAccount& account = *provider.service_account;
    ExchangeRequest request;
    request.config = wish.config;
    request.provider = wish.provider;
    request.grant = Grant::ServiceAccount;
    request.endpoint =
        provider.token_endpoint.empty() ? account.facts().token_uri : provider.token_endpoint;
    request.unauthorized_advice = delegation_advice(account, scope);
    auto assertion = make_service_assertion(account, wish.account, scope, now);
    if (!assertion) {
        return tl::unexpected(
            not_sent(FailureCode::InvalidClient, assertion.error().context, context));
    }
    request.fields.emplace_back("grant_type", kJwtBearerGrant);
    request.secret_fields.emplace_back("assertion",
                                       std::make_shared<const Secret>(std::move(*assertion)));
    return request;
}

}  // namespace

void ServiceAccountGrant::fetch(FetchWish wish, std::function<void(FetchResult)> done) {
    auto request = prepare(wish, services_.clock.wall());
    if (!request) {
        services_.scheduler.at(services_.clock.boot(),
                               [done = std::move(done), failure = std::move(request.error())] {
                                   done(tl::unexpected(failure));
                               });
        return;
    }
    services_.exchange.send(std::move(*request), [done = std::move(done)](ExchangeResult answer) {
        done(answer ? FetchResult(std::move(answer->token))
                    : FetchResult(tl::unexpected(std::move(answer.error()))));
    });
}

}  // namespace postbearer::agent
