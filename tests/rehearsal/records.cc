// SPDX-License-Identifier: Apache-2.0
#include "records.hh"

#include <algorithm>

#include "json.hh"

namespace postbearer::rehearsal {
namespace {

/// Lower-case names; what came twice is joined with ", ".
Json::Value headers_json(const HttpHeaders& headers) {
    std::map<std::string, std::string> joined;
    for (const auto& [name, value] : headers) {
        const auto [slot, fresh] = joined.emplace(lower(name), value);
        if (!fresh) {
            slot->second += ", " + value;
        }
    }
    Json::Value json(Json::objectValue);
    for (const auto& [name, value] : joined) {
        json[name] = value;
    }
    return json;
}

Json::Value describe(const RequestRecord& record) {
    Json::Value json;
    json["time"] = unix_fraction(record.time);
    json["connection"] = static_cast<Json::UInt64>(record.connection);
    json["method"] = record.method;
    json["path"] = record.path;
    json["query"] = record.query;
    json["room"] = record.room;
    json["endpoint"] = record.endpoint;
    json["tenant"] = record.tenant;
    json["mailbox"] = record.mailbox;
    json["client_id"] = record.client_id;
    json["client_auth"] = record.client_auth;
    json["scope"] = record.scope;
    json["grant_type"] = record.grant_type;
    json["headers"] = headers_json(record.headers);
    json["parameters"] = to_json(record.parameters);
    json["unknown_parameters"] = to_json(record.unknown_parameters);
    json["behaviours"] = to_json(record.behaviours);
    json["token_fingerprint"] = record.token_fingerprint;
    json["request_id"] = record.request_id;
    json["login"] = record.login;
    json["body_bytes"] = static_cast<Json::UInt64>(record.body_bytes);
    json["aadsts"] = static_cast<Json::Int64>(record.aadsts);
    json["status"] = record.status;
    json["outcome"] = record.outcome;
    json["duration_ms"] = static_cast<Json::Int64>(record.duration_ms);
    return json;
}

/// What proves identity stays out of the records: only the scheme is kept.
HttpHeaders without_credentials(const HttpHeaders& headers) {
    HttpHeaders kept = headers;
    for (auto& [name, value] : kept) {
        if (iequals(name, "authorization") || iequals(name, "proxy-authorization") ||
            iequals(name, "cookie")) {
            value = value.substr(0, value.find(' ')) + " [removed]";
        }
    }
    return kept;
}

}  // namespace

std::shared_ptr<RequestRecord> Records::open_request(const HttpRequest& request, WallTime now) {
    auto record = std::make_shared<RequestRecord>();
    record->time = now;
    record->connection = request.connection;
    record->method = request.method;
    record->path = request.path;
    record->headers = without_credentials(request.headers);
    requests_.push_back(record);
    return record;
}

void Records::close_request(RequestRecord& record, unsigned status, const std::string& outcome,
                            WallTime now) {
    if (record.outcome != "in_flight") {
        return;
    }
    record.status = status;
    record.outcome = outcome;
    record.duration_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(now - record.time).count();
    if (record.counted) {
        --in_flight_;
    }
}

void Records::count_token_request(RequestRecord& record) {
    record.counted = true;
    ++token_requests_;
    ++in_flight_;
    max_in_flight_ = std::max(max_in_flight_, in_flight_);
}

std::shared_ptr<AuthRecord> Records::add_auth(AuthRecord record) {
    return auth_.emplace_back(std::make_shared<AuthRecord>(std::move(record)));
}

void Records::reset() {
    requests_.clear();
    tokens_.clear();
    auth_.clear();
    token_requests_ = 0;
    token_successes_ = 0;
    connections_ = 0;
    max_in_flight_ = in_flight_;
}

Json::Value Records::requests_json() const {
    Json::Value list(Json::arrayValue);
    for (const auto& record : requests_) {
        list.append(describe(*record));
    }
    return list;
}

Json::Value Records::tokens_json() const {
    Json::Value list(Json::arrayValue);
    for (const TokenRecord& record : tokens_) {
        Json::Value json;
        json["time"] = unix_fraction(record.time);
        json["client_id"] = record.client_id;
        json["aud"] = record.audience;
        json["user"] = record.user;
        json["exp"] = static_cast<Json::Int64>(record.expires_at);
        json["foreign_key"] = record.foreign_key;
        json["fingerprint"] = fingerprint(record.token);
        json["token"] = record.token;
        list.append(json);
    }
    return list;
}

Json::Value Records::auth_json() const {
    Json::Value list(Json::arrayValue);
    for (const auto& entry : auth_) {
        const AuthRecord& record = *entry;
        Json::Value json;
        json["time"] = unix_fraction(record.time);
        json["service"] = record.service;
        json["mechanism"] = record.mechanism;
        json["user"] = record.user;
        json["client_id"] = record.client_id;
        json["result"] = record.success ? "ok" : "fail";
        json["reason"] = record.reason;
        json["fingerprint"] = record.fingerprint;
        json["initial_response"] = record.initial_response;
        json["challenge_answer"] = record.challenge_answer;
        list.append(json);
    }
    return list;
}

std::map<std::string, std::uint64_t> Records::counters() const {
    const auto failures = static_cast<std::uint64_t>(
        std::count_if(auth_.begin(), auth_.end(), [](const auto& a) { return !a->success; }));
    return {{"token_requests", token_requests_}, {"token_successes", token_successes_},
            {"connections", connections_},       {"in_flight", in_flight_},
            {"max_in_flight", max_in_flight_},   {"requests", requests_.size()},
            {"auth_attempts", auth_.size()},     {"auth_failures", failures}};
}

}  // namespace postbearer::rehearsal
