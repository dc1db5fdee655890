// SPDX-License-Identifier: Apache-2.0

// The floor of the Graph transport: an LMTP server on one Boost.Asio loop, as the milter daemon's
// front, that takes everything and answers 250. It announces what the front announces, so that
// lmtp(8) does the same work for both. bench-lmtp-sink SOCKET

#include <sys/stat.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Protocol = asio::local::stream_protocol;

constexpr std::string_view kCapabilities =
    "250-sink.lab.test\r\n250-PIPELINING\r\n250-SIZE 36700160\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
    "250-ENHANCEDSTATUSCODES\r\n250 XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n";
constexpr std::string_view kEndOfMessage = "\r\n.\r\n";

class Connection : public std::enable_shared_from_this<Connection> {
public:
    explicit Connection(Protocol::socket socket) : socket_(std::move(socket)) {}

    void greet() {
        output_ = "220 sink.lab.test LMTP\r\n";
        write();
    }

private:
    void read() {
        socket_.async_read_some(
            asio::buffer(buffer_),
            [self = shared_from_this()](const error_code& error, std::size_t bytes) {
                if (!error) {
                    self->input_.append(self->buffer_.data(), bytes);
                    self->work();
                }
            });
    }

    void write() {
        asio::async_write(
            socket_, asio::buffer(output_),
            [self = shared_from_this()](const error_code& error, std::size_t /*bytes*/) {
                if (!error && !self->over_) {
                    self->output_.clear();
                    self->read();
                }
            });
    }

    /// All that is there, so that a pipeline of commands gets its replies in one write.
    void work() {
        while (in_message_ ? end_of_message() : next_command()) {
        }
        output_.empty() ? read() : write();
    }

    [[nodiscard]] bool end_of_message() {
        const std::size_t end = input_.find(kEndOfMessage);
        if (end == std::string::npos) {
            return false;
        }
        input_.erase(0, end + kEndOfMessage.size());
        for (; recipients_ > 0; --recipients_) {
            output_ += "250 2.0.0 sunk\r\n";
        }
        in_message_ = false;
        return true;
    }

    [[nodiscard]] bool next_command() {
        const std::size_t end = input_.find("\r\n");
        if (end == std::string::npos) {
            return false;
        }
        const std::string command = input_.substr(0, end);
        if (command == "DATA") {
            // Its line end stays: the message may consist of a dot alone.
            input_.erase(0, end);
            in_message_ = true;
            output_ += "354 go ahead\r\n";
            return true;
        }
        input_.erase(0, end + 2);
        if (command.starts_with("LHLO")) {
            output_ += kCapabilities;
        } else if (command == "QUIT") {
            over_ = true;
            output_ += "221 2.0.0 bye\r\n";
        } else {
            recipients_ += command.starts_with("RCPT") ? 1 : 0;
            output_ += "250 2.0.0 ok\r\n";
        }
        return true;
    }

    Protocol::socket socket_;
    std::array<char, 64 * 1024> buffer_{};
    std::string input_;
    std::string output_;
    std::size_t recipients_ = 0;
    bool in_message_ = false;
    bool over_ = false;
};

void accept(Protocol::acceptor& acceptor) {
    acceptor.async_accept([&acceptor](const error_code& error, Protocol::socket socket) {
        if (!error) {
            std::make_shared<Connection>(std::move(socket))->greet();
        }
        accept(acceptor);
    });
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        (void)std::fputs("usage: bench-lmtp-sink SOCKET\n", stderr);
        return 2;
    }
    try {
        asio::io_context loop{1};
        (void)::umask(0);  // lmtp(8) is user postfix
        Protocol::acceptor acceptor(loop, Protocol::endpoint(argv[1]));
        accept(acceptor);
        (void)loop.run();
    } catch (const std::exception& error) {
        (void)std::fprintf(stderr, "bench-lmtp-sink: %s\n", error.what());
    }
    return 1;
}
