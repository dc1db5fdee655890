// SPDX-License-Identifier: Apache-2.0
#include "token-agent/discovery.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <optional>
#include <ostream>

#include "tests/support/manual_time.hh"
#include "tests/support/scripted_http.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;

constexpr const char* kIssuer = "https://idp.example/realm";
constexpr const char* kGood =
    R"({"issuer":"https://idp.example/realm","token_endpoint":"https://idp.example/token",)"
    R"("authorization_endpoint":"https://idp.example/auth",)"
    R"("token_endpoint_auth_methods_supported":["client_secret_basic","private_key_jwt"]})";
constexpr const char* kOther =
    R"({"issuer":"https://idp.example/realm","token_endpoint":"https://idp.example/token2"})";

struct Room {
    std::optional<Result<Discovery::Metadata>> find() {
        std::optional<Result<Discovery::Metadata>> answer;
        discovery.find(kIssuer, transport,
                       [&](Result<Discovery::Metadata> got) { answer.emplace(std::move(got)); });
        client.run();
        return answer;
    }
    std::string token_endpoint() {
        const auto answer = find();
        return answer && *answer ? (**answer)->token_endpoint : "none";
    }

    test::ScriptedHttp client;
    test::ManualTime time;
    http::Transport transport;
    Discovery discovery{client, time};
};

