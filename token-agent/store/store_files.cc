// SPDX-License-Identifier: Apache-2.0
#include "token-agent/store/store_files.hh"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "common/config/text_file.hh"
#include "common/unique_fd.hh"

namespace postbearer::agent {
namespace {

std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) {
        return ".";
    }
    return slash == 0 ? "/" : path.substr(0, slash);
}

std::string octal(mode_t mode) {
    std::array<char, 8> text{};
    (void)::snprintf(text.data(), text.size(), "%04o", mode & 07777U);
    return text.data();
}

tl::unexpected<Error> refused(const std::string& path, const std::string& what) {
    return failure(Errc::Config, "token store: " + path + " " + what);
}

tl::unexpected<Error> failed(const std::string& path, const char* what, int error_number) {
    return failure(Errc::Unavailable, "token store: " + path + " cannot be " + what + ": " +
                                          config::system_error_text(error_number));
}

bool closed_to_others(const struct stat& status) noexcept {
    return (status.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

/// `lstat` and not an open file: closing one would drop the locks that SQLite holds on it
/// (fcntl(2)).
Result<void> check_file(const std::string& path, bool* exists) {
    struct stat status {};
    *exists = ::lstat(path.c_str(), &status) == 0;
    if (!*exists) {
        if (errno == ENOENT) {
            return {};
        }
        return failed(path, "examined", errno);
    }
    if (S_ISLNK(status.st_mode)) {
        return refused(path, "is a symbolic link: name the file itself in [agent] store");
    }
    if (!S_ISREG(status.st_mode)) {
        return refused(path, "is not a file");
    }
    const std::string us = std::to_string(::geteuid());
    if (status.st_uid != ::geteuid()) {
        return refused(path, "belongs to uid " + std::to_string(status.st_uid) +
                                 " and the agent runs as uid " + us + ": chown " + us + " " + path);
    }
    if (!closed_to_others(status)) {
        return refused(path, "has mode " + octal(status.st_mode) +
                                 ", so that others than its owner may use it: chmod 600 " + path);
    }
    return {};
}

/// 0, or -1 and errno.
int rename_no_replace(const std::string& from, const std::string& to) noexcept {
    if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL) {
        return -1;
    }
    // Not every file system knows the flag (ZFS before 2.2). Nobody else writes into this
    // directory.
    struct stat status {};
    if (::lstat(to.c_str(), &status) == 0) {
        errno = EEXIST;
        return -1;
    }
    return ::rename(from.c_str(), to.c_str());
}

}  // namespace

Result<void> check_store_directory(const std::string& path) {
    const std::string directory = directory_of(path);
    struct stat status {};
    if (::stat(directory.c_str(), &status) != 0) {
        const int error_number = errno;
        return refused(directory,
                       error_number == ENOENT
                           ? "does not exist: mkdir -m 700 " + directory
                           : "cannot be examined: " + config::system_error_text(error_number));
    }
    if (!S_ISDIR(status.st_mode)) {
        return refused(directory, "is not a directory");
    }
    const std::string us = std::to_string(::geteuid());
    if (status.st_uid != ::geteuid() && status.st_uid != 0) {
        return refused(directory, "belongs to uid " + std::to_string(status.st_uid) +
                                      ", who could replace the store: chown " + us + " " +
                                      directory);
    }
    if (!closed_to_others(status)) {
        return refused(directory, "has mode " + octal(status.st_mode) +
                                      ", so that others may enter it: chmod 700 " + directory);
    }
    return {};
}

Result<StoreFile> prepare_store_file(const std::string& path) {
    bool exists = false;
    for (const char* companion : kCompanions) {
        if (auto fit = check_file(path + companion, &exists); !fit) {
            return tl::unexpected(std::move(fit.error()));
        }
    }
    if (auto fit = check_file(path, &exists); !fit) {
        return tl::unexpected(std::move(fit.error()));
    }
    if (exists) {
        return StoreFile::Existing;
    }
    if (auto made = create_private_file(path); !made) {
        return tl::unexpected(std::move(made.error()));
    }
    return StoreFile::Created;
}

Result<std::string> rename_to_new(const std::string& from, const std::string& to) {
    constexpr int kMostNames = 100;
    for (int i = 0; i < kMostNames; ++i) {
        const std::string name = i == 0 ? to : to + "." + std::to_string(i);
        if (rename_no_replace(from, name) == 0) {
            return name;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    return failed(from, "renamed", errno);
}

Result<std::string> set_aside(const std::string& path, WallTime now) {
    auto to = rename_to_new(path, path + ".corrupt-" + compact_time(now));
    if (!to) {
        return to;
    }
    for (const char* companion : kCompanions) {
        const std::string from = path + companion;
        if (::rename(from.c_str(), (*to + companion).c_str()) != 0 && errno != ENOENT) {
            return failed(from, "renamed", errno);
        }
    }
    if (auto synced = sync_directory_of(path); !synced) {
        return tl::unexpected(std::move(synced.error()));
    }
    return to;
}

Result<void> create_private_file(const std::string& path) {
    const UniqueFd fd(
        ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd.valid() || ::fchmod(fd.get(), 0600) != 0) {  // the umask may have taken more away
        return failed(path, "made", errno);
    }
    return {};
}

Result<void> sync_file(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd.valid() || ::fsync(fd.get()) != 0) {
        return failed(path, "synced", errno);
    }
    return {};
}

Result<void> sync_directory_of(const std::string& path) {
    const std::string directory = directory_of(path);
    const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid() || ::fsync(fd.get()) != 0) {
        return failed(directory, "synced", errno);
    }
    return {};
}

std::string compact_time(WallTime now) {
    const auto day = std::chrono::floor<std::chrono::days>(now);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss<std::chrono::seconds> time(now - day);
    std::array<char, 64> text{};
    (void)::snprintf(text.data(), text.size(), "%04d%02u%02u%02d%02d%02d",
                     static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
                     static_cast<int>(time.minutes().count()),
                     static_cast<int>(time.seconds().count()));
    return text.data();
}

FileIdentity identity_of(const std::string& path) noexcept {
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) {
        return {};
    }
    return {status.st_dev, status.st_ino};
}

std::uint64_t size_of(const std::string& path) noexcept {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

}  // namespace postbearer::agent
