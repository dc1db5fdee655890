// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth_policy.hh"
#include "behaviour.hh"
#include "client_registry.hh"
#include "google_accounts.hh"
#include "graph_room.hh"
#include "graph_state.hh"
#include "jwt.hh"
#include "login_state.hh"
#include "login_tokens.hh"
#include "managed_identity.hh"
#include "records.hh"
#include "room.hh"
#include "token_mint.hh"
#include "token_verifier.hh"

namespace postbearer::rehearsal {

/// Everything the fronts share: what the tests have ordered, what was seen, and the rooms that
/// answer. One thread only.
class Service {
public:
    /// `base_url` is "https://localhost:PORT"; `directory` takes the mail that is kept in files.
    Service(std::string base_url, const std::string& directory, SigningKey own, SigningKey foreign);
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    Service(Service&&) = delete;
    Service& operator=(Service&&) = delete;
    ~Service() = default;

    /// One request under way.
    struct Exchange {
        std::shared_ptr<RequestRecord> record;  // the front closes it when the answer is out
        std::shared_ptr<Visit> visit;           // and lets this go when the answer begins to leave
        std::optional<Behaviours::Taken> behaviour;
        BodyPlan plan;
    };
    /// `head` has no body yet.
    [[nodiscard]] Exchange begin(const HttpRequest& head, WallTime now);
    [[nodiscard]] HttpAnswer finish(Exchange& exchange, const HttpRequest& request, WallTime now);

    [[nodiscard]] const std::string& base_url() const { return base_url_; }
    [[nodiscard]] const SigningKey& key() const { return own_; }
    [[nodiscard]] ClientRegistry& clients() { return clients_; }
    [[nodiscard]] Behaviours& behaviours() { return behaviours_; }
    [[nodiscard]] Records& records() { return records_; }
    [[nodiscard]] TokenMint& mint() { return mint_; }
    [[nodiscard]] AuthPolicy& auth_policy() { return auth_policy_; }
    [[nodiscard]] TokenVerifier& verifier() { return verifier_; }
    [[nodiscard]] GraphState& graph() { return graph_; }
    [[nodiscard]] std::vector<ServiceAccount>& google_accounts() { return google_accounts_; }
    [[nodiscard]] ManagedIdentities& identities() { return identities_; }
    [[nodiscard]] LoginState& logins() { return logins_; }

private:
    [[nodiscard]] Room* find_room(const HttpRequest& request, RequestRecord& record) const;

    std::string base_url_;
    SigningKey own_;
    SigningKey foreign_;
    ClientRegistry clients_;
    Behaviours behaviours_;
    Records records_;
    AuthPolicy auth_policy_;
    TokenMint mint_;
    LoginState logins_;
    LoginTokens login_tokens_;
    std::vector<ServiceAccount> google_accounts_;
    ManagedIdentities identities_;
    TokenVerifier verifier_;
    GraphState graph_;
    GraphRoom graph_room_;
    std::vector<std::unique_ptr<Room>> rooms_;
};

}  // namespace postbearer::rehearsal
