// SPDX-License-Identifier: Apache-2.0

// The C entry points, called directly in the build with seams.

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "sasl-plugin/test_seams.hh"
#include "tests/support/sasl_host.hh"
#include "tests/support/scripted_agent.hh"
#include "tests/support/temp_dir.hh"
#include "tests/unit/plugin/token_process.hh"

extern "C" int sasl_client_plug_init(const sasl_utils_t*, int, int*, sasl_client_plug_t**,
                                     int*) noexcept;

using namespace std::chrono_literals;
using postbearer::BootClock;
using postbearer::BootTime;
using postbearer::sasl::AgentLink;
using postbearer::sasl::Limits;
using postbearer::sasl::TestSeams;
using namespace postbearer::test;

namespace postbearer::sasl {
TestSeams& test_seams() noexcept {
    static constinit TestSeams seams;
    return seams;
}
}  // namespace postbearer::sasl

namespace {

std::string_view throwing_entry;
enum class Thrown { BadAlloc, RuntimeError, Int };
Thrown what_is_thrown = Thrown::Int;

void throw_at(const char* entry_point) {
    if (throwing_entry != entry_point) {
        return;
    }
    switch (what_is_thrown) {
        case Thrown::BadAlloc:
            throw std::bad_alloc();
        case Thrown::RuntimeError:
            throw std::runtime_error("made up");
        case Thrown::Int:
            throw 42;
    }
}

struct ThrowRow {
    Thrown thrown;
    int code;
};
std::ostream& operator<<(std::ostream& out, const ThrowRow& row) {
    return out << static_cast<int>(row.thrown);
}
constexpr ThrowRow kThrows[] = {
    {Thrown::BadAlloc, SASL_NOMEM}, {Thrown::RuntimeError, SASL_FAIL}, {Thrown::Int, SASL_FAIL}};

struct Fixture {
    SaslHost host;
    TempDir dir{"pb-entry"};
    std::string socket = (dir / "agent.sock").string();
    sasl_client_plug_t* plugs = nullptr;
    int count = 0;
    int version = 0;
    void* context = nullptr;
    const char* output = nullptr;
    unsigned output_bytes = 0;
    TestSeams& seams = postbearer::sasl::test_seams();

