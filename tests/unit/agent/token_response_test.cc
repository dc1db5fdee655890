// SPDX-License-Identifier: Apache-2.0
#include "token-agent/token_response.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "common/text.hh"
#include "tests/support/scripted_http.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::FailureCode;
using test::json_response;

constexpr std::string_view kSentinel = "S3ntinel-Secret~Value+&=%";
constexpr WallTime kNow{1'800'000'000s};

AnswerContext context(Grant grant = Grant::ClientCredentials) {
    AnswerContext made;
    made.provider = "contoso";
    made.grant = grant;
    made.now = kNow;
    made.redacted = {kSentinel};
    return made;
}

/// What holds of every failure, whatever its cause.
void check_shape(const FetchFailure& failure) {
    const std::string& message = failure.answer.message;
    BOOST_TEST_CONTEXT(message) {
        BOOST_TEST(message.size() <= protocol::kMaxSentenceBytes);
        BOOST_TEST(message.find("provider 'contoso': ") == 0U);
        BOOST_TEST(is_plain_utf8(message));
        BOOST_TEST(message.find("S3ntinel") == std::string::npos);
    }
}

struct GoodRow {
    const char* name;
    const char* body;
    std::chrono::seconds expires_in;
    std::optional<std::chrono::seconds> refresh_in;
};
std::ostream& operator<<(std::ostream& out, const GoodRow& row) { return out << row.name; }
const GoodRow kGood[] = {
    {"Entra",
     R"({"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"a.b-c_d"})",
     3599s, std::nullopt},
    {"expires_in as a string (1.10 defect 2)",
     R"({"token_type":"Bearer","expires_in":"3599","access_token":"a.b-c_d"})", 3599s,
     std::nullopt},
    {"bearer in lower case (1.10 defect 2)",
     R"({"token_type":"bearer","expires_in":3600,"access_token":"a.b-c_d"})", 3600s, std::nullopt},
    {"no token_type", R"({"expires_in":60,"access_token":"a.b-c_d"})", 60s, std::nullopt},
    {"no expires_in", R"({"token_type":"Bearer","access_token":"a.b-c_d"})", 3600s, std::nullopt},
    {"null counts as absent",
     R"({"token_type":null,"expires_in":null,"access_token":"a.b-c_d","error":null})", 3600s,
     std::nullopt},
    {"a real number", R"({"expires_in":3599.9,"access_token":"a.b-c_d"})", 3599s, std::nullopt},
    {"30 days at most", R"({"expires_in":9223372036854775807,"access_token":"a.b-c_d"})", 30 * 24h,
     std::nullopt},
    {"more than 64 bits", R"({"expires_in":18446744073709551615,"access_token":"a.b-c_d"})",
     30 * 24h, std::nullopt},
    {"a long string", R"({"expires_in":"99999999999999999999999","access_token":"a.b-c_d"})",
     30 * 24h, std::nullopt},
    {"refresh_in", R"({"expires_in":86399,"refresh_in":43199,"access_token":"a.b-c_d"})", 86399s,
     43199s},
    {"refresh_in as a string",
     R"({"expires_in":86399,"refresh_in":"43199","access_token":"a.b-c_d"})", 86399s, 43199s},
    {"refresh_in beyond the life is no advice",
     R"({"expires_in":100,"refresh_in":100,"access_token":"a.b-c_d"})", 100s, std::nullopt},
    {"refresh_in of zero", R"({"expires_in":100,"refresh_in":0,"access_token":"a.b-c_d"})", 100s,
     std::nullopt},
    {"a BOM", "\xEF\xBB\xBF{\"access_token\":\"a.b-c_d\"}", 3600s, std::nullopt},
};

