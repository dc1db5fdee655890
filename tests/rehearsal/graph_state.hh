// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "graph_mailboxes.hh"
#include "graph_records.hh"
#include "graph_settings.hh"
#include "graph_store.hh"
#include "graph_throttle.hh"

namespace postbearer::rehearsal {

/// Everything Graph's endpoints and its control API share.
struct GraphState {
    GraphState(std::string the_base_url, std::string the_directory)
        : base_url(std::move(the_base_url)), directory(std::move(the_directory)) {}

    std::string base_url;
    std::string directory;  // for raw messages; made when the first is kept there
    GraphSettings settings;
    GraphLimits limits;
    GraphMailboxes mailboxes;
    GraphStore store;
    GraphRecords records;
    GraphThrottle throttle{limits};
};

}  // namespace postbearer::rehearsal
