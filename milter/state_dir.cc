// SPDX-License-Identifier: Apache-2.0
#include "milter/state_dir.hh"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/config/text_file.hh"

namespace postbearer::milter {
namespace {

std::string lock_path(const std::string& directory) { return directory + "/lock"; }

struct flock whole_file() noexcept {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return lock;
}

}  // namespace

Result<void> make_directory(const std::string& directory) {
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
        return failure(Errc::Config, "directory " + directory +
                                         ": cannot be made: " + config::system_error_text(errno));
    }
    if (::access(directory.c_str(), W_OK | X_OK) != 0) {
        return failure(Errc::Config, "directory " + directory + ": " +
                                         config::system_error_text(errno) +
                                         "; it must belong to the daemon's user");
    }
    return {};
}

/// A POSIX lock: the kernel knows its holder's pid, and lets it go when that process ends.
Result<UniqueFd> lock_state_dir(const std::string& directory) {
    if (auto made = make_directory(directory); !made) {
        return tl::unexpected(std::move(made.error()));
    }
    const std::string path = lock_path(directory);
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.valid()) {
        return failure(Errc::Config,
                       path + " cannot be opened: " + config::system_error_text(errno));
    }
    struct flock lock = whole_file();
    if (::fcntl(fd.get(), F_SETLK, &lock) != 0) {
        const auto holder = daemon_of(directory);
        return failure(
            Errc::Config,
            "directory " + directory + " is in use by process " +
                (holder && *holder ? std::to_string(**holder) : std::string("of an unknown id")) +
                "; a second daemon needs a `journal` in another directory");
    }
    return fd;
}

Result<std::optional<pid_t>> daemon_of(const std::string& directory) {
    const std::string path = lock_path(directory);
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.valid() && errno == ENOENT) {
        return std::optional<pid_t>();
    }
    struct flock lock = whole_file();
    if (!fd.valid() || ::fcntl(fd.get(), F_GETLK, &lock) != 0) {
        return failure(Errc::Unavailable,
                       path + ": " + config::system_error_text(errno) + "; try it as root");
    }
    if (lock.l_type == F_UNLCK) {
        return std::optional<pid_t>();
    }
    if (lock.l_pid <= 0) {
        return failure(Errc::Unavailable,
                       path + " is locked by a process of another container; ask it there");
    }
    return std::optional<pid_t>(lock.l_pid);
}

}  // namespace postbearer::milter
