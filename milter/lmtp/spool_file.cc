// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/spool_file.hh"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

namespace postbearer::milter {
namespace {

constexpr std::size_t kGatherBytes = 64 * 1024;
constexpr mode_t kOwnerOnly = 0600;

Error spool_error(const char* what, const std::string& directory, int number) {
    const char* const meaning = ::strerrordesc_np(number);
    return {Errc::Unavailable, std::string(what) + " spool directory " + directory + ": " +
                                   (meaning != nullptr ? meaning : std::to_string(number))};
}

}  // namespace

Result<UniqueFd> open_spool_file(const std::string& directory) {
    UniqueFd file(::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, kOwnerOnly));
    if (file.valid()) {
        return file;
    }
    if (errno == EOPNOTSUPP || errno == EISDIR) {  // EISDIR: a kernel that does not know the flag
        return open_unlinked_file(directory);
    }
    return tl::unexpected(spool_error("cannot make a file in", directory, errno));
}

Result<UniqueFd> open_unlinked_file(const std::string& directory) {
    std::string name = directory + "/message.XXXXXX";
    UniqueFd file(::mkostemp(name.data(), O_CLOEXEC));
    if (!file.valid()) {
        return tl::unexpected(spool_error("cannot make a file in", directory, errno));
    }
    if (::unlink(name.c_str()) != 0) {
        return tl::unexpected(spool_error("cannot unlink a file in", directory, errno));
    }
    return file;
}

void SpoolFile::write(std::string_view piece) {
    if (!file_.valid()) {
        return;
    }
    if (gathered_.empty() && piece.size() >= kGatherBytes) {
        write_out(piece);
        return;
    }
    if (gathered_.capacity() < kGatherBytes) {
        gathered_.reserve(kGatherBytes);
    }
    while (!piece.empty()) {
        const std::string_view fitting = piece.substr(0, kGatherBytes - gathered_.size());
        gathered_.append(fitting);
        piece.remove_prefix(fitting.size());
        if (gathered_.size() == kGatherBytes) {
            write_out(gathered_);
            gathered_.clear();
        }
    }
}

void SpoolFile::discard() noexcept {
    file_.reset();
    gathered_ = std::string();
}

Result<UniqueFd> SpoolFile::finish() {
    write_out(gathered_);
    gathered_ = std::string();
    if (failure_) {
        return tl::unexpected(*failure_);
    }
    return std::move(file_);
}

void SpoolFile::write_out(std::string_view bytes) {
    while (!bytes.empty() && file_.valid()) {
        const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            failure_ = spool_error("cannot write in", directory_, written == 0 ? EIO : errno);
            file_.reset();
            return;
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace postbearer::milter
