// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "milter/graph/graph_client.hh"
#include "tests/support/capture_log.hh"
#include "tests/support/manual_time.hh"
#include "tests/support/scripted_http.hh"
#include "tests/unit/milter/graph/spooled.hh"

namespace postbearer::test {

constexpr const char* kToken = "S3ntinel.Token";

/// Hands out tokens with fingerprints that count up, at once, and keeps what it was told.
class CountingTokens final : public milter::TokenAsker {
public:
    void ask(const std::string& mailbox, Done done) override {
        asked.push_back(mailbox);
        if (hold) {
            held.push_back(std::move(done));
            return;
        }
        if (fails) {
            done(tl::unexpected(*fails));
            return;
        }
        done(grant());
    }
    void rejected(const std::string& mailbox, const std::string& fingerprint,
                  const std::string& detail, const std::string& claims,
                  std::function<void()> done) override {
        reports.push_back(mailbox + "|" + fingerprint + "|" + detail + "|" + claims);
        if (renews) {
            ++number;
        }
        done();
    }
    [[nodiscard]] protocol::TokenGrant grant() const {
        protocol::TokenGrant made;
        made.token = Secret(kToken + std::to_string(number));
        made.fingerprint = "0000000" + std::to_string(number);
        return made;
    }

    int number = 1;
    bool renews = true;
    bool hold = false;
    std::optional<protocol::AgentFailure> fails;
    std::vector<std::string> asked;
    std::vector<std::string> reports;
    std::vector<Done> held;
};

inline std::shared_ptr<milter::GraphSettings> graph_settings() {
    auto made = std::make_shared<milter::GraphSettings>();
    made->endpoint = "https://graph.microsoft.com";
    return made;
}

/// A client with a scripted Graph.
struct ClientRoom {
    struct Sent {
        bool done = false;
        milter::SendOutcome outcome;
    };

    std::shared_ptr<Sent> send(const std::string& mailbox = "svc@contoso.com",
                               const std::string& body = "Hello\r\n") {
        auto sent = std::make_shared<Sent>();
        milter::GraphMessage message;
        message.mailbox = mailbox;
        message.header = "From: svc@contoso.com\r\n\r\n";
        message.of = spooled("From: old\r\n\r\n", body);
        message.queue_id = "4XyZ";
        client->send(std::move(message), [sent](milter::SendOutcome outcome) {
            BOOST_TEST(!sent->done);  // once
            sent->done = true;
            sent->outcome = std::move(outcome);
        });
        BOOST_TEST(!sent->done);  // later
        return sent;
    }

    /// Sends one message, lets the script run, and looks for what no reply or log line may hold.
    milter::SendOutcome outcome_of(const std::string& mailbox = "svc@contoso.com") {
        const auto sent = send(mailbox);
        http.run();
        time.run_due();
        BOOST_REQUIRE(sent->done);
        check(sent->outcome);
        return sent->outcome;
    }
    void check(const milter::SendOutcome& outcome) const {
        const milter::LmtpReply& reply = outcome.reply;
        BOOST_TEST_CONTEXT(reply.code << ' ' << reply.enhanced << ' ' << reply.text) {
            BOOST_TEST(reply.enhanced.substr(0, 1) == std::to_string(reply.code / 100));
            BOOST_TEST(is_plain_utf8(reply.text));
            BOOST_TEST(reply.text.find("S3ntinel") == std::string::npos);
            BOOST_TEST((reply.text.find("may have been sent") != std::string::npos) ==
                       (outcome.send_class == milter::SendClass::InDoubt));
        }
        BOOST_TEST(log.count("S3ntinel") == 0U);
    }

    [[nodiscard]] static std::string status_of(const milter::SendOutcome& outcome) {
        return std::to_string(outcome.reply.code) + " " + outcome.reply.enhanced;
    }

    ManualTime time;
    ScriptedHttp http;
    CountingTokens tokens;
    CaptureLog log;
    std::unique_ptr<milter::GraphClient> client =
        std::make_unique<milter::GraphClient>(http, tokens, time, time, log, graph_settings());
};

}  // namespace postbearer::test
