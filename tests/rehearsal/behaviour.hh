// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "http_message.hh"

namespace postbearer::rehearsal {

/// One thing to do wrong; README.md lists the kinds and their members.
struct Step {
    enum class Kind {
        Respond,
        Error,
        Hang,
        HangAccept,
        ResetBefore,
        ResetInBody,
        Drip,
        Huge,
        Redirect,
        Latency,
        Patch,
        SignWithForeignKey,
        DateHeader,
        Html,
        ExpiredToken,
        GraphError,
        CaeChallenge,
        ResetWhileReading,
        AddHeaders
    };
    Kind kind = Kind::Respond;
    std::string kind_name;
    unsigned status = 0;  // 0: the kind's own
    HttpHeaders headers;
    std::string body;
    std::string content_type;
    std::string location;
    std::string kid;
    std::string error, suberror, description, claims;
    std::string framing;  // length, chunked, close
    std::int64_t aadsts = 0;
    std::int64_t bytes = 0;
    std::int64_t interval_ms = 500;
    std::int64_t ms = 0;
    std::int64_t skew_seconds = 0;
    Json::Value set{Json::objectValue};
    std::vector<std::string> remove;
    bool delivered = false;                 // served as ever, then answered as the step says
    std::string code, message, inner_code;  // of a Graph error
};
/// What an order is matched against.
struct Occasion {
    std::string room;  // an order for the endpoint "graph" means all of that room
    std::string endpoint;
    std::string client_id;
    std::string mailbox;
    std::string grant{};  // grant_type, at token endpoints
};
/// Either the step or what is wrong with the JSON.
[[nodiscard]] std::variant<Step, std::string> parse_step(const Json::Value& json);

/// The orders of the tests, in the order given. An entry that is used up stays listed (with its
/// count) until it is removed, because connections may still hang on it.
class Behaviours {
public:
    struct Taken {
        std::uint64_t id = 0;
        std::vector<Step> steps;  // empty: behave
    };

    /// The id of the new entry, or what is wrong with the JSON.
    [[nodiscard]] std::variant<std::uint64_t, std::string> add(const Json::Value& json);
    /// First entry that matches and has times left.
    [[nodiscard]] Taken take(const Occasion& occasion);
    /// The same for a new connection; only hang_accept entries match.
    [[nodiscard]] std::optional<std::uint64_t> take_accept();
    bool remove(std::uint64_t id);
    void clear();
    [[nodiscard]] Json::Value list() const;
    /// Runs `callback` when the entry goes; at once if it has gone already.
    void on_release(std::uint64_t id, std::function<void()> callback);

private:
    struct Entry {
        std::string endpoint;
        std::string client_id;
        std::string mailbox;
        std::string grant;
        std::int64_t times = 1;  // -1: for ever
        std::int64_t after = 0;
        std::int64_t used = 0;
        std::vector<Step> steps;
        Json::Value source;
        std::vector<std::function<void()>> waiting;

        [[nodiscard]] bool accepts() const;
        [[nodiscard]] bool matches(const Occasion& occasion) const;
        [[nodiscard]] bool use();
    };
    std::uint64_t last_id_ = 0;
    std::map<std::uint64_t, Entry> entries_;
};

}  // namespace postbearer::rehearsal
