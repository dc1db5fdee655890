// SPDX-License-Identifier: Apache-2.0
#include "common/agent_client.hh"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

namespace postbearer {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kRetryPause{100};
constexpr milliseconds kReceiveSlack{50};
/// Holds nearly every token at the first read; growth stops at the caller's limit.
constexpr std::size_t kReadBytes = 8UL * 1024;

milliseconds left_until(BootTime deadline) noexcept {
    return std::max(deadline - BootClock::now(), milliseconds(0));
}

int poll_timeout(milliseconds left) noexcept {
    constexpr milliseconds::rep kLongest = std::numeric_limits<int>::max();
    return static_cast<int>(std::min(left.count(), kLongest));
}

void pause_before_retry(BootTime deadline) noexcept {
    const BootTime until = std::min(deadline, BootClock::now() + kRetryPause);
    for (milliseconds left = left_until(until); left.count() > 0; left = left_until(until)) {
        (void)::poll(nullptr, 0, poll_timeout(left));  // a signal only means to look again
    }
}

/// What the operator can do about it; empty where the errno text says it all.
std::string_view advice(int error_number) noexcept {
    switch (error_number) {
        case ENOENT:
            return " (is postbearer-agent running, and does it listen there?)";
        case ECONNREFUSED:
            return " (a socket is there but nobody listens: is postbearer-agent running?)";
        case EACCES:
            return " (check owner and mode of the socket and of the directories above it)";
        case EAGAIN:
            return " (its queue of connections is full: is postbearer-agent stuck?)";
        case EMFILE:
        case ENFILE:
            return " (no file descriptor left in this process or host)";
        default:
            return {};
    }
}

std::string describe(const std::string& path, std::string_view what) {
    std::string text = "agent socket " + path + ": ";
    text += what;
    return text;
}

bool agent_may_come_back(int error_number) noexcept {
    return error_number == ENOENT || error_number == ECONNREFUSED || error_number == EPIPE ||
           error_number == ECONNRESET || error_number == EAGAIN;
}

}  // namespace

bool AgentClient::FileId::operator==(const FileId& other) const noexcept {
    return device == other.device && inode == other.inode &&
           changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
}

AgentClient::AgentClient(std::vector<std::string> paths, std::size_t max_answer_bytes)
    : paths_(std::move(paths)), max_answer_bytes_(max_answer_bytes) {}

Result<Secret> AgentClient::round_trip(std::string_view request, BootTime deadline) {
    return round_trip([request](milliseconds) { return Secret(request); }, deadline);
}

Result<Secret> AgentClient::round_trip(const RequestMaker& make_request, BootTime deadline) {
    if (!reusable()) {
        disconnect();
    }
    for (;;) {
        const bool kept = connected();
        Attempt<Secret> answer = attempt(make_request, deadline);
        if (answer) {
            return Result<Secret>(std::move(*answer));
        }
        // Whatever failed, a late answer on this connection must not meet the next request.
        disconnect();
        if (answer.error().again && !kept) {
            pause_before_retry(deadline);
        }
        if (!answer.error().again || left_until(deadline).count() == 0) {
            return tl::unexpected(std::move(answer.error().error));
        }
    }
}

AgentClient::Attempt<Secret> AgentClient::attempt(const RequestMaker& make_request,
                                                  BootTime deadline) {
    if (!connected()) {
        if (Attempt<void> made = connect_any(); !made) {
            return tl::unexpected(std::move(made.error()));
        }
    }
    const Secret request = make_request(left_until(deadline));
    if (Attempt<void> sent = send_all(request.reveal(), deadline); !sent) {
        return tl::unexpected(std::move(sent.error()));
    }
    return receive(deadline);
}

bool AgentClient::reusable() const noexcept {
    if (!connected() || connected_by_ != ::getpid()) {
        return false;
    }
    const std::optional<FileId> file = identify(connected_path_);
    if (!file || !connected_file_ || !(*file == *connected_file_)) {
        return false;
    }
    char byte = 0;
    const ssize_t got = ::recv(fd_.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got < 0 && errno == EAGAIN;  // neither closed nor holding bytes that nobody asked for
}

std::optional<AgentClient::FileId> AgentClient::identify(const std::string& path) noexcept {
    struct stat file {};
    if (::stat(path.c_str(), &file) != 0) {
        return std::nullopt;
    }
    return FileId{file.st_dev, file.st_ino, file.st_ctim};
}

AgentClient::Setback AgentClient::setback(int error_number, const std::string& path) {
    const Errc code = error_number == EACCES ? Errc::Denied : Errc::Unavailable;
    const char* const meaning = strerrordesc_np(error_number);
    std::string text =
        describe(path, meaning != nullptr ? meaning : "errno " + std::to_string(error_number));
    text += advice(error_number);
    return {{code, std::move(text)}, agent_may_come_back(error_number)};
}

AgentClient::Setback AgentClient::closed_early(const std::string& path) {
    return {{Errc::Unavailable,
             describe(path,
                      "the connection was closed before the answer was whole (see the log of "
                      "postbearer-agent)")},
            true};
}

AgentClient::Attempt<void> AgentClient::connect_any() {
    std::optional<Setback> worst;
    for (const std::string& path : paths_) {
        Attempt<void> made = connect_to(path);
        if (made) {
            return {};
        }
        // A socket that is there and fails tells more than one that is not.
        if (!worst || ::access(path.c_str(), F_OK) == 0) {
            worst = std::move(made.error());
        }
    }
    if (!worst) {
        return tl::unexpected(Setback{{Errc::Config, "no agent socket is configured"}, false});
    }
    return tl::unexpected(std::move(*worst));
}

AgentClient::Attempt<void> AgentClient::connect_to(const std::string& path) {
    sockaddr_un address{};
    if (path.empty() || path.size() >= sizeof(address.sun_path) ||
        path.find('\0') != std::string::npos) {
        return tl::unexpected(
            Setback{{Errc::Config, describe(path, "the path must have 1 to 107 bytes")}, false});
    }
    address.sun_family = AF_UNIX;
    path.copy(std::begin(address.sun_path), path.size());
    // Before connect: if the file is replaced in between, the next call sees a difference.
    const std::optional<FileId> file = identify(path);
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.valid()) {
        return tl::unexpected(setback(errno, path));
    }
    // A Unix socket connects at once or fails; EINPROGRESS does not exist here.
    const auto* const generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
    while (::connect(fd.get(), generic, sizeof(address)) != 0) {
        if (errno != EINTR) {
            return tl::unexpected(setback(errno, path));
        }
    }
    // Blocking from here: connect(2) must not wait for room in the backlog, recv(2) has its limit,
    // send(2) says MSG_DONTWAIT.
    if (::fcntl(fd.get(), F_SETFL, 0) != 0) {
        return tl::unexpected(setback(errno, path));
    }
    fd_ = std::move(fd);
    receive_limit_ = milliseconds(0);
    connected_path_ = path;
    connected_file_ = file;
    connected_by_ = ::getpid();
    return {};
}

