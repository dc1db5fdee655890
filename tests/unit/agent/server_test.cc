// SPDX-License-Identifier: Apache-2.0
#include "token-agent/server.hh"

#include <sys/resource.h>

#include <boost/test/unit_test.hpp>
#include <optional>
#include <vector>

#include "common/agent_messages.hh"
#include "tests/support/temp_dir.hh"
#include "tests/unit/agent/socket_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace std::chrono_literals;

constexpr const char* kPong = "status=ok\n\n";

struct ServerRoom : LoopRoom {
    ServerRoom() {
        server.emplace(
            Server::Services{loop, time, time, log},
            SessionLimits{protocol::kMaxRequestBytes, 2s, 300s, 10s},
            [this](const service::Peer&) { return allowance; },
            [this](const service::Peer&, std::string_view block, Session::Reply reply) {
                if (block == "wait=1\n\n") {
                    held.push_back(std::move(reply));
                } else {
                    reply(Secret(kPong));
                }
            });
        UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(std::begin(address.sun_path), sizeof address.sun_path - 1);
        const auto* const generic =
            static_cast<const sockaddr*>(static_cast<const void*>(&address));
        if (::bind(socket.get(), generic, sizeof address) != 0 ||
            ::listen(socket.get(), 4096) != 0 || !server->listen(std::move(socket))) {
            test::fail_errno("listen");
        }
    }

    TestClient& connect() {
        clients.push_back(std::make_unique<TestClient>(path));
        settle();
        return *clients.back();
    }
    [[nodiscard]] bool served(TestClient& client) {
        const std::size_t before = client.received().size();
        (void)client.send("request=ping\n\n");
        settle();
        return client.received().size() > before;
    }
    [[nodiscard]] std::size_t open_clients() const {
        std::size_t open = 0;
        for (const auto& client : clients) {
            open += client->closed() ? 0U : 1U;
        }
        return open;
    }

    test::TempDir dir{"pb-server"};
    std::string path = (dir / "agent.sock").string();
    std::size_t allowance = 1024;
    std::vector<Session::Reply> held;
    std::vector<std::unique_ptr<TestClient>> clients;
    std::optional<Server> server;
};

BOOST_FIXTURE_TEST_SUITE(server_test, ServerRoom)

BOOST_AUTO_TEST_CASE(serves_and_forgets) {
    TestClient& client = connect();
    BOOST_TEST(served(client));
    BOOST_TEST(server->connections() == 1U);
    client.hang_up();
    settle();
    BOOST_TEST(server->connections() == 0U);
    pass(1s);
    BOOST_TEST(time.pending() == 0U);  // an agent without clients sleeps
}

BOOST_AUTO_TEST_CASE(deadlines_are_kept_within_a_quarter_of_a_second) {
    TestClient& slow = connect();
    (void)slow.send("request=pi");
    settle();
    pass(2000ms);
    BOOST_TEST(!slow.closed());
    pass(375ms);
    BOOST_TEST(slow.received() == bad_request("the request was not completed in time"));
    BOOST_TEST(slow.closed());
    BOOST_TEST(server->connections() == 0U);
}

BOOST_AUTO_TEST_CASE(a_thousand_silent_connections_do_not_disturb) {
    for (int i = 0; i < 1000; ++i) {
        (void)connect();
    }
    TestClient& client = connect();
    BOOST_TEST(server->connections() == 1001U);
    BOOST_TEST(served(client));
    for (int i = 0; i < 1000; i += 2) {
        (void)clients.at(static_cast<std::size_t>(i))->send("half");
    }
    settle();
    pass(1s);
    BOOST_TEST(served(client));
    pass(1375ms);
    BOOST_TEST(server->connections() == 501U);  // the half requests have ended
    pass(200s);
    BOOST_TEST(served(client));
    pass(101s);
    BOOST_TEST(server->connections() == 1U);
    BOOST_TEST(served(client));
}

BOOST_AUTO_TEST_CASE(at_the_limit_the_longest_idle_goes) {
    allowance = 8;
    for (int i = 0; i < 8; ++i) {
        (void)connect();
        pass(125ms);
    }
    BOOST_TEST(served(*clients.at(0)));  // now the second is the longest idle
    BOOST_TEST(served(connect()));
    BOOST_TEST(server->connections() == 8U);
    BOOST_TEST(!clients.at(0)->closed());
    BOOST_TEST(clients.at(1)->closed());
    BOOST_TEST(open_clients() == 8U);
}

BOOST_AUTO_TEST_CASE(connections_at_work_go_last) {
    allowance = 3;
    (void)connect().send("wait=1\n\n");
    settle();
    pass(1s);
    (void)connect();
    (void)connect();
    pass(1s);
    (void)connect();
    BOOST_TEST(!clients.at(0)->closed());  // the oldest, but an answer is being made for it
    BOOST_TEST(clients.at(1)->closed());
    held.at(0)(Secret(kPong));
    settle();
    BOOST_TEST(clients.at(0)->received() == kPong);
}

