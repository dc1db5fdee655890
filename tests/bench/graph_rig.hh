// SPDX-License-Identifier: Apache-2.0
#pragma once

// The Graph way under load: the chain of the end-to-end tests with the rehearsal's limits off, and
// a second transport of the same Postfix, like the first in everything, that ends in a sink.

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "tests/bench/mail_load.hh"
#include "tests/support/graph_chain.hh"

namespace postbearer::bench {

inline constexpr std::size_t kMailboxes = 50;

/// Limits off, nothing kept: a Graph that costs as little as it can.
void make_tireless(const test::Rehearsal& rehearsal);

/// A chain with submission from all of 127.0.0.0/8, prepared but not started.
[[nodiscard]] std::unique_ptr<test::GraphChain> load_chain(test::GraphChainSettings settings = {},
                                                           const std::string& milter_more = {});
[[nodiscard]] pid_t rehearsal_pid(test::GraphChain& chain);

/// CPU time of the three processes, in microseconds.
struct CpuUse {
    double milter = 0;
    double agent = 0;
    double rehearsal = 0;

    [[nodiscard]] CpuUse since(const CpuUse& before, std::size_t messages) const;
};

/// Messages that wait on hold until all are there, so that only deliveries are timed.
class QueueRig {
public:
    QueueRig();
    ~QueueRig();
    QueueRig(QueueRig&&) = delete;
    QueueRig& operator=(QueueRig&&) = delete;
    QueueRig(const QueueRig&) = delete;
    QueueRig& operator=(const QueueRig&) = delete;

    enum class Way { Graph, Sink };
    struct Run {
        double rate = 0;      // messages per second, from the flush to the last 250
        CpuUse submission{};  // per message, while they came in
        CpuUse delivery{};    // per message, while they went out
    };
    /// Fails unless each message has gone where it should, once.
    [[nodiscard]] Run run(Way way, std::size_t messages);

    [[nodiscard]] test::GraphChain& chain() noexcept { return *chain_; }
    void stop();

private:
    [[nodiscard]] CpuUse cpu() const;
    void deliver(Way way, std::size_t messages);

    test::ReservedPort graph_port_;
    test::ReservedPort sink_port_;
    std::unique_ptr<test::GraphChain> chain_;
    test::Process sink_;
    pid_t rehearsal_ = -1;
};

/// Whether each delivery of the rehearsal's was the only one of its message.
void check_no_copies(const test::Rehearsal& rehearsal);

/// From /proc/PID/status, in kB: "VmHWM", "RssAnon", ...
[[nodiscard]] std::size_t memory_kb(pid_t pid, const std::string& name);

}  // namespace postbearer::bench
