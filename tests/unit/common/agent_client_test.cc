// SPDX-License-Identifier: Apache-2.0
#include "common/agent_client.hh"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <memory>
#include <thread>

#include "tests/support/scripted_agent.hh"
#include "tests/support/temp_dir.hh"

using namespace std::chrono_literals;
using postbearer::AgentClient;
using postbearer::BootClock;
using postbearer::BootTime;
using postbearer::Errc;
using postbearer::Result;
using postbearer::Secret;
using namespace postbearer::test;

namespace {

constexpr char kRequest[] = "request=ping\n\n";
const std::string kPong = "status=ok\nversion=1\nprotocol=1\n\n";

struct Fixture {
    TempDir dir{"pb-client"};
    std::string path = (dir / "agent.sock").string();
    AgentClient client{{path}};

    Result<Secret> ask(std::chrono::milliseconds time = 20s) {
        return client.round_trip(kRequest, BootClock::now() + time);
    }
    std::string ask_text(std::chrono::milliseconds time = 20s) {
        const Result<Secret> answer = ask(time);
        return answer ? std::string(answer->reveal()) : "error: " + answer.error().context;
    }
};

struct RunningAgent : Fixture {
    std::unique_ptr<ScriptedAgent> agent;
    void start(std::vector<Reply> script) {
        agent.reset();
        agent = std::make_unique<ScriptedAgent>(path, std::move(script));
    }
};

std::size_t open_descriptors() {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        (void)entry;
        ++count;
    }
    return count;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(agent_client_test)

BOOST_FIXTURE_TEST_CASE(answers_come_over_one_kept_connection, RunningAgent) {
    start({answer(kPong)});
    for (int i = 0; i < 50; ++i) {
        BOOST_TEST(ask_text() == kPong);
    }
    BOOST_TEST(agent->accepted() == 1U);
    BOOST_TEST(agent->requests().size() == 50U);
    BOOST_TEST(agent->requests().front() == kRequest);
}

BOOST_FIXTURE_TEST_CASE(descriptor_is_closed_on_exec, RunningAgent) {
    start({answer(kPong)});
    const std::size_t before = open_descriptors();
    BOOST_TEST(ask_text() == kPong);
    BOOST_TEST(client.connected());
    int kept = -1;
    for (int fd = 0; fd < 256; ++fd) {
        sockaddr_un peer{};
        socklen_t size = sizeof(peer);
        auto* const generic = static_cast<sockaddr*>(static_cast<void*>(&peer));
        if (::getpeername(fd, generic, &size) == 0 && std::string(peer.sun_path) == path) {
            kept = fd;
        }
    }
    BOOST_REQUIRE(kept >= 0);
    BOOST_TEST((::fcntl(kept, F_GETFD) & FD_CLOEXEC) != 0);
    client.disconnect();
    agent.reset();
    BOOST_TEST(open_descriptors() <= before);
}

BOOST_FIXTURE_TEST_CASE(missing_socket_is_waited_for_until_the_deadline, Fixture) {
    const BootTime begin = BootClock::now();
    const Result<Secret> answer = ask(250ms);
    BOOST_REQUIRE(!answer);
    BOOST_TEST((answer.error().code == Errc::Unavailable));
    BOOST_TEST(answer.error().context.find(path + ": No such file or directory") !=
               std::string::npos);
    BOOST_TEST((BootClock::now() - begin >= 250ms));
    BOOST_TEST((BootClock::now() - begin < 5s));
}

BOOST_FIXTURE_TEST_CASE(stale_socket_file_is_refused_and_says_so, RunningAgent) {
    start({answer(kPong)});
    std::filesystem::rename(path, path + ".old");
    agent.reset();
    std::filesystem::rename(path + ".old", path);
    const Result<Secret> answer = ask(150ms);
    BOOST_REQUIRE(!answer);
    BOOST_TEST((answer.error().code == Errc::Unavailable));
    BOOST_TEST(answer.error().context.find("Connection refused") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(agent_that_starts_late_is_found, RunningAgent) {
    std::thread later([this] { start({answer(kPong)}); });
    const std::string text = ask_text();
    later.join();
    BOOST_TEST(text == kPong);
}

BOOST_FIXTURE_TEST_CASE(agent_that_closes_is_asked_again, RunningAgent) {
    start({close_at_accept(), close_at_accept(), answer_and_close(""), answer_and_close("status=o"),
           answer(kPong)});
    BOOST_TEST(ask_text() == kPong);
    BOOST_TEST(agent->accepted() == 5U);
}

BOOST_FIXTURE_TEST_CASE(agent_that_always_closes_is_unavailable, RunningAgent) {
    start({close_at_accept()});
    const Result<Secret> answer = ask(350ms);
    BOOST_REQUIRE(!answer);
    BOOST_TEST((answer.error().code == Errc::Unavailable));
    BOOST_TEST(answer.error().context.find("closed before the answer") != std::string::npos);
    BOOST_TEST(agent->accepted() >= 2U);
    BOOST_TEST(agent->accepted() <= 6U);  // one try each 100 ms
}

BOOST_FIXTURE_TEST_CASE(connection_closed_meanwhile_costs_no_pause, RunningAgent) {
    start({answer(kPong)});
    BOOST_TEST(ask_text() == kPong);
    agent->close_connections();
    BOOST_TEST(ask_text() == kPong);
    BOOST_TEST(agent->accepted() == 2U);
}

BOOST_FIXTURE_TEST_CASE(kept_connection_that_dies_at_the_request_costs_no_pause, RunningAgent) {
    constexpr int kTries = 20;
    std::vector<Reply> script{answer(kPong)};
    for (int i = 0; i < kTries; ++i) {
        script.push_back(answer_and_close(""));
        script.push_back(answer(kPong));
    }
    start(script);
    BOOST_TEST(ask_text() == kPong);
    BootClock::duration fastest = 1h;  // of many, for the machine may be busy
    for (int i = 0; i < kTries; ++i) {
        const BootTime begin = BootClock::now();
        BOOST_TEST(ask_text() == kPong);
        fastest = std::min(fastest, BootClock::now() - begin);
    }
    BOOST_TEST((fastest < 100ms));
    BOOST_TEST(agent->accepted() == 1U + kTries);
}

BOOST_FIXTURE_TEST_CASE(restarted_agent_is_found_at_its_new_socket, RunningAgent) {
    for (int i = 0; i < 5; ++i) {
        start({answer(kPong)});
        BOOST_TEST(ask_text() == kPong);
    }
}

BOOST_FIXTURE_TEST_CASE(replaced_socket_file_wins_over_the_kept_connection, RunningAgent) {
    start({answer(kPong)});
    BOOST_TEST(ask_text() == kPong);
    const ScriptedAgent second(path, {answer("status=ok\nversion=2\n\n")});
    BOOST_TEST(ask_text() == "status=ok\nversion=2\n\n");
    BOOST_TEST(agent->requests().size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(unexpected_bytes_drop_the_kept_connection, RunningAgent) {
    start({answer(kPong)});
    BOOST_TEST(ask_text() == kPong);
    agent->blurt("status=ok\ntoken=stray\n\n");
    BOOST_TEST(ask_text() == kPong);
    BOOST_TEST(agent->accepted() == 2U);
}

BOOST_FIXTURE_TEST_CASE(late_answer_is_not_taken_for_the_next, RunningAgent) {
    start({held("status=ok\nversion=late\n\n"), answer(kPong)});
    const Result<Secret> first = ask(80ms);
    BOOST_REQUIRE(!first);
    BOOST_TEST((first.error().code == Errc::Timeout));
    BOOST_TEST(!client.connected());
    agent->release();
    BOOST_TEST(ask_text() == kPong);
}

BOOST_FIXTURE_TEST_CASE(forked_child_does_not_use_the_parents_connection, RunningAgent) {
    start({answer(kPong)});
    BOOST_TEST(ask_text() == kPong);
    const pid_t child = ::fork();
    if (child == 0) {
        ::_exit(ask_text() == kPong ? 0 : 1);
    }
    int status = -1;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_TEST(status == 0);
    BOOST_TEST(agent->accepted() == 2U);
    BOOST_TEST(ask_text() == kPong);
    BOOST_TEST(agent->accepted() == 2U);  // the parent's own is still good
}

BOOST_FIXTURE_TEST_CASE(permission_denied_is_not_retried, RunningAgent) {
    if (::geteuid() != 0) {
        start({answer(kPong)});
        std::filesystem::permissions(path, std::filesystem::perms::none);
        const Result<Secret> answer = ask();
        BOOST_REQUIRE(!answer);
        BOOST_TEST((answer.error().code == Errc::Denied));
        return;
    }
    start({answer(kPong)});  // root passes every mode, so a child becomes somebody else
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    const pid_t child = ::fork();
    if (child == 0) {
        const bool dropped = ::setgid(65534) == 0 && ::setuid(65534) == 0;
        const Result<Secret> answer = ask();
        const bool good = dropped && !answer && answer.error().code == Errc::Denied &&
                          answer.error().context.find("Permission denied") != std::string::npos;
        ::_exit(good ? 0 : 1);
    }
    int status = -1;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_TEST(status == 0);
    BOOST_TEST(agent->accepted() == 0U);
}

BOOST_FIXTURE_TEST_CASE(garbled_answers_are_protocol_errors_and_drop_the_connection, RunningAgent) {
    const std::string bad[] = {
        "\n",
        "HTTP/1.1 200 OK\n\n",
        "token=x\nstatus=ok\n\n",
        "status=ok\nstatus=ok\n\n",
        "status=ok\nTOKEN=x\n\n",
        std::string("status=ok\nuser=\x01\n\n"),
        std::string("status=ok\nuser=a\0b\n\n", 20),
        "status=ok\nuser=\xff\n\n",
        kPong + "status=ok\n\n",
        std::string(70'000, 'x'),
        "status=ok\ntoken=" + std::string(70'000, 'x') + "\n\n",
    };
    for (const std::string& text : bad) {
        start({answer(text)});
        const Result<Secret> answer = ask();
        BOOST_REQUIRE_MESSAGE(!answer, text.substr(0, 40));
        BOOST_TEST((answer.error().code == Errc::Protocol));
        BOOST_TEST(answer.error().context.find("garbled answer") != std::string::npos);
        BOOST_TEST(!client.connected());
        BOOST_TEST(agent->accepted() == 1U);
    }
}

BOOST_FIXTURE_TEST_CASE(limit_of_an_answer_is_inclusive, RunningAgent) {
    const std::string frame = "status=ok\ntoken=\n\n";
    const auto of_size = [&](std::size_t size) {
        return "status=ok\ntoken=" + std::string(size - frame.size(), 'x') + "\n\n";
    };
    start({answer(of_size(64 * 1024)), answer(of_size(64 * 1024 + 1))});
    BOOST_TEST(ask_text().size() == 64U * 1024U);
    const Result<Secret> answer = ask();
    BOOST_REQUIRE(!answer);
    BOOST_TEST((answer.error().code == Errc::Protocol));
}

BOOST_FIXTURE_TEST_CASE(hanging_agent_is_a_timeout_at_the_deadline, RunningAgent) {
    start({hang()});
    const BootTime begin = BootClock::now();
    const Result<Secret> answer = ask(200ms);
    BOOST_REQUIRE(!answer);
    BOOST_TEST((answer.error().code == Errc::Timeout));
    BOOST_TEST((BootClock::now() - begin >= 200ms));
    BOOST_TEST((BootClock::now() - begin < 5s));
    BOOST_TEST(agent->requests().size() == 1U);  // a time-out is not retried
}

BOOST_FIXTURE_TEST_CASE(deadline_in_the_past_returns_at_once, RunningAgent) {
    start({hang()});
    BOOST_TEST(!ask(-5s));
    BOOST_TEST(!ask(0ms));
}

extern "C" void ignore_alarm(int) {}

BOOST_FIXTURE_TEST_CASE(signals_neither_fail_nor_prolong_a_wait, RunningAgent) {
    start({hang()});
    struct sigaction interrupting {};
    interrupting.sa_handler = ignore_alarm;  // no SA_RESTART
    struct sigaction old {};
    BOOST_REQUIRE(::sigaction(SIGALRM, &interrupting, &old) == 0);
    const itimerval often{{0, 10'000}, {0, 10'000}};
    const itimerval never{};
    (void)::setitimer(ITIMER_REAL, &often, nullptr);
    const BootTime begin = BootClock::now();
    const Result<Secret> answer = ask(250ms);
    const auto took = BootClock::now() - begin;
    (void)::setitimer(ITIMER_REAL, &never, nullptr);
    (void)::sigaction(SIGALRM, &old, nullptr);
    BOOST_REQUIRE(!answer);
    BOOST_TEST((answer.error().code == Errc::Timeout));
    BOOST_TEST((took >= 250ms && took < 5s));
}

BOOST_FIXTURE_TEST_CASE(full_backlog_is_waited_out, Fixture) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(std::begin(address.sun_path), path.size());
    const auto* const generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    const postbearer::UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    BOOST_REQUIRE(::bind(listener.get(), generic, sizeof(address)) == 0);
    BOOST_REQUIRE(::listen(listener.get(), 0) == 0);
    const postbearer::UniqueFd filler(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    BOOST_REQUIRE(::connect(filler.get(), generic, sizeof(address)) == 0);
    const Result<Secret> answer = ask(150ms);
    BOOST_REQUIRE(!answer);
    BOOST_TEST((answer.error().code == Errc::Unavailable));
    BOOST_TEST(answer.error().context.find("queue of connections is full") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(second_path_is_used_where_the_first_is_absent) {
    const TempDir dir("pb-client");
    const ScriptedAgent agent(dir / "b.sock", {answer(kPong)});
    AgentClient client({(dir / "a.sock").string(), (dir / "b.sock").string()});
    BOOST_TEST(client.round_trip(kRequest, BootClock::now() + 5s).has_value());
}

BOOST_AUTO_TEST_CASE(impossible_paths_are_configuration_errors) {
    for (const std::string& path : {std::string(), std::string(108, 'x'), std::string("a\0b", 3)}) {
        const auto answer = AgentClient({path}).round_trip(kRequest, BootClock::now() + 5s);
        BOOST_REQUIRE(!answer);
        BOOST_TEST((answer.error().code == Errc::Config));
    }
    const auto none = AgentClient({}).round_trip(kRequest, BootClock::now() + 5s);
    BOOST_REQUIRE(!none);
    BOOST_TEST((none.error().code == Errc::Config));
}

BOOST_FIXTURE_TEST_CASE(each_attempt_learns_what_time_it_has, RunningAgent) {
    start({answer_and_close(""), answer(kPong)});
    std::vector<std::chrono::milliseconds> left;
    const auto maker = [&left](std::chrono::milliseconds time) {
        left.push_back(time);
        return Secret(kRequest);
    };
    BOOST_TEST(client.round_trip(maker, BootClock::now() + 20s).has_value());
    BOOST_REQUIRE(left.size() == 2U);
    BOOST_TEST((left[0] <= 20s && left[0] > 10s));
    BOOST_TEST((left[1] <= left[0] - 100ms));
}

BOOST_AUTO_TEST_SUITE_END()
