// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "tests/support/maildir.hh"
#include "tests/support/port.hh"
#include "tests/support/postfix_instance.hh"

namespace postbearer::test {

struct SmtpServerSettings {
    Path directory;
    std::string name = "server";
    Path certificate{};  // both empty: no STARTTLS
    Path key{};
    Path auth_socket{};        // Dovecot's auth protocol; empty: no AUTH, everybody may send
    std::string mechanisms{};  // smtpd_sasl_mechanism_filter; empty: all
    bool auth_only_in_tls = true;
    std::map<std::string, std::string> main{};
};

/// The far end: a second Postfix that takes authenticated mail on 127.0.0.1 and keeps a copy
/// for each recipient, of any domain.
class SmtpServer {
public:
    explicit SmtpServer(SmtpServerSettings settings);

    void start() { postfix_.start(); }
    void stop() { postfix_.stop(); }

    [[nodiscard]] std::uint16_t port() const noexcept { return port_.number(); }
    /// "[localhost]:PORT", for relayhost and password maps.
    [[nodiscard]] std::string nexthop() const;
    [[nodiscard]] PostfixInstance& postfix() noexcept { return postfix_; }
    [[nodiscard]] const Mailboxes& mailboxes() const noexcept { return mailboxes_; }
    [[nodiscard]] LogWatch log() const { return postfix_.log(); }

private:
    [[nodiscard]] PostfixSettings postfix_settings(const SmtpServerSettings& settings) const;

    ReservedPort port_;
    Path mail_root_;
    PostfixInstance postfix_;
    Mailboxes mailboxes_;
};

}  // namespace postbearer::test
