// SPDX-License-Identifier: Apache-2.0

// The verbs that ask the agent and print what it says: status, refresh, logout, rekey.

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.hh"
#include "tests/support/files.hh"
#include "tests/support/scripted_admin.hh"
#include "tests/support/temp_dir.hh"
#include "token-agent/cli/command.hh"

using namespace postbearer;
using namespace postbearer::test;
using postbearer::cli::Options;

namespace {

/// What these verbs write goes to the process's own streams.
class Redirected {
public:
    Redirected(int fd, const Path& file) : fd_(fd), before_(::dup(fd)) {
        (void)std::fflush(nullptr);
        const UniqueFd target(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        BOOST_REQUIRE(::dup2(target.get(), fd) == fd);
    }
    ~Redirected() {
        (void)std::fflush(nullptr);
        (void)::dup2(before_.get(), fd_);
    }
    Redirected(const Redirected&) = delete;
    Redirected& operator=(const Redirected&) = delete;
    Redirected(Redirected&&) = delete;
    Redirected& operator=(Redirected&&) = delete;

private:
    int fd_;
    UniqueFd before_;
};

struct Room {
    TempDir dir{"pb-verbs"};
    Options options;
    std::unique_ptr<ScriptedAdmin> agent;
    std::string out;
    std::string err;

