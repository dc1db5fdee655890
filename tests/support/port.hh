// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "common/unique_fd.hh"

namespace postbearer::test {

/// A TCP port on 127.0.0.1 that no other test of this host takes while this object lives: a lock
/// file says so. Below the ephemeral range, so that no outgoing connection holds it either.
class ReservedPort {
public:
    ReservedPort();

    [[nodiscard]] std::uint16_t number() const noexcept { return number_; }

private:
    std::uint16_t number_ = 0;
    UniqueFd lock_;
};

/// Whether somebody listens on that port of 127.0.0.1.
[[nodiscard]] bool takes_connections(std::uint16_t port);

}  // namespace postbearer::test
