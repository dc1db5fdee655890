// SPDX-License-Identifier: Apache-2.0
#include "sasl-plugin/agent_link.hh"

#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>

#include "tests/support/scripted_agent.hh"
#include "tests/support/temp_dir.hh"

using namespace std::chrono_literals;
using postbearer::BootClock;
using postbearer::Errc;
using postbearer::Result;
using postbearer::sasl::AgentLink;
using postbearer::sasl::choose_sockets;
using postbearer::sasl::Limits;
using namespace postbearer::test;
namespace protocol = postbearer::protocol;

namespace {

using Sockets = std::vector<std::string>;

struct Environment {
    explicit Environment(const char* value) {
        (void)::setenv("POSTBEARER_SOCKET", value, 1);  // NOLINT(concurrency-mt-unsafe)
    }
    ~Environment() { (void)::unsetenv("POSTBEARER_SOCKET"); }  // NOLINT(concurrency-mt-unsafe)
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;
    Environment(Environment&&) = delete;
    Environment& operator=(Environment&&) = delete;
};

struct WorkingDirectory {
    explicit WorkingDirectory(const Path& path) : before(std::filesystem::current_path()) {
        std::filesystem::current_path(path);
    }
    ~WorkingDirectory() { std::filesystem::current_path(before); }
    WorkingDirectory(const WorkingDirectory&) = delete;
    WorkingDirectory& operator=(const WorkingDirectory&) = delete;
    WorkingDirectory(WorkingDirectory&&) = delete;
    WorkingDirectory& operator=(WorkingDirectory&&) = delete;
    Path before;
};

struct Fixture {
    TempDir dir{"pb-link"};
    Path socket = dir / "agent.sock";
    Limits limits;
    AgentLink link{limits};
    Fixture() { AgentLink::drop_kept_connection(); }
    ~Fixture() { AgentLink::drop_kept_connection(); }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;
    Fixture(Fixture&&) = delete;
    Fixture& operator=(Fixture&&) = delete;

