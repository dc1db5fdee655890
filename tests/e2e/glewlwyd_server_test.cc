// SPDX-License-Identifier: Apache-2.0
// What Debian's glewlwyd does, seen without any program of ours: the ground that the tests of the
// logins stand on. Where it leaves the RFCs, the agent must bear it.
#include <boost/test/unit_test.hpp>

#include "tests/support/failure.hh"
#include "tests/support/glewlwyd_instance.hh"
#include "tests/support/programs.hh"
#include "tests/support/rehearsal_process.hh"
#include "tests/support/signed_jwt.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/wait.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kAlice = "alice@contoso.test";
constexpr const char* kDesk = "desk";      // public
constexpr const char* kOffice = "office";  // confidential, for logins
constexpr const char* kRelay = "relay";    // confidential, with a secret
constexpr const char* kSigner = "signer";  // confidential, with a key
constexpr const char* kSecret = "glewlwyd-secret_of.the-relay";
constexpr const char* kDeviceGrant = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 7636 appendix B.
constexpr const char* kVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
constexpr const char* kChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct Rig {
    TempDir directory;
    Rehearsal certificates{Programs::rehearsal(), directory / "rehearsal", directory / "auth.sock"};
    std::unique_ptr<GlewlwydInstance> server;
    Path key = directory / "signer.key";

    Rig() {
        certificates.start();
        server = std::make_unique<GlewlwydInstance>(
            GlewlwydSettings{.directory = directory / "glewlwyd",
                             .certificate = certificates.certificate(),
                             .key = certificates.key(),
                             .ca_file = certificates.ca_file(),
                             .device_interval_seconds = 1});
        server->start();
        server->add_user(kAlice);
        server->add_client({.id = kDesk});
        server->add_client(kRelay, kSecret, "smtp");
        (void)run_ok({.argv = {"openssl", "genpkey", "-algorithm", "RSA", "-out", key}});
        server->add_client(
            {.id = kSigner,
             .public_key = run_ok({.argv = {"openssl", "pkey", "-in", key, "-pubout"}}),
             .grants = {"client_credentials"},
             .scopes = {"smtp"},
             .redirect_uris = {},
             .authentication = "private_key_jwt"});
        server->add_client(
            {.id = kOffice,
             .secret = kSecret,
             .grants = {"code", "device_authorization", "refresh_token", "client_credentials"},
             .authentication = "client_secret_basic"});
        server->consent(kAlice, kDesk, "openid smtp");
        server->consent(kAlice, kOffice, "openid smtp");
    }

    [[nodiscard]] Json::Value introspect(const std::string& token) const {
        return server->audit(token);
    }
    [[nodiscard]] GlewlwydAnswer redeem(const std::string& refresh_token) const {
        return server->form("token", {{"grant_type", "refresh_token"},
                                      {"client_id", kDesk},
                                      {"refresh_token", refresh_token}});
    }
    /// Code and PKCE; the answer of the token endpoint.
    [[nodiscard]] GlewlwydAnswer login(const std::string& verifier = kVerifier,
                                       const std::string& client = kDesk) const {
        const std::string landing = server->authorize(
            kAlice, server->issuer() + "/auth?response_type=code&client_id=" + client +
                        "&redirect_uri=http%3A%2F%2Flocalhost&scope=openid%20smtp&state=s1"
                        "&nonce=n1&code_challenge_method=S256&code_challenge=" +
                        kChallenge);
        BOOST_REQUIRE_MESSAGE(landing.starts_with("http://localhost/?"), landing);
        BOOST_TEST((landing.find("state=s1") != std::string::npos), landing);
        const std::size_t begin = landing.find("code=") + 5;
        return server->form("token",
                            {{"grant_type", "authorization_code"},
                             {"client_id", client},
                             {"redirect_uri", "http://localhost"},
                             {"code", landing.substr(begin, landing.find('&', begin) - begin)},
                             {"code_verifier", verifier}},
                            client == kOffice ? client + ":" + kSecret : "");
    }
};

/// RFC 7523, signed by openssl(1).
std::string assertion(const Rig& rig, const std::string& algorithm) {
    const std::string now = run_ok({.argv = {"date", "+%s"}});
    const std::string token_endpoint = rig.server->issuer() + "/token";
    return signed_jwt(algorithm,
                      R"({"iss":"signer","sub":"signer","jti":")" + algorithm + R"(","aud":")" +
                          token_endpoint + R"(","iat":)" + now + R"(,"exp":)" +
                          std::to_string(std::stol(now) + 300) + "}",
                      rig.key);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(glewlwyd_server_test)

BOOST_AUTO_TEST_CASE(it_describes_itself) {
    const Rig rig;
    const Json::Value found = json_of(
        run_ok({.argv = {"curl", "--silent", "--fail", "--cacert", rig.certificates.ca_file(),
                         rig.server->issuer() + "/.well-known/openid-configuration"}}));
    BOOST_TEST(found["issuer"].asString() == rig.server->issuer());
    for (const char* name : {"authorization_endpoint", "token_endpoint",
                             "device_authorization_endpoint", "revocation_endpoint", "jwks_uri"}) {
        BOOST_TEST(found[name].asString().starts_with(rig.server->issuer()), name);
    }
}

