// SPDX-License-Identifier: Apache-2.0
#pragma once

// `status` of the admin socket: rules with the tokens and logins behind them, page by page. After
// the rules come the logins that only a pattern (@domain, *) covers.

#include <json/value.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "token-agent/admin_json.hh"
#include "token-agent/policy.hh"
#include "token-agent/store/store_queue.hh"
#include "token-agent/token_keeper.hh"
#include "token-agent/token_service.hh"

namespace postbearer::agent {

class AdminStatus {
public:
    AdminStatus(const TokenKeeper& keeper, StoreQueue* store) : keeper_(keeper), store_(store) {}

    /// `json` is the document so far. An empty account: all, from arguments' `cursor` on.
    void answer(std::shared_ptr<const Policy> policy, const Json::Value& arguments,
                Json::Value json, Reply reply) const;

private:
    struct Page;
    void one(const std::shared_ptr<Page>& page, const std::string& account) const;
    void rules(const std::shared_ptr<Page>& page, std::size_t first) const;
    void logins(const std::shared_ptr<Page>& page, const std::string& cursor) const;
    void fill(const std::shared_ptr<Page>& page) const;
    [[nodiscard]] Json::Value row(const Policy& policy, const AccountRule& rule,
                                  const std::string& shown_as,
                                  const std::optional<LoginNote>& login) const;

    const TokenKeeper& keeper_;
    StoreQueue* store_;  // null: no store
};

/// Fills `json["accounts"]` from `next` on with as many rows as one answer takes, and says in
/// `json["next_cursor"]` where it ended before `size`.
inline constexpr std::size_t kRowsPerPage = 1000;
/// A row of a provider in trouble holds long sentences, so bytes count too: half the limit leaves
/// room for the rest of the document.
inline constexpr std::size_t kBytesPerPage = protocol::kMaxAdminBytes / 2;

}  // namespace postbearer::agent
