// SPDX-License-Identifier: Apache-2.0
#include "tests/support/graph_chain.hh"

#include <unistd.h>

#include <algorithm>

#include "tests/support/chain.hh"
#include "tests/support/failure.hh"
#include "tests/support/programs.hh"

namespace postbearer::test {
namespace {

constexpr uid_t kMailUid = 5000;  // virtual(8) needs a number, no account
constexpr const char* kMilterInQueue = "unix:run/postbearer/milter.sock";

/// design 4.6, as in conf/master.cf.graph.
constexpr const char* kGraphTransport =
    "graph unix - - n - 200 lmtp -o syslog_name=postfix/graph -o lmtp_sasl_auth_enable=no "
    "-o lmtp_tls_security_level=none -o lmtp_send_xforward_command=yes "
    "-o lmtp_line_length_limit=0 -o lmtp_fallback_relay= -o lmtp_generic_maps=$smtp_generic_maps";

constexpr const char* kOneRoute = "[[route]]\nname = \"contoso\"\nsender = [\"@contoso.test\"]\n";

}  // namespace

GraphChain::GraphChain(GraphChainSettings settings)
    : settings_(std::move(settings)),
      rehearsal_(Programs::rehearsal(), directory_ / "rehearsal", directory_ / "auth.sock"),
      kept_(directory_ / "kept" / "all") {}

Path GraphChain::milter_socket() const {
    return directory_ / "client/spool/run/postbearer/milter.sock";
}

Path GraphChain::lmtp_socket() const {
    return directory_ / "client/spool/run/postbearer/graph.sock";
}

void GraphChain::prepare() {
    rehearsal_.start();
    (void)rehearsal_.put_client(
        kClientId,
        json_of(!settings_.client_json.empty()
                    ? settings_.client_json
                    : R"({"tenant":"contoso.test","mailboxes":["*@contoso.test"],)"
                      R"("roles":["Mail.Send"],)"
                      R"("secrets":[{"value":"correct horse battery staple"}],"lifetime":3600})"));
    rehearsal_.set_auth_policy(std::string(R"({"mechanisms":["PLAIN"],"passwords":{")") +
                               kSubmitter + R"(":")" + kSubmitterPassword + R"("}})");
    SmtpServerSettings relay;
    relay.directory = directory_ / "relay";
    relay.name = "relay";
    relay_ = std::make_unique<SmtpServer>(std::move(relay));
    make_agent();
    make_client();
    make_milter();
}

void GraphChain::start() {
    prepare();
    relay_->start();
    agent_->start();
    client_->start();
    milter_->start();
}

void GraphChain::stop() {
    client_->stop();
    relay_->stop();
    if (milter_->running()) {
        milter_->stop();
    }
    if (agent_->running()) {
        agent_->stop();
    }
    rehearsal_.stop();
}

void GraphChain::make_agent() {
    AgentSettings agent;
    agent.directory = directory_ / "agent";
    agent.sockets = {directory_ / "agent.sock"};
    agent.ca_file = rehearsal_.ca_file();
    AgentProvider provider;
    provider.tenant = kTenant;
    provider.client_id = kClientId;
    provider.token_endpoint = rehearsal_.token_endpoint(kTenant);
    agent.providers = {provider};
    AgentAccount account;
    account.match = "@contoso.test";
    agent.accounts = {account};
    AgentAccess access;
    access.subject = "uid = " + std::to_string(::geteuid());
    access.resources = "[\"graph\"]";
    agent.access = {access};
    agent_ = std::make_unique<Agent>(Programs::agent(), std::move(agent));
}

void GraphChain::make_milter() {
    MilterSettings milter;
    milter.directory = directory_ / "milter";
    milter.milter_socket = milter_socket();
    milter.lmtp_socket = lmtp_socket();
    milter.agent_socket = directory_ / "agent.sock";
    milter.endpoint = rehearsal_.base_url();
    milter.ca_file = rehearsal_.ca_file();
    milter.milter_more = std::string("trusted_clients = [\"") + kTrustedClient +
                         "/32\"]\nlocal_domains = [\"" + kLocalDomain + "\"]\n" +
                         settings_.milter_more;
    milter.graph_more = settings_.graph_more;
    milter.routes = settings_.routes.empty() ? kOneRoute : settings_.routes;
    milter_ = std::make_unique<MilterDaemon>(Programs::milter(), std::move(milter));
}

