// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/support/log_watch.hh"
#include "tests/support/port.hh"
#include "tests/support/process.hh"

namespace postbearer::test {

struct DovecotSettings {
    Path directory{};
    Path certificate{};
    Path key{};
    std::string issuer{};
    std::string audience_or_scope{};  // `scope` of oauth2.conf; empty: not looked at
    std::string username_attribute = "upn";
    std::map<std::string, std::string> passwords{};  // PLAIN beside the tokens
};

/// A real Dovecot: judges tokens by local validation, serves IMAP with TLS on 127.0.0.1 and its
/// auth protocol to smtpd(8). reference/postfix.md 3.1, oauth-servers.md 4.
class DovecotInstance {
public:
    explicit DovecotInstance(DovecotSettings settings);
    ~DovecotInstance();
    DovecotInstance(DovecotInstance&&) = delete;
    DovecotInstance& operator=(DovecotInstance&&) = delete;
    DovecotInstance(const DovecotInstance&) = delete;
    DovecotInstance& operator=(const DovecotInstance&) = delete;

    /// Tokens of application `azp` signed by the RS256 key `kid` become valid.
    void trust(const std::string& azp, const std::string& kid, const Path& public_key) const;
    void start();
    void stop();

    [[nodiscard]] std::uint16_t imap_port() const noexcept { return imap_port_.number(); }
    /// For smtpd_sasl_path.
    [[nodiscard]] Path auth_socket() const { return settings_.directory / "auth.sock"; }
    [[nodiscard]] Path mail_directory(const std::string& user) const;
    [[nodiscard]] Path log_path() const { return settings_.directory / "dovecot.log"; }
    [[nodiscard]] LogWatch log() const { return LogWatch(log_path()); }

private:
    void write_configuration() const;

    DovecotSettings settings_;
    ReservedPort imap_port_;
    Process process_;
};

}  // namespace postbearer::test
