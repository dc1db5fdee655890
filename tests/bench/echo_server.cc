// SPDX-License-Identifier: Apache-2.0

// The floor: what any server on one Boost.Asio loop costs for a request and an answer of these
// sizes over a kept Unix connection. It reads, looks for the end of the request, and writes bytes
// made beforehand; nothing of the agent's code is in it. bench-echo SOCKET ANSWER_BYTES

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include "common/text.hh"

namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Protocol = asio::local::stream_protocol;

class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(Protocol::socket socket, const std::string& answer)
        : socket_(std::move(socket)), answer_(answer) {}

    void read() {
        socket_.async_read_some(
            asio::buffer(buffer_.data() + held_, buffer_.size() - held_),
            [self = shared_from_this()](const error_code& error, std::size_t bytes) {
                if (!error) {
                    self->received(bytes);
                }
            });
    }

private:
    void received(std::size_t bytes) {
        held_ += bytes;
        if (!std::string_view(buffer_.data(), held_).ends_with("\n\n")) {
            read();
            return;
        }
        held_ = 0;
        asio::async_write(
            socket_, asio::buffer(answer_),
            [self = shared_from_this()](const error_code& error, std::size_t /*bytes*/) {
                if (!error) {
                    self->read();
                }
            });
    }

    Protocol::socket socket_;
    const std::string& answer_;
    std::array<char, 8192> buffer_{};
    std::size_t held_ = 0;
};

class Listener {
public:
    Listener(asio::io_context& loop, const std::string& path, std::size_t answer_bytes)
        : acceptor_(loop, Protocol::endpoint(path)), answer_(answer_bytes - 2, 'x') {
        answer_ += "\n\n";
    }

    void accept() {
        acceptor_.async_accept([this](const error_code& error, Protocol::socket socket) {
            if (!error) {
                std::make_shared<Connection>(std::move(socket), answer_)->read();
            }
            accept();
        });
    }

private:
    Protocol::acceptor acceptor_;
    std::string answer_;
};

}  // namespace

int main(int argc, char** argv) {
    try {
        const auto answer_bytes = argc == 3 ? postbearer::parse_decimal(argv[2]) : std::nullopt;
        if (!answer_bytes || *answer_bytes < 2) {
            (void)std::fputs("usage: bench-echo SOCKET ANSWER_BYTES\n", stderr);
            return 2;
        }
        asio::io_context loop{1};  // as the agent's
        Listener listener(loop, argv[1], *answer_bytes);
        listener.accept();
        (void)loop.run();
    } catch (const std::exception& error) {
        (void)std::fprintf(stderr, "bench-echo: %s\n", error.what());
    }
    return 1;
}
