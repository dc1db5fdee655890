// SPDX-License-Identifier: Apache-2.0
// Refresh tokens are canaries here. After each way in and each use of one, successes and failures,
// it stands nowhere: not in the agent's memory, not in logs, answers, files, arguments or
// environments. And memory cannot be looked into or left behind.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <random>
#include <sstream>

#include "common/base64.hh"
#include "common/unique_fd.hh"
#include "tests/e2e/delegated_rig.hh"
#include "tests/support/failure.hh"

using namespace postbearer::test;

namespace {

using namespace std::chrono_literals;

/// Long, like real ones, and no piece of it is in another.
std::string canary(unsigned number) {
    constexpr const char* kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::mt19937_64 random(number);
    std::string text = "0.AXkCanary-" + std::to_string(number) + "~";
    while (text.size() < 1200) {
        text += kLetters[random() % 64];
    }
    return text;
}

/// The text, parts of it, and what is left of it in base64.
std::vector<std::string> traces_of(const std::string& secret) {
    std::vector<std::string> traces{secret.substr(0, 40), secret.substr(secret.size() / 2, 40),
                                    secret.substr(secret.size() - 40)};
    for (std::size_t shift = 0; shift < 3; ++shift) {
        const auto coded = postbearer::base64_encode(std::string(shift, ' ') + secret);
        const std::string text(coded.data(), coded.size());
        traces.push_back(text.substr(4, 40));
    }
    return traces;
}

/// Readable, writable regions of another process, with where they are.
std::vector<std::pair<std::string, std::string>> memory_of(pid_t pid) {
    const std::string process = "/proc/" + std::to_string(pid);
    const postbearer::UniqueFd memory(::open((process + "/mem").c_str(), O_RDONLY | O_CLOEXEC));
    if (!memory.valid()) {
        fail_errno("cannot read the memory of " + process);
    }
    std::vector<std::pair<std::string, std::string>> regions;
    std::istringstream maps(read_file(process + "/maps"));
    for (std::string line; std::getline(maps, line);) {
        std::size_t begin = 0;
        std::size_t end = 0;
        char mode[8] = {};
        if (std::sscanf(line.c_str(), "%zx-%zx %7s", &begin, &end, mode) != 3 || mode[0] != 'r' ||
            mode[1] != 'w') {
            continue;
        }
        std::string bytes(end - begin, '\0');
        const ssize_t got =
            ::pread(memory.get(), bytes.data(), bytes.size(), static_cast<off_t>(begin));
        bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        regions.emplace_back(line, std::move(bytes));
    }
    return regions;
}

/// How many traces of the secret stand there; each is told.
std::size_t count_in_memory(pid_t pid, const std::string& secret, bool tell) {
    std::size_t found = 0;
    const std::vector<std::string> traces = traces_of(secret);
    for (const auto& [where, bytes] : memory_of(pid)) {
        for (std::size_t i = 0; i < traces.size(); ++i) {
            for (std::size_t at = bytes.find(traces[i]); at != std::string::npos;
                 at = bytes.find(traces[i], at + 1)) {
                ++found;
                if (tell) {
                    std::fprintf(stderr, "part %zu of %.14s at +%zx in %s\n", i, secret.c_str(), at,
                                 where.c_str());
                }
            }
        }
    }
    return found;
}

struct Rig : DelegatedRig {
    std::vector<std::string> canaries;
    std::size_t answers = 0;

    Rig() : DelegatedRig({.rotation = "lenient"}) { agent().start(); }

