// SPDX-License-Identifier: Apache-2.0
#include "sasl-plugin/agent_link.hh"

#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>

#include "common/agent_client.hh"

namespace postbearer::sasl {
namespace {

using std::chrono::milliseconds;

/// The process's kept client while nobody uses it. Taken and put back by exchange, so no thread
/// ever waits and at most one connection stays open. A plain pointer, because smtp(8) must not run
/// destructors of ours at exit.
constinit std::atomic<AgentClient*> kept_client{nullptr};

/// The working directory found to be a queue directory last; 0: none.
constinit std::atomic<std::uint64_t> known_queue_directory{0};

std::unique_ptr<AgentClient> take_client(const std::vector<std::string>& sockets) {
    std::unique_ptr<AgentClient> client(kept_client.exchange(nullptr));
    if (!client || client->paths() != sockets) {
        client = std::make_unique<AgentClient>(sockets);
    }
    return client;
}

void keep_client(std::unique_ptr<AgentClient> client) noexcept {
    const std::unique_ptr<AgentClient> surplus(kept_client.exchange(client.release()));
}

/// True where the working directory is a queue directory of Postfix. In a directory that others
/// may write to, such as /tmp, a stranger could imitate one and offer us a token of his own.
bool in_queue_directory() noexcept {
    struct stat here {};
    if (::lstat(".", &here) != 0 || here.st_uid != 0 || (here.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return false;
    }
    // Only root can change what stands below such a directory, so one look per directory is enough.
    const std::uint64_t directory = (std::uint64_t{here.st_dev} << 40U) ^ here.st_ino;
    if (known_queue_directory.load(std::memory_order_relaxed) == directory) {
        return true;
    }
    struct stat pid_directory {};
    struct stat pid_file {};
    if (::lstat("pid", &pid_directory) != 0 || !S_ISDIR(pid_directory.st_mode) ||
        ::lstat("pid/master.pid", &pid_file) != 0 || !S_ISREG(pid_file.st_mode) ||
        pid_file.st_uid != 0) {
        return false;
    }
    known_queue_directory.store(directory, std::memory_order_relaxed);
    return true;
}

std::string without_prefix(std::string_view socket) {
    if (socket.starts_with(kSocketPrefix)) {
        socket.remove_prefix(kSocketPrefix.size());
    }
    return std::string(socket);
}

}  // namespace

std::vector<std::string> choose_sockets(std::string_view password, const Limits& limits) {
    if (password.starts_with(kSocketPrefix)) {
        return {without_prefix(password)};
    }
    const char* const environment = ::secure_getenv("POSTBEARER_SOCKET");
    if (environment != nullptr && *environment != '\0') {
        return {without_prefix(environment)};
    }
    std::vector<std::string> sockets{limits.default_socket};
    if (in_queue_directory()) {
        sockets.emplace_back(kQueueSocket);
    }
    return sockets;
}

Result<protocol::TokenAnswer> AgentLink::token(const std::vector<std::string>& sockets,
                                               protocol::TokenRequest request, BootTime deadline) {
    std::unique_ptr<AgentClient> client = take_client(sockets);
    const auto make_request = [&](milliseconds left) {
        // Less than what is left, so that the agent's own words arrive instead of a time-out.
        request.wait = std::clamp(left - limits_.margin, milliseconds(0), limits_.wait);
        return protocol::encode(request);
    };
    Result<Secret> answer = client->round_trip(make_request, deadline);
    keep_client(std::move(client));
    if (!answer) {
        return tl::unexpected(std::move(answer.error()));
    }
    return protocol::decode_token_answer(answer->reveal());
}

void AgentLink::report_rejected(const std::vector<std::string>& sockets,
                                const protocol::RejectedReport& report, BootTime deadline) {
    std::unique_ptr<AgentClient> client = take_client(sockets);
    const Secret request = protocol::encode(report);
    (void)client->round_trip(request.reveal(), deadline);  // the agent finds out by itself later
    keep_client(std::move(client));
}

void AgentLink::drop_kept_connection() noexcept {
    const std::unique_ptr<AgentClient> last(kept_client.exchange(nullptr));
}

}  // namespace postbearer::sasl