    Result<protocol::TokenAnswer> ask(std::chrono::milliseconds time = 20s) {
        return link.token({socket.string()}, {"alice@example.test", {}, "", {}, {}},
                          BootClock::now() + time);
    }
    bool gets_token() {
        const auto result = ask();
        return result && *result && (**result).token.reveal() == "tok";
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(agent_link_test, Fixture)

BOOST_AUTO_TEST_CASE(socket_order_is_password_environment_default) {
    BOOST_TEST(choose_sockets("", limits) == Sockets{"/run/postbearer/agent.sock"});
    BOOST_TEST(choose_sockets("secret", limits) == Sockets{"/run/postbearer/agent.sock"});
    BOOST_TEST(choose_sockets("unix:/a/b", limits) == Sockets{"/a/b"});
    const Environment environment("/from/env");
    BOOST_TEST(choose_sockets("", limits) == Sockets{"/from/env"});
    BOOST_TEST(choose_sockets("Unix:/a/b", limits) == Sockets{"/from/env"});
    BOOST_TEST(choose_sockets("unix:/a/b", limits) == Sockets{"/a/b"});
}

BOOST_AUTO_TEST_CASE(environment_may_be_empty_or_prefixed) {
    {
        const Environment environment("");
        BOOST_TEST(choose_sockets("", limits) == Sockets{"/run/postbearer/agent.sock"});
    }
    const Environment environment("unix:/from/env");
    BOOST_TEST(choose_sockets("", limits) == Sockets{"/from/env"});
}

BOOST_AUTO_TEST_CASE(queue_directory_adds_the_relative_socket) {
    const WorkingDirectory here(dir.path());
    const Sockets only_default{"/run/postbearer/agent.sock"};
    const Sockets both{"/run/postbearer/agent.sock", "run/postbearer/agent.sock"};
    BOOST_TEST(choose_sockets("", limits) == only_default);
    std::filesystem::create_directory("pid");
    BOOST_TEST(choose_sockets("", limits) == only_default);
    std::ofstream("pid/master.pid") << "1\n";
    if (::geteuid() != 0) {
        BOOST_TEST(choose_sockets("", limits) == only_default);
    } else {
        BOOST_REQUIRE(::chown("pid/master.pid", 65534, 65534) == 0);
        BOOST_TEST(choose_sockets("", limits) == only_default);
        std::filesystem::remove("pid/master.pid");
        std::filesystem::create_symlink("/etc/passwd", "pid/master.pid");
        BOOST_TEST(choose_sockets("", limits) == only_default);
        std::filesystem::remove("pid/master.pid");
        std::ofstream("pid/master.pid") << "1\n";
        BOOST_TEST(choose_sockets("", limits) == both);
        BOOST_TEST(choose_sockets("", limits) == both);  // now from memory
        BOOST_REQUIRE(::chmod(".", 01777) == 0);
        BOOST_TEST(choose_sockets("", limits) == only_default);
    }
}

BOOST_AUTO_TEST_CASE(wait_is_8_seconds_but_below_what_is_left) {
    const ScriptedAgent agent(socket, {answer(grant_text("tok", "alice"))});
    BOOST_TEST(ask(10s).has_value());
    BOOST_TEST(ask(3s).has_value());
    BOOST_TEST(ask(400ms).has_value());
    const auto requests = agent.requests();
    BOOST_REQUIRE(requests.size() == 3U);
    BOOST_TEST(requests[0].find("wait_ms=8000\n") != std::string::npos);
    BOOST_TEST(requests[0].find("request=token\naccount=alice@example.test\nresource=smtp\n") ==
               0U);
    const auto second = protocol::decode_request(requests[1]);
    BOOST_REQUIRE(second.has_value());
    BOOST_TEST((std::get<protocol::TokenRequest>(*second).wait <= 2500ms));
    BOOST_TEST(requests[2].find("wait_ms=0\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(one_connection_serves_the_process) {
    const ScriptedAgent agent(socket, {answer(grant_text("tok", "alice"))});
    for (int i = 0; i < 20; ++i) {
        BOOST_TEST(gets_token());
    }
    AgentLink second(limits);
    link = second;
    BOOST_TEST(gets_token());
    BOOST_TEST(agent.accepted() == 1U);
    AgentLink::drop_kept_connection();
    BOOST_TEST(gets_token());
    BOOST_TEST(agent.accepted() == 2U);
}

BOOST_AUTO_TEST_CASE(another_socket_is_another_connection) {
    const ScriptedAgent agent(socket, {answer(grant_text("tok", "alice"))});
    const ScriptedAgent other(dir / "other.sock", {answer(grant_text("other", "alice"))});
    BOOST_TEST(gets_token());
    const auto from_other =
        link.token({other.socket().string()}, {"a", {}, "", {}, {}}, BootClock::now() + 20s);
    BOOST_REQUIRE((from_other && *from_other));
    BOOST_TEST((**from_other).token.reveal() == "other");
    BOOST_TEST(gets_token());
}

BOOST_AUTO_TEST_CASE(threads_do_not_wait_for_each_other) {
    ScriptedAgent agent(socket, {held(grant_text("tok", "alice"))});
    constexpr int kThreads = 8;
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
        threads.emplace_back([&] {
            AgentLink own(limits);
            const auto result =
                own.token({socket.string()}, {"a", {}, "", {}, {}}, BootClock::now() + 60s);
            good += result && *result ? 1 : 0;
        });
    }
    BOOST_TEST(agent.wait_for_requests(kThreads));  // all at once, while none is answered
    agent.release();
    for (std::thread& thread : threads) {
        thread.join();
    }
    BOOST_TEST(good == kThreads);
    BOOST_TEST(agent.accepted() == static_cast<std::size_t>(kThreads));
    BOOST_TEST(gets_token());
    BOOST_TEST(agent.accepted() == static_cast<std::size_t>(kThreads));  // one of them was kept
}

BOOST_AUTO_TEST_CASE(fork_gets_a_connection_of_its_own) {
    const ScriptedAgent agent(socket, {answer(grant_text("tok", "alice"))});
    BOOST_TEST(gets_token());
    const pid_t child = ::fork();
    if (child == 0) {
        ::_exit(gets_token() ? 0 : 1);
    }
    int status = -1;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_TEST(status == 0);
    BOOST_TEST(gets_token());
    BOOST_TEST(agent.accepted() == 2U);
}

BOOST_AUTO_TEST_CASE(rejected_is_reported_in_the_protocols_words) {
    const ScriptedAgent agent(socket, {answer("status=ok\naction=refreshed\n\n")});
    link.report_rejected({socket.string()},
                         {"alice@example.test", protocol::Resource::Imap, "9f1c22ab", "{}", ""},
                         BootClock::now() + 20s);
    BOOST_REQUIRE(agent.requests().size() == 1U);
    BOOST_TEST(agent.requests()[0] ==
               "request=rejected\naccount=alice@example.test\nresource=imap\n"
               "fingerprint=9f1c22ab\ndetail={}\n\n");
}

BOOST_AUTO_TEST_CASE(absent_agent_is_an_error_in_words) {
    const auto result = ask(150ms);
    BOOST_REQUIRE(!result);
    BOOST_TEST((result.error().code == Errc::Unavailable));
    BOOST_TEST(result.error().context.find(socket.string()) != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
