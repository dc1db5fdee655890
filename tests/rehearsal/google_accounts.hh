// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "codec.hh"

namespace postbearer::rehearsal {

/// A service account with domain-wide delegation.
struct ServiceAccount {
    std::string client_email;
    std::string client_id;
    std::string public_key;  // PEM, SPKI or certificate
    std::string key_id;      // empty: the header's kid does not matter
    std::vector<std::string> scopes{"https://mail.google.com/"};
    std::vector<std::string> subjects;  // address, "*@domain" or "*"
    std::int64_t lifetime_seconds = 3600;
};
[[nodiscard]] std::variant<std::vector<ServiceAccount>, std::string> parse_service_accounts(
    const Json::Value& json);

struct GoogleError {
    unsigned status = 400;
    std::string error;
    std::string description;
    std::string subtype{};
};

/// What a good assertion (RFC 7523 section 2.1) stands for.
struct ServiceGrant {
    const ServiceAccount* account = nullptr;
    std::string subject;  // the account itself where no sub is
    std::string scope;
};
/// `endpoints` are the URLs its audience may name.
[[nodiscard]] std::variant<ServiceGrant, GoogleError> judge_service_assertion(
    const std::vector<ServiceAccount>& accounts, const std::string& assertion,
    const std::vector<std::string>& endpoints, WallTime now);

}  // namespace postbearer::rehearsal