    Fixture() {
        seams = {};
        seams.limits.default_socket = socket.c_str();
        BOOST_REQUIRE(init() == SASL_OK);
    }
    ~Fixture() {
        seams = {};
        throwing_entry = {};
        dispose();
        AgentLink::drop_kept_connection();
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;
    Fixture(Fixture&&) = delete;
    Fixture& operator=(Fixture&&) = delete;

    int init() {
        return sasl_client_plug_init(host.utils(), SASL_CLIENT_PLUG_VERSION, &version, &plugs,
                                     &count);
    }
    int start() { return plugs[0].mech_new(plugs[0].glob_context, &host.params(), &context); }
    int step(std::string_view challenge = {}) {
        return plugs[0].mech_step(context, &host.params(), challenge.data(),
                                  static_cast<unsigned>(challenge.size()), nullptr, &output,
                                  &output_bytes, &host.out_params());
    }
    void dispose() {
        if (context != nullptr) {
            plugs[0].mech_dispose(std::exchange(context, nullptr), host.utils());
        }
    }
    void throw_in(std::string_view entry_point, Thrown thrown) {
        seams.at_entry = throw_at;
        throwing_entry = entry_point;
        what_is_thrown = thrown;
    }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(entry_test, Fixture)

BOOST_AUTO_TEST_CASE(two_mechanisms_are_offered) {
    BOOST_TEST(version == SASL_CLIENT_PLUG_VERSION);
    BOOST_REQUIRE(count == 2);
    BOOST_TEST(std::string(plugs[0].mech_name) == "XOAUTH2");
    BOOST_TEST(std::string(plugs[1].mech_name) == "OAUTHBEARER");
    for (int i = 0; i < count; ++i) {
        BOOST_TEST(plugs[i].max_ssf == 0U);
        BOOST_TEST(plugs[i].security_flags ==
                   static_cast<unsigned>(SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS));
        BOOST_TEST(plugs[i].features == static_cast<unsigned>(SASL_FEAT_SERVER_FIRST));
        BOOST_TEST(plugs[i].required_prompts[0] == static_cast<unsigned long>(SASL_CB_AUTHNAME));
        BOOST_TEST(plugs[i].required_prompts[1] == static_cast<unsigned long>(SASL_CB_LIST_END));
    }
}

BOOST_AUTO_TEST_CASE(older_library_is_told_so) {
    BOOST_TEST(sasl_client_plug_init(host.utils(), SASL_CLIENT_PLUG_VERSION - 1, &version, &plugs,
                                     &count) == SASL_BADVERS);
}

BOOST_AUTO_TEST_CASE(null_arguments_are_errors_not_crashes) {
    BOOST_TEST(sasl_client_plug_init(nullptr, 4, &version, &plugs, &count) == SASL_BADPARAM);
    BOOST_TEST(sasl_client_plug_init(host.utils(), 4, nullptr, &plugs, &count) == SASL_BADPARAM);
    BOOST_TEST(plugs[0].mech_new(nullptr, &host.params(), &context) == SASL_BADPARAM);
    BOOST_TEST(plugs[0].mech_new(plugs[0].glob_context, nullptr, &context) == SASL_BADPARAM);
    BOOST_TEST(step() == SASL_BADPARAM);  // no context yet
    BOOST_REQUIRE(start() == SASL_OK);
    BOOST_TEST(plugs[0].mech_step(context, &host.params(), nullptr, 5, nullptr, &output,
                                  &output_bytes, &host.out_params()) == SASL_BADPARAM);
    plugs[0].mech_dispose(nullptr, host.utils());
    plugs[0].mech_dispose(nullptr, nullptr);
    plugs[0].mech_free(nullptr, nullptr);
}

BOOST_DATA_TEST_CASE_F(Fixture, nothing_thrown_leaves_plug_init,
                       boost::unit_test::data::make(kThrows), row) {
    throw_in("sasl_client_plug_init", row.thrown);
    BOOST_TEST(init() == row.code);
    BOOST_TEST(host.sentences.size() == (row.code == SASL_FAIL ? 1U : 0U));
}

BOOST_DATA_TEST_CASE_F(Fixture, nothing_thrown_leaves_mech_new,
                       boost::unit_test::data::make(kThrows), row) {
    throw_in("new_client", row.thrown);
    BOOST_TEST(start() == row.code);
    BOOST_TEST((context == nullptr));
}

BOOST_DATA_TEST_CASE_F(Fixture, nothing_thrown_leaves_mech_step,
                       boost::unit_test::data::make(kThrows), row) {
    const ScriptedAgent agent(socket, {answer(grant_text("tok", "alice"))});
    BOOST_REQUIRE(start() == SASL_OK);
    throw_in("step", row.thrown);
    BOOST_TEST(step() == row.code);
    BOOST_TEST(output_bytes == 0U);
    throw_in("", row.thrown);
    BOOST_TEST(step() == SASL_CONTINUE);  // the session is still whole
}

BOOST_DATA_TEST_CASE_F(Fixture, nothing_thrown_leaves_dispose_and_free,
                       boost::unit_test::data::make(kThrows), row) {
    BOOST_REQUIRE(start() == SASL_OK);
    throw_in("dispose", row.thrown);
    dispose();
    throw_in("free_mechanism", row.thrown);
    plugs[0].mech_free(plugs[0].glob_context, host.utils());
    BOOST_TEST(host.sentences.size() == 0U);
}

BOOST_AUTO_TEST_CASE(default_socket_is_used_without_password_and_environment) {
    const ScriptedAgent agent(socket, {answer(grant_text("tok", "alice"))});
    BOOST_REQUIRE(start() == SASL_OK);
    BOOST_TEST(step() == SASL_CONTINUE);
    BOOST_TEST(std::string(output, output_bytes) ==
               "user=alice\x01"
               "auth=Bearer tok\x01\x01");
}

BOOST_AUTO_TEST_CASE(hanging_agent_costs_the_deadline_and_no_more) {
    const ScriptedAgent agent(socket, {hang()});
    seams.limits.total = 200ms;
    BOOST_REQUIRE(start() == SASL_OK);
    const BootTime begin = BootClock::now();
    BOOST_TEST(step() == SASL_UNAVAIL);
    const auto took = BootClock::now() - begin;
    BOOST_TEST((took >= 200ms && took < 5s));
    BOOST_TEST(host.said() == "no token for alice@example.test: agent socket " + socket +
                                  ": no answer in time (see the log of postbearer-agent)\n");
}

BOOST_AUTO_TEST_CASE(hanging_agent_delays_a_refusal_by_its_own_limit_only) {
    const ScriptedAgent agent(socket, {answer(grant_text("tok", "alice")), hang()});
    seams.limits.rejected = 150ms;
    BOOST_REQUIRE(start() == SASL_OK);
    BOOST_TEST(step() == SASL_CONTINUE);
    const BootTime begin = BootClock::now();
    BOOST_TEST(step("{\"status\":\"400\"}") == SASL_OK);
    const auto took = BootClock::now() - begin;
    BOOST_TEST((took >= 150ms && took < 5s));
    BOOST_TEST(agent.requests().size() == 2U);
    BOOST_TEST(agent.requests()[1].find("detail={\"status\":\"400\"}\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(agent_that_is_gone_does_not_fail_a_refusal) {
    seams.limits.rejected = 120ms;
    {
        const ScriptedAgent agent(socket, {answer(grant_text("tok", "alice"))});
        BOOST_REQUIRE(start() == SASL_OK);
        BOOST_TEST(step() == SASL_CONTINUE);
    }
    BOOST_TEST(step("{}") == SASL_OK);
    BOOST_TEST(host.said() == "the server refused the token for alice@example.test: {}\n");
}

BOOST_AUTO_TEST_CASE(each_trouble_has_its_own_sentence) {
    seams.limits.total = 120ms;
    std::vector<std::string> said;
    const auto try_once = [&] {
        BOOST_REQUIRE(start() == SASL_OK);
        BOOST_TEST(step() != SASL_CONTINUE);
        dispose();
        said.push_back(host.sentences.back());
    };
    try_once();  // no socket
    {
        const ScriptedAgent agent(socket, {close_at_accept()});
        try_once();
    }
    {
        const ScriptedAgent agent(socket, {hang()});
        try_once();
    }
    {
        const ScriptedAgent agent(socket, {answer("garbage\n\n")});
        try_once();
    }
    {
        const ScriptedAgent agent(socket, {answer("status=ok\n\n")});
        try_once();
    }
    for (std::size_t i = 0; i < said.size(); ++i) {
        BOOST_TEST(said[i].starts_with("no token for alice@example.test: "), said[i]);
        for (std::size_t j = 0; j < i; ++j) {
            BOOST_TEST(said[i] != said[j]);
        }
    }
    BOOST_TEST(host.sentences.size() == said.size());
}

BOOST_AUTO_TEST_CASE(token_is_wiped_at_the_next_step_and_at_dispose) {
    const TokenProcess agent(socket);
    const MaskedText token = TokenProcess::masked_token();
    constexpr std::size_t kBeforeToken = sizeof("user=alice@example.test^auth=Bearer ") - 1;
    for (const bool by_step : {true, false}) {
        BOOST_REQUIRE(start() == SASL_OK);
        BOOST_REQUIRE(step() == SASL_CONTINUE);
        BOOST_REQUIRE(output_bytes == kBeforeToken + kSecretTokenBytes + 2);
        BOOST_TEST(token.equals(output + kBeforeToken));
        BOOST_TEST(token_pieces_in_memory() == 3U);  // the scan finds the one copy, in the context
        if (by_step) {
            BOOST_TEST(step() == SASL_OK);
        } else {
            dispose();
        }
        BOOST_TEST(token_pieces_in_memory() == 0U);
        dispose();
    }
}

BOOST_AUTO_TEST_SUITE_END()
