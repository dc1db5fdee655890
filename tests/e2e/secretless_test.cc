// SPDX-License-Identifier: Apache-2.0
// Applications without a client secret: managed identities of Azure and Azure Arc, federated
// tokens, certificates and their rotation by a list of credentials.
#include <boost/test/unit_test.hpp>
#include <ctime>

#include "tests/e2e/agent_rig.hh"
#include "tests/support/agent_process.hh"
#include "tests/support/chain.hh"
#include "tests/support/programs.hh"
#include "tests/support/rehearsal_process.hh"
#include "tests/support/signed_jwt.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kIdentity = "33333333-3333-3333-3333-333333333333";

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

struct Rig {
    TempDir directory{"pb-login"};
    Rehearsal rehearsal{Programs::rehearsal(), directory / "rehearsal", directory / "auth.sock"};
    std::unique_ptr<Agent> agent;

    Rig() { rehearsal.start(); }

    /// The application kClientId with those lines of the provider.
    void start(const std::string& lines, std::map<std::string, std::string> environment = {}) {
        AgentSettings settings;
        settings.directory = directory / "agent";
        settings.sockets = {directory / "agent.sock"};
        settings.ca_file = rehearsal.ca_file();
        AgentProvider provider;
        provider.secret = "";
        provider.token_endpoint = rehearsal.token_endpoint(kTenant);
        provider.more = lines;
        settings.providers = {provider};
        settings.accounts = {{.match = "@contoso.test"}};
        settings.access = {{.subject = "uid = 0"}};
        settings.environment = std::move(environment);
        agent = std::make_unique<Agent>(Programs::agent(), std::move(settings));
        agent->start();
    }
    [[nodiscard]] Finished token() const {
        return run({.argv = {Programs::cli(), "token", kRelayAccount, "--config",
                             agent->configuration()}});
    }
    void check_token() const {
        const Finished said = token();
        BOOST_TEST(said.ok(), said.error << tail(agent->log_path()));
    }
    [[nodiscard]] bool refreshes() const {
        return run({.argv = {Programs::cli(), "refresh", kRelayAccount, "--config",
                             agent->configuration()}})
            .ok();
    }
    /// NAME.key and NAME.crt; the certificate.
    [[nodiscard]] std::string make_certificate(const std::string& name) const {
        (void)run_ok({.argv = {"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                               "/CN=" + name, "-days", "90", "-keyout", directory / (name + ".key"),
                               "-out", directory / (name + ".crt")}});
        std::filesystem::permissions(directory / (name + ".key"), std::filesystem::perms(0600));
        return read_file(directory / (name + ".crt"));
    }
    /// {certificate = .., private_key = ..}
    [[nodiscard]] std::string credential(const std::string& name) const {
        return "{certificate = \"" + (directory / (name + ".crt")).string() +
               "\", private_key = \"file:" + (directory / (name + ".key")).string() + "\"}";
    }
    void register_certificates(const std::vector<std::string>& certificates) const {
        Json::Value client;
        client["tenant"] = kTenant;
        client["roles"].append("SMTP.SendAsApp");
        client["mailboxes"].append("*");
        for (const std::string& each : certificates) {
            client["certificates"].append(each);
        }
        (void)rehearsal.put_client(kClientId, client);
    }
    [[nodiscard]] std::string last_assertion() const {
        const Json::Value requests = rehearsal.requests();
        return requests[requests.size() - 1]["login"]["assertion"].asString();
    }
};

const std::string kSystemIdentity =
    R"({"client_id":")" + std::string(kIdentity) +
    R"(","object_id":"","msi_res_id":"","system":true,"roles":["SMTP.SendAsApp"],)" +
    R"("mailboxes":["*"],"tenant":"contoso.test","lifetime":86400})";

}  // namespace

BOOST_AUTO_TEST_SUITE(secretless_test)

BOOST_AUTO_TEST_CASE(managed_identity_of_azure) {
    Rig rig;
    (void)rig.rehearsal.order("PUT", "/imds", R"({"identities":[)" + kSystemIdentity + "]}");
    rig.start("managed_identity = true\n",
              {{"AZURE_POD_IDENTITY_AUTHORITY_HOST", rig.rehearsal.plain_url()}});
    rig.check_token();
    BOOST_TEST(rig.refreshes());
    // One that is not there is not Azure's silence.
    rig.agent->stop();
    rig.start("managed_identity = \"44444444-4444-4444-4444-444444444444\"\n",
              {{"AZURE_POD_IDENTITY_AUTHORITY_HOST", rig.rehearsal.plain_url()}});
    BOOST_TEST(!rig.refreshes());
    (void)rig.agent->log().wait_for("event=token_refresh_failed.*http=400");
    rig.agent->stop();
}

BOOST_AUTO_TEST_CASE(managed_identity_of_arc_with_its_challenge) {
    Rig rig;
    const Path keys = rig.directory / "arc";
    make_directory(keys, 0700);
    const std::string arc = R"({"directory":")" + keys.string() + R"(","realm_override":null,)" +
                            R"("key_bytes":64,"identity":)" + kSystemIdentity + "}";
    (void)rig.rehearsal.order("PUT", "/arc", arc);
    const std::map<std::string, std::string> surroundings{
        {"IDENTITY_ENDPOINT", rig.rehearsal.plain_url() + "/metadata/identity/oauth2/token"},
        {"IMDS_ENDPOINT", rig.rehearsal.plain_url()},
        {"POSTBEARER_ARC_TOKEN_DIR", keys}};
    rig.start("managed_identity = true\n", surroundings);
    rig.check_token();
    BOOST_TEST(rig.refreshes());
    // 5.4: a challenge that leads out of the directory reads nothing.
    write_file(rig.directory / "outside.key", "what nobody may read", 0600);
    (void)rig.rehearsal.order("PUT", "/arc",
                              R"({"directory":")" + keys.string() + R"(","realm_override":")" +
                                  (keys / "../outside.key").string() +
                                  R"(","key_bytes":64,"identity":)" + kSystemIdentity + "}");
    BOOST_TEST(!rig.refreshes());
    rig.check_token();  // the one at hand
    (void)rig.agent->log().wait_for("event=token_refresh_failed");
    for (const Json::Value& request : rig.rehearsal.requests()) {
        BOOST_TEST(request["login"]["authorization"].asString() == "");
    }
    rig.agent->stop();
}

