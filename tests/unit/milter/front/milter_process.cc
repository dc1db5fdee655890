// SPDX-License-Identifier: Apache-2.0
// milter_process SCRIPT.lua: the front on a Unix socket of its own with miltertest(8) against it.
// Exit status: that of the script, 1 if the front ends before it, 2 if it cannot begin.
//
// The script finds `socket`, `here` (its directory) and `stamp` (what the front must add for
// alice's first message). Faults: a queue id that holds THROWALLOC, THROWRUNTIME or THROWINT makes
// the log throw at its line; memory of a certain size (kFaultyBytes) cannot be had.
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

#include "milter/config_loader.hh"
#include "milter/front/callbacks.hh"

namespace {

/// What a path of 740, 742 or 744 characters takes.
constexpr std::size_t kFaultyBytes[] = {741, 743, 745};

}  // namespace

void* operator new(std::size_t size) {
    if (size == kFaultyBytes[1]) {
        throw std::runtime_error("from below");
    }
    if (size == kFaultyBytes[2]) {
        throw 7;
    }
    void* memory = size == kFaultyBytes[0] ? nullptr : std::malloc(size == 0 ? 1 : size);
    if (memory == nullptr) {
        throw std::bad_alloc();
    }
    return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace postbearer::milter {
namespace {

constexpr std::string_view kConfig = R"([milter]
trusted_clients = ["192.0.2.0/24", "2001:db8::/32"]
local_domains = ["local.example"]
[[route]]
name = "no"
action = "reject"
reason = "100% no, %s %n %d"
sender = ["reject@contoso.com"]
[[route]]
name = "contoso"
sender = ["@contoso.com"]
allow_from = ["@contoso.com"]
)";

class ThrowingLog final : public Log {
public:
    void write(const LogLine& line) override {
        const auto has = [&](const char* word) {
            return line.text().find(word) != std::string::npos;
        };
        if (has("THROWALLOC")) {
            throw std::bad_alloc();
        }
        if (has("THROWRUNTIME")) {
            throw std::runtime_error("from below");
        }
        if (has("THROWINT")) {
            throw 7;
        }
        (void)std::fprintf(stderr, "%s\n", line.text().c_str());
    }
};

int listen_on(const std::string& path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(std::begin(address.sun_path), sizeof address.sun_path - 1);
    const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    if (fd < 0 || ::bind(fd, generic, sizeof address) != 0 || ::listen(fd, 64) != 0) {
        std::perror("listen");
        return -1;
    }
    return fd;
}

pid_t start_script(const std::string& script, const std::string& socket, const std::string& stamp) {
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) {
        (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) {
            ::_exit(126);
        }
        const std::string where = "socket=unix:" + socket;
        const std::string here =
            "here=" + std::filesystem::path(script).parent_path().string() + "/";
        const std::string expected = "stamp=" + stamp;
        ::execlp("miltertest", "miltertest", "-D", where.c_str(), "-D", here.c_str(), "-D",
                 expected.c_str(), "-s", script.c_str(), nullptr);
        ::_exit(127);
    }
    return child;
}

int run(const char* script) {
    char name[] = "/tmp/pb-milter-XXXXXX";
    if (::mkdtemp(name) == nullptr) {
        return 2;
    }
    const std::string directory = name;
    const std::string socket = directory + "/m.sock";
    const auto loaded = load_config_text("milter.toml", kConfig, config::SystemHost());
    const int fd = loaded ? listen_on(socket) : -1;
    const RouteKey key(Secret(std::string(32, 'k')));
    const auto stamp = sign(key, {Action::Graph, "4cQ7lX0zZkz9rxN", "contoso", "alice@contoso.com"},
                            "<1@contoso.com>");
    // Before libmilter's threads: fork(2) copies one thread only.
    const pid_t child = fd < 0 || !stamp ? -1 : start_script(script, socket, *stamp);
    if (child < 0) {
        return 2;
    }
    ConfigHolder config(loaded->config);
    ThrowingLog log;
    const FrontServices services{config, key, log};
    MilterFront front(services);
    if (const auto opened = front.open("fd:" + std::to_string(fd)); !opened) {
        (void)std::fprintf(stderr, "%s\n", opened.error().context.c_str());
        return 2;
    }
    int status = 0;
    // libmilter looks up every few seconds only, and has nothing to finish then.
    std::thread waiter([&] {
        (void)::waitpid(child, &status, 0);
        (void)::unlink(socket.c_str());
        (void)::rmdir(directory.c_str());
        ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    });
    const auto ended = front.run();
    waiter.join();
    return ended ? 0 : 1;
}

}  // namespace
}  // namespace postbearer::milter

int main(int argc, char** argv) { return argc == 2 ? postbearer::milter::run(argv[1]) : 2; }
