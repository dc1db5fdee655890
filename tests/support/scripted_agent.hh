// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/unique_fd.hh"
#include "tests/support/files.hh"

namespace postbearer::test {

/// What a ScriptedAgent does with one request, or with one connection.
struct Reply {
    enum class Kind {
        Answer,          // text goes out, the connection stays
        AnswerAndClose,  // text, whole or not, then the connection ends
        Held,            // text goes out after release()
        Hang,            // nothing, the connection stays
        CloseAtAccept,   // the connection ends before anything is read
    };
    Kind kind = Kind::Hang;
    std::string text;
};

[[nodiscard]] inline Reply answer(std::string text) {
    return {Reply::Kind::Answer, std::move(text)};
}
[[nodiscard]] inline Reply answer_and_close(std::string text) {
    return {Reply::Kind::AnswerAndClose, std::move(text)};
}
[[nodiscard]] inline Reply held(std::string text) { return {Reply::Kind::Held, std::move(text)}; }
[[nodiscard]] inline Reply hang() { return {Reply::Kind::Hang, {}}; }
[[nodiscard]] inline Reply close_at_accept() { return {Reply::Kind::CloseAtAccept, {}}; }

/// A whole answer to request=token.
[[nodiscard]] std::string grant_text(const std::string& token, const std::string& user);
/// A whole error answer.
[[nodiscard]] std::string failure_text(const std::string& failure_class, const std::string& code,
                                       const std::string& message);

/// A tiny agent.sock server on a thread of its own. Each request takes the next reply of the
/// script; the last one repeats. It records what it was asked.
class ScriptedAgent {
public:
    ScriptedAgent(Path socket, std::vector<Reply> script);
    ~ScriptedAgent();
    ScriptedAgent(const ScriptedAgent&) = delete;
    ScriptedAgent& operator=(const ScriptedAgent&) = delete;
    ScriptedAgent(ScriptedAgent&&) = delete;
    ScriptedAgent& operator=(ScriptedAgent&&) = delete;

    [[nodiscard]] const Path& socket() const noexcept { return socket_; }
    [[nodiscard]] std::vector<std::string> requests() const;
    [[nodiscard]] std::size_t accepted() const;
    /// False if that many requests did not come within a minute.
    [[nodiscard]] bool wait_for_requests(std::size_t count) const;
    /// Lets all held answers go, now and later.
    void release();
    /// Ends all connections, as the agent does with idle ones; returns when that is done.
    void close_connections();
    /// Sends bytes that nobody asked for on every open connection.
    void blurt(const std::string& text);

private:
    struct Connection {
        UniqueFd fd;
        std::string received;
        std::string held;
    };

    void run();
    void wake() const;
    void handle_orders();
    void accept_one();
    void read_from(Connection& connection);
    void reply_to(Connection& connection);
    [[nodiscard]] Reply next_reply();
    [[nodiscard]] bool next_closes_at_accept() const;

    Path socket_;
    UniqueFd listener_;
    UniqueFd wake_;
    std::map<int, Connection> connections_;

    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    std::vector<Reply> script_;
    std::size_t position_ = 0;
    std::vector<std::string> requests_;
    std::size_t accepted_ = 0;
    bool released_ = false;
    bool stopping_ = false;
    bool close_wanted_ = false;
    std::string blurt_;
    std::thread thread_;
};

}  // namespace postbearer::test
