// SPDX-License-Identifier: Apache-2.0
// GraphClient over the real HTTP client against a loopback TLS server that misbehaves.
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <fstream>

#include "common/base64.hh"
#include "common/http/curl_http.hh"
#include "common/service/loop_scheduler.hh"
#include "common/text.hh"
#include "milter/graph/graph_client.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/tls_server.hh"
#include "tests/unit/milter/graph/client_room.hh"

namespace {

using namespace postbearer;
using namespace std::chrono_literals;
using milter::SendClass;
using milter::SendOutcome;
using test::http_message;
using test::Script;
using test::TlsServer;

struct Room {
    Room() {
        std::ofstream(directory / "ca.pem") << authority.pem();
        auto made = http::CurlHttp::make(loop, {64, 256});
        BOOST_REQUIRE(made.has_value());
        http = std::move(*made);
        BOOST_REQUIRE(scheduler.open().has_value());
    }

    void serve(TlsServer::Handler handler, TlsServer::Options options = {}) {
        server = std::make_unique<TlsServer>(authority.issue("DNS:localhost"), std::move(handler),
                                             std::move(options));
        auto settings = test::graph_settings();
        settings->endpoint = server->url("localhost", "");
        settings->ca_file = (directory / "ca.pem").string();
        settings->answer_timeout = answer_timeout;
        client =
            std::make_unique<milter::GraphClient>(*http, tokens, clock, scheduler, log, settings);
    }

    SendOutcome send(const std::string& body = "Hello\r\n") {
        milter::GraphMessage message;
        message.mailbox = "svc@contoso.com";
        message.header = "From: svc@contoso.com\r\n\r\n";
        message.of = test::spooled("Old: x\r\n\r\n", body);
        std::optional<SendOutcome> answer;
        client->send(std::move(message), [&](SendOutcome outcome) { answer = std::move(outcome); });
        loop.restart();
        while (!answer && loop.run_one_for(20s) != 0) {
        }
        BOOST_REQUIRE(answer.has_value());
        BOOST_TEST(answer->reply.text.find("S3ntinel") == std::string::npos);
        BOOST_TEST(log.count("S3ntinel") == 0U);
        return std::move(*answer);
    }

    test::TempDir directory;
    test::TestAuthority authority;
    boost::asio::io_context loop;
    SystemClock clock;
    service::LoopScheduler scheduler{loop};
    test::CountingTokens tokens;
    test::CaptureLog log;
    std::chrono::seconds answer_timeout{10};
    std::unique_ptr<http::CurlHttp> http;
    std::unique_ptr<TlsServer> server;
    std::unique_ptr<milter::GraphClient> client;
};

Script accepted(const TlsServer::Seen& /*request*/) {
    return {http_message("202 Accepted", "request-id: 11-22\r\n", ""), Script::Then::KeepOpen,
            false};
}

std::string status_of(const SendOutcome& outcome) { return test::ClientRoom::status_of(outcome); }

}  // namespace

BOOST_FIXTURE_TEST_SUITE(graph_transport_test, Room)

BOOST_AUTO_TEST_CASE(messages_share_a_connection_and_arrive_whole) {
    serve(accepted);
    const std::string large(2'900'000, 'x');
    for (const std::string& body : {std::string("a"), large, std::string("b")}) {
        const SendOutcome outcome = send(body);
        BOOST_TEST_CONTEXT(outcome.reply.text) {
            BOOST_TEST((outcome.send_class == SendClass::Done));
        }
        BOOST_TEST(outcome.request_id == "11-22");
        const auto seen = server->seen().back();
        BOOST_TEST((seen.body == view(base64_encode("From: svc@contoso.com\r\n\r\n" + body))));
        BOOST_TEST(seen.head.find("POST /v1.0/users/svc%40contoso.com/sendMail HTTP/1.1\r\n") ==
                   0U);
        BOOST_TEST(seen.head.find("Content-Type: text/plain\r\n") != std::string::npos);
        BOOST_TEST(seen.head.find("Content-Length: " + std::to_string(seen.body.size())) !=
                   std::string::npos);
        BOOST_TEST(seen.head.find("Expect:") == std::string::npos);
        BOOST_TEST(seen.head.find("Transfer-Encoding") == std::string::npos);
        BOOST_TEST(seen.head.find("Authorization: Bearer S3ntinel.Token1\r\n") !=
                   std::string::npos);
        BOOST_TEST(seen.head.find("User-Agent: NONISV|Postfix|postbearer-milter/") !=
                   std::string::npos);
    }
    BOOST_TEST(server->connections() == 1);
}

