// SPDX-License-Identifier: Apache-2.0
#pragma once

// `refresh` of the admin socket: one account, or all that a filter lets through, page by page.

#include <json/value.h>

#include <memory>
#include <string>
#include <vector>

#include "token-agent/policy.hh"
#include "token-agent/store/store_queue.hh"
#include "token-agent/token_keeper.hh"
#include "token-agent/token_service.hh"

namespace postbearer::agent {

class AdminRefresh {
public:
    AdminRefresh(TokenKeeper& keeper, StoreQueue* store) : keeper_(keeper), store_(store) {}

    void answer(std::shared_ptr<const Policy> policy, const Json::Value& arguments, Reply reply);

private:
    struct Job;
    void one(const std::shared_ptr<Job>& job, const std::string& account);
    void tokens(const std::shared_ptr<Job>& job, std::size_t first);
    void logins(const std::shared_ptr<Job>& job, const std::string& cursor);
    void start(const std::shared_ptr<Job>& job);

    TokenKeeper& keeper_;
    StoreQueue* store_;  // null: no store
};

/// The first resource that this provider has for this grant; smtp where it has it.
[[nodiscard]] Resource usual_resource(const ProviderConfig& provider, Grant grant);

}  // namespace postbearer::agent
