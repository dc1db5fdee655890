// SPDX-License-Identifier: Apache-2.0
#pragma once

// The parts of the loader: each reads one section into the configuration and records mistakes.

#include <optional>
#include <vector>

#include "common/config/host.hh"
#include "common/config/reader.hh"
#include "milter/config.hh"

namespace postbearer::milter {

struct Loading {
    config::Problems& problems;
    const config::ConfigHost& host;
    MilterConfig& out;
    GraphSettings& sending;
    std::vector<config::Position> route_positions;  // of out.routes, in order
};

void read_milter(const std::optional<config::Table>& table, Loading& loading);
void read_graph(const std::optional<config::Table>& table, Loading& loading);
void read_route(const config::Table& table, Loading& loading);

/// What only the whole shows: routes that can never match or never divert.
void check_routes(Loading& loading);

/// Lists of values with a form of their own.
[[nodiscard]] AddressPatterns patterns_value(const config::Value& value);
[[nodiscard]] std::vector<Network> networks_value(const config::Value& value);

}  // namespace postbearer::milter
