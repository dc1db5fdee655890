// SPDX-License-Identifier: Apache-2.0
#include "files.hh"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace postbearer::rehearsal {

bool make_private_directory(const std::string& directory) {
    if (mkdir(directory.c_str(), 0700) == 0) {
        return true;
    }
    struct stat info {};
    return errno == EEXIST && stat(directory.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool write_file(const std::string& path, std::string_view content, unsigned mode) {
    const std::string temporary = path + ".new";
    const int fd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                        static_cast<mode_t>(mode));
    if (fd < 0) {
        return false;
    }
    bool good = fchmod(fd, static_cast<mode_t>(mode)) == 0;
    while (good && !content.empty()) {
        const ssize_t written = write(fd, content.data(), content.size());
        good = written > 0;
        content.remove_prefix(good ? static_cast<std::size_t>(written) : 0);
    }
    good = close(fd) == 0 && good;
    return good && std::rename(temporary.c_str(), path.c_str()) == 0;
}

}  // namespace postbearer::rehearsal
