// SPDX-License-Identifier: Apache-2.0
// A host that ran sasl-xoauth2 moves over: its configuration and token files become providers,
// accounts and logins, and tokens come at once.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/delegated_rig.hh"
#include "tests/support/kill_points.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kClient = "55555555-5555-5555-5555-555555555555";
constexpr const char* kOtherClient = "66666666-6666-6666-6666-666666666666";
constexpr const char* kSecret = "a secret with + & = % and ~";

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

struct Peer {
    DelegatedRig rig;
    Path configuration = rig.directory() / "sasl-xoauth2.conf";
    Path tokens = rig.directory() / "tokens";
    Path written = rig.directory() / "agent/agent.d/sasl-xoauth2.toml";

    Peer() {
        put_client(kClient, true);
        put_client(kOtherClient, false);
        rig.agent().start();
        make_directory(tokens, 0700);
        write_file(configuration,
                   R"({"client_id":")" + std::string(kClient) +
                       R"(","client_secret":"","token_endpoint":")" + endpoint() + "\"}",
                   0600);
    }
    [[nodiscard]] std::string endpoint() { return rig.rehearsal().base_url() + "/oidc/token"; }
    void put_client(const std::string& id, bool is_public) {
        Json::Value client;
        client["tenant"] = "oidc";
        client["public"] = is_public;
        if (!is_public) {
            Json::Value secret;
            secret["value"] = kSecret;
            client["secrets"].append(secret);
        }
        (void)rig.rehearsal().put_client(id, client);
    }
    /// A token file as that program keeps it; `more` are its overrides.
    void add(const std::string& address, const std::string& client, const std::string& more = "") {
        const std::string token = rig.rehearsal().mint_refresh(client, address, "smtp", "oidc");
        write_file(tokens / address,
                   R"({"access_token":"of old","expiry":"1","refresh_token":")" + token + "\"" +
                       more + "}\n",
                   0600);
    }
    [[nodiscard]] std::vector<std::string> command() {
        std::vector<std::string> words{Programs::cli(),
                                       "import",
                                       "sasl-xoauth2",
                                       "--config",
                                       configuration,
                                       "--agent-config",
                                       rig.agent().configuration()};
        for (const auto& entry : std::filesystem::directory_iterator(tokens)) {
            words.push_back(entry.path());
        }
        return words;
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(import_test)

BOOST_AUTO_TEST_CASE(a_host_is_taken_over) {
    Peer peer;
    peer.add("anna@peer.test", kClient);
    peer.add("bert@peer.test", kClient);
    // Settings of its own, among them a confidential client.
    peer.add("carl@peer.test", kOtherClient,
             R"(,"client_id":")" + std::string(kOtherClient) + R"(","client_secret":")" + kSecret +
                 R"(","user":"shared@peer.test")");
    const std::string before = read_file(peer.tokens / "anna@peer.test");
    const Finished said = run({.argv = peer.command()});
    BOOST_REQUIRE_MESSAGE(said.ok(), said.output << said.error);
    for (const char* account : {"anna@peer.test", "bert@peer.test", "carl@peer.test"}) {
        BOOST_TEST(peer.rig.good_token(account)["status"] == "ok");
        BOOST_TEST(peer.rig.refreshes(account));
    }
    BOOST_TEST(peer.rig.good_token("carl@peer.test")["user"] == "shared@peer.test");
    BOOST_TEST(read_file(peer.tokens / "anna@peer.test") == before);
    BOOST_TEST(!contains(read_file(peer.written), kSecret));
    peer.rig.agent().stop();
    peer.rig.agent().start();
    BOOST_TEST(peer.rig.refreshes("anna@peer.test"));
    BOOST_TEST(peer.rig.refreshes("carl@peer.test"));
    peer.rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_said_and_nothing_is_written) {
    Peer peer;
    peer.add("anna@peer.test", kClient);
    write_file(peer.tokens / "bert@peer.test", "{\"access_token\": \"x\" \"refresh_token\": 1}\n",
               0600);
    const Finished said = run({.argv = peer.command()});
    BOOST_TEST(!said.ok());
    BOOST_TEST(contains(said.error + said.output, "bert@peer.test:1:"), said.error + said.output);
    BOOST_TEST(!exists(peer.written));
    BOOST_TEST(peer.rig.token("anna@peer.test")["class"] == "unknown_account");
    peer.rig.agent().stop();
}

/// token-agents.md 1.10, 15: a peer's configuration is written in place, and a crash truncates it.
BOOST_AUTO_TEST_CASE(killed_at_any_write_the_configuration_is_whole_or_not_there) {
    Peer peer;
    peer.add("anna@peer.test", kOtherClient,
             R"(,"client_id":")" + std::string(kOtherClient) + R"(","client_secret":")" + kSecret +
                 "\"");
    std::size_t killed = 0;
    for (int n = 1; n < 200; ++n) {
        std::filesystem::remove_all(peer.written.parent_path());
        for (const char* moment : {"before", "half", "after"}) {
            const KillPoint point{.program = "postbearer",
                                  .point = "disk:agent/:" + std::to_string(n) + ":" + moment};
            const Finished said = run({.argv = peer.command(), .environment = point.environment()});
            if (said.status.signal == 0) {
                BOOST_TEST(killed > 6U);
                peer.rig.agent().stop();
                return;
            }
            ++killed;
            const Finished checked = run({.argv = {Programs::agent(), "--check-config", "--config",
                                                   peer.rig.agent().configuration()}});
            BOOST_TEST(checked.ok(), point.point << ": " << checked.error);
            std::filesystem::remove(peer.written);
        }
    }
    BOOST_ERROR("it never came to its end");
}

BOOST_AUTO_TEST_SUITE_END()
