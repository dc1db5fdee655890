// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <string>
#include <variant>

#include "client_registry.hh"
#include "login_provider.hh"
#include "login_state.hh"
#include "room.hh"

namespace postbearer::rehearsal {

/// The two ends of RFC 8628 that are not polling: where a device begins, and the page on which a
/// person enters its code.
class DeviceFlow {
public:
    DeviceFlow(LoginState& state, const ClientRegistry& clients)
        : state_(state), clients_(clients) {}

    /// device_code, user_code, verification_uri, expires_in, interval, message.
    [[nodiscard]] std::variant<Json::Value, EntraError> begin(const LoginProvider& provider,
                                                              const Client& client,
                                                              const std::string& scope,
                                                              WallTime now);
    /// GET shows the form, POST (or a GET with both) takes user_code, user and decision.
    [[nodiscard]] HttpAnswer page(const HttpRequest& request, RequestRecord& record, WallTime now);

    /// For the page and for the control API. What is wrong, or empty.
    [[nodiscard]] std::string approve(const std::string& user_code, const std::string& user,
                                      WallTime now);
    [[nodiscard]] std::string deny(const std::string& user_code, const std::string& as,
                                   WallTime now);

private:
    LoginState& state_;
    const ClientRegistry& clients_;
};

}  // namespace postbearer::rehearsal
