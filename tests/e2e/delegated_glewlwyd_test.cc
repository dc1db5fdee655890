// SPDX-License-Identifier: Apache-2.0
// Logins at a server that nobody here wrote (Debian's glewlwyd): a device, a browser (curl) on the
// loopback, a pasted address, a signed assertion; single-use refresh tokens, logout. The server
// itself says whose tokens they are and whether they are good. glewlwyd_server_test shows what it
// does without us.
#include <boost/test/unit_test.hpp>
#include <regex>

#include "tests/e2e/agent_rig.hh"
#include "tests/e2e/login_dialogue.hh"
#include "tests/support/agent_process.hh"
#include "tests/support/failure.hh"
#include "tests/support/glewlwyd_instance.hh"
#include "tests/support/programs.hh"
#include "tests/support/rehearsal_process.hh"

using namespace postbearer::test;

namespace {

using namespace std::chrono_literals;

constexpr const char* kUser = "alice@contoso.test";
constexpr const char* kDesk = "desk";      // public
constexpr const char* kOffice = "office";  // confidential
constexpr const char* kSigner = "signer";  // with a certificate
constexpr const char* kSecret = "glewlwyd-secret_of.the-office";
constexpr const char* kScopes = "openid profile smtp imap";

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

using Login = LoginDialogue;

struct Rig {
    TempDir directory{"pb-login"};
    Rehearsal certificates{Programs::rehearsal(), directory / "rehearsal", directory / "auth.sock"};
    ReservedPort port;  // of the redirect
    std::unique_ptr<GlewlwydInstance> server;
    std::unique_ptr<Agent> agent;

    explicit Rig(const std::string& client = kDesk) {
        certificates.start();
        server = std::make_unique<GlewlwydInstance>(
            GlewlwydSettings{.directory = directory / "glewlwyd",
                             .certificate = certificates.certificate(),
                             .key = certificates.key(),
                             .ca_file = certificates.ca_file(),
                             .device_interval_seconds = 1});
        server->start();
        server->add_user(kUser);
        const std::vector<std::string> scopes{"openid", "profile", "smtp", "imap"};
        server->add_client({.id = kDesk, .scopes = scopes, .redirect_uris = {redirect_uri()}});
        server->add_client(
            {.id = kOffice,
             .secret = kSecret,
             .grants = {"code", "device_authorization", "refresh_token", "client_credentials"},
             .scopes = scopes,
             .redirect_uris = {redirect_uri()},
             .authentication = "client_secret_basic"});
        for (const char* each : {kDesk, kOffice}) {
            server->consent(kUser, each, kScopes);
        }
        add_signer();
        agent = std::make_unique<Agent>(Programs::agent(), settings(client));
        agent->start();
    }

