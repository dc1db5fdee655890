// SPDX-License-Identifier: Apache-2.0
#pragma once

// The end of a login: revoked where the provider can (RFC 7009), forgotten in any case.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.hh"
#include "common/http/http_client.hh"
#include "token-agent/config.hh"
#include "token-agent/discovery.hh"
#include "token-agent/store/store_queue.hh"

namespace postbearer::agent {

struct LogoutWish {
    std::shared_ptr<const AgentConfig> config;
    /// nullopt: the login is of a provider that is not configured any more.
    std::optional<std::uint32_t> provider;
    RecordName name;
};

struct LogoutOutcome {
    bool forgotten = false;   // there was something
    bool revoked = false;     // the provider knows the token no more
    std::string revoke_note;  // a sentence where it was not revoked
};

struct LogoutServices {
    http::HttpClient& client;
    Discovery& discovery;
    StoreQueue& store;
    const Clock& clock;
};

/// A token that a renewal brought while this went on is revoked as well. `done` runs once, later.
/// Error: Unavailable, the store could not forget; the login is still there.
void log_out(const LogoutServices& services, LogoutWish wish,
             std::function<void(Result<LogoutOutcome>)> done);

}  // namespace postbearer::agent
