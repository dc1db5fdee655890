// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.hh"
#include "common/result.hh"
#include "common/secret.hh"
#include "common/unique_fd.hh"
#include "token-agent/cli/console.hh"
#include "token-agent/cli/redirect_request.hh"

namespace postbearer::cli {

/// What the browser shows in the end. Fixed texts: nothing that came in a request goes out again.
enum class Page : std::uint8_t { Done, NextStep, Working, Failed };

/// LocalhostToo: the redirect says "localhost", which a browser may look up as ::1 first. Whoever
/// listens there would get the code (RFC 8252 section 8.3), so that port is held, and refuses.
enum class Hold : std::uint8_t { Address, LocalhostToo };

struct LoopbackLimits {
    std::chrono::milliseconds per_connection{5'000};  // for the head of a request
    std::size_t connections = 100;                    // open at one time
};

/// Waits on 127.0.0.1 for the redirect of a login. Many may connect (browsers open connections
/// ahead and say nothing); each gets one answer, and only the right request is taken.
class LoopbackListener {
public:
    /// `port` 0: a free one. Error: Unavailable, the port is taken or not ours to bind.
    [[nodiscard]] static Result<LoopbackListener> open(std::uint16_t port,
                                                       Hold hold = Hold::Address,
                                                       LoopbackLimits limits = {});

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

    /// The query of the redirect, with the browser waiting for answer(). Called again for the next
    /// step, whose `expected` has another state; a redirect that was taken before gets 410.
    /// `tick` is called once a second. Errors: Timeout, the deadline or ctrl-C.
    [[nodiscard]] Result<Secret> wait(const ExpectedRedirect& expected, const Interrupt* interrupt,
                                      BootTime deadline, const std::function<void()>& tick = {});
    /// To the browser whose request was taken.
    void answer(Page page);
    /// Requests that came meanwhile get their 410: a browser that was reloaded is told so.
    void turn_away(const ExpectedRedirect& expected);

private:
    struct Connection {
        UniqueFd fd;
        WipedBytes bytes;
        BootTime until;
        bool answered = false;  // only drained now, so that the answer is not lost to a reset
    };
    using Connections = std::list<Connection>;

    LoopbackListener(UniqueFd fd, std::uint16_t port, LoopbackLimits limits);
    [[nodiscard]] static Result<LoopbackListener> open_address(std::uint16_t port,
                                                               LoopbackLimits limits);
    void accept_some();
    void make_room();
    void drop_overdue(BootTime now);
    [[nodiscard]] bool poll_once(const Interrupt* interrupt, BootTime until);
    /// True: it is the redirect, and taken_ holds it.
    [[nodiscard]] bool serve(Connection& connection, const ExpectedRedirect& expected);
    [[nodiscard]] bool was_taken(std::string_view head, const ExpectedRedirect& expected) const;
    /// What has come; false: nothing more will.
    static bool read_some(Connection& connection);
    static void respond(Connection& connection, std::string_view response);

    UniqueFd fd_;
    UniqueFd held_;  // the same port of ::1
    std::uint16_t port_;
    LoopbackLimits limits_;
    Connections connections_;
    UniqueFd taken_;
    std::vector<std::string> taken_states_;
};

}  // namespace postbearer::cli
