// SPDX-License-Identifier: Apache-2.0
#include "milter/send_test.hh"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "common/config/text_file.hh"
#include "common/text.hh"
#include "common/unique_fd.hh"

namespace postbearer::milter {
namespace {

/// Longer than budget and answer_timeout may be together.
constexpr timeval kPatience{600, 0};
constexpr std::size_t kMaxLineBytes = 4096;

class LmtpDialogue {
public:
    explicit LmtpDialogue(UniqueFd fd) : fd_(std::move(fd)) {}

    /// One answer, its lines joined by a blank. Error: Timeout, Protocol.
    [[nodiscard]] Result<std::string> answer();
    [[nodiscard]] Result<std::string> say(const std::string& line) {
        if (auto sent = write(line + "\r\n"); !sent) {
            return tl::unexpected(std::move(sent.error()));
        }
        return answer();
    }
    [[nodiscard]] Result<void> write(std::string_view bytes) const;

private:
    [[nodiscard]] Result<std::string> line();

    UniqueFd fd_;
    std::string buffer_;
};

Result<void> LmtpDialogue::write(std::string_view bytes) const {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
            return failure(Errc::Protocol,
                           "the LMTP front hung up: " + config::system_error_text(errno));
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return {};
}

Result<std::string> LmtpDialogue::line() {
    for (;;) {
        const std::size_t end = buffer_.find("\r\n");
        if (end != std::string::npos) {
            std::string found = buffer_.substr(0, end);
            buffer_.erase(0, end + 2);
            return found;
        }
        std::array<char, 1024> bytes{};
        const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
        if (got < 0 && errno == EAGAIN) {
            return failure(Errc::Timeout, "the LMTP front did not answer within 600 s");
        }
        if (got <= 0 || buffer_.size() > kMaxLineBytes) {
            return failure(Errc::Protocol, "the LMTP front hung up before it answered");
        }
        buffer_.append(bytes.data(), static_cast<std::size_t>(got));
    }
}

Result<std::string> LmtpDialogue::answer() {
    std::string text;
    for (;;) {
        auto next = line();
        if (!next) {
            return next;
        }
        const bool last = next->size() < 4 || (*next)[3] == ' ';
        text += text.empty() ? *next : ' ' + next->substr(std::min<std::size_t>(4, next->size()));
        if (last) {
            return printable(text, kMaxLineBytes);
        }
    }
}

Result<UniqueFd> connect_to(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
        return failure(Errc::Unavailable, path + ": the path is too long for a socket");
    }
    std::copy(path.begin(), path.end(), std::begin(address.sun_path));
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the socket API is made so
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        return failure(Errc::Unavailable, path + ": " + config::system_error_text(errno) +
                                              "; is postbearer-milter running?");
    }
    return fd;
}

std::string date_text(WallTime now) {
    const std::time_t seconds = now.time_since_epoch().count();
    std::tm parts{};
    std::array<char, 64> text{};
    (void)::gmtime_r(&seconds, &parts);
    (void)std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S +0000", &parts);
    return text.data();
}

std::string content_of(const TestMessage& message, const Clock& clock) {
    std::string to;
    for (const std::string& recipient : message.to) {
        to += (to.empty() ? "" : ",\r\n ") + recipient;
    }
    const std::string id = std::to_string(clock.wall().time_since_epoch().count()) + '.' +
                           std::to_string(::getpid()) + '.' +
                           std::to_string(clock.boot().time_since_epoch().count());
    const std::string domain = message.from.substr(message.from.rfind('@') + 1);
    return "From: " + message.from + "\r\nTo: " + to +
           "\r\nSubject: Postbearer test\r\nDate: " + date_text(clock.wall()) +
           "\r\nMessage-ID: <postbearer-test." + id + "@" + domain +
           ">\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
           "This message was sent by `postbearer send-test --via graph`.\r\n";
}

bool is_positive(const std::string& answer) {
    return answer.starts_with('2') || answer.starts_with('3');
}

Result<void> hand_over(LmtpDialogue& dialogue, const TestMessage& message, const Clock& clock) {
    std::vector<std::string> commands{"LHLO localhost", "MAIL FROM:<" + message.from + ">"};
    for (const std::string& recipient : message.to) {
        commands.push_back("RCPT TO:<" + recipient + ">");
    }
    commands.emplace_back("DATA");
    auto greeting = dialogue.answer();
    if (!greeting) {
        return tl::unexpected(std::move(greeting.error()));
    }
    if (!is_positive(*greeting)) {
        return failure(Errc::Protocol, "the LMTP front says: " + *greeting);
    }
    for (const std::string& command : commands) {
        auto answer = dialogue.say(command);
        if (!answer) {
            return tl::unexpected(std::move(answer.error()));
        }
        if (!is_positive(*answer)) {
            return failure(Errc::Protocol, command + ": " + *answer);
        }
    }
    return dialogue.write(content_of(message, clock) + ".\r\n");
}

}  // namespace

Result<std::vector<std::string>> send_test(const std::string& socket_path,
                                           const TestMessage& message, const Clock& clock) {
    auto fd = connect_to(socket_path);
    if (!fd) {
        return tl::unexpected(std::move(fd.error()));
    }
    LmtpDialogue dialogue(std::move(*fd));
    if (auto handed = hand_over(dialogue, message, clock); !handed) {
        return tl::unexpected(std::move(handed.error()));
    }
    std::vector<std::string> answers;
    while (answers.size() < message.to.size()) {
        auto answer = dialogue.answer();
        if (!answer) {
            return tl::unexpected(std::move(answer.error()));
        }
        answers.push_back(std::move(*answer));
    }
    (void)dialogue.write("QUIT\r\n");
    return answers;
}

}  // namespace postbearer::milter
