// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

#include "service.hh"

namespace postbearer::rehearsal {

/// The server side of Dovecot's auth client protocol 1.2 on a Unix socket, for smtpd(8) with
/// smtpd_sasl_type = dovecot. Reads the AuthPolicy at every attempt; the list of mechanisms is
/// told to smtpd when it connects.
class AuthServer {
public:
    AuthServer(boost::asio::io_context& loop, Service& service);
    AuthServer(const AuthServer&) = delete;
    AuthServer& operator=(const AuthServer&) = delete;
    AuthServer(AuthServer&&) = delete;
    AuthServer& operator=(AuthServer&&) = delete;
    ~AuthServer();

    /// Empty, or why not. `owner` gets the socket alone (0660); without one everybody may (0666).
    [[nodiscard]] std::string listen(const std::string& path, const std::string& owner);

private:
    class Session;
    void accept();

    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace postbearer::rehearsal
