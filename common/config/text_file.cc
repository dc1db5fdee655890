// SPDX-License-Identifier: Apache-2.0
#include "common/config/text_file.hh"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

namespace postbearer::config {

std::string system_error_text(int error_number) {
    return std::generic_category().message(error_number);
}

Result<OpenFile> open_regular_file(const std::string& path) {
    OpenFile file;
    file.fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file.fd.valid()) {
        return failure(Errc::Config, "cannot be opened: " + system_error_text(errno));
    }
    if (::fstat(file.fd.get(), &file.status) != 0) {
        return failure(Errc::Config, "cannot be examined: " + system_error_text(errno));
    }
    if (!S_ISREG(file.status.st_mode)) {
        return failure(Errc::Config, "is not a regular file");
    }
    return file;
}

Result<TextFile> read_text_file(const std::string& path, std::size_t max_bytes) {
    auto file = open_regular_file(path);
    if (!file) {
        return tl::unexpected(file.error());
    }
    TextFile out;
    out.writable_by_all = (file->status.st_mode & S_IWOTH) != 0;
    // The size is a hint only: an editor may be writing right now.
    std::size_t used = 0;
    out.text.resize(
        std::min(max_bytes, static_cast<std::size_t>(std::max<off_t>(file->status.st_size, 0))) +
        1);
    for (;;) {
        if (used == out.text.size()) {
            out.text.resize(used * 2);
        }
        const ssize_t got = ::read(file->fd.get(), out.text.data() + used, out.text.size() - used);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return failure(Errc::Config, "cannot be read: " + system_error_text(errno));
        }
        if (got == 0) {
            break;
        }
        used += static_cast<std::size_t>(got);
        if (used > max_bytes) {
            return failure(Errc::Config,
                           "is larger than " + std::to_string(max_bytes >> 20U) + " MiB");
        }
    }
    out.text.resize(used);
    return out;
}

}  // namespace postbearer::config
