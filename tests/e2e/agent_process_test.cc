// SPDX-License-Identifier: Apache-2.0
// postbearer-agent(8) as a process: options and exit codes, what systemd gives it and hears from
// it, signals, privileges.
#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <ostream>

#include "tests/e2e/agent_rig.hh"
#include "tests/support/programs.hh"

using namespace postbearer::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kPing = "request=ping\n\n";
constexpr const char* kToken = "request=token\naccount=a@contoso.test\nresource=smtp\n\n";

Finished run_agent(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), Programs::agent());
    return run({.argv = std::move(arguments)});
}

struct Owner {
    uid_t uid = 0;
    gid_t gid = 0;
    mode_t mode = 0;
};
Owner owner_of(const Path& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        return {};
    }
    return {status.st_uid, status.st_gid, status.st_mode & 07777U};
}

struct Somebody {
    uid_t uid;
    gid_t gid;
};
Somebody nobody() {
    const passwd* entry = ::getpwnam("nobody");  // NOLINT(concurrency-mt-unsafe): one thread
    return {entry->pw_uid, entry->pw_gid};
}

std::size_t count_of(const std::string& text, const std::string& part) {
    std::size_t count = 0;
    for (std::size_t at = text.find(part); at != std::string::npos;
         at = text.find(part, at + part.size())) {
        ++count;
    }
    return count;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(agent_process_test)

// ---- options and exit codes ---------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(version_help_and_usage) {
    const Finished version = run_agent({"--version"});
    BOOST_TEST(version.ok());
    BOOST_TEST(version.output.starts_with("postbearer-agent "));
    BOOST_TEST(run_agent({"--help"}).ok());
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"--nonsense"}, {"--config"}, {"extra"}, {"--version=x"}}) {
        const Finished finished = run_agent(arguments);
        BOOST_TEST(finished.status.code == 2, arguments.front());
        BOOST_TEST(finished.error.find("usage: postbearer-agent") != std::string::npos);
        BOOST_TEST(finished.output == "");
    }
}

BOOST_AUTO_TEST_CASE(config_errors_are_told_all_at_once) {
    const RawAgent agent;
    agent.configure("acount = 1\nuser = 7\n");
    const std::string file = agent.configuration().string();
    for (const bool check : {false, true}) {
        std::vector<std::string> arguments{"--config", file};
        if (check) {
            arguments.emplace_back("--check-config");
        }
        const Finished finished = run_agent(arguments);
        BOOST_TEST(finished.status.code == 78);
        BOOST_TEST(finished.output == "");
        const std::vector<std::string> lines = split_lines(finished.error);
        BOOST_REQUIRE(lines.size() == 2U);
        BOOST_TEST(lines[0] == file + ":4:1: unknown key 'acount' in [agent]");
        BOOST_TEST(lines[1] == file + ":5:8: user: expected a string, found an integer");
    }
    const Finished absent = run_agent({"--config", "/nonexistent/agent.toml"});
    BOOST_TEST(absent.status.code == 78);
    BOOST_TEST(absent.error.starts_with("/nonexistent/agent.toml:"));
}

BOOST_AUTO_TEST_CASE(check_config_of_a_good_file) {
    const RawAgent agent;
    const Finished finished =
        run_agent({"--check-config", "--config", agent.configuration().string()});
    BOOST_TEST(finished.ok());
    BOOST_TEST(finished.output ==
               agent.configuration().string() + ": good; 1 accounts, 1 providers\n");
    BOOST_TEST(!exists(agent.socket()));  // it looks and touches nothing
}

BOOST_AUTO_TEST_CASE(a_socket_that_cannot_be_bound_is_a_config_error) {
    RawAgent agent;
    write_file(agent.directory() / "file", "x");
    agent.configure("socket_mode = \"0660\"\n");
    std::filesystem::create_directory(agent.socket());
    agent.launch();
    const auto status = agent.wait();
    BOOST_REQUIRE(status.has_value());
    BOOST_TEST(status->code == 78);
    BOOST_TEST(agent.log().find("<3>event=start_failed message=\"socket " +
                                agent.socket().string() + ": is in the way and is not a socket") !=
               std::string::npos);
}

