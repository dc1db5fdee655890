// SPDX-License-Identifier: Apache-2.0

// The built module, loaded by the real libsasl2 as Postfix and mbsync do it.

#include <sasl/sasl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <thread>

#include "common/clock.hh"
#include "tests/support/scripted_agent.hh"
#include "tests/support/temp_dir.hh"
#include "tests/unit/plugin/token_process.hh"

using namespace std::chrono_literals;
using postbearer::BootClock;
using postbearer::BootTime;
using namespace postbearer::test;

namespace {

template <typename Function>
int (*generic(Function* function))() {
    return reinterpret_cast<int (*)()>(reinterpret_cast<void*>(function));
}

int plugin_path(void* /*context*/, const char** path) {
    *path = PLUGIN_DIRECTORY;
    return SASL_OK;
}

int ignore_log(void* /*context*/, int /*level*/, const char* /*message*/) { return SASL_OK; }

/// libsasl2 initialised once for the process, as a client.
struct Library {
    Library() {
        static const sasl_callback_t callbacks[] = {
            {SASL_CB_GETPATH, generic(plugin_path), nullptr},
            {SASL_CB_LOG, generic(ignore_log), nullptr},
            {SASL_CB_LIST_END, nullptr, nullptr}};
        BOOST_REQUIRE(sasl_client_init(callbacks) == SASL_OK);
    }
    ~Library() { (void)sasl_client_done(); }
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;
    Library(Library&&) = delete;
    Library& operator=(Library&&) = delete;
};
BOOST_TEST_GLOBAL_FIXTURE(Library);

/// An application with callback functions, like smtp(8).
class Session {
public:
    Session(std::string name, const std::string& password, const char* service = "smtp",
            unsigned flags = SASL_SEC_NOANONYMOUS)
        : name_(std::move(name)) {
        secret_.resize(sizeof(sasl_secret_t) + password.size() + 1);
        auto* const made = static_cast<sasl_secret_t*>(static_cast<void*>(secret_.data()));
        made->len = password.size();
        password.copy(static_cast<char*>(static_cast<void*>(made->data)), password.size());
        callbacks_ = {{SASL_CB_USER, generic(simple), this},
                      {SASL_CB_AUTHNAME, generic(simple), this},
                      {SASL_CB_PASS, generic(password_of), this},
                      {SASL_CB_LOG, generic(log), this},
                      {SASL_CB_LIST_END, nullptr, nullptr}};
        BOOST_REQUIRE(sasl_client_new(service, "smtp.example.test", nullptr, nullptr,
                                      callbacks_.data(), 0, &conn_) == SASL_OK);
        sasl_security_properties_t properties{};
        properties.security_flags = flags;
        BOOST_REQUIRE(sasl_setprop(conn_, SASL_SEC_PROPS, &properties) == SASL_OK);
    }
    ~Session() { sasl_dispose(&conn_); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    Session(Session&&) = delete;
    Session& operator=(Session&&) = delete;

    int start(const char* mechanisms = "XOAUTH2") {
        return sasl_client_start(conn_, mechanisms, nullptr, &output, &output_bytes, &mechanism);
    }
    int step(const std::string& challenge = {}) {
        return sasl_client_step(conn_, challenge.data(), static_cast<unsigned>(challenge.size()),
                                nullptr, &output, &output_bytes);
    }
    /// From nothing to the bearer message.
    int authenticate() {
        const int started = start();
        return started == SASL_CONTINUE ? step() : started;
    }
    [[nodiscard]] std::string text() const {
        return output == nullptr ? "" : std::string(output, output_bytes);
    }
    [[nodiscard]] const std::string& logged() const { return logged_; }

    const char* output = nullptr;
    unsigned output_bytes = 0;
    const char* mechanism = nullptr;

private:
    static int simple(void* context, int /*id*/, const char** result, unsigned* length) {
        *result = static_cast<Session*>(context)->name_.c_str();
        if (length != nullptr) {
            *length = static_cast<unsigned>(static_cast<Session*>(context)->name_.size());
        }
        return SASL_OK;
    }
    static int password_of(sasl_conn_t* /*conn*/, void* context, int /*id*/,
                           sasl_secret_t** result) {
        *result = static_cast<sasl_secret_t*>(
            static_cast<void*>(static_cast<Session*>(context)->secret_.data()));
        return SASL_OK;
    }
    static int log(void* context, int level, const char* message) {
        if (level <= SASL_LOG_WARN) {
            static_cast<Session*>(context)->logged_ += message + std::string("\n");
        }
        return SASL_OK;
    }

    std::string name_;
    std::vector<char> secret_;
    std::vector<sasl_callback_t> callbacks_;
    std::string logged_;
    sasl_conn_t* conn_ = nullptr;
};

struct Fixture {
    TempDir dir{"pb-sasl"};
    std::string socket = (dir / "agent.sock").string();
    std::string password = "unix:" + socket;
    std::string name = "alice@example.test";
};

std::size_t open_descriptors() {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        (void)entry;
        ++count;
    }
    return count;
}

struct ClassRow {
    const char* failure_class;
    const char* code;
    int result;
};
std::ostream& operator<<(std::ostream& out, const ClassRow& row) {
    return out << row.failure_class;
}
constexpr ClassRow kClasses[] = {
    {"transient", "throttled", SASL_UNAVAIL},        {"needs_user", "invalid_grant", SASL_EXPIRED},
    {"needs_admin", "invalid_client", SASL_BADAUTH}, {"denied", "access_denied", SASL_NOAUTHZ},
    {"unknown_account", "no_account", SASL_NOUSER},  {"bad_request", "syntax", SASL_BADPROT},
    {"unheard_of", "syntax", SASL_BADPROT},
};

const char* const kBadTokens[] = {"a\001b", "a\nb", "a b", "a\x7f", "a\r", ""};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(libsasl_test, Fixture)

BOOST_AUTO_TEST_CASE(token_goes_out_in_the_first_step_not_with_the_start) {
    const ScriptedAgent agent(socket, {answer(grant_text("tok", "alice"))});
    Session session(name, password);
    BOOST_TEST(session.start() == SASL_CONTINUE);
    BOOST_TEST(session.text() == "");
    BOOST_TEST(std::string(session.mechanism) == "XOAUTH2");
    BOOST_TEST(session.step() == SASL_CONTINUE);
    BOOST_TEST(session.text() ==
               "user=alice\x01"
               "auth=Bearer tok\x01\x01");
    BOOST_TEST(session.step() == SASL_OK);
    BOOST_TEST(session.text() == "");
    BOOST_TEST(session.logged() == "");
}

BOOST_AUTO_TEST_CASE(refusals_reach_the_log_and_the_agent) {
    const ScriptedAgent agent(
        socket, {answer(grant_text("tok", "alice")), answer("status=ok\naction=refreshed\n\n"),
                 answer(grant_text("tok", "alice")), answer("status=ok\naction=stale\n\n")});
    for (const char* mechanism : {"XOAUTH2", "OAUTHBEARER"}) {
        Session session(name, password);
        BOOST_TEST(session.start(mechanism) == SASL_CONTINUE);
        BOOST_TEST(session.step() == SASL_CONTINUE);
        BOOST_TEST(session.step("{\"status\":\"401\"}") == SASL_OK);
        BOOST_TEST(session.text() == (mechanism[0] == 'X' ? "" : "\x01"));
        BOOST_TEST(session.logged() ==
                   "the server refused the token for alice@example.test: {\"status\":\"401\"}\n");
    }
    const auto requests = agent.requests();
    BOOST_REQUIRE(requests.size() == 4U);
    BOOST_TEST(requests[1].starts_with("request=rejected\n"));
    BOOST_TEST(requests[3].find("fingerprint=9f1c22ab\n") != std::string::npos);
}

BOOST_DATA_TEST_CASE(classes_become_codes, boost::unit_test::data::make(kClasses), row) {
    const ScriptedAgent agent(socket, {answer(failure_text(row.failure_class, row.code, "why"))});
    Session session(name, password);
    BOOST_TEST(session.authenticate() == row.result);
    BOOST_TEST(session.logged().starts_with("no token for alice@example.test: "));
    BOOST_TEST(session.text() == "");
}

BOOST_DATA_TEST_CASE(unfit_tokens_are_refused, boost::unit_test::data::make(kBadTokens), token) {
    const ScriptedAgent agent(socket, {answer(grant_text(token, "alice"))});
    Session session(name, password);
    BOOST_TEST(session.authenticate() == SASL_BADPROT);
    BOOST_TEST(session.logged().find("garbled answer") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(answer_limit_decides_the_size_of_a_token) {
    const std::string big(50'000, 'x');
    const ScriptedAgent agent(socket, {answer(grant_text(big, "alice")),
                                       answer(grant_text(std::string(66'000, 'x'), "alice"))});
    Session fits(name, password);
    BOOST_TEST(fits.authenticate() == SASL_CONTINUE);
    BOOST_TEST(fits.output_bytes > 50'000U);
    Session too_big(name, password);
    BOOST_TEST(too_big.authenticate() == SASL_BADPROT);
    BOOST_TEST(too_big.logged().find("longer than 65536 bytes") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(default_options_of_postfix_keep_the_token_at_home) {
    Session session(name, password, "smtp", SASL_SEC_NOPLAINTEXT | SASL_SEC_NOANONYMOUS);
    BOOST_TEST(session.start() == SASL_NOMECH);
}

BOOST_AUTO_TEST_CASE(other_services_are_refused_in_words) {
    Session session(name, password, "ldap");
    BOOST_TEST(session.authenticate() == SASL_BADPARAM);
    BOOST_TEST(session.logged().find("service 'ldap' is none of") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(prompting_application_is_asked_for_the_name_only) {
    const ScriptedAgent agent(socket, {answer(grant_text("tok", "alice"))});
    const std::string path = socket;
    (void)::setenv("POSTBEARER_SOCKET", path.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    const sasl_callback_t callbacks[] = {{SASL_CB_USER, nullptr, nullptr},
                                         {SASL_CB_AUTHNAME, nullptr, nullptr},
                                         {SASL_CB_PASS, nullptr, nullptr},
                                         {SASL_CB_LIST_END, nullptr, nullptr}};
    sasl_conn_t* conn = nullptr;
    BOOST_REQUIRE(sasl_client_new("imap", "imap.example.test", nullptr, nullptr, callbacks, 0,
                                  &conn) == SASL_OK);
    sasl_interact_t* prompts = nullptr;
    const char* output = nullptr;
    unsigned bytes = 0;
    const char* mechanism = nullptr;
    BOOST_TEST(sasl_client_start(conn, "XOAUTH2", &prompts, &output, &bytes, &mechanism) ==
               SASL_CONTINUE);
    BOOST_TEST(sasl_client_step(conn, "", 0, &prompts, &output, &bytes) == SASL_INTERACT);
    BOOST_REQUIRE(prompts != nullptr);
    for (sasl_interact_t* prompt = prompts; prompt->id != SASL_CB_LIST_END; ++prompt) {
        BOOST_TEST(prompt->id == static_cast<unsigned long>(SASL_CB_AUTHNAME));
        prompt->result = name.c_str();
        prompt->len = static_cast<unsigned>(name.size());
    }
    BOOST_TEST(sasl_client_step(conn, "", 0, &prompts, &output, &bytes) == SASL_CONTINUE);
    BOOST_TEST(bytes > 0U);
    BOOST_TEST(sasl_client_step(conn, nullptr, 0, &prompts, &output, &bytes) == SASL_OK);
    sasl_dispose(&conn);
    (void)::unsetenv("POSTBEARER_SOCKET");  // NOLINT(concurrency-mt-unsafe)
    BOOST_TEST(agent.requests().at(0).find("resource=imap\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(ten_thousand_sessions_leave_no_descriptor) {
    const ScriptedAgent agent(socket, {answer(grant_text("tok", "alice"))});
    {
        Session first(name, password);
        BOOST_REQUIRE(first.authenticate() == SASL_CONTINUE);
    }
    const std::size_t before = open_descriptors();
    int good = 0;
    for (int i = 0; i < 10'000; ++i) {
        Session session(name, password);
        good += session.authenticate() == SASL_CONTINUE ? 1 : 0;
    }
    BOOST_TEST(good == 10'000);
    BOOST_TEST(open_descriptors() == before);
    BOOST_TEST(agent.accepted() == 1U);
}

BOOST_AUTO_TEST_CASE(abandoned_sessions_leave_nothing) {
    const ScriptedAgent agent(socket, {answer_and_close(failure_text("denied", "syntax", "no"))});
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 200; ++i) {
        Session never_started(name, password);
        Session only_started(name, password);
        BOOST_TEST(only_started.start() == SASL_CONTINUE);
        Session failed(name, password);
        BOOST_TEST(failed.authenticate() == SASL_NOAUTHZ);
    }
    // The agent's side of the last connection is this process's too, and closed by its own thread.
    const BootTime end = BootClock::now() + std::chrono::seconds(5);
    while (open_descriptors() > before + 1 && BootClock::now() < end) {
        std::this_thread::yield();
    }
    BOOST_TEST(open_descriptors() <= before + 1);
}

BOOST_AUTO_TEST_CASE(no_token_is_left_in_memory_after_dispose) {
    const TokenProcess agent(socket);
    for (const char* mechanism : {"XOAUTH2", "OAUTHBEARER"}) {
        for (const bool refused : {false, true}) {
            Session session(name, password);
            BOOST_REQUIRE(session.start(mechanism) == SASL_CONTINUE);
            BOOST_REQUIRE(session.step() == SASL_CONTINUE);
            BOOST_TEST(token_pieces_in_memory() == 3U);
            if (refused) {
                BOOST_TEST(session.step("{}") == SASL_OK);
                BOOST_TEST(token_pieces_in_memory() == 0U);
            }
        }
        BOOST_TEST(token_pieces_in_memory() == 0U);
    }
}

BOOST_AUTO_TEST_CASE(restarted_agent_is_found_again) {
    for (int i = 0; i < 5; ++i) {
        const ScriptedAgent agent(socket, {answer(grant_text("tok", "alice"))});
        Session session(name, password);
        BOOST_TEST(session.authenticate() == SASL_CONTINUE);
    }
}

BOOST_AUTO_TEST_CASE(session_waits_for_an_agent_that_restarts) {
    auto first = std::make_unique<ScriptedAgent>(socket, std::vector<Reply>{hang()});
    std::unique_ptr<ScriptedAgent> second;
    std::thread restart([&] {
        (void)first->wait_for_requests(1);
        first.reset();
        second = std::make_unique<ScriptedAgent>(
            socket, std::vector<Reply>{answer(grant_text("tok", "alice"))});
    });
    Session session(name, password);
    BOOST_TEST(session.authenticate() == SASL_CONTINUE);
    restart.join();
    BOOST_TEST(session.logged() == "");
}

BOOST_AUTO_TEST_CASE(fork_with_a_kept_connection_is_safe) {
    const ScriptedAgent agent(socket, {answer(grant_text("tok", "alice"))});
    Session before(name, password);
    BOOST_TEST(before.authenticate() == SASL_CONTINUE);
    const pid_t child = ::fork();
    if (child == 0) {
        Session session(name, password);
        ::_exit(session.authenticate() == SASL_CONTINUE ? 0 : 1);
    }
    int status = -1;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_TEST(status == 0);
    Session after(name, password);
    BOOST_TEST(after.authenticate() == SASL_CONTINUE);
    BOOST_TEST(agent.accepted() == 2U);
}

BOOST_AUTO_TEST_CASE(threads_may_authenticate_at_once) {
    const ScriptedAgent agent(socket, {answer(grant_text("tok", "alice"))});
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            for (int j = 0; j < 100; ++j) {
                Session session(name, password);
                good += session.authenticate() == SASL_CONTINUE ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    BOOST_TEST(good == 800);
}

// Labelled slow: the true limits cannot be turned down from outside.
BOOST_AUTO_TEST_CASE(hanging_agent_costs_ten_seconds, *boost::unit_test::label("slow")) {
    const ScriptedAgent agent(socket, {hang()});
    Session session(name, password);
    const BootTime begin = BootClock::now();
    BOOST_TEST(session.authenticate() == SASL_UNAVAIL);
    const auto took = BootClock::now() - begin;
    BOOST_TEST((took >= 9900ms && took < 11s));
    BOOST_TEST(session.logged().find("no answer in time") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(absent_agent_costs_ten_seconds, *boost::unit_test::label("slow")) {
    Session session(name, password);
    const BootTime begin = BootClock::now();
    BOOST_TEST(session.authenticate() == SASL_UNAVAIL);
    const auto took = BootClock::now() - begin;
    BOOST_TEST((took >= 9900ms && took < 11s));
    BOOST_TEST(session.logged().find("No such file or directory") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
