// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/import.hh"

#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/scripted_admin.hh"
#include "tests/support/temp_dir.hh"
#include "tests/unit/cli/scene.hh"

using namespace postbearer;
using namespace postbearer::test;
using postbearer::cli::Options;

namespace {

const std::string kSecret = "s3cr3t-of-the-application";
const std::string kRefresh = "0.refresh-token-of-alice";
const std::string kAccess = "access-token-that-nobody-wants";

std::string token_file(const std::string& refresh) {
    return R"({"access_token": ")" + kAccess + R"(", "expiry": "1", "refresh_token": ")" + refresh +
           "\"}\n";
}

struct Room : Scene {
    TempDir dir{"pb-import"};
    Options options;
    std::unique_ptr<ScriptedAdmin> agent;
    bool reload_works = true;
    std::string refused_account;
    Path target = dir / "agent.d" / "sasl-xoauth2.toml";
    Path secret = dir / "secrets" / "sasl-xoauth2.client_secret";

    Room() {
        write_file(dir / "peer.conf",
                   R"({"client_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6", "client_secret": ")" +
                       kSecret +
                       R"(", "token_endpoint":
                       "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token"})",
                   0600);
        write_file(dir / "alice@contoso.com", token_file(kRefresh), 0600);
        write_file(dir / "bob@contoso.com", token_file("rt-bob"), 0600);
        options.config = (dir / "peer.conf").string();
        options.config_given = true;
        options.arguments = {"sasl-xoauth2", (dir / "alice@contoso.com").string(),
                             (dir / "bob@contoso.com").string()};
    }
    void start() {
        agent =
            std::make_unique<ScriptedAdmin>(dir.path(), [this](const ScriptedAdmin::Call& call) {
                Json::Value json;
                json["version"] = 1;
                json["kind"] = call.verb;
                if (call.verb == "reload") {
                    json["ok"] = reload_works;
                    json["errors"] = Json::Value(Json::arrayValue);
                    if (!reload_works) {
                        json["errors"].append("sasl-xoauth2.toml:1:1: no");
                    }
                }
                if (call.verb == "import_login" && call.arguments["account"] == refused_account) {
                    return refused("bad_request", "syntax", "no such account");
                }
                return document(json);
            });
        configure();
    }
    void configure() {
        write_file(dir / "agent.toml", "[agent]\nadmin_socket = \"" +
                                           (dir / "admin.sock").string() +
                                           "\"\nmaster_key = \"credential:key\"\n");
        options.agent_config = (dir / "agent.toml").string();
    }
    int run() {
        console.json = options.json;
        if (options.agent_config.empty()) {
            configure();
        }
        return cli::import(options, console);
    }
    [[nodiscard]] bool keeps_secrets() const {
        const std::string said = out() + err() + read_file(target);
        for (const std::string& each : {kSecret, kRefresh, kAccess, std::string("rt-bob")}) {
            if (said.find(each) != std::string::npos) {
                return false;
            }
        }
        return true;
    }
};