AgentClient::Attempt<void> AgentClient::await(short events, BootTime deadline) const {
    for (;;) {
        const milliseconds left = left_until(deadline);
        if (left.count() == 0) {
            return tl::unexpected(Setback{
                {Errc::Timeout,
                 describe(connected_path_, "no answer in time (see the log of postbearer-agent)")},
                false});
        }
        pollfd ready{fd_.get(), events, 0};
        const int count = ::poll(&ready, 1, poll_timeout(left));
        if (count > 0) {
            return {};  // an error condition shows at the next send or recv
        }
        if (count < 0 && errno != EINTR) {
            return tl::unexpected(setback(errno, connected_path_));
        }
    }
}

AgentClient::Attempt<void> AgentClient::send_all(std::string_view bytes, BootTime deadline) const {
    while (!bytes.empty()) {
        const ssize_t sent =
            ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
            continue;
        }
        if (errno == EINTR) {
            continue;
        }
        if (errno == EPIPE || errno == ECONNRESET) {
            return tl::unexpected(closed_early(connected_path_));
        }
        if (errno != EAGAIN) {
            return tl::unexpected(setback(errno, connected_path_));
        }
        if (Attempt<void> ready = await(POLLOUT, deadline); !ready) {
            return ready;
        }
    }
    return {};
}

/// One recv(2) per answer instead of poll(2) and recv(2): the socket's own receive time-out bounds
/// it. That is set anew only when less time is left than it allows.
AgentClient::Attempt<void> AgentClient::limit_receive(BootTime deadline) {
    const milliseconds left = left_until(deadline);
    if (left.count() == 0) {
        return tl::unexpected(Setback{
            {Errc::Timeout,
             describe(connected_path_, "no answer in time (see the log of postbearer-agent)")},
            false});
    }
    if (receive_limit_.count() != 0 && receive_limit_ <= left) {
        return {};
    }
    // A little less, so that the next session of the same length needs no new one.
    const milliseconds limit = left > 2 * kReceiveSlack ? left - kReceiveSlack : left;
    const auto whole = std::chrono::floor<std::chrono::seconds>(limit);
    timeval value{};
    value.tv_sec = whole.count();
    value.tv_usec = std::chrono::microseconds(limit - whole).count();
    if (::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &value, sizeof value) != 0) {
        return tl::unexpected(setback(errno, connected_path_));
    }
    receive_limit_ = limit;
    return {};
}

/// Reads straight into wiped memory, so that no buffer on the stack keeps a token.
AgentClient::Attempt<Secret> AgentClient::receive(BootTime deadline) {
    WipedBytes bytes;
    std::size_t filled = 0;
    for (;;) {
        if (Attempt<void> limited = limit_receive(deadline); !limited) {
            return tl::unexpected(std::move(limited.error()));
        }
        // One byte more than allowed, so that a message of exactly the limit still passes.
        bytes.resize(std::min(std::max(filled * 2, kReadBytes), max_answer_bytes_ + 1));
        const ssize_t got = ::recv(fd_.get(), bytes.data() + filled, bytes.size() - filled, 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (got == 0 || (got < 0 && errno == ECONNRESET)) {
            return tl::unexpected(closed_early(connected_path_));
        }
        if (got < 0) {
            return tl::unexpected(setback(errno, connected_path_));
        }
        const std::size_t scanned = filled;
        filled += static_cast<std::size_t>(got);
        const std::string_view text(bytes.data(), filled);
        if (const auto length = protocol::message_length(text, scanned)) {
            bytes.resize(filled);
            return checked(std::move(bytes), *length);
        }
        if (filled > max_answer_bytes_) {
            return checked(std::move(bytes), filled);
        }
    }
}

AgentClient::Attempt<Secret> AgentClient::checked(WipedBytes&& bytes, std::size_t length) const {
    const auto garbled = [this](std::string_view what) {
        std::string text = describe(connected_path_, "garbled answer, ");
        text += what;
        return tl::unexpected(Setback{{Errc::Protocol, std::move(text)}, false});
    };
    if (length > max_answer_bytes_) {
        return garbled("longer than " + std::to_string(max_answer_bytes_) + " bytes");
    }
    const auto attributes = protocol::Attributes::parse(view(bytes));
    if (!attributes) {
        return garbled(attributes.error().context);
    }
    if (attributes->all().empty() || attributes->all().front().name != "status") {
        return garbled("it does not begin with a status");
    }
    return Secret(std::move(bytes));
}

}  // namespace postbearer