// ---- systemd ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(sockets_passed_by_systemd_are_used_by_name) {
    RawAgent agent;
    const Path chrooted = agent.directory() / "chrooted.sock";
    const auto first = listening_socket(agent.socket(), 0666);
    const auto second = listening_socket(chrooted, 0660);
    const auto admin = listening_socket(agent.admin_socket(), 0666);
    const auto odd = listening_socket(agent.directory() / "odd.sock", 0666);
    agent.start({.passed = {{"admin", admin.get()},
                            {"nonsense", odd.get()},
                            {"agent-chroot", second.get()},
                            {"agent", first.get()}}});
    BOOST_TEST(ask_once(chrooted, kPing).starts_with("status=ok"));
    BOOST_TEST(
        ask_once(agent.admin_socket(), "request=status\n\n").starts_with("status=ok\njson="));
    BOOST_TEST(count_of(agent.log(), "<4>event=socket_ignored name=nonsense cause=") == 1U);
    BOOST_TEST(agent.log().find("sockets=3") != std::string::npos);
    // The credentials decide, not the mode that a unit file gave the socket.
    {
        const ActAs other(nobody().uid, nobody().gid);
        BOOST_TEST(ask_once(agent.admin_socket(), "request=status\n\n")
                       .starts_with("status=error\nclass=denied\ncode=access_denied\n"));
    }
    agent.stop();
    BOOST_TEST(exists(agent.socket()));  // systemd's, not ours to remove
    BOOST_TEST(exists(agent.admin_socket()));
}

BOOST_AUTO_TEST_CASE(what_systemd_did_not_pass_is_bound) {
    RawAgent agent;
    const Path elsewhere = agent.directory() / "elsewhere.sock";
    const auto passed = listening_socket(elsewhere, 0666);
    agent.start({.passed = {{"agent", passed.get()}}});
    BOOST_TEST(ask_once(elsewhere, kPing).starts_with("status=ok"));
    BOOST_TEST(ask_once(agent.admin_socket(), kPing).starts_with("status=ok"));
    agent.stop();
    BOOST_TEST(!exists(agent.socket()));
    BOOST_TEST(exists(elsewhere));
}

BOOST_AUTO_TEST_CASE(systemd_hears_of_every_change) {
    RawAgent agent;
    const NotifySocket notify(agent.directory() / "notify");
    agent.start({.environment = {{"NOTIFY_SOCKET", (agent.directory() / "notify").string()}}});
    BOOST_TEST(notify.next() == "READY=1\nSTATUS=serving");
    agent.signal(SIGHUP);
    const std::string reloading = notify.next();
    BOOST_TEST(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="));
    const auto stamp = std::stoll(reloading.substr(reloading.rfind('=') + 1));
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
                         std::chrono::steady_clock::now().time_since_epoch())
                         .count();
    BOOST_TEST((stamp <= now && stamp > now - 60'000'000));
    BOOST_TEST(notify.next() == "READY=1\nSTATUS=serving");
    write_file(agent.configuration(), "[agent\n");
    agent.signal(SIGHUP);
    BOOST_TEST(notify.next().starts_with("RELOADING=1\n"));
    BOOST_TEST(notify.next().starts_with("READY=1\nSTATUS=serving the old configuration"));
    agent.stop();
    BOOST_TEST(notify.next() == "STOPPING=1");
}

BOOST_AUTO_TEST_CASE(the_watchdog_is_fed_at_half_its_time) {
    RawAgent agent;
    const NotifySocket notify(agent.directory() / "notify");
    agent.start({.environment = {{"NOTIFY_SOCKET", (agent.directory() / "notify").string()},
                                 {"WATCHDOG_USEC", "600000"}}});
    while (notify.next() != "WATCHDOG=1") {
    }
    const Stopwatch watch;
    constexpr int kMeals = 8;
    for (int i = 0; i < kMeals; ++i) {
        const std::string message = notify.next(600ms);  // later, and systemd would have killed it
        BOOST_TEST((message == "WATCHDOG=1" || message.starts_with("READY=1")), message);
    }
    BOOST_TEST(watch.elapsed().count() >= (kMeals - 2) * 300);
    agent.stop();
}

