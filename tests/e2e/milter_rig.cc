// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/milter_rig.hh"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "tests/support/agent_process.hh"
#include "tests/support/failure.hh"
#include "tests/support/programs.hh"

namespace postbearer::test {

using namespace std::chrono_literals;

RawMilter::RawMilter() { configure(); }

RawMilter::~RawMilter() {
    if (test_failed()) {
        std::fprintf(stderr, "---- %s\n%s", log_path().c_str(), tail(log_path(), 30).c_str());
    }
    if (pid_ > 0) {
        (void)::kill(pid_, SIGKILL);
        (void)::waitpid(pid_, nullptr, 0);
    }
}

void RawMilter::configure(const std::string& milter_lines, const std::string& listen,
                          const std::string& lmtp) const {
    write_file(configuration(),
               "[milter]\nlisten = \"" +
                   (listen.empty() ? "unix:" + milter_socket().string() : listen) +
                   "\"\nlmtp = \"" + (lmtp.empty() ? "unix:" + lmtp_socket().string() : lmtp) +
                   "\"\njournal = \"" + (state() / "journal.db").string() + "\"\nagent = \"" +
                   (directory_ / "agent.sock").string() + "\"\n" + milter_lines +
                   "\n[graph]\nendpoint = \"https://127.0.0.1:1\"\nbudget = \"2s\"\n"
                   "[[route]]\nname = \"contoso\"\nsender = [\"@contoso.test\"]\n");
}

void RawMilter::launch(const Surroundings& surroundings) {
    pid_ = spawn_daemon(Programs::milter(), configuration(), log_path(), surroundings);
    pid_fd_ = UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
}

void RawMilter::start(const Surroundings& surroundings) {
    launch(surroundings);
    wait_until(
        "the milter daemon to serve",
        [&] {
            if (const auto ended = wait(0ms)) {
                fail("the milter daemon did not start: " + ended->describe() + "\n" + log());
            }
            return takes_connections(milter_socket()) && takes_connections(lmtp_socket()) &&
                   serves();
        },
        kPatience, [&] { return log(); });
}

bool RawMilter::serves() const {
    return negotiates(Dialogue::unix_socket(milter_socket())) &&
           Dialogue::unix_socket(lmtp_socket()).reply().starts_with("220 ");
}

std::optional<ExitStatus> RawMilter::wait(std::chrono::milliseconds patience) {
    pollfd ended{pid_fd_.get(), POLLIN, 0};
    if (pid_ <= 0 || ::poll(&ended, 1, static_cast<int>(patience.count())) <= 0) {
        return std::nullopt;
    }
    int status = 0;
    (void)::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFEXITED(status) ? ExitStatus{WEXITSTATUS(status), 0}
                             : ExitStatus{-1, WTERMSIG(status)};
}

void RawMilter::signal(int number) const {
    if (pid_ <= 0 || ::kill(pid_, number) != 0) {
        fail("the milter daemon is not running");
    }
}

void RawMilter::stop() {
    signal(SIGTERM);
    const auto status = wait();
    if (!status || !status->ok()) {
        fail("the milter daemon ended with " + (status ? status->describe() : "nothing") + "\n" +
             log());
    }
}

std::string RawMilter::refuses_to_start(const Surroundings& surroundings) {
    launch(surroundings);
    const auto status = wait();
    if (!status || status->code != 78) {
        fail("the milter daemon ended with " + (status ? status->describe() : "nothing") + "\n" +
             log());
    }
    return tail(log_path(), 1);
}

std::string RawMilter::process_status(const std::string& name) const {
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

bool negotiates(Dialogue connection) {
    const std::string offer{"\0\0\0\rO\0\0\0\6\0\0\1\xff\0\x1f\xff\xff", 17};
    connection.write(offer);
    const std::string answer = connection.bytes(9);
    return answer.size() == 9 && answer[4] == 'O' && answer.substr(5) == offer.substr(5, 4);
}

}  // namespace postbearer::test
