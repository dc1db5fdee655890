// SPDX-License-Identifier: Apache-2.0
#pragma once

// GraphDelivery between an LMTP client and a Graph that are both made up.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "milter/delivery/graph_delivery.hh"
#include "tests/support/capture_log.hh"
#include "tests/support/manual_time.hh"
#include "tests/unit/milter/routing/config_texts.hh"

namespace postbearer::milter {

/// Keeps what it is given until the test answers.
class ScriptedSender final : public GraphSender {
public:
    void send(GraphMessage message, Done done) override {
        if (fault) {
            fault();
        }
        messages.push_back(std::move(message));
        dones.push_back(std::move(done));
    }
    void answer(std::size_t index, SendClass send_class, int code) {
        SendOutcome outcome;
        outcome.send_class = send_class;
        outcome.reply = {code, std::to_string(code / 100) + ".0.0", "graph says"};
        outcome.http_status = 202;
        outcome.request_id = "request";
        const Done done = std::exchange(dones.at(index), nullptr);
        done(outcome);
    }
    void accept(std::size_t index) { answer(index, SendClass::Done, 250); }
    void accept_all() {
        for (std::size_t i = 0; i < dones.size(); ++i) {
            if (dones[i]) {
                accept(i);
            }
        }
    }

    std::function<void()> fault;
    std::vector<GraphMessage> messages;
    std::vector<Done> dones;
};

/// What the LMTP client got.
struct Client {
    bool there = true;
    int calls = 0;
    std::vector<LmtpReply> replies;

    [[nodiscard]] std::string codes() const {
        std::string out;
        for (const LmtpReply& reply : replies) {
            out += (out.empty() ? "" : " ") + std::to_string(reply.code) + '/' + reply.enhanced;
        }
        return out;
    }
};
using ClientPtr = std::shared_ptr<Client>;

/// A message to the LMTP front; what a test leaves out is alice's mail to bob.
struct Mail {
    std::string from = "alice@contoso.com";
    std::vector<std::string> to{"bob@example.org"};
    std::string ident = "4cQ7lX0zZkz9rxN";
    std::string header = "From: alice@contoso.com\r\nTo: bob@example.org\r\n";
    std::string message_id = "<1@contoso.com>";  // empty: no such field
    std::uint64_t size = 2000;
    bool bare_line_feed = false;
};

struct DeliveryRoom {
    explicit DeliveryRoom(std::string_view text = kRules, Log* other_log = nullptr,
                          Ledger* other_ledger = nullptr)
        : config(config_of(text)),
          delivery({config, key, sender, other_ledger == nullptr ? ledger : *other_ledger, time,
                    other_log == nullptr ? static_cast<Log&>(log) : *other_log, kSessions}) {}

    static constexpr std::string_view kRules =
        "[milter]\nlocal_domains = [\"local.example\"]\n"
        "[[route]]\nname = \"contoso\"\nsender = [\"@contoso.com\"]\n";
    static constexpr std::size_t kSessions = 20;  // a tenth is 2, and 3 are with Graph

    ClientPtr deliver(const Mail& mail, bool there = true) {
        auto given = std::make_shared<Transaction>();
        given->mail_from = mail.from;
        given->recipients = mail.to;
        given->forwarded.ident = mail.ident;
        given->message.header = mail.header;
        if (!mail.message_id.empty()) {
            given->message.header += "Message-ID: " + mail.message_id + "\r\n";
        }
        given->message.header += "\r\n";
        given->message.size = mail.size;
        given->message.body_offset = given->message.header.size();
        given->message.bare_line_feed = mail.bare_line_feed;
        auto client = std::make_shared<Client>();
        client->there = there;
        delivery.deliver(std::move(given), [client](std::vector<LmtpReply> replies) {
            ++client->calls;
            client->replies = std::move(replies);
            return client->there;
        });
        return client;
    }
    [[nodiscard]] std::string stamp(const Mail& mail, Action action = Action::Graph,
                                    const std::string& mailbox = "stamped@contoso.com") const {
        const auto value = sign(key, {action, mail.ident, "chosen", mailbox}, mail.message_id);
        BOOST_REQUIRE(value.has_value());
        return "X-Postbearer-Route: " + *value + "\r\n";
    }
    [[nodiscard]] Mail stamped(Mail mail = {}, Action action = Action::Graph) const {
        mail.header = stamp(mail, action) + mail.header;
        return mail;
    }

    ConfigHolder config;
    RouteKey key{Secret(std::string(32, 'k'))};
    test::ManualTime time;
    test::CaptureLog log;
    MemoryLedger ledger{time};
    ScriptedSender sender;
    GraphDelivery delivery;
};

}  // namespace postbearer::milter
