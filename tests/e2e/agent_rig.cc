// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/agent_rig.hh"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <exception>
#include <utility>

#include "tests/support/failure.hh"
#include "tests/support/programs.hh"

namespace postbearer::test {
namespace {

using namespace std::chrono_literals;

sockaddr_un address_of(const Path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.native().size() >= sizeof address.sun_path) {
        fail("too long for a socket: " + path.string());
    }
    path.native().copy(std::begin(address.sun_path), path.native().size());
    return address;
}

const sockaddr* generic(const sockaddr_un& address) {
    return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

bool wait_readable(int fd, std::chrono::milliseconds patience) {
    pollfd ready{fd, POLLIN, 0};
    return ::poll(&ready, 1, static_cast<int>(std::max(patience, 0ms).count())) > 0;
}

/// Everything the child needs, made before fork(2).
struct Launch {
    std::string program;
    std::string configuration;
    std::vector<std::string> environment;
    std::vector<int> passed;
    UniqueFd null;
    UniqueFd log;
    int error_fd;
    bool standard_closed;
};

/// Between fork and exec of a process with one thread. LISTEN_PID is only known here.
[[noreturn]] void become_daemon(Launch& launch) {
    (void)::setsid();
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    constexpr int kFirst = 3;  // SD_LISTEN_FDS_START
    // Out of the way first: a source may stand where a target goes.
    std::vector<int> high;
    for (const int fd : launch.passed) {
        high.push_back(::fcntl(fd, F_DUPFD, 200));
    }
    const int error =
        ::fcntl(launch.error_fd < 0 ? launch.log.get() : launch.error_fd, F_DUPFD, 200);
    (void)::dup2(launch.null.get(), 0);
    (void)::dup2(launch.null.get(), 1);
    (void)::dup2(error, 2);
    for (std::size_t i = 0; i < high.size(); ++i) {
        (void)::dup2(high[i], kFirst + static_cast<int>(i));
    }
    (void)::close_range(static_cast<unsigned>(kFirst) + static_cast<unsigned>(high.size()), ~0U, 0);
    if (launch.standard_closed) {
        (void)::close_range(0, 2, 0);
    }
    launch.environment.push_back("LISTEN_PID=" + std::to_string(::getpid()));
    std::vector<char*> envp;
    for (std::string& entry : launch.environment) {
        envp.push_back(entry.data());
    }
    envp.push_back(nullptr);
    std::string option = "--config";
    std::array<char*, 4> argv{launch.program.data(), option.data(), launch.configuration.data(),
                              nullptr};
    for (const int number : {SIGPIPE, SIGHUP, SIGINT, SIGTERM}) {
        (void)::signal(number, SIG_DFL);
    }
    (void)::execve(launch.program.c_str(), argv.data(), envp.data());
    ::_exit(127);
}

}  // namespace

ActAs::ActAs(uid_t uid, gid_t gid) : groups_(1024) {
    const int count = ::getgroups(static_cast<int>(groups_.size()), groups_.data());
    groups_.resize(static_cast<std::size_t>(std::max(count, 0)));
    if (::setgroups(0, nullptr) != 0 || ::setegid(gid) != 0 || ::seteuid(uid) != 0) {
        fail_errno("cannot act as uid " + std::to_string(uid));
    }
}

ActAs::~ActAs() {
    if (::seteuid(0) != 0 || ::setegid(0) != 0 ||
        ::setgroups(groups_.size(), groups_.data()) != 0) {
        std::terminate();  // what follows would not be what it says
    }
}

RawClient::RawClient(const Path& socket)
    : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    const sockaddr_un address = address_of(socket);
    const Stopwatch watch;
    while (::connect(fd_.get(), generic(address), sizeof address) != 0) {
        if (errno != EAGAIN || watch.elapsed() > 10s) {  // EAGAIN: the queue of listen(2) is full
            fd_.reset();
            return;
        }
        (void)::poll(nullptr, 0, 1);
    }
}

bool RawClient::send(std::string_view bytes) const {
    return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(bytes.size());
}

void RawClient::end_of_requests() const { (void)::shutdown(fd_.get(), SHUT_WR); }

bool RawClient::read_more(std::chrono::milliseconds patience) {
    if (ended_ || !fd_.valid() || !wait_readable(fd_.get(), patience)) {
        return false;
    }
    std::array<char, 65536> buffer{};
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    ended_ = got <= 0;
    received_.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return !ended_;
}

std::string RawClient::answer(std::chrono::milliseconds patience) {
    const Stopwatch watch;
    for (;;) {
        const std::size_t end = received_.find("\n\n");
        if (end != std::string::npos) {
            std::string whole = received_.substr(0, end + 2);
            received_.erase(0, end + 2);
            return whole;
        }
        if (!read_more(patience - watch.elapsed())) {
            return std::exchange(received_, {});
        }
    }
}

bool RawClient::ends_within(std::chrono::milliseconds patience) {
    const Stopwatch watch;
    while (read_more(patience - watch.elapsed())) {
    }
    return ended_;
}

std::string RawClient::ask(std::string_view request, std::chrono::milliseconds patience) {
    return send(request) ? answer(patience) : "not sent";
}

std::string ask_once(const Path& socket, std::string_view request,
                     std::chrono::milliseconds patience) {
    RawClient client(socket);
    return client.connected() ? client.ask(request, patience) : "not connected";
}

