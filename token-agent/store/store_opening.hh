// SPDX-License-Identifier: Apache-2.0
#pragma once

// From a path to a database that can be used: files, locks, damage, schema, index key.

#include <chrono>
#include <cstdint>
#include <string>

#include "common/clock.hh"
#include "common/result.hh"
#include "token-agent/store/database.hh"
#include "token-agent/store/seal.hh"
#include "token-agent/store/store_files.hh"

namespace postbearer::agent {

/// What opening found and did; for the log. Empty: it did not happen.
struct StoreReport {
    bool created = false;   // a new database was begun
    std::string set_aside;  // where the damaged one is now
    std::string damage;     // what was wrong with it
    std::string backup;     // the copy made before the migration
    std::int64_t migrated_from = 0;
    std::string read_only;  // why it can only be read; a sentence
};

struct OpenStore {
    Database database;
    FileIdentity identity;
    Secret index_key;
    StoreReport report;
};

/// Config: owner, mode, another process, a newer schema, a key that does not fit; the sentence says
/// what to do. Unavailable: it can neither be written nor read now; nothing was set aside.
[[nodiscard]] Result<OpenStore> open_store(const std::string& path, const KeyRing& ring,
                                           std::chrono::milliseconds busy_timeout, WallTime now);

/// For reading and writing, with an exclusive lock that lasts as long as the connection. Config:
/// another process has it. Unavailable: cannot be written. Protocol: damaged.
[[nodiscard]] Result<Database> connect_writable(const std::string& path,
                                                std::chrono::milliseconds busy_timeout);

inline constexpr const char* kIndexKeyName = "index-key";

}  // namespace postbearer::agent
