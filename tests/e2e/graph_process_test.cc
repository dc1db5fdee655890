// SPDX-License-Identifier: Apache-2.0
// postbearer-milter(8) as a process: what systemd gives it and hears from it, signals, privileges,
// its state directory.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <csignal>

#include "tests/e2e/milter_rig.hh"
#include "tests/support/failure.hh"
#include "tests/support/log_watch.hh"
#include "tests/support/port.hh"
#include "tests/support/programs.hh"

using postbearer::UniqueFd;
using namespace postbearer::test;
using namespace std::chrono_literals;

namespace {

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::string deliver_one(const Path& lmtp_socket) {
    Dialogue session = Dialogue::unix_socket(lmtp_socket);
    (void)session.reply();
    session.expect("LHLO lab.test", "250");
    return session.send("app@contoso.test", {"alice@example.test"},
                        "From: app@contoso.test\nTo: alice@example.test\n\nHello.\n");
}

struct stat status_of(const Path& path) {
    struct stat status {};
    (void)::stat(path.c_str(), &status);
    return status;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_process_test)

// ---- sockets ------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(sockets_passed_by_systemd_are_used_by_name) {
    RawMilter daemon;
    const auto milter = listening_socket(daemon.milter_socket(), 0660);
    const auto graph = listening_socket(daemon.lmtp_socket(), 0660);
    const auto odd = listening_socket(daemon.directory() / "odd.sock", 0666);
    daemon.start(
        {.passed = {{"graph", graph.get()}, {"nonsense", odd.get()}, {"milter", milter.get()}}});
    BOOST_TEST(has(daemon.log(), "<4>event=socket_ignored name=nonsense cause="));
    daemon.stop();
    BOOST_TEST(exists(daemon.milter_socket()));  // systemd's, not ours to remove
    BOOST_TEST(exists(daemon.lmtp_socket()));
}

BOOST_AUTO_TEST_CASE(sockets_named_in_the_configuration) {
    RawMilter daemon;
    daemon.configure("", "fd:one", "fd:two");
    const auto one = listening_socket(daemon.milter_socket(), 0660);
    const auto two = listening_socket(daemon.lmtp_socket(), 0660);
    daemon.start({.passed = {{"two", two.get()}, {"one", one.get()}}});
    daemon.stop();
    const std::string sentence = daemon.refuses_to_start({.passed = {{"one", one.get()}}});
    BOOST_TEST(has(sentence, "fd:two: systemd passed no socket of that FileDescriptorName"),
               sentence);
}

BOOST_AUTO_TEST_CASE(what_systemd_did_not_pass_is_bound) {
    RawMilter daemon;
    const auto milter = listening_socket(daemon.milter_socket(), 0660);
    daemon.start({.passed = {{"milter", milter.get()}}});
    BOOST_TEST((status_of(daemon.lmtp_socket()).st_mode & 07777U) == 0660U);
    daemon.stop();
    BOOST_TEST(!exists(daemon.lmtp_socket()));
    BOOST_TEST(exists(daemon.milter_socket()));
}

/// Who the unit file lets in is let in, and nobody else.
BOOST_AUTO_TEST_CASE(the_mode_of_a_passed_socket_counts) {
    for (const mode_t mode : {0660U, 0666U}) {
        RawMilter daemon;
        const auto milter = listening_socket(daemon.milter_socket(), mode);
        const auto graph = listening_socket(daemon.lmtp_socket(), mode);
        daemon.start({.passed = {{"milter", milter.get()}, {"graph", graph.get()}}});
        {
            const ActAs other(uid_of("nobody"), gid_of_group("nogroup"));
            BOOST_TEST(RawClient(daemon.lmtp_socket()).connected() == (mode == 0666U));
            if (mode == 0666U) {
                BOOST_TEST(deliver_one(daemon.lmtp_socket()).front() == '4');
            }
        }
        // A path that is changed later says nothing about the descriptor.
        BOOST_REQUIRE(::chmod(daemon.lmtp_socket().c_str(), 0666) == 0);
        {
            const ActAs other(uid_of("nobody"), gid_of_group("nogroup"));
            BOOST_TEST(Dialogue::unix_socket(daemon.lmtp_socket())
                           .reply()
                           .starts_with(mode == 0666U ? "220 " : "421 4.7.1 "));
        }
        daemon.stop();
    }
}

