// SPDX-License-Identifier: Apache-2.0
// kill -9 at exact places of a renewal, a rekey and a migration (tests/support/kill_point.c). With
// a provider that keeps the old refresh token every login recovers unattended; with one that takes
// each once, only a login whose new token was on its way is lost, it says so once, and no other is
// touched. POSTBEARER_CRASH_POINTS says how many places (30; the full run has 200), POSTBEARER_SEED
// repeats a run: the seed is printed.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <cstdlib>
#include <random>

#include "tests/e2e/delegated_rig.hh"
#include "tests/support/failure.hh"
#include "tests/support/kill_points.hh"

using namespace postbearer::test;

namespace {

using namespace std::chrono_literals;

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): one thread
    return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

/// Where in a renewal the calls of a state lie.
enum class State { RequestSent, AnswerRead, HalfWritten, StoredBeforeAnswer, Rekey, Migration };

constexpr std::pair<State, const char*> kStates[] = {
    {State::RequestSent, "request sent"},
    {State::AnswerRead, "answer read"},
    {State::HalfWritten, "store half written"},
    {State::StoredBeforeAnswer, "stored before answer"},
    {State::Rekey, "rekey"},
    {State::Migration, "migration"},
};

/// A renewal as it goes when nobody is killed.
struct Course {
    std::vector<TracedCall> calls;

    [[nodiscard]] std::size_t count(const std::string& call, const std::string& part = "") const {
        return count_calls(calls, call, part);
    }
    /// Index of the last such call.
    [[nodiscard]] std::size_t last(const std::string& call) const {
        for (std::size_t i = calls.size(); i > 0; --i) {
            if (calls[i - 1].call == call) {
                return i - 1;
            }
        }
        fail("a renewal without " + call);
    }
    /// The number within its class and object of call `index`, as KILL_POINT counts.
    [[nodiscard]] std::string point_at(std::size_t index, const char* moment) const {
        const TracedCall& wanted = calls[index];
        std::size_t number = 0;
        for (std::size_t i = 0; i <= index; ++i) {
            number += calls[i].call == wanted.call &&
                              calls[i].object.find(wanted.object) != std::string::npos
                          ? 1U
                          : 0U;
        }
        return wanted.call + ":" + wanted.object + ":" + std::to_string(number) + ":" + moment;
    }
};

class Crashes {
public:
    explicit Crashes(const std::string& rotation)
        : rig_({.rotation = rotation, .agent_more = "store_access_tokens = true"}),
          seed_(number_from("POSTBEARER_SEED", std::random_device()())),
          random_(seed_) {
        std::printf("rotation %s, POSTBEARER_SEED=%llu\n", rotation.c_str(),
                    static_cast<unsigned long long>(seed_));
        launch({});
        for (const char* account : {kAliceUser, kBobUser, kCarol}) {
            (void)rig_.log_in(account);
            (void)rig_.good_token(account);
        }
        learn_renewal();
    }

    /// `wanted` kills in that state, each with its recovery.
    void run(State state, const char* name, std::size_t wanted) {
        std::size_t done = 0;
        for (std::size_t tries = 0; done < wanted && tries < wanted * 4; ++tries) {
            done += one(state) ? 1U : 0U;
        }
        BOOST_TEST(done == wanted, name);
        kills_ += done;
        std::printf("%-22s %zu kills, %zu logins lost so far\n", name, done, unlucky_.size());
    }

    /// What must hold in the end whatever happened.
    void check_everybody(bool all_recover) {
        launch({});
        for (const std::string& account : accounts_) {
            const bool lost =
                std::find(unlucky_.begin(), unlucky_.end(), account) != unlucky_.end();
            BOOST_TEST(rig_.refreshes(account) == !lost, account);
        }
        for (const char* account : {kAliceUser, kBobUser, kCarol}) {
            BOOST_TEST(rig_.refreshes(account), account);
        }
        BOOST_TEST(rig_.good_token(kAppOnlyAccount)["status"] == "ok");
        BOOST_TEST(rig_.agent().log().count("event=store_(damaged|set_aside)") == 0U);
        if (all_recover) {
            BOOST_TEST(unlucky_.empty());
        }
        const double percent = kills_ == 0 ? 0
                                           : 100.0 * static_cast<double>(unlucky_.size()) /
                                                 static_cast<double>(kills_);
        std::printf(
            "%zu kills, %zu logins to be made again (%.1f %%); the window, from the request to the "
            "end of the sync, is %lld us wide, of which the provider took %lld us\n",
            kills_, unlucky_.size(), percent, static_cast<long long>(window_.count()),
            static_cast<long long>(answering_.count()));
        rig_.agent().stop();
    }

private:
    DelegatedRig rig_;
    std::uint64_t seed_;
    std::mt19937_64 random_;
    std::size_t launches_ = 0;
    std::size_t keys_ = 0;
    std::size_t kills_ = 0;
    std::vector<std::string> accounts_;
    std::vector<std::string> unlucky_;
    Course renewal_;
    std::chrono::microseconds window_{0};
    std::chrono::microseconds answering_{0};