BOOST_AUTO_TEST_CASE(without_watchdog_usec_nothing_is_fed) {
    RawAgent agent;
    const NotifySocket notify(agent.directory() / "notify");
    agent.start({.environment = {{"NOTIFY_SOCKET", (agent.directory() / "notify").string()}}});
    BOOST_TEST(notify.next().starts_with("READY=1"));
    agent.stop();
    BOOST_TEST(notify.next() == "STOPPING=1");
}

// ---- signals ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_broken_file_changes_nothing) {
    RawAgent agent;
    agent.start();
    const std::string before = ask_once(agent.socket(), kToken);
    BOOST_TEST(before.starts_with("status=error\nclass=transient\n"), before);
    write_file(agent.configuration(), "[agent]\nsockets = 7\n");
    agent.signal(SIGHUP);
    agent.wait_for_log("event=reload_failed message=\"" + agent.configuration().string() +
                       ":2:11:");
    BOOST_TEST(agent.log().find("action=\"the old configuration stays in force\"") !=
               std::string::npos);
    BOOST_TEST(ask_once(agent.socket(), kToken).starts_with("status=error\nclass=transient\n"));
    const std::string answer = ask_once(agent.admin_socket(), "request=reload\njson={}\n\n");
    BOOST_TEST(answer.find(R"("ok":false)") != std::string::npos, answer);
    agent.configure("",
                    "[provider.other]\ntype = \"oidc\"\nclient_id = \"x\"\ntoken_endpoint = "
                    "\"https://127.0.0.1:1/\"\nclient_secret = \"file:" +
                        (agent.directory() / "secret").string() +
                        "\"\n[[account]]\nmatch = \"@other.test\"\nprovider = \"other\"\n"
                        "grant = \"client_credentials\"\n[[access]]\nuid = 0\n"
                        "accounts = [\"*\"]\n");
    agent.signal(SIGHUP);
    agent.wait_for_log("event=reloaded accounts=1");
    BOOST_TEST(
        ask_once(agent.socket(), kToken).starts_with("status=error\nclass=unknown_account\n"));
    agent.stop();
}

BOOST_AUTO_TEST_CASE(a_storm_of_hangups_is_survived) {
    RawAgent agent;
    agent.start();
    RawClient client(agent.socket());
    for (int i = 0; i < 300; ++i) {
        agent.signal(SIGHUP);
    }
    BOOST_TEST(client.ask(kPing).starts_with("status=ok"));
    agent.stop();
}

BOOST_DATA_TEST_CASE(a_signal_ends_it_well, boost::unit_test::data::make({SIGTERM, SIGINT}),
                     number) {
    RawAgent agent;
    agent.start();
    RawClient idle(agent.socket());
    BOOST_TEST(idle.ask(kPing).starts_with("status=ok"));
    RawClient working(agent.socket());
    (void)working.send("request=token\naccount=a@contoso.test\nresource=smtp\nwait_ms=30000\n\n");
    agent.signal(number);
    const auto status = agent.wait();
    BOOST_REQUIRE(status.has_value());
    BOOST_TEST(status->code == 0);
    BOOST_TEST(!exists(agent.socket()));
    BOOST_TEST(!exists(agent.admin_socket()));
    BOOST_TEST(idle.ends_within(1s));
    BOOST_TEST(agent.log().ends_with("<5>event=stopped\n"));
}

BOOST_AUTO_TEST_CASE(killed_and_started_again) {
    RawAgent agent;
    agent.start();
    agent.signal(SIGKILL);
    BOOST_REQUIRE(agent.wait().has_value());
    BOOST_TEST(exists(agent.socket()));  // stale
    agent.start();
    BOOST_TEST(ask_once(agent.socket(), kPing).starts_with("status=ok"));
    agent.stop();
}

BOOST_AUTO_TEST_CASE(a_second_agent_gives_way) {
    RawAgent first;
    first.start();
    const Finished second = run_agent({"--config", first.configuration().string()});
    BOOST_TEST(second.status.code == 78);
    BOOST_TEST(second.error.find("socket " + first.socket().string() +
                                 ": another process is listening there; stop it or set another "
                                 "path") != std::string::npos,
               second.error);
    BOOST_TEST(ask_once(first.socket(), kPing).starts_with("status=ok"));
    first.stop();
}

