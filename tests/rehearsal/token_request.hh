// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "client_registry.hh"
#include "form.hh"
#include "http_message.hh"
#include "records.hh"

namespace postbearer::rehearsal {

/// What a POST to a token endpoint says, before anybody judges it.
struct TokenRequest {
    Form form;
    bool is_form = false;  // content type application/x-www-form-urlencoded
    std::string client_id;
    std::string client_secret;
    /// post, basic, assertion, none; "several" breaks RFC 6749 section 2.3.
    std::string client_auth = "none";
};
[[nodiscard]] TokenRequest parse_token_request(const HttpRequest& request);

/// Puts names and harmless values into the record.
void describe(const TokenRequest& token_request, RequestRecord& record);

enum class SecretVerdict { Good, Wrong, Expired };
[[nodiscard]] SecretVerdict judge_secret(const Client& client, const std::string& secret);

/// The segments of a URL path: "/a/b" -> {"a", "b"}.
[[nodiscard]] std::vector<std::string> path_segments(const std::string& path);

}  // namespace postbearer::rehearsal