struct BadRow {
    const char* name;
    const char* body;
    FailureClass failure_class;
};
std::ostream& operator<<(std::ostream& out, const BadRow& row) { return out << row.name; }
const BadRow kBad[] = {
    {"HTML with 200, a captive portal (1.10 defect 2)", "<html>S3ntinel</html>",
     FailureClass::Transient},
    {"nothing", "", FailureClass::Transient},
    {"text", "OK", FailureClass::Transient},
    {"array", "[]", FailureClass::Transient},
    {"string", "\"a\"", FailureClass::Transient},
    {"cut off", R"({"access_token":"a)", FailureClass::Transient},
    {"something behind it", R"({"access_token":"abc"} {})", FailureClass::Transient},
    {"the same key twice", R"({"access_token":"abc","access_token":"abd"})",
     FailureClass::Transient},
    {"no token", R"({"token_type":"Bearer","expires_in":3600})", FailureClass::Transient},
    {"empty token", R"({"access_token":""})", FailureClass::Transient},
    {"token of another type", R"({"access_token":12})", FailureClass::Transient},
    {"token with a blank", R"({"access_token":"a b"})", FailureClass::Transient},
    {"token with a line break", R"({"access_token":"a\nb"})", FailureClass::Transient},
    {"token with control A", "{\"access_token\":\"a\\u0001auth=x\"}", FailureClass::Transient},
    {"token with NUL", R"({"access_token":"a\u0000b"})", FailureClass::Transient},
    {"token of padding only", R"({"access_token":"==="})", FailureClass::Transient},
    {"padding inside", R"({"access_token":"a=b"})", FailureClass::Transient},
    {"zero", R"({"access_token":"abc","expires_in":0})", FailureClass::Transient},
    {"negative", R"({"access_token":"abc","expires_in":-1})", FailureClass::Transient},
    {"negative string", R"({"access_token":"abc","expires_in":"-3600"})", FailureClass::Transient},
    {"NaN", R"({"access_token":"abc","expires_in":NaN})", FailureClass::Transient},
    {"word", R"({"access_token":"abc","expires_in":"soon"})", FailureClass::Transient},
    {"beyond all numbers", R"({"access_token":"abc","expires_in":1e999})", FailureClass::Transient},
    {"list", R"({"access_token":"abc","expires_in":[3600]})", FailureClass::Transient},
    {"true", R"({"access_token":"abc","expires_in":true})", FailureClass::Transient},
    {"another token type", R"({"access_token":"abc","token_type":"DPoP"})",
     FailureClass::NeedsAdmin},
    {"token type of another type", R"({"access_token":"abc","token_type":1})",
     FailureClass::NeedsAdmin},
};

