// SPDX-License-Identifier: Apache-2.0
#include "token-agent/configured_store.hh"

#include <openssl/crypto.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "token-agent/store/sqlite_store.hh"

namespace postbearer::agent {
namespace {

void log_store(const StoreReport& report, const std::string& path, Log& log) {
    if (report.created) {
        log.write(LogLine(LogLevel::Notice, "store_created").add("path", path));
    }
    if (!report.backup.empty()) {
        log.write(LogLine(LogLevel::Notice, "store_migrated")
                      .add("path", path)
                      .add("from_version", report.migrated_from)
                      .add("copy", report.backup));
    }
    if (!report.set_aside.empty()) {
        log.write(LogLine(LogLevel::Error, "store_damaged")
                      .add("path", path)
                      .add("cause", report.damage)
                      .add("set_aside", report.set_aside)
                      .add("action",
                           "a new store was begun: put back a backup, or log in again "
                           "with postbearer login; application tokens go on"));
    }
    if (!report.read_only.empty()) {
        log.write(LogLine(LogLevel::Error, "store_read_only").add("message", report.read_only));
    }
}

bool same_key(const std::shared_ptr<const Secret>& a, const std::shared_ptr<const Secret>& b) {
    return a == b || (a != nullptr && b != nullptr && a->size() == b->size() &&
                      CRYPTO_memcmp(a->reveal().data(), b->reveal().data(), a->size()) == 0);
}

Result<KeyRing> ring_of(const AgentConfig& config) {
    std::vector<Secret> previous;
    for (const auto& key : config.previous_master_keys) {
        previous.push_back(key->clone());
    }
    return KeyRing::make(config.master_key->clone(), std::move(previous));
}

}  // namespace

Result<ConfiguredStore> open_configured_store(const AgentConfig& config,
                                              boost::asio::io_context& loop, const Clock& clock,
                                              Log& log) {
    ConfiguredStore out;
    if (config.store_path.empty()) {
        return out;
    }
    auto ring = ring_of(config);
    if (!ring) {
        return tl::unexpected(std::move(ring.error()));
    }
    auto store = SqliteStore::open({config.store_path, std::move(*ring), clock});
    if (!store && store.error().code == Errc::Unavailable) {
        log.write(LogLine(LogLevel::Error, "store_unavailable")
                      .add("message", store.error().context)
                      .add("action",
                           "free or repair the disk, then restart the agent; until then "
                           "there are no logins, tokens of applications go on"));
        return out;
    }
    if (!store) {
        return tl::unexpected(std::move(store.error()));
    }
    out.report = (*store)->opened();
    log_store(out.report, config.store_path, log);
    auto thread = StoreThread::start(std::move(*store), loop);
    if (!thread) {
        return tl::unexpected(std::move(thread.error()));
    }
    out.thread = std::move(*thread);
    return out;
}

void warn_of_store_changes(const AgentConfig& before, const AgentConfig& now, Log& log) {
    if (before.store_path == now.store_path && same_key(before.master_key, now.master_key) &&
        std::equal(before.previous_master_keys.begin(), before.previous_master_keys.end(),
                   now.previous_master_keys.begin(), now.previous_master_keys.end(), same_key)) {
        return;
    }
    log.write(
        LogLine(LogLevel::Warning, "restart_needed")
            .add("message", "store, master_key and previous_master_keys are read at the start only")
            .add("action", "restart postbearer-agent"));
}

}  // namespace postbearer::agent
