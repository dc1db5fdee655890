// SPDX-License-Identifier: Apache-2.0
#pragma once

// The blocking client of agent.sock, for callers that have nothing else to do meanwhile: the SASL
// plugin inside smtp(8), the milter's LMTP sessions and the command line.

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/agent_protocol.hh"
#include "common/clock.hh"
#include "common/result.hh"
#include "common/secret.hh"
#include "common/unique_fd.hh"

namespace postbearer {

/// One request, one answer, never longer than the deadline. Keeps its connection between calls and
/// finds out by itself when that must not be used again: after a fork, when the agent closed it,
/// when the socket file was replaced, after any failure. Not for two threads at once.
///
/// An agent that is away (no socket, connection refused, closed before the answer was whole) is
/// tried again every 100 ms until the deadline: every request is idempotent.
class AgentClient {
public:
    /// Builds the request of one attempt, knowing how much time that attempt has.
    using RequestMaker = std::function<Secret(std::chrono::milliseconds left)>;

    /// `paths` are tried in order, each time a connection is made; at least one.
    explicit AgentClient(std::vector<std::string> paths,
                         std::size_t max_answer_bytes = protocol::kMaxAnswerBytes);

    /// The whole answer: it is framed well and begins with `status=`. Errors, whose context names
    /// the socket, the cause and what to look at: Unavailable (nobody answered until the
    /// deadline), Timeout (connected, but no whole answer), Denied (EACCES), Protocol (oversize or
    /// garbled), Config (a path that no socket can have).
    [[nodiscard]] Result<Secret> round_trip(const RequestMaker& make_request, BootTime deadline);
    [[nodiscard]] Result<Secret> round_trip(std::string_view request, BootTime deadline);

    [[nodiscard]] const std::vector<std::string>& paths() const noexcept { return paths_; }
    [[nodiscard]] bool connected() const noexcept { return fd_.valid(); }
    void disconnect() noexcept { fd_.reset(); }

private:
    /// Tells a socket file from one made later at the same path. The change time is part of it
    /// because tmpfs and ext4 give a freed inode number out again at once.
    struct FileId {
        dev_t device = 0;
        ino_t inode = 0;
        timespec changed{};
        [[nodiscard]] bool operator==(const FileId& other) const noexcept;
    };
    /// Why an attempt failed, and whether a fresh connection may help.
    struct Setback {
        Error error;
        bool again = false;
    };
    template <typename T>
    using Attempt = tl::expected<T, Setback>;

    [[nodiscard]] static std::optional<FileId> identify(const std::string& path) noexcept;
    [[nodiscard]] static Setback setback(int error_number, const std::string& path);
    [[nodiscard]] static Setback closed_early(const std::string& path);
    [[nodiscard]] bool reusable() const noexcept;
    [[nodiscard]] Attempt<void> connect_any();
    [[nodiscard]] Attempt<void> connect_to(const std::string& path);
    [[nodiscard]] Attempt<Secret> attempt(const RequestMaker& make_request, BootTime deadline);
    [[nodiscard]] Attempt<void> send_all(std::string_view bytes, BootTime deadline) const;
    [[nodiscard]] Attempt<Secret> receive(BootTime deadline);
    [[nodiscard]] Attempt<void> limit_receive(BootTime deadline);
    [[nodiscard]] Attempt<Secret> checked(WipedBytes&& bytes, std::size_t length) const;
    [[nodiscard]] Attempt<void> await(short events, BootTime deadline) const;

    std::vector<std::string> paths_;
    std::size_t max_answer_bytes_;
    UniqueFd fd_;
    std::chrono::milliseconds receive_limit_{};  // SO_RCVTIMEO of fd_
    std::string connected_path_;
    std::optional<FileId> connected_file_;
    pid_t connected_by_ = -1;
};

}  // namespace postbearer
