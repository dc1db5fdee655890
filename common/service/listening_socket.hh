// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where a daemon's listening Unix sockets come from: systemd (by FileDescriptorName) or bind(2).

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/log.hh"
#include "common/result.hh"
#include "common/unique_fd.hh"

namespace postbearer::service {

/// A socket as the configuration asks for it.
struct SocketSetting {
    std::string path;
    std::string group;           // empty: the default for that place (design 4.1)
    std::optional<mode_t> mode;  // the same
};

struct Ownership {
    mode_t mode = 0600;
    std::string group;  // empty: left as it is
};

struct ListeningSocket {
    std::string name;  // as systemd passed it; empty: bound here
    std::string path;
    UniqueFd socket;
    bool ours = false;  // bound here, so removed at the end
    dev_t device = 0;   // of the path as bound, to remove no successor's socket
    ino_t inode = 0;
};

/// Whether `path` lies below Postfix's queue directory as this build knows it.
[[nodiscard]] bool is_below_queue(const std::string& path);

/// root:postfix 0660 below Postfix's queue directory, else `elsewhere`; what `setting` says wins.
[[nodiscard]] Ownership ownership_for(const SocketSetting& setting, mode_t elsewhere);

/// The listening stream sockets that systemd passed under one of `names`. Others are named in a
/// warning and closed. Empty without systemd. Error: Config.
[[nodiscard]] Result<std::vector<ListeningSocket>> inherited_sockets(
    std::span<const std::string_view> names, Log& log);

/// Makes the directories above `path`, removes what a crash left there, binds with `ownership` from
/// the first moment, and listens. Error: Config, naming path, cause and fix.
[[nodiscard]] Result<ListeningSocket> bind_socket(const std::string& path,
                                                  const Ownership& ownership);

/// Removes the file of a socket that was bound here, if it is still the same file.
void remove_bound(const ListeningSocket& socket);

}  // namespace postbearer::service
