// SPDX-License-Identifier: Apache-2.0
// postbearer-milter stopped, killed, reloaded and short of space: Postfix keeps what the daemon has
// not answered, and nothing is sent twice that was not on its way when the daemon died.
#include <sys/resource.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <set>
#include <thread>

#include "tests/e2e/graph_rig.hh"
#include "tests/support/failure.hh"
#include "tests/support/programs.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kApp = "app@contoso.test";
constexpr const char* kAlice = "alice@example.test";
constexpr const char* kBusy = R"({"endpoint":"sendmail","times":-1,"do":
    {"kind":"graph_error","status":503,"code":"ErrorServerBusy","message":"busy"}})";

/// The largest file that the daemon can write: a full disk, for one process.
void limit_files(pid_t process, rlim_t bytes) {
    rlimit limit{};
    if (::prlimit(process, RLIMIT_FSIZE, nullptr, &limit) != 0) {
        fail_errno("cannot read the limits of the daemon");
    }
    limit.rlim_cur = std::min(bytes, limit.rlim_max);
    if (::prlimit(process, RLIMIT_FSIZE, &limit, nullptr) != 0) {
        fail_errno("cannot limit the daemon");
    }
}

std::string mailbox(std::size_t number) { return "app" + std::to_string(number) + "@contoso.test"; }

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_restart_test)