    void start(ScriptedAdmin::Handler handler) {
        agent = std::make_unique<ScriptedAdmin>(dir.path(), std::move(handler));
        options.config = agent->config();
    }
    int run(int (*verb)(const Options&)) {
        int code = -1;
        {
            const Redirected one(STDOUT_FILENO, dir / "out");
            const Redirected two(STDERR_FILENO, dir / "err");
            code = verb(options);
        }
        out = read_file(dir / "out");
        err = read_file(dir / "err");
        return code;
    }
    [[nodiscard]] bool says(const std::string& part) const {
        return out.find(part) != std::string::npos;
    }
    [[nodiscard]] bool complains(const std::string& part) const {
        return err.find(part) != std::string::npos;
    }
};

Json::Value kind(const std::string& name) {
    Json::Value json;
    json["version"] = 1;
    json["kind"] = name;
    return json;
}

Json::Value row(const std::string& account, const std::string& state) {
    Json::Value json;
    json["account"] = account;
    json["provider"] = "contoso";
    json["grant"] = "delegated";
    json["state"] = state;
    json["login"] = account;
    json["tokens"] = Json::Value(Json::arrayValue);
    return json;
}

Json::Int64 seconds_ago(std::int64_t seconds) {
    return SystemClock().wall().time_since_epoch().count() - seconds;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(verbs_test)

BOOST_FIXTURE_TEST_CASE(status_says_who_has_to_log_in, Room) {
    Json::Value json = kind("status");
    json["accounts"].append(row("alice@contoso.com", "needs_user"));
    Json::Value bob = row("bob@contoso.com", "configured");
    bob["logged_in_at"] = seconds_ago(3 * 86'400 + 30);
    json["accounts"].append(bob);
    Json::Value carol = row("carol@contoso.com", "needs_user");
    carol["logged_in_at"] = seconds_ago(100);
    Json::Value token;
    token["resource"] = "smtp";
    token["account"] = "carol@contoso.com";
    token["state"] = "needs_user";
    token["last_error"]["message"] = "the login was revoked";
    carol["tokens"].append(token);
    json["accounts"].append(carol);
    Json::Value dora = row("dora@contoso.com", "needs_user");
    dora["login_trouble"] = "the record is damaged";
    json["accounts"].append(dora);
    json["accounts"].append(row("@contoso.com", "configured"));
    start([&](const ScriptedAdmin::Call&) { return document(json); });
    BOOST_TEST(run(cli::run_status) == cli::kDone);
    BOOST_TEST(says("not logged in: postbearer login alice@contoso.com\n"));
    BOOST_TEST(says("logged in 3d ago, no token asked for yet\n"));
    BOOST_TEST(says("the login was revoked; log in again: postbearer login carol@contoso.com\n"));
    BOOST_TEST(says("the record is damaged\n"));
    BOOST_TEST(!says("postbearer login @contoso.com"));
}

/// Fresh from the package: it runs, and nothing is configured.
BOOST_FIXTURE_TEST_CASE(status_without_accounts_says_what_is_next, Room) {
    Json::Value json = kind("status");
    json["accounts"] = Json::Value(Json::arrayValue);
    start([&](const ScriptedAdmin::Call&) { return document(json); });
    BOOST_TEST(run(cli::run_status) == cli::kDone);
    BOOST_TEST(out.empty());
    BOOST_TEST(complains("no accounts yet: write [provider.NAME] and [[account]] into " +
                         options.config + ", then run: postbearer check-config"));
    options.arguments = {"alice@contoso.com"};
    BOOST_TEST(run(cli::run_status) == cli::kDone);
    BOOST_TEST(err.empty());
}

BOOST_FIXTURE_TEST_CASE(status_follows_cursors_of_both_kinds, Room) {
    start([&](const ScriptedAdmin::Call& call) {
        Json::Value json = kind("status");
        const Json::Value& cursor = call.arguments["cursor"];
        json["accounts"].append(row(cursor.isNull()     ? "a@x.example"
                                    : cursor.isString() ? "c@x.example"
                                                        : "b@x.example",
                                    "active"));
        if (cursor.isNull()) {
            json["next_cursor"] = 1000;
        } else if (!cursor.isString()) {
            json["next_cursor"] = "login:x";
        } else {
            json["store"]["trouble"] = "the store cannot be read";
        }
        return document(json);
    });
    BOOST_TEST(run(cli::run_status) == cli::kDone);
    for (const char* const account : {"a@x.example", "b@x.example", "c@x.example"}) {
        BOOST_TEST(says(account), account);
    }
    BOOST_TEST(err == "warning: store: the store cannot be read\n");
    BOOST_TEST(agent->calls().size() == 3U);
}

BOOST_FIXTURE_TEST_CASE(monitoring_hears_of_the_store_and_of_what_ends, Room) {
    Json::Value json = kind("status");
    json["accounts"].append(row("a@x.example", "active"));
    json["agent"]["handed_out"] = 1;
    json["store"]["unsaved"] = 0;
    start([&](const ScriptedAdmin::Call&) { return document(json); });
    options.monitor = true;
    BOOST_TEST(run(cli::run_status) == 0);
    json["store"]["trouble"] = "the disk is full";
    BOOST_TEST(run(cli::run_status) == 1);
    BOOST_TEST(says("POSTBEARER WARNING"));
    BOOST_TEST(says("store: the disk is full"));
    json["store"]["unsaved"] = 2;
    BOOST_TEST(run(cli::run_status) == 2);
    BOOST_TEST(says("2 refresh tokens are in the agent's memory only"));
    json.removeMember("store");
    json["ending_credentials"][0]["provider"] = "contoso";
    json["ending_credentials"][0]["credential"] = "certificate CN=a";
    json["ending_credentials"][0]["days_left"] = 6;
    BOOST_TEST(run(cli::run_status) == 1);
    BOOST_TEST(says("contoso: certificate CN=a ends in 6 days"));
    json["ending_credentials"][0]["days_left"] = 0;
    BOOST_TEST(run(cli::run_status) == 2);
    json["ending_credentials"][0]["successor"] = true;  // the new one stands beside it
    BOOST_TEST(run(cli::run_status) == 0);
}

/// A directory with our plugin and one that libsasl2 prefers, found by SASL_PATH while it lives.
struct Rival {
    explicit Rival(const Path& directory) {
        make_directory(directory);
        std::filesystem::copy(Path(PLUGIN_FILE), directory / "libpostbearer.so");
        std::filesystem::copy(Path(OTHER_PLUGIN_DIRECTORY) / "libother-strong.so",
                              directory / "libsasl-xoauth2.so");
        (void)::setenv("SASL_PATH", directory.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    }
    ~Rival() { (void)::unsetenv("SASL_PATH"); }  // NOLINT(concurrency-mt-unsafe)
    Rival(const Rival&) = delete;
    Rival& operator=(const Rival&) = delete;
    Rival(Rival&&) = delete;
    Rival& operator=(Rival&&) = delete;
};

BOOST_FIXTURE_TEST_CASE(status_names_a_second_plugin, Room) {
    Json::Value json = kind("status");
    json["accounts"].append(row("a@x.example", "active"));
    json["agent"]["handed_out"] = 1;
    json["store"]["trouble"] = "the disk is full";
    start([&](const ScriptedAdmin::Call&) { return document(json); });
    BOOST_TEST(run(cli::run_status) == cli::kDone);
    BOOST_TEST(!complains("XOAUTH2"));
    const Rival rival(dir / "sasl|2");
    BOOST_TEST(run(cli::run_status) == cli::kDone);
    BOOST_TEST(complains("libsasl-xoauth2.so offers XOAUTH2 too and libsasl takes that one"));
    BOOST_TEST(complains("remove the package sasl-xoauth2"));
    options.monitor = true;
    BOOST_TEST(run(cli::run_status) == 2);
    BOOST_TEST(says("POSTBEARER CRITICAL - 1 accounts, 0 broken, 0 degraded; "));
    BOOST_TEST(says("libsasl-xoauth2.so offers XOAUTH2 too"));
    // one line, and its only bar is before the performance data
    BOOST_TEST(std::count(out.begin(), out.end(), '\n') == 1);
    BOOST_TEST(std::count(out.begin(), out.end(), '|') == 1);
    BOOST_TEST(says(" | accounts=1 broken=0 degraded=0 handed_out=1c\n"));
    options.monitor = false;
    options.json = true;
    BOOST_TEST(run(cli::run_status) == cli::kDone);
    BOOST_TEST(says("\"taken\""));
    BOOST_TEST(says("\"other\""));
}

BOOST_FIXTURE_TEST_CASE(a_cursor_that_stands_still_ends_the_listing, Room) {
    start([&](const ScriptedAdmin::Call&) {
        Json::Value json = kind("status");
        json["accounts"].append(row("a@x.example", "active"));
        json["next_cursor"] = 7;
        return document(json);
    });
    BOOST_TEST(run(cli::run_status) == cli::kDone);
    BOOST_TEST(agent->calls().size() == 2U);
}

BOOST_FIXTURE_TEST_CASE(refresh_of_one_account_takes_no_provider, Room) {
    start([](const ScriptedAdmin::Call&) { return document(kind("refresh")); });
    options.arguments = {"alice@contoso.com"};
    options.provider = "contoso";
    BOOST_TEST(run(cli::run_refresh) == cli::kUsage);
    BOOST_TEST(agent->calls().empty());
    BOOST_TEST(err.find("--provider goes with --all") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(refresh_names_accounts_and_takes_all_pages, Room) {
    options.all = true;
    options.dry_run = true;
    options.provider = "contoso";
    options.expiring_within = 3600;
    start([&](const ScriptedAdmin::Call& call) {
        Json::Value json = kind("refresh");
        Json::Value one;
        one["provider"] = "contoso";
        one["resource"] = "smtp";
        if (call.arguments.isMember("cursor")) {
            one["account"] = "alice@contoso.com";
        } else {
            json["next_cursor"] = "login:";
        }
        json["results"].append(one);
        return document(json);
    });
    BOOST_TEST(run(cli::run_refresh) == cli::kDone);
    BOOST_TEST(out ==
               "contoso smtp: would be refreshed\n"
               "alice@contoso.com (contoso smtp): would be refreshed\n");
    for (const ScriptedAdmin::Call& call : agent->calls()) {
        BOOST_TEST(call.arguments["provider"].asString() == "contoso");
        BOOST_TEST(call.arguments["expiring_within"].asInt64() == 3600);
        BOOST_TEST(call.arguments["dry_run"].asBool());
    }
}

const std::string kHostile = "x\x1B]0;owned\x07y\nz";

/// Any word of the agent may be a server's, or come out of somebody's file.
BOOST_FIXTURE_TEST_CASE(nothing_that_the_agent_says_steers_the_terminal, Room) {
    Json::Value json = kind("any");
    Json::Value one = row("alice@contoso.com", "active");
    for (const char* const name : {"account", "provider", "state", "grant", "where", "fingerprint",
                                   "resource", "login_trouble"}) {
        one[name] = kHostile;
    }
    one["ok"] = true;
    json["accounts"].append(one);
    Json::Value two = row(kHostile, "needs_user");
    Json::Value token;
    token["state"] = "needs_user";
    token["resource"] = kHostile;
    token["seconds_left"] = 5;
    token["last_error"]["message"] = kHostile;
    two["tokens"].append(token);
    two["logged_in_at"] = seconds_ago(100);
    json["accounts"].append(two);
    json["results"].append(one);
    Json::Value bad = one;
    bad["ok"] = false;
    bad["error"]["message"] = kHostile;
    json["results"].append(bad);
    json["store"]["trouble"] = kHostile;
    json["ok"] = false;
    json["errors"].append(kHostile);
    json["warnings"].append(kHostile);
    json["warnings"].append(Json::Value(Json::objectValue));
    json["forgotten"] = true;
    json["login"] = kHostile;
    json["revoke_note"] = kHostile;
    start([&](const ScriptedAdmin::Call&) { return document(json); });
    options.arguments = {"alice@contoso.com"};
    const auto check = [&](int (*verb)(const Options&)) {
        (void)run(verb);
        BOOST_TEST((out + err).find("x?]0;owned?y?z") != std::string::npos);
        for (const char c : {'\x1B', '\x07'}) {
            BOOST_TEST((out + err).find(c) == std::string::npos);
        }
    };
    check(cli::run_status);
    check(cli::run_list);
    check(cli::run_refresh);
    check(cli::run_reload);
    check(cli::run_logout);
    options.monitor = true;
    check(cli::run_status);
}

BOOST_FIXTURE_TEST_CASE(claims_of_any_shape_are_shown, Room) {
    options.arguments = {"alice@contoso.com"};
    options.test = true;
    Json::Value json = kind("token_test");
    json["account"] = kHostile;
    Json::Value& token = json["token"];
    token["type"] = "JWT";
    token["seconds_left"] = 60;
    Json::Value& claims = token["claims"];
    claims["aud"].append("https://a");
    claims["aud"].append(Json::Value(Json::objectValue));
    claims["aud"].append(kHostile);
    claims["upn"] = Json::Value(Json::objectValue);
    claims["iss"] = 7;
    start([&](const ScriptedAdmin::Call&) { return document(json); });
    BOOST_TEST(run(cli::run_token) == cli::kDone);
    BOOST_TEST(says("aud          https://a x?]0;owned?y?z\n"));
    BOOST_TEST(says("iss          7\n"));
    BOOST_TEST(says("expires in   1m\n"));
    BOOST_TEST(out.find('\x1B') == std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(logout_says_what_became_of_the_token, Room) {
    options.arguments = {"alice@contoso.com"};
    Json::Value json = kind("logout");
    json["account"] = "alice@contoso.com";
    json["login"] = "alice@contoso.com";
    json["forgotten"] = true;
    json["revoked"] = false;
    json["revoke_note"] = "Microsoft has no revocation endpoint";
    start([&](const ScriptedAdmin::Call&) { return document(json); });
    BOOST_TEST(run(cli::run_logout) == cli::kDone);
    BOOST_TEST(out ==
               "alice@contoso.com: logged out, the refresh token is forgotten\n"
               "The provider still knows it: Microsoft has no revocation endpoint\n");
    json["revoked"] = true;
    BOOST_TEST(run(cli::run_logout) == cli::kDone);
    BOOST_TEST(says("The provider has revoked it too.\n"));
    json["forgotten"] = false;
    BOOST_TEST(run(cli::run_logout) == cli::kFailed);
    BOOST_TEST(complains("there is no login of alice@contoso.com to forget"));
    BOOST_TEST(agent->calls("logout").front().arguments["account"].asString() ==
               "alice@contoso.com");
}

BOOST_FIXTURE_TEST_CASE(rekey_goes_on_until_nothing_remains, Room) {
    int slice = 0;
    start([&](const ScriptedAdmin::Call&) {
        Json::Value json = kind("rekey");
        ++slice;
        json["done"] = slice < 3 ? 1000 : 5;
        json["remaining"] = slice == 1 ? 1005 : slice == 2 ? 5 : 0;
        return document(json);
    });
    BOOST_TEST(run(cli::run_rekey) == cli::kDone);
    BOOST_TEST(out ==
               "1000 records sealed anew, 1005 to go\n2000 records sealed anew, 5 to go\n"
               "2005 records sealed anew, 0 to go\n"
               "All records are sealed with master_key; previous_master_keys may now be removed "
               "from the configuration.\n");
}

BOOST_FIXTURE_TEST_CASE(rekey_that_gets_nowhere_ends_and_warns, Room) {
    start([&](const ScriptedAdmin::Call&) {
        Json::Value json = kind("rekey");
        json["done"] = 0;
        json["remaining"] = 3;
        return document(json);
    });
    BOOST_TEST(run(cli::run_rekey) == cli::kFailed);
    BOOST_TEST(complains("Keep previous_master_keys"));
    BOOST_TEST(!says("may now be removed"));
}

BOOST_FIXTURE_TEST_CASE(rekey_with_unreadable_records_does_not_promise, Room) {
    start([&](const ScriptedAdmin::Call&) {
        Json::Value json = kind("rekey");
        json["done"] = 2;
        json["remaining"] = 0;
        json["unreadable"] = 1;
        return document(json);
    });
    BOOST_TEST(run(cli::run_rekey) == cli::kFailed);
    BOOST_TEST(complains("1 records cannot be opened"));
    BOOST_TEST(!says("may now be removed"));
}

BOOST_AUTO_TEST_SUITE_END()