BOOST_AUTO_TEST_CASE(when_all_wait_for_answers_the_new_one_is_refused) {
    allowance = 2;
    for (int i = 0; i < 2; ++i) {
        (void)connect().send("wait=1\n\n");
        settle();
    }
    BOOST_TEST(connect().closed());
    for (const Session::Reply& reply : held) {
        reply(Secret(kPong));
    }
    settle();
    BOOST_TEST(clients.at(0)->received() == kPong);
    BOOST_TEST(clients.at(1)->received() == kPong);
    BOOST_TEST(served(connect()));
}

/// Else a client that asks and hangs up could have any number of requests under way.
BOOST_AUTO_TEST_CASE(requests_under_way_are_bounded_though_clients_hang_up) {
    allowance = 8;
    for (int i = 0; i < 500; ++i) {
        TestClient client(path);
        (void)client.send("wait=1\n\n");
        settle();
    }
    BOOST_TEST(held.size() == 8U);
    BOOST_TEST(server->connections() == 8U);
}

BOOST_AUTO_TEST_CASE(a_smaller_allowance_counts_from_the_next_connection) {
    for (int i = 0; i < 20; ++i) {
        (void)connect();
        pass(125ms);
    }
    allowance = 8;
    BOOST_TEST(served(connect()));
    BOOST_TEST(server->connections() == 8U);
}

BOOST_AUTO_TEST_CASE(connections_come_and_go_without_a_leak) {
    allowance = 8;
    for (int i = 0; i < 2000; ++i) {
        TestClient client(path);
        if (i % 3 == 0) {
            (void)client.send("request=ping\n\n");
        } else if (i % 3 == 1) {
            (void)client.send("wait=1\n\n");
        }
        if (i % 5 == 0) {
            settle();
        }
    }
    settle();
    BOOST_TEST(server->connections() <= 8U);
    for (const Session::Reply& reply : held) {
        reply(Secret(kPong));
    }
    settle();
    BOOST_TEST(server->connections() == 0U);
    BOOST_TEST(served(connect()));
}

/// Lowers the limit of descriptors for one scope.
class FewDescriptors {
public:
    explicit FewDescriptors(rlim_t more) {
        (void)::getrlimit(RLIMIT_NOFILE, &old_);
        const UniqueFd next(::dup(0));
        const rlimit lower{static_cast<rlim_t>(next.get()) + more, old_.rlim_max};
        (void)::setrlimit(RLIMIT_NOFILE, &lower);
    }
    ~FewDescriptors() { (void)::setrlimit(RLIMIT_NOFILE, &old_); }
    FewDescriptors(const FewDescriptors&) = delete;
    FewDescriptors& operator=(const FewDescriptors&) = delete;
    FewDescriptors(FewDescriptors&&) = delete;
    FewDescriptors& operator=(FewDescriptors&&) = delete;

private:
    rlimit old_{};
};

BOOST_AUTO_TEST_CASE(without_descriptors_the_longest_idle_makes_room) {
    TestClient& oldest = connect();
    pass(1s);
    (void)connect();
    auto waiting = std::make_unique<TestClient>(path);
    {
        const FewDescriptors none(0);
        settle();  // EMFILE
        BOOST_TEST(log.count("event=accept_failed") == 1U);
        BOOST_TEST(log.count("closed the longest idle connection") == 1U);
        BOOST_TEST(oldest.closed());
        settle();
        pass(125ms);  // after the pause it is taken, into the place of the closed one
        BOOST_TEST(served(*waiting));
    }
    // accept(2) wants a descriptor before it looks for a connection, so one more has to go.
    BOOST_TEST(log.count("event=accept_failed") <= 2U);
    pass(1s);
    BOOST_TEST(served(*waiting));
}

BOOST_AUTO_TEST_CASE(without_descriptors_and_sessions_it_tries_again) {
    auto waiting = std::make_unique<TestClient>(path);
    {
        const FewDescriptors none(0);
        settle();
        BOOST_TEST(log.count("trying again shortly") == 1U);
        pass(1s);
        BOOST_TEST(log.lines().size() <= 11U);  // ten a second, no busy loop
    }
    pass(125ms);
    BOOST_TEST(served(*waiting));
}

BOOST_AUTO_TEST_CASE(stop_closes_all) {
    (void)connect();
    (void)connect().send("wait=1\n\n");
    settle();
    server->stop();
    settle();
    BOOST_TEST(open_clients() == 0U);
    BOOST_TEST(server->connections() == 0U);
    BOOST_TEST(time.pending() == 0U);
    held.at(0)(Secret(kPong));
}

BOOST_AUTO_TEST_CASE(a_late_answer_may_outlive_the_server) {
    (void)connect().send("wait=1\n\n");
    settle();
    server.reset();
    held.at(0)(Secret(kPong));
    settle();
    BOOST_TEST(clients.at(0)->closed());
}

BOOST_AUTO_TEST_CASE(a_connection_that_came_with_the_stop_is_let_go) {
    const TestClient late(path);
    boost::asio::io_context::count_type done = 0;
    loop.restart();
    done += loop.poll_one();  // the reactor's turn; the handler may be queued
    server->stop();
    settle();
    BOOST_TEST(server->connections() == 0U);
    BOOST_TEST(done <= 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
