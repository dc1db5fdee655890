// SPDX-License-Identifier: Apache-2.0
// Google: a user who consents in a browser, a refresh token that is never replaced, logout that
// revokes it, and a service account that acts for mailboxes by domain-wide delegation.
#include <boost/test/unit_test.hpp>
#include <set>

#include "tests/e2e/login_dialogue.hh"
#include "tests/e2e/provider_rig.hh"
#include "tests/support/failure.hh"
#include "tests/support/http_call.hh"
#include "tests/support/test_keys.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kClient = "desk.apps.googleusercontent.com";
constexpr const char* kSecret = "GOCSPX-secret-of-a-desktop-app";
constexpr const char* kScope = "https://mail.google.com/";
constexpr const char* kServiceClient = "104857600000000000001";

std::string google_endpoints(const Rehearsal& rehearsal) {
    const std::string base = rehearsal.base_url() + "/google/";
    return "authorization_endpoint = \"" + base + "o/oauth2/v2/auth\"\nrevocation_endpoint = \"" +
           base + "revoke\"\n";
}

AgentProvider google_provider(const Rehearsal& rehearsal) {
    AgentProvider provider;
    provider.name = "google";
    provider.type = "google";
    provider.tenant = "";
    provider.token_endpoint = rehearsal.base_url() + "/google/token";
    return provider;
}

/// kAliceUser and kBobUser log in themselves.
struct UserRig : ProviderRig {
    UserRig() {
        Json::Value client;
        client["tenant"] = "google";
        Json::Value secret;
        secret["value"] = kSecret;
        client["secrets"].append(secret);
        client["redirect_uris"].append("http://localhost");
        client["delegated_scopes"].append(kScope);
        (void)rehearsal().put_client(kClient, client);
        AgentProvider provider = google_provider(rehearsal());
        provider.client_id = kClient;
        provider.secret = kSecret;
        provider.more = google_endpoints(rehearsal());
        settings().providers.push_back(provider);
        add_account(kAliceUser, "google", "delegated");
        add_account(kBobUser, "google", "delegated");
        start();
    }

    /// postbearer login --browser with curl as the browser; what it said.
    std::string log_in(const std::string& account) {
        LoginDialogue login(directory(), {account, "--browser"}, agent().configuration());
        const std::string url = login.says("(https://\\S+/google/o/oauth2/v2/auth\\?\\S+)");
        const HttpReply accepted =
            http_call({.url = url + "&login_as=" + account, .ca_file = rehearsal().ca_file()});
        BOOST_TEST(accepted.status == 302);
        const HttpReply page = http_call({.url = accepted.location});
        BOOST_TEST(page.status == 200);
        BOOST_TEST(login.end().ok(), login.said());
        return login.said();
    }
    [[nodiscard]] Json::Value refresh_tokens() {
        return rehearsal().order("GET", "/refresh_tokens");
    }
};

