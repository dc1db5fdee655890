// SPDX-License-Identifier: Apache-2.0
#include "tests/support/chain.hh"

#include <algorithm>

namespace postbearer::test {

Chain::Chain(ChainSettings settings)
    : settings_(std::move(settings)),
      rehearsal_(Programs::rehearsal(), directory_ / "rehearsal", directory_ / "auth.sock") {}

Path Chain::agent_socket() const { return directory_ / "client/spool/run/postbearer/agent.sock"; }

void Chain::start_without_agent() {
    rehearsal_.start();
    const Json::Value registration = rehearsal_.put_client(
        kClientId,
        json_of(!settings_.client_json.empty()
                    ? settings_.client_json
                    : R"({"tenant":"contoso.test","mailboxes":["*@contoso.test"],)"
                      R"("secrets":[{"value":"correct horse battery staple"}],"lifetime":)" +
                          settings_.lifetime + "}"));
    if (settings_.dovecot_judges) {
        make_dovecot(registration);
    }
    make_server();
    make_client();
    server_->start();
    client_->start();
}

void Chain::start() {
    start_without_agent();
    prepare_agent().start();
}

void Chain::stop() {
    client_->stop();
    server_->stop();
    if (agent_ && agent_->running()) {
        agent_->stop();
    }
    if (dovecot_) {
        dovecot_->stop();
    }
    rehearsal_.stop();
}

Agent& Chain::prepare_agent() {
    AgentSettings agent;
    agent.directory = directory_ / "agent";
    agent.sockets = {agent_socket()};
    agent.ca_file = rehearsal_.ca_file();
    AgentProvider provider;
    provider.tenant = kTenant;
    provider.client_id = kClientId;
    provider.token_endpoint = rehearsal_.token_endpoint(kTenant);
    agent.providers = {provider};
    AgentAccount account;
    account.match = "@contoso.test";
    agent.accounts = {account};
    agent_ = std::make_unique<Agent>(Programs::agent(), std::move(agent));
    return *agent_;
}

void Chain::make_dovecot(const Json::Value& registration) {
    DovecotSettings dovecot;
    dovecot.directory = directory_ / "dovecot";
    dovecot.certificate = rehearsal_.certificate();
    dovecot.key = rehearsal_.key();
    dovecot.issuer = registration["issuer"].asString();
    dovecot.audience_or_scope = settings_.dovecot_scope;
    dovecot_ = std::make_unique<DovecotInstance>(std::move(dovecot));
    dovecot_->trust(kClientId, registration["kid"].asString(), rehearsal_.jwt_public_key());
    dovecot_->start();
}

void Chain::make_server() {
    SmtpServerSettings server;
    server.directory = directory_ / "server";
    if (settings_.server_tls) {
        server.certificate = settings_.trusted_certificate ? rehearsal_.certificate()
                                                           : rehearsal_.other_certificate();
        server.key = settings_.trusted_certificate ? rehearsal_.key() : rehearsal_.other_key();
    }
    server.auth_socket = dovecot_ ? dovecot_->auth_socket() : rehearsal_.auth_socket();
    server.auth_only_in_tls = settings_.server_auth_only_in_tls;
    server.main = settings_.server_main;
    server_ = std::make_unique<SmtpServer>(std::move(server));
}

/// design 4.5, as in conf/.
std::map<std::string, std::string> Chain::snippet() const {
    return {
        {"relayhost", server_->nexthop()},
        {"smtp_sasl_auth_enable", "yes"},
        {"smtp_sender_dependent_authentication", "yes"},
        {"smtp_sasl_password_maps", "texthash:" + (directory_ / "client/etc/sasl_passwd").string()},
        {"smtp_sasl_mechanism_filter", settings_.mechanism},
        {"smtp_tls_security_level", "secure"},
        {"smtp_tls_CAfile", rehearsal_.ca_file()},
        {"smtp_sasl_tls_verified_security_options", "noanonymous"},
        {"smtp_destination_concurrency_failed_cohort_limit", "0"}};
}

void Chain::make_client() {
    std::string passwords = server_->nexthop() + " " + kRelayAccount + "\n";
    for (const std::string& sender : settings_.senders) {
        passwords += sender + " " + sender + "\n";
    }
    write_file(directory_ / "client/etc/sasl_passwd", passwords, 0600);
    PostfixSettings client;
    client.directory = directory_ / "client";
    client.name = "client";
    client.chroot = settings_.chroot;
    client.sasl_path = make_sasl_directory(directory_ / "sasl2", settings_.sasl_modules);
    client.main = snippet();
    for (const auto& [name, value] : settings_.client_main) {
        client.main[name] = value;
    }
    client.services = settings_.client_services;
    make_directory(agent_socket().parent_path());
    client_ = std::make_unique<PostfixInstance>(std::move(client));
}

void Chain::send(const std::string& subject, const std::string& sender,
                 const std::string& recipient) {
    client_->send({.sender = sender, .recipients = {recipient}, .subject = subject});
}

void Chain::send_many(const std::string& prefix, std::size_t count, const std::string& sender,
                      const std::string& recipient) {
    for (std::size_t i = 1; i <= count; ++i) {
        send(prefix + " " + std::to_string(i), sender, recipient);
    }
}

void Chain::hold() {
    client_->set("defer_transports", "smtp");
    client_->reload();
}

bool Chain::all_deferred() const {
    const std::vector<QueuedMail> queue = client_->queue();
    return std::all_of(queue.begin(), queue.end(),
                       [](const QueuedMail& mail) { return mail.queue_name == "deferred"; });
}

void Chain::lift_hold() {
    wait_until("all of it to be held", [this] { return all_deferred(); });
    client_->set("defer_transports", "");
    client_->reload();
}

void Chain::flush_until(const std::string& what, const Condition& condition) {
    wait_until(what, [&] {
        if (condition()) {
            return true;
        }
        if (all_deferred()) {
            client_->flush();
        }
        return false;
    });
}

}  // namespace postbearer::test