struct Row {
    const char* name;
    const char* document;
    bool allow_http_loopback;
    std::optional<Errc> error;
    const char* words;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
const Row kRows[] = {
    {"good", kGood, false, std::nullopt, ""},
    {"another issuer",
     R"({"issuer":"https://evil.example","token_endpoint":"https://idp.example/t"})", false,
     Errc::Config, "calls itself 'https://evil.example'"},
    {"a slash more",
     R"({"issuer":"https://idp.example/realm/","token_endpoint":"https://idp.example/t"})", false,
     Errc::Config, "same slash"},
    {"no issuer", R"({"token_endpoint":"https://idp.example/t"})", false, Errc::Config, "issuer"},
    {"no token endpoint", R"({"issuer":"https://idp.example/realm"})", false, Errc::Config,
     "no token_endpoint"},
    {"http endpoint",
     R"({"issuer":"https://idp.example/realm","token_endpoint":"http://idp.example/t"})", true,
     Errc::Config, "plain http is refused"},
    {"loopback http without permission",
     R"({"issuer":"https://idp.example/realm","token_endpoint":"http://127.0.0.1:8/t"})", false,
     Errc::Config, "loopback"},
    {"loopback http with permission",
     R"({"issuer":"https://idp.example/realm","token_endpoint":"http://127.0.0.1:8/t"})", true,
     std::nullopt, ""},
    {"another endpoint is http",
     R"({"issuer":"https://idp.example/realm","token_endpoint":"https://idp.example/t",)"
     R"("revocation_endpoint":"http://idp.example/r"})",
     false, Errc::Config, "revocation_endpoint"},
    {"HTML", "<html></html>", false, Errc::Protocol, "not valid JSON"},
    {"array", "[]", false, Errc::Protocol, "not a JSON object"},
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(discovery_test, Room)

BOOST_DATA_TEST_CASE(a_document_is_judged, boost::unit_test::data::make(kRows), row) {
    const auto metadata = read_metadata(row.document, kIssuer, row.allow_http_loopback);
    BOOST_TEST(metadata.has_value() == !row.error.has_value());
    if (!metadata) {
        BOOST_TEST((metadata.error().code == *row.error));
        BOOST_TEST_CONTEXT(metadata.error().context) {
            BOOST_TEST(metadata.error().context.find(row.words) != std::string::npos);
            BOOST_TEST(metadata.error().context.find("discovery at idp.example: ") == 0U);
        }
    }
}

BOOST_AUTO_TEST_CASE(places_of_the_metadata) {
    const auto urls = metadata_urls("https://idp.example:8443/a/b/", false);
    BOOST_REQUIRE(urls.has_value());
    BOOST_TEST(urls->at(0) == "https://idp.example:8443/a/b/.well-known/openid-configuration");
    BOOST_TEST(urls->at(1) ==
               "https://idp.example:8443/.well-known/oauth-authorization-server/a/b");
    BOOST_TEST(metadata_urls("https://idp.example", false)->at(1) ==
               "https://idp.example/.well-known/oauth-authorization-server");
    BOOST_TEST(!metadata_urls("http://idp.example", true).has_value());
}

BOOST_AUTO_TEST_CASE(found_once_and_kept_for_a_day) {
    client.answer(200, kGood);
    BOOST_TEST(token_endpoint() == "https://idp.example/token");
    BOOST_TEST((client.seen().at(0).method == http::Method::Get));
    time.advance(24h - 1s);
    BOOST_TEST(token_endpoint() == "https://idp.example/token");
    BOOST_TEST(client.seen().size() == 1U);
    time.advance(1s);
    client.answer(200, kOther);
    BOOST_TEST(token_endpoint() == "https://idp.example/token2");
    BOOST_TEST(client.seen().size() == 2U);
}

BOOST_AUTO_TEST_CASE(an_old_copy_serves_while_no_newer_can_be_had) {
    client.answer(200, kGood);
    BOOST_TEST(token_endpoint() == "https://idp.example/token");
    time.advance(25h);
    client.fail(Errc::Unavailable, "idp.example: connection refused");
    BOOST_TEST(token_endpoint() == "https://idp.example/token");
    BOOST_TEST(client.seen().size() == 2U);
    BOOST_TEST(token_endpoint() == "https://idp.example/token");
    BOOST_TEST(client.seen().size() == 2U);  // not asked again at once
    time.advance(10s);
    client.answer(200, kOther);
    BOOST_TEST(token_endpoint() == "https://idp.example/token2");
}

BOOST_AUTO_TEST_CASE(many_callers_one_request) {
    int answered = 0;
    for (int i = 0; i < 50; ++i) {
        discovery.find(kIssuer, transport, [&](Result<Discovery::Metadata> got) {
            answered += got.has_value() ? 1 : 0;
        });
    }
    BOOST_TEST(client.seen().size() == 1U);
    client.answer(200, kGood);
    client.run();
    BOOST_TEST(answered == 50);
}

BOOST_AUTO_TEST_CASE(another_transport_is_another_lookup) {
    client.answer(200, kGood);
    BOOST_TEST(token_endpoint() == "https://idp.example/token");
    transport.ca_file = "/other.pem";
    client.answer(200, kOther);
    BOOST_TEST(token_endpoint() == "https://idp.example/token2");
}

BOOST_AUTO_TEST_CASE(a_failure_is_kept_for_a_while_and_longer_each_time) {
    for (const auto pause : {10s, 20s, 40s, 80s, 160s, 300s, 300s}) {
        const std::size_t before = client.seen().size();
        client.answer(503, "");
        for (int i = 0; i < 3; ++i) {
            const auto answer = find();
            BOOST_REQUIRE((answer.has_value() && !answer->has_value()));
            BOOST_TEST((answer->error().code == Errc::Unavailable));
            BOOST_TEST(answer->error().context == "discovery at idp.example: HTTP 503");
        }
        BOOST_TEST(client.seen().size() == before + 1);
        time.advance(pause - 1s);
        (void)find();
        BOOST_TEST(client.seen().size() == before + 1);
        time.advance(1s);
    }
}

struct FallbackRow {
    const char* name;
    long status;
    const char* body;
    bool falls_back;
};
std::ostream& operator<<(std::ostream& out, const FallbackRow& row) { return out << row.name; }
const FallbackRow kFallbacks[] = {
    {"not found", 404, "", true},
    {"forbidden", 403, "{}", true},
    {"HTML in place of it", 200, "<html>", true},
    {"redirect", 302, "", true},
    {"trouble", 503, "", false},
    {"throttled", 429, "", false},
};
BOOST_DATA_TEST_CASE(the_second_place_is_tried, boost::unit_test::data::make(kFallbacks), row) {
    client.answer(row.status, row.body);
    client.answer(200, kGood);
    BOOST_TEST(token_endpoint() == (row.falls_back ? "https://idp.example/token" : "none"));
    BOOST_TEST(client.seen().size() == (row.falls_back ? 2U : 1U));
    if (row.falls_back) {
        BOOST_TEST(client.seen()[1].url ==
                   "https://idp.example/.well-known/oauth-authorization-server/realm");
    }
}

BOOST_AUTO_TEST_CASE(a_network_error_is_told_once) {
    client.fail(Errc::Timeout, "idp.example: no answer within 30 s");
    const auto answer = find();
    BOOST_REQUIRE((answer.has_value() && !answer->has_value()));
    BOOST_TEST((answer->error().code == Errc::Timeout));
    BOOST_TEST(answer->error().context == "discovery: idp.example: no answer within 30 s");
}

BOOST_AUTO_TEST_CASE(an_issuer_that_is_no_url_needs_no_request) {
    std::optional<Errc> code;
    discovery.find("http://idp.example", transport,
                   [&](Result<Discovery::Metadata> got) { code = got.error().code; });
    BOOST_TEST((code == Errc::Config));
    BOOST_TEST(client.seen().empty());
}

BOOST_AUTO_TEST_CASE(destruction_drops_callbacks) {
    bool called = false;
    {
        Discovery brief(client, time);
        brief.find(kIssuer, transport, [&](Result<Discovery::Metadata>) { called = true; });
    }
    client.answer(200, kGood);
    client.run();
    BOOST_TEST(!called);
}

BOOST_AUTO_TEST_CASE(scopes_and_the_promise_of_iss_are_read) {
    const std::string base =
        R"({"issuer":"https://idp.example/realm","token_endpoint":"https://idp.example/token")";
    const auto plain = read_metadata(base + "}", kIssuer, false);
    BOOST_REQUIRE(plain.has_value());
    BOOST_TEST(!plain->sends_issuer);
    BOOST_TEST(plain->scopes.empty());
    const auto full =
        read_metadata(base + R"(,"authorization_response_iss_parameter_supported":true,)"
                             R"("scopes_supported":["openid",7,"offline_access"]})",
                      kIssuer, false);
    BOOST_REQUIRE(full.has_value());
    BOOST_TEST(full->sends_issuer);
    BOOST_REQUIRE(full->scopes.size() == 2U);
    BOOST_TEST(full->scopes[1] == "offline_access");
}

BOOST_AUTO_TEST_CASE(what_a_server_says_of_pkce) {
    const auto checks = [](const std::string& more) {
        const auto metadata =
            read_metadata(R"({"issuer":")" + std::string(kIssuer) +
                              R"(","token_endpoint":"https://idp.example/t")" + more + "}",
                          kIssuer, false);
        BOOST_REQUIRE(metadata.has_value());
        return metadata->checks_s256;
    };
    BOOST_TEST(!checks("").has_value());
    BOOST_TEST(!checks(R"(,"code_challenge_methods_supported":null)").has_value());
    BOOST_TEST(checks(R"(,"code_challenge_methods_supported":["plain","S256"])").value_or(false));
    for (const char* none : {"[]", R"(["plain"])", R"(["s256"])", R"("S256")", "7"}) {
        BOOST_TEST(
            !checks(R"(,"code_challenge_methods_supported":)" + std::string(none)).value_or(true));
    }
}

BOOST_AUTO_TEST_CASE(an_endpoint_that_could_fool_the_eye_is_refused) {
    for (const char* url :
         {"https://idp.ex\u0430mple/a", "https://idp.example/\u202ea", "https://idp.example/a b"}) {
        const auto metadata = read_metadata(R"({"issuer":")" + std::string(kIssuer) +
                                                R"(","token_endpoint":"https://idp.example/t",)"
                                                R"("authorization_endpoint":")" +
                                                url + "\"}",
                                            kIssuer, false);
        BOOST_REQUIRE(!metadata.has_value());
        BOOST_TEST((metadata.error().code == Errc::Config));
    }
}

BOOST_AUTO_TEST_SUITE_END()
