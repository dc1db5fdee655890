// SPDX-License-Identifier: Apache-2.0
#include "token-agent/grants/arc_key.hh"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "common/config/text_file.hh"
#include "common/text.hh"
#include "common/unique_fd.hh"

namespace postbearer::agent {
namespace {

Error cannot(const std::string& path, const char* what, int error) {
    std::string text = path + " " + what + ": " + config::system_error_text(error);
    if (error == EACCES) {
        text += "; put the agent's user into the group himds, then restart it";
    }
    return {Errc::Config, std::move(text)};
}

}  // namespace

Result<Secret> read_arc_key(const std::string& directory, const std::string& name) {
    const std::string path = directory + "/" + name;
    const UniqueFd folder(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!folder.valid()) {
        return tl::unexpected(cannot(directory, "cannot be opened", errno));
    }
    const UniqueFd file(::openat(folder.get(), name.c_str(),
                                 O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (!file.valid()) {
        return tl::unexpected(cannot(path, "cannot be opened", errno));
    }
    if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        return failure(Errc::Config, path + " is not a regular file");
    }
    WipedBytes bytes(kMaxArcKeyBytes + 1);
    std::size_t used = 0;
    while (used < bytes.size()) {
        const ssize_t got = ::read(file.get(), bytes.data() + used, bytes.size() - used);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return tl::unexpected(cannot(path, "cannot be read", errno));
        }
        if (got == 0) {
            break;
        }
        used += static_cast<std::size_t>(got);
    }
    if (used > kMaxArcKeyBytes) {
        return failure(Errc::Config, path + " is larger than 4096 bytes");
    }
    const std::string_view key = trimmed(std::string_view(bytes.data(), used));
    if (key.empty() ||
        !std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 0x7F; })) {
        return failure(Errc::Config, path + " holds no key of Azure Arc");
    }
    return Secret(key);
}

}  // namespace postbearer::agent
