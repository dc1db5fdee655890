// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace postbearer::rehearsal {

/// How Graph behaves where nobody outside Microsoft knows for sure, or where it differs between
/// tenants; `PUT /graph/behaviour`. README.md tells what each word means.
struct GraphSettings {
    // what recipients see of a MIME message's headers
    std::string x_headers = "primed";
    std::string auto_submitted = "drop";
    std::string list_headers = "drop";
    std::string other_headers = "drop";
    std::string received = "drop";
    std::string message_id = "keep";
    std::string date = "keep";
    // who may get and send mail
    std::string groups = "accept";
    std::string bcc_only = "accept";
    std::string resent = "ignore";
    std::string at_in_display_name = "refuse";
    std::string multiple_from = "refuse";
    std::string missing_from = "accept";
    std::string roles = "require";
    // drafts and look-ups
    std::string sent_items = "keep";
    std::string immutable_id = "stable";
    std::string second_send = "not_found";
    std::string upload_authorization = "refuse";
    // what is answered above the limit of the body
    std::string over_limit = "413";
    // what this program keeps of the raw messages
    std::string keep = "memory";
    // whether requests go to D/graph/requests.jsonl, for a validator to read
    std::string record_requests = "no";

    std::int64_t sent_lag_ms = 0;         // a sent item stays a draft in Drafts for so long
    std::int64_t lookup_lag_ms = 0;       // and is not found at all for so long
    std::int64_t draft_lag_requests = 0;  // so many requests about a new draft answer 404
    std::vector<std::string> audiences{"https://graph.microsoft.com",
                                       "https://graph.microsoft.com/",
                                       "00000003-0000-0000-c000-000000000000"};
    std::vector<std::string> revoked;  // fingerprints; they get a claims challenge
};
/// The settings, or what is wrong with the JSON.
[[nodiscard]] std::variant<GraphSettings, std::string> parse_graph_settings(
    const Json::Value& json);
[[nodiscard]] Json::Value to_json(const GraphSettings& settings);

/// Numbers that Microsoft enforces; `PUT /graph/limits`. 0 switches one off.
struct GraphLimits {
    std::int64_t body_bytes = 4LL * 1024 * 1024;  // MIME as base64, and JSON
    std::int64_t message_bytes = 35LL * 1024 * 1024;
    std::int64_t recipients = 500;
    std::int64_t concurrent = 4;            // per app and mailbox
    std::int64_t app_concurrent = 0;        // per app, whatever the mailbox
    std::int64_t requests = 10000;          // per app and mailbox ...
    std::int64_t requests_seconds = 600;    // ... in so long
    std::int64_t upload_bytes = 150000000;  // the same for the bytes of POST, PUT and PATCH
    std::int64_t upload_seconds = 300;
    std::int64_t attachment_bytes = 3LL * 1024 * 1024;   // more needs an upload session
    std::int64_t session_min_bytes = 3LL * 1024 * 1024;  // less may not have one
    std::int64_t session_max_bytes = 150LL * 1024 * 1024;
    std::int64_t chunk_bytes = 4LL * 1024 * 1024;
    std::int64_t session_seconds = 86400;
    std::int64_t read_bytes = 200LL * 1024 * 1024;  // a longer body ends the connection
};
[[nodiscard]] std::variant<GraphLimits, std::string> parse_graph_limits(const Json::Value& json);
[[nodiscard]] Json::Value to_json(const GraphLimits& limits);

}  // namespace postbearer::rehearsal
