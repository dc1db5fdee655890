// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

namespace postbearer::rehearsal {

/// What the auth socket accepts and how it refuses; `PUT /auth/policy` replaces all of it.
struct AuthPolicy {
    /// Challenge: error JSON first, FAIL after the client's answer. Direct: FAIL at once.
    /// Temporary: FAIL with `temp`; Postfix 3.7 answers 535 to that as well.
    enum class Refusal { Challenge, Direct, Temporary };

    std::vector<std::string> audiences{"https://outlook.office365.com",
                                       "https://outlook.office.com"};
    std::string role = "SMTP.SendAsApp";  // app-only tokens; empty: any
    std::string scope = "SMTP.Send";      // delegated tokens (scp); empty: any
    Refusal refusal = Refusal::Challenge;
    std::int64_t min_left_seconds = 0;
    std::int64_t refuse_next = 0;                  // so many attempts fail whatever they bring
    std::vector<std::string> revoked;              // fingerprints of tokens that are good no more
    std::map<std::string, std::string> passwords;  // for PLAIN
    std::vector<std::string> mechanisms{"XOAUTH2", "OAUTHBEARER"};
};

/// The policy, or what is wrong with the JSON.
[[nodiscard]] std::variant<AuthPolicy, std::string> parse_auth_policy(const Json::Value& json);

}  // namespace postbearer::rehearsal