// ---- privileges ---------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(started_as_root_it_becomes_the_user) {
    RawAgent agent;
    const Path group_only = agent.directory() / "group.sock";
    agent.configure("user = \"nobody\"\nadmin_group = \"mail\"\n");
    std::string text = read_file(agent.configuration());
    text.insert(text.find("sockets = [") + 11,
                "{path = \"" + group_only.string() + "\", group = \"mail\", mode = \"0660\"}, ");
    write_file(agent.configuration(), text);
    agent.start();
    const std::string uid = std::to_string(nobody().uid);
    const std::string gid = std::to_string(nobody().gid);
    BOOST_TEST(agent.process_status("Uid") == uid + "\t" + uid + "\t" + uid + "\t" + uid);
    BOOST_TEST(agent.process_status("Gid") == gid + "\t" + gid + "\t" + gid + "\t" + gid);
    BOOST_TEST(agent.process_status("Groups").starts_with(gid));
    BOOST_TEST(agent.process_status("Groups").find(" 0 ") == std::string::npos);
    BOOST_TEST(agent.process_status("CapEff") == "0000000000000000");
    BOOST_TEST(agent.process_status("CapPrm") == "0000000000000000");

    const gid_t mail = gid_of_group("mail");
    BOOST_TEST(owner_of(agent.socket()).mode == 0666U);
    BOOST_TEST(owner_of(group_only).mode == 0660U);
    BOOST_TEST(owner_of(group_only).gid == mail);
    BOOST_TEST(owner_of(agent.admin_socket()).mode == 0660U);
    BOOST_TEST(owner_of(agent.admin_socket()).gid == mail);
    BOOST_TEST(owner_of(agent.admin_socket()).uid == 0U);
    {
        const ActAs member(65533, mail);
        BOOST_TEST(ask_once(agent.admin_socket(), kPing).starts_with("status=ok"));
    }
    BOOST_TEST(ask_once(agent.socket(), kToken).starts_with("status=error\nclass=transient\n"));
    agent.stop();
}

BOOST_AUTO_TEST_CASE(an_unknown_user_is_a_config_error) {
    RawAgent agent;
    agent.configure("user = \"no-such-user\"\n");
    agent.launch();
    const auto status = agent.wait();
    BOOST_REQUIRE(status.has_value());
    BOOST_TEST(status->code == 78);
    BOOST_TEST(!exists(agent.socket()));
}

BOOST_AUTO_TEST_CASE(nobody_can_look_into_it) {
    for (const bool drops : {false, true}) {
        RawAgent agent;
        agent.configure(drops ? "user = \"nobody\"\n" : "");
        agent.start();
        const Path process = "/proc/" + std::to_string(agent.pid());
        // Of a process that may not be dumped, the kernel gives these files to root.
        BOOST_TEST(owner_of(process / "environ").uid == 0U);
        BOOST_TEST(owner_of(process / "mem").uid == 0U);
        bool core_is_off = false;
        for (const std::string& line : split_lines(read_file(process / "limits"))) {
            core_is_off =
                core_is_off || (line.starts_with("Max core file size") &&
                                line.find(" 0                    0 ") != std::string::npos);
        }
        BOOST_TEST(core_is_off);
        {
            const ActAs same_user(nobody().uid, nobody().gid);
            BOOST_TEST(read_file(process / "environ").empty());
        }
        agent.stop();
    }
}

BOOST_AUTO_TEST_CASE(another_uid_gets_nothing) {
    RawAgent agent;
    agent.start();
    const std::string uid = std::to_string(nobody().uid);
    {
        const ActAs other(nobody().uid, nobody().gid);
        BOOST_TEST(ask_once(agent.socket(), kPing).starts_with("status=ok"));
        BOOST_TEST(
            ask_once(agent.socket(), kToken)
                .starts_with("status=error\nclass=denied\ncode=access_denied\nmessage=uid " + uid));
        BOOST_TEST(ask_once(agent.admin_socket(), kPing) == "not connected");
    }
    agent.wait_for_log("<4>event=token_denied uid=" + uid + " pid=");  // after the answer
    agent.stop();
    BOOST_TEST(count_of(agent.log(), "event=token_denied") == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
