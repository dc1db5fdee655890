// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/loopback_listener.hh"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/config/text_file.hh"

namespace postbearer::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kTickEvery = 1s;
constexpr int kBacklog = 64;
constexpr int kReadsInARow = 8;  // one that never stops talking does not keep the others out

std::string response(std::string_view status, std::string_view title, std::string_view text,
                     std::string_view extra = {}) {
    const std::string body =
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" +
        std::string(title) + "</title></head>\n<body><h1>" + std::string(title) + "</h1><p>" +
        std::string(text) + "</p></body></html>\n";
    return "HTTP/1.1 " + std::string(status) +
           "\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: " +
           std::to_string(body.size()) +
           "\r\nContent-Security-Policy: default-src 'none'; base-uri 'none'; form-action 'none'; "
           "frame-ancestors 'none'\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n"
           "X-Content-Type-Options: nosniff\r\n" +
           std::string(extra) + "Connection: close\r\n\r\n" + body;
}

std::string refusal(int status) {
    switch (status) {
        case 404:
            return response("404 Not Found", "Not here",
                            "This address belongs to a login with postbearer.");
        case 405:
            return response("405 Method Not Allowed", "Not this way",
                            "Only the redirect of a login is taken here.", "Allow: GET\r\n");
        case 410:
            return response("410 Gone", "This sign-in was taken already",
                            "Go back to the terminal to see what came of it.");
        case 421:
            return response("421 Misdirected Request", "Not meant for this program",
                            "Only the redirect of a login is taken here.");
        case 431:
            return response("431 Request Header Fields Too Large", "Too long",
                            "The request has more than 16 KiB.");
        case 505:
            return response("505 HTTP Version Not Supported", "Not this HTTP",
                            "Only HTTP/1.1 is spoken here.");
        default:
            return response("400 Bad Request", "Not the sign-in that is waited for",
                            "If you have just signed in: open the newest address that the terminal "
                            "shows, and sign in there.");
    }
}

std::string page_response(Page page) {
    switch (page) {
        case Page::Done:
            return response("200 OK", "Signed in",
                            "You may close this window and go back to the terminal.");
        case Page::NextStep:
            return response("200 OK", "One more step",
                            "Go back to the terminal: it shows the next address to open.");
        case Page::Working:
            return response("200 OK", "Your sign-in has arrived",
                            "Go back to the terminal: it says what comes of it.");
        case Page::Failed:
            break;
    }
    return response("200 OK", "The sign-in did not work",
                    "Go back to the terminal: it says why, and what to do.");
}

void send_whole(int fd, std::string_view bytes) {
    // A fresh socket's buffer holds these few bytes; a peer that reads nothing loses them.
    (void)::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)::shutdown(fd, SHUT_WR);
}

/// ::1 of a port, bound and silent. Invalid where there is no IPv6. Error: somebody else has it.
Result<UniqueFd> hold_port(std::uint16_t port) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_addr = in6addr_loopback;
    const auto* const generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    // Without SO_REUSEADDR: two that do not listen could share the port with it.
    UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd.valid() && ::bind(fd.get(), generic, sizeof(address)) == 0) {
        return fd;
    }
    if (!fd.valid() || errno != EADDRINUSE) {
        return UniqueFd();
    }
    return failure(Errc::Unavailable,
                   "another program has [::1]:" + std::to_string(port) +
                       ", where the browser may go for http://localhost; choose another port with "
                       "--port, or use --paste");
}

int milliseconds_until(BootTime until) {
    const auto left = std::clamp<BootClock::rep>((until - BootClock::now()).count(), 0, 60'000);
    return static_cast<int>(left);
}

}  // namespace

LoopbackListener::LoopbackListener(UniqueFd fd, std::uint16_t port, LoopbackLimits limits)
    : fd_(std::move(fd)), port_(port), limits_(limits) {}

Result<LoopbackListener> LoopbackListener::open(std::uint16_t port, Hold hold,
                                                LoopbackLimits limits) {
    constexpr int kTries = 16;
    for (int turn = 0;; ++turn) {
        auto listener = open_address(port, limits);
        if (!listener || hold == Hold::Address) {
            return listener;
        }
        auto held = hold_port(listener->port());
        if (held) {
            listener->held_ = std::move(*held);
            return listener;
        }
        if (port != 0 || turn == kTries) {
            return tl::unexpected(held.error());
        }
    }
}

Result<LoopbackListener> LoopbackListener::open_address(std::uint16_t port, LoopbackLimits limits) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* const generic = static_cast<sockaddr*>(static_cast<void*>(&address));
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    // A login may follow another on a fixed port at once; this shares no port with a listener.
    const int on = 1;
    if (!fd.valid() || ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        ::bind(fd.get(), generic, length) != 0 || ::listen(fd.get(), kBacklog) != 0 ||
        ::getsockname(fd.get(), generic, &length) != 0) {
        const int number = errno;
        std::string text = "cannot listen on 127.0.0.1";
        text += port == 0 ? "" : ":" + std::to_string(port);
        text += ": " + config::system_error_text(number);
        text += number == EADDRINUSE ? "; choose another with --port, or use --paste" : "";
        return failure(Errc::Unavailable, std::move(text));
    }
    return LoopbackListener(std::move(fd), ntohs(address.sin_port), limits);
}

