// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/new_file.hh"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "common/config/text_file.hh"

namespace postbearer::cli {
namespace {

tl::unexpected<Error> trouble(const std::string& path, std::string_view doing, int number) {
    return failure(Errc::Config,
                   path + " " + std::string(doing) + ": " + config::system_error_text(number));
}

std::string directory_of(const std::string& path) {
    const std::string parent = std::filesystem::path(path).parent_path().string();
    return parent.empty() ? "." : parent;
}

}  // namespace

NewFile::NewFile(std::string path, std::string temporary, UniqueFd fd)
    : path_(std::move(path)), temporary_(std::move(temporary)), fd_(std::move(fd)) {}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::move(other.fd_)) {}

NewFile::~NewFile() {
    if (!temporary_.empty()) {
        (void)::unlink(temporary_.c_str());
    }
}

Result<NewFile> NewFile::create(const std::string& path, mode_t mode, std::optional<uid_t> owner) {
    // Hidden, so that nobody who lists the directory for its *.toml takes it.
    const std::filesystem::path whole(path);
    const std::string temporary =
        (whole.parent_path() / ("." + whole.filename().string() + "." + std::to_string(::getpid())))
            .string();
    UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                       S_IRUSR | S_IWUSR));
    if (!fd.valid()) {
        return trouble(path, "cannot be written", errno);
    }
    NewFile file(path, temporary, std::move(fd));
    if ((owner && *owner != ::geteuid() &&
         ::fchown(file.fd_.get(), *owner, static_cast<gid_t>(-1)) != 0) ||
        ::fchmod(file.fd_.get(), mode) != 0) {
        return trouble(path, "cannot get its owner and mode", errno);
    }
    return file;
}

Result<void> NewFile::append(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return trouble(path_, "cannot be written", errno);
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
}

Result<void> NewFile::commit(Existing existing) {
    if (::fsync(fd_.get()) != 0) {
        return trouble(path_, "cannot be written", errno);
    }
    const unsigned flags = existing == Existing::Keep ? RENAME_NOREPLACE : 0U;
    if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), flags) != 0) {
        return errno == EEXIST
                   ? failure(Errc::Config, path_ + " is there already and is not overwritten")
                   : trouble(path_, "cannot be written", errno);
    }
    temporary_.clear();
    const UniqueFd directory(
        ::open(directory_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid() || ::fsync(directory.get()) != 0) {
        return trouble(path_, "may not survive a crash", errno);
    }
    return {};
}

Result<void> make_directory(const std::string& path, mode_t mode, std::optional<uid_t> owner) {
    if (::mkdir(path.c_str(), mode) == 0) {
        if (owner && *owner != ::geteuid() &&
            ::chown(path.c_str(), *owner, static_cast<gid_t>(-1)) != 0) {
            return trouble(path, "cannot be given to the agent", errno);
        }
        return {};
    }
    if (errno != EEXIST) {
        return trouble(path, "cannot be made", errno);
    }
    return {};
}

Result<Secret> read_whole_file(const std::string& path, std::size_t max_bytes) {
    const auto file = config::open_regular_file(path);
    if (!file) {
        return failure(Errc::Config, path + " " + file.error().context);
    }
    WipedBytes bytes(max_bytes + 1);
    std::size_t used = 0;
    while (used < bytes.size()) {
        const ssize_t got = ::read(file->fd.get(), bytes.data() + used, bytes.size() - used);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return trouble(path, "cannot be read", errno);
        }
        if (got == 0) {
            break;
        }
        used += static_cast<std::size_t>(got);
    }
    if (used > max_bytes) {
        return failure(Errc::Config,
                       path + " is larger than " + std::to_string(max_bytes / 1024) + " KiB");
    }
    bytes.resize(used);
    return Secret(std::move(bytes));
}

}  // namespace postbearer::cli