BOOST_AUTO_TEST_CASE(tcp_only_where_it_is_trusted) {
    const ReservedPort port;
    const std::string listen = "inet:" + std::to_string(port.number()) + "@127.0.0.1";
    RawMilter daemon;
    daemon.configure("", listen);
    const std::string sentence = daemon.refuses_to_start();
    BOOST_TEST(has(sentence, daemon.configuration().string() + ":2:10:"), sentence);
    BOOST_TEST(has(sentence, "inet_is_trusted = true"), sentence);
    daemon.configure("inet_is_trusted = true\n", "inet:25@192.0.2.1");
    BOOST_TEST(has(daemon.refuses_to_start(), "this host only"));
    daemon.configure("inet_is_trusted = true\n", listen);
    daemon.launch();
    wait_until("the TCP port", [&] { return has(daemon.log(), "event=started"); });
    BOOST_TEST(negotiates(Dialogue::tcp(port.number())));
    BOOST_TEST(!exists(daemon.milter_socket()));
    daemon.stop();
}

BOOST_AUTO_TEST_CASE(killed_and_started_again) {
    RawMilter daemon;
    daemon.start();
    daemon.signal(SIGKILL);
    BOOST_REQUIRE(daemon.wait().has_value());
    BOOST_TEST(exists(daemon.milter_socket()));  // stale
    BOOST_TEST(exists(daemon.lmtp_socket()));
    daemon.start();
    daemon.stop();
    BOOST_TEST(!exists(daemon.milter_socket()));
    BOOST_TEST(!exists(daemon.lmtp_socket()));
}

BOOST_AUTO_TEST_CASE(a_socket_that_cannot_be_bound) {
    RawMilter daemon;
    std::filesystem::create_directory(daemon.lmtp_socket());
    BOOST_TEST(has(daemon.refuses_to_start(), "is in the way and is not a socket"));
    BOOST_TEST(!exists(daemon.milter_socket()));  // what was bound before is taken away
}

// ---- state --------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(a_second_daemon_gives_way) {
    RawMilter first;
    first.start();
    const std::string pid = std::to_string(first.pid());
    RawMilter second;
    write_file(second.configuration(),
               "[milter]\nlisten = \"unix:" + second.milter_socket().string() +
                   "\"\nlmtp = \"unix:" + second.lmtp_socket().string() + "\"\njournal = \"" +
                   (first.state() / "journal.db").string() + "\"\n");
    const std::string sentence = second.refuses_to_start();
    BOOST_TEST(has(sentence, first.state().string() + " is in use by process " + pid + ";"),
               sentence);
    BOOST_TEST(!exists(second.lmtp_socket()));
    // Nor does it take the sockets away.
    second.configure("", "unix:" + first.milter_socket().string());
    BOOST_TEST(has(second.refuses_to_start(), "another process is listening there"));
    BOOST_TEST(first.serves());
    first.stop();
}

BOOST_AUTO_TEST_CASE(its_state_directory) {
    RawMilter daemon;
    daemon.start();  // makes it
    BOOST_TEST((status_of(daemon.state()).st_mode & 07777U) == 0700U);
    BOOST_TEST((status_of(daemon.state() / "route.key").st_mode & 07777U) == 0600U);
    BOOST_TEST(size_of_file(daemon.state() / "route.key") == 32U);
    const std::string key = read_file(daemon.state() / "route.key");
    daemon.stop();
    daemon.start();
    BOOST_TEST((read_file(daemon.state() / "route.key") == key));
    daemon.stop();
    // For a user who may not write there, or cannot make it.
    daemon.configure("user = \"nobody\"\n");
    BOOST_TEST(has(daemon.refuses_to_start(), "it must belong to the daemon's user"));
    std::filesystem::remove_all(daemon.state());
    BOOST_TEST(has(daemon.refuses_to_start(), "cannot be made: "));
    write_file(daemon.state(), "a file");
    daemon.configure();
    (void)daemon.refuses_to_start();
    BOOST_TEST(!exists(daemon.lmtp_socket()));
}

