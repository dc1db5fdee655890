// SPDX-License-Identifier: Apache-2.0
#pragma once

// RFC 8628: a code is asked for, shown, and polled for until somebody has typed it in.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.hh"
#include "common/http/http_client.hh"
#include "common/scheduler.hh"
#include "token-agent/login/device_response.hh"
#include "token-agent/login/login_failure.hh"
#include "token-agent/token_exchange.hh"

namespace postbearer::agent {

/// Polls never overlap. `slow_down` adds 5 s each time, for good (section 3.5); connection trouble,
/// 429 and 5xx double the pause until an answer comes again, and never end it before its time.
/// Make it with make_shared; once stop() was called or it is gone, no callback runs and nothing is
/// sent any more.
class DeviceFlow : public std::enable_shared_from_this<DeviceFlow> {
public:
    struct Services {
        http::HttpClient& client;
        TokenExchange& exchange;
        const Clock& clock;
        Scheduler& scheduler;
    };
    struct Wish {
        std::shared_ptr<const AgentConfig> config;
        std::uint32_t provider = 0;
        std::string endpoint;
        std::string scope;
    };
    struct Callbacks {
        std::function<void()> shown;  // grant() is there
        std::function<void(StepResult)> ended;
    };

    static constexpr std::chrono::seconds kSlowDown{5};
    static constexpr std::chrono::seconds kLongestPause{60};

    DeviceFlow(const Services& services, Wish wish, Callbacks callbacks);
    DeviceFlow(const DeviceFlow&) = delete;
    DeviceFlow& operator=(const DeviceFlow&) = delete;
    DeviceFlow(DeviceFlow&&) = delete;
    DeviceFlow& operator=(DeviceFlow&&) = delete;
    ~DeviceFlow();

    void start();
    void stop();

    /// Null until the server has given a code.
    [[nodiscard]] const DeviceGrant* grant() const noexcept { return grant_ ? &*grant_ : nullptr; }
    [[nodiscard]] BootTime expires_at() const noexcept { return expires_at_; }
    /// As it is now, slow_down counted.
    [[nodiscard]] std::chrono::seconds interval() const noexcept { return interval_; }

private:
    [[nodiscard]] const ProviderConfig& provider() const {
        return wish_.config->providers.at(wish_.provider);
    }
    [[nodiscard]] http::Request device_request() const;
    void granted(Result<http::Response> answer);
    [[nodiscard]] tl::expected<DeviceGrant, protocol::AgentFailure> read(
        Result<http::Response> answer) const;
    void plan_poll(std::chrono::seconds pause);
    void poll();
    void polled(ExchangeResult result);
    void expire();
    void end(StepResult result);

    Services services_;
    Wish wish_;
    Callbacks callbacks_;
    std::optional<DeviceGrant> grant_;
    std::shared_ptr<const Secret> device_code_;
    BootTime expires_at_;
    std::chrono::seconds interval_{kDefaultInterval};
    int troubles_ = 0;  // in a row
    Scheduler::Id timer_ = 0;
    bool over_ = false;
};

}  // namespace postbearer::agent