BOOST_AUTO_TEST_CASE(a_device_is_approved_by_its_user) {
    const Rig rig;
    const Json::Value begun =
        rig.server->form("device_authorization", {{"client_id", kDesk}, {"scope", "openid smtp"}})
            .json();
    BOOST_TEST(begun["interval"].asInt() == 1);
    BOOST_REQUIRE(!begun["device_code"].asString().empty());
    const auto poll = [&] {
        return rig.server->form("token", {{"grant_type", kDeviceGrant},
                                          {"client_id", kDesk},
                                          {"device_code", begun["device_code"].asString()}});
    };
    BOOST_TEST(poll().json()["error"].asString() == "authorization_pending");
    // At once again: too soon, and it says so of itself.
    BOOST_TEST(poll().json()["error"].asString() == "slow_down");
    rig.server->approve_device(kAlice, begun["user_code"].asString());
    GlewlwydAnswer given;
    wait_until("the device's token", [&] {
        given = poll();
        return given.status == 200;
    });
    const Json::Value tokens = given.json();
    BOOST_TEST(!tokens["refresh_token"].asString().empty());
    BOOST_TEST(!tokens["id_token"].asString().empty());
    BOOST_TEST(tokens["token_type"].asString() == "bearer");  // in lower case
    BOOST_TEST(rig.introspect(tokens["access_token"].asString())["active"].asBool());
    BOOST_TEST(rig.introspect(tokens["access_token"].asString())["username"].asString() == kAlice);
}

BOOST_AUTO_TEST_CASE(a_code_needs_its_verifier) {
    const Rig rig;
    const GlewlwydAnswer refused =
        rig.login("another-verifier-that-is-long-enough-for-the-rule-of-43");
    BOOST_TEST(refused.status == 403);  // and no code of RFC 6749
    BOOST_TEST(refused.json()["error"].asString() == "invalid_code");
    const GlewlwydAnswer given = rig.login();
    BOOST_TEST(given.status == 200, given.body);
    BOOST_TEST(!given.json()["refresh_token"].asString().empty());
    BOOST_TEST(rig.introspect(given.json()["access_token"].asString())["active"].asBool());
}

BOOST_AUTO_TEST_CASE(refresh_tokens_are_single_use_and_a_replay_revokes_the_chain) {
    const Rig rig;
    const std::string first = rig.login().json()["refresh_token"].asString();
    const GlewlwydAnswer renewed = rig.redeem(first);
    BOOST_TEST(renewed.status == 200, renewed.body);
    const std::string second = renewed.json()["refresh_token"].asString();
    BOOST_TEST(!second.empty());
    BOOST_TEST(second != first);
    BOOST_TEST(rig.introspect(second)["active"].asBool());
    const GlewlwydAnswer replayed = rig.redeem(first);
    BOOST_TEST(replayed.status == 400);
    BOOST_TEST(replayed.body == "");  // not even an error code
    BOOST_TEST(!rig.introspect(second)["active"].asBool());
    BOOST_TEST(rig.redeem(second).status == 400);
}

BOOST_AUTO_TEST_CASE(only_confidential_clients_may_revoke) {
    const Rig rig;
    const auto revoke = [&](const std::string& token, const std::string& credentials) {
        return rig.server->form("revoke", {{"token", token}, {"client_id", kDesk}}, credentials)
            .status;
    };
    const std::string public_one = rig.login().json()["refresh_token"].asString();
    BOOST_TEST(revoke(public_one, "") == 401);
    BOOST_TEST(rig.introspect(public_one)["active"].asBool());
    const std::string token = rig.login(kVerifier, kOffice).json()["refresh_token"].asString();
    BOOST_TEST(rig.introspect(token)["active"].asBool());
    BOOST_TEST(revoke(token, std::string(kOffice) + ":" + kSecret) == 200);
    BOOST_TEST(!rig.introspect(token)["active"].asBool());
}

BOOST_AUTO_TEST_CASE(a_signed_assertion_authenticates_a_client) {
    const Rig rig;
    for (const char* algorithm : {"PS256", "RS256"}) {
        const GlewlwydAnswer given = rig.server->form(
            "token",
            {{"grant_type", "client_credentials"},
             {"scope", "smtp"},
             {"client_id", kSigner},
             {"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
             {"client_assertion", assertion(rig, algorithm)}});
        BOOST_TEST(given.status == 200, algorithm << " " << given.status << given.body);
        BOOST_TEST(given.json()["scope"].asString() == "smtp");
        BOOST_TEST(rig.introspect(given.json()["access_token"].asString())["active"].asBool());
    }
    const GlewlwydAnswer refused = rig.server->form(
        "token",
        {{"grant_type", "client_credentials"},
         {"scope", "smtp"},
         {"client_id", kSigner},
         {"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
         {"client_assertion", assertion(rig, "PS256") + "x"}});
    BOOST_TEST(refused.status != 200);
}

BOOST_AUTO_TEST_SUITE_END()