BOOST_AUTO_TEST_CASE(a_route_key_that_others_may_read) {
    RawMilter daemon;
    daemon.start();
    daemon.stop();
    const Path key = daemon.state() / "route.key";
    const std::string good = read_file(key);
    for (const mode_t mode : {0640U, 0604U, 0666U}) {
        BOOST_REQUIRE(::chmod(key.c_str(), mode) == 0);
        const std::string sentence = daemon.refuses_to_start();
        BOOST_TEST(has(sentence, "route key " + key.string() + ": others may read it"), sentence);
    }
    for (const std::string& content : {std::string(), good.substr(1), good + "x"}) {
        write_file(key, content, 0600);
        BOOST_TEST(has(daemon.refuses_to_start(), "does not hold 32 bytes"));
    }
    write_file(daemon.directory() / "elsewhere", good, 0600);
    std::filesystem::remove(key);
    std::filesystem::create_symlink(daemon.directory() / "elsewhere", key);
    BOOST_TEST(has(daemon.refuses_to_start(), "cannot be opened"));
    BOOST_TEST(!has(daemon.log(), good));
}

// ---- privileges ---------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(started_as_root_it_becomes_the_user) {
    RawMilter daemon;
    make_directory(daemon.state(), 0700, "nobody", "nogroup");
    daemon.configure("user = \"nobody\"\nsocket_group = \"mail\"\nsocket_mode = \"0660\"\n");
    daemon.start();
    const std::string uid = std::to_string(uid_of("nobody"));
    const std::string gid = std::to_string(gid_of_group("nogroup"));
    BOOST_TEST(daemon.process_status("Uid") == uid + "\t" + uid + "\t" + uid + "\t" + uid);
    BOOST_TEST(daemon.process_status("Gid") == gid + "\t" + gid + "\t" + gid + "\t" + gid);
    BOOST_TEST(daemon.process_status("CapEff") == "0000000000000000");
    BOOST_TEST(daemon.process_status("CapPrm") == "0000000000000000");
    for (const Path& socket : {daemon.milter_socket(), daemon.lmtp_socket()}) {
        BOOST_TEST(status_of(socket).st_gid == gid_of_group("mail"));
        BOOST_TEST((status_of(socket).st_mode & 07777U) == 0660U);
    }
    BOOST_TEST(status_of(daemon.state() / "route.key").st_uid == uid_of("nobody"));
    {
        const ActAs member(65533, gid_of_group("mail"));
        BOOST_TEST(Dialogue::unix_socket(daemon.lmtp_socket()).reply().starts_with("220 "));
    }
    daemon.stop();
    daemon.configure("user = \"no-such-user\"\n");
    BOOST_TEST(has(daemon.refuses_to_start(), "there is no user \"no-such-user\" on this host"));
}

BOOST_AUTO_TEST_CASE(nobody_can_look_into_it) {
    for (const bool drops : {false, true}) {
        RawMilter daemon;
        make_directory(daemon.state(), 0700, drops ? "nobody" : "root");
        daemon.configure(drops ? "user = \"nobody\"\n" : "");
        daemon.start();
        const Path process = "/proc/" + std::to_string(daemon.pid());
        // Of a process that may not be dumped, the kernel gives these files to root.
        BOOST_TEST(status_of(process / "environ").st_uid == 0U);
        BOOST_TEST(status_of(process / "mem").st_uid == 0U);
        BOOST_TEST(Pattern("Max core file size +0 +0 ").found_in(read_file(process / "limits")));
        {
            const ActAs same_user(uid_of("nobody"), gid_of_group("nogroup"));
            BOOST_TEST(read_file(process / "environ").empty());
        }
        daemon.stop();
    }
}

// ---- systemd and signals ------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(systemd_hears_of_every_change) {
    RawMilter daemon;
    const NotifySocket notify(daemon.directory() / "notify");
    daemon.start({.environment = {{"NOTIFY_SOCKET", (daemon.directory() / "notify").string()}}});
    BOOST_TEST(notify.next() == "READY=1\nSTATUS=serving");
    daemon.signal(SIGUSR1);
    const std::string reloading = notify.next();
    BOOST_TEST(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), reloading);
    BOOST_TEST(notify.next() == "READY=1\nSTATUS=serving");
    write_file(daemon.configuration(), "[milter\n");
    daemon.signal(SIGUSR1);
    BOOST_TEST(notify.next().starts_with("RELOADING=1\n"));
    BOOST_TEST(notify.next().starts_with("READY=1\nSTATUS=serving the old configuration"));
    BOOST_TEST(has(daemon.log(),
                   "<3>event=reload_failed message=\"" + daemon.configuration().string() + ":1:"));
    BOOST_TEST(daemon.serves());
    daemon.stop();
    BOOST_TEST(notify.next() == "STOPPING=1");
}

