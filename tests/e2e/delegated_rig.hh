// SPDX-License-Identifier: Apache-2.0
#pragma once

// The agent and the rehearsal's sign-in side, without any Postfix: logins, tokens, restarts.

#include <json/value.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/agent_rig.hh"
#include "tests/support/agent_process.hh"
#include "tests/support/chain.hh"
#include "tests/support/programs.hh"
#include "tests/support/rehearsal_process.hh"
#include "tests/support/temp_dir.hh"

namespace postbearer::test {

/// An application alone, beside the logins: it must go on whatever happens to the store.
inline constexpr const char* kAppOnlyAccount = "relay@app.test";
inline constexpr const char* kAliceUser = "alice@contoso.test";
inline constexpr const char* kBobUser = "bob@contoso.test";
inline constexpr const char* kCarol = "carol@contoso.test";

struct DelegatedSettings {
    /// Of the rehearsal: lenient (the old refresh token stays good), strict (single use, the family
    /// is revoked when one comes back), none.
    std::string rotation = "lenient";
    int lifetime = 3600;            // of access tokens, seconds
    std::string agent_more{};       // further lines of [agent]
    std::string provider_more{};    // further lines of the provider
    bool device_slow_down = false;  // one slow_down where it was not called for, interval 1
};

using AttributeMap = std::map<std::string, std::string>;

/// The attributes of an answer on one of the agent's sockets; empty where there was none.
[[nodiscard]] AttributeMap attributes_of(const std::string& answer);

/// Provider "rehearsal" (microsoft, a public client) for delegated @contoso.test, provider "app"
/// for kAppOnlyAccount. Root may have all tokens.
class DelegatedRig {
public:
    explicit DelegatedRig(DelegatedSettings settings = {});

    [[nodiscard]] const Path& directory() const noexcept { return directory_.path(); }
    [[nodiscard]] Rehearsal& rehearsal() noexcept { return rehearsal_; }
    [[nodiscard]] Agent& agent() noexcept { return *agent_; }

    /// Starts it; whether it came to serve before it ended.
    [[nodiscard]] bool serves() const;

    /// A refresh token of a login that never was.
    [[nodiscard]] std::string mint(const std::string& user) const;
    /// mint(), and the agent is told. What it answered.
    Json::Value log_in(const std::string& account) const;
    Json::Value import_token(const std::string& account, const std::string& refresh_token) const;

    /// One request on agent.sock over a connection of its own; none where it ended first.
    [[nodiscard]] AttributeMap token(const std::string& account,
                                     const std::string& resource = "smtp",
                                     const std::string& more = "") const;
    /// status=ok, or the test fails.
    AttributeMap good_token(const std::string& account, const std::string& resource = "smtp") const;
    /// On admin.sock, whatever it answers.
    [[nodiscard]] AttributeMap admin(const std::string& request,
                                     const Json::Value& arguments = Json::objectValue) const;
    /// Its document; a refusal fails the test.
    Json::Value admin_ok(const std::string& request,
                         const Json::Value& arguments = Json::objectValue) const;
    /// Renews now; whether that worked.
    [[nodiscard]] bool refreshes(const std::string& account) const;
    /// The row of `status` of one account.
    [[nodiscard]] Json::Value status_of(const std::string& account) const;
    /// postbearer VERB ... --config of this agent.
    [[nodiscard]] Finished cli(std::vector<std::string> words, const std::string& input = "") const;

    /// What sqlite3(1) says about the store; the agent must not run.
    std::string sql(const std::string& statements) const;
    /// A copy of the store, opened and checked while the agent's own is left as it is.
    [[nodiscard]] bool store_is_intact() const;

private:
    TempDir directory_{"pb-login"};
    DelegatedSettings settings_;
    Rehearsal rehearsal_;
    std::unique_ptr<Agent> agent_;
};

}  // namespace postbearer::test
