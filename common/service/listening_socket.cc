// SPDX-License-Identifier: Apache-2.0
#include "common/service/listening_socket.hh"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <system_error>

namespace postbearer::service {
namespace {

constexpr mode_t kGroupOnly = 0660;
constexpr std::string_view kQueueDirectory = POSTBEARER_QUEUE_DIR;

std::string errno_text(int number) { return std::generic_category().message(number); }

tl::unexpected<Error> path_error(const std::string& path, std::string_view what, int number) {
    std::string text = "socket " + path + ": ";
    text += what;
    if (number != 0) {
        text += ": " + errno_text(number);
    }
    return failure(Errc::Config, std::move(text));
}

std::optional<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return std::nullopt;
    }
    std::copy(path.begin(), path.end(), std::begin(address.sun_path));
    return address;
}

std::string bound_path(int fd) {
    sockaddr_un address{};
    socklen_t length = sizeof address;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API is made so
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
        return {};
    }
    const std::size_t bytes = length - offsetof(sockaddr_un, sun_path);
    return {address.sun_path, ::strnlen(address.sun_path, bytes)};
}

/// mkdir -p of the parent, mode 0755 whatever our umask is.
Result<void> make_parents(const std::string& path) {
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        const std::string directory = path.substr(0, slash);
        if (::mkdir(directory.c_str(), 0755) == 0) {
            (void)::chmod(directory.c_str(), 0755);
        } else if (errno != EEXIST) {
            return path_error(path, "cannot make the directory " + directory, errno);
        }
    }
    return {};
}

/// A socket file nobody listens on is left over from a crash; a live one belongs to somebody.
Result<void> clear_stale(const std::string& path, const sockaddr_un& address) {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return {};
    }
    if (!S_ISSOCK(status.st_mode)) {
        return path_error(path, "is in the way and is not a socket; move it or set another path",
                          0);
    }
    const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API is made so
    const int connected =
        ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (connected == 0 || errno == EAGAIN) {
        return path_error(path, "another process is listening there; stop it or set another path",
                          0);
    }
    if (errno != ECONNREFUSED && errno != ENOENT) {
        return path_error(path, "is in the way and cannot be tried; move it or set another path",
                          errno);
    }
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
        return path_error(path, "cannot remove the old socket", errno);
    }
    return {};
}

std::optional<gid_t> group_id(const std::string& name) {
    std::vector<char> memory(64 * 1024);
    group entry{};
    group* found = nullptr;
    if (::getgrnam_r(name.c_str(), &entry, memory.data(), memory.size(), &found) != 0 ||
        found == nullptr) {
        return std::nullopt;
    }
    return entry.gr_gid;
}

Result<void> set_ownership(const std::string& path, const Ownership& wanted) {
    if (!wanted.group.empty()) {
        const auto gid = group_id(wanted.group);
        if (!gid) {
            return path_error(path, "there is no group '" + wanted.group + "'", 0);
        }
        if (::chown(path.c_str(), static_cast<uid_t>(-1), *gid) != 0) {
            return path_error(path, "cannot give it to group '" + wanted.group + "'", errno);
        }
    }
    if (::chmod(path.c_str(), wanted.mode) != 0) {
        return path_error(path, "cannot set its mode", errno);
    }
    return {};
}

struct NamesDeleter {
    void operator()(char** names) const noexcept {
        // sd-daemon(3) gives malloc'ed memory.
        // NOLINTBEGIN(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory)
        for (char** each = names; each != nullptr && *each != nullptr; ++each) {
            std::free(*each);
        }
        std::free(names);
        // NOLINTEND(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory)
    }
};

