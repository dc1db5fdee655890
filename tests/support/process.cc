// SPDX-License-Identifier: Apache-2.0
#include "tests/support/process.hh"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <utility>

#include "tests/support/failure.hh"
#include "tests/support/wait.hh"

namespace postbearer::test {
namespace {

constexpr const char* kSearchPath[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
                                       "/usr/bin",        "/sbin",          "/bin"};

std::string resolve(const std::string& program) {
    if (program.find('/') != std::string::npos) {
        return program;
    }
    for (const char* directory : kSearchPath) {
        std::string path = std::string(directory) + "/" + program;
        if (::access(path.c_str(), X_OK) == 0) {
            return path;
        }
    }
    fail("no program " + program);
}

UniqueFd open_output(const Path& path) {
    const Path& target = path.empty() ? Path("/dev/null") : path;
    UniqueFd fd(::open(target.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
    if (!fd.valid()) {
        fail_errno("cannot open " + target.string());
    }
    return fd;
}

UniqueFd open_input(const std::string& text) {
    if (text.empty()) {
        return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    }
    UniqueFd fd(::memfd_create("input", MFD_CLOEXEC));
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t written = ::write(fd.get(), text.data() + done, text.size() - done);
        if (written <= 0) {
            fail_errno("cannot prepare input");
        }
        done += static_cast<std::size_t>(written);
    }
    (void)::lseek(fd.get(), 0, SEEK_SET);
    return fd;
}

struct Identity {
    bool change = false;
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;
};

Identity identity_of(const std::string& user) {
    Identity identity;
    if (user.empty()) {
        return identity;
    }
    const passwd* entry = ::getpwnam(user.c_str());  // NOLINT(concurrency-mt-unsafe)
    if (entry == nullptr) {
        fail("no user " + user);
    }
    identity = {true, entry->pw_uid, entry->pw_gid, std::vector<gid_t>(64)};
    int count = static_cast<int>(identity.groups.size());
    (void)::getgrouplist(user.c_str(), entry->pw_gid, identity.groups.data(), &count);
    identity.groups.resize(static_cast<std::size_t>(std::max(count, 0)));
    return identity;
}

/// All that the child needs, made before fork(2): after it only async-signal-safe calls follow.
struct Launch {
    std::string program;
    std::vector<std::string> strings;
    std::vector<char*> argv;
    std::vector<char*> envp;
    UniqueFd input;
    UniqueFd output;
    UniqueFd error;
    Identity identity;
    pid_t parent;
};

Launch prepare(const Command& command) {
    Launch launch{
        resolve(command.argv.at(0)),
        {},
        {},
        {},
        open_input(command.input),
        open_output(command.output_file),
        open_output(command.error_file.empty() ? command.output_file : command.error_file),
        identity_of(command.user),
        ::getpid()};
    std::map<std::string, std::string> environment{
        {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, {"LANG", "C"}};
    for (const auto& [name, value] : command.environment) {
        environment[name] = value;
    }
    launch.strings = command.argv;
    for (const auto& [name, value] : environment) {
        launch.strings.push_back(name + "=" + value);
    }
    for (std::size_t i = 0; i < launch.strings.size(); ++i) {
        (i < command.argv.size() ? launch.argv : launch.envp).push_back(launch.strings[i].data());
    }
    launch.argv.push_back(nullptr);
    launch.envp.push_back(nullptr);
    return launch;
}

[[noreturn]] void become(const Launch& launch) {
    (void)::setsid();
    const Identity& identity = launch.identity;
    if (identity.change && (::setgroups(identity.groups.size(), identity.groups.data()) != 0 ||
                            ::setgid(identity.gid) != 0 || ::setuid(identity.uid) != 0)) {
        ::_exit(126);
    }
    // After the change of identity, which resets it.
    (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != launch.parent) {
        ::_exit(126);
    }
    sigset_t none;
    (void)::sigemptyset(&none);
    (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int number : {SIGPIPE, SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGALRM}) {
        (void)::signal(number, SIG_DFL);
    }
    if (::dup2(launch.input.get(), 0) < 0 || ::dup2(launch.output.get(), 1) < 0 ||
        ::dup2(launch.error.get(), 2) < 0) {
        ::_exit(126);
    }
    (void)::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    (void)::umask(022);
    (void)::execve(launch.program.c_str(), launch.argv.data(), launch.envp.data());
    ::_exit(127);
}

/// Waits for the end of its charge or of the test process, whichever comes first; in the latter
/// case it ends the charge's group. Only async-signal-safe calls: it is a fork without exec.
[[noreturn]] void stand_guard(int parent_alive, int charge, pid_t group) {
    (void)::setsid();
    // Copies of other guards' pipes would keep those from seeing the end.
    if (::dup2(parent_alive, 0) < 0 || ::dup2(charge, 1) < 0 || ::close_range(2, ~0U, 0) != 0) {
        ::_exit(1);
    }
    pollfd ends[] = {{0, POLLIN, 0}, {1, POLLIN, 0}};
    while (::poll(ends, 2, -1) < 0) {
    }
    if (ends[1].revents == 0) {
        (void)::kill(-group, SIGTERM);
        (void)::poll(ends + 1, 1, 5'000);
        (void)::kill(-group, SIGKILL);
    }
    ::_exit(0);
}

ExitStatus decode(int status) {
    return WIFEXITED(status) ? ExitStatus{WEXITSTATUS(status), 0}
                             : ExitStatus{-1, WTERMSIG(status)};
}

}  // namespace

std::string ExitStatus::describe() const {
    return signal != 0 ? "killed by signal " + std::to_string(signal)
                       : "exit " + std::to_string(code);
}

Process::Process(const Command& command) : name_(command.argv.at(0)) {
    const Launch launch = prepare(command);
    const pid_t child = ::fork();
    if (child < 0) {
        fail_errno("fork");
    }
    if (child == 0) {
        become(launch);
    }
    pid_ = child;
    pid_fd_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    if (!pid_fd_.valid()) {
        fail_errno("pidfd_open");
    }
    if (command.guarded) {
        guard();
    }
}

void Process::guard() {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        fail_errno("pipe");
    }
    const UniqueFd seen_by_guard(ends[0]);
    alive_ = UniqueFd(ends[1]);
    guard_ = ::fork();
    if (guard_ == 0) {
        stand_guard(seen_by_guard.get(), pid_fd_.get(), pid_);
    }
}

Process::Process(Process&& other) noexcept { *this = std::move(other); }

Process& Process::operator=(Process&& other) noexcept {
    if (this != &other) {
        reap_group();
        name_ = std::move(other.name_);
        pid_ = std::exchange(other.pid_, -1);
        pid_fd_ = std::move(other.pid_fd_);
        guard_ = std::exchange(other.guard_, -1);
        alive_ = std::move(other.alive_);
        status_ = std::exchange(other.status_, std::nullopt);
    }
    return *this;
}

Process::~Process() { reap_group(); }

void Process::reap_group() noexcept {
    if (pid_ <= 0) {
        return;
    }
    int status = 0;
    if (guard_ > 0) {
        (void)::kill(guard_, SIGKILL);
        (void)::waitpid(guard_, &status, 0);
        guard_ = -1;
    }
    (void)::kill(-pid_, SIGKILL);
    if (!status_) {
        (void)::kill(pid_, SIGKILL);
        (void)::waitpid(pid_, &status, 0);
    }
    pid_ = -1;
}

bool Process::running() { return pid_ > 0 && !wait(std::chrono::milliseconds(0)); }

void Process::signal(int number) const {
    if (pid_ <= 0 || status_ || ::kill(pid_, number) != 0) {
        fail(name_ + " is not running, so it gets no signal " + std::to_string(number));
    }
}

std::optional<ExitStatus> Process::wait(std::chrono::milliseconds patience) {
    if (status_ || pid_ <= 0) {
        return status_;
    }
    const Stopwatch watch;
    do {
        const auto left = std::max(patience - watch.elapsed(), std::chrono::milliseconds(0));
        pollfd ready{pid_fd_.get(), POLLIN, 0};
        if (::poll(&ready, 1, static_cast<int>(left.count())) > 0) {
            int status = 0;
            if (::waitpid(pid_, &status, 0) == pid_) {
                status_ = decode(status);
            }
            return status_;
        }
    } while (watch.elapsed() < patience);
    return std::nullopt;
}

ExitStatus Process::stop(std::chrono::milliseconds patience, int first_signal) {
    if (pid_ <= 0) {
        return {};
    }
    if (running()) {
        signal(first_signal);
        if (!wait(patience)) {
            (void)::kill(-pid_, SIGKILL);
            (void)wait(kPatience);
        }
    }
    const ExitStatus status = status_.value_or(ExitStatus{});
    reap_group();
    return status;
}

Finished run(Command command, std::chrono::milliseconds patience) {
    const UniqueFd output(::memfd_create("output", MFD_CLOEXEC));
    const UniqueFd error(::memfd_create("error", MFD_CLOEXEC));
    const auto path_of = [](const UniqueFd& fd) {
        return Path("/proc/self/fd/" + std::to_string(fd.get()));
    };
    command.output_file = path_of(output);
    command.error_file = path_of(error);
    Process process(command);
    const std::optional<ExitStatus> status = process.wait(patience);
    Finished finished{status.value_or(ExitStatus{}), read_file(path_of(output)),
                      read_file(path_of(error))};
    if (!status) {
        fail(command.argv[0] + " did not end in time; it wrote: " + finished.output +
             finished.error);
    }
    return finished;
}

std::string run_ok(Command command, std::chrono::milliseconds patience) {
    std::string line;
    for (const std::string& word : command.argv) {
        line += word + " ";
    }
    Finished finished = run(std::move(command), patience);
    if (!finished.ok()) {
        fail(line + "gave " + finished.status.describe() + ": " + finished.output + finished.error);
    }
    return std::move(finished.output);
}

}  // namespace postbearer::test
