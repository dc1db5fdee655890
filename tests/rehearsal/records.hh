// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "codec.hh"
#include "http_message.hh"

namespace postbearer::rehearsal {

/// One HTTPS request. Parameter names are kept, values of secrets never.
struct RequestRecord {
    WallTime time;
    std::uint64_t connection = 0;
    std::string method;
    std::string path;
    std::string query;     // of Graph's look-ups; nowhere else
    std::string room;      // which part answered: entra, oidc, graph
    std::string endpoint;  // token, discovery, keys, sendmail, ...; empty if nothing is there
    std::string tenant;
    std::string mailbox;  // in the path of a Graph request, lower case
    std::string client_id;
    std::string client_auth;  // post, basic, assertion, none
    std::string scope;
    std::string grant_type;
    HttpHeaders headers;
    std::vector<std::string> parameters;
    std::vector<std::string> unknown_parameters;
    std::vector<std::string> behaviours;   // kinds applied
    std::string token_fingerprint;         // of the token handed out, at Graph: brought along
    std::string request_id;                // Graph's own
    Json::Value login{Json::objectValue};  // what a login or a refresh said: README.md
    bool counted = false;                  // as a token request
    std::size_t body_bytes = 0;
    std::int64_t aadsts = 0;
    unsigned status = 0;                // 0: never answered
    std::string outcome = "in_flight";  // then answered, hung, reset, ...: README.md
    std::int64_t duration_ms = 0;
};

struct TokenRecord {
    WallTime time;
    std::string client_id;
    std::string audience;
    std::string user;
    std::int64_t expires_at = 0;
    bool foreign_key = false;
    std::string token;
};

struct AuthRecord {
    WallTime time;
    std::string service;
    std::string mechanism;
    std::string user;
    std::string client_id;
    bool success = false;
    std::string reason;
    std::string fingerprint;
    bool initial_response = false;  // came with the AUTH line
    std::string challenge_answer;   // to our error challenge: empty, ctrl_a, other, none
};

/// All that was seen since the last reset; the tests' source of truth.
class Records {
public:
    std::shared_ptr<RequestRecord> open_request(const HttpRequest& request, WallTime now);
    /// `close_request` ends what `open_request` began; more than once is harmless.
    void close_request(RequestRecord& record, unsigned status, const std::string& outcome,
                       WallTime now);
    /// Called once the endpoint of a request is known.
    void count_token_request(RequestRecord& record);
    void count_token_success() { ++token_successes_; }
    /// Its number, counted from 1 and never again.
    std::uint64_t count_connection() {
        ++connections_;
        return ++last_connection_;
    }
    void add_token(TokenRecord record) { tokens_.push_back(std::move(record)); }
    /// The caller may go on filling it in.
    std::shared_ptr<AuthRecord> add_auth(AuthRecord record);
    /// Lists and counters start again; requests under way stay counted in `in_flight`.
    void reset();

    [[nodiscard]] Json::Value requests_json() const;
    [[nodiscard]] Json::Value tokens_json() const;
    [[nodiscard]] Json::Value auth_json() const;
    [[nodiscard]] std::map<std::string, std::uint64_t> counters() const;

private:
    std::vector<std::shared_ptr<RequestRecord>> requests_;
    std::vector<TokenRecord> tokens_;
    std::vector<std::shared_ptr<AuthRecord>> auth_;
    std::uint64_t token_requests_ = 0;
    std::uint64_t token_successes_ = 0;
    std::uint64_t connections_ = 0;
    std::uint64_t last_connection_ = 0;
    std::uint64_t in_flight_ = 0;
    std::uint64_t max_in_flight_ = 0;
};

}  // namespace postbearer::rehearsal
