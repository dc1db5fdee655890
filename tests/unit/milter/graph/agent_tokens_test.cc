// SPDX-License-Identifier: Apache-2.0
#include "milter/graph/agent_tokens.hh"

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <optional>

#include "common/service/loop_scheduler.hh"
#include "tests/support/manual_time.hh"
#include "tests/support/scripted_agent.hh"
#include "tests/support/temp_dir.hh"

namespace {

using namespace postbearer;
using namespace std::chrono_literals;
using protocol::FailureClass;
using protocol::TokenAnswer;
using test::ScriptedAgent;

/// Answers pipelined requests in order, each with a token that is made of its account; now and then
/// it closes after an answer.
class PipelinedAgent {
public:
    using Protocol = boost::asio::local::stream_protocol;
    PipelinedAgent(boost::asio::io_context& loop, const std::string& path, int closes_after)
        : acceptor_(loop, Protocol::endpoint(path)), closes_after_(closes_after) {
        accept();
    }
    [[nodiscard]] int accepted() const { return accepted_; }

private:
    struct Connection {
        explicit Connection(Protocol::socket from) : socket(std::move(from)) {}
        Protocol::socket socket;
        std::array<char, 4096> space{};
        std::string input;
        int served = 0;
    };

    void accept() {
        acceptor_.async_accept(
            [this](const boost::system::error_code& error, Protocol::socket from) {
                if (!error) {
                    ++accepted_;
                    read(std::make_shared<Connection>(std::move(from)));
                    accept();
                }
            });
    }
    void read(const std::shared_ptr<Connection>& on) {
        on->socket.async_read_some(
            boost::asio::buffer(on->space),
            [this, on](const boost::system::error_code& error, std::size_t count) {
                if (!error) {
                    on->input.append(on->space.data(), count);
                    serve(on);
                }
            });
    }
    void serve(const std::shared_ptr<Connection>& on) {
        std::string answers;
        while (const auto length = protocol::message_length(on->input)) {
            const auto request =
                protocol::Attributes::parse(std::string_view(on->input).substr(0, *length));
            answers +=
                test::grant_text(std::string(request->value_or("account", "")).substr(0, 4), "x");
            on->input.erase(0, *length);
            if (closes_after_ != 0 && ++on->served == closes_after_) {
                boost::asio::write(on->socket, boost::asio::buffer(answers));
                return;
            }
        }
        boost::asio::write(on->socket, boost::asio::buffer(answers));
        read(on);
    }