    std::size_t pick(std::size_t below) {
        return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_);
    }
    const char* moment() {
        constexpr const char* kMoments[] = {"before", "half", "after"};
        return kMoments[pick(3)];
    }
    [[nodiscard]] Path trigger() const {
        return rig_.directory() / ("trigger-" + std::to_string(launches_));
    }
    [[nodiscard]] Path trace() const {
        return rig_.directory() / ("trace-" + std::to_string(launches_));
    }
    [[nodiscard]] std::string state_directory() const { return "agent/state"; }

    /// A new agent, which dies at `point` once trigger() exists; whether it came to listen.
    bool launch(const std::string& point, bool from_the_start = false, bool traced = false) {
        if (rig_.agent().running()) {
            rig_.agent().stop();
        }
        ++launches_;
        KillPoint kill{.point = point};
        if (!from_the_start) {
            kill.trigger = trigger();
        }
        if (traced || !point.empty()) {
            kill.trace = trace();
            rig_.agent().settings().environment = kill.environment();
        } else {
            rig_.agent().settings().environment.clear();
        }
        return rig_.serves();
    }

    [[nodiscard]] bool was_killed() {
        const auto ended = rig_.agent().wait(5s);
        return ended && ended->signal == SIGKILL;
    }

    /// Whether a sync of the log followed what the provider answered.
    static bool stored_after_answer(const std::vector<TracedCall>& calls) {
        bool answered = false;
        for (const TracedCall& call : calls) {
            answered = answered || call.call == "ssl_read";
            if (answered && call.call == "sync" && call.object.ends_with("-wal")) {
                return true;
            }
        }
        return false;
    }

    std::string new_account() {
        accounts_.push_back("user" + std::to_string(accounts_.size() + 1) + "@contoso.test");
        (void)rig_.log_in(accounts_.back());
        return accounts_.back();
    }

    void learn_renewal() {
        launch({}, false, true);
        const std::string account = new_account();
        write_file(trigger(), "");
        (void)rig_.good_token(account);
        renewal_.calls = traced_calls(trace());
        // Behind the answer there is only the log.
        renewal_.calls.resize(renewal_.last("send") + 1);
        const auto at = [this](const char* call) { return renewal_.calls[renewal_.last(call)].at; };
        const std::size_t after_sync = renewal_.last("sync") + 1;
        BOOST_REQUIRE(renewal_.last("ssl_write") < renewal_.last("ssl_read"));
        BOOST_REQUIRE(renewal_.last("ssl_read") < renewal_.last("sync"));
        BOOST_REQUIRE(after_sync < renewal_.calls.size());
        using std::chrono::duration_cast;
        using std::chrono::microseconds;
        window_ = duration_cast<microseconds>(renewal_.calls[after_sync].at - at("ssl_write"));
        answering_ = duration_cast<microseconds>(at("ssl_read") - at("ssl_write"));
    }

    /// A place of that state in the course of a renewal.
    std::string renewal_point(State state) {
        const std::size_t written = renewal_.last("ssl_write");
        const std::size_t read = renewal_.last("ssl_read");
        const std::size_t synced = renewal_.last("sync");
        switch (state) {
            case State::RequestSent:
                return renewal_.point_at(written, "after");
            case State::AnswerRead:
                return renewal_.point_at(read, "after");
            case State::HalfWritten:
                // From the first page of the new token to just before its sync.
                return renewal_.point_at(read + 1 + pick(synced - read), moment());
            case State::StoredBeforeAnswer:
                break;
            case State::Rekey:
            case State::Migration:
                fail("not a state of a renewal");
        }
        // The sync has ended, and the answer is not whole.
        const std::size_t index = synced + pick(renewal_.calls.size() - synced);
        return renewal_.point_at(index, index == synced ? "after"
                                        : pick(2) == 0  ? "before"
                                                        : "half");
    }

    bool one(State state) {
        return state == State::Rekey       ? in_rekey()
               : state == State::Migration ? in_migration()
                                           : in_renewal(state);
    }

    bool in_renewal(State state) {
        if (!launch(renewal_point(state))) {
            return false;
        }
        const std::string account = new_account();
        write_file(trigger(), "");
        const AttributeMap answer = rig_.token(account);
        if (!was_killed()) {
            return false;
        }
        // No token, not even half of it, before its refresh token is on disk.
        const bool given = answer.contains("token");
        BOOST_TEST((!given || stored_after_answer(traced_calls(trace()))));
        recover(account);
        // The count of pages varies: this may have been a later write.
        return state == State::StoredBeforeAnswer || !given;
    }

    /// Unattended: the next request finds its token, or the account says once what has happened.
    void recover(const std::string& account) {
        BOOST_TEST(rig_.store_is_intact());
        BOOST_REQUIRE(launch({}));
        AttributeMap answer = rig_.token(account);
        if (answer["status"] == "ok") {
            BOOST_TEST(rig_.refreshes(account), account);
            return;
        }
        unlucky_.push_back(account);
        BOOST_TEST(answer["class"] == "needs_user");
        BOOST_TEST(answer["code"] == "invalid_grant");
        BOOST_TEST((answer["message"].find("in the middle of a renewal") != std::string::npos),
                   answer["message"]);
        (void)rig_.token(account);
        (void)rig_.token(account, "imap");
        const std::string line = "event=account_needs_user.*" + literally(account);
        rig_.agent().log().wait_for_count(1, line);
        BOOST_TEST(rig_.agent().log().count(line) == 1U);
        // Nobody else has noticed.
        BOOST_TEST(rig_.refreshes(kAliceUser));
    }

    void next_key() {
        ++keys_;
        std::string key = "crash-test-master-key-" + std::to_string(1'000'000'000 + keys_);
        key.resize(32, '.');
        auto& keys = rig_.agent().settings().master_keys;
        keys = {key, keys.front()};
    }

    bool rekey_to_the_end() {
        for (int slice = 0; slice < 1000; ++slice) {
            if (rig_.admin_ok("rekey")["remaining"].asUInt64() == 0) {
                return true;
            }
        }
        return false;
    }

    bool in_rekey() {
        next_key();
        if (rekey_calls_ == 0) {  // how many calls it takes
            BOOST_REQUIRE(launch({}, false, true));
            write_file(trigger(), "");
            BOOST_REQUIRE(rekey_to_the_end());
            rekey_calls_ = count_calls(traced_calls(trace()), "disk", state_directory());
            BOOST_REQUIRE(rekey_calls_ > 0U);
            next_key();
        }
        const std::string point = "disk:" + state_directory() + ":" +
                                  std::to_string(1 + pick(rekey_calls_)) + ":" + moment();
        BOOST_REQUIRE(launch(point));
        write_file(trigger(), "");
        for (int slice = 0; slice < 100 && rig_.agent().running(); ++slice) {
            AttributeMap answer = rig_.admin("rekey");
            if (answer["status"] == "ok" && json_of(answer["json"])["remaining"].asUInt64() == 0) {
                break;
            }
        }
        const bool killed = was_killed();
        BOOST_TEST(rig_.store_is_intact());
        BOOST_REQUIRE(launch({}));
        BOOST_TEST(rekey_to_the_end());
        rig_.agent().settings().master_keys.resize(1);  // the old one is needed no more
        BOOST_REQUIRE(launch({}));
        check_somebody();
        return killed;
    }

    /// Any login that was there is there, with its newest token.
    void check_somebody() {
        const std::size_t chosen = pick(accounts_.size());
        const std::string& account = accounts_[chosen];
        const bool lost = std::find(unlucky_.begin(), unlucky_.end(), account) != unlucky_.end();
        BOOST_TEST(rig_.refreshes(account) == !lost, account);
        BOOST_TEST(rig_.refreshes(kBobUser));
    }

    void go_back_to_version_1() {
        rig_.agent().stop();
        (void)rig_.sql("ALTER TABLE record DROP COLUMN attempt_at; PRAGMA user_version = 1;");
    }

    bool in_migration() {
        if (migration_calls_ == 0) {
            go_back_to_version_1();
            BOOST_REQUIRE(launch({}, true, true));
            migration_calls_ = count_calls(traced_calls(trace()), "disk", state_directory());
            BOOST_REQUIRE(migration_calls_ > 0U);
        }
        go_back_to_version_1();
        const std::string point = "disk:" + state_directory() + ":" +
                                  std::to_string(1 + pick(migration_calls_)) + ":" + moment();
        const bool killed = !launch(point, true) && was_killed();
        BOOST_TEST(rig_.store_is_intact());
        BOOST_REQUIRE(launch({}));
        BOOST_TEST(rig_.agent().running());
        check_somebody();
        for (const auto& entry :
             std::filesystem::directory_iterator(rig_.agent().store_directory())) {
            if (entry.path().native().find(".bak") != std::string::npos) {
                std::filesystem::remove(entry.path());  // two of one second would meet
            }
        }
        return killed;
    }

    std::size_t rekey_calls_ = 0;
    std::size_t migration_calls_ = 0;
};

void crash_everywhere(const std::string& rotation) {
    const std::uint64_t points = number_from("POSTBEARER_CRASH_POINTS", 30);
    constexpr std::size_t kKinds = std::size(kStates);
    const Stopwatch watch;
    Crashes crashes(rotation);
    for (std::size_t i = 0; i < kKinds; ++i) {
        const std::size_t share = points / kKinds + (i < points % kKinds ? 1 : 0);
        crashes.run(kStates[i].first, kStates[i].second, share);
    }
    crashes.check_everybody(rotation != "strict");
    std::printf("%lld ms\n", static_cast<long long>(watch.elapsed().count()));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(delegated_crash_test)

BOOST_AUTO_TEST_CASE(everybody_recovers_where_the_old_token_stays_good) {
    crash_everywhere("lenient");
}

BOOST_AUTO_TEST_CASE(at_most_the_unlucky_one_where_tokens_are_single_use) {
    crash_everywhere("strict");
}

BOOST_AUTO_TEST_SUITE_END()