struct RefusedRow {
    const char* name;
    long status;
    const char* body;
    FailureClass failure_class;
    FailureCode code;
    const char* words;
};
std::ostream& operator<<(std::ostream& out, const RefusedRow& row) { return out << row.name; }
const RefusedRow kRefused[] = {
    {"expired secret", 401,
     R"({"error":"invalid_client","error_description":"AADSTS7000222: The provided client secret)"
     R"( keys for app 'S3ntinel-Secret~Value+&=%' are expired. Trace ID: x","error_codes":[7000222],)"
     R"("trace_id":"0f1e2d3c-0000-0000-0000-000000000000","correlation_id":"c0"})",
     FailureClass::NeedsAdmin, FailureCode::InvalidClient,
     "provider 'contoso': client secret expired (AADSTS7000222). Create a new secret or move to a "
     "certificate, then reload"},
    {"wrong secret, number in the text only", 401,
     R"({"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret"})",
     FailureClass::NeedsAdmin, FailureCode::InvalidClient, "the secret's Value, not its Secret ID"},
    {"unknown number", 400,
     R"({"error":"invalid_request","error_description":"AADSTS123: Odd.","error_codes":[123]})",
     FailureClass::NeedsAdmin, FailureCode::ProviderError, "AADSTS123). Check"},
    {"unauthorized_client", 400, R"({"error":"unauthorized_client"})", FailureClass::NeedsAdmin,
     FailureCode::UnauthorizedClient, "HTTP 400 unauthorized_client"},
    {"invalid_scope", 400, R"({"error":"invalid_scope"})", FailureClass::NeedsAdmin,
     FailureCode::InvalidScope, "scope"},
    {"invalid_target", 400, R"({"error":"invalid_target"})", FailureClass::NeedsAdmin,
     FailureCode::InvalidScope, "resource"},
    {"unsupported_grant_type", 400, R"({"error":"unsupported_grant_type"})",
     FailureClass::NeedsAdmin, FailureCode::UnauthorizedClient, "grant"},
    {"invalid_grant", 400, R"({"error":"invalid_grant"})", FailureClass::NeedsUser,
     FailureCode::InvalidGrant, "no longer valid"},
    {"interaction_required", 400, R"({"error":"interaction_required","suberror":"basic_action"})",
     FailureClass::NeedsUser, FailureCode::InteractionRequired, "consent"},
    {"client_mismatch is not the user's", 400,
     R"({"error":"invalid_grant","suberror":"client_mismatch"})", FailureClass::NeedsAdmin,
     FailureCode::InvalidGrant, ""},
    {"protection_policy_required is not the user's", 400,
     R"({"error":"interaction_required","suberror":"protection_policy_required"})",
     FailureClass::NeedsAdmin, FailureCode::InteractionRequired, ""},
    {"client loop", 400,
     R"({"error":"invalid_grant","error_codes":[50196],"error_description":"AADSTS50196: loop"})",
     FailureClass::Transient, FailureCode::Throttled, "AADSTS50196"},
    {"temporarily_unavailable", 400, R"({"error":"temporarily_unavailable"})",
     FailureClass::Transient, FailureCode::ProviderError, "Retried"},
    {"server_error", 400, R"({"error":"server_error"})", FailureClass::Transient,
     FailureCode::ProviderError, ""},
    {"Microsoft down", 400, R"({"error":"invalid_request","error_codes":[90033]})",
     FailureClass::Transient, FailureCode::ProviderError, "AADSTS90033"},
    {"unknown error with a known number", 400, R"({"error":"odd","error_codes":[90002]})",
     FailureClass::NeedsAdmin, FailureCode::ProviderError, "tenant not found"},
    {"unknown error", 400, R"({"error":"odd_error"})", FailureClass::NeedsAdmin,
     FailureCode::ProviderError, "odd_error"},
    {"error with 200", 200, R"({"error":"invalid_client"})", FailureClass::NeedsAdmin,
     FailureCode::InvalidClient, "HTTP 200 invalid_client"},
    {"429 with text (MN#2855)", 429, "Too Many Requests", FailureClass::Transient,
     FailureCode::Throttled, "HTTP 429"},
    {"429 with JSON that says otherwise", 429, R"({"error":"invalid_client"})",
     FailureClass::Transient, FailureCode::Throttled, ""},
    {"408", 408, "", FailureClass::Transient, FailureCode::Timeout, ""},
    {"500", 500, "<html>", FailureClass::Transient, FailureCode::ProviderError, "HTTP 500"},
    {"503 with JSON", 503, R"({"error":"invalid_grant"})", FailureClass::Transient,
     FailureCode::ProviderError, ""},
    {"504", 504, "", FailureClass::Transient, FailureCode::ProviderError, ""},
    {"glewlwyd: 403 without body", 403, "", FailureClass::NeedsAdmin, FailureCode::InvalidClient,
     "client_secret"},
    {"401 without body", 401, "", FailureClass::NeedsAdmin, FailureCode::InvalidClient, ""},
    {"400 without body", 400, "", FailureClass::NeedsAdmin, FailureCode::ProviderError, ""},
    {"404", 404, "<html>", FailureClass::NeedsAdmin, FailureCode::BadResponse, "token_endpoint"},
    {"405", 405, "", FailureClass::NeedsAdmin, FailureCode::BadResponse, ""},
    {"404 with a reason", 404, R"({"error":"invalid_client"})", FailureClass::NeedsAdmin,
     FailureCode::InvalidClient, ""},
    {"403 of a web proxy", 403, "<html>blocked</html>", FailureClass::Transient,
     FailureCode::BadResponse, "proxy or portal"},
    {"400 in HTML", 400, "<html>", FailureClass::Transient, FailureCode::BadResponse, ""},
    {"error is an object, as Google's APIs have it", 403, R"({"error":{"code":403}})",
     FailureClass::NeedsAdmin, FailureCode::ProviderError, ""},
    {"204", 204, "", FailureClass::Transient, FailureCode::BadResponse, ""},
    {"201 with a token", 201, R"({"access_token":"abc"})", FailureClass::Transient,
     FailureCode::BadResponse, ""},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(token_response_test)

BOOST_DATA_TEST_CASE(a_token_is_read, boost::unit_test::data::make(kGood), row) {
    const auto result = read_token_response(json_response(200, row.body), context());
    BOOST_REQUIRE(result.has_value());
    BOOST_TEST(result->token.access_token.reveal() == "a.b-c_d");
    BOOST_TEST(result->token.token_type == "Bearer");
    BOOST_TEST((result->token.expires_in == row.expires_in));
    BOOST_TEST((result->token.refresh_in == row.refresh_in));
}

BOOST_DATA_TEST_CASE(an_unusable_answer, boost::unit_test::data::make(kBad), row) {
    const auto result = read_token_response(json_response(200, row.body), context());
    BOOST_REQUIRE(!result.has_value());
    BOOST_TEST((result.error().answer.failure_class == row.failure_class));
    BOOST_TEST((result.error().answer.code == FailureCode::BadResponse));
    BOOST_TEST(result.error().http_status == 200);
    check_shape(result.error());
}

