// SPDX-License-Identifier: Apache-2.0
#include "common/service/peer.hh"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <string>

namespace postbearer::service {
namespace {

/// NGROUPS_MAX on Linux.
constexpr std::size_t kMostGroups = 65536;

Result<std::vector<gid_t>> groups_of(int socket) {
    std::vector<gid_t> groups(32);
    for (;;) {
        auto bytes = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
        if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &bytes) == 0) {
            groups.resize(bytes / sizeof(gid_t));
            return groups;
        }
        if (errno != ERANGE || bytes / sizeof(gid_t) > kMostGroups) {
            return failure(Errc::Internal, "SO_PEERGROUPS: errno " + std::to_string(errno));
        }
        groups.resize(bytes / sizeof(gid_t));
    }
}

}  // namespace

Result<Peer> peer_of(int socket) {
    ucred credentials{};
    socklen_t bytes = sizeof credentials;
    if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &bytes) != 0) {
        return failure(Errc::Internal, "SO_PEERCRED: errno " + std::to_string(errno));
    }
    auto supplementary = groups_of(socket);
    if (!supplementary) {
        return tl::unexpected(std::move(supplementary.error()));
    }
    Peer peer;
    peer.pid = credentials.pid;
    peer.uid = credentials.uid;
    peer.groups.push_back(credentials.gid);
    peer.groups.insert(peer.groups.end(), supplementary->begin(), supplementary->end());
    return peer;
}

}  // namespace postbearer::service
