// SPDX-License-Identifier: Apache-2.0
#include "common/agent_messages.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <vector>

namespace {

using namespace postbearer;
using namespace postbearer::protocol;
using namespace std::chrono_literals;

std::string text(const Secret& message) { return std::string(message.reveal()); }

BOOST_AUTO_TEST_SUITE(agent_messages_test)

// ---- vocabularies -------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(words_of_the_contract) {
    const std::vector<std::string_view> classes{"transient", "needs_user",      "needs_admin",
                                                "denied",    "unknown_account", "bad_request"};
    for (std::size_t i = 0; i < classes.size(); ++i) {
        const auto failure_class = static_cast<FailureClass>(i);
        BOOST_TEST(name_of(failure_class) == classes[i]);
        BOOST_TEST((failure_class_from(classes[i]) == failure_class));
    }
    const std::vector<std::string_view> codes{"timeout",
                                              "network",
                                              "throttled",
                                              "provider_error",
                                              "bad_response",
                                              "too_short",
                                              "store_unwritable",
                                              "invalid_grant",
                                              "interaction_required",
                                              "invalid_client",
                                              "unauthorized_client",
                                              "invalid_scope",
                                              "cert_expired",
                                              "not_logged_in",
                                              "access_denied",
                                              "no_account",
                                              "syntax"};
    for (std::size_t i = 0; i < codes.size(); ++i) {
        const auto code = static_cast<FailureCode>(i);
        BOOST_TEST(name_of(code) == codes[i]);
        BOOST_TEST((failure_code_from(codes[i]) == code));
    }
    BOOST_TEST((FailureCode::Syntax == static_cast<FailureCode>(codes.size() - 1)));
    for (const Resource resource : kResources) {
        BOOST_TEST((resource_from(name_of(resource)) == resource));
    }
    for (const char* odd : {"", "SMTP", "smtp ", "smtps", "x"}) {
        BOOST_TEST(!resource_from(odd).has_value());
        BOOST_TEST(!failure_class_from(odd).has_value());
        BOOST_TEST(!failure_code_from(odd).has_value());
    }
}

// ---- requests -----------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_token_request_as_the_contract_shows_it) {
    TokenRequest request;
    request.account = "relay@contoso.com";
    request.host = "smtp.office365.com";
    request.min_valid = 300s;
    request.wait = 5000ms;
    BOOST_TEST(text(encode(request)) ==
               "request=token\naccount=relay@contoso.com\nresource=smtp\nhost=smtp.office365.com\n"
               "min_valid=300\nwait_ms=5000\n\n");
    request.host.clear();
    request.min_valid.reset();
    request.wait.reset();
    BOOST_TEST(text(encode(request)) ==
               "request=token\naccount=relay@contoso.com\nresource=smtp\n\n");
}

BOOST_AUTO_TEST_CASE(requests_come_back_as_they_went) {
    TokenRequest request;
    request.account = "gr\xc3\xbc\xc3\x9f@contoso.com";
    request.resource = Resource::Graph;
    request.host = "graph.microsoft.com";
    request.min_valid = 0s;
    request.wait = 0ms;
    const auto again = decode_request(encode(request).reveal());
    BOOST_REQUIRE(again.has_value());
    const auto& token = std::get<TokenRequest>(*again);
    BOOST_TEST(token.account == request.account);
    BOOST_TEST((token.resource == Resource::Graph));
    BOOST_TEST(token.host == request.host);
    BOOST_TEST((token.min_valid == 0s));
    BOOST_TEST((token.wait == 0ms));

    RejectedReport report;
    report.account = "a";
    report.resource = Resource::Pop;
    report.fingerprint = "9f1c22ab";
    report.detail = "535 5.7.3 = no";
    report.claims = "e30=";
    const auto rejected = decode_request(encode(report).reveal());
    BOOST_REQUIRE(rejected.has_value());
    BOOST_TEST(std::get<RejectedReport>(*rejected).detail == report.detail);
    BOOST_TEST(std::get<RejectedReport>(*rejected).claims == report.claims);
    BOOST_TEST(std::get<RejectedReport>(*rejected).fingerprint == report.fingerprint);

    BOOST_TEST(std::holds_alternative<Ping>(decode_request(encode(Ping{}).reveal()).value()));
}

BOOST_AUTO_TEST_CASE(order_is_free_and_unknown_attributes_are_ignored) {
    const auto request = decode_request(
        "future=x\nwait_ms=1\nresource=imap\naccount=a@b.test\nrequest=token\nzzz=\n\n");
    BOOST_REQUIRE(request.has_value());
    BOOST_TEST((std::get<TokenRequest>(*request).resource == Resource::Imap));
}