Result<Secret> LoopbackListener::wait(const ExpectedRedirect& expected, const Interrupt* interrupt,
                                      BootTime deadline, const std::function<void()>& tick) {
    for (BootTime now = BootClock::now(); now < deadline; now = BootClock::now()) {
        if (!poll_once(interrupt, std::min(deadline, now + kTickEvery))) {
            return failure(Errc::Timeout, "called off");
        }
        for (auto each = connections_.begin(); each != connections_.end();) {
            if (serve(*each, expected)) {
                taken_states_.push_back(expected.state);
                const std::string_view query = judge_request(view(each->bytes), expected).query;
                Secret out(query);
                taken_ = std::move(each->fd);
                connections_.erase(each);
                return out;
            }
            each = each->fd.valid() ? std::next(each) : connections_.erase(each);
        }
        drop_overdue(BootClock::now());
        if (tick) {
            tick();
        }
    }
    return failure(Errc::Timeout, "nobody came back from the browser in time");
}

/// Returns when something may be read, or at `until`, or when a connection is overdue. False:
/// ctrl-C.
bool LoopbackListener::poll_once(const Interrupt* interrupt, BootTime until) {
    std::vector<pollfd> watched{{interrupt != nullptr ? interrupt->fd() : -1, POLLIN, 0},
                                {fd_.get(), POLLIN, 0}};
    for (const Connection& connection : connections_) {
        watched.push_back({connection.fd.get(), POLLIN, 0});
        until = std::min(until, connection.until);
    }
    (void)::poll(watched.data(), watched.size(), milliseconds_until(until));
    if (watched[0].revents != 0) {
        return false;
    }
    accept_some();
    return true;
}

/// Not more in one turn than may be open: somebody who connects without end must not keep those
/// from being served who have asked.
void LoopbackListener::accept_some() {
    for (std::size_t turn = 0; turn < limits_.connections; ++turn) {
        UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!fd.valid()) {
            return;
        }
        if (connections_.size() >= limits_.connections) {
            make_room();
        }
        connections_.push_back(
            {std::move(fd), {}, BootClock::now() + limits_.per_connection, false});
    }
}

/// One that has its answer goes first, else the oldest, which has had its chance.
void LoopbackListener::make_room() {
    const auto answered = std::find_if(connections_.begin(), connections_.end(),
                                       [](const Connection& each) { return each.answered; });
    connections_.erase(answered != connections_.end() ? answered : connections_.begin());
}

void LoopbackListener::drop_overdue(BootTime now) {
    connections_.remove_if([now](const Connection& each) { return each.until <= now; });
}

bool LoopbackListener::read_some(Connection& connection) {
    std::array<char, 4096> bytes{};
    for (int turn = 0; turn < kReadsInARow; ++turn) {
        const ssize_t got = ::recv(connection.fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            return true;
        }
        if (got <= 0) {
            return false;
        }
        if (!connection.answered) {
            append(connection.bytes, {bytes.data(), static_cast<std::size_t>(got)});
        }
        explicit_bzero(bytes.data(), bytes.size());
        if (connection.bytes.size() > kMaxRequestHeadBytes) {
            return true;
        }
    }
    return true;
}

bool LoopbackListener::serve(Connection& connection, const ExpectedRedirect& expected) {
    const bool open = read_some(connection);
    const auto length = request_head_length(view(connection.bytes));
    if (connection.answered || (!open && !length)) {
        if (!open) {
            connection.fd.reset();
        }
        return false;
    }
    if (length.value_or(connection.bytes.size()) > kMaxRequestHeadBytes) {
        respond(connection, refusal(431));
        return false;
    }
    if (!length) {
        return false;
    }
    connection.bytes.resize(*length);
    const int status = judge_request(view(connection.bytes), expected).status;
    if (status == 200) {
        return true;
    }
    respond(connection, refusal(was_taken(view(connection.bytes), expected) ? 410 : status));
    return false;
}

bool LoopbackListener::was_taken(std::string_view head, const ExpectedRedirect& expected) const {
    return std::any_of(taken_states_.begin(), taken_states_.end(), [&](const std::string& state) {
        ExpectedRedirect earlier = expected;
        earlier.state = state;
        return judge_request(head, earlier).status == 200;
    });
}

void LoopbackListener::respond(Connection& connection, std::string_view response) {
    send_whole(connection.fd.get(), response);
    connection.answered = true;
    connection.bytes.clear();
    connection.bytes.shrink_to_fit();
}

void LoopbackListener::answer(Page page) {
    if (taken_.valid()) {
        send_whole(taken_.get(), page_response(page));
        taken_.reset();
    }
}

void LoopbackListener::turn_away(const ExpectedRedirect& expected) {
    ExpectedRedirect nothing = expected;
    nothing.state = "\n";  // no request can hold it
    (void)poll_once(nullptr, BootClock::now());
    for (Connection& connection : connections_) {
        (void)serve(connection, nothing);
    }
}

}  // namespace postbearer::cli