BOOST_AUTO_TEST_CASE(the_watchdog_is_fed_at_half_its_time) {
    RawMilter daemon;
    const NotifySocket notify(daemon.directory() / "notify");
    daemon.start({.environment = {{"NOTIFY_SOCKET", (daemon.directory() / "notify").string()},
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
    daemon.stop();
}

void check_end_by(int number) {
    RawMilter daemon;
    daemon.start();
    Dialogue idle = Dialogue::unix_socket(daemon.lmtp_socket());
    (void)idle.reply();
    const Dialogue milter = Dialogue::unix_socket(daemon.milter_socket());
    daemon.signal(number);
    const auto status = daemon.wait(15s);  // libmilter looks up every five seconds
    BOOST_REQUIRE(status.has_value());
    BOOST_TEST(status->code == 0);
    BOOST_TEST(idle.reply().starts_with("421 4.3.2 "));
    BOOST_TEST(!exists(daemon.milter_socket()));
    BOOST_TEST(!exists(daemon.lmtp_socket()));
    BOOST_TEST(daemon.log().ends_with("<5>event=stopped\n"));
}

BOOST_AUTO_TEST_CASE(sigterm_ends_it_well) { check_end_by(SIGTERM); }

BOOST_AUTO_TEST_CASE(sigint_ends_it_well) { check_end_by(SIGINT); }

BOOST_AUTO_TEST_CASE(sighup_ends_it_well) { check_end_by(SIGHUP); }

BOOST_AUTO_TEST_CASE(a_storm_of_reloads_is_survived) {
    RawMilter daemon;
    daemon.start();
    Dialogue session = Dialogue::unix_socket(daemon.lmtp_socket());
    (void)session.reply();
    for (int i = 0; i < 300; ++i) {
        daemon.signal(SIGUSR1);
    }
    session.expect("LHLO lab.test", "250");
    BOOST_TEST(daemon.serves());
    daemon.stop();
    BOOST_TEST(!has(daemon.log(), "<3>"));
}

// ---- odd surroundings ---------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(stderr_that_nobody_reads) {
    std::array<int, 2> ends{};
    BOOST_REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    RawMilter daemon;
    daemon.start({.error_fd = writer.get()});
    writer.reset();
    Dialogue session = Dialogue::unix_socket(daemon.lmtp_socket());
    (void)session.reply();
    session.expect("LHLO lab.test", "250");
    for (int i = 0; i < 1000; ++i) {  // each a line of the log: far more than a pipe holds
        BOOST_TEST(session
                       .send("app@fabrikam.test", {"alice@example.test"},
                             "From: app@fabrikam.test\nTo: alice@example.test\n\nHello.\n")
                       .starts_with("451 "));
    }
    BOOST_TEST(daemon.serves());
    daemon.stop();
}

BOOST_AUTO_TEST_CASE(standard_descriptors_closed) {
    RawMilter daemon;
    daemon.start({.standard_closed = true});
    BOOST_TEST(deliver_one(daemon.lmtp_socket()).front() == '4');
    for (int fd = 0; fd <= 2; ++fd) {
        BOOST_TEST(std::filesystem::read_symlink("/proc/" + std::to_string(daemon.pid()) + "/fd/" +
                                                 std::to_string(fd)) == "/dev/null");
    }
    daemon.stop();
}

BOOST_AUTO_TEST_CASE(an_agent_that_is_not_there) {
    RawMilter daemon;
    daemon.start();
    const Stopwatch watch;
    const std::string answer = deliver_one(daemon.lmtp_socket());
    BOOST_TEST(answer.starts_with("451 "), answer);
    BOOST_TEST(has(answer, (daemon.directory() / "agent.sock").string()), answer);
    BOOST_TEST((watch.elapsed() < 30s));
    daemon.stop();
}

BOOST_AUTO_TEST_SUITE_END()
