// SPDX-License-Identifier: Apache-2.0
#include "sasl-plugin/client.hh"

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <optional>

#include "tests/support/sasl_host.hh"

using namespace std::chrono_literals;
using postbearer::BootClock;
using postbearer::BootTime;
using postbearer::Errc;
using postbearer::Result;
using postbearer::Secret;
using postbearer::sasl::Agent;
using postbearer::sasl::Client;
using postbearer::sasl::Limits;
using postbearer::sasl::Mechanism;
using postbearer::test::SaslHost;
namespace protocol = postbearer::protocol;

namespace {

constexpr char kChallenge[] = R"({"status":"400","schemes":"Bearer","scope":"https://mail"})";

/// Answers what it is told and records what it was asked.
class FakeAgent final : public Agent {
public:
    std::optional<postbearer::Error> unreachable;
    std::optional<protocol::AgentFailure> failure;
    std::string user = "alice@example.test";
    std::string bearer = "tok.en";

    std::vector<std::string> sockets;
    std::vector<protocol::TokenRequest> requests;
    std::vector<protocol::RejectedReport> reports;
    std::chrono::milliseconds token_time{0};
    std::chrono::milliseconds report_time{0};

    Result<protocol::TokenAnswer> token_answer() const {
        if (unreachable) {
            return tl::unexpected(*unreachable);
        }
        if (failure) {
            return protocol::TokenAnswer(tl::unexpect, *failure);
        }
        protocol::TokenGrant grant;
        grant.token = Secret(bearer);
        grant.user = user;
        grant.fingerprint = "9f1c22ab";
        return protocol::TokenAnswer(std::move(grant));
    }
    Result<protocol::TokenAnswer> token(const std::vector<std::string>& where,
                                        protocol::TokenRequest request,
                                        BootTime deadline) override {
        sockets = where;
        requests.push_back(std::move(request));
        token_time = deadline - BootClock::now();
        return token_answer();
    }
    void report_rejected(const std::vector<std::string>& /*where*/,
                         const protocol::RejectedReport& report, BootTime deadline) override {
        reports.push_back(report);
        report_time = deadline - BootClock::now();
    }
};

struct Fixture {
    SaslHost host;
    FakeAgent agent;
    Client xoauth2{Mechanism::Xoauth2, Limits{}, agent};
    Client oauthbearer{Mechanism::Oauthbearer, Limits{}, agent};
    sasl_interact_t* prompts = nullptr;
    std::string output;

