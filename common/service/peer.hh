// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <vector>

#include "common/result.hh"

namespace postbearer::service {

/// Who is at the other end of a Unix socket, by the kernel's word alone.
struct Peer {
    pid_t pid = 0;
    uid_t uid = 0;
    std::vector<gid_t> groups;  // the primary one first
};

/// SO_PEERCRED and SO_PEERGROUPS: the credentials at the time of connect(2).
[[nodiscard]] Result<Peer> peer_of(int socket);

}  // namespace postbearer::service
