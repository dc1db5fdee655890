// SPDX-License-Identifier: Apache-2.0
#pragma once

// What happens to a message at the LMTP front: whose word counts (the milter's header or the
// rules), who is left out, one Graph send for each batch, an answer for each recipient.

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "milter/delivery/ledger.hh"
#include "milter/envelope/header_editor.hh"
#include "milter/envelope/header_facts.hh"
#include "milter/graph/graph_client.hh"
#include "milter/routing/route_header.hh"
#include "milter/routing/router.hh"
#include "milter/shared.hh"

namespace postbearer::milter {

/// Every call on the loop's thread. Whoever destroys it ends the GraphSender's sends first.
class GraphDelivery final : public Deliverer {
public:
    struct Services {
        const ConfigHolder& config;
        const RouteKey& key;
        GraphSender& sender;
        Ledger& ledger;
        const Clock& clock;
        Log& log;
        std::size_t max_sessions;  // of the LMTP front; one mailbox may hold a tenth of them
    };
    explicit GraphDelivery(const Services& services) : services_(services) {}

    void deliver(std::shared_ptr<Transaction> transaction, Done done) override;

private:
    struct Job;
    using JobPtr = std::shared_ptr<Job>;

    void begin(const JobPtr& job);
    template <typename Body>
    void guarded(const JobPtr& job, Body&& body);
    void give_up(Job& job, std::string_view what) noexcept;
    static void answer_without_words(Job& job) noexcept;
    [[nodiscard]] bool choose_route(Job& job);
    [[nodiscard]] bool follow_stamp(Job& job, const RouteStamp& stamp);
    [[nodiscard]] bool follow_rules(Job& job);
    void leave_out_local(Job& job) const;
    void settle_identity(Job& job) const;
    void leave_out_known(Job& job) const;
    void collect(Job& job) const;
    [[nodiscard]] bool may_begin(Job& job) const;
    [[nodiscard]] bool take_place(Job& job);
    void next_batch(const JobPtr& job);
    void sent(const JobPtr& job, const EditedHeader& header, const SendOutcome& outcome);
    void finish(Job& job);
    void log_sent(const Job& job, const EditedHeader& header, const SendOutcome& outcome) const;
    void log_answered(const Job& job, std::string_view event, const LmtpReply& reply) const;

    Services services_;
    std::unordered_map<std::string, std::size_t> jobs_of_mailbox_;
};

}  // namespace postbearer::milter