// The server takes the whole second message on a kept connection, and goes.
BOOST_DATA_TEST_CASE(a_kept_connection_that_dies_after_the_body_is_in_doubt,
                     boost::unit_test::data::make({false, true}) *
                         boost::unit_test::data::make({10, 100'000, 2'900'000}),
                     reset, size) {
    std::atomic<int> count = 0;
    serve([&](const TlsServer::Seen& request) {
        return ++count == 2 ? Script{"", reset ? Script::Then::Reset : Script::Then::Close, false}
                            : accepted(request);
    });
    BOOST_TEST((send().send_class == SendClass::Done));
    const SendOutcome outcome = send(std::string(static_cast<std::size_t>(size), 'x'));
    BOOST_TEST((outcome.send_class == SendClass::InDoubt));
    BOOST_TEST(status_of(outcome) == "451 4.4.2");
    BOOST_TEST(outcome.reply.text.find("may have been sent") != std::string::npos);
    BOOST_TEST(server->seen().size() == 2U);  // one request, not two
    BOOST_TEST((send().send_class == SendClass::Done));
    BOOST_TEST(server->seen().size() == 3U);
}

BOOST_AUTO_TEST_CASE(a_connection_that_dies_inside_the_body_is_no_doubt) {
    TlsServer::Options options;
    options.cut_after = [](std::size_t bytes) { return bytes > 10'000; };
    serve(accepted, options);
    // More than the buffers of both sides hold, so that the end is surely not handed over.
    auto settings = test::graph_settings();
    settings->endpoint = server->url("localhost", "");
    settings->ca_file = (directory / "ca.pem").string();
    settings->max_body_bytes = 100'000'000;
    client->reload(settings);
    const SendOutcome outcome = send(std::string(30'000'000, 'x'));
    BOOST_TEST((outcome.send_class == SendClass::Transient));
    BOOST_TEST(status_of(outcome) == "451 4.4.2");
    BOOST_TEST(server->seen().empty());
}

BOOST_AUTO_TEST_CASE(no_answer_in_time_is_in_doubt) {
    answer_timeout = 1s;
    serve([](const TlsServer::Seen&) { return Script{"", Script::Then::Hang, false}; });
    const SendOutcome outcome = send();
    BOOST_TEST((outcome.send_class == SendClass::InDoubt));
    BOOST_TEST(outcome.reply.text.find("no answer within 1 s") != std::string::npos);
    BOOST_TEST(server->seen().size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_answer_that_breaks_off_is_in_doubt) {
    serve([](const TlsServer::Seen&) {
        return Script{"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 100\r\n\r\n{",
                      Script::Then::Reset, false};
    });
    BOOST_TEST((send().send_class == SendClass::InDoubt));
}

BOOST_AUTO_TEST_CASE(nobody_there_is_no_doubt) {
    serve(accepted);
    auto settings = test::graph_settings();
    settings->endpoint = "https://localhost:1";
    client->reload(settings);
    const SendOutcome outcome = send();
    BOOST_TEST((outcome.send_class == SendClass::Transient));
    BOOST_TEST(status_of(outcome) == "451 4.4.1");
    BOOST_TEST(outcome.reply.text.find("localhost: connection refused") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_ca_that_is_not_trusted_gets_no_token) {
    serve(accepted);
    auto settings = test::graph_settings();
    settings->endpoint = server->url("localhost", "");
    client->reload(settings);
    const SendOutcome outcome = send();
    BOOST_TEST(status_of(outcome) == "451 4.4.1");
    BOOST_TEST(outcome.reply.text.find("certificate not trusted") != std::string::npos);
    BOOST_TEST(server->seen().empty());
}

struct BodyRow {
    const char* name;
    const char* status;
    std::string body;
    const char* answer;
};
std::ostream& operator<<(std::ostream& out, const BodyRow& row) { return out << row.name; }
const BodyRow kBodies[] = {
    {"HTML 502", "502 Bad Gateway", "<html><body>Bad Gateway</body></html>", "451 4.4.2"},
    {"empty 500", "500 Internal Server Error", "", "451 4.3.0"},
    {"a megabyte of 403", "403 Forbidden", std::string(1'000'000, 'x'), "451 4.7.1"},
    {"413 of the front door", "413 Request Entity Too Large", "<html>", "552 5.3.4"},
    {"200", "200 OK", "{}", "552 5.3.4"},
};
BOOST_DATA_TEST_CASE(a_body_of_any_kind, boost::unit_test::data::make(kBodies), row) {
    serve([&row](const TlsServer::Seen&) {
        return Script{http_message(row.status, "request-id: 7\r\n", row.body),
                      Script::Then::KeepOpen, false};
    });
    const SendOutcome outcome = send();
    BOOST_TEST(status_of(outcome) == row.answer);
    BOOST_TEST(outcome.request_id == "7");
}

struct RetryRow {
    const char* name;
    const char* headers;
    const char* seconds;  // that the next message is told, empty: it is sent
};
std::ostream& operator<<(std::ostream& out, const RetryRow& row) { return out << row.name; }
const RetryRow kRetries[] = {
    {"seconds", "Retry-After: 120\r\n", "for another 120 s"},
    {"a date",
     "Date: Sat, 21 Nov 2020 05:00:00 GMT\r\nRetry-After: Sat, 21 Nov 2020 05:02:00 GMT\r\n",
     "for another 120 s"},
    {"an hour", "Retry-After: 3600\r\n", "for another 3600 s"},
    {"zero", "Retry-After: 0\r\n", ""},
    {"one", "Retry-After: 1\r\n", ""},
};
BOOST_DATA_TEST_CASE(retry_after_of_a_429, boost::unit_test::data::make(kRetries), row) {
    std::atomic<int> count = 0;
    serve([&](const TlsServer::Seen& request) {
        return ++count == 1 ? Script{http_message("429 Too Many Requests", row.headers, "{}"),
                                     Script::Then::KeepOpen, false}
                            : accepted(request);
    });
    const SendOutcome first = send();
    BOOST_TEST((first.send_class == SendClass::InDoubt));
    BOOST_TEST(status_of(first) == "451 4.7.0");
    const SendOutcome next = send();
    BOOST_TEST_CONTEXT(next.reply.text) {
        BOOST_TEST(next.reply.text.find(row.seconds) != std::string::npos);
        BOOST_TEST((next.send_class == SendClass::Done) == (*row.seconds == '\0'));
    }
}

BOOST_AUTO_TEST_CASE(a_new_connection_follows_a_503) {
    std::atomic<int> count = 0;
    serve([&](const TlsServer::Seen& request) {
        return ++count == 2 ? Script{http_message("503 Service Unavailable", "", ""),
                                     Script::Then::KeepOpen, false}
                            : accepted(request);
    });
    BOOST_TEST((send().send_class == SendClass::Done));
    BOOST_TEST((send().send_class == SendClass::InDoubt));
    BOOST_TEST(server->connections() == 1);
    BOOST_TEST((send().send_class == SendClass::Done));
    BOOST_TEST(server->connections() == 2);
}

BOOST_AUTO_TEST_SUITE_END()
