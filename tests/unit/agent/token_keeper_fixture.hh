// SPDX-License-Identifier: Apache-2.0
#pragma once

// A TokenKeeper with time turned by hand and a provider that answers when the test says so.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/support/capture_log.hh"
#include "tests/support/client_secret.hh"
#include "tests/support/manual_time.hh"
#include "tests/support/scripted_source.hh"
#include "token-agent/token_keeper.hh"

namespace postbearer::agent {

inline ProviderConfig provider_named(const std::string& name, std::string_view secret = "secret") {
    ProviderConfig provider;
    provider.name = name;
    provider.type = ProviderType::Oidc;
    provider.client_id = "client of " + name;
    provider.token_endpoint = "https://idp.test/" + name;
    test::set_client_secret(provider, secret);
    return provider;
}

inline AgentConfig config_with(const std::vector<std::string>& providers) {
    AgentConfig config;
    for (const std::string& name : providers) {
        config.providers.push_back(provider_named(name));
    }
    return config;
}

/// What one caller of get() or refresh() was told, and how often.
struct Outcome {
    int calls = 0;
    std::optional<KeeperAnswer> answer;

    [[nodiscard]] bool ok() const { return calls == 1 && answer->has_value(); }
    [[nodiscard]] bool failed(protocol::FailureClass failure_class,
                              protocol::FailureCode code) const {
        return calls == 1 && !answer->has_value() &&
               answer->error().answer.failure_class == failure_class &&
               answer->error().answer.code == code;
    }
    [[nodiscard]] bool transient(protocol::FailureCode code) const {
        return failed(protocol::FailureClass::Transient, code);
    }
    [[nodiscard]] std::string token() const {
        return ok() ? std::string((*answer)->token->token.reveal()) : "none";
    }
    [[nodiscard]] milliseconds left() const { return ok() ? (*answer)->left : milliseconds(-1); }
};

struct KeeperRoom {
    using Shown = std::shared_ptr<Outcome>;

    explicit KeeperRoom(AgentConfig config = config_with({"contoso"})) { open(std::move(config)); }

    void open(AgentConfig config) {
        keeper.emplace(TokenKeeper::Services{time, time, source, log, [this] { return jitter; }},
                       std::make_shared<const AgentConfig>(std::move(config)));
    }
    void reload(AgentConfig config) {
        keeper->reload(std::make_shared<const AgentConfig>(std::move(config)));
    }

    static TokenWish wish(seconds min_valid = seconds(300), bool is_explicit = false,
                          milliseconds wait = protocol::kDefaultWait) {
        TokenWish result;
        result.min_valid = min_valid;
        result.min_valid_explicit = is_explicit;
        result.wait = wait;
        return result;
    }
    Shown get(const TokenWish& wanted = wish()) {
        auto shown = std::make_shared<Outcome>();
        keeper->get(wanted, [shown](KeeperAnswer answer) {
            ++shown->calls;
            shown->answer.emplace(std::move(answer));
        });
        return shown;
    }
    Shown refresh(Resource resource = Resource::Smtp) {
        auto shown = std::make_shared<Outcome>();
        TokenOwner owner;
        owner.resource = resource;
        keeper->refresh(owner, [shown](KeeperAnswer answer) {
            ++shown->calls;
            shown->answer.emplace(std::move(answer));
        });
        return shown;
    }
    /// A keeper that holds `token`.
    void stock(std::string_view token = "first", seconds life = seconds(3600)) {
        (void)get();
        source.give(token, life);
    }
    [[nodiscard]] TokenStatus only_status() const { return keeper->status().at(0); }

    test::ManualTime time;
    test::ScriptedSource source;
    test::CaptureLog log;
    double jitter = 0.999;
    std::optional<TokenKeeper> keeper;
};

}  // namespace postbearer::agent
