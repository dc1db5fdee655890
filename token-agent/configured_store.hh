// SPDX-License-Identifier: Apache-2.0
#pragma once

// The store that the configuration names, opened and told about.

#include <boost/asio/io_context.hpp>
#include <memory>

#include "common/clock.hh"
#include "common/log.hh"
#include "common/result.hh"
#include "token-agent/config.hh"
#include "token-agent/store/store_opening.hh"
#include "token-agent/store/store_thread.hh"

namespace postbearer::agent {

struct ConfiguredStore {
    std::unique_ptr<StoreThread> thread;  // null: none is configured, or it cannot be opened now
    StoreReport report;
};

/// Call it as the user who stays: owners and modes are checked. What was found is logged. Error:
/// Config, a human must act (mode, key, newer schema). A store that cannot be opened for now (disk)
/// is an error line and a null thread: tokens of applications must not wait for it.
[[nodiscard]] Result<ConfiguredStore> open_configured_store(const AgentConfig& config,
                                                            boost::asio::io_context& loop,
                                                            const Clock& clock, Log& log);

/// The store stays open as it is; to open another one means to start anew.
void warn_of_store_changes(const AgentConfig& before, const AgentConfig& now, Log& log);

}  // namespace postbearer::agent
