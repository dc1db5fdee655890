// SPDX-License-Identifier: Apache-2.0
#include "tests/support/port.hh"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "tests/support/failure.hh"

namespace postbearer::test {
namespace {

constexpr std::uint16_t kFirst = 21'000;
constexpr std::uint16_t kCount = 8'000;

std::string lock_directory() {
    const std::string directory = "/tmp/postbearer-ports-" + std::to_string(::geteuid());
    struct stat info {};
    if ((::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) ||
        ::lstat(directory.c_str(), &info) != 0 || !S_ISDIR(info.st_mode) ||
        info.st_uid != ::geteuid()) {
        fail_errno("cannot use " + directory);
    }
    return directory;
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

bool can_listen(std::uint16_t port) {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port);
    const int on = 1;
    return ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the sockets API
           ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
           ::listen(fd.get(), 1) == 0;
}

}  // namespace

ReservedPort::ReservedPort() {
    const std::string directory = lock_directory();
    const auto start = static_cast<std::uint32_t>(::getpid()) * 37U;
    for (std::uint32_t i = 0; i < kCount; ++i) {
        const auto port = static_cast<std::uint16_t>(kFirst + (start + i) % kCount);
        UniqueFd lock(::open((directory + "/" + std::to_string(port)).c_str(),
                             O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
        if (lock.valid() && ::flock(lock.get(), LOCK_EX | LOCK_NB) == 0 && can_listen(port)) {
            number_ = port;
            lock_ = std::move(lock);
            return;
        }
    }
    fail("no free port on 127.0.0.1");
}

bool takes_connections(std::uint16_t port) {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the sockets API
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace postbearer::test
