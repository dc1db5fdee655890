// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "aadsts.hh"
#include "client_registry.hh"
#include "codec.hh"
#include "consents.hh"

namespace postbearer::rehearsal {

/// Device logins (RFC 8628). Each poll is noted with its time before anybody answers it, so that
/// misbehaviour does not hide an impatient client.
class DeviceCodes {
public:
    struct Started {
        std::string device_code;
        std::string user_code;
    };
    struct Noted {
        bool known = false;
        bool early = false;
    };

    [[nodiscard]] Started start(UserGrant grant, const LoginSettings& settings, WallTime now);
    Noted note_poll(const std::string& device_code, WallTime now);
    /// Judges the poll noted last; a login that is through is handed out once.
    [[nodiscard]] std::variant<UserGrant, EntraError> answer_poll(const std::string& device_code,
                                                                  const std::string& realm,
                                                                  const std::string& client_id,
                                                                  WallTime now);
    /// Who waits with this code; nothing if nobody does (any more).
    [[nodiscard]] const UserGrant* pending(const std::string& user_code, WallTime now);
    void approve(const std::string& user_code, const LoginUser& user);
    /// `as` is authorization_declined or access_denied.
    void deny(const std::string& user_code, const std::string& as);
    void clear() { devices_.clear(); }
    [[nodiscard]] Json::Value to_json() const;

private:
    struct Poll {
        WallTime time;
        bool early = false;
        std::string answer;  // empty: somebody else's
    };
    struct Device {
        std::string digest;  // of the device code
        std::string user_code;
        UserGrant grant;
        std::string state = "pending";  // approved, done, or the error
        std::chrono::seconds demanded{5};
        std::int64_t forced_slow_downs = 0;
        WallTime expires;
        std::vector<Poll> polls;
    };
    [[nodiscard]] Device* find_device(const std::string& device_code);
    [[nodiscard]] Device* find_user_code(const std::string& user_code);

    std::vector<Device> devices_;
};

}  // namespace postbearer::rehearsal