void GraphChain::make_client() {
    write_file(directory_ / "client/etc/milter_header_checks",
               "/^X-Postbearer-Route:[[:space:]]*graph;/ FILTER "
               "graph:unix:run/postbearer/graph.sock\n");
    write_file(directory_ / "client/etc/smtp_header_checks", "/^X-Postbearer-Route:/ IGNORE\n");
    make_directory(directory_ / "kept", 0700);
    if (::chown((directory_ / "kept").c_str(), kMailUid, kMailUid) != 0) {
        fail_errno("cannot give the mail directory away");
    }
    const std::string etc = (directory_ / "client/etc").string();
    PostfixSettings client;
    client.directory = directory_ / "client";
    client.name = "client";
    client.main = {{"relayhost", relay_->nexthop()},
                   {"smtp_header_checks", "regexp:" + etc + "/smtp_header_checks"},
                   {"milter_header_checks", "regexp:" + etc + "/milter_header_checks"},
                   {"non_smtpd_milters", kMilterInQueue},
                   {"milter_default_action", "tempfail"},
                   {"graph_destination_recipient_limit", "1000"},
                   {"graph_destination_concurrency_limit", "200"},
                   {"graph_initial_destination_concurrency", "200"},
                   {"graph_destination_concurrency_failed_cohort_limit", "0"},
                   {"minimal_backoff_time", "5s"},
                   {"maximal_backoff_time", "10s"},
                   {"queue_run_delay", "5s"},
                   {"smtpd_sasl_type", "dovecot"},
                   {"smtpd_sasl_path", rehearsal_.auth_socket()},
                   {"smtpd_relay_restrictions",
                    "permit_mynetworks, permit_sasl_authenticated, "
                    "reject"},
                   {"smtpd_client_connection_count_limit", "0"},
                   {"smtpd_recipient_limit", "2000"},
                   {"virtual_mailbox_domains", kLocalDomain},
                   {"virtual_mailbox_base", (directory_ / "kept").string()},
                   {"virtual_mailbox_maps", "static:all/"},
                   {"virtual_uid_maps", "static:" + std::to_string(kMailUid)},
                   {"virtual_gid_maps", "static:" + std::to_string(kMailUid)}};
    for (const auto& [name, value] : settings_.client_main) {
        client.main[name] = value;
    }
    client.services = {kGraphTransport,
                       "127.0.0.1:" + std::to_string(port_.number()) +
                           " inet n - n - 100 smtpd -o smtpd_milters=" + kMilterInQueue +
                           " -o smtpd_sasl_auth_enable=yes" + settings_.submission_options};
    client.services.insert(client.services.end(), settings_.client_services.begin(),
                           settings_.client_services.end());
    client_ = std::make_unique<PostfixInstance>(std::move(client));
}

Dialogue GraphChain::trusted() const {
    Dialogue session = Dialogue::tcp(port_.number(), kTrustedClient);
    session.open_smtp();
    return session;
}

void GraphChain::submit(const std::string& from, const std::vector<std::string>& to,
                        const std::string& subject, const std::string& more_headers) {
    const std::string answer =
        trusted().send(from, to, plain_message(from, to, subject, more_headers));
    if (!answer.starts_with("250")) {
        fail("Postfix did not take " + subject + ": " + answer);
    }
}

void GraphChain::flush_until(const std::string& what, const Condition& condition,
                             std::chrono::milliseconds patience) {
    wait_until(
        what,
        [&] {
            if (condition()) {
                return true;
            }
            const std::vector<QueuedMail> queue = client_->queue();
            if (std::all_of(queue.begin(), queue.end(),
                            [](const QueuedMail& mail) { return mail.queue_name == "deferred"; })) {
                client_->flush();
            }
            return false;
        },
        patience);
}

std::string plain_message(const std::string& from, const std::vector<std::string>& to,
                          const std::string& subject, const std::string& more_headers,
                          const std::string& body) {
    static unsigned number = 0;
    std::string names;
    for (const std::string& recipient : to) {
        names += (names.empty() ? "" : ",\n ") + recipient;
    }
    return "From: " + from + "\nTo: " + names + "\nSubject: " + subject +
           "\nDate: Sat, 21 Nov 2026 08:00:00 +0000\nMessage-ID: <" + std::to_string(::getpid()) +
           "." + std::to_string(++number) + "@test.contoso.test>\n" + more_headers + "\n" + body;
}

}  // namespace postbearer::test
