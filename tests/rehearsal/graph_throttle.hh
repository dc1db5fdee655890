// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "graph_answers.hh"
#include "graph_settings.hh"

namespace postbearer::rehearsal {

/// Graph's three limits per app and mailbox: requests at once, requests in ten minutes, uploaded
/// bytes in five. A request counts even where it is refused.
class GraphThrottle {
public:
    explicit GraphThrottle(const GraphLimits& limits) : limits_(limits) {}

    /// A request under way; its destruction gives the slot back.
    class Slot {
    public:
        Slot(GraphThrottle& throttle, std::string app, std::string mailbox);
        Slot(const Slot&) = delete;
        Slot& operator=(const Slot&) = delete;
        Slot(Slot&&) = delete;
        Slot& operator=(Slot&&) = delete;
        ~Slot();

        /// Not refused: it occupies one of the mailbox's places.
        [[nodiscard]] bool placed() const { return placed_; }

    private:
        friend class GraphThrottle;
        GraphThrottle& throttle_;
        std::string app_;
        std::string key_;
        bool placed_ = false;
    };

    struct Entry {
        std::unique_ptr<Slot> slot;
        std::optional<GraphError> refusal;
    };
    [[nodiscard]] Entry enter(const std::string& app, const std::string& mailbox, WallTime now);
    /// Once the body is there.
    [[nodiscard]] std::optional<GraphError> count_upload(const std::string& app,
                                                         const std::string& mailbox,
                                                         std::size_t bytes, WallTime now);
    /// All windows begin anew.
    void forget();

    [[nodiscard]] std::uint64_t in_flight() const { return in_flight_; }
    /// Most requests that were under way for one mailbox at a time, refused ones included.
    [[nodiscard]] std::uint64_t max_in_flight_per_mailbox() const { return max_per_mailbox_; }

private:
    struct Window {
        WallTime since;
        std::int64_t used = 0;

        /// Seconds to wait, or 0 if `amount` fits.
        [[nodiscard]] std::int64_t use(std::int64_t amount, std::int64_t limit,
                                       std::int64_t seconds, WallTime now);
    };
    struct State {
        std::int64_t under_way = 0;
        std::int64_t placed = 0;
        Window requests;
        Window upload;
    };

    const GraphLimits& limits_;
    std::unordered_map<std::string, State> states_;       // by app and mailbox
    std::unordered_map<std::string, std::int64_t> apps_;  // places by app
    std::uint64_t in_flight_ = 0;
    std::uint64_t max_per_mailbox_ = 0;
};

}  // namespace postbearer::rehearsal
