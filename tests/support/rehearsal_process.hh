// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "tests/support/process.hh"

namespace postbearer::test {

/// HTTP over a Unix socket; the body of the answer, parsed. Anything but 2xx fails the test.
Json::Value http_over_unix(const Path& socket, const std::string& method, const std::string& path,
                           const Json::Value& body = Json::Value());
/// Strict JSON from text we trust: a literal in a test or an answer of our own program.
[[nodiscard]] Json::Value json_of(const std::string& text);

/// postbearer-rehearsal, the stand-in for Microsoft 365 (tests/rehearsal/README.md).
class Rehearsal {
public:
    /// `auth_socket` is where smtpd(8) asks, as user postfix.
    Rehearsal(const Path& program, Path directory, Path auth_socket);
    ~Rehearsal();
    Rehearsal(Rehearsal&&) = delete;
    Rehearsal& operator=(Rehearsal&&) = delete;
    Rehearsal(const Rehearsal&) = delete;
    Rehearsal& operator=(const Rehearsal&) = delete;

    void start();
    void stop();

    [[nodiscard]] const std::string& base_url() const noexcept { return base_url_; }
    /// The listener without TLS, where managed identities are.
    [[nodiscard]] const std::string& plain_url() const noexcept { return plain_url_; }
    [[nodiscard]] std::string token_endpoint(const std::string& tenant) const;
    [[nodiscard]] const Path& auth_socket() const noexcept { return auth_socket_; }
    [[nodiscard]] Path ca_file() const { return directory_ / "ca.pem"; }
    [[nodiscard]] Path certificate() const { return directory_ / "server.pem"; }
    [[nodiscard]] Path key() const { return directory_ / "server.key"; }
    /// Signed by a CA that nobody trusts.
    [[nodiscard]] Path other_certificate() const { return directory_ / "other.pem"; }
    [[nodiscard]] Path other_key() const { return directory_ / "other.key"; }
    [[nodiscard]] Path jwt_public_key() const { return directory_ / "jwt-public.pem"; }
    [[nodiscard]] Path log_path() const { return directory_.string() + ".log"; }

    /// The answer holds issuer and kid.
    Json::Value put_client(const std::string& id, const Json::Value& client) const;
    /// The id of the entry, for forget().
    std::uint64_t behave(const std::string& json) const;
    void forget_behaviours() const;
    void forget_records() const;
    void set_auth_policy(const std::string& json) const;
    [[nodiscard]] std::string mint(const Json::Value& order) const;
    /// A login that never was: a refresh token of that client and user, consent included.
    [[nodiscard]] std::string mint_refresh(const std::string& client, const std::string& user,
                                           const std::string& scope,
                                           const std::string& tenant = "contoso.test") const;
    /// What a person does at the verification_uri.
    void approve_device(const std::string& user_code, const std::string& user) const;
    /// Any other request to the control socket; anything but 2xx fails the test.
    Json::Value order(const std::string& method, const std::string& path,
                      const std::string& json = "") const;
    [[nodiscard]] std::uint64_t counter(const std::string& name) const;
    [[nodiscard]] Json::Value requests() const;
    [[nodiscard]] Json::Value tokens() const;
    /// Each AUTH that a server asked about: mechanism, user, result, fingerprint, ...
    [[nodiscard]] Json::Value auth() const;

    /// Microsoft Graph's side; `base_url()` + "/v1.0" is its endpoint.
    /// Address to state or description; they replace all mailboxes there were.
    void set_mailboxes(const std::string& json) const;
    void set_graph_behaviour(const std::string& json) const;
    void set_graph_limits(const std::string& json) const;
    /// Returns when so many messages have been accepted, or fails; a minute at most.
    void wait_for_accepted(std::uint64_t at_least, std::chrono::milliseconds timeout) const;
    [[nodiscard]] std::uint64_t accepted() const { return counter("graph_accepted"); }
    /// Accepted messages; `query` as "?mailbox=..&message_id=..&subject=.." (encoded), or empty.
    [[nodiscard]] Json::Value graph_messages(const std::string& query = "") const;
    /// The bytes of message `number`, from 1, as they were submitted.
    [[nodiscard]] std::string raw_message(std::uint64_t number) const;
    /// (recipient, message_id, mailbox, count), those with at least so many.
    [[nodiscard]] Json::Value deliveries(std::uint64_t at_least = 1) const;
    /// A message, such as an NDR, that arrives in a mailbox.
    void put_in_inbox(const std::string& mailbox, const std::string& mime) const;

private:
    [[nodiscard]] Json::Value control(const std::string& method, const std::string& path,
                                      const Json::Value& body = Json::Value()) const;

    Path program_;
    Path directory_;
    Path auth_socket_;
    std::string base_url_;
    std::string plain_url_;
    Process process_;
};

}  // namespace postbearer::test