UniqueFd listening_socket(const Path& path, mode_t mode) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = address_of(path);
    if (::bind(fd.get(), generic(address), sizeof address) != 0 ||
        ::chmod(path.c_str(), mode) != 0 || ::listen(fd.get(), 128) != 0) {
        fail_errno("cannot listen on " + path.string());
    }
    return fd;
}

NotifySocket::NotifySocket(const Path& path)
    : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const sockaddr_un address = address_of(path);
    if (::bind(fd_.get(), generic(address), sizeof address) != 0) {
        fail_errno("cannot bind " + path.string());
    }
}

std::string NotifySocket::next(std::chrono::milliseconds patience) const {
    if (!wait_readable(fd_.get(), patience)) {
        return {};
    }
    std::array<char, 4096> buffer{};
    const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    return {buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
}

std::string NotifySocket::next_state() const {
    std::string message;
    do {
        message = next();
    } while (message == "WATCHDOG=1");
    return message;
}

RawAgent::RawAgent() { configure(); }

RawAgent::~RawAgent() {
    if (test_failed()) {
        std::fprintf(stderr, "---- %s\n%s", log_path().c_str(), tail(log_path(), 30).c_str());
    }
    if (pid_ > 0) {
        (void)::kill(pid_, SIGKILL);
        (void)::waitpid(pid_, nullptr, 0);
    }
}

void RawAgent::configure(const std::string& agent_lines, const std::string& more) const {
    write_file(directory_ / "secret", "correct horse battery staple\n", 0600);
    const std::string unreachable =
        "[provider.contoso]\ntype = \"oidc\"\nclient_id = \"x\"\n"
        "token_endpoint = \"https://127.0.0.1:1/token\"\nclient_secret = \"file:" +
        (directory_ / "secret").string() +
        "\"\n[[account]]\nmatch = \"@contoso.test\"\nprovider = \"contoso\"\n"
        "grant = \"client_credentials\"\n[[access]]\nuid = 0\naccounts = [\"*\"]\n";
    write_file(configuration(), "[agent]\nsockets = [\"" + socket().string() +
                                    "\"]\nadmin_socket = \"" + admin_socket().string() + "\"\n" +
                                    agent_lines + "\n" + (more.empty() ? unreachable : more));
}

pid_t spawn_daemon(const Path& program, const Path& configuration, const Path& log,
                   const Surroundings& surroundings) {
    Launch launch{program,
                  configuration,
                  {"PATH=/usr/bin:/bin", "LANG=C"},
                  {},
                  UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)),
                  UniqueFd(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)),
                  surroundings.error_fd,
                  surroundings.standard_closed};
    for (const auto& [name, value] : surroundings.environment) {
        launch.environment.push_back(name + "=" + value);
    }
    if (!surroundings.passed.empty()) {
        std::string names;
        for (const auto& [name, fd] : surroundings.passed) {
            names += (names.empty() ? "" : ":") + name;
            launch.passed.push_back(fd);
        }
        launch.environment.push_back("LISTEN_FDS=" + std::to_string(launch.passed.size()));
        launch.environment.push_back("LISTEN_FDNAMES=" + names);
    }
    const pid_t pid = ::fork();
    if (pid < 0) {
        fail_errno("fork");
    }
    if (pid == 0) {
        become_daemon(launch);
    }
    return pid;
}

void RawAgent::launch(const Surroundings& surroundings) {
    pid_ = spawn_daemon(Programs::agent(), configuration(), log_path(), surroundings);
    pid_fd_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
}

void RawAgent::start(const Surroundings& surroundings) {
    launch(surroundings);
    wait_until(
        "the agent to answer a ping",
        [&] {
            if (const auto ended = wait(0ms)) {
                fail("the agent did not start: " + ended->describe() + "\n" + log());
            }
            return ask_once(socket(), "request=ping\n\n").starts_with("status=ok");
        },
        kPatience, [&] { return log(); });
}

std::optional<ExitStatus> RawAgent::wait(std::chrono::milliseconds patience) {
    if (pid_ <= 0 || !wait_readable(pid_fd_.get(), patience)) {
        return std::nullopt;
    }
    int status = 0;
    (void)::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? ExitStatus{WEXITSTATUS(status), 0}
                             : ExitStatus{-1, WTERMSIG(status)};
}

void RawAgent::signal(int number) const {
    if (pid_ <= 0 || ::kill(pid_, number) != 0) {
        fail("the agent is not running");
    }
}

void RawAgent::stop() {
    signal(SIGTERM);
    const auto status = wait();
    if (!status || !status->ok()) {
        fail("the agent ended with " + (status ? status->describe() : "nothing") + "\n" + log());
    }
}

void RawAgent::wait_for_log(const std::string& part) const {
    wait_until(
        "the log to say " + part, [&] { return log().find(part) != std::string::npos; }, kPatience,
        [&] { return log(); });
}

std::string RawAgent::process_status(const std::string& name) const {
    const std::string prefix = name + ":";
    for (const std::string& line :
         split_lines(read_file("/proc/" + std::to_string(pid_) + "/status"))) {
        if (line.starts_with(prefix)) {
            const std::size_t value = line.find_first_not_of(" \t", prefix.size());
            return value == std::string::npos ? "" : line.substr(value);
        }
    }
    return "absent";
}

}  // namespace postbearer::test
