// SPDX-License-Identifier: Apache-2.0
// A token endpoint that nobody here wrote: client_credentials against Debian's glewlwyd, found by
// discovery, with the client's secret in HTTP Basic. The server itself says that the token is good.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/expectations.hh"
#include "tests/support/glewlwyd_instance.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kClient = "relay";
/// Only characters that form encoding leaves alone: RFC 6749 section 2.3.1 has the agent encode the
/// secret inside HTTP Basic, and glewlwyd does not decode it.
constexpr const char* kSecret = "glewlwyd-secret_of.the-relay";

struct Rig {
    TempDir directory;
    Rehearsal certificates{Programs::rehearsal(), directory / "rehearsal", directory / "auth.sock"};
    std::unique_ptr<GlewlwydInstance> server;
    std::unique_ptr<Agent> agent;

    explicit Rig(const std::string& secret) {
        certificates.start();
        server = std::make_unique<GlewlwydInstance>(
            GlewlwydSettings{directory / "glewlwyd", certificates.certificate(), certificates.key(),
                             certificates.ca_file()});
        server->start();
        server->add_client(kClient, kSecret, "smtp");
        AgentSettings settings;
        settings.directory = directory / "agent";
        settings.sockets = {directory / "agent.sock"};
        settings.ca_file = certificates.ca_file();
        AgentProvider provider;
        provider.name = "glewlwyd";
        provider.type = "oidc";
        provider.tenant = "";
        provider.client_id = kClient;
        provider.secret = secret;
        provider.more = "issuer = \"" + server->issuer() +
                        "\"\nclient_auth = \"basic\"\nscopes = { smtp = [\"smtp\"] }\n";
        settings.providers = {provider};
        settings.accounts = {{.match = "@contoso.test", .provider = "glewlwyd"}};
        settings.access = {{.subject = "uid = 0"}};
        agent = std::make_unique<Agent>(Programs::agent(), std::move(settings));
        agent->start();
    }

    [[nodiscard]] Finished token() const {
        return run({.argv = {Programs::cli(), "token", kRelayAccount, "--config",
                             agent->configuration()}});
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(glewlwyd_test)

BOOST_AUTO_TEST_CASE(client_credentials_by_discovery) {
    Rig rig(kSecret);
    Finished said = rig.token();
    BOOST_REQUIRE_MESSAGE(said.ok(), said.error << tail(rig.agent->log_path()));
    BOOST_REQUIRE(!said.output.empty() && said.output.back() == '\n');
    said.output.pop_back();
    const Json::Value verdict = rig.server->introspect(said.output, kClient, kSecret);
    BOOST_TEST(verdict["active"].asBool());
    BOOST_TEST(verdict["client_id"].asString() == kClient);
    BOOST_TEST(verdict["scope"].asString() == "smtp");
    rig.agent->stop();
}

/// It answers 403 with no body at all.
BOOST_AUTO_TEST_CASE(wrong_secret_is_named) {
    Rig rig("another secret");
    const Finished said = rig.token();
    BOOST_TEST(said.status.code == 1);
    BOOST_TEST(said.output.empty());
    BOOST_TEST((said.error.find("the client was refused (HTTP 403). Check client_id and "
                                "client_secret, then reload") != std::string::npos),
               said.error);
    rig.agent->stop();
}

BOOST_AUTO_TEST_SUITE_END()
