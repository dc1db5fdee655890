// SPDX-License-Identifier: Apache-2.0
// Whatever local users, full disks and dead log readers do, an allowed client is served within a
// second (design 5, last row).
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <memory>

#include "tests/e2e/agent_rig.hh"
#include "tests/support/programs.hh"
#include "tests/support/rehearsal_process.hh"

using postbearer::UniqueFd;
using namespace postbearer::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kPing = "request=ping\n\n";
constexpr const char* kToken = "request=token\naccount=relay@contoso.test\nresource=smtp\n\n";
constexpr auto kServedWithin = 1s;

using Crowd = std::vector<std::unique_ptr<RawClient>>;

/// A rehearsal and an agent that root may ask for tokens of @contoso.test.
struct HostileRoom {
    HostileRoom() {
        rehearsal.start();
        rehearsal.put_client("11111111-1111-1111-1111-111111111111",
                             json_of(R"({"tenant":"contoso.test","mailboxes":["*@contoso.test"],)"
                                     R"("secrets":[{"value":"correct horse battery staple"}]})"));
        agent.configure("ca_file = \"" + rehearsal.ca_file().string() + "\"\n",
                        "[provider.rehearsal]\ntype = \"microsoft\"\ntenant = \"contoso.test\"\n"
                        "client_id = \"11111111-1111-1111-1111-111111111111\"\n"
                        "client_secret = \"file:" +
                            (agent.directory() / "secret").string() + "\"\ntoken_endpoint = \"" +
                            rehearsal.token_endpoint("contoso.test") +
                            "\"\n[[account]]\nmatch = \"@contoso.test\"\nprovider = \"rehearsal\"\n"
                            "grant = \"client_credentials\"\n[[access]]\nuid = 0\n"
                            "accounts = [\"*\"]\nresources = [\"smtp\", \"imap\"]\n");
    }
    void start(const Surroundings& surroundings = {}) {
        agent.start(surroundings);
        BOOST_TEST(ask_once(agent.socket(), kToken, 20s).starts_with("status=ok\ntoken="));
    }
    /// On a new connection, as smtp(8) would.
    void check_served(const std::string& meanwhile) {
        const Stopwatch watch;
        const std::string answer = ask_once(agent.socket(), kToken);
        BOOST_TEST(answer.starts_with("status=ok\ntoken="), meanwhile << ": " << answer);
        BOOST_TEST((watch.elapsed() < kServedWithin),
                   meanwhile << ": " << watch.elapsed().count() << " ms");
    }
    /// Connections under the uid of nobody, each of which has said `words`.
    Crowd strangers(int count, const std::string& words) {
        const passwd* entry = ::getpwnam("nobody");  // NOLINT(concurrency-mt-unsafe)
        const ActAs other(entry->pw_uid, entry->pw_gid);
        return crowd(count, words);
    }
    Crowd crowd(int count, const std::string& words) {
        Crowd clients;
        for (int i = 0; i < count; ++i) {
            clients.push_back(std::make_unique<RawClient>(agent.socket()));
            BOOST_TEST(clients.back()->connected());
            (void)clients.back()->send(words);
        }
        return clients;
    }
    [[nodiscard]] std::size_t open_descriptors() const {
        std::size_t count = 0;
        for (const auto& entry :
             std::filesystem::directory_iterator("/proc/" + std::to_string(agent.pid()) + "/fd")) {
            (void)entry;
            ++count;
        }
        return count;
    }
    [[nodiscard]] long resident_kib() const { return std::stol(agent.process_status("VmRSS")); }