BOOST_DATA_TEST_CASE(a_refusal, boost::unit_test::data::make(kRefused), row) {
    const auto result = read_token_response(json_response(row.status, row.body), context());
    BOOST_REQUIRE(!result.has_value());
    const FetchFailure& failure = result.error();
    BOOST_TEST_CONTEXT(failure.answer.message) {
        BOOST_TEST(protocol::name_of(failure.answer.failure_class) ==
                   protocol::name_of(row.failure_class));
        BOOST_TEST(protocol::name_of(failure.answer.code) == protocol::name_of(row.code));
        BOOST_TEST(failure.answer.message.find(row.words) != std::string::npos);
    }
    BOOST_TEST(failure.http_status == row.status);
    check_shape(failure);
}

BOOST_AUTO_TEST_CASE(ids_are_kept_for_the_log) {
    const auto result = read_token_response(json_response(401, kRefused[0].body), context());
    BOOST_REQUIRE(!result.has_value());
    BOOST_TEST(result.error().answer.hint == "AADSTS7000222");
    BOOST_TEST(result.error().error == "invalid_client");
    BOOST_TEST(result.error().trace_id == "0f1e2d3c-0000-0000-0000-000000000000");
    BOOST_TEST(result.error().correlation_id == "c0");
}

BOOST_AUTO_TEST_CASE(an_answer_without_body_to_a_user_s_grant_needs_the_user) {
    const auto result = read_token_response(json_response(400, ""), context(Grant::Delegated));
    BOOST_TEST((result.error().answer.failure_class == FailureClass::NeedsUser));
    BOOST_TEST((result.error().answer.code == FailureCode::InvalidGrant));
}