struct ServiceRig : ProviderRig {
    ServiceRig() {
        Json::Value account;
        account["client_email"] = "relay@project.iam.gserviceaccount.com";
        account["client_id"] = kServiceClient;
        account["public_key"] = public_pem_of(rsa_key());
        account["private_key_id"] = "k1";
        account["subjects"].append("*@contoso.test");
        Json::Value accounts;
        accounts["accounts"].append(account);
        (void)rehearsal().order("PUT", "/google/service_accounts", accounts.toStyledString());
        AgentProvider provider = google_provider(rehearsal());
        provider.name = "workspace";
        provider.client_id = kServiceClient;
        provider.secret = "";
        provider.more =
            "service_account_key = \"file:" + put_file("key.json", key()).string() + "\"\n";
        settings().providers.push_back(provider);
        add_account("@contoso.test", "workspace", "service_account");
        add_account("@elsewhere.test", "workspace", "service_account");
        start();
    }
    /// As the Google Cloud console hands it out.
    [[nodiscard]] std::string key() {
        Json::Value key;
        key["type"] = "service_account";
        key["project_id"] = "project";
        key["private_key_id"] = "k1";
        key["private_key"] = pem_of(rsa_key());
        key["client_email"] = "relay@project.iam.gserviceaccount.com";
        key["client_id"] = kServiceClient;
        key["token_uri"] = rehearsal().base_url() + "/google/token";
        return key.toStyledString();
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(google_test)

BOOST_AUTO_TEST_CASE(a_user_consents_in_the_browser) {
    UserRig rig;
    const std::string said = rig.log_in(kAliceUser);
    BOOST_TEST(contains(said, "(confirmed by id_token)"), said);
    const std::vector<Json::Value> pages = rig.seen("authorize");
    BOOST_REQUIRE(pages.size() == 1U);  // one consent, whatever it is for
    BOOST_TEST(pages[0]["login"]["access_type"].asString() == "offline");
    BOOST_TEST(pages[0]["login"]["prompt"].asString() == "consent");
    BOOST_TEST(pages[0]["login"]["login_hint"].asString() == kAliceUser);
    BOOST_TEST(pages[0]["login"]["code_challenge_method"].asString() == "S256");
    BOOST_TEST(contains(pages[0]["scope"].asString(), kScope));
    BOOST_TEST(contains(pages[0]["scope"].asString(), "email"));
    BOOST_TEST(!contains(pages[0]["scope"].asString(), "offline_access"));  // Google has none
    BOOST_TEST(pages[0]["unknown_parameters"].empty());
    for (const char* resource : {"smtp", "imap", "pop"}) {
        BOOST_TEST(rig.origin_of(rig.good_token(kAliceUser, resource))["user"].asString() ==
                   kAliceUser);
    }
    BOOST_TEST(!rig.cli({"token", kBobUser}).ok());

    // Again: she has consented before, and without prompt=consent there would be no refresh token.
    (void)rig.log_in(kAliceUser);
    BOOST_TEST(rig.refresh_tokens().size() == 2U);
    BOOST_TEST(rig.cli({"refresh", kAliceUser}).ok());
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(refreshed_without_rotation) {
    UserRig rig;
    (void)rig.log_in(kAliceUser);
    rig.rehearsal().forget_records();
    std::set<std::string> tokens;
    for (int i = 0; i < 4; ++i) {
        if (i == 2) {
            rig.agent().kill();
            rig.agent().start();
        }
        BOOST_TEST(rig.cli({"refresh", kAliceUser}).ok());
        tokens.insert(rig.good_token(kAliceUser));
    }
    BOOST_TEST(tokens.size() == 4U);
    std::set<std::string> sent;
    for (const Json::Value& request : rig.seen("google_token")) {
        BOOST_TEST(request["grant_type"].asString() == "refresh_token");
        BOOST_TEST(request["status"].asUInt() == 200U);
        BOOST_TEST(request["login"]["issued_refresh_token"].asString().empty());
        sent.insert(request["login"]["refresh_token"].asString());
    }
    BOOST_TEST(rig.rehearsal().counter("refresh_successes") >= 4U);
    BOOST_TEST(sent.size() == 1U);
    const Finished status = rig.cli({"status", kAliceUser, "--json"});
    BOOST_TEST(json_of(status.output)["accounts"][0]["state"].asString() == "active",
               status.output);
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(logout_revokes) {
    UserRig rig;
    (void)rig.log_in(kAliceUser);
    (void)rig.log_in(kBobUser);
    (void)rig.good_token(kAliceUser);
    // No verb takes another one's option and goes on without it.
    const Finished unknown = rig.cli({"logout", kAliceUser, "--dry-run"});
    BOOST_TEST(unknown.status.code == 2);
    BOOST_TEST(contains(unknown.error, "--dry-run belongs to other verbs"), unknown.error);
    BOOST_TEST(rig.rehearsal().counter("revocations") == 0U);
    const Finished said = rig.cli({"logout", kAliceUser});
    BOOST_TEST(said.ok(), said.output + said.error);
    BOOST_TEST(rig.rehearsal().counter("revocations") == 1U);
    std::map<std::string, std::string> states;
    for (const Json::Value& each : rig.refresh_tokens()) {
        states[each["user"].asString()] = each["state"].asString();
    }
    BOOST_TEST(states[kAliceUser] == "revoked");
    BOOST_TEST(states[kBobUser] == "valid");
    AttributeMap gone = rig.token(kAliceUser);
    BOOST_TEST(gone["class"] == "needs_user");
    BOOST_TEST(gone["code"] == "not_logged_in");
    (void)rig.good_token(kBobUser);
    rig.agent().stop();
}

/// Revoked in the account's settings: Google says invalid_grant from then on.
BOOST_AUTO_TEST_CASE(access_withdrawn_at_google) {
    UserRig rig;
    (void)rig.log_in(kAliceUser);
    Json::Value whose;
    whose["user"] = kAliceUser;
    (void)rig.rehearsal().order("POST", "/refresh_tokens/revoke", whose.toStyledString());
    const Finished refused = rig.cli({"refresh", kAliceUser});
    BOOST_TEST(!refused.ok());
    const std::string told = refused.output + refused.error;
    BOOST_TEST(contains(told, "invalid_grant"), told);
    const std::string line = rig.agent().log().wait_for("event=account_needs_user ");
    BOOST_TEST(contains(line, std::string("postbearer login ") + kAliceUser), line);
    (void)rig.log_in(kAliceUser);
    BOOST_TEST(rig.cli({"refresh", kAliceUser}).ok());
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(service_account_acts_for_each_mailbox) {
    ServiceRig rig;
    for (const char* mailbox : {kAliceUser, kBobUser}) {
        BOOST_TEST(rig.origin_of(rig.good_token(mailbox))["user"].asString() == mailbox);
        BOOST_TEST(rig.cli({"refresh", mailbox}).ok());
    }
    const std::vector<Json::Value> asked = rig.seen("google_token");
    BOOST_REQUIRE(asked.size() == 4U);
    const std::vector<std::string> subjects{kAliceUser, kAliceUser, kBobUser, kBobUser};
    for (std::size_t i = 0; i < asked.size(); ++i) {
        BOOST_TEST(asked[i]["login"]["user"].asString() == subjects[i]);  // sub
        BOOST_TEST(contains(asked[i]["grant_type"].asString(), "jwt-bearer"));
        BOOST_TEST(asked[i]["status"].asUInt() == 200U);
    }
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(missing_delegation_is_told) {
    ServiceRig rig;
    AttributeMap refused = rig.token("relay@elsewhere.test");
    BOOST_TEST(refused["class"] == "needs_admin");
    BOOST_TEST(refused["code"] == "unauthorized_client");
    for (const char* part : {"domain-wide delegation", kServiceClient, kScope}) {
        BOOST_TEST(contains(refused["message"], part), refused["message"]);
    }
    (void)rig.good_token(kAliceUser);  // it is about that one alone
    rig.agent().stop();
    BOOST_TEST(!contains(read_file(rig.agent().log_path()), "eyJ"));
}

BOOST_AUTO_TEST_SUITE_END()
