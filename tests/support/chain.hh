// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/agent_process.hh"
#include "tests/support/dovecot_instance.hh"
#include "tests/support/programs.hh"
#include "tests/support/rehearsal_process.hh"
#include "tests/support/smtp_server.hh"
#include "tests/support/temp_dir.hh"

namespace postbearer::test {

inline constexpr const char* kTenant = "contoso.test";
inline constexpr const char* kClientId = "11111111-1111-1111-1111-111111111111";
inline constexpr const char* kRelayAccount = "relay@contoso.test";

struct ChainSettings {
    bool chroot = true;
    std::string mechanism = "xoauth2";  // or oauthbearer
    /// Who authenticates as itself, by sender; everybody else as kRelayAccount.
    std::vector<std::string> senders{};
    std::map<std::string, std::string> client_main{};  // over the snippet's settings
    std::vector<std::string> client_services{};
    std::vector<std::string> sasl_modules{};  // Debian's, beside the plugin
    std::map<std::string, std::string> server_main{};
    bool server_tls = true;
    bool server_auth_only_in_tls = true;
    bool trusted_certificate = true;
    std::string lifetime = "3600";  // of the tokens, seconds
    std::string client_json{};      // the whole registration, in place of the default one
    bool dovecot_judges = false;    // a real Dovecot says whether a token is good; it wants `upn`
    std::string dovecot_scope{};    // and this in the token's scope, unless empty
};

/// Client Postfix -> plugin -> agent -> rehearsal, and the server Postfix that asks the rehearsal
/// whether the token is good: what a user's host and Microsoft are together. The client has the
/// settings that our snippet documents.
class Chain {
public:
    explicit Chain(ChainSettings settings = {});

    /// Everything but the agent: for tests that bring their own, or change its settings first.
    void start_without_agent();
    /// The agent's settings, not yet written or started.
    Agent& prepare_agent();
    void start();
    /// Deliveries first, then what they need. Each must end well.
    void stop();

    [[nodiscard]] const Path& directory() const noexcept { return directory_.path(); }
    [[nodiscard]] Rehearsal& rehearsal() noexcept { return rehearsal_; }
    [[nodiscard]] SmtpServer& server() noexcept { return *server_; }
    [[nodiscard]] PostfixInstance& client() noexcept { return *client_; }
    [[nodiscard]] DovecotInstance& dovecot() noexcept { return *dovecot_; }
    [[nodiscard]] Agent& agent() noexcept { return *agent_; }
    [[nodiscard]] const Mailboxes& mailboxes() const noexcept { return server_->mailboxes(); }

    /// agent.sock below the client's queue directory, where the plugin looks.
    [[nodiscard]] Path agent_socket() const;
    /// One message of that Subject to alice@example.test unless named.
    void send(const std::string& subject, const std::string& sender = kRelayAccount,
              const std::string& recipient = "alice@example.test");
    /// `count` messages "PREFIX 1" ... each to one recipient.
    void send_many(const std::string& prefix, std::size_t count,
                   const std::string& sender = kRelayAccount,
                   const std::string& recipient = "alice@example.test");
    /// Nothing leaves until release(): then all of it is tried at once.
    void hold();
    void release() {
        lift_hold();
        client_->flush();
    }
    /// What was held stays deferred until somebody flushes.
    void lift_hold();
    /// Flushes again and again, each time all of it has been deferred, until `condition` holds.
    void flush_until(const std::string& what, const Condition& condition);
    /// Everything that is in the queue has been put off.
    [[nodiscard]] bool all_deferred() const;

private:
    void make_dovecot(const Json::Value& registration);
    void make_server();
    void make_client();
    [[nodiscard]] std::map<std::string, std::string> snippet() const;

    ChainSettings settings_;
    TempDir directory_;
    Rehearsal rehearsal_;
    std::unique_ptr<Agent> agent_;
    std::unique_ptr<DovecotInstance> dovecot_;
    std::unique_ptr<SmtpServer> server_;
    std::unique_ptr<PostfixInstance> client_;
};

}  // namespace postbearer::test