    [[nodiscard]] std::string redirect_uri() const {
        return "http://localhost:" + std::to_string(port.number());
    }
    [[nodiscard]] Finished cli(std::vector<std::string> words) const {
        words.insert(words.begin(), Programs::cli());
        words.insert(words.end(), {"--config", agent->configuration()});
        return run({.argv = words});
    }
    [[nodiscard]] std::string token(const std::string& resource = "smtp") const {
        Finished said = cli({"token", kUser, "--resource", resource});
        BOOST_REQUIRE_MESSAGE(said.ok(), said.error << tail(agent->log_path()));
        said.output.pop_back();
        return said.output;
    }
    /// By the server's own word.
    void check_good(const std::string& token, const std::string& client) const {
        const Json::Value verdict = server->audit(token);
        BOOST_TEST(verdict["active"].asBool());
        BOOST_TEST(verdict["username"].asString() == kUser);
        BOOST_TEST(verdict["client_id"].asString() == client);
    }
    /// A login by curl alone, for tests that want to know the refresh token.
    [[nodiscard]] Json::Value log_in_by_hand(const std::string& client) const {
        const std::string landing = server->authorize(
            kUser, server->issuer() + "/auth?response_type=code&client_id=" + client +
                       "&redirect_uri=" + percent_encoded(redirect_uri()) +
                       "&scope=" + percent_encoded(kScopes) +
                       "&state=s1&nonce=n1&code_challenge_method=S256&code_challenge="
                       "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        std::smatch code;
        BOOST_REQUIRE(std::regex_search(landing, code, std::regex("code=([^&]+)")));
        return server
            ->form("token",
                   {{"grant_type", "authorization_code"},
                    {"client_id", client},
                    {"redirect_uri", redirect_uri()},
                    {"code", code[1]},
                    {"code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"}},
                   client == kOffice ? client + ":" + kSecret : "")
            .json();
    }
    void import_token(const std::string& refresh_token) const {
        const std::string answer =
            ask_once(agent->admin_socket(), std::string("request=import_login\njson={\"account\":"
                                                        "\"") +
                                                kUser + "\",\"refresh_token\":\"" + refresh_token +
                                                "\",\"user\":\"\"}\n\n");
        BOOST_REQUIRE_MESSAGE(answer.starts_with("status=ok"), answer);
    }

private:
    void add_signer() {
        (void)run_ok({.argv = {"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                               "/CN=signer", "-days", "30", "-keyout", directory / "signer.key",
                               "-out", directory / "signer.crt"}});
        std::filesystem::permissions(directory / "signer.key", std::filesystem::perms(0600));
        server->add_client({.id = kSigner,
                            .public_key = run_ok({.argv = {"openssl", "pkey", "-in",
                                                           directory / "signer.key", "-pubout"}}),
                            .grants = {"client_credentials"},
                            .scopes = {"smtp"},
                            .redirect_uris = {},
                            .authentication = "private_key_jwt"});
    }

    [[nodiscard]] AgentSettings settings(const std::string& client) const {
        AgentSettings agent_settings;
        agent_settings.directory = directory / "agent";
        agent_settings.sockets = {directory / "agent.sock"};
        agent_settings.ca_file = certificates.ca_file();
        const std::string issuer = "issuer = \"" + server->issuer() + "\"\n";
        AgentProvider login;
        login.name = "glewlwyd";
        login.type = "oidc";
        login.tenant = "";
        login.client_id = client;
        login.secret = client == kOffice ? kSecret : "";
        login.more = issuer + "scopes = { smtp = [\"openid\", \"smtp\"], imap = [\"openid\", " +
                     "\"imap\"] }\nredirect_uri = \"" + redirect_uri() + "\"\n" +
                     (client == kOffice ? "client_auth = \"basic\"\n" : "");
        AgentProvider signer;
        signer.name = "signer";
        signer.type = "oidc";
        signer.tenant = "";
        signer.client_id = kSigner;
        signer.secret = "";
        signer.more = issuer + "scopes = { smtp = [\"smtp\"] }\ncertificate = \"" +
                      (directory / "signer.crt").string() +
                      "\"\nprivate_key = \"file:" + (directory / "signer.key").string() + "\"\n";
        agent_settings.providers = {login, signer};
        agent_settings.accounts = {{.match = kUser, .provider = "glewlwyd", .grant = "delegated"},
                                   {.match = "relay@contoso.test", .provider = "signer"}};
        agent_settings.access = {{.subject = "uid = 0", .resources = R"(["smtp"])"}};
        return agent_settings;
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(delegated_glewlwyd_test)

BOOST_AUTO_TEST_CASE(by_device_code) {
    Rig rig;
    Login login(rig.directory.path(), {kUser, "--device"}, rig.agent->configuration());
    const std::string code = login.says("enter this code:\\s+(\\S+)");
    BOOST_TEST(contains(login.said(), rig.server->issuer() + "/device"));
    BOOST_TEST(contains(login.said(), kDesk));
    rig.server->approve_device(kUser, code);
    BOOST_TEST(login.end().ok(), login.said());
    BOOST_TEST(contains(login.said(), std::string("Logged in: ") + kUser));
    rig.check_good(rig.token(), kDesk);
    rig.agent->stop();
}

/// The server says slow_down by itself when it is polled faster than it wants.
BOOST_AUTO_TEST_CASE(by_device_code_with_slow_down) {
    Rig rig;
    const auto admin = [&](const std::string& request, const std::string& json) {
        const std::string answer = ask_once(rig.agent->admin_socket(),
                                            "request=" + request + "\njson=" + json + "\n\n", 30s);
        const std::size_t begin = answer.find("json=");
        BOOST_REQUIRE_MESSAGE(begin != std::string::npos, answer);
        return json_of(answer.substr(begin + 5, answer.find('\n', begin) - begin - 5));
    };
    Json::Value now = admin("login_start", R"({"account":"alice@contoso.test","flow":"device"})");
    BOOST_TEST(now["interval"].asInt() == 1);
    rig.server->set_device_interval(4);  // after it has promised one
    const std::string session = R"({"session":")" + now["session"].asString() + "\"}";
    wait_until("slow_down to be obeyed", [&] {
        now = admin("login_wait", session);
        BOOST_REQUIRE_MESSAGE(now["state"].asString() == "waiting",
                              now["error"]["message"].asString());
        return now["interval"].asInt() == 6;  // RFC 8628 section 3.5
    });
    rig.server->approve_device(kUser, now["user_code"].asString());
    wait_until("the login", [&] {
        now = admin("login_wait", session);
        return now["state"].asString() != "waiting";
    });
    BOOST_TEST(now["state"].asString() == "done");
    BOOST_TEST(now["user"].asString() == kUser);
    BOOST_TEST(now["user_confirmed_by"].asString() == "id_token");
    rig.check_good(rig.token(), kDesk);
    rig.agent->stop();
}

BOOST_AUTO_TEST_CASE(by_browser_on_the_loopback) {
    for (const char* client : {kDesk, kOffice}) {
        Rig rig(client);
        Login login(rig.directory.path(), {kUser, "--browser"}, rig.agent->configuration());
        const std::string url = login.says("(https://localhost:\\S+/auth\\?\\S+)");
        const std::string ssh_line = "ssh -L " + std::to_string(rig.port.number()) +
                                     ":127.0.0.1:" + std::to_string(rig.port.number());
        BOOST_TEST(contains(login.said(), ssh_line));
        for (const char* part : {"code_challenge_method=S256", "state=", "response_type=code"}) {
            BOOST_TEST(contains(url, part), url);
        }
        const std::string landing = rig.server->authorize(kUser, url);
        BOOST_TEST(landing.starts_with(rig.redirect_uri()), landing);
        const std::string page =
            run_ok({.argv = {"curl", "--silent", "--fail", "--noproxy", "*", "--ipv4", landing}});
        BOOST_TEST(contains(page, "Signed in"));
        BOOST_TEST(login.end().ok(), login.said());
        BOOST_TEST(contains(login.said(), "(confirmed by id_token)"));
        rig.check_good(rig.token(), client);
        rig.agent->stop();
    }
}

BOOST_AUTO_TEST_CASE(by_pasted_address) {
    Rig rig;
    Login login(rig.directory.path(), {kUser, "--paste"}, rig.agent->configuration());
    const std::string url = login.says("(https://localhost:\\S+/auth\\?\\S+)");
    (void)login.says("(Paste the address here)");
    login.type(rig.server->authorize(kUser, url));
    BOOST_TEST(login.end().ok(), login.said());
    rig.check_good(rig.token(), kDesk);
    rig.agent->stop();
}

BOOST_AUTO_TEST_CASE(client_credentials_by_certificate) {
    Rig rig;
    Finished said = rig.cli({"token", "relay@contoso.test"});
    BOOST_REQUIRE_MESSAGE(said.ok(), said.error << tail(rig.agent->log_path()));
    said.output.pop_back();
    const Json::Value verdict = rig.server->audit(said.output);
    BOOST_TEST(verdict["active"].asBool());
    BOOST_TEST(verdict["scope"].asString() == "smtp");
    rig.agent->stop();
}

/// Each renewal brings a new refresh token, and one that comes back revokes them all.
BOOST_AUTO_TEST_CASE(single_use_refresh_tokens) {
    Rig rig;
    const Json::Value tokens = rig.log_in_by_hand(kDesk);
    const std::string first = tokens["refresh_token"].asString();
    BOOST_REQUIRE(rig.server->audit(first)["active"].asBool());
    rig.import_token(first);
    for (int i = 0; i < 4; ++i) {
        BOOST_TEST(rig.cli({"refresh", kUser}).ok());
        rig.check_good(rig.token(), kDesk);
    }
    BOOST_TEST(!rig.server->audit(first)["active"].asBool());
    rig.agent->kill();
    rig.agent->start();
    BOOST_TEST(rig.cli({"refresh", kUser}).ok());
    rig.check_good(rig.token(), kDesk);
    // Somebody stole the first one: the server revokes the chain. It says so by an empty 400.
    BOOST_TEST(rig.server
                   ->form("token", {{"grant_type", "refresh_token"},
                                    {"client_id", kDesk},
                                    {"refresh_token", first}})
                   .status == 400);
    const Finished refused = rig.cli({"refresh", kUser});
    BOOST_TEST(!refused.ok());
    BOOST_TEST(contains(refused.output + refused.error, "HTTP 400"),
               refused.output + refused.error);
    // Nothing is thrown away because of it.
    const Finished status = rig.cli({"status", kUser, "--json"});
    BOOST_TEST(!json_of(status.output)["accounts"][0]["login"].isNull(), status.output);
    rig.agent->stop();
}

BOOST_AUTO_TEST_CASE(logout_revokes_where_the_server_lets_it) {
    Rig rig(kOffice);
    const std::string token = rig.log_in_by_hand(kOffice)["refresh_token"].asString();
    rig.import_token(token);
    BOOST_TEST(rig.server->audit(token)["active"].asBool());
    const Finished said = rig.cli({"logout", kUser});
    BOOST_TEST(said.ok(), said.error);
    BOOST_TEST(!rig.server->audit(token)["active"].asBool());
    BOOST_TEST(!rig.cli({"token", kUser}).ok());
    rig.agent->stop();
}

/// A public client may not revoke there: the login is forgotten all the same, and it is said.
BOOST_AUTO_TEST_CASE(logout_tells_that_it_could_not_revoke) {
    Rig rig;
    const std::string token = rig.log_in_by_hand(kDesk)["refresh_token"].asString();
    rig.import_token(token);
    const Finished said = rig.cli({"logout", kUser});
    BOOST_TEST(contains(said.output + said.error, "revoke"), said.output + said.error);
    BOOST_TEST(rig.server->audit(token)["active"].asBool());
    BOOST_TEST(!rig.cli({"token", kUser}).ok());
    rig.agent->stop();
}

/// What others see of a token does not change with what the agent does meanwhile.
BOOST_AUTO_TEST_CASE(introspection_is_unaffected) {
    Rig rig(kOffice);
    rig.import_token(rig.log_in_by_hand(kOffice)["refresh_token"].asString());
    const std::string token = rig.token();
    const Json::Value before = rig.server->introspect(token, kOffice, kSecret);
    BOOST_TEST(before["active"].asBool());
    BOOST_TEST(rig.cli({"refresh", kUser}).ok());
    rig.agent->kill();
    rig.agent->start();
    BOOST_TEST(rig.cli({"refresh", kUser}).ok());
    BOOST_TEST((rig.server->introspect(token, kOffice, kSecret) == before));
    rig.check_good(rig.token(), kOffice);
    rig.agent->stop();
}

BOOST_AUTO_TEST_SUITE_END()