    TempDir directory{"pb-hostile"};
    Rehearsal rehearsal{Programs::rehearsal(), directory / "rehearsal", directory / "auth.sock"};
    RawAgent agent;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(agent_hostility_test, HostileRoom)

BOOST_AUTO_TEST_CASE(garbage_is_answered_and_ended) {
    start();
    RawClient garbage(agent.socket());
    BOOST_TEST(garbage.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n\n")
                   .starts_with("status=error\nclass=bad_request\ncode=syntax\n"));
    BOOST_TEST(garbage.ask("no equals sign\n\n").find("no '=' in it") != std::string::npos);
    BOOST_TEST(garbage.ask("request=ping\nrequest=ping\n\n").find("given twice") !=
               std::string::npos);
    BOOST_TEST(garbage.ask(kPing).starts_with("status=ok"));  // the connection stays

    RawClient large(agent.socket());
    BOOST_TEST(large.ask("x=" + std::string(8 * 1024, 'x')).find("larger than allowed") !=
               std::string::npos);
    BOOST_TEST(large.ends_within(2s));
    RawClient fits(agent.socket());
    BOOST_TEST(fits.ask("request=ping\nx=" + std::string(8 * 1024 - 17, 'x') + "\n\n")
                   .starts_with("status=ok"));
    check_served("garbage");
    agent.stop();
    rehearsal.stop();
}

BOOST_AUTO_TEST_CASE(half_requests_and_drips_end_after_two_seconds) {
    start();
    RawClient half(agent.socket());
    RawClient drip(agent.socket());
    const Stopwatch watch;
    (void)half.send("request=tok");
    while (drip.send("x") && watch.elapsed() < 10s && !drip.ends_within(20ms)) {
    }
    BOOST_TEST((watch.elapsed() >= 1900ms && watch.elapsed() < 4s), watch.elapsed().count());
    BOOST_TEST(half.answer(2s).find("not completed in time") != std::string::npos);
    BOOST_TEST(half.ends_within(2s));
    check_served("drips");
    agent.stop();
    rehearsal.stop();
}

BOOST_AUTO_TEST_CASE(a_thousand_silent_connections) {
    start();
    const std::size_t before = open_descriptors();
    const Crowd silent = strangers(1000, "");
    check_served("a thousand silent strangers");
    BOOST_TEST(open_descriptors() <= before + 10U);  // eight of them are left
    const Crowd halves = strangers(500, "request=");
    check_served("half requests of strangers");
    const Crowd own = crowd(1000, "");
    check_served("a thousand silent ones of our own uid");
    BOOST_TEST(open_descriptors() <= before + 1024U + 10U);
    agent.stop();
    rehearsal.stop();
}

/// Each sends as fast as it is answered, or does not even read.
BOOST_AUTO_TEST_CASE(floods_of_tiny_requests) {
    start();
    const Crowd floods = strangers(8, "");
    const std::string lines(64 * 1024, '\n');
    for (int round = 0; round < 40; ++round) {
        for (const auto& client : floods) {
            (void)client->send(lines);
        }
        check_served("floods");
        if (round % 2 == 0) {
            for (const auto& client : floods) {
                while (!client->answer(0ms).empty()) {
                }
            }
        }
    }
    BOOST_TEST(agent.log().size() < 200'000U);
    agent.stop();
    rehearsal.stop();
}

BOOST_AUTO_TEST_CASE(requests_with_thousands_of_attributes) {
    start();
    std::string request;
    for (int i = 0; request.size() < 8 * 1024 - 8; ++i) {
        std::string name;
        for (int rest = i; name.empty() || rest > 0; rest /= 26) {
            name += static_cast<char>('a' + rest % 26);
        }
        request += name + "=\n";
    }
    request += "\n";
    for (int round = 0; round < 20; ++round) {
        const Crowd crowd = strangers(8, request + request + request);
        check_served("thousands of attributes");
    }
    agent.stop();
    rehearsal.stop();
}

/// An allowed user asks for a token that does not come, and hangs up, again and again.
BOOST_AUTO_TEST_CASE(askers_that_hang_up_cost_no_memory) {
    // A sanitizer build keeps freed memory back, which is not what is measured here.
    start({.environment = {{"ASAN_OPTIONS", "quarantine_size_mb=1"}}});
    (void)rehearsal.behave(R"({"endpoint":"token","times":-1,"do":{"kind":"hang"}})");
    const std::string request =
        "request=token\naccount=x@contoso.test\nresource=imap\nwait_ms=30000\n\n";
    (void)crowd(1000, request);
    BOOST_TEST(rehearsal.counter("token_requests") == 2U);
    const long before = resident_kib();
    const Stopwatch watch;
    while (watch.elapsed() < 5s) {
        (void)crowd(500, request);
    }
    BOOST_TEST(resident_kib() < before + 50'000, resident_kib() << " KiB, before " << before);
    agent.signal(SIGKILL);
    (void)agent.wait();
    rehearsal.stop();
}

BOOST_AUTO_TEST_CASE(an_answer_nobody_reads) {
    start();
    const Crowd deaf = crowd(20, "");
    std::string many;
    for (int i = 0; i < 60; ++i) {
        many += kToken;
    }
    for (int round = 0; round < 30; ++round) {
        for (const auto& client : deaf) {
            (void)client->send(many);
        }
    }
    check_served("deaf clients");
    agent.stop();
    rehearsal.stop();
}

BOOST_AUTO_TEST_CASE(standard_descriptors_closed) {
    start({.standard_closed = true});
    const Crowd clients = strangers(20, "nonsense\n\n");
    check_served("nothing open");
    // No log line may come out of a connection: 2 is /dev/null, not the next socket.
    for (int fd = 0; fd <= 2; ++fd) {
        BOOST_TEST(std::filesystem::read_symlink("/proc/" + std::to_string(agent.pid()) + "/fd/" +
                                                 std::to_string(fd)) == "/dev/null");
    }
    agent.stop();
    rehearsal.stop();
}

BOOST_AUTO_TEST_CASE(stderr_that_nobody_reads) {
    std::array<int, 2> ends{};
    BOOST_REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    start({.error_fd = writer.get()});
    writer.reset();
    for (int i = 0; i < 1500; ++i) {  // each a line of the log: far more than a pipe holds
        BOOST_TEST(ask_once(agent.socket(), kToken).starts_with("status=ok"));
    }
    check_served("a full pipe");
    std::array<char, 65536> buffer{};
    std::string text;
    pollfd ready{reader.get(), POLLIN, 0};
    while (::poll(&ready, 1, 0) > 0) {
        const ssize_t got = ::read(reader.get(), buffer.data(), buffer.size());
        text.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }
    check_served("a reader that woke up");
    wait_until("the lost lines to be counted", [&] {
        while (::poll(&ready, 1, 0) > 0) {
            const ssize_t got = ::read(reader.get(), buffer.data(), buffer.size());
            text.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        }
        return text.find("<4>event=log_lines_lost count=") != std::string::npos;
    });
    reader.reset();
    check_served("a pipe without a reader");
    agent.stop();
    rehearsal.stop();
}

BOOST_AUTO_TEST_CASE(killed_while_it_serves) {
    start();
    for (int round = 0; round < 5; ++round) {
        const Crowd clients = crowd(50, kToken);
        agent.signal(SIGKILL);
        BOOST_REQUIRE(agent.wait().has_value());
        start();
        check_served("a restart");
    }
    agent.stop();
    rehearsal.stop();
}

BOOST_AUTO_TEST_SUITE_END()
