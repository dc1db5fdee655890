// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/unique_fd.hh"
#include "tests/support/files.hh"

namespace postbearer::test {

/// One SMTP or LMTP conversation, word by word. What does not come within the patience of tests
/// fails the test.
class Dialogue {
public:
    /// 127.0.0.1:port, from `source` (an address of 127.0.0.0/8).
    [[nodiscard]] static Dialogue tcp(std::uint16_t port, const std::string& source = "127.0.0.1");
    [[nodiscard]] static Dialogue unix_socket(const Path& path);

    /// One reply: its lines joined by LF, without CR. Empty: the other side has closed.
    [[nodiscard]] std::string reply();
    /// The next `count` bytes; fewer when the other side has closed.
    [[nodiscard]] std::string bytes(std::size_t count);
    /// Sends the line with CRLF and reads the reply.
    std::string say(const std::string& line);
    /// The same, and fails the test unless the reply begins with `code`.
    std::string expect(const std::string& line, const std::string& code);
    /// Bytes as they are.
    void write(const std::string& bytes);
    /// `message` with LF or CRLF ends, dots stuffed, and the final dot; reads no reply.
    void write_message(const std::string& message);
    void close() { fd_.reset(); }

    /// Greeting and EHLO; AUTH PLAIN if `user` is not empty.
    void open_smtp(const std::string& user = {}, const std::string& password = {});
    /// MAIL, RCPT..., DATA, message; the final reply. Parameters of MAIL begin with a blank.
    std::string send(const std::string& from, const std::vector<std::string>& to,
                     const std::string& message, const std::string& mail_parameters = {});

private:
    explicit Dialogue(UniqueFd fd) : fd_(std::move(fd)) {}
    [[nodiscard]] std::string line();
    /// False: the other side has closed.
    bool read_more();

    UniqueFd fd_;
    std::string buffer_;
};

}  // namespace postbearer::test
