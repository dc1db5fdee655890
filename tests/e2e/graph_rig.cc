// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/graph_rig.hh"

#include <stdlib.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <exception>
#include <mutex>
#include <set>
#include <string_view>
#include <thread>

#include "tests/support/failure.hh"

namespace postbearer::test {
namespace {

constexpr std::size_t kMostNamed = 10;

void add(Copies& copies, const std::string& subject, const std::vector<std::string>& recipients) {
    for (const std::string& recipient : recipients) {
        ++copies[{recipient, subject}];
    }
}

}  // namespace

Copies copies_at_graph(const Rehearsal& rehearsal) {
    Copies copies;
    for (const Json::Value& message : rehearsal.graph_messages()) {
        std::set<std::string> recipients;
        for (const char* field : {"to", "cc", "bcc"}) {
            for (const Json::Value& recipient : message[field]) {
                recipients.insert(recipient.asString());
            }
        }
        for (const std::string& recipient : recipients) {
            ++copies[{recipient, message["subject"].asString()}];
        }
    }
    return copies;
}

void Account::at_graph(const std::string& subject, const std::vector<std::string>& recipients) {
    add(graph_, subject, recipients);
}

void Account::at_relay(const std::string& subject, const std::vector<std::string>& recipients) {
    add(relay_, subject, recipients);
}

void Account::kept(const std::string& subject, const std::vector<std::string>& recipients) {
    add(kept_, subject, recipients);
}

void Account::check(std::chrono::milliseconds patience) const {
    chain_.client().wait_until_empty(patience);
    chain_.relay().postfix().wait_until_empty(patience);
    check_same("Graph", copies_at_graph(chain_.rehearsal()), graph_);
    check_mailboxes("the relay", chain_.relayed(), relay_);
    check_mailboxes("this host", chain_.kept(), kept_);
}

void Account::check_mailboxes(const std::string& end, const Mailboxes& mailboxes,
                              const Copies& wanted) const {
    std::set<std::string> recipients;
    for (const Copies* copies : {&graph_, &relay_, &kept_}) {
        for (const auto& [key, count] : *copies) {
            recipients.insert(key.first);
        }
    }
    Copies got;
    std::size_t known = 0;
    for (const std::string& recipient : recipients) {
        for (const auto& [subject, count] : mailboxes.subjects(recipient)) {
            got[{recipient, subject}] = count;
            known += count;
        }
    }
    check_same(end, got, wanted);
    BOOST_TEST(mailboxes.total() == known, end << " has mail for somebody else");
}

void check_same(const std::string& end, const Copies& got, const Copies& wanted) {
    Copies all = got;
    all.insert(wanted.begin(), wanted.end());
    const auto in = [](const Copies& copies, const Copies::key_type& key) {
        const auto found = copies.find(key);
        return found == copies.end() ? std::size_t{0} : found->second;
    };
    std::size_t named = 0;
    for (const auto& [key, count] : all) {
        if (in(got, key) != in(wanted, key) && ++named <= kMostNamed) {
            BOOST_ERROR(end << ": " << key.first << " has '" << key.second << "' " << in(got, key)
                            << " times, not " << in(wanted, key));
        }
    }
    BOOST_TEST(named == 0U, end << ": " << named << " differences");
}

void in_parallel(std::size_t threads, const std::function<void(std::size_t)>& body) {
    std::mutex mutex;
    std::string failure;
    std::vector<std::thread> running;
    running.reserve(threads);
    for (std::size_t i = 0; i < threads; ++i) {
        running.emplace_back([&, i] {
            try {
                body(i);
            } catch (const std::exception& error) {
                const std::lock_guard lock(mutex);
                failure = error.what();
            }
        });
    }
    for (std::thread& each : running) {
        each.join();
    }
    if (!failure.empty()) {
        fail(failure);
    }
}

void expect_taken(const std::string& reply) {
    if (!reply.starts_with("250")) {
        fail("Postfix did not take the message: " + reply);
    }
}

std::string delay_reasons(const PostfixInstance& postfix) {
    std::string text;
    for (const QueuedMail& mail : postfix.queue()) {
        for (const auto& [recipient, reason] : mail.recipients) {
            text.append(mail.queue_name).append(" ").append(recipient).append(": ");
            text.append(reason).append("\n");
        }
    }
    return text;
}

void wait_for_reason(const PostfixInstance& postfix, const std::string& pattern,
                     std::chrono::milliseconds patience) {
    const Pattern wanted(pattern);
    wait_until(
        "mailq to show " + pattern,
        [&] {
            const std::vector<std::string> lines = split_lines(delay_reasons(postfix));
            return std::any_of(lines.begin(), lines.end(),
                               [&](const std::string& line) { return wanted.found_in(line); });
        },
        patience, [&] { return delay_reasons(postfix); });
}

void requeue_all(const PostfixInstance& postfix) {
    (void)run_ok({.argv = {"postsuper", "-c", postfix.configuration(), "-r", "ALL"}});
    postfix.flush();
}

bool small_load() {
    const char* const load = ::getenv("POSTBEARER_LOAD");  // NOLINT(concurrency-mt-unsafe)
    return load != nullptr && std::string_view(load) == "small";
}

}  // namespace postbearer::test
