// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/agent_process.hh"
#include "tests/support/dialogue.hh"
#include "tests/support/maildir.hh"
#include "tests/support/milter_process.hh"
#include "tests/support/port.hh"
#include "tests/support/postfix_instance.hh"
#include "tests/support/rehearsal_process.hh"
#include "tests/support/smtp_server.hh"
#include "tests/support/temp_dir.hh"

namespace postbearer::test {

/// Mail from here counts as submitted (trusted_clients); mail from 127.0.0.1 does not.
inline constexpr const char* kTrustedClient = "127.0.0.9";
inline constexpr const char* kSubmitter = "submitter@contoso.test";
inline constexpr const char* kSubmitterPassword = "open sesame";
inline constexpr const char* kLocalDomain = "local.test";

struct GraphChainSettings {
    /// Of main.cf, over what our snippet says.
    std::map<std::string, std::string> client_main{};
    /// Lines of master.cf.
    std::vector<std::string> client_services{};
    std::string graph_more{};   // lines of [graph]
    std::string milter_more{};  // lines of [milter]
    /// By default one route "contoso" for all senders of contoso.test.
    std::string routes{};
    /// Members of the registration in place of the default ones.
    std::string client_json{};
    /// -o options of the submission listener, each with a blank before it.
    std::string submission_options{};
};

/// Client Postfix with our snippet -> milter daemon -> rehearsal's Graph; relayed mail goes to a
/// second Postfix, mail for kLocalDomain stays. What reaches whom can be counted at each of the
/// three ends.
class GraphChain {
public:
    explicit GraphChain(GraphChainSettings settings = {});

    /// What start() starts, for tests that change something first.
    void prepare();
    void start();
    /// Deliveries first, then what they need. Each must end well.
    void stop();

    [[nodiscard]] const Path& directory() const noexcept { return directory_.path(); }
    [[nodiscard]] Rehearsal& rehearsal() noexcept { return rehearsal_; }
    [[nodiscard]] PostfixInstance& client() noexcept { return *client_; }
    [[nodiscard]] SmtpServer& relay() noexcept { return *relay_; }
    [[nodiscard]] Agent& agent() noexcept { return *agent_; }
    [[nodiscard]] MilterDaemon& milter() noexcept { return *milter_; }
    /// What the relay got, and what stayed on the host.
    [[nodiscard]] const Mailboxes& relayed() const noexcept { return relay_->mailboxes(); }
    [[nodiscard]] const Mailboxes& kept() const noexcept { return kept_; }

    [[nodiscard]] Path milter_socket() const;
    [[nodiscard]] Path lmtp_socket() const;
    [[nodiscard]] std::uint16_t submission_port() const noexcept { return port_.number(); }
    /// An open SMTP session that counts as submitted.
    [[nodiscard]] Dialogue trusted() const;
    /// One message by SMTP from the trusted client; the test fails unless Postfix takes it.
    void submit(const std::string& from, const std::vector<std::string>& to,
                const std::string& subject, const std::string& more_headers = {});
    /// Flushes again and again, each time all of it has been deferred, until `condition` holds.
    void flush_until(const std::string& what, const Condition& condition,
                     std::chrono::milliseconds patience = kPatience);

private:
    void make_agent();
    void make_milter();
    void make_client();

    GraphChainSettings settings_;
    TempDir directory_;
    Rehearsal rehearsal_;
    ReservedPort port_;
    std::unique_ptr<SmtpServer> relay_;
    std::unique_ptr<Agent> agent_;
    std::unique_ptr<MilterDaemon> milter_;
    std::unique_ptr<PostfixInstance> client_;
    Mailboxes kept_;
};

/// A message with From, To, Subject, Date and Message-ID.
[[nodiscard]] std::string plain_message(const std::string& from, const std::vector<std::string>& to,
                                        const std::string& subject,
                                        const std::string& more_headers = {},
                                        const std::string& body = "Hello from the rehearsal.\n");

}  // namespace postbearer::test
