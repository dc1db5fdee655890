// SPDX-License-Identifier: Apache-2.0
// kill_point.c does what the crash tests rely on: it kills exactly there, counts all there is,
// and leaves everybody else alone. Shown with programs that nobody here wrote, and with our agent.
#include <boost/test/unit_test.hpp>
#include <csignal>

#include "tests/e2e/agent_rig.hh"
#include "tests/support/kill_points.hh"
#include "tests/support/programs.hh"
#include "tests/support/rehearsal_process.hh"

using namespace postbearer::test;

namespace {

/// A database in WAL mode with one committed row, as the agent's store is.
struct Database {
    TempDir directory{"pb-kill"};
    Path path = directory / "tokens.db";

    Database() {
        BOOST_REQUIRE(sql("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                          "CREATE TABLE t(x); INSERT INTO t VALUES('first');")
                          .ok());
    }

    [[nodiscard]] Finished sql(const std::string& statements,
                               const std::map<std::string, std::string>& environment = {}) const {
        return run({.argv = {"sqlite3", path, statements}, .environment = environment});
    }
    [[nodiscard]] std::string rows() const {
        return sql("SELECT group_concat(substr(x, 1, 5)) FROM t;").output;
    }
    [[nodiscard]] bool intact() const { return sql("PRAGMA integrity_check;").output == "ok\n"; }
};

/// Some pages long, so that there is a middle.
constexpr const char* kSecondRow =
    "PRAGMA synchronous=FULL; INSERT INTO t VALUES('other' || hex(randomblob(20000)));";

}  // namespace

BOOST_AUTO_TEST_SUITE(kill_point_test)

BOOST_AUTO_TEST_CASE(each_write_of_a_store_can_be_torn) {
    const Database database;
    const Path trace = database.directory / "trace";
    const Path copy = database.directory / "copy";
    std::filesystem::copy(database.path, copy);
    BOOST_REQUIRE(
        database.sql(kSecondRow, KillPoint{.program = "sqlite3", .trace = trace}.environment())
            .ok());
    const auto calls = traced_calls(trace);
    const std::size_t writes = count_calls(calls, "pwrite", "tokens.db-wal");
    BOOST_TEST(writes > 10U);
    BOOST_TEST(count_calls(calls, "sync", "tokens.db-wal") >= 1U);
    for (std::size_t n = 1; n <= writes; ++n) {
        for (const char* moment : {":before", ":half", ":after"}) {
            std::filesystem::copy(copy, database.path,
                                  std::filesystem::copy_options::overwrite_existing);
            const Path torn = database.directory / "torn";
            std::filesystem::remove(torn);
            const Finished killed = database.sql(
                kSecondRow, KillPoint{.program = "sqlite3",
                                      .point = "pwrite:tokens.db-wal:" + std::to_string(n) + moment,
                                      .trace = torn}
                                .environment());
            BOOST_TEST(killed.status.signal == SIGKILL);
            BOOST_TEST(count_calls(traced_calls(torn), "pwrite", "tokens.db-wal") == n);
            if (std::string(moment) == ":half" && n == writes) {
                // The last frame is cut in two.
                const auto size = std::filesystem::file_size(database.path.string() + "-wal");
                BOOST_TEST((size - 32) % (24 + 4096) != 0U);
            }
            BOOST_TEST(database.intact());
            // Only with its last frame whole is a transaction there.
            const bool whole = n == writes && std::string(moment) == ":after";
            BOOST_TEST(database.rows() == (whole ? "first,other\n" : "first\n"));
        }
    }
}

BOOST_AUTO_TEST_CASE(a_sync_is_before_or_after) {
    const Database database;
    const auto killed = [&](const std::string& point) {
        return database
            .sql(kSecondRow, KillPoint{.program = "sqlite3", .point = point}.environment())
            .status.signal;
    };
    BOOST_TEST(killed("sync:tokens.db-wal:1:before") == SIGKILL);
    BOOST_TEST(killed("sync:tokens.db-wal:1:after") == SIGKILL);
    BOOST_TEST(killed("disk:tokens.db:2") == SIGKILL);
    BOOST_TEST(killed("disk:another.db:1") == 0);
    BOOST_TEST(database.intact());
}

BOOST_AUTO_TEST_CASE(nobody_else_is_touched) {
    const Database database;
    const Path trace = database.directory / "trace";
    BOOST_TEST(database
                   .sql(kSecondRow,
                        KillPoint{.program = "postbearer-agent", .point = "disk:1", .trace = trace}
                            .environment())
                   .ok());
    BOOST_TEST(!std::filesystem::exists(trace));
}

BOOST_AUTO_TEST_CASE(nonsense_ends_the_program) {
    const Database database;
    for (const char* point : {"pwrite", "pwrite:part", "pwrite:0", "pwrite:x:1:middle",
                              "pwrite:x:1:half:more", "pwrite:x:y"}) {
        BOOST_TEST(
            database.sql("SELECT 1;", KillPoint{.program = "sqlite3", .point = point}.environment())
                    .status.code == 99,
            point);
    }
}

BOOST_AUTO_TEST_CASE(request_sent_and_answer_read) {
    const TempDir directory("pb-kill");
    Rehearsal rehearsal(Programs::rehearsal(), directory / "rehearsal", directory / "auth.sock");
    rehearsal.start();
    const auto fetch = [&](const KillPoint& point) {
        // HTTP/1.1: one request is one SSL_write, as our own client does it.
        return run({.argv = {"curl", "--silent", "--http1.1", "--cacert", rehearsal.ca_file(),
                             "--data", "grant_type=client_credentials&client_id=x&scope=y",
                             rehearsal.token_endpoint("contoso.test")},
                    .environment = point.environment()});
    };
    const auto asked = [&] { return rehearsal.requests().size(); };
    const Path trace = directory / "trace";
    BOOST_TEST(fetch({.program = "curl", .trace = trace}).ok());
    BOOST_TEST(asked() == 1U);
    BOOST_TEST(count_calls(traced_calls(trace), "ssl_write") >= 1U);
    BOOST_TEST(count_calls(traced_calls(trace), "ssl_read") >= 1U);

    BOOST_TEST(fetch({.program = "curl", .point = "ssl_write:1:before"}).status.signal == SIGKILL);
    BOOST_TEST(fetch({.program = "curl", .point = "ssl_write:1:half"}).status.signal == SIGKILL);
    BOOST_TEST(asked() == 1U);
    const std::string last = std::to_string(count_calls(traced_calls(trace), "ssl_write"));
    BOOST_TEST(fetch({.program = "curl", .point = "ssl_write:" + last + ":after"}).status.signal ==
               SIGKILL);
    wait_until("the request to arrive all the same", [&] { return asked() == 2U; });
    const Finished read = fetch({.program = "curl", .point = "ssl_read:1"});
    BOOST_TEST(read.status.signal == SIGKILL);
    BOOST_TEST(read.output.empty());
    BOOST_TEST(asked() == 3U);
    rehearsal.stop();
}

BOOST_AUTO_TEST_CASE(before_the_answer_on_the_socket) {
    RawAgent agent;
    agent.configure();
    const Path trigger = agent.directory() / "trigger";
    const Path trace = agent.directory() / "trace";
    agent.start(
        {.environment =
             KillPoint{.point = "send:agent.sock:1:half", .trace = trace, .trigger = trigger}
                 .environment()});
    RawClient client(agent.socket());
    BOOST_TEST(client.ask("request=ping\n\n").starts_with("status=ok\n"));
    BOOST_TEST(traced_calls(trace).empty());  // nothing counts yet
    write_file(trigger, "");
    BOOST_TEST(client.send("request=ping\n\n"));
    BOOST_TEST(client.ends_within(std::chrono::seconds(10)));
    const auto ended = agent.wait();
    BOOST_REQUIRE(ended);
    BOOST_TEST(ended->signal == SIGKILL);
    BOOST_TEST(count_calls(traced_calls(trace), "send", "agent.sock") == 1U);
    BOOST_TEST(client.answer().starts_with("status=ok\n"));  // half of it
    BOOST_TEST(!client.answer().ends_with("\n\n"));
}

BOOST_AUTO_TEST_SUITE_END()