    Protocol::acceptor acceptor_;
    int closes_after_;
    int accepted_ = 0;
};

/// Sockets are real, time is not: it goes on only while nothing moves.
struct Room {
    void ask(const std::string& mailbox) {
        const std::size_t number = answers.size();
        answers.emplace_back();
        tokens.ask(mailbox, [this, number](TokenAnswer answer) {
            BOOST_TEST(!answers[number].has_value());
            answers[number].emplace(std::move(answer));
        });
    }
    [[nodiscard]] bool all_answered() const {
        return std::all_of(answers.begin(), answers.end(),
                           [](const auto& answer) { return answer.has_value(); });
    }
    template <typename Condition>
    void run_until(Condition condition) {
        for (int turns = 0; !condition(); ++turns) {
            BOOST_REQUIRE(turns < 10'000);
            loop.restart();
            if (loop.run_one_for(20ms) == 0) {
                time.advance(50ms);
            }
        }
    }
    void run() {
        run_until([this] { return all_answered(); });
    }
    void check_transient(const TokenAnswer& answer, const std::string& words) const {
        BOOST_REQUIRE(!answer.has_value());
        BOOST_TEST((answer.error().failure_class == FailureClass::Transient));
        BOOST_TEST_CONTEXT(answer.error().message) {
            BOOST_TEST(answer.error().message.find(words) != std::string::npos);
            BOOST_TEST(answer.error().message.find(path) != std::string::npos);
            BOOST_TEST(answer.error().message.find("is postbearer-agent running?") !=
                       std::string::npos);
        }
    }

    test::TempDir directory;
    std::string path = (directory / "agent.sock").string();
    boost::asio::io_context loop;
    test::ManualTime time;
    std::vector<std::optional<TokenAnswer>> answers;
    milter::AgentTokens tokens{loop, path, "graph.microsoft.com", time, time};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(agent_tokens_test, Room)

BOOST_AUTO_TEST_CASE(a_token_is_asked_for_and_given) {
    const ScriptedAgent agent(path, {test::answer(test::grant_text("tok", "svc@contoso.com"))});
    ask("svc@contoso.com");
    BOOST_TEST(!answers[0].has_value());
    run();
    BOOST_REQUIRE(answers[0]->has_value());
    BOOST_TEST((*answers[0])->token.reveal() == "tok");
    BOOST_TEST((*answers[0])->fingerprint == "9f1c22ab");
    BOOST_TEST(agent.requests().at(0) ==
               "request=token\naccount=svc@contoso.com\nresource=graph\n"
               "host=graph.microsoft.com\nwait_ms=8000\n\n");
    BOOST_TEST(time.pending() == 0U);
}

BOOST_AUTO_TEST_CASE(the_connection_is_kept) {
    const ScriptedAgent agent(path, {test::answer(test::grant_text("tok", "x"))});
    for (int i = 0; i < 50; ++i) {
        ask("svc@contoso.com");
        run();
    }
    BOOST_TEST(agent.accepted() == 1U);
    BOOST_TEST(agent.requests().size() == 50U);
}

BOOST_AUTO_TEST_CASE(one_slow_account_does_not_hold_up_the_others) {
    ScriptedAgent agent(path, {test::held(test::grant_text("slow", "x")),
                               test::answer(test::grant_text("fast", "x"))});
    ask("slow@contoso.com");
    run_until([&] { return agent.requests().size() == 1; });
    ask("fast@contoso.com");
    run_until([&] { return answers[1].has_value(); });
    BOOST_TEST(!answers[0].has_value());
    BOOST_TEST((*answers[1])->token.reveal() == "fast");
    agent.release();
    run();
    BOOST_TEST((*answers[0])->token.reveal() == "slow");
    BOOST_TEST(agent.accepted() == 2U);
}

BOOST_DATA_TEST_CASE(many_questions_share_few_connections, boost::unit_test::data::make({0, 5})) {
    const PipelinedAgent agent(loop, path, sample);
    for (int i = 1'000; i < 1'200; ++i) {
        ask(std::to_string(i) + "@contoso.com");
    }
    run();
    for (std::size_t i = 0; i < answers.size(); ++i) {
        BOOST_REQUIRE(answers[i]->has_value());
        BOOST_TEST((*answers[i])->token.reveal() == std::to_string(1'000 + i));
    }
    if (sample == 0) {
        BOOST_TEST(static_cast<std::size_t>(agent.accepted()) <= milter::AgentTokens::kMaxLinks);
    }
}

BOOST_AUTO_TEST_CASE(a_failure_is_passed_on) {
    const ScriptedAgent agent(
        path, {test::answer(test::failure_text("needs_admin", "invalid_client", "Expired."))});
    ask("svc@contoso.com");
    run();
    BOOST_REQUIRE(!answers[0]->has_value());
    BOOST_TEST((answers[0]->error().failure_class == FailureClass::NeedsAdmin));
    BOOST_TEST(answers[0]->error().message == "Expired.");
}

BOOST_AUTO_TEST_CASE(an_agent_that_is_away_is_waited_for) {
    const BootTime began = time.boot();
    ask("svc@contoso.com");
    run();
    check_transient(*answers[0], "No such file or directory");
    BOOST_TEST((time.boot() - began == 10s));
    BOOST_TEST(time.pending() == 0U);
}

BOOST_AUTO_TEST_CASE(an_agent_that_comes_back_is_found) {
    ask("svc@contoso.com");
    time.advance(9s);
    const ScriptedAgent agent(path, {test::answer(test::grant_text("tok", "x"))});
    run();
    BOOST_TEST(answers[0]->has_value());
}

BOOST_AUTO_TEST_CASE(a_connection_that_ends_is_replaced_and_asked_again) {
    const ScriptedAgent agent(
        path, {test::close_at_accept(), test::answer_and_close("status=ok\ntoken=half"),
               test::answer(test::grant_text("tok", "x"))});
    ask("svc@contoso.com");
    run();
    BOOST_REQUIRE(answers[0]->has_value());
    BOOST_TEST((*answers[0])->token.reveal() == "tok");
}

BOOST_AUTO_TEST_CASE(a_connection_that_ended_while_idle_costs_no_time) {
    ScriptedAgent agent(path, {test::answer(test::grant_text("tok", "x"))});
    ask("svc@contoso.com");
    run();
    agent.close_connections();
    loop.restart();
    loop.poll();
    const BootTime began = time.boot();
    ask("svc@contoso.com");
    run_until([&] { return agent.requests().size() == 2; });
    run();
    BOOST_TEST(answers[1]->has_value());
    BOOST_TEST((time.boot() - began < 10s));
    BOOST_TEST(agent.accepted() == 2U);
}

BOOST_AUTO_TEST_CASE(an_agent_that_always_closes_is_given_up) {
    const ScriptedAgent agent(path, {test::answer_and_close("")});
    ask("svc@contoso.com");
    run();
    check_transient(*answers[0], "it closed the connection");
}

BOOST_AUTO_TEST_CASE(silence_ends_with_the_deadline) {
    const ScriptedAgent agent(path, {test::hang()});
    ask("svc@contoso.com");
    run_until([&] { return agent.requests().size() == 1; });
    time.advance(10s);
    BOOST_REQUIRE(answers[0].has_value());
    check_transient(*answers[0], "it gave no answer in time");
}

BOOST_AUTO_TEST_CASE(an_answer_that_is_late_is_not_given_to_the_next) {
    ScriptedAgent agent(path, {test::held(test::grant_text("late", "x")),
                               test::answer(test::grant_text("next", "x"))});
    ask("a@contoso.com");
    run_until([&] { return agent.requests().size() == 1; });
    time.advance(10s);
    BOOST_REQUIRE(answers[0].has_value());
    BOOST_TEST(!answers[0]->has_value());
    agent.release();
    ask("b@contoso.com");
    run();
    BOOST_REQUIRE(answers[1]->has_value());
    BOOST_TEST((*answers[1])->token.reveal() == "next");
}

BOOST_AUTO_TEST_CASE(an_answer_beyond_the_limit_is_a_failure) {
    const ScriptedAgent agent(path, {test::answer("status=ok\n" + std::string(70'000, 'x')),
                                     test::answer(test::grant_text("tok", "x"))});
    ask("svc@contoso.com");
    run();
    check_transient(*answers[0], "its answer is larger than 64 KiB");
    ask("svc@contoso.com");
    run();
    BOOST_TEST(answers[1]->has_value());
}

BOOST_AUTO_TEST_CASE(what_nobody_asked_for_is_dropped) {
    ScriptedAgent agent(path, {test::answer(test::grant_text("tok", "x"))});
    ask("svc@contoso.com");
    run();
    agent.blurt(test::grant_text("stray", "x"));
    loop.restart();
    loop.run_one_for(1s);
    ask("svc@contoso.com");
    run();
    BOOST_TEST((*answers[1])->token.reveal() == "tok");
}

BOOST_AUTO_TEST_CASE(a_rejected_token_is_reported) {
    const ScriptedAgent agent(path, {test::answer("status=ok\naction=refreshed\n\n")});
    bool done = false;
    tokens.rejected("svc@contoso.com", "9f1c22ab", "HTTP 401\r\nInvalidAuthenticationToken", "eyJh",
                    [&] { done = true; });
    run_until([&] { return done; });
    BOOST_TEST(agent.requests().at(0) ==
               "request=rejected\naccount=svc@contoso.com\nresource=graph\n"
               "fingerprint=9f1c22ab\ndetail=HTTP 401??InvalidAuthenticationToken\n"
               "claims=eyJh\n\n");
}

BOOST_AUTO_TEST_CASE(a_report_that_cannot_be_made_ends_too) {
    bool done = false;
    tokens.rejected("svc@contoso.com", "9f1c22ab", "x", "", [&] { done = true; });
    time.advance(9'999ms);
    BOOST_TEST(!done);
    time.advance(1ms);
    BOOST_TEST(done);
}

BOOST_AUTO_TEST_CASE(a_callback_may_ask_again) {
    const ScriptedAgent agent(path, {test::answer(test::grant_text("tok", "x"))});
    int called = 0;
    std::function<void(TokenAnswer)> again = [&](TokenAnswer) {
        if (++called < 5) {
            tokens.ask("svc@contoso.com", again);
        }
    };
    tokens.ask("svc@contoso.com", again);
    run_until([&] { return called == 5; });
    BOOST_TEST(agent.requests().size() == 5U);
}

BOOST_AUTO_TEST_CASE(destruction_calls_nobody) {
    const ScriptedAgent agent(path, {test::hang()});
    bool called = false;
    {
        milter::AgentTokens other(loop, path, "h", time, time);
        other.ask("svc@contoso.com", [&](TokenAnswer) { called = true; });
    }
    loop.restart();
    loop.run_for(1s);
    time.advance(1min);
    BOOST_TEST(!called);
    BOOST_TEST(time.pending() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()
