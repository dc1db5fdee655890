// SPDX-License-Identifier: Apache-2.0
#include "token-agent/session.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <new>
#include <ostream>
#include <vector>

#include "common/agent_messages.hh"
#include "tests/unit/agent/socket_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;

/// A session whose handler echoes the request, or keeps the reply for the test to give.
struct SessionRoom : LoopRoom {
    explicit SessionRoom(std::size_t request_bytes = protocol::kMaxRequestBytes) {
        limits.request_bytes = request_bytes;
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) !=
            0) {
            test::fail_errno("socketpair");
        }
        client = TestClient(UniqueFd(ends[0]));
        service::Peer peer;
        peer.uid = 4711;
        session = std::make_shared<Session>(
            Session::Socket(loop, boost::asio::local::stream_protocol(), ends[1]), peer, time,
            limits,
            [this](const service::Peer& who, std::string_view block, Session::Reply reply) {
                BOOST_TEST(who.uid == 4711U);
                requests.emplace_back(block);
                if (hold) {
                    held.push_back(std::move(reply));
                } else {
                    reply(Secret("status=ok\necho=" + std::to_string(requests.size()) + "\n\n"));
                }
            },
            [this](const Session&) { ++closed; });
        session->start();
        settle();
    }
    ~SessionRoom() {
        session->close();
        held.clear();
        settle();
        BOOST_TEST(closed == 1);
    }
    SessionRoom(const SessionRoom&) = delete;
    SessionRoom& operator=(const SessionRoom&) = delete;
    SessionRoom(SessionRoom&&) = delete;
    SessionRoom& operator=(SessionRoom&&) = delete;

    void check() {
        session->check_deadline(time.boot());
        settle();
    }
    /// Sends and lets the session react.
    void say(std::string_view text) {
        while (!text.empty()) {
            const std::size_t sent = client.send(text);
            settle();
            if (sent == 0) {
                return;
            }
            text.remove_prefix(sent);
        }
    }

    SessionLimits limits;
    TestClient client;
    std::shared_ptr<Session> session;
    std::vector<std::string> requests;
    std::vector<Session::Reply> held;
    bool hold = false;
    int closed = 0;
};

std::string echo(int number) { return "status=ok\necho=" + std::to_string(number) + "\n\n"; }

BOOST_AUTO_TEST_SUITE(session_test)

BOOST_FIXTURE_TEST_CASE(a_request_is_answered_and_the_connection_stays, SessionRoom) {
    say("request=ping\n\n");
    BOOST_TEST(client.received() == echo(1));
    say("request=ping\n\n");
    BOOST_TEST(client.received() == echo(1) + echo(2));
    BOOST_TEST(requests.front() == "request=ping\n\n");
    BOOST_TEST(session->is_idle());
}

BOOST_FIXTURE_TEST_CASE(pipelined_requests_are_answered_in_order, SessionRoom) {
    hold = true;
    std::string all;
    for (int i = 0; i < 5; ++i) {
        all += "n=" + std::to_string(i) + "\n\n";
    }
    say(all + "n=half");
    BOOST_TEST(requests.size() == 1U);  // the next begins when the first is answered
    for (std::size_t i = 0; i < 5; ++i) {
        BOOST_TEST(requests.size() == i + 1);
        BOOST_TEST(requests.back() == "n=" + std::to_string(i) + "\n\n");
        held.at(i)(Secret("a=" + std::to_string(i) + "\n\n"));
        settle();
    }
    BOOST_TEST(client.received() == "a=0\n\na=1\n\na=2\n\na=3\n\na=4\n\n");
    BOOST_TEST(!session->is_idle());
    say("\n\n");
    BOOST_TEST(requests.back() == "n=half\n\n");
}

BOOST_FIXTURE_TEST_CASE(a_thousand_pipelined_requests, SessionRoom) {
    std::string expected;
    for (int i = 1; i <= 1000; ++i) {
        say("request=ping\nfiller=" + std::string(static_cast<std::size_t>(i), 'x') + "\n\n");
        expected += echo(i);
        if (i % 50 == 0) {
            BOOST_TEST((client.received() == expected));
        }
    }
    BOOST_TEST(requests.size() == 1000U);
}