    std::string next_canary() {
        canaries.push_back(canary(static_cast<unsigned>(canaries.size())));
        return canaries.back();
    }
    /// The next refresh brings a new canary; the one that is sent does not matter.
    void answer_with_next_canary() {
        Json::Value order = json_of(R"({"grant":"refresh_token","times":1})");
        Json::Value& step = order["do"];
        step["kind"] = "respond";
        step["status"] = 200;
        step["body"]["access_token"] = "access-token-" + std::to_string(canaries.size());
        step["body"]["token_type"] = "Bearer";
        step["body"]["expires_in"] = 3600;
        step["body"]["refresh_token"] = next_canary();
        (void)rehearsal().behave(order.toStyledString());
    }
    void keep(const Finished& said) {
        write_file(directory() / ("said-" + std::to_string(++answers)), said.output + said.error);
    }
    void check_memory(const char* when) {
        for (const std::string& secret : canaries) {
            // What is under way ends first.
            const bool clean = holds_within(
                5s, [&] { return count_in_memory(agent().pid(), secret, false) == 0; });
            BOOST_TEST(clean, when << ": " << secret.substr(0, 14) << " is in the agent's memory");
            if (!clean) {
                (void)count_in_memory(agent().pid(), secret, true);
            }
        }
    }
    void check_everything_else() {
        std::vector<std::string> traces;
        for (const std::string& secret : canaries) {
            for (std::string& trace : traces_of(secret)) {
                traces.push_back(std::move(trace));
            }
        }
        const auto check = [&](const Path& file) {
            const std::string bytes = read_file(file);
            for (const std::string& trace : traces) {
                BOOST_TEST((bytes.find(trace) == std::string::npos),
                           file << " shows " << trace.substr(0, 14));
            }
        };
        for (const auto& entry : std::filesystem::recursive_directory_iterator(directory())) {
            if (entry.is_regular_file()) {
                check(entry.path());
            }
        }
        std::error_code gone;
        for (const auto& entry : std::filesystem::directory_iterator("/proc", gone)) {
            for (const char* name : {"cmdline", "environ", "comm"}) {
                check(entry.path() / name);
            }
        }
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(delegated_secrecy_test)

/// The search finds what is there, or the other cases show nothing.
BOOST_AUTO_TEST_CASE(the_search_finds_what_is_there) {
    const TempDir directory("pb-login");
    const std::string secret = canary(99);
    write_file(directory / "secret", secret);
    const std::string script = "x=$(cat " + (directory / "secret").string() + "); echo ready >" +
                               (directory / "ready").string() + "; mkfifo " +
                               (directory / "fifo").string() + "; read y <" +
                               (directory / "fifo").string();
    Process reader({.argv = {"sh", "-c", script}});
    wait_until("the shell", [&] { return !read_file(directory / "ready").empty(); });
    BOOST_TEST(count_in_memory(reader.pid(), secret, false) >= 3U);
}

BOOST_AUTO_TEST_CASE(imported_and_rotated) {
    Rig rig;
    (void)rig.import_token(kAliceUser, rig.next_canary());
    rig.check_memory("imported");
    for (int i = 0; i < 5; ++i) {
        rig.answer_with_next_canary();
        rig.keep(rig.cli({"refresh", kAliceUser}));
        (void)rig.good_token(kAliceUser);
    }
    rig.check_memory("rotated");
    rig.check_everything_else();
    rig.agent().kill();  // the log of the store stays
    rig.check_everything_else();
    rig.agent().start();
    rig.answer_with_next_canary();
    rig.keep(rig.cli({"refresh", kAliceUser}));
    rig.check_memory("after a restart");
    rig.check_everything_else();
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(refused_in_all_ways) {
    Rig rig;
    const std::string secret = rig.next_canary();
    (void)rig.import_token(kAliceUser, secret);
    const std::vector<std::string> refusals{
        R"({"kind":"error","aadsts":50173,"description":"AADSTS50173: )" + secret + "\"}",
        R"({"kind":"respond","status":400,"body":{"error":")" + secret.substr(0, 60) + "\"}}",
        R"({"kind":"respond","status":500,"body":")" + secret + "\"}",
        R"({"kind":"respond","status":200,"body":{"access_token":7,"refresh_token":")" + secret +
            "\"}}",
        R"({"kind":"respond","status":200,"body":"{\"refresh_token\":\")" + secret + "\"}",
        R"({"kind":"redirect","location":"https://localhost:1/?t=)" + secret + "\"}",
        R"({"kind":"reset_before"})",
        R"({"kind":"html"})"};
    for (const std::string& refusal : refusals) {
        (void)rig.rehearsal().behave(R"({"grant":"refresh_token","times":1,"do":)" + refusal + "}");
        rig.keep(rig.cli({"refresh", kAliceUser}));
        rig.keep(rig.cli({"status", kAliceUser, "--json"}));
        rig.rehearsal().forget_behaviours();
    }
    rig.check_memory("refused");
    rig.check_everything_else();
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(a_login_by_device) {
    Rig rig;
    Json::Value order = json_of(R"({"grant":"device_code","times":-1,"do":{"kind":"patch"}})");
    order["do"]["set"]["refresh_token"] = rig.next_canary();
    (void)rig.rehearsal().behave(order.toStyledString());
    Json::Value arguments;
    arguments["account"] = kAliceUser;
    arguments["flow"] = "device";
    arguments["resources"].append("smtp");
    Json::Value now = rig.admin_ok("login_start", arguments);
    rig.rehearsal().approve_device(now["user_code"].asString(), kAliceUser);
    Json::Value session;
    session["session"] = now["session"];
    wait_until("the login", [&] {
        now = rig.admin_ok("login_wait", session);
        return now["state"].asString() != "waiting";
    });
    BOOST_TEST(now["state"].asString() == "done", now.toStyledString());
    rig.check_memory("logged in");
    rig.answer_with_next_canary();
    rig.keep(rig.cli({"refresh", kAliceUser}));
    rig.check_memory("used");
    rig.keep(rig.cli({"logout", kAliceUser}));
    rig.check_memory("logged out");
    rig.check_everything_else();
    rig.agent().stop();
}

/// Sealed to a passphrase, which is a secret as well.
BOOST_AUTO_TEST_CASE(exported) {
    Rig rig;
    (void)rig.import_token(kAliceUser, rig.next_canary());
    const std::string passphrase = "Canary of a passphrase, forty letters or more, 7f3a";
    write_file(rig.directory() / "passphrase.secret", passphrase + "\n", 0600);
    rig.keep(rig.cli({"export", rig.directory() / "export", "--passphrase-file",
                      rig.directory() / "passphrase.secret"}));
    BOOST_TEST(size_of_file(rig.directory() / "export") > 1200U);
    rig.check_memory("exported");
    rig.check_everything_else();
    BOOST_TEST(count_in_memory(rig.agent().pid(), passphrase, true) == 0U);
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(a_crash_leaves_no_core) {
    Rig rig;
    (void)rig.import_token(kAliceUser, rig.next_canary());
    const std::string pid = std::to_string(rig.agent().pid());
    // Whatever the limits of whoever starts it are.
    const std::string limits = read_file("/proc/" + pid + "/limits");
    BOOST_TEST(
        (limits.find("Max core file size        0                    0") != std::string::npos),
        limits);
    BOOST_REQUIRE(::kill(rig.agent().pid(), SIGABRT) == 0);
    wait_until("the agent to end", [&] { return !rig.agent().running(); });
    for (const Path& place : {std::filesystem::current_path(), rig.directory() / "agent",
                              rig.agent().store_directory(), Path("/")}) {
        BOOST_TEST(!exists(place / "core"));
        BOOST_TEST(!exists(place / ("core." + pid)));
    }
}

/// The agent's own user may not look at it: PR_SET_DUMPABLE is 0.
BOOST_AUTO_TEST_CASE(its_own_user_cannot_look_into_it) {
    RawAgent agent;
    agent.configure("user = \"nobody\"\n");
    agent.start();
    const std::string pid = std::to_string(agent.pid());
    const Path core = agent.directory() / "core-of-nobody";
    const Finished dumped =
        run({.argv = {"gdb", "--batch", "--nx", "-p", pid, "-ex", "gcore " + core.string()},
             .user = "nobody"});
    BOOST_TEST(
        (dumped.output + dumped.error).find("ptrace: Operation not permitted") != std::string::npos,
        dumped.output + dumped.error);
    BOOST_TEST(!exists(core));
    for (const char* name : {"mem", "environ", "maps"}) {
        const Finished read =
            run({.argv = {"head", "-c", "1", "/proc/" + pid + "/" + name}, .user = "nobody"});
        BOOST_TEST(!read.ok(), name);
    }
    agent.stop();
}

BOOST_AUTO_TEST_SUITE_END()
