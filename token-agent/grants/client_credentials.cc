// SPDX-License-Identifier: Apache-2.0
#include "token-agent/grants/client_credentials.hh"

#include <string>
#include <utility>

#include "token-agent/providers.hh"
#include "token-agent/token_failure.hh"

namespace postbearer::agent {

void ClientCredentials::fetch(FetchWish wish, std::function<void(FetchResult)> done) {
    const ProviderConfig& provider = wish.config->providers.at(wish.provider);
    const auto scopes = scopes_of(provider, wish.resource, Grant::ClientCredentials);
    if (!scopes) {
        AnswerContext context;
        context.provider = provider.name;
        services_.scheduler.at(
            services_.clock.boot(),
            [done = std::move(done), failure = unanswered(scopes.error(), context)] {
                done(tl::unexpected(failure));
            });
        return;
    }
    ExchangeRequest request;
    request.config = std::move(wish.config);
    request.provider = wish.provider;
    request.grant = Grant::ClientCredentials;
    request.fields.emplace_back("grant_type", "client_credentials");
    for (const std::string& scope : *scopes) {
        request.scope += (request.scope.empty() ? "" : " ") + scope;
    }
    services_.exchange.send(std::move(request), [done = std::move(done)](ExchangeResult answer) {
        done(answer ? FetchResult(std::move(answer->token))
                    : FetchResult(tl::unexpected(std::move(answer.error()))));
    });
}

}  // namespace postbearer::agent