BOOST_AUTO_TEST_CASE(depth_is_bounded) {
    const std::string deep = R"({"access_token":"abc","x":)" + std::string(100'000, '[');
    const auto result = read_token_response(json_response(200, deep), context());
    BOOST_REQUIRE(!result.has_value());
    BOOST_TEST((result.error().answer.code == FailureCode::BadResponse));
}

BOOST_AUTO_TEST_CASE(a_token_may_be_long_but_not_too_long) {
    const std::string longest(kMaxTokenBytes, 'x');
    const auto answer = [](const std::string& token) {
        return read_token_response(json_response(200, R"({"access_token":")" + token + "\"}"),
                                   context());
    };
    BOOST_TEST(answer(longest)->token.access_token.size() == kMaxTokenBytes);
    BOOST_TEST(!answer(longest + "x").has_value());
}

struct WaitRow {
    const char* name;
    long status;
    const char* body;
    std::optional<std::chrono::seconds> given;
    std::optional<std::chrono::seconds> expected;
};
std::ostream& operator<<(std::ostream& out, const WaitRow& row) { return out << row.name; }
const WaitRow kWaits[] = {
    {"429", 429, "", 60s, 60s},
    {"429 without", 429, "", std::nullopt, std::nullopt},
    {"an hour at most", 503, "", 366 * 24h, 3600s},
    {"loop: five minutes at least", 400, R"({"error":"invalid_grant","error_codes":[50196]})",
     std::nullopt, 300s},
    {"loop: the server's if longer", 429, R"({"error":"invalid_grant","error_codes":[50196]})",
     900s, 900s},
    {"no use for needs_admin", 401, R"({"error":"invalid_client"})", 60s, std::nullopt},
};
BOOST_DATA_TEST_CASE(how_long_to_wait, boost::unit_test::data::make(kWaits), row) {
    http::Response response = json_response(row.status, row.body);
    response.retry_after = row.given;
    const auto result = read_token_response(response, context());
    BOOST_TEST((result.error().answer.retry_after == row.expected));
}

BOOST_AUTO_TEST_CASE(what_spreads_slowly_is_transient_after_a_change) {
    for (const char* number : {"7000215", "70021", "700213"}) {
        const std::string body =
            R"({"error":"invalid_client","error_codes":[)" + std::string(number) + "]}";
        AnswerContext changed = context();
        changed.recently_changed = true;
        const auto soon = read_token_response(json_response(401, body), changed);
        BOOST_TEST((soon.error().answer.failure_class == FailureClass::Transient));
        BOOST_TEST(soon.error().answer.message.find("Retried for 15 minutes") != std::string::npos);
        check_shape(soon.error());
        const auto later = read_token_response(json_response(401, body), context());
        BOOST_TEST((later.error().answer.failure_class == FailureClass::NeedsAdmin));
    }
    AnswerContext changed = context();
    changed.recently_changed = true;
    const auto expired = read_token_response(
        json_response(401, R"({"error":"invalid_client","error_codes":[7000222]})"), changed);
    BOOST_TEST((expired.error().answer.failure_class == FailureClass::NeedsAdmin));
}

BOOST_AUTO_TEST_CASE(a_redirect_names_the_host_only) {
    http::Response response = json_response(302, "S3ntinel");
    response.redirect_host = "portal.example";
    const auto result = read_token_response(response, context());
    BOOST_TEST((result.error().answer.failure_class == FailureClass::NeedsAdmin));
    BOOST_TEST((result.error().answer.code == FailureCode::BadResponse));
    BOOST_TEST(result.error().answer.message.find("HTTP 302 to portal.example") !=
               std::string::npos);
    check_shape(result.error());
}

BOOST_AUTO_TEST_CASE(clock_skew_is_reported) {
    for (const auto skew : {600s, -600s}) {
        http::Response response = json_response(401, R"({"error":"invalid_client"})");
        response.date = kNow + skew;
        const auto result = read_token_response(response, context());
        BOOST_TEST((result.error().clock_skew == skew));
        BOOST_TEST(result.error().answer.message.find(skew > 0s ? "600 s behind" : "600 s ahead") !=
                   std::string::npos);
        response.date = kNow + skew / 5;
        BOOST_TEST(!read_token_response(response, context()).error().clock_skew.has_value());
    }
}

struct QuoteRow {
    const char* name;
    const char* description;
    const char* shown;
    const char* hidden;
};
std::ostream& operator<<(std::ostream& out, const QuoteRow& row) { return out << row.name; }
const QuoteRow kQuotes[] = {
    {"plain words", "Client authentication failed", "The server says: Client authentication failed",
     "\n"},
    {"our secret", "bad secret S3ntinel-Secret~Value+&=%", "", "The server says"},
    {"somebody's token", "token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.abc is bad",
     "token [...] is bad", "eyJ"},
    {"a refresh token of Google's", "bad 1//0abcdefGHIJKLmnop-qr", "bad [...]", "1//0"},
    {"control characters", "a\\u0007b\\u001b[31m", "The server says: a?b?[31m", "\x1b"},
    {"a second line", "first\\nsecond", "first", "second"},
};
BOOST_DATA_TEST_CASE(the_server_s_words, boost::unit_test::data::make(kQuotes), row) {
    const std::string body =
        std::string(R"({"error":"invalid_client","error_description":")") + row.description + "\"}";
    const auto result = read_token_response(json_response(401, body), context());
    BOOST_TEST_CONTEXT(result.error().answer.message) {
        BOOST_TEST(result.error().answer.message.find(row.shown) != std::string::npos);
        BOOST_TEST(result.error().answer.message.find(row.hidden) == std::string::npos);
    }
    check_shape(result.error());
}

BOOST_AUTO_TEST_CASE(long_words_are_cut) {
    std::string body = R"({"error":"invalid_client","error_description":")";
    for (int i = 0; i < 200; ++i) {
        body += "word ";
    }
    AnswerContext long_name = context();
    long_name.provider = "contoso': " + std::string(300, 'x');
    const auto result = read_token_response(json_response(401, body + "\"}"), long_name);
    BOOST_TEST(result.error().answer.message.size() <= protocol::kMaxSentenceBytes);
}

BOOST_AUTO_TEST_CASE(ids_that_quote_a_secret_are_dropped) {
    AnswerContext quoted = context();
    quoted.redacted = {"abcdef"};
    const auto result = read_token_response(
        json_response(400, R"({"error":"abcdef","suberror":"xabcdefx","trace_id":"abcdef",)"
                           R"("correlation_id":"a b"})"),
        quoted);
    BOOST_TEST(result.error().error.empty());
    BOOST_TEST(result.error().suberror.empty());
    BOOST_TEST(result.error().trace_id.empty());
    BOOST_TEST(result.error().correlation_id.empty());
    BOOST_TEST(result.error().answer.message.find("abcdef") == std::string::npos);
}

