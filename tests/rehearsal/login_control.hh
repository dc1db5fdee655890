// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "control_answer.hh"
#include "http_message.hh"
#include "service.hh"

namespace postbearer::rehearsal {

/// The tests' side of logins: approving devices, looking at refresh tokens, seeding them.
class LoginControl {
public:
    explicit LoginControl(Service& service) : service_(service) {}

    /// Nothing if the path is somebody else's.
    [[nodiscard]] std::optional<ControlAnswer> handle(const HttpRequest& request,
                                                      const std::vector<std::string>& path,
                                                      WallTime now);

private:
    [[nodiscard]] std::optional<ControlAnswer> write(const std::string& what,
                                                     const Json::Value& json, WallTime now);
    [[nodiscard]] ControlAnswer approve(const Json::Value& json, WallTime now);
    [[nodiscard]] ControlAnswer deny(const Json::Value& json, WallTime now);
    [[nodiscard]] ControlAnswer revoke(const Json::Value& json);
    [[nodiscard]] ControlAnswer put_service_accounts(const Json::Value& json);
    [[nodiscard]] ControlAnswer mint_refresh(const Json::Value& json);

    Service& service_;
};

}  // namespace postbearer::rehearsal