/// The file is read anew each time: what its owner replaces counts at once, without a reload.
BOOST_AUTO_TEST_CASE(federated_token_file) {
    Rig rig;
    const Path key = rig.directory / "issuer.key";
    (void)run_ok({.argv = {"openssl", "genpkey", "-algorithm", "RSA", "-out", key}});
    Json::Value client;
    client["tenant"] = kTenant;
    client["roles"].append("SMTP.SendAsApp");
    client["mailboxes"].append("*");
    Json::Value issuer;
    issuer["issuer"] = "https://issuer.test";
    issuer["subject"] = "system:serviceaccount:mail:relay";
    issuer["audience"] = "api://AzureADTokenExchange";
    issuer["public_key"] = run_ok({.argv = {"openssl", "pkey", "-in", key, "-pubout"}});
    client["federated"].append(issuer);
    (void)rig.rehearsal.put_client(kClientId, client);
    const Path file = rig.directory / "token";
    const auto write_token = [&](const std::string& subject) {
        const auto now = static_cast<long>(std::time(nullptr));
        write_file(file,
                   signed_jwt("RS256",
                              R"({"iss":"https://issuer.test","sub":")" + subject +
                                  R"(","aud":"api://AzureADTokenExchange","iat":)" +
                                  std::to_string(now) + R"(,"nbf":)" + std::to_string(now - 60) +
                                  R"(,"exp":)" + std::to_string(now + 600) + "}",
                              key),
                   0600);
    };
    write_token("system:serviceaccount:mail:somebody-else");
    rig.start("federated_token_file = \"" + file.string() + "\"\n");
    const Finished refused = rig.token();
    BOOST_TEST(refused.status.code == 1);
    BOOST_TEST(contains(refused.error, "700213"), refused.error);
    BOOST_TEST(contains(refused.error, "somebody-else"), refused.error);
    write_token("system:serviceaccount:mail:relay");
    BOOST_TEST(rig.refreshes());
    rig.check_token();
    rig.agent->stop();
}

BOOST_AUTO_TEST_CASE(certificate_in_all_its_forms) {
    Rig rig;
    rig.register_certificates({rig.make_certificate("app")});
    const Path crt = rig.directory / "app.crt";
    const Path key = rig.directory / "app.key";
    write_file(rig.directory / "passphrase", "of the key\n", 0600);
    (void)run_ok({.argv = {"openssl", "pkcs8", "-topk8", "-in", key, "-out",
                           rig.directory / "sealed.key", "-passout", "pass:of the key"}});
    (void)run_ok({.argv = {"openssl", "pkcs12", "-export", "-in", crt, "-inkey", key, "-out",
                           rig.directory / "app.p12", "-passout", "pass:of the key"}});
    for (const char* name : {"sealed.key", "app.p12"}) {
        std::filesystem::permissions(rig.directory / name, std::filesystem::perms(0600));
    }
    const std::string passphrase =
        "private_key_passphrase = \"file:" + (rig.directory / "passphrase").string() + "\"\n";
    const std::string forms[] = {
        "certificate = \"" + crt.string() + "\"\nprivate_key = \"file:" + key.string() + "\"\n",
        "certificate = \"" + crt.string() + "\"\nprivate_key = \"file:" +
            (rig.directory / "sealed.key").string() + "\"\n" + passphrase,
        "certificate = \"" + (rig.directory / "app.p12").string() + "\"\n" + passphrase};
    for (const std::string& form : forms) {
        rig.start(form);
        rig.check_token();
        BOOST_TEST(rig.last_assertion() == "certificate PS256");
        rig.agent->stop();
    }
}

BOOST_AUTO_TEST_CASE(rs256_where_the_server_wants_no_other) {
    Rig rig;
    Json::Value client;
    client["tenant"] = kTenant;
    client["roles"].append("SMTP.SendAsApp");
    client["mailboxes"].append("*");
    client["certificates"].append(rig.make_certificate("app"));
    client["assertion_algorithms"].append("RS256");
    (void)rig.rehearsal.put_client(kClientId, client);
    rig.start("credentials = [" + rig.credential("app") + "]\n");
    rig.check_token();
    BOOST_TEST(rig.last_assertion() == "certificate RS256");
    rig.agent->stop();
}

/// Old and new certificate during a rotation: at no moment is there no token.
BOOST_AUTO_TEST_CASE(certificates_are_rotated_without_a_gap) {
    Rig rig;
    const std::string old_one = rig.make_certificate("old");
    const std::string new_one = rig.make_certificate("new");
    rig.register_certificates({old_one});
    rig.start("credentials = [" + rig.credential("new") + ", " + rig.credential("old") + "]\n");
    rig.check_token();
    BOOST_TEST(rig.refreshes());
    rig.register_certificates({old_one, new_one});
    BOOST_TEST(rig.refreshes());
    rig.register_certificates({new_one});
    BOOST_TEST(rig.refreshes());
    rig.check_token();
    rig.agent->stop();
}

BOOST_AUTO_TEST_SUITE_END()
