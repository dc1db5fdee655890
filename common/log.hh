// SPDX-License-Identifier: Apache-2.0
#pragma once

// Log lines of the daemons: `event=token_refreshed account=billing@contoso.com ...`. Event names
// are stable and listed in the man pages. A Secret cannot be passed: there is no overload for it.

#include <cstdint>
#include <string>
#include <string_view>

namespace postbearer {

/// syslog(3) priorities, as journald reads them in `<N>`.
enum class LogLevel : std::uint8_t { Error = 3, Warning = 4, Notice = 5, Info = 6, Debug = 7 };

/// Builds one line. Values with blanks, quotes or control characters are quoted and escaped.
class LogLine {
public:
    LogLine(LogLevel level, std::string_view event);

    LogLine& add(std::string_view key, std::string_view value);
    LogLine& add(std::string_view key, const char* value) {
        return add(key, std::string_view(value));
    }
    LogLine& add(std::string_view key, std::int64_t value);
    /// Leaves the key out where there is nothing to say.
    LogLine& add_if(std::string_view key, std::string_view value);

    [[nodiscard]] LogLevel level() const noexcept { return level_; }
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
    LogLevel level_;
    std::string text_;
};

/// Where lines go. Not thread-safe: each daemon logs from its loop's thread.
class Log {
public:
    virtual ~Log() = default;
    virtual void write(const LogLine& line) = 0;
    /// Lines may be held back until the loop's turn ends; this sends them.
    virtual void flush() {}
    /// Whether flush() has something to send, and whether it had better do so at once.
    [[nodiscard]] virtual bool pending() const noexcept { return false; }
    [[nodiscard]] virtual bool urgent() const noexcept { return false; }
};

/// stderr with journald's `<N>` prefix. Lines are gathered until flush() or 32 KiB, so that a busy
/// turn of the loop costs one write(2). When stderr cannot take them (nobody reads, full disk) they
/// are dropped and counted; the next line that goes through says how many. It never blocks.
class StderrLog final : public Log {
public:
    explicit StderrLog(LogLevel threshold = LogLevel::Info, int fd = 2)
        : threshold_(threshold), fd_(fd) {}
    ~StderrLog() override;
    StderrLog(const StderrLog&) = delete;
    StderrLog& operator=(const StderrLog&) = delete;
    StderrLog(StderrLog&&) = delete;
    StderrLog& operator=(StderrLog&&) = delete;

    void write(const LogLine& line) override;
    void flush() override;
    [[nodiscard]] bool pending() const noexcept override { return !pending_.empty(); }
    [[nodiscard]] bool urgent() const noexcept override { return urgent_; }

private:
    LogLevel threshold_;
    int fd_;
    bool urgent_ = false;  // a warning or worse is pending
    std::string pending_;
    std::int64_t pending_lines_ = 0;
    std::int64_t dropped_lines_ = 0;
    bool line_cut_ = false;  // the last line that went out has no end
};

/// syslog(3), facility mail.
class SyslogLog final : public Log {
public:
    explicit SyslogLog(const char* ident, LogLevel threshold = LogLevel::Info);

    void write(const LogLine& line) override;

private:
    LogLevel threshold_;
};

}  // namespace postbearer