    int step(Client& client, std::string_view challenge = {}) {
        std::string_view bytes;
        const int code = client.step(host.params(), challenge, &prompts, bytes, host.out_params());
        output = bytes;
        BOOST_TEST(host.out_params().doneflag == 0U);
        return code;
    }
};

struct ClassRow {
    protocol::FailureClass failure_class;
    int code;
};
std::ostream& operator<<(std::ostream& out, const ClassRow& row) {
    return out << name_of(row.failure_class);
}
constexpr ClassRow kClasses[] = {
    {protocol::FailureClass::Transient, SASL_UNAVAIL},
    {protocol::FailureClass::NeedsUser, SASL_EXPIRED},
    {protocol::FailureClass::NeedsAdmin, SASL_BADAUTH},
    {protocol::FailureClass::Denied, SASL_NOAUTHZ},
    {protocol::FailureClass::UnknownAccount, SASL_NOUSER},
    {protocol::FailureClass::BadRequest, SASL_BADPROT},
};

struct ErrorRow {
    const char* name;
    Errc error;
    int code;
};
std::ostream& operator<<(std::ostream& out, const ErrorRow& row) { return out << row.name; }
constexpr ErrorRow kErrors[] = {
    {"away", Errc::Unavailable, SASL_UNAVAIL}, {"slow", Errc::Timeout, SASL_UNAVAIL},
    {"denied", Errc::Denied, SASL_NOAUTHZ},    {"garbled", Errc::Protocol, SASL_BADPROT},
    {"path", Errc::Config, SASL_CONFIGERR},    {"bug", Errc::Internal, SASL_FAIL},
};

struct ServiceRow {
    const char* service;
    std::optional<protocol::Resource> resource;
};
std::ostream& operator<<(std::ostream& out, const ServiceRow& row) { return out << row.service; }
constexpr ServiceRow kServices[] = {
    {"smtp", protocol::Resource::Smtp},
    {"submission", protocol::Resource::Smtp},
    {"lmtp", protocol::Resource::Smtp},
    {"SMTP", protocol::Resource::Smtp},
    {"imap", protocol::Resource::Imap},
    {"imaps", protocol::Resource::Imap},
    {"pop", protocol::Resource::Pop},
    {"pop3", protocol::Resource::Pop},
    {"pop3s", protocol::Resource::Pop},
    {"ldap", std::nullopt},
    {"graph", std::nullopt},
    {"", std::nullopt},
    {"smtp\x01", std::nullopt},
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(client_test, Fixture)

BOOST_AUTO_TEST_CASE(first_step_sends_the_token_and_continues) {
    BOOST_TEST(step(xoauth2) == SASL_CONTINUE);
    BOOST_TEST(output ==
               "user=alice@example.test\x01"
               "auth=Bearer tok.en\x01\x01");
    BOOST_TEST(host.said() == "");
    BOOST_TEST(host.canonical_name() == "alice@example.test");
    BOOST_TEST(host.canonical_user() == "alice@example.test");
    BOOST_TEST(step(xoauth2) == SASL_OK);  // the server said OK
    BOOST_TEST(output == "");
    BOOST_TEST(step(xoauth2) == SASL_OK);
    BOOST_TEST(agent.reports.size() == 0U);
}

BOOST_AUTO_TEST_CASE(oauthbearer_names_the_server) {
    host.remote_address = "192.0.2.1;587";
    agent.user = "al,i=ce";
    BOOST_TEST(step(oauthbearer) == SASL_CONTINUE);
    BOOST_TEST(output ==
               "n,a=al=2Ci=3Dce,\x01host=smtp.example.test\x01port=587\x01"
               "auth=Bearer tok.en\x01\x01");
}

BOOST_AUTO_TEST_CASE(port_is_left_out_where_unknown) {
    for (const char* address : {"", "192.0.2.1", "192.0.2.1;", "192.0.2.1;0", "x;70000", "x;-1"}) {
        Client client(Mechanism::Oauthbearer, Limits{}, agent);
        host.remote_address = address;
        BOOST_TEST(step(client) == SASL_CONTINUE);
        BOOST_TEST(output.find("port=") == std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(a_text_before_the_first_answer_is_no_refusal) {
    BOOST_TEST(step(xoauth2, "welcome") == SASL_CONTINUE);
    BOOST_TEST(output.find("tok.en") != std::string::npos);
    BOOST_TEST(agent.reports.size() == 0U);
}

BOOST_AUTO_TEST_CASE(request_carries_account_resource_and_host) {
    BOOST_TEST(step(xoauth2) == SASL_CONTINUE);
    BOOST_REQUIRE(agent.requests.size() == 1U);
    BOOST_TEST(agent.requests[0].account == "alice@example.test");
    BOOST_TEST((agent.requests[0].resource == protocol::Resource::Smtp));
    BOOST_TEST(agent.requests[0].host == "smtp.example.test");
    BOOST_TEST((agent.token_time <= 10s && agent.token_time > 5s));
}

BOOST_AUTO_TEST_CASE(unfit_server_name_is_only_a_lost_hint) {
    host.server = "bad\nname";
    BOOST_TEST(step(xoauth2) == SASL_CONTINUE);
    BOOST_TEST(agent.requests[0].host == "");
    BOOST_TEST(step(oauthbearer) == SASL_BADPROT);
}

BOOST_AUTO_TEST_CASE(user_of_the_agents_answer_is_sent) {
    agent.user = "alice@contoso.onmicrosoft.test";
    BOOST_TEST(step(xoauth2) == SASL_CONTINUE);
    BOOST_TEST(output.starts_with("user=alice@contoso.onmicrosoft.test\x01"));
    BOOST_TEST(host.canonical_name() == "alice@example.test");
}

BOOST_AUTO_TEST_CASE(account_stands_in_for_a_missing_user) {
    agent.user = "";
    BOOST_TEST(step(xoauth2) == SASL_CONTINUE);
    BOOST_TEST(output.starts_with("user=alice@example.test\x01"));
}

BOOST_AUTO_TEST_CASE(xoauth2_refusal_is_reported_logged_and_answered_empty) {
    BOOST_TEST(step(xoauth2) == SASL_CONTINUE);
    BOOST_TEST(step(xoauth2, kChallenge) == SASL_OK);
    BOOST_TEST(output == "");
    BOOST_TEST(host.said() == std::string("the server refused the token for alice@example.test: ") +
                                  kChallenge + "\n");
    BOOST_REQUIRE(agent.reports.size() == 1U);
    BOOST_TEST(agent.reports[0].account == "alice@example.test");
    BOOST_TEST(agent.reports[0].fingerprint == "9f1c22ab");
    BOOST_TEST(agent.reports[0].detail == kChallenge);
    BOOST_TEST((agent.report_time <= 2s));
    BOOST_TEST(step(xoauth2) == SASL_OK);
    BOOST_TEST(output == "");
}

BOOST_AUTO_TEST_CASE(oauthbearer_refusal_is_answered_with_control_a) {
    BOOST_TEST(step(oauthbearer) == SASL_CONTINUE);
    BOOST_TEST(step(oauthbearer, R"({"status":"invalid_token"})") == SASL_OK);
    BOOST_TEST(output == "\x01");
    BOOST_TEST(agent.reports.size() == 1U);
    BOOST_TEST(step(oauthbearer) == SASL_OK);
    BOOST_TEST(output == "");
}

BOOST_AUTO_TEST_CASE(server_that_goes_on_asking_is_stopped) {
    BOOST_TEST(step(xoauth2) == SASL_CONTINUE);
    BOOST_TEST(step(xoauth2, kChallenge) == SASL_OK);
    BOOST_TEST(step(xoauth2, kChallenge) == SASL_BADPROT);
    BOOST_TEST(agent.reports.size() == 1U);
    BOOST_TEST(host.sentences.back().find("goes on asking") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(challenge_is_made_printable_and_bounded) {
    BOOST_TEST(step(xoauth2) == SASL_CONTINUE);
    BOOST_TEST(step(xoauth2, std::string("a\0b\r\n%s%n\x1b[31m", 14) + std::string(9'000, 'x')) ==
               SASL_OK);
    BOOST_TEST(host.said().find("a?b??%s%n?[31mxxx") != std::string::npos);
    BOOST_TEST(host.said().size() < 800U);
    BOOST_TEST(agent.reports[0].detail.size() <= 600U);
}

BOOST_AUTO_TEST_CASE(challenge_that_repeats_the_token_is_withheld) {
    BOOST_TEST(step(xoauth2) == SASL_CONTINUE);
    BOOST_TEST(step(xoauth2, R"({"got":"tok.en"})") == SASL_OK);
    BOOST_TEST(host.said().find("tok.en") == std::string::npos);
    BOOST_TEST(agent.reports[0].detail.find("tok.en") == std::string::npos);
}

// Found by fuzz_sasl_challenge: the token was wiped by then, so nothing could compare.
BOOST_AUTO_TEST_CASE(challenge_out_of_turn_is_withheld) {
    BOOST_TEST(step(xoauth2) == SASL_CONTINUE);
    BOOST_TEST(step(xoauth2) == SASL_OK);
    BOOST_TEST(step(xoauth2, R"({"got":"tok.en"})") == SASL_OK);
    BOOST_TEST(step(xoauth2, R"({"got":"tok.en"})") == SASL_BADPROT);
    BOOST_TEST(host.sentences.size() == 2U);
    BOOST_TEST(host.said().find("tok.en") == std::string::npos);
    BOOST_TEST(agent.reports.at(0).detail.find("tok.en") == std::string::npos);
}

BOOST_DATA_TEST_CASE(classes_become_codes, boost::unit_test::data::make(kClasses), row) {
    agent.failure = protocol::AgentFailure{row.failure_class,
                                           protocol::FailureCode::ProviderError,
                                           "cause and fix",
                                           {},
                                           "AADSTS70043"};
    BOOST_TEST(step(xoauth2) == row.code);
    BOOST_TEST(output == "");
    BOOST_TEST(host.said() == "no token for alice@example.test: cause and fix (AADSTS70043)\n");
    agent.failure->message = "account ALICE@example.test: AADSTS70043 says no";
    BOOST_TEST(step(xoauth2) == row.code);
    BOOST_TEST(host.sentences.back() == "account ALICE@example.test: AADSTS70043 says no");
    agent.failure->message = "";
    BOOST_TEST(step(xoauth2) == row.code);
    BOOST_TEST(host.sentences.back().starts_with("no token for alice@example.test: "));
    BOOST_TEST(host.sentences.size() == 3U);
}

BOOST_DATA_TEST_CASE(ways_not_to_reach_the_agent_become_codes,
                     boost::unit_test::data::make(kErrors), row) {
    agent.unreachable = postbearer::Error{row.error, "agent socket S: why"};
    BOOST_TEST(step(xoauth2) == row.code);
    BOOST_TEST(host.said() == "no token for alice@example.test: agent socket S: why\n");
    agent.unreachable.reset();
    BOOST_TEST(step(xoauth2) == SASL_CONTINUE);  // nothing stuck
}

BOOST_DATA_TEST_CASE(services_choose_the_resource, boost::unit_test::data::make(kServices), row) {
    host.service = row.service;
    if (row.resource) {
        BOOST_TEST(step(xoauth2) == SASL_CONTINUE);
        BOOST_TEST((agent.requests[0].resource == *row.resource));
    } else {
        BOOST_TEST(step(xoauth2) == SASL_BADPARAM);
        BOOST_TEST(host.said().find("no token for alice@example.test: service '") == 0U);
        BOOST_TEST(agent.requests.size() == 0U);
    }
}

BOOST_AUTO_TEST_CASE(token_that_could_break_out_is_refused) {
    agent.bearer = "a\x01";
    BOOST_TEST(step(xoauth2) == SASL_BADPROT);
    BOOST_TEST(output == "");
    agent.bearer = "t";
    agent.user =
        "a\x01"
        "auth=Bearer evil";
    BOOST_TEST(step(xoauth2) == SASL_BADPROT);
    BOOST_TEST(host.sentences.size() == 2U);
}

BOOST_AUTO_TEST_CASE(name_is_prompted_for_and_nothing_else) {
    host.name_offer = SaslHost::Offer::Prompt;
    host.password_offer = SaslHost::Offer::Prompt;
    BOOST_TEST(step(xoauth2) == SASL_INTERACT);
    BOOST_REQUIRE(prompts != nullptr);
    BOOST_TEST(prompts[0].id == static_cast<unsigned long>(SASL_CB_AUTHNAME));
    BOOST_TEST(prompts[1].id == static_cast<unsigned long>(SASL_CB_LIST_END));
    prompts[0].result = "bob@example.test (and more)";
    prompts[0].len = 16;
    BOOST_TEST(step(xoauth2) == SASL_CONTINUE);
    BOOST_TEST((prompts == nullptr));
    BOOST_TEST(host.canonical_name() == "bob@example.test");
    BOOST_TEST(host.canonical_user() == "bob@example.test");
    BOOST_TEST(host.password_calls == 0);
}

BOOST_AUTO_TEST_CASE(prompt_left_empty_is_an_error) {
    host.name_offer = SaslHost::Offer::Prompt;
    BOOST_TEST(step(xoauth2) == SASL_INTERACT);
    BOOST_TEST(step(xoauth2) == SASL_BADPARAM);
    BOOST_TEST(host.said().find("names no user") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(without_callback_and_prompt_there_is_no_user) {
    host.name_offer = SaslHost::Offer::None;
    BOOST_TEST(step(xoauth2) == SASL_BADPARAM);
    host.name_offer = SaslHost::Offer::Prompt;
    std::string_view bytes;
    BOOST_TEST(xoauth2.step(host.params(), {}, nullptr, bytes, host.out_params()) == SASL_BADPARAM);
    host.name_offer = SaslHost::Offer::Function;
    host.name = std::nullopt;
    BOOST_TEST(step(xoauth2) == SASL_BADPARAM);
    host.name = "";
    BOOST_TEST(step(xoauth2) == SASL_BADPARAM);
    BOOST_TEST(host.sentences.size() == 4U);
}

BOOST_AUTO_TEST_CASE(unfit_user_names_never_reach_the_agent) {
    for (const std::string& name : {std::string("a\nrequest=ping"), std::string("a\xff"),
                                    std::string("a\x01"), std::string(513, 'x')}) {
        host.name = name;
        BOOST_TEST(step(xoauth2) == SASL_BADPARAM);
        BOOST_TEST(host.sentences.back().find('\n') == std::string::npos);
    }
    BOOST_TEST(agent.requests.size() == 0U);
}

BOOST_AUTO_TEST_CASE(refused_canonicalisation_is_passed_on) {
    host.canon_result = SASL_BADPROT;
    BOOST_TEST(step(xoauth2) == SASL_BADPROT);
    BOOST_TEST(host.said() ==
               "no token for alice@example.test: the application does not accept this user name\n");
}

BOOST_AUTO_TEST_CASE(acting_as_the_user_of_the_token_is_accepted) {
    host.acting_as = "shared@example.test";
    agent.user = "Shared@example.test";
    BOOST_TEST(step(oauthbearer) == SASL_CONTINUE);
    BOOST_TEST(host.canonical_name() == "alice@example.test");
    BOOST_TEST(host.canonical_user() == "shared@example.test");
    BOOST_TEST(agent.requests[0].account == "alice@example.test");
    BOOST_TEST(output.starts_with("n,a=Shared@example.test,\x01"));
}

BOOST_AUTO_TEST_CASE(acting_as_another_is_refused_not_ignored) {
    host.acting_as = "shared@example.test";
    BOOST_TEST(step(xoauth2) == SASL_NOAUTHZ);
    BOOST_TEST(output == "");
    BOOST_TEST(host.said().find("to act as shared@example.test") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(acting_as_oneself_leaves_the_agents_user_alone) {
    for (const char* self : {"alice@example.test", "ALICE@example.test", ""}) {
        Client client(Mechanism::Xoauth2, Limits{}, agent);
        host.acting_as = self;
        agent.user = "upn@example.test";
        BOOST_TEST(step(client) == SASL_CONTINUE);
        BOOST_TEST(output.starts_with("user=upn@example.test\x01"));
    }
}

BOOST_AUTO_TEST_CASE(password_names_the_socket_only_with_its_prefix) {
    host.password = "unix:private/agent.sock";
    BOOST_TEST(step(xoauth2) == SASL_CONTINUE);
    BOOST_TEST(agent.sockets == std::vector<std::string>{"private/agent.sock"});
    Client another(Mechanism::Xoauth2, Limits{}, agent);
    host.password = "hunter2";
    BOOST_TEST(step(another) == SASL_CONTINUE);
    BOOST_TEST(agent.sockets != std::vector<std::string>{"hunter2"});
    BOOST_TEST(host.password_calls == 2);
}

BOOST_AUTO_TEST_SUITE_END()
