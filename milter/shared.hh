// SPDX-License-Identifier: Apache-2.0
#pragma once

// What libmilter's threads and the loop's thread share: the configuration and the log.

#include <memory>
#include <mutex>
#include <utility>

#include "common/log.hh"
#include "milter/config.hh"

namespace postbearer::milter {

/// The configuration in force. A reader keeps its snapshot for as long as a message takes.
class ConfigHolder {
public:
    explicit ConfigHolder(std::shared_ptr<const MilterConfig> config)
        : config_(std::move(config)) {}

    [[nodiscard]] std::shared_ptr<const MilterConfig> get() const {
        const std::lock_guard guard(mutex_);
        return config_;
    }
    void set(std::shared_ptr<const MilterConfig> config) {
        const std::lock_guard guard(mutex_);
        config_ = std::move(config);
    }

private:
    mutable std::mutex mutex_;
    std::shared_ptr<const MilterConfig> config_;
};

/// A log for several threads; every line goes out at once.
class SharedLog final : public Log {
public:
    explicit SharedLog(Log& inner) : inner_(inner) {}

    void write(const LogLine& line) override {
        const std::lock_guard guard(mutex_);
        inner_.write(line);
        inner_.flush();
    }

private:
    std::mutex mutex_;
    Log& inner_;
};

}  // namespace postbearer::milter
