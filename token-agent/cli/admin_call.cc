// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/admin_call.hh"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>

#include "common/agent_protocol.hh"
#include "common/config/text_file.hh"
#include "common/unique_fd.hh"
#include "token-agent/cli/command.hh"

namespace postbearer::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kTickEvery = 1s;
constexpr std::size_t kReadBytes = 8UL * 1024;

Error trouble(const std::string& path, std::string_view what, Errc code = Errc::Unavailable) {
    return {code, "agent socket " + path + ": " + std::string(what)};
}

Result<UniqueFd> connect_to(const std::string& path) {
    sockaddr_un address{};
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        return tl::unexpected(trouble(path, "the path must have 1 to 107 bytes", Errc::Config));
    }
    address.sun_family = AF_UNIX;
    path.copy(std::begin(address.sun_path), path.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto* const generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    if (!fd.valid() || ::connect(fd.get(), generic, sizeof(address)) != 0) {
        const int number = errno;
        return tl::unexpected(
            with_advice(trouble(path, config::system_error_text(number),
                                number == EACCES ? Errc::Denied : Errc::Unavailable)));
    }
    return fd;
}

bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

/// What has come of an answer so far.
struct Incoming {
    WipedBytes bytes;

    /// 1: whole, 0: more to come, -1: it will never be whole.
    int receive(int fd) {
        const std::size_t before = bytes.size();
        bytes.resize(before + kReadBytes);
        const ssize_t got = ::recv(fd, bytes.data() + before, kReadBytes, MSG_DONTWAIT);
        bytes.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            return 0;
        }
        if (got <= 0 || bytes.size() > protocol::kMaxAdminBytes + kReadBytes) {
            return -1;
        }
        return protocol::message_length(view(bytes), before) ? 1 : 0;
    }
};

}  // namespace

Result<Json::Value> AdminTalk::exchange(std::string_view verb, const Secret& arguments,
                                        std::chrono::seconds patience, const Tick& tick,
                                        const Interrupt* interrupt) const {
    const auto fd = connect_to(socket_path_);
    if (!fd) {
        return tl::unexpected(fd.error());
    }
    protocol::MessageWriter writer(arguments.size() + 64);
    writer.add("request", verb).add("json", arguments.reveal());
    const Secret request = std::move(writer).finish();
    if (!send_all(fd->get(), request.reveal())) {
        return tl::unexpected(with_advice(trouble(socket_path_, "the agent hung up")));
    }
    const BootTime deadline = BootClock::now() + patience;
    Incoming answer;
    for (BootTime now = BootClock::now(); now < deadline; now = BootClock::now()) {
        if (wait_readable(fd->get(), interrupt, std::min(deadline, now + kTickEvery))) {
            const int state = answer.receive(fd->get());
            if (state < 0) {
                return tl::unexpected(
                    trouble(socket_path_,
                            "the connection was closed before the answer was whole (see the log of "
                            "postbearer-agent)"));
            }
            if (state > 0) {
                return parse_admin_answer(view(answer.bytes));
            }
        } else if (interrupt != nullptr && interrupt->seen()) {
            return failure(Errc::Timeout, "called off");
        }
        if (tick) {
            tick();
        }
    }
    return tl::unexpected(trouble(
        socket_path_, "no answer in time (see the log of postbearer-agent)", Errc::Timeout));
}

Result<Json::Value> AdminTalk::call(std::string_view verb, const Secret& arguments,
                                    std::chrono::seconds patience, const Tick& tick) const {
    return exchange(verb, arguments, patience, tick, console_.interrupt);
}

Result<Json::Value> AdminTalk::call_last(std::string_view verb, const Secret& arguments,
                                         std::chrono::seconds patience) const {
    return exchange(verb, arguments, patience, {}, nullptr);
}

}  // namespace postbearer::cli
