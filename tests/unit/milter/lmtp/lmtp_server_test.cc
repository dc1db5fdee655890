// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/lmtp_server.hh"

#include <sys/resource.h>

#include <boost/test/unit_test.hpp>
#include <string>

#include "tests/unit/milter/lmtp/lmtp_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::milter;
using namespace std::chrono_literals;

BOOST_FIXTURE_TEST_SUITE(lmtp_server_test, LmtpRoom)

BOOST_AUTO_TEST_CASE(a_stranger_is_told_who_he_is) {
    strangers = true;
    LmtpClient& client = connect();
    BOOST_TEST(client.received() ==
               "421 4.7.1 uid " + std::to_string(::getuid()) + " may not deliver here\r\n");
    BOOST_TEST(client.closed());
    BOOST_TEST(server->sessions() == 0U);
    BOOST_TEST(log.lines().size() == 1U);
    BOOST_TEST(log.count("event=lmtp_peer_refused uid=" + std::to_string(::getuid())) == 1U);
}

BOOST_AUTO_TEST_CASE(at_the_limit_the_next_is_refused_at_once) {
    settings.limits.max_sessions = 3;
    for (int i = 0; i < 3; ++i) {
        say(greeted(), "MAIL FROM:<a@b.example>\r\n");
    }
    for (int i = 0; i < 5; ++i) {
        LmtpClient& refused = connect();
        BOOST_TEST(refused.received() == "421 4.3.2 all 3 sessions are in use\r\n");
        BOOST_TEST(refused.closed());
    }
    BOOST_TEST(server->sessions() == 3U);
    BOOST_TEST(log.count("event=lmtp_sessions_full max_sessions=3") == 1U);  // told once
    clients.front()->hang_up();
    settle();
    LmtpClient& last = connect();
    BOOST_TEST(last.received() == kGreeting);
    say(last, "LHLO c\r\nMAIL FROM:<a@b.example>\r\n");
    BOOST_TEST(connect().closed());
    BOOST_TEST(log.count("event=lmtp_sessions_full") == 2U);
}

BOOST_AUTO_TEST_CASE(at_the_limit_the_longest_idle_gives_way) {
    settings.limits.max_sessions = 3;
    for (int i = 0; i < 3; ++i) {
        (void)greeted();
        time.advance(1s);
    }
    BOOST_TEST(connect().received() == kGreeting);
    BOOST_TEST(server->sessions() == 3U);
    settle();
    BOOST_TEST(clients.front()->closed());
    BOOST_TEST(!clients[1]->closed());
    BOOST_TEST(log.count("event=lmtp_sessions_full") == 0U);
}

BOOST_AUTO_TEST_CASE(a_transaction_without_its_client_keeps_its_place) {
    settings.limits.max_sessions = 2;
    deliverer.hold();
    for (int i = 0; i < 10; ++i) {
        LmtpClient& client = connect();
        say(client, "LHLO c\r\n" + kTransaction);
        client.hang_up();
        settle();
    }
    BOOST_TEST(deliverer.held.size() == 2U);
    BOOST_TEST(server->sessions() == 2U);
}

BOOST_AUTO_TEST_CASE(two_hundred_sessions_leave_no_descriptor) {
    serve();
    const std::size_t before = open_descriptors();
    std::vector<std::unique_ptr<LmtpClient>> crowd;
    for (int i = 0; i < 200; ++i) {
        crowd.push_back(std::make_unique<LmtpClient>(path));
        settle();
        LmtpClient& client = *crowd.back();
        say(client, "LHLO c\r\n");
        if (i % 4 == 0) {
            say(client, kTransaction + "QUIT\r\n");
        } else if (i % 4 == 1) {
            say(client, kEnvelope + "DATA\r\nhalf of");
        } else if (i % 4 == 2) {
            say(client, kTransaction + "XYZ");
        }
    }
    BOOST_TEST(deliverer.transactions.size() == 100U);
    BOOST_TEST(server->sessions() == 150U);
    crowd.clear();
    deliverer.transactions.clear();
    settle();
    BOOST_TEST(server->sessions() == 0U);
    BOOST_TEST(open_descriptors() == before);
}

BOOST_AUTO_TEST_CASE(stop_lets_the_idle_go_and_the_busy_finish) {
    LmtpClient& idle = greeted();
    LmtpClient& in_mail = greeted();
    LmtpClient& in_data = greeted();
    LmtpClient& delivered = greeted();
    say(in_mail, "MAIL FROM:<a@x.test>\r\n");
    say(in_data, kEnvelope + "DATA\r\n");
    deliverer.hold();
    say(delivered, kTransaction + kTransaction);
    deliverer.act = nullptr;
    (void)in_mail.news();
    (void)in_data.news();
    (void)delivered.news();
    int gone = 0;
    server->stop([&] { ++gone; });
    settle();
    BOOST_TEST(idle.news() == kStopping);
    BOOST_TEST(idle.closed());
    BOOST_TEST(server->sessions() == 3U);
    BOOST_CHECK_THROW(LmtpClient late(path), std::exception);
    BOOST_TEST(answer_to(in_mail, "RCPT TO:<b@y.test>\r\nDATA\r\n.\r\n") ==
               kRcptOk + kGoAhead + kSent + kStopping);
    BOOST_TEST(answer_to(in_data, ".\r\n") == kSent + kStopping);
    BOOST_TEST(gone == 0);
    BOOST_TEST(deliverer.held.at(0)({{250, "2.0.0", "ok"}}));
    settle();
    BOOST_TEST(delivered.news() == "250 2.0.0 ok\r\n" + kStopping);
    BOOST_TEST(delivered.closed());
    BOOST_TEST(server->sessions() == 0U);
    BOOST_TEST(gone == 1);
    BOOST_TEST(deliverer.transactions.size() == 3U);
}

