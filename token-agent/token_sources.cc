// SPDX-License-Identifier: Apache-2.0
#include "token-agent/token_sources.hh"

#include "token-agent/grants/managed_identity.hh"

namespace postbearer::agent {

TokenSources::TokenSources(const Services& services,
                           const std::shared_ptr<const AgentConfig>& config)
    : exchange_({services.client, services.discovery, services.clock, services.scheduler,
                 &services.log, identity_host_of_this_machine()}),
      client_credentials_({exchange_, services.clock, services.scheduler}),
      service_account_({exchange_, services.clock, services.scheduler}),
      delegated_(services.store == nullptr ? nullptr
                                           : std::make_unique<Delegated>(Delegated::Services{
                                                 exchange_, *services.store, services.clock,
                                                 services.scheduler, services.log})),
      by_grant_({client_credentials_, delegated_.get(), service_account_}, services.clock,
                services.scheduler) {
    if (services.store == nullptr) {
        return;
    }
    stored_tokens_ = std::make_unique<StoredTokens>(
        StoredTokens::Services{by_grant_, *services.store, services.clock, services.log});
    keep_alive_ =
        std::make_unique<KeepAlive>(KeepAlive::Services{*services.store, by_grant_, services.clock,
                                                        services.scheduler, services.log},
                                    config);
}

void TokenSources::reload(const std::shared_ptr<const AgentConfig>& config) {
    if (keep_alive_ != nullptr) {
        keep_alive_->reload(config);
    }
}

TokenSource& TokenSources::source() noexcept {
    return stored_tokens_ != nullptr ? static_cast<TokenSource&>(*stored_tokens_) : by_grant_;
}

}  // namespace postbearer::agent
