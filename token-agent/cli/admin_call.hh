// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "common/clock.hh"
#include "common/result.hh"
#include "common/secret.hh"
#include "token-agent/cli/console.hh"

namespace postbearer::cli {

/// Requests of a login: each may take long, and meanwhile the clock on the screen goes on and
/// ctrl-C is heard. No request is sent twice: an authorization code is good once.
class AdminTalk {
public:
    AdminTalk(std::string socket_path, const Console& console)
        : socket_path_(std::move(socket_path)), console_(console) {}

    /// Called once a second while an answer is awaited.
    using Tick = std::function<void()>;

    /// Errors as of call_admin(). Timeout is a ctrl-C too: ask console.interrupt.
    [[nodiscard]] Result<Json::Value> call(std::string_view verb, const Secret& arguments,
                                           std::chrono::seconds patience,
                                           const Tick& tick = {}) const;
    /// Like call(), but nothing interrupts it: what has to be said after ctrl-C.
    [[nodiscard]] Result<Json::Value> call_last(std::string_view verb, const Secret& arguments,
                                                std::chrono::seconds patience) const;

private:
    [[nodiscard]] Result<Json::Value> exchange(std::string_view verb, const Secret& arguments,
                                               std::chrono::seconds patience, const Tick& tick,
                                               const Interrupt* interrupt) const;

    std::string socket_path_;
    const Console& console_;
};

}  // namespace postbearer::cli