BOOST_FIXTURE_TEST_CASE(requests_split_byte_by_byte, SessionRoom) {
    for (const char byte : std::string("request=ping\nx=\n\n\nlast=1\n\n")) {
        say(std::string(1, byte));
    }
    const std::vector<std::string> expected{"request=ping\nx=\n\n", "\n", "last=1\n\n"};
    BOOST_TEST(requests == expected, boost::test_tools::per_element());
}

struct SizeRow {
    const char* name;
    std::size_t bytes;
    bool served;
};
std::ostream& operator<<(std::ostream& out, const SizeRow& row) { return out << row.name; }
constexpr SizeRow kSizes[] = {{"just below the limit", 8191, true},
                              {"the limit itself", 8192, true},
                              {"one byte more", 8193, false},
                              {"a flood", 300'000, false}};
BOOST_DATA_TEST_CASE(size_limit, boost::unit_test::data::make(kSizes), row) {
    SessionRoom room;
    room.say("x=" + std::string(row.bytes - 4, 'x') + "\n\n");
    if (row.served) {
        BOOST_TEST(room.client.received() == echo(1));
        BOOST_TEST(!room.client.closed());
    } else {
        BOOST_TEST(room.client.received() == bad_request("the request is larger than allowed"));
        BOOST_TEST(room.client.closed());
        BOOST_TEST(room.requests.empty());
    }
}

BOOST_AUTO_TEST_CASE(an_admin_request_of_a_mebibyte_fits) {
    SessionRoom room(protocol::kMaxAdminBytes);
    room.say("x=" + std::string(protocol::kMaxAdminBytes - 4, 'x') + "\n\nnext=1\n\n");
    BOOST_TEST(room.requests.size() == 2U);
    BOOST_TEST(room.requests.front().size() == protocol::kMaxAdminBytes);
    room.say("x=" + std::string(protocol::kMaxAdminBytes, 'x') + "\n\n");
    BOOST_TEST(room.client.closed());
}

BOOST_FIXTURE_TEST_CASE(a_request_once_begun_has_two_seconds, SessionRoom) {
    say("request=pi");
    time.advance(2000ms);
    check();
    BOOST_TEST(!client.closed());
    time.advance(1ms);
    check();
    BOOST_TEST(client.received() == bad_request("the request was not completed in time"));
    BOOST_TEST(client.closed());
}

BOOST_FIXTURE_TEST_CASE(a_drip_does_not_win_time, SessionRoom) {
    for (int i = 0; i < 25 && !client.closed(); ++i) {
        say("x");
        time.advance(100ms);
        check();
    }
    BOOST_TEST(client.closed());
    BOOST_TEST(client.received() == bad_request("the request was not completed in time"));
}

BOOST_FIXTURE_TEST_CASE(half_a_request_behind_a_whole_one_has_two_seconds_too, SessionRoom) {
    say("request=ping\n\nrequ");
    time.advance(2001ms);
    check();
    BOOST_TEST(client.received() == echo(1) + bad_request("the request was not completed in time"));
    BOOST_TEST(client.closed());
}

BOOST_FIXTURE_TEST_CASE(waiting_for_a_token_is_not_the_clients_fault, SessionRoom) {
    hold = true;
    say("request=token\n\nrequ");
    time.advance(30s);
    check();
    BOOST_TEST(!client.closed());
    held.front()(Secret("status=ok\n\n"));
    settle();
    BOOST_TEST(client.received() == "status=ok\n\n");
    time.advance(1999ms);  // the rest was sent long ago, but its time begins now
    check();
    say("est=ping\n\n");
    BOOST_TEST(requests.size() == 2U);
}

BOOST_FIXTURE_TEST_CASE(idle_connections_end_after_five_minutes, SessionRoom) {
    say("request=ping\n\n");
    time.advance(300s);
    check();
    BOOST_TEST(!client.closed());
    time.advance(1ms);
    check();
    BOOST_TEST(client.closed());
    BOOST_TEST(client.received() == echo(1));  // no word: nothing was asked
}

BOOST_FIXTURE_TEST_CASE(a_connection_that_says_nothing_is_idle, SessionRoom) {
    time.advance(300'001ms);
    check();
    BOOST_TEST(client.closed());
}

BOOST_FIXTURE_TEST_CASE(half_closed_peers_get_all_their_answers, SessionRoom) {
    hold = true;
    say("n=1\n\nn=2\n\n");
    client.end_of_requests();
    settle();
    held.at(0)(Secret("a=1\n\n"));
    settle();
    held.at(1)(Secret("a=2\n\n"));
    settle();
    BOOST_TEST(client.received() == "a=1\n\na=2\n\n");
    BOOST_TEST(client.closed());
    BOOST_TEST(closed == 1);
}

BOOST_FIXTURE_TEST_CASE(half_a_request_and_a_hang_up, SessionRoom) {
    say("request=to");
    client.hang_up();
    settle();
    BOOST_TEST(closed == 1);
    BOOST_TEST(requests.empty());
}

BOOST_FIXTURE_TEST_CASE(a_hang_up_while_the_answer_is_made, SessionRoom) {
    hold = true;
    say("request=token\n\n");
    client.hang_up();
    settle();
    held.front()(Secret("status=ok\n\n"));  // EPIPE, not our end
    settle();
    BOOST_TEST(closed == 1);
    held.front()(Secret("status=ok\n\n"));  // a second answer is dropped
}

BOOST_FIXTURE_TEST_CASE(an_answer_nobody_reads_ends_the_connection, SessionRoom) {
    hold = true;
    say("request=token\n\n");
    held.front()(Secret(std::string(4U << 20U, 'x')));
    settle();
    time.advance(10s);
    check();
    BOOST_TEST(closed == 0);
    time.advance(1ms);
    check();
    BOOST_TEST(closed == 1);
    BOOST_TEST(client.received().size() < (4U << 20U));
    BOOST_TEST(client.closed());
}

BOOST_FIXTURE_TEST_CASE(a_large_answer_arrives_whole, SessionRoom) {
    hold = true;
    say("n=1\n\nn=2\n\n");
    held.front()(Secret(std::string(4U << 20U, 'x')));
    for (int i = 0; i < 10'000 && client.received().size() < (4U << 20U); ++i) {
        settle();
    }
    BOOST_TEST(client.received().size() == (4U << 20U));
    BOOST_TEST(requests.size() == 2U);  // and then the next request has its turn
}

BOOST_FIXTURE_TEST_CASE(a_refusal_nobody_reads_ends_too, SessionRoom) {
    hold = true;
    int room = 4096;  // little room for the refusal
    (void)::setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    say("request=token\n\n");
    held.front()(Secret(std::string(1U << 20U, 'x')));
    settle();
    session->close();
    settle();
    BOOST_TEST(closed == 1);
}

/// The loop logs the exception and goes on; the connection must not stay for ever.
BOOST_FIXTURE_TEST_CASE(a_handler_that_throws_costs_its_connection_only, SessionRoom) {
    std::array<int, 2> ends{};
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    TestClient caller{UniqueFd(ends[0])};
    int ended = 0;
    const auto victim = std::make_shared<Session>(
        Session::Socket(loop, boost::asio::local::stream_protocol(), ends[1]), service::Peer(),
        time, limits,
        [](const service::Peer&, std::string_view, const Session::Reply&) {
            throw std::bad_alloc();
        },
        [&](const Session&) { ++ended; });
    victim->start();
    (void)caller.send("n=1\n\n");
    BOOST_CHECK_THROW(settle(), std::bad_alloc);
    time.advance(90s);
    victim->check_deadline(time.boot());
    BOOST_TEST(ended == 0);
    time.advance(1ms);
    victim->check_deadline(time.boot());
    settle();
    BOOST_TEST(ended == 1);
    BOOST_TEST(caller.closed());
    say("request=ping\n\n");  // the others
    BOOST_TEST(client.received() == echo(1));
}

BOOST_FIXTURE_TEST_CASE(close_from_inside_the_handler_is_safe, SessionRoom) {
    SessionRoom other;
    std::shared_ptr<Session> victim;
    std::array<int, 2> ends{};
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    TestClient caller{UniqueFd(ends[0])};
    int ended = 0;
    victim = std::make_shared<Session>(
        Session::Socket(loop, boost::asio::local::stream_protocol(), ends[1]), service::Peer(),
        time, limits,
        [&](const service::Peer&, std::string_view, const Session::Reply& reply) {
            victim->close();
            reply(Secret("too late\n\n"));
        },
        [&](const Session&) { ++ended; });
    victim->start();
    (void)caller.send("n=1\n\nn=2\n\n");
    settle();
    BOOST_TEST(ended == 1);
    BOOST_TEST(caller.received().empty());
    BOOST_TEST(caller.closed());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