mode_t mode_of(const Path& path) {
    struct stat status {};
    BOOST_REQUIRE(::stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(import_test)

BOOST_FIXTURE_TEST_CASE(configuration_secret_and_logins_are_taken_over, Room) {
    start();
    BOOST_TEST(run() == cli::kDone);
    BOOST_TEST(err() == "");
    BOOST_TEST(agent->verbs() == "list reload import_login import_login");
    const auto logins = agent->calls("import_login");
    BOOST_TEST(logins[0].arguments["account"].asString() == "alice@contoso.com");
    BOOST_TEST(logins[0].arguments["refresh_token"].asString() == kRefresh);
    BOOST_TEST(logins[0].arguments["user"].asString() == "");
    BOOST_TEST(logins[1].arguments["refresh_token"].asString() == "rt-bob");
    BOOST_TEST(read_file(secret) == kSecret + "\n");
    BOOST_TEST(mode_of(secret) == 0600U);
    BOOST_TEST(mode_of(dir / "secrets") == 0700U);
    BOOST_TEST(mode_of(target) == 0644U);
    BOOST_TEST(keeps_secrets());
    BOOST_TEST(says("alice@contoso.com: login taken over\n"));
    BOOST_TEST(says("switch the old plugin off"));
    BOOST_TEST(read_file(dir / "alice@contoso.com") == token_file(kRefresh));
    // Nothing half-written lies about.
    for (const auto& entry : std::filesystem::recursive_directory_iterator(dir.path())) {
        BOOST_TEST(entry.path().filename().string().front() != '.');
    }
}

BOOST_FIXTURE_TEST_CASE(a_dry_run_prints_the_file_and_touches_nothing, Room) {
    options.dry_run = true;
    BOOST_TEST(run() == cli::kDone);
    BOOST_TEST(says("[provider.sasl-xoauth2]\n"));
    BOOST_TEST(says("client_secret = \"file:" + secret.string() + "\"\n"));
    BOOST_TEST(!std::filesystem::exists(target));
    BOOST_TEST(!std::filesystem::exists(secret));
    BOOST_TEST(keeps_secrets());
}

BOOST_FIXTURE_TEST_CASE(an_agent_that_is_away_leaves_no_files, Room) {
    BOOST_TEST(run() == cli::kFailed);
    BOOST_TEST(complains("systemctl start postbearer-agent"));
    BOOST_TEST(!std::filesystem::exists(target));
    BOOST_TEST(!std::filesystem::exists(secret));
}

BOOST_FIXTURE_TEST_CASE(an_existing_file_is_kept_without_force, Room) {
    start();
    write_file(target, "# mine\n");
    BOOST_TEST(run() == cli::kFailed);
    BOOST_TEST(complains("--force"));
    BOOST_TEST(read_file(target) == "# mine\n");
    BOOST_TEST(agent->verbs() == "");
    options.force = true;
    BOOST_TEST(run() == cli::kDone);
    BOOST_TEST(read_file(target).find("[provider.sasl-xoauth2]") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(what_the_agent_does_not_take_is_taken_back, Room) {
    start();
    reload_works = false;
    BOOST_TEST(run() == cli::kFailed);
    BOOST_TEST(complains("sasl-xoauth2.toml:1:1: no"));
    BOOST_TEST(!std::filesystem::exists(target));
    BOOST_TEST(!std::filesystem::exists(secret));
    BOOST_TEST(agent->calls("import_login").empty());
    write_file(target, "# mine\n");
    options.force = true;
    BOOST_TEST(run() == cli::kFailed);
    BOOST_TEST(read_file(target) == "# mine\n");
}

BOOST_FIXTURE_TEST_CASE(secrets_that_force_replaced_are_put_back, Room) {
    start();
    reload_works = false;
    options.force = true;
    write_file(secret, "the secret in use\n", 0400);
    BOOST_TEST(run() == cli::kFailed);
    BOOST_TEST(read_file(secret) == "the secret in use\n");
    BOOST_TEST(mode_of(secret) == 0400U);
    reload_works = true;
    BOOST_TEST(run() == cli::kDone);
    BOOST_TEST(read_file(secret) == kSecret + "\n");
    BOOST_TEST(mode_of(secret) == 0600U);
}

BOOST_FIXTURE_TEST_CASE(one_refused_login_does_not_stop_the_others, Room) {
    start();
    refused_account = "alice@contoso.com";
    BOOST_TEST(run() == cli::kFailed);
    BOOST_TEST(complains("alice@contoso.com: FAILED: no such account"));
    BOOST_TEST(says("bob@contoso.com: login taken over"));
    BOOST_TEST(keeps_secrets());
}

BOOST_FIXTURE_TEST_CASE(mistakes_of_all_files_come_in_one_run, Room) {
    start();
    write_file(dir / "bob@contoso.com", "{\n\"refresh_token\": \"rt-bob\"\n\"expiry\": 1\n}", 0600);
    write_file(dir / "carol@contoso.com", R"({"access_token": "x"})", 0600);
    options.arguments.push_back((dir / "carol@contoso.com").string());
    options.arguments.push_back((dir / "missing@contoso.com").string());
    BOOST_TEST(run() == cli::kFailed);
    BOOST_TEST(complains("bob@contoso.com:3:1: a comma is missing before this\n"));
    BOOST_TEST(complains("carol@contoso.com: there is no refresh_token"));
    BOOST_TEST(complains("missing@contoso.com cannot be opened: No such file or directory\n"));
    BOOST_TEST(complains("nothing has been written"));
    BOOST_TEST(!std::filesystem::exists(target));
    BOOST_TEST(agent->verbs() == "");
    BOOST_TEST(keeps_secrets());
}

BOOST_FIXTURE_TEST_CASE(an_account_that_is_configured_already_is_named, Room) {
    start();
    write_file(dir / "agent.d" / "mine.toml",
               "[provider.p]\ntype = \"google\"\nclient_id = \"x\"\n\n[[account]]\n"
               "match = \"alice@contoso.com\"\nprovider = \"p\"\ngrant = \"delegated\"\n");
    BOOST_TEST(run() == cli::kFailed);
    BOOST_TEST(complains("\"alice@contoso.com\" stands here twice"));
    BOOST_TEST(complains("mine.toml:6"));
    BOOST_TEST(!std::filesystem::exists(target));
}

BOOST_FIXTURE_TEST_CASE(a_store_without_key_is_named_before_anything_is_written, Room) {
    start();
    write_file(dir / "agent.toml",
               "[agent]\nadmin_socket = \"" + (dir / "admin.sock").string() + "\"\n");
    BOOST_TEST(run() == cli::kFailed);
    BOOST_TEST(complains("needs [agent] master_key"));
    BOOST_TEST(!std::filesystem::exists(target));
    BOOST_TEST(agent->verbs() == "");
}

BOOST_FIXTURE_TEST_CASE(open_files_are_warned_of, Room) {
    start();
    write_file(dir / "alice@contoso.com", token_file(kRefresh), 0644);
    BOOST_TEST(run() == cli::kDone);
    BOOST_TEST(complains("alice@contoso.com: every local user could read its secrets"));
}

BOOST_FIXTURE_TEST_CASE(addresses_may_be_given, Room) {
    start();
    write_file(dir / "token", token_file("rt-carol"), 0600);
    options.arguments = {"sasl-xoauth2", (dir / "token").string()};
    BOOST_TEST(run() == cli::kFailed);
    BOOST_TEST(complains("Say --account ADDRESS=" + (dir / "token").string()));
    options.address_of = {"carol@contoso.com=" + (dir / "token").string()};
    BOOST_TEST(run() == cli::kDone);
    BOOST_TEST(agent->calls("import_login").front().arguments["account"].asString() ==
               "carol@contoso.com");
    options.address_of = {"carol@contoso.com=/another"};
    BOOST_TEST(run() == cli::kUsage);
}

BOOST_FIXTURE_TEST_CASE(json_is_one_document, Room) {
    start();
    options.json = true;
    BOOST_TEST(run() == cli::kDone);
    BOOST_TEST(out().find(R"("kind":"import_sasl_xoauth2")") != std::string::npos);
    BOOST_TEST(split_lines(out()).size() == 1U);
    BOOST_TEST(keeps_secrets());
}

BOOST_FIXTURE_TEST_CASE(files_where_the_agent_does_not_look_are_refused, Room) {
    start();
    options.write_config = (dir / "elsewhere.toml").string();
    BOOST_TEST(run() == cli::kUsage);
    BOOST_TEST(agent->verbs() == "");
}

BOOST_AUTO_TEST_SUITE_END()
