// SPDX-License-Identifier: Apache-2.0
#include "tests/support/dialogue.hh"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <array>

#include "common/base64.hh"
#include "tests/support/failure.hh"

namespace postbearer::test {
namespace {

constexpr timeval kReadPatience{120, 0};

template <typename Address>
const sockaddr* generic(const Address& address) {
    return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

sockaddr_in inet_address(const std::string& host, std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
        fail("no address: " + host);
    }
    return address;
}

}  // namespace

Dialogue Dialogue::tcp(std::uint16_t port, const std::string& source) {
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kReadPatience, sizeof kReadPatience);
    const sockaddr_in from = inet_address(source, 0);
    const sockaddr_in to = inet_address("127.0.0.1", port);
    if (::bind(fd.get(), generic(from), sizeof from) != 0 ||
        ::connect(fd.get(), generic(to), sizeof to) != 0) {
        fail_errno("cannot connect to port " + std::to_string(port));
    }
    return Dialogue(std::move(fd));
}

Dialogue Dialogue::unix_socket(const Path& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& text = path.native();
    if (text.size() >= sizeof address.sun_path) {
        fail("too long for a socket: " + text);
    }
    std::copy(text.begin(), text.end(), std::begin(address.sun_path));
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kReadPatience, sizeof kReadPatience);
    if (::connect(fd.get(), generic(address), sizeof address) != 0) {
        fail_errno("cannot connect to " + text);
    }
    return Dialogue(std::move(fd));
}

std::string Dialogue::line() {
    for (;;) {
        const std::size_t end = buffer_.find('\n');
        if (end != std::string::npos) {
            std::string found = buffer_.substr(0, end);
            buffer_.erase(0, end + 1);
            if (!found.empty() && found.back() == '\r') {
                found.pop_back();
            }
            return found;
        }
        if (!read_more()) {
            return {};
        }
    }
}

bool Dialogue::read_more() {
    std::array<char, 4096> bytes{};
    const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    if (got < 0 && errno == EAGAIN) {
        fail("no reply within 120 s");
    }
    buffer_.append(bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    return got > 0;
}

std::string Dialogue::bytes(std::size_t count) {
    while (buffer_.size() < count && read_more()) {
    }
    std::string found = buffer_.substr(0, count);
    buffer_.erase(0, found.size());
    return found;
}

std::string Dialogue::reply() {
    std::string text;
    for (;;) {
        const std::string next = line();
        text += text.empty() ? next : "\n" + next;
        if (next.size() < 4 || next[3] != '-') {
            return text;
        }
    }
}

void Dialogue::write(const std::string& bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t sent =
            ::send(fd_.get(), bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
        if (sent <= 0) {
            return;  // the other side has closed; the next reply() tells
        }
        done += static_cast<std::size_t>(sent);
    }
}

std::string Dialogue::say(const std::string& line) {
    write(line + "\r\n");
    return reply();
}

std::string Dialogue::expect(const std::string& line, const std::string& code) {
    std::string answer = say(line);
    if (!answer.starts_with(code)) {
        fail(line + " was answered " + answer + ", not " + code);
    }
    return answer;
}

void Dialogue::write_message(const std::string& message) {
    std::string wire;
    bool at_start = true;
    char before = '\0';
    for (const char c : message) {
        if (at_start && c == '.') {
            wire += '.';
        }
        if (c == '\n' && before != '\r') {
            wire += '\r';
        }
        wire += c;
        at_start = c == '\n';
        before = c;
    }
    if (!at_start) {
        wire += "\r\n";
    }
    write(wire + ".\r\n");
}

void Dialogue::open_smtp(const std::string& user, const std::string& password) {
    if (const std::string greeting = reply(); !greeting.starts_with("220")) {
        fail("greeted with " + greeting);
    }
    expect("EHLO client.lab.test", "250");
    if (!user.empty()) {
        const std::string plain = std::string(1, '\0') + user + std::string(1, '\0') + password;
        const WipedBytes encoded = base64_encode(plain);
        expect("AUTH PLAIN " + std::string(view(encoded)), "235");
    }
}

std::string Dialogue::send(const std::string& from, const std::vector<std::string>& to,
                           const std::string& message, const std::string& mail_parameters) {
    std::string answer = say("MAIL FROM:<" + from + ">" + mail_parameters);
    for (const std::string& recipient : to) {
        if (!answer.starts_with("250")) {
            return answer;
        }
        answer = say("RCPT TO:<" + recipient + ">");
    }
    if (answer.starts_with("250")) {
        answer = say("DATA");
    }
    if (!answer.starts_with("354")) {
        return answer;
    }
    write_message(message);
    return reply();
}

}  // namespace postbearer::test
