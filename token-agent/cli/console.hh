// SPDX-License-Identifier: Apache-2.0
#pragma once

// The person at the terminal: words, prompts, time that runs, ctrl-C. Tests put pipes in its place.

#include <signal.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>

#include "common/clock.hh"
#include "common/result.hh"
#include "common/secret.hh"
#include "common/unique_fd.hh"

namespace postbearer::cli {

/// While it lives, SIGINT, SIGTERM, SIGHUP and SIGQUIT do not end the process but show at fd(), so
/// that a login can be called off and the terminal put right. So does SIGTSTP at a hidden prompt,
/// which would leave the shell without echo.
class Interrupt {
public:
    Interrupt();
    /// For tests: interrupted as soon as `fd` is readable.
    explicit Interrupt(UniqueFd fd) noexcept : fd_(std::move(fd)) {}
    ~Interrupt();
    Interrupt(const Interrupt&) = delete;
    Interrupt& operator=(const Interrupt&) = delete;
    Interrupt(Interrupt&&) = delete;
    Interrupt& operator=(Interrupt&&) = delete;

    [[nodiscard]] int fd() const noexcept { return fd_.get(); }
    [[nodiscard]] bool seen() const noexcept;

private:
    UniqueFd fd_;
    sigset_t before_{};
    bool blocked_ = false;
};

struct Console {
    std::FILE* out = stdout;
    std::FILE* err = stderr;
    int in = 0;
    bool json = false;  // then `out` is for documents, and words are left out
    const Interrupt* interrupt = nullptr;

    /// Words for people; nothing with --json.
    void say(std::string_view text) const;
    void line(std::string_view text) const;
    /// A document, one line, at once.
    void document(const std::string& compact_json) const;
    void warn(std::string_view text) const;
};

/// One line that is written over again on a terminal, and once a minute where it is none. Ends
/// itself before other words follow.
class Progress {
public:
    explicit Progress(const Console& console);
    ~Progress() { finish(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    Progress(Progress&&) = delete;
    Progress& operator=(Progress&&) = delete;

    void show(std::string_view text, BootTime now);
    void finish();

private:
    const Console& console_;
    bool terminal_;
    std::size_t width_ = 0;  // of what stands there now
    BootTime next_;
};

enum class Echo : std::uint8_t { On, Off };

inline constexpr std::size_t kMaxLineBytes = 16UL * 1024;

/// One line of `console.in` without its end, at most kMaxLineBytes, until `deadline`. Echo::Off
/// only matters on a terminal, where what was typed ahead, or stays unread, is dropped. Errors:
/// Denied, ctrl-C; Timeout; Config, no line came (end of input) or it is too long.
[[nodiscard]] Result<Secret> read_line(const Console& console, Echo echo, BootTime deadline);

/// True: `fd` is ready for `events` of poll(2), or in error. False: the time is over, or ctrl-C
/// came (ask the interrupt). `fd` -1: only ctrl-C ends it early.
[[nodiscard]] bool wait_ready(int fd, short events, const Interrupt* interrupt, BootTime until);
[[nodiscard]] bool wait_readable(int fd, const Interrupt* interrupt, BootTime until);

}  // namespace postbearer::cli