BOOST_AUTO_TEST_CASE(stop_without_sessions) {
    serve();
    int gone = 0;
    server->stop([&] { ++gone; });
    BOOST_TEST(gone == 0);  // from the loop, not from within
    settle();
    BOOST_TEST(gone == 1);
}

BOOST_AUTO_TEST_CASE(the_caller_may_lose_patience) {
    deliverer.hold();
    LmtpClient& client = greeted();
    say(client, kTransaction);
    int gone = 0;
    server->stop([&] { ++gone; });
    settle();
    BOOST_TEST(gone == 0);
    server->close_all();
    settle();
    BOOST_TEST(gone == 1);
    BOOST_TEST(client.closed());
    BOOST_TEST(!deliverer.held.at(0)({{250, "2.0.0", "ok"}}));
    BOOST_TEST(time.pending() == 0U);
}

BOOST_AUTO_TEST_CASE(stop_from_within_a_delivery) {
    int gone = 0;
    deliverer.act = [&](const Transaction&, const Deliverer::Done& done) {
        server->stop([&] { ++gone; });
        BOOST_TEST(done({{250, "2.0.0", "ok"}}));
    };
    LmtpClient& client = greeted();
    BOOST_TEST(answer_to(client, kTransaction) ==
               kMailOk + kRcptOk + kGoAhead + "250 2.0.0 ok\r\n" + kStopping);
    BOOST_TEST(gone == 1);
}

BOOST_AUTO_TEST_CASE(close_all_from_within_a_delivery) {
    deliverer.act = [&](const Transaction&, const Deliverer::Done& done) {
        server->close_all();
        BOOST_TEST(!done({{250, "2.0.0", "ok"}}));
    };
    LmtpClient& client = greeted();
    BOOST_TEST(answer_to(client, kTransaction) == kMailOk + kRcptOk + kGoAhead);
    BOOST_TEST(client.closed());
    BOOST_TEST(server->sessions() == 0U);
}

/// Asio may have taken a second connection already when the first one's handler runs.
BOOST_AUTO_TEST_CASE(connections_that_came_with_the_stop_are_let_go) {
    for (int turns = 0; turns < 6; ++turns) {
        serve();
        std::vector<std::unique_ptr<LmtpClient>> waiting;
        for (int i = 0; i < 5; ++i) {
            waiting.push_back(std::make_unique<LmtpClient>(path));
        }
        loop.restart();
        for (int i = 0; i < turns; ++i) {
            (void)loop.poll_one();
        }
        if (turns % 2 == 0) {
            server->stop([] {});
        } else {
            server.reset();
        }
        settle();
        for (const auto& client : waiting) {
            BOOST_TEST(client->closed());
        }
        server.reset();
        BOOST_REQUIRE(::unlink(path.c_str()) == 0);
    }
}

BOOST_AUTO_TEST_CASE(settings_count_from_the_next_session) {
    LmtpClient& before = greeted();
    settings.limits.max_message_bytes = 1000;
    server->configure(settings);
    const std::string mail = "MAIL FROM:<a@x.test> SIZE=1001\r\n";
    BOOST_TEST(answer_to(before, mail) == kMailOk);
    BOOST_TEST(answer_to(greeted(), mail).starts_with("552 5.3.4 "));
}

/// Lowers the limit of descriptors for one scope.
class FewDescriptors {
public:
    FewDescriptors() {
        (void)::getrlimit(RLIMIT_NOFILE, &old_);
        const UniqueFd next(::dup(0));
        const rlimit lower{static_cast<rlim_t>(next.get()), old_.rlim_max};
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
    LmtpClient& busy = greeted();
    say(busy, "MAIL FROM:<a@x.test>\r\n");
    pass(1s);
    LmtpClient& oldest = greeted();
    pass(1s);
    (void)greeted();
    auto waiting = std::make_unique<LmtpClient>(path);
    {
        const FewDescriptors none;
        settle();  // EMFILE
        BOOST_TEST(log.count("event=accept_failed") == 1U);
        BOOST_TEST(oldest.news() == kStopping);
        BOOST_TEST(oldest.closed());
        BOOST_TEST(!busy.closed());
        pass(1s);
        BOOST_TEST(waiting->received() == kGreeting);
    }
    pass(1s);
    BOOST_TEST(answer_to(*waiting, "LHLO c\r\n" + kTransaction) == kHello + kTransactionOk);
}

BOOST_AUTO_TEST_CASE(without_descriptors_data_is_deferred) {
    LmtpClient& client = greeted();
    say(client, kEnvelope);
    (void)client.news();
    {
        const FewDescriptors none;
        say(client, "DATA\r\n");
    }
    BOOST_TEST(client.news() == "452 4.3.1 cannot make a file in spool directory " +
                                    settings.spool_dir + ": Too many open files\r\n");
    BOOST_TEST(answer_to(client, kTransaction) == kTransactionOk);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
