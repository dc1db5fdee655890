// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "auth_policy.hh"
#include "behaviour.hh"
#include "client_registry.hh"
#include "jwt.hh"
#include "records.hh"
#include "room.hh"
#include "token_mint.hh"

namespace postbearer::rehearsal {

/// Everything the fronts share: what the tests have ordered, what was seen, and the rooms that
/// answer. One thread only.
class Service {
public:
    /// `base_url` is "https://localhost:PORT".
    Service(std::string base_url, SigningKey own, SigningKey foreign);
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    Service(Service&&) = delete;
    Service& operator=(Service&&) = delete;
    ~Service() = default;

    struct Handled {
        std::shared_ptr<RequestRecord> record;  // the front closes it when the answer is out
        HttpAnswer answer;
    };
    [[nodiscard]] Handled handle(const HttpRequest& request, WallTime now);

    [[nodiscard]] const std::string& base_url() const { return base_url_; }
    [[nodiscard]] const SigningKey& key() const { return own_; }
    [[nodiscard]] ClientRegistry& clients() { return clients_; }
    [[nodiscard]] Behaviours& behaviours() { return behaviours_; }
    [[nodiscard]] Records& records() { return records_; }
    [[nodiscard]] TokenMint& mint() { return mint_; }
    [[nodiscard]] AuthPolicy& auth_policy() { return auth_policy_; }

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
    std::vector<std::unique_ptr<Room>> rooms_;
};

}  // namespace postbearer::rehearsal
