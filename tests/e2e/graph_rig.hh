// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/graph_chain.hh"

namespace postbearer::test {

/// Copies by recipient and Subject.
using Copies = std::map<std::pair<std::string, std::string>, std::size_t>;

/// What Graph has sent out, as its envelopes were.
[[nodiscard]] Copies copies_at_graph(const Rehearsal& rehearsal);

/// Who must have got what, and where: at Graph, at the relay, or on this host. A Subject tells a
/// message.
class Account {
public:
    explicit Account(GraphChain& chain) : chain_(chain) {}

    void at_graph(const std::string& subject, const std::vector<std::string>& recipients);
    void at_relay(const std::string& subject, const std::vector<std::string>& recipients);
    void kept(const std::string& subject, const std::vector<std::string>& recipients);

    /// Waits for empty queues. Then each of these recipients has each message once, at its end, and
    /// nobody has anything else.
    void check(std::chrono::milliseconds patience = 2 * kPatience) const;

private:
    void check_mailboxes(const std::string& end, const Mailboxes& mailboxes,
                         const Copies& wanted) const;

    GraphChain& chain_;
    Copies graph_;
    Copies relay_;
    Copies kept_;
};

/// Names every difference, ten at most.
void check_same(const std::string& end, const Copies& got, const Copies& wanted);

/// body(0) ... body(threads - 1), each in a thread of its own; fails the test if one has failed.
/// Boost.Test's macros belong to the main thread.
void in_parallel(std::size_t threads, const std::function<void(std::size_t)>& body);

/// Fails the test unless the reply begins with 250.
void expect_taken(const std::string& reply);

/// The reasons of delay in the queue, one line each; what mailq shows.
[[nodiscard]] std::string delay_reasons(const PostfixInstance& postfix);
/// Waits until mailq shows that, as a Pattern, for some recipient.
void wait_for_reason(const PostfixInstance& postfix, const std::string& pattern,
                     std::chrono::milliseconds patience = kPatience);

/// `postsuper -r ALL`, and Postfix looks at what it has requeued.
void requeue_all(const PostfixInstance& postfix);

/// Messages, fewer where a sanitizer is at work: POSTBEARER_LOAD=small.
[[nodiscard]] bool small_load();

}  // namespace postbearer::test