struct BadRow {
    const char* name;
    std::string block;
};
std::ostream& operator<<(std::ostream& out, const BadRow& row) { return out << row.name; }
const std::string kTarget = "request=token\naccount=a@b.test\nresource=smtp\n";
const std::string kReport = "request=rejected\naccount=a@b.test\nresource=smtp\n";
const BadRow kBad[] = {
    {"empty", "\n"},
    {"no request", "account=a\n\n"},
    {"unknown request", "request=login\n\n"},
    {"not a message", "request=ping\n"},
    {"account missing", "request=token\nresource=smtp\n\n"},
    {"account empty", "request=token\naccount=\nresource=smtp\n\n"},
    {"resource missing", "request=token\naccount=a\n\n"},
    {"resource unknown", "request=token\naccount=a\nresource=ldap\n\n"},
    {"min_valid empty", kTarget + "min_valid=\n\n"},
    {"min_valid negative", kTarget + "min_valid=-1\n\n"},
    {"min_valid with a sign", kTarget + "min_valid=+1\n\n"},
    {"min_valid with a blank", kTarget + "min_valid= 1\n\n"},
    {"min_valid beyond 64 bits", kTarget + "min_valid=18446744073709551616\n\n"},
    {"min_valid hexadecimal", kTarget + "min_valid=0x10\n\n"},
    {"wait_ms fractional", kTarget + "wait_ms=1.5\n\n"},
    {"fingerprint missing", kReport + "\n"},
    {"fingerprint short", kReport + "fingerprint=9f1c22a\n\n"},
    {"fingerprint long", kReport + "fingerprint=9f1c22abc\n\n"},
    {"fingerprint upper case", kReport + "fingerprint=9F1C22AB\n\n"},
    {"fingerprint no hex", kReport + "fingerprint=9f1c22ag\n\n"},
};
BOOST_DATA_TEST_CASE(bad_requests, boost::unit_test::data::make(kBad), row) {
    const auto request = decode_request(row.block);
    BOOST_REQUIRE(!request.has_value());
    BOOST_TEST((request.error().failure_class == FailureClass::BadRequest));
    BOOST_TEST((request.error().code == FailureCode::Syntax));
    BOOST_TEST(!request.error().message.empty());
    BOOST_TEST(request.error().message.size() <= kMaxSentenceBytes);
}

BOOST_AUTO_TEST_CASE(large_numbers_are_capped_not_refused) {
    const auto request = decode_request(
        kTarget + "min_valid=18446744073709551615\nwait_ms=18446744073709551615\n\n");
    BOOST_REQUIRE(request.has_value());
    BOOST_TEST((std::get<TokenRequest>(*request).wait == kMaxWait));
    BOOST_TEST((std::get<TokenRequest>(*request).min_valid == 400 * 24h));
}

// ---- answers ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(answers_begin_with_status) {
    const TokenGrantView grant{"eyJ0", "relay@contoso.com", WallTime(1'795'230'000s), "9f1c22ab",
                               "Bearer"};
    BOOST_TEST(text(encode(grant)) ==
               "status=ok\ntoken=eyJ0\ntoken_type=Bearer\nuser=relay@contoso.com\n"
               "expires_at=1795230000\nfingerprint=9f1c22ab\n\n");
    BOOST_TEST(text(encode(RejectedAction::Refreshed)) == "status=ok\naction=refreshed\n\n");
    BOOST_TEST(text(encode(RejectedAction::Stale)) == "status=ok\naction=stale\n\n");
    BOOST_TEST(text(encode(RejectedAction::RateLimited)) == "status=ok\naction=rate_limited\n\n");
    BOOST_TEST(text(encode_pong("1.2.3")) == "status=ok\nversion=1.2.3\nprotocol=1\n\n");
    AgentFailure failure;
    failure.failure_class = FailureClass::NeedsAdmin;
    failure.code = FailureCode::InvalidClient;
    failure.message = "do this";
    failure.retry_after = 60s;
    failure.hint = "AADSTS7000222";
    BOOST_TEST(text(encode(failure)) ==
               "status=error\nclass=needs_admin\ncode=invalid_client\nmessage=do this\n"
               "retry_after=60\nhint=AADSTS7000222\n\n");
}

BOOST_AUTO_TEST_CASE(a_sentence_is_one_line_of_four_hundred_bytes_at_most) {
    AgentFailure failure;
    failure.message = "a\nb" + std::string(396, 'x') + "\xe2\x82\xac\xe2\x82\xac";
    const auto answer = decode_token_answer(encode(failure).reveal());
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST(answer.error().message == "a?b" + std::string(396, 'x'));  // no half character
}

BOOST_AUTO_TEST_CASE(the_largest_token_fits_an_answer) {
    const std::string token(kMaxAnswerBytes - 512, 'x');
    const Secret message =
        encode(TokenGrantView{token, std::string(254, 'u'), WallTime(1s), "9f1c22ab", "Bearer"});
    BOOST_TEST(message.size() <= kMaxAnswerBytes);
    const auto answer = decode_token_answer(message.reveal());
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->token.reveal() == token);
}

struct GarbledRow {
    const char* name;
    const char* block;
};
std::ostream& operator<<(std::ostream& out, const GarbledRow& row) { return out << row.name; }
constexpr GarbledRow kGarbled[] = {
    {"empty", "\n"},
    {"status not first", "token=x\nstatus=ok\nexpires_at=1\n\n"},
    {"odd status", "status=fine\n\n"},
    {"no token", "status=ok\nexpires_at=1\n\n"},
    {"empty token", "status=ok\ntoken=\nexpires_at=1\n\n"},
    {"token with a blank", "status=ok\ntoken=a b\nexpires_at=1\n\n"},
    {"no expiry", "status=ok\ntoken=x\n\n"},
    {"error without class", "status=error\n\n"},
    {"error of an unknown class", "status=error\nclass=new\n\n"},
    {"no message at all", "HTTP/1.1 200 OK\r\n\r\n"},
};
BOOST_DATA_TEST_CASE(garbled_answers, boost::unit_test::data::make(kGarbled), row) {
    const auto answer = decode_token_answer(row.block);
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().failure_class == FailureClass::BadRequest));
    BOOST_TEST(answer.error().message.starts_with("the token agent sent a garbled answer: "));
}

BOOST_AUTO_TEST_CASE(an_unknown_code_keeps_its_class) {
    const auto answer = decode_token_answer("status=error\nclass=needs_user\ncode=new\n\n");
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().failure_class == FailureClass::NeedsUser));
    BOOST_TEST((answer.error().code == FailureCode::ProviderError));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
