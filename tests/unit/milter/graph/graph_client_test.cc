// SPDX-License-Identifier: Apache-2.0
#include "milter/graph/graph_client.hh"

#include <algorithm>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <regex>

#include "common/base64.hh"
#include "common/text.hh"
#include "milter/graph/graph_request.hh"
#include "tests/unit/milter/graph/client_room.hh"
#include "tests/unit/milter/graph/error_rows.hh"

namespace {

using namespace postbearer;
using namespace std::chrono_literals;
using milter::SendClass;
using milter::SendOutcome;
using test::json_response;

http::Response with_retry_after(long status, std::chrono::seconds after) {
    http::Response response = json_response(status, "");
    response.retry_after = after;
    return response;
}

constexpr const char* kUnauthorizedBody =
    R"({"error":{"code":"InvalidAuthenticationToken","message":"expired"}})";

}  // namespace

BOOST_FIXTURE_TEST_SUITE(graph_client_test, test::ClientRoom)

BOOST_AUTO_TEST_CASE(a_message_goes_out_as_documented) {
    http::Response accepted = json_response(202, "");
    accepted.headers = {{"request-id", "11-22"}};
    http.answer(std::move(accepted));
    const SendOutcome outcome = outcome_of();
    BOOST_TEST((outcome.send_class == SendClass::Done));
    BOOST_TEST(status_of(outcome) == "250 2.0.0");
    BOOST_TEST(outcome.http_status == 202);
    BOOST_TEST(outcome.request_id == "11-22");
    BOOST_TEST(outcome.tries == 1);
    BOOST_REQUIRE(http.seen().size() == 1U);
    const auto& seen = http.seen()[0];
    BOOST_TEST(seen.url == "https://graph.microsoft.com/v1.0/users/svc%40contoso.com/sendMail");
    BOOST_TEST(seen.authorization == "Bearer S3ntinel.Token1");
    BOOST_TEST(seen.content_type == "text/plain");
    BOOST_TEST(seen.body == view(base64_encode("From: svc@contoso.com\r\n\r\nHello\r\n")));
    BOOST_REQUIRE(seen.headers.size() == 2U);
    BOOST_TEST(seen.headers[0] == "client-request-id: " + outcome.client_request_id);
    BOOST_TEST(seen.headers[1] ==
               "User-Agent: NONISV|Postfix|postbearer-milter/" POSTBEARER_VERSION);
    BOOST_TEST(std::regex_match(
        outcome.client_request_id,
        std::regex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")));
    BOOST_TEST(!seen.fresh_connection);
    BOOST_TEST((seen.answer_timeout == 60s));
    BOOST_TEST((seen.total_timeout == 120s));
    BOOST_TEST((tokens.asked == std::vector<std::string>{"svc@contoso.com"}));
}

BOOST_AUTO_TEST_CASE(accepted_with_retry_after_is_sent) {
    http.answer(with_retry_after(202, 3600s));
    BOOST_TEST((outcome_of().send_class == SendClass::Done));
    http.answer(202, "");
    BOOST_TEST((outcome_of().send_class == SendClass::Done));
    BOOST_TEST(http.seen().size() == 2U);
}

// Each row of the table, after the whole body: answered once, never sent again by us.
BOOST_DATA_TEST_CASE(a_row_of_the_table, boost::unit_test::data::make(test::error_cases()), row) {
    if (row.status == 401) {
        http.answer(401, test::fault_body(row));
    }
    http.answer(row.status, test::fault_body(row));
    const SendOutcome outcome = outcome_of();
    BOOST_TEST(status_of(outcome) == row.first);
    BOOST_TEST(outcome.http_status == row.status);
    BOOST_TEST(outcome.error_code == row.code);
    BOOST_TEST(outcome.tries == (row.status == 401 ? 2 : 1));
    const bool ambiguous = row.error_class == milter::ErrorClass::Ambiguous;
    BOOST_TEST(milter::name_of(outcome.send_class) == (row.first[0] == '5' ? "permanent"
                                                       : ambiguous         ? "in_doubt"
                                                                           : "transient"));
    BOOST_TEST(outcome.reply.text.find("svc@contoso.com") != std::string::npos);
    BOOST_TEST(log.count("event=graph_refused") == (row.status == 401 ? 2U : 1U));
    time.advance(2h);  // whatever pause there was
    BOOST_TEST(http.seen().size() == (row.status == 401 ? 2U : 1U));
}

BOOST_DATA_TEST_CASE(a_grace_time, boost::unit_test::data::make(test::error_cases()), row) {
    if (*row.later == '\0') {
        return;
    }
    const auto again = [&] {
        http.answer(row.status, test::fault_body(row));
        return outcome_of();
    };
    BOOST_TEST(status_of(again()) == row.first);
    time.advance(row.grace - 1s);
    BOOST_TEST(status_of(again()) == row.first);
    time.advance(1s);
    const SendOutcome late = again();
    BOOST_TEST(status_of(late) == row.later);
    BOOST_TEST((late.send_class == SendClass::Permanent));
    http.answer(row.status, test::fault_body(row));
    BOOST_TEST(status_of(outcome_of("other@contoso.com")) == row.first);
    http.answer(202, "");
    BOOST_TEST((outcome_of("SVC@contoso.com").send_class == SendClass::Done));
    BOOST_TEST(status_of(again()) == row.first);
}

BOOST_AUTO_TEST_CASE(a_401_is_answered_with_a_new_token_once) {
    http::Response refused = json_response(401, kUnauthorizedBody);
    refused.headers = {{"www-authenticate",
                        "Bearer realm=\"\", error=\"insufficient_claims\", "
                        "claims=\"eyJhY2Nlc3NfdG9rZW4iOnt9fQ==\""}};
    http.answer(std::move(refused));
    http.answer(202, "");
    const SendOutcome outcome = outcome_of();
    BOOST_TEST((outcome.send_class == SendClass::Done));
    BOOST_TEST(outcome.tries == 2);
    BOOST_TEST((tokens.reports == std::vector<std::string>{"svc@contoso.com|00000001|HTTP 401 "
                                                           "InvalidAuthenticationToken|"
                                                           "eyJhY2Nlc3NfdG9rZW4iOnt9fQ=="}));
    BOOST_TEST(http.seen()[1].authorization == "Bearer S3ntinel.Token2");
    BOOST_TEST(http.seen()[1].body == http.seen()[0].body);
    BOOST_TEST(http.seen()[1].headers[0] != http.seen()[0].headers[0]);
}

BOOST_AUTO_TEST_CASE(a_second_401_ends_it) {
    http.answer(401, kUnauthorizedBody);
    http.answer(401, kUnauthorizedBody);
    const SendOutcome outcome = outcome_of();
    BOOST_TEST((outcome.send_class == SendClass::Transient));
    BOOST_TEST(status_of(outcome) == "451 4.7.0");
    BOOST_TEST(http.seen().size() == 2U);
    BOOST_TEST(tokens.reports.size() == 1U);
}

BOOST_AUTO_TEST_CASE(the_same_token_is_not_tried_twice) {
    tokens.renews = false;  // the agent renews once a minute
    http.answer(401, kUnauthorizedBody);
    const SendOutcome outcome = outcome_of();
    BOOST_TEST(status_of(outcome) == "451 4.7.0");
    BOOST_TEST(outcome.http_status == 401);
    BOOST_TEST(http.seen().size() == 1U);
}

BOOST_AUTO_TEST_CASE(claims_are_found_in_a_challenge) {
    using milter::claims_in;
    BOOST_TEST(claims_in("").empty());
    BOOST_TEST(claims_in("Bearer realm=\"\"").empty());
    BOOST_TEST(claims_in("Bearer claims=\"abc=\"") == "abc=");
    BOOST_TEST(claims_in("Bearer Claims=abc, x=y") == "abc");
    BOOST_TEST(claims_in("Bearer nonclaims=\"no\", claims=\"yes\"") == "yes");
    BOOST_TEST(claims_in("Bearer claims=\"a\nb\"").empty());
    BOOST_TEST(claims_in("Bearer claims=\"" + std::string(100'000, 'a') + "\"").empty());
}

BOOST_AUTO_TEST_CASE(no_token_is_an_answer) {
    tokens.fails = protocol::AgentFailure{protocol::FailureClass::NeedsAdmin,
                                          protocol::FailureCode::InvalidClient,
                                          "account svc@contoso.com: the secret has expired",
                                          std::nullopt,
                                          {}};
    const SendOutcome outcome = outcome_of();
    BOOST_TEST((outcome.send_class == SendClass::Transient));
    BOOST_TEST(status_of(outcome) == "451 4.7.0");
    BOOST_TEST(outcome.reply.text ==
               "No token for mailbox svc@contoso.com (needs_admin): account svc@contoso.com: the "
               "secret has expired");
    BOOST_TEST(outcome.tries == 0);
    BOOST_TEST(http.seen().empty());
}

struct LostRow {
    const char* name;
    Errc code;
    std::uint64_t read;
    SendClass send_class;
    const char* status;
};
std::ostream& operator<<(std::ostream& out, const LostRow& row) { return out << row.name; }
const LostRow kLost[] = {
    {"no connection", Errc::Unavailable, 0, SendClass::Transient, "451 4.4.1"},
    {"no connection in time", Errc::Timeout, 0, SendClass::Transient, "451 4.4.1"},
    {"lost inside the body", Errc::Unavailable, 10, SendClass::Transient, "451 4.4.2"},
    {"stalled inside the body", Errc::Timeout, 10, SendClass::Transient, "451 4.4.2"},
    {"lost one byte before the end", Errc::Unavailable, 43, SendClass::Transient, "451 4.4.2"},
    {"lost after the body", Errc::Unavailable, 44, SendClass::InDoubt, "451 4.4.2"},
    {"no answer in time", Errc::Timeout, 44, SendClass::InDoubt, "451 4.4.2"},
    {"no HTTP for an answer", Errc::Protocol, 44, SendClass::InDoubt, "451 4.4.2"},
    {"a URL that is refused", Errc::Config, 0, SendClass::Transient, "451 4.3.5"},
    {"a spool that cannot be read", Errc::Internal, 10, SendClass::Transient, "451 4.3.0"},
};
BOOST_DATA_TEST_CASE(a_connection_that_fails, boost::unit_test::data::make(kLost), row) {
    http.read_only(row.read);
    http.fail(row.code, "graph.microsoft.com: what happened");
    const SendOutcome outcome = outcome_of();
    BOOST_TEST(milter::name_of(outcome.send_class) == milter::name_of(row.send_class));
    BOOST_TEST(status_of(outcome) == row.status);
    BOOST_TEST(outcome.http_status == 0);
    BOOST_TEST(outcome.reply.text.find("graph.microsoft.com: what happened") != std::string::npos);
    BOOST_TEST(outcome.reply.text.find("svc@contoso.com") != std::string::npos);
    BOOST_TEST(log.count("event=graph_lost") == 1U);
    time.advance(1h);
    BOOST_TEST(http.seen().size() == 1U);
}

BOOST_DATA_TEST_CASE(what_came_before_the_end_of_the_body_is_tried_again,
                     boost::unit_test::data::make({429, 503})) {
    http.read_only(10);
    http.answer(with_retry_after(sample, 20s));
    const auto sent = send();
    http.run();
    BOOST_TEST(!sent->done);
    time.advance(19s);
    BOOST_TEST(http.seen().size() == 1U);
    time.advance(1s);
    BOOST_REQUIRE(http.seen().size() == 2U);
    BOOST_TEST(http.seen()[1].fresh_connection == (sample == 503));
    http.answer(202, "");
    http.run();
    BOOST_REQUIRE(sent->done);
    BOOST_TEST((sent->outcome.send_class == SendClass::Done));
    BOOST_TEST((sent->outcome.waited == 20s));
    BOOST_TEST(sent->outcome.tries == 2);
}

BOOST_DATA_TEST_CASE(a_retry_after_beyond_the_budget_is_not_waited_for,
                     boost::unit_test::data::make({61, 3600})) {
    http.read_only(10);
    http.answer(with_retry_after(429, std::chrono::seconds(sample)));
    const SendOutcome outcome = outcome_of();
    BOOST_TEST((outcome.send_class == SendClass::Transient));
    const SendOutcome next = outcome_of();
    BOOST_TEST(status_of(next) == "451 4.7.0");
    BOOST_TEST(next.reply.text.find("paused mailbox svc@contoso.com for another " +
                                    std::to_string(sample) + " s") != std::string::npos);
    BOOST_TEST(http.seen().size() == 1U);
}

BOOST_AUTO_TEST_CASE(tries_before_the_end_of_the_body_are_few) {
    for (int i = 0; i < 10; ++i) {
        http.read_only(0);
        http.answer(with_retry_after(429, 0s));
    }
    const SendOutcome outcome = outcome_of();
    BOOST_TEST((outcome.send_class == SendClass::Transient));
    BOOST_TEST(outcome.tries == 4);
}

BOOST_AUTO_TEST_CASE(a_429_pauses_its_mailbox_alone) {
    http.answer(with_retry_after(429, 5s));
    BOOST_TEST((outcome_of().send_class == SendClass::InDoubt));
    const auto waits = send();
    BOOST_TEST(client->waiting("svc@contoso.com") == 1U);
    BOOST_TEST(http.seen().size() == 1U);
    http.answer(202, "");
    BOOST_TEST((outcome_of("other@contoso.com").send_class == SendClass::Done));
    time.advance(5s);
    http.answer(202, "");
    http.run();
    BOOST_REQUIRE(waits->done);
    BOOST_TEST((waits->outcome.waited == 5s));
}

BOOST_AUTO_TEST_CASE(a_submission_quota_pauses_for_an_hour) {
    http.answer(403, R"({"error":{"code":"ErrorSubmissionQuotaExceeded"}})");
    BOOST_TEST(status_of(outcome_of()) == "451 4.7.0");
    time.advance(58min);
    BOOST_TEST(outcome_of().reply.text.find("for another 120 s") != std::string::npos);
    time.advance(2min);
    http.answer(202, "");
    BOOST_TEST((outcome_of().send_class == SendClass::Done));
}

BOOST_AUTO_TEST_CASE(after_a_503_the_next_connection_is_new) {
    http.answer(503, "");
    http.answer(202, "");
    http.answer(202, "");
    (void)outcome_of();
    (void)outcome_of();
    (void)outcome_of();
    BOOST_TEST(!http.seen()[0].fresh_connection);
    BOOST_TEST(http.seen()[1].fresh_connection);
    BOOST_TEST(!http.seen()[2].fresh_connection);
}

BOOST_AUTO_TEST_CASE(a_success_before_the_end_of_the_body_is_in_doubt) {
    http.read_only(10);
    http.answer(202, "");
    BOOST_TEST((outcome_of().send_class == SendClass::InDoubt));
}

BOOST_AUTO_TEST_CASE(too_large_is_said_before_anything_is_asked) {
    auto settings = test::graph_settings();
    settings->max_body_bytes = 40;
    client->reload(settings);
    const SendOutcome outcome = outcome_of();
    BOOST_TEST((outcome.send_class == SendClass::Permanent));
    BOOST_TEST(status_of(outcome) == "552 5.3.4");
    BOOST_TEST(outcome.reply.text ==
               "The message for mailbox svc@contoso.com makes 44 bytes of base64, Graph takes 40. "
               "Give large messages the relay route");
    BOOST_TEST(tokens.asked.empty());
    settings = test::graph_settings();
    settings->max_body_bytes = 44;
    client->reload(settings);
    http.answer(202, "");
    BOOST_TEST((outcome_of().send_class == SendClass::Done));
}

BOOST_AUTO_TEST_CASE(a_mailbox_stays_inside_its_part_of_the_url) {
    http.answer(202, "");
    BOOST_TEST((outcome_of("a/b?c@contoso.com").send_class == SendClass::Done));
    BOOST_TEST(http.seen()[0].url ==
               "https://graph.microsoft.com/v1.0/users/a%2Fb%3Fc%40contoso.com/sendMail");
    const SendOutcome refused = outcome_of("me\r\nX: y");
    BOOST_TEST((refused.send_class == SendClass::Permanent));
    BOOST_TEST(status_of(refused) == "550 5.1.8");
    BOOST_TEST(tokens.asked.size() == 1U);
}

BOOST_AUTO_TEST_CASE(three_at_once_then_in_order) {
    std::vector<std::shared_ptr<Sent>> all;
    for (int i = 0; i < 5; ++i) {
        all.push_back(send("svc@contoso.com", std::to_string(i)));
    }
    BOOST_TEST(http.waiting() == 3U);
    BOOST_TEST(client->waiting("Svc@Contoso.com") == 2U);
    for (int i = 0; i < 5; ++i) {
        http.answer(202, "");
    }
    http.run();
    BOOST_TEST(http.seen().size() == 5U);
    for (const auto& sent : all) {
        BOOST_TEST(sent->done);
    }
}

BOOST_AUTO_TEST_CASE(a_full_mailbox_answers_at_the_end_of_the_budget) {
    std::vector<std::shared_ptr<Sent>> all;
    for (int i = 0; i < 4; ++i) {
        all.push_back(send());
    }
    time.advance(60s);
    BOOST_TEST(!all[2]->done);
    BOOST_REQUIRE(all[3]->done);
    check(all[3]->outcome);
    BOOST_TEST(status_of(all[3]->outcome) == "451 4.7.0");
    BOOST_TEST((all[3]->outcome.waited == 60s));
}

BOOST_AUTO_TEST_CASE(waiting_for_a_token_does_not_eat_the_budget) {
    tokens.hold = true;
    const auto sent = send();
    time.advance(8s);
    tokens.held.at(0)(tokens.grant());
    http.answer(202, "");
    http.run();
    BOOST_TEST((sent->outcome.waited == 8s));
    BOOST_TEST((http.seen().at(0).total_timeout == 120s));
}

BOOST_AUTO_TEST_CASE(a_body_has_ten_seconds_at_least) {
    std::vector<std::shared_ptr<Sent>> all;
    for (int i = 0; i < 4; ++i) {
        all.push_back(send());
    }
    time.advance(58s);
    http.answer(202, "");
    http.run();
    BOOST_REQUIRE(http.seen().size() == 4U);
    BOOST_TEST((http.seen()[3].total_timeout == 70s));
}

BOOST_AUTO_TEST_CASE(destruction_calls_nobody) {
    tokens.hold = true;
    const auto waits_for_token = send();
    tokens.hold = false;
    const auto waits_for_graph = send();
    const auto refused = send("no mailbox");
    client.reset();
    http.answer(202, "");
    http.run();
    tokens.held.at(0)(tokens.grant());
    time.advance(1h);
    BOOST_TEST(!waits_for_token->done);
    BOOST_TEST(!waits_for_graph->done);
    BOOST_TEST(!refused->done);
}

BOOST_AUTO_TEST_CASE(a_completion_may_destroy_the_client) {
    milter::GraphMessage message;
    message.mailbox = "svc@contoso.com";
    message.header = "a: b\r\n\r\n";
    message.of = test::spooled("a: b\r\n\r\n", "x");
    bool called = false;
    client->send(std::move(message), [&](SendOutcome) {
        called = true;
        client.reset();
    });
    const auto behind = send();
    http.answer(202, "");
    http.answer(202, "");
    http.run();
    BOOST_TEST(called);
    BOOST_TEST(!behind->done);
}

BOOST_DATA_TEST_CASE(a_pause_may_end_in_the_clients_destruction,
                     boost::unit_test::data::make({0, 10})) {
    for (int i = 0; i < 3; ++i) {
        (void)send();
    }
    milter::GraphMessage message;
    message.mailbox = "svc@contoso.com";
    message.header = "a: b\r\n\r\n";
    message.of = test::spooled("a: b\r\n\r\n", "x");
    bool called = false;
    client->send(std::move(message), [&](SendOutcome outcome) {
        called = true;
        BOOST_TEST((outcome.send_class == SendClass::Transient));
        client.reset();
    });
    http.read_only(static_cast<std::uint64_t>(sample));
    http.answer(with_retry_after(429, 3600s));
    http.run();
    time.advance(2h);
    BOOST_TEST(called);
}

BOOST_AUTO_TEST_CASE(the_log_has_what_support_asks_for) {
    http::Response busy = json_response(503, "");
    busy.headers = {{"request-id", "11-22"}, {"x-ms-ags-diagnostic", "{\"ServerInfo\":1}"}};
    http.answer(std::move(busy));
    const SendOutcome outcome = outcome_of();
    BOOST_TEST(log.last().find("event=graph_refused queue_id=4XyZ mailbox=svc@contoso.com "
                               "http=503 class=ambiguous what=\"status 503\" request_id=11-22 "
                               "client_request_id=" +
                               outcome.client_request_id) == 0U);
    BOOST_TEST(log.last().find("ServerInfo") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
