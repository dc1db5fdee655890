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
constexpr auto kConnectEvery = 100ms;
constexpr std::string_view kNoAnswer = "no answer in time (see the log of postbearer-agent)";
constexpr std::size_t kReadBytes = 8UL * 1024;

Error trouble(const std::string& path, std::string_view what, Errc code = Errc::Unavailable) {
    return {code, "agent socket " + path + ": " + std::string(what)};
}

/// What a call waits with. Signals are blocked, so that nothing else ends a wait.
struct Patience {
    const Interrupt* interrupt;
    BootTime deadline;

    [[nodiscard]] bool called_off() const { return interrupt != nullptr && interrupt->seen(); }
    [[nodiscard]] bool is_over() const { return BootClock::now() >= deadline || called_off(); }
    [[nodiscard]] Error error(const std::string& path, std::string_view late, Errc code) const {
        return called_off() ? Error{Errc::Timeout, "called off"} : trouble(path, late, code);
    }
};

Result<UniqueFd> connect_to(const std::string& path, const Patience& patience) {
    sockaddr_un address{};
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        return tl::unexpected(trouble(path, "the path must have 1 to 107 bytes", Errc::Config));
    }
    address.sun_family = AF_UNIX;
    path.copy(std::begin(address.sun_path), path.size());
    const auto* const generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    while (!fd.valid() || ::connect(fd.get(), generic, sizeof(address)) != 0) {
        const int number = errno;
        if (fd.valid() && number == EINTR) {
            continue;
        }
        if (!fd.valid() || number != EAGAIN) {
            return tl::unexpected(
                with_advice(trouble(path, config::system_error_text(number),
                                    number == EACCES ? Errc::Denied : Errc::Unavailable)));
        }
        if (patience.is_over()) {
            return tl::unexpected(
                patience.error(path, "its queue of connections is full: is postbearer-agent stuck?",
                               Errc::Unavailable));
        }
        // A full queue of a Unix socket cannot be polled for.
        (void)wait_ready(-1, 0, patience.interrupt,
                         std::min(patience.deadline, BootClock::now() + kConnectEvery));
    }
    return fd;
}

Result<void> send_all(int fd, std::string_view bytes, const std::string& path,
                      const Patience& patience) {
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
            continue;
        }
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent == 0 || errno != EAGAIN) {
            return tl::unexpected(with_advice(trouble(path, "the agent hung up")));
        }
        if (!wait_ready(fd, POLLOUT, patience.interrupt, patience.deadline)) {
            return tl::unexpected(patience.error(path, kNoAnswer, Errc::Timeout));
        }
    }
    return {};
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
    const Patience limit{interrupt, BootClock::now() + patience};
    const auto fd = connect_to(socket_path_, limit);
    if (!fd) {
        return tl::unexpected(fd.error());
    }
    protocol::MessageWriter writer(arguments.size() + 64);
    writer.add("request", verb).add("json", arguments.reveal());
    const Secret request = std::move(writer).finish();
    if (auto sent = send_all(fd->get(), request.reveal(), socket_path_, limit); !sent) {
        return tl::unexpected(sent.error());
    }
    const BootTime deadline = limit.deadline;
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
    return tl::unexpected(trouble(socket_path_, kNoAnswer, Errc::Timeout));
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
