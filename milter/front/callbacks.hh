// SPDX-License-Identifier: Apache-2.0
#pragma once

// The only room that knows libmilter: registers its callbacks and runs its main loop.

#include <string>

#include "common/result.hh"
#include "milter/front/front_session.hh"

namespace postbearer::milter {

/// One per process, because libmilter has one set of callbacks. `services` must outlive run().
class MilterFront {
public:
    explicit MilterFront(const FrontServices& services);
    MilterFront(const MilterFront&) = delete;
    MilterFront& operator=(const MilterFront&) = delete;
    MilterFront(MilterFront&&) = delete;
    MilterFront& operator=(MilterFront&&) = delete;
    ~MilterFront();

    /// `connection` in libmilter's spelling: "fd:N" of a listening socket, "inet:PORT@HOST".
    /// Error: Config.
    [[nodiscard]] Result<void> open(const std::string& connection);

    /// Serves until stop() or SIGTERM, SIGINT, SIGHUP, which libmilter takes for itself; then waits
    /// for callbacks that are running, at most a few seconds. Error: Internal.
    [[nodiscard]] Result<void> run();

    /// From any thread. libmilter looks up every few seconds only (MI_CHK_TIME).
    static void stop() noexcept;
};

}  // namespace postbearer::milter