struct TransportRow {
    const char* name;
    Errc error;
    FailureClass failure_class;
    FailureCode code;
};
std::ostream& operator<<(std::ostream& out, const TransportRow& row) { return out << row.name; }
const TransportRow kTransport[] = {
    {"network", Errc::Unavailable, FailureClass::Transient, FailureCode::Network},
    {"time-out", Errc::Timeout, FailureClass::Transient, FailureCode::Timeout},
    {"too large, no HTTP", Errc::Protocol, FailureClass::Transient, FailureCode::BadResponse},
    {"configuration", Errc::Config, FailureClass::NeedsAdmin, FailureCode::ProviderError},
    {"denied", Errc::Denied, FailureClass::NeedsAdmin, FailureCode::ProviderError},
    {"ours", Errc::Internal, FailureClass::Transient, FailureCode::ProviderError},
};
BOOST_DATA_TEST_CASE(no_answer, boost::unit_test::data::make(kTransport), row) {
    const FetchFailure failure = unanswered({row.error, "login.example: it failed"}, context());
    BOOST_TEST((failure.answer.failure_class == row.failure_class));
    BOOST_TEST((failure.answer.code == row.code));
    BOOST_TEST(failure.answer.message.find("login.example: it failed") != std::string::npos);
    check_shape(failure);
}

struct CompanionRow {
    const char* name;
    std::string members;
    const char* refresh;  // null: none
    bool lost;
};
std::ostream& operator<<(std::ostream& out, const CompanionRow& row) { return out << row.name; }
const CompanionRow kCompanions[] = {
    {"none", "", nullptr, false},
    {"null", R"(,"refresh_token":null)", nullptr, false},
    {"as Entra sends them", R"(,"refresh_token":"0.AX-_~/+=")", "0.AX-_~/+=", false},
    {"a blank is allowed by RFC 6749", R"(,"refresh_token":"a b")", "a b", false},
    {"the longest", R"(,"refresh_token":")" + std::string(kMaxRefreshTokenBytes, 'x') + '"',
     nullptr,  // compared by size below
     false},
    {"empty", R"(,"refresh_token":"")", nullptr, true},
    {"no string", R"(,"refresh_token":4711)", nullptr, true},
    {"a control character", R"(,"refresh_token":"a\nb")", nullptr, true},
    {"beyond ASCII", R"(,"refresh_token":"\u00e4")", nullptr, true},
    {"too long", R"(,"refresh_token":")" + std::string(kMaxRefreshTokenBytes + 1, 'x') + '"',
     nullptr, true},
};
BOOST_DATA_TEST_CASE(a_bad_refresh_token_costs_no_access_token,
                     boost::unit_test::data::make(kCompanions), row) {
    const auto result = read_token_response(
        json_response(200, R"({"access_token":"a.b","expires_in":"60")" + row.members + "}"),
        context(Grant::Delegated));
    BOOST_REQUIRE(result.has_value());
    BOOST_TEST(result->token.access_token.reveal() == "a.b");
    BOOST_TEST(result->refresh_token_lost == row.lost);
    if (row.refresh != nullptr) {
        BOOST_REQUIRE(result->refresh_token.has_value());
        BOOST_TEST(result->refresh_token->reveal() == row.refresh);
    } else if (row.name == std::string("the longest")) {
        BOOST_REQUIRE(result->refresh_token.has_value());
        BOOST_TEST(result->refresh_token->size() == kMaxRefreshTokenBytes);
    } else {
        BOOST_TEST(!result->refresh_token.has_value());
    }
}

BOOST_AUTO_TEST_CASE(id_token_and_scope_come_along) {
    auto result = read_token_response(
        json_response(200, R"({"access_token":"a","id_token":"h.p.s","scope":"x y"})"),
        context(Grant::Delegated));
    BOOST_REQUIRE(result.has_value());
    BOOST_REQUIRE(result->id_token.has_value());
    BOOST_TEST(result->id_token->reveal() == "h.p.s");
    BOOST_TEST(!result->id_token_unusable);
    BOOST_TEST(result->scope == "x y");
    result = read_token_response(
        json_response(200, R"({"access_token":"a","id_token":"h p","scope":["x"]})"),
        context(Grant::Delegated));
    BOOST_REQUIRE(result.has_value());
    BOOST_TEST(!result->id_token.has_value());
    BOOST_TEST(result->id_token_unusable);
    BOOST_TEST(result->scope.empty());
}

BOOST_AUTO_TEST_SUITE_END()