BOOST_AUTO_TEST_CASE(milter_stopped_and_started) {
    GraphChain chain;
    chain.start();
    Account account(chain);
    (void)chain.rehearsal().behave(kBusy);
    chain.submit(kApp, {kAlice}, "queued before");
    chain.client().log().wait_for_count(1, "status=deferred");
    chain.milter().stop();
    chain.rehearsal().forget_behaviours();
    const std::string answer =
        chain.trusted().send(kApp, {kAlice}, plain_message(kApp, {kAlice}, "refused for now"));
    BOOST_TEST(answer.starts_with("451 4.7.1 "), answer);
    chain.client().send({.sender = kApp, .recipients = {kAlice}, .subject = "by sendmail"});
    chain.client().flush();
    wait_for_reason(chain.client(), "alice@example\\.test: .*(No such file|refused)");
    BOOST_TEST(chain.relayed().total() == 0U);
    chain.milter().start();
    chain.client().flush();  // the maildrop, too
    account.at_graph("queued before", {kAlice});
    account.at_graph("by sendmail", {kAlice});
    chain.flush_until("both to go out", [&] { return chain.rehearsal().accepted() == 2; });
    chain.submit(kApp, {kAlice}, "refused for now");  // the client tries again
    account.at_graph("refused for now", {kAlice});
    account.check();
    BOOST_TEST(chain.client().log().count("status=bounced") == 0U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(lmtp_daemon_killed_mid_run) {
    constexpr std::size_t kMessages = 300;
    constexpr std::size_t kMailboxes = 3;
    constexpr std::size_t kInFlight = kMailboxes * 3;  // [graph] concurrency
    GraphChain chain;
    chain.start();
    (void)chain.rehearsal().behave(
        R"({"endpoint":"sendmail","times":-1,"do":{"kind":"latency","ms":200}})");
    std::set<std::string> subjects;
    Dialogue session = chain.trusted();
    for (std::size_t i = 1; i <= kMessages; ++i) {
        const std::string from = mailbox(i % kMailboxes);
        const std::string subject = "crash " + std::to_string(i);
        expect_taken(session.send(from, {kAlice}, plain_message(from, {kAlice}, subject)));
        subjects.insert(subject);
    }
    chain.rehearsal().wait_for_accepted(100, kPatience);
    chain.milter().kill();
    const std::size_t sent_before = chain.milter().log().count("event=sent ");
    BOOST_TEST(sent_before < kMessages);
    chain.milter().start();
    chain.flush_until(
        "an empty queue", [&] { return chain.client().queue().empty(); }, 2 * kPatience);
    std::size_t duplicates = 0;
    for (const auto& [key, count] : copies_at_graph(chain.rehearsal())) {
        BOOST_TEST(key.first == kAlice);
        BOOST_TEST(subjects.erase(key.second) == 1U);
        BOOST_TEST(count <= 2U, key.second << " came " << count << " times");
        duplicates += count - 1;
    }
    BOOST_TEST(subjects.empty(), subjects.size() << " messages are lost");
    BOOST_TEST(duplicates <= kInFlight + 1);  // and one whose answer was being written
    BOOST_TEST(chain.relayed().total() + chain.kept().total() == 0U);
    BOOST_TEST(chain.client().log().count("status=bounced") == 0U);
    BOOST_TEST_MESSAGE("killed after " << sent_before << " of " << kMessages
                                       << " messages: " << duplicates << " came twice");
    chain.stop();
}

BOOST_AUTO_TEST_CASE(reload_changes_routes) {
    GraphChain chain;
    chain.start();
    Account account(chain);
    chain.submit(kApp, {kAlice}, "one");
    account.at_graph("one", {kAlice});
    account.check();
    chain.milter().settings().routes =
        "[[route]]\nname = \"by-smtp\"\nsender = [\"@contoso.test\"]\naction = \"relay\"\n";
    chain.milter().reload();
    chain.submit(kApp, {kAlice}, "two");
    account.at_relay("two", {kAlice});
    account.check();
    chain.milter().settings().routes = "[[route]]\nname = \"broken\"\naktion = \"graph\"\n";
    chain.milter().reload();
    BOOST_TEST(chain.milter().log().count("event=reload_failed .*milter\\.toml:[0-9]+:[0-9]+: "
                                          ".*aktion.*old configuration") >= 1U);
    chain.submit(kApp, {kAlice}, "three");
    account.at_relay("three", {kAlice});
    account.check();
    chain.stop();
}

/// SIGUSR1 to a daemon that is just opening its sockets: `postbearer reload` beside a start.
BOOST_AUTO_TEST_CASE(reload_while_it_starts) {
    constexpr std::size_t kStarts = 20;
    GraphChain chain;
    chain.prepare();
    MilterDaemon& milter = chain.milter();
    make_directory(milter.settings().directory);
    make_directory(chain.milter_socket().parent_path());
    milter.write_configuration();
    for (std::size_t i = 1; i <= kStarts; ++i) {
        std::filesystem::remove(chain.milter_socket());
        Process daemon({.argv = {Programs::milter(), "--config", milter.configuration()},
                        .output_file = milter.log_path()});
        while (!std::filesystem::exists(chain.milter_socket()) && daemon.running()) {
            std::this_thread::yield();  // the moment is short
        }
        daemon.signal(SIGUSR1);
        wait_until("the daemon to reload", [&] {
            if (!daemon.running()) {
                fail("SIGUSR1 has ended the daemon:\n" + tail(milter.log_path()));
            }
            return milter.log().count("event=reloaded") == i;
        });
        (void)daemon.stop(kPatience, SIGKILL);
    }
}

BOOST_AUTO_TEST_CASE(stop_waits_for_transactions) {
    constexpr std::size_t kMailboxes = 6;
    GraphChain chain;
    chain.start();
    Account account(chain);
    // Longer than libmilter needs to end.
    (void)chain.rehearsal().behave(
        R"({"endpoint":"sendmail","times":-1,"do":{"kind":"latency","ms":8000}})");
    for (std::size_t i = 0; i < kMailboxes; ++i) {
        const std::string subject = "under way " + std::to_string(i);
        chain.submit(mailbox(i), {kAlice}, subject);
        account.at_graph(subject, {kAlice});
    }
    wait_until("all of them to be at Graph",
               [&] { return chain.rehearsal().counter("graph_in_flight") == kMailboxes; });
    chain.milter().stop();
    account.check();
    BOOST_TEST(chain.client().log().count("status=sent \\(250 2\\.0\\.0 ") == kMailboxes);
    BOOST_TEST(chain.client().log().count("status=deferred") == 0U);
    BOOST_TEST(chain.milter().log().count("event=stop_cuts_off") == 0U);
    BOOST_TEST(chain.milter().log().count("event=stopped") == 1U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(disk_full_in_spool) {
    constexpr rlim_t kRoom = 256 * 1024;
    GraphChain chain;
    chain.start();
    Account account(chain);
    limit_files(chain.milter().pid(), kRoom);
    const std::string body(200, 'x');
    std::string large;
    while (large.size() < 4 * kRoom) {
        large += body + "\n";
    }
    expect_taken(
        chain.trusted().send(kApp, {kAlice}, plain_message(kApp, {kAlice}, "large", "", large)));
    wait_for_reason(chain.client(), "452 4\\.3\\.1 .*cannot write in spool directory");
    chain.submit(kApp, {kAlice}, "small");  // finds room
    chain.rehearsal().wait_for_accepted(1, kPatience);
    limit_files(chain.milter().pid(), RLIM_INFINITY);
    account.at_graph("small", {kAlice});
    account.at_graph("large", {kAlice});
    chain.flush_until("the large one to go out", [&] { return chain.rehearsal().accepted() == 2; });
    account.check();
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()
