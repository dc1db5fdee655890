// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/console.hh"

#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

namespace postbearer::cli {
namespace {

using namespace std::chrono_literals;

/// While it lives, ctrl-Z is for `interrupt`, which hears of it as soon as it is blocked.
class HeldSuspension {
public:
    explicit HeldSuspension(bool wanted) {
        sigset_t suspend;
        (void)::sigemptyset(&suspend);
        (void)::sigaddset(&suspend, SIGTSTP);
        held_ = wanted && ::pthread_sigmask(SIG_BLOCK, &suspend, &before_) == 0;
    }
    ~HeldSuspension() {
        sigset_t pending;
        (void)::sigemptyset(&pending);
        (void)::sigpending(&pending);
        // One that came has called the prompt off and must not suspend us too: ~Interrupt takes it.
        if (held_ && ::sigismember(&pending, SIGTSTP) == 0) {
            (void)::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
        }
    }
    HeldSuspension(const HeldSuspension&) = delete;
    HeldSuspension& operator=(const HeldSuspension&) = delete;
    HeldSuspension(HeldSuspension&&) = delete;
    HeldSuspension& operator=(HeldSuspension&&) = delete;

private:
    bool held_ = false;
    sigset_t before_{};
};

/// Echo comes back whatever happens: a shell without it looks dead.
class HiddenInput {
public:
    HiddenInput(const Console& console, Echo echo)
        : fd_(console.in),
          wanted_(echo == Echo::Off && ::isatty(fd_) != 0 && ::tcgetattr(fd_, &before_) == 0),
          held_(wanted_ && console.interrupt != nullptr) {
        if (!wanted_) {
            return;
        }
        termios hidden = before_;
        hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        // Canonical mode holds 4095 bytes to a line, and a redirect may be longer.
        hidden.c_lflag &= ~static_cast<tcflag_t>(ICANON);
        hidden.c_cc[VMIN] = 1;
        hidden.c_cc[VTIME] = 0;
        active_ = ::tcsetattr(fd_, TCSAFLUSH, &hidden) == 0;
    }
    ~HiddenInput() {
        if (active_) {
            (void)::tcsetattr(fd_, TCSAFLUSH, &before_);
        }
    }
    HiddenInput(const HiddenInput&) = delete;
    HiddenInput& operator=(const HiddenInput&) = delete;
    HiddenInput(HiddenInput&&) = delete;
    HiddenInput& operator=(HiddenInput&&) = delete;

    [[nodiscard]] bool active() const noexcept { return active_; }
    /// Without canonical mode, erasing is ours to do.
    [[nodiscard]] bool erases(char c) const noexcept {
        return active_ &&
               (c == '\b' || c == '\x7F' ||
                static_cast<cc_t>(static_cast<unsigned char>(c)) == before_.c_cc[VERASE]);
    }
    [[nodiscard]] bool kills(char c) const noexcept {
        return active_ && static_cast<cc_t>(static_cast<unsigned char>(c)) == before_.c_cc[VKILL];
    }
    [[nodiscard]] bool ends(char c) const noexcept { return active_ && (c == '\x04' || c == '\r'); }

private:
    int fd_;
    termios before_{};
    bool wanted_;
    HeldSuspension held_;  // ends after the echo is back
    bool active_ = false;
};

}  // namespace

Interrupt::Interrupt() {
    sigset_t wanted;
    (void)::sigemptyset(&wanted);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
        (void)::sigaddset(&wanted, number);
    }
    blocked_ = ::pthread_sigmask(SIG_BLOCK, &wanted, &before_) == 0;
    (void)::sigaddset(&wanted, SIGTSTP);  // heard where a hidden prompt blocks it
    fd_ = UniqueFd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
}

Interrupt::~Interrupt() {
    if (!blocked_) {
        return;
    }
    // One that has been acted upon must not end the process afterwards.
    signalfd_siginfo taken{};
    while (fd_.valid() && ::read(fd_.get(), &taken, sizeof(taken)) > 0) {
    }
    (void)::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

bool Interrupt::seen() const noexcept {
    pollfd ready{fd_.get(), POLLIN, 0};
    return fd_.valid() && ::poll(&ready, 1, 0) > 0;
}

void Console::say(std::string_view text) const {
    if (!json) {
        (void)std::fwrite(text.data(), 1, text.size(), out);
        (void)std::fflush(out);
    }
}

void Console::line(std::string_view text) const { say(std::string(text) + "\n"); }

void Console::document(const std::string& compact_json) const {
    (void)std::fprintf(out, "%s\n", compact_json.c_str());
    (void)std::fflush(out);
}

void Console::warn(std::string_view text) const {
    (void)std::fprintf(err, "%.*s\n", static_cast<int>(text.size()), text.data());
}

Progress::Progress(const Console& console)
    : console_(console), terminal_(::isatty(::fileno(console.out)) == 1) {}

void Progress::show(std::string_view text, BootTime now) {
    if (!terminal_) {
        if (now >= next_) {
            console_.line(text);
            next_ = now + 1min;
        }
        return;
    }
    std::string written = "\r" + std::string(text);
    written.append(width_ > text.size() ? width_ - text.size() : 0, ' ');
    width_ = text.size();
    console_.say(written);
}

void Progress::finish() {
    next_ = BootTime();  // what follows other words is news again
    if (terminal_ && width_ > 0) {
        console_.say("\n");
        width_ = 0;
    }
}

bool wait_readable(int fd, const Interrupt* interrupt, BootTime until) {
    return wait_ready(fd, POLLIN, interrupt, until);
}

bool wait_ready(int fd, short events, const Interrupt* interrupt, BootTime until) {
    for (;;) {
        const auto left = std::max(until - BootClock::now(), BootClock::duration(0));
        pollfd watched[] = {{fd, events, 0},
                            {interrupt != nullptr ? interrupt->fd() : -1, POLLIN, 0}};
        const int count = ::poll(watched, 2,
                                 static_cast<int>(std::min<BootClock::rep>(
                                     left.count(), std::numeric_limits<int>::max())));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        return count > 0 && watched[1].revents == 0 && watched[0].revents != 0;
    }
}

Result<Secret> read_line(const Console& console, Echo echo, BootTime deadline) {
    const HiddenInput hidden(console, echo);
    WipedBytes bytes;
    bool too_long = false;
    for (;;) {
        if (!wait_readable(console.in, console.interrupt, deadline)) {
            const bool called_off = console.interrupt != nullptr && console.interrupt->seen();
            return called_off ? failure(Errc::Denied, "called off")
                              : failure(Errc::Timeout, "no answer in time");
        }
        char c = '\0';  // one byte at a time: what follows the line is not ours to take
        const ssize_t got = ::read(console.in, &c, 1);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        const bool ended = got <= 0 || c == '\n' || hidden.ends(c);
        if (!ended) {
            if (hidden.erases(c)) {
                bytes.resize(bytes.empty() ? 0 : bytes.size() - 1);
            } else if (hidden.kills(c)) {
                bytes.clear();
            } else if (bytes.size() < kMaxLineBytes) {
                bytes.push_back(c);
            } else {
                too_long = true;
            }
            continue;
        }
        if (hidden.active()) {
            console.say("\n");
        }
        if (too_long) {
            return failure(Errc::Config, "more than 16 KiB in one line");
        }
        if (got <= 0 && bytes.empty()) {
            return failure(Errc::Config, "standard input ended");
        }
        if (!bytes.empty() && bytes.back() == '\r') {
            bytes.pop_back();
        }
        return Secret(std::move(bytes));
    }
}

}  // namespace postbearer::cli
