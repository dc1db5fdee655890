// SPDX-License-Identifier: Apache-2.0
#include "common/log.hh"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "common/clock.hh"
#include "common/text.hh"

namespace postbearer {
namespace {

constexpr std::size_t kGatherBytes = 32 * 1024;
constexpr std::size_t kLongestValue = 1024;
/// A log reader that stands still must not stop mail for longer than this.
constexpr int kStalledReaderMs = 50;

bool needs_quotes(std::string_view value) noexcept {
    if (value.empty()) {
        return true;
    }
    for (const char c : value) {
        if (c == ' ' || c == '"' || c == '=' || c == '\\' || static_cast<unsigned char>(c) < 0x20 ||
            static_cast<unsigned char>(c) >= 0x7F) {
            return true;
        }
    }
    return false;
}

bool is_writable(int fd, int patience_ms) noexcept {
    pollfd ready{fd, POLLOUT, 0};
    int count = 0;
    do {
        count = ::poll(&ready, 1, patience_ms);
    } while (count < 0 && errno == EINTR);
    return count == 1 && (ready.revents & POLLOUT) != 0;
}

/// How much of `text` was taken. stderr blocks as a rule, and it is not ours alone, so it stays so:
/// what poll(2) calls writable takes PIPE_BUF bytes without blocking, pipe or journald's socket.
std::size_t write_without_blocking(int fd, std::string_view text, int patience_ms) noexcept {
    const BootTime until = BootClock::now() + std::chrono::milliseconds(patience_ms);
    const auto left = [until] {
        return std::max<BootClock::rep>((until - BootClock::now()).count(), 0);
    };
    std::size_t done = 0;
    while (done < text.size() && is_writable(fd, static_cast<int>(left()))) {
        const ssize_t written =
            ::write(fd, text.data() + done, std::min<std::size_t>(text.size() - done, PIPE_BUF));
        if (written >= 0) {
            done += static_cast<std::size_t>(written);
        } else if (errno != EINTR) {
            break;
        }
    }
    return done;
}

}  // namespace

LogLine::LogLine(LogLevel level, std::string_view event) : level_(level) {
    text_.reserve(256);
    text_ += "event=";
    text_ += event;
}

LogLine& LogLine::add(std::string_view key, std::string_view value) {
    text_ += ' ';
    text_ += key;
    text_ += '=';
    if (!needs_quotes(value)) {
        text_ += value.substr(0, kLongestValue);
        return *this;
    }
    text_ += '"';
    for (const char c : printable(value, kLongestValue)) {
        if (c == '"' || c == '\\') {
            text_ += '\\';
        }
        text_ += c;
    }
    text_ += '"';
    return *this;
}

LogLine& LogLine::add(std::string_view key, std::int64_t value) {
    char digits[24];
    const auto [end, error] = std::to_chars(std::begin(digits), std::end(digits), value);
    (void)error;  // 24 bytes hold every 64-bit number
    text_ += ' ';
    text_ += key;
    text_ += '=';
    text_.append(digits, static_cast<std::size_t>(end - digits));
    return *this;
}

LogLine& LogLine::add_if(std::string_view key, std::string_view value) {
    return value.empty() ? *this : add(key, value);
}

StderrLog::~StderrLog() { flush(); }

void StderrLog::write(const LogLine& line) {
    if (line.level() > threshold_) {
        return;
    }
    pending_ += '<';
    pending_ += static_cast<char>('0' + static_cast<int>(line.level()));
    pending_ += '>';
    pending_ += line.text();
    pending_ += '\n';
    ++pending_lines_;
    urgent_ = urgent_ || line.level() <= LogLevel::Warning;
    if (pending_.size() >= kGatherBytes) {
        flush();
    }
}

void StderrLog::flush() {
    if (pending_.empty()) {
        return;
    }
    std::size_t note_bytes = 0;
    if (dropped_lines_ > 0) {
        LogLine note(LogLevel::Warning, "log_lines_lost");
        note.add("count", dropped_lines_).add("cause", "stderr did not take them in time");
        const std::string text = (line_cut_ ? "\n<4>" : "<4>") + note.text() + "\n";
        pending_.insert(0, text);
        note_bytes = text.size();
    }
    // A reader that stands still is waited for once, not at every turn of the loop.
    const std::size_t done =
        write_without_blocking(fd_, pending_, dropped_lines_ > 0 ? 0 : kStalledReaderMs);
    line_cut_ = done > 0 ? pending_[done - 1] != '\n' : line_cut_;
    if (done < note_bytes) {
        dropped_lines_ += pending_lines_;
    } else {
        dropped_lines_ =
            std::count(pending_.begin() + static_cast<std::ptrdiff_t>(done), pending_.end(), '\n');
    }
    pending_.clear();
    pending_lines_ = 0;
    urgent_ = false;
}

SyslogLog::SyslogLog(const char* ident, LogLevel threshold) : threshold_(threshold) {
    ::openlog(ident, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

void SyslogLog::write(const LogLine& line) {
    if (line.level() <= threshold_) {
        ::syslog(static_cast<int>(line.level()), "%s", line.text().c_str());
    }
}

}  // namespace postbearer