/// Group and mode are there from the first moment: a client that comes before them would be refused
/// for good, one that comes before listen(2) only tries again.
Result<void> bind_as(int socket, const std::string& path, const sockaddr_un& address,
                     const Ownership& wanted) {
    const auto gid = wanted.group.empty() ? std::nullopt : group_id(wanted.group);
    const gid_t old_group = ::getegid();
    // Root only; set_ownership() has the last word.
    const bool in_group = gid && ::setegid(*gid) == 0;
    const mode_t old_mask = ::umask(static_cast<mode_t>(~wanted.mode & 0777U));
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API is made so
    const int bound = ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    const int bind_errno = errno;
    (void)::umask(old_mask);
    if (in_group && ::setegid(old_group) != 0) {
        return path_error(path, "cannot go back to our own group", errno);
    }
    if (bound != 0) {
        return path_error(path, "cannot bind", bind_errno);
    }
    return {};
}

}  // namespace

bool is_below_queue(const std::string& path) {
    return path.starts_with(kQueueDirectory) && path.size() > kQueueDirectory.size() &&
           path[kQueueDirectory.size()] == '/';
}

Ownership ownership_for(const SocketSetting& setting, mode_t elsewhere) {
    Ownership result{elsewhere, setting.group};
    if (is_below_queue(setting.path)) {
        result.mode = kGroupOnly;
        if (result.group.empty()) {
            result.group = "postfix";
        }
    }
    result.mode = setting.mode.value_or(result.mode);
    return result;
}

Result<ListeningSocket> bind_socket(const std::string& path, const Ownership& ownership) {
    const auto address = address_of(path);
    if (!address) {
        return path_error(path, "the path is longer than a Unix socket allows (107)", 0);
    }
    if (auto made = make_parents(path); !made) {
        return tl::unexpected(std::move(made.error()));
    }
    if (auto cleared = clear_stale(path, *address); !cleared) {
        return tl::unexpected(std::move(cleared.error()));
    }
    ListeningSocket result;
    result.path = path;
    result.socket.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (auto bound = bind_as(result.socket.get(), path, *address, ownership); !bound) {
        return tl::unexpected(std::move(bound.error()));
    }
    result.ours = true;
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) {
        result.device = status.st_dev;
        result.inode = status.st_ino;
    }
    if (auto owned = set_ownership(path, ownership); !owned) {
        (void)::unlink(path.c_str());
        return tl::unexpected(std::move(owned.error()));
    }
    if (::listen(result.socket.get(), SOMAXCONN) != 0) {
        return path_error(path, "cannot listen", errno);
    }
    return result;
}

Result<std::vector<ListeningSocket>> inherited_sockets(std::span<const std::string_view> names,
                                                       Log& log) {
    char** raw_names = nullptr;
    const int count = ::sd_listen_fds_with_names(1, &raw_names);
    const std::unique_ptr<char*, NamesDeleter> passed(raw_names);
    if (count < 0) {
        return failure(Errc::Config, "socket activation: " + errno_text(-count));
    }
    std::vector<ListeningSocket> result;
    for (int i = 0; i < count; ++i) {
        UniqueFd fd(SD_LISTEN_FDS_START + i);
        const std::string name = passed ? passed.get()[i] : "";
        const bool known = std::find(names.begin(), names.end(), name) != names.end();
        if (!known || ::sd_is_socket_unix(fd.get(), SOCK_STREAM, 1, nullptr, 0) <= 0) {
            std::string wanted;
            for (const std::string_view each : names) {
                wanted.append(wanted.empty() ? "" : " or ").append(each);
            }
            log.write(LogLine(LogLevel::Warning, "socket_ignored")
                          .add("name", name)
                          .add("cause",
                               "systemd passed it, but it is not a listening stream socket named " +
                                   wanted));
            continue;
        }
        ListeningSocket socket;
        socket.name = name;
        socket.path = bound_path(fd.get());
        socket.socket = std::move(fd);
        result.push_back(std::move(socket));
    }
    return result;
}

void remove_bound(const ListeningSocket& socket) {
    struct stat status {};
    if (socket.ours && ::lstat(socket.path.c_str(), &status) == 0 &&
        status.st_dev == socket.device && status.st_ino == socket.inode) {
        (void)::unlink(socket.path.c_str());
    }
}

}  // namespace postbearer::service
