// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/expectations.hh"

#include <boost/test/unit_test.hpp>
#include <cstdio>

namespace postbearer::test {

std::string sasl_warning(const std::string& sentence) {
    return "/smtp\\[[0-9]+\\]: warning: SASL authentication failure: " + literally(sentence) + "$";
}

std::chrono::milliseconds session_setup(const std::string& line) {
    const std::size_t at = line.find("delays=");
    double before_queue_manager = 0;
    double in_queue_manager = 0;
    double setup = 0;
    BOOST_REQUIRE_MESSAGE(at != std::string::npos &&
                              std::sscanf(line.c_str() + at, "delays=%lf/%lf/%lf",
                                          &before_queue_manager, &in_queue_manager, &setup) == 3,
                          "no delays in: " << line);
    return std::chrono::milliseconds(static_cast<std::int64_t>(setup * 1000));
}

void check_each_once(const Mailboxes& mailboxes, const std::string& recipient,
                     const std::string& prefix, std::size_t count) {
    const std::map<std::string, std::size_t> subjects = mailboxes.subjects(recipient);
    BOOST_TEST(subjects.size() == count);
    for (std::size_t i = 1; i <= count; ++i) {
        const std::string subject = prefix + " " + std::to_string(i);
        const auto found = subjects.find(subject);
        BOOST_TEST(
            (found != subjects.end() && found->second == 1),
            subject << " came " << (found == subjects.end() ? 0 : found->second) << " times");
    }
}

void check_no_token_came(const Rehearsal& rehearsal) {
    for (const Json::Value& attempt : rehearsal.auth()) {
        BOOST_TEST(attempt["fingerprint"].asString().empty());
        BOOST_TEST(attempt["user"].asString().empty());
    }
}

void check_no_crash(const LogWatch& log) {
    for (const std::string& line :
         log.lines("killed by signal|bad command startup|exit status [1-9]|panic:|fatal:")) {
        BOOST_ERROR(line);
    }
}

}  // namespace postbearer::test
