// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/clock.hh"
#include "common/result.hh"
#include "common/secret.hh"
#include "token-agent/credentials/signing_key.hh"

namespace postbearer::agent {

/// What Google's JSON key file of a service account says. Immutable.
class ServiceAccount {
public:
    struct Facts {
        std::string client_email;
        std::string client_id;  // of domain-wide delegation, a number; may be empty
        std::string private_key_id;
        std::string token_uri;
    };

    ServiceAccount(Facts facts, SharedKey key) : facts_(std::move(facts)), key_(std::move(key)) {}

    [[nodiscard]] const Facts& facts() const noexcept { return facts_; }
    [[nodiscard]] const SigningKey& key() const noexcept { return *key_; }

private:
    Facts facts_;
    SharedKey key_;
};

/// token_uri must be https, or http on loopback where that is allowed. Error: Config, without any
/// part of the file's values but the account's name.
[[nodiscard]] Result<std::shared_ptr<const ServiceAccount>> parse_service_account(
    std::string_view json, bool allow_http_loopback);

inline constexpr std::string_view kJwtBearerGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
inline constexpr std::chrono::seconds kServiceAssertionLife{3600};  // the most Google takes

/// The grant of RFC 7523 section 2.1: the account acts for `subject`, a mailbox of the domain. Its
/// audience is the token_uri of the key file, wherever it is sent. Error: Internal.
[[nodiscard]] Result<Secret> make_service_assertion(const ServiceAccount& account,
                                                    const std::string& subject,
                                                    const std::string& scope, WallTime now);

}  // namespace postbearer::agent
