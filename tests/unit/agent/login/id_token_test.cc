// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/id_token.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>

#include "token-agent/login/pkce.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;

constexpr const char* kGuid = "11111111-2222-3333-4444-555555555555";
constexpr const char* kPersonal = "9188040d-6c67-4c5b-b112-36a304b66dad";

Secret token_of(const std::string& claims) {
    return Secret("e30." + std::string(view(base64url(claims))) + ".c2ln");
}

struct Room {
    Room() {
        wish.issuer = "https://idp.example";
        wish.client_id = "client";
        wish.now = WallTime(1'000'000s);
    }
    Result<IdToken> read(const std::string& claims) {
        return read_id_token(token_of(claims), wish);
    }
    std::string names(const std::string& claims) {
        const auto token = read(R"({"iss":"https://idp.example","aud":"client","sub":"s",)"
                                R"("exp":1000001,)" +
                                claims + "}");
        BOOST_REQUIRE(token.has_value());
        return joined(token->names.sure) + "|" + joined(token->names.doubtful);
    }
    static std::string joined(const std::vector<std::string>& names) {
        std::string text;
        for (const std::string& name : names) {
            text += (text.empty() ? "" : ",") + name;
        }
        return text;
    }
    IdTokenWish wish;
};

struct Row {
    const char* name;
    const char* claims;
    const char* words;  // of the error; empty: it is taken
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
const Row kRows[] = {
    {"good", R"({"iss":"https://idp.example","aud":"client","sub":"s","exp":1000001})", ""},
    {"audiences", R"({"iss":"https://idp.example","aud":["x","client"],"sub":"s","exp":1000001})",
     ""},
    {"authorized party",
     R"({"iss":"https://idp.example","aud":["x","client"],"azp":"client","sub":"s","exp":1000001})",
     ""},
    {"another party",
     R"({"iss":"https://idp.example","aud":["x","client"],"azp":"x","sub":"s","exp":1000001})",
     "another client"},
    {"one audience, another party",
     R"({"iss":"https://idp.example","aud":"client","azp":"x","sub":"s","exp":1000001})",
     "another client"},
    {"one audience, our party",
     R"({"iss":"https://idp.example","aud":"client","azp":"client","sub":"s","exp":1000001})", ""},
    {"a party that is no string",
     R"({"iss":"https://idp.example","aud":"client","azp":["client"],"sub":"s","exp":1000001})",
     "another client"},
    {"a party that is no string, among several",
     R"({"iss":"https://idp.example","aud":["client"],"azp":7,"sub":"s","exp":1000001})",
     "another client"},
    {"another audience", R"({"iss":"https://idp.example","aud":"x","sub":"s","exp":1000001})",
     "another client"},
    {"no audience", R"({"iss":"https://idp.example","sub":"s","exp":1000001})", "another client"},
    {"a slash more", R"({"iss":"https://idp.example/","aud":"client","sub":"s","exp":1000001})",
     "not from the configured issuer"},
    {"no issuer", R"({"aud":"client","sub":"s","exp":1000001})", "configured issuer"},
    {"just expired", R"({"iss":"https://idp.example","aud":"client","sub":"s","exp":999701})", ""},
    {"beyond the skew", R"({"iss":"https://idp.example","aud":"client","sub":"s","exp":999700})",
     "expired"},
    {"quoted time", R"({"iss":"https://idp.example","aud":"client","sub":"s","exp":"1000001"})",
     ""},
    {"no time", R"({"iss":"https://idp.example","aud":"client","sub":"s"})", "expired"},
    {"no subject", R"({"iss":"https://idp.example","aud":"client","exp":1000001})", "subject"},
    {"no object", "[]", "not a JSON object"},
    {"no JSON", "{", "not valid JSON"},
};
BOOST_DATA_TEST_CASE_F(Room, id_token_claims, boost::unit_test::data::make(kRows), row) {
    const auto token = read(row.claims);
    BOOST_TEST(token.has_value() == std::string(row.words).empty());
    if (!token) {
        BOOST_TEST((token.error().code == Errc::Protocol));
        BOOST_TEST(token.error().context.find(row.words) != std::string::npos);
    }
}

struct Tenant {
    const char* name;
    const char* tenant;  // as configured
    const char* id;      // in the token
    bool fits;
};
std::ostream& operator<<(std::ostream& out, const Tenant& row) { return out << row.name; }
const Tenant kTenants[] = {
    {"domain name", "contoso.onmicrosoft.com", kGuid, true},
    {"its id", kGuid, kGuid, true},
    {"another id", "00000000-2222-3333-4444-555555555555", kGuid, false},
    {"common", "common", kGuid, true},
    {"common, personal", "common", kPersonal, true},
    {"organizations", "organizations", kGuid, true},
    {"organizations, personal", "organizations", kPersonal, false},
    {"consumers", "consumers", kPersonal, true},
    {"consumers, work", "consumers", kGuid, false},
    {"no id", "common", "../evil", false},
};
BOOST_DATA_TEST_CASE_F(Room, the_tenant_of_entra, boost::unit_test::data::make(kTenants), row) {
    wish.issuer = "https://login.example/{tenantid}/v2.0";
    wish.tenant = row.tenant;
    const std::string id = row.id;
    const auto claims = [&](const std::string& in_issuer) {
        return R"({"iss":"https://login.example/)" + in_issuer + R"(/v2.0","tid":")" + id +
               R"(","aud":"client","sub":"s","exp":1000001})";
    };
    BOOST_TEST(read(claims(id)).has_value() == row.fits);
    BOOST_TEST(!read(claims("22222222-2222-3333-4444-555555555555")).has_value());
    BOOST_TEST(!read(claims("{tenantid}")).has_value());
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(id_token_test, Room)

BOOST_AUTO_TEST_CASE(names_of_entra) {
    wish.provider_type = ProviderType::Microsoft;
    wish.mail_is_vouched_for = true;
    BOOST_TEST(names(R"("unique_name":"d","email":"c","upn":"b","preferred_username":"a")") ==
               "a,b,c|d");
    BOOST_TEST(names(R"("upn":"a","preferred_username":"a","email":"a")") == "a|");
    BOOST_TEST(names(R"("name":"Alice")") == "|");
    BOOST_TEST(names(R"("upn":"a","email":"b","email_verified":false)") == "a|b");
    wish.mail_is_vouched_for = false;
    BOOST_TEST(names(R"("upn":"a","email":"b")") == "a|b");
    BOOST_TEST(names(R"("upn":"a","email":"b","email_verified":true)") == "a|b");
    BOOST_TEST(names(R"("upn":"a","email":"b","xms_edov":true)") == "a,b|");
    BOOST_TEST(names(R"("upn":"a","email":"b","xms_edov":1)") == "a,b|");
    BOOST_TEST(names(R"("upn":"a","email":"b","xms_edov":"1")") == "a,b|");
    BOOST_TEST(names(R"("upn":"a","email":"b","xms_edov":false)") == "a|b");
    BOOST_TEST(names(R"("upn":"a","email":"b","xms_edov":0)") == "a|b");
}

BOOST_AUTO_TEST_CASE(an_address_counts_where_it_was_verified) {
    BOOST_TEST(names(R"("email":"a@x","email_verified":true)") == "a@x|");
    BOOST_TEST(names(R"("email":"a@x","email_verified":"true")") == "a@x|");
    BOOST_TEST(names(R"("email":"a@x")") == "|a@x");
    BOOST_TEST(names(R"("email":"a@x","email_verified":false)") == "|a@x");
    BOOST_TEST(names(R"("email":"a@x","email_verified":"maybe")") == "|a@x");
    BOOST_TEST(names(R"("email":"a@x","email_verified":1)") == "|a@x");
    // Users choose their preferred_username at some servers, so a verified address comes first.
    BOOST_TEST(names(R"("email":"a@x","email_verified":true,"preferred_username":"b@x")") ==
               "a@x|");
    BOOST_TEST(names(R"("upn":"u@x","preferred_username":"b@x","email":"a@x")") == "u@x,b@x|a@x");
}

BOOST_AUTO_TEST_CASE(a_name_that_is_no_address_gives_way_to_one) {
    BOOST_TEST(names(R"("preferred_username":"alice")") == "alice|");
    BOOST_TEST(names(R"("preferred_username":"alice","email":"a@x")") == "|a@x");
    BOOST_TEST(names(R"("preferred_username":"alice","upn":"u@x")") == "u@x|");
}

BOOST_AUTO_TEST_CASE(names_that_could_spoil_a_log_are_left_out) {
    BOOST_TEST(names(R"("upn":"a\nb","email":7,"preferred_username":"")") == "|");
    BOOST_TEST(names(R"("upn":")" + std::string(400, 'x') + "\"") == "|");
    BOOST_TEST(names(R"("upn":"a\u200bb","email":"a\u202eb")") == "|");
}

BOOST_AUTO_TEST_CASE(a_nonce_that_was_sent_must_come_back) {
    const std::string base =
        R"({"iss":"https://idp.example","aud":"client","sub":"s","exp":1000001)";
    wish.nonce = "abc";
    BOOST_TEST(read(base + R"(,"nonce":"abc"})").has_value());
    BOOST_TEST(!read(base + R"(,"nonce":"abd"})").has_value());
    BOOST_TEST(!read(base + "}").has_value());
    wish.nonce = {};
    BOOST_TEST(read(base + R"(,"nonce":"abc"})").has_value());
}

BOOST_AUTO_TEST_CASE(an_unknown_issuer_is_at_least_on_the_host_that_answered) {
    wish.issuer.clear();
    wish.issuer_origin = "https://idp.example";
    const auto from = [&](const std::string& issuer) {
        return read(R"({"iss":)" + issuer + R"(,"aud":"client","sub":"s","exp":1000001})")
            .has_value();
    };
    BOOST_TEST(from(R"("https://idp.example")"));
    BOOST_TEST(from(R"("https://idp.example/realms/a")"));
    for (const char* other : {R"("https://idp.example.evil")", R"("https://evil.example")",
                              R"("https://idp.example:8443")", R"("http://idp.example")",
                              R"("idp.example")", "\"\"", "null", "7"}) {
        BOOST_TEST(!from(other));
    }
    const auto refused = read(R"({"iss":"https://evil.example","aud":"client","sub":"s"})");
    BOOST_TEST(refused.error().context.find("set issuer") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_is_no_jwt) {
    for (const char* text : {"", "a", "a.b", "a.b.c.d", "a.!.c", "..", "a..c"}) {
        BOOST_TEST(!read_id_token(Secret(text), wish).has_value());
    }
    BOOST_TEST(
        !read_id_token(Secret("a." + std::string(kMaxIdTokenBytes, 'e') + ".c"), wish).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
