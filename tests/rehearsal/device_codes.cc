// SPDX-License-Identifier: Apache-2.0
#include "device_codes.hh"

#include <algorithm>

#include "json.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::chrono::seconds kSlowDown{5};  // RFC 8628 section 3.5, for good
/// A client that counts from the moment it sent its last poll is not impatient.
constexpr std::chrono::milliseconds kTolerance{50};
constexpr std::string_view kLetters = "BCDFGHJKLMNPQRSTVWXZ";  // section 6.1: no words
constexpr std::size_t kUserCodeLength = 9;

std::string make_user_code() {
    std::string code = random_bytes(kUserCodeLength);
    for (char& c : code) {
        c = kLetters[static_cast<unsigned char>(c) % kLetters.size()];
    }
    return code;
}

/// As people type it.
std::string plain(const std::string& user_code) {
    std::string out;
    for (const char c : lower(user_code)) {
        if (c >= 'a' && c <= 'z') {
            out += c;
        }
    }
    return out;
}

}  // namespace

DeviceCodes::Started DeviceCodes::start(UserGrant grant, const LoginSettings& settings,
                                        WallTime now) {
    Started started{base64url(random_bytes(48)), make_user_code()};
    Device device;
    device.digest = sha256(started.device_code);
    device.user_code = started.user_code;
    device.grant = std::move(grant);
    device.demanded = std::chrono::seconds(settings.device_interval);
    device.forced_slow_downs = settings.device_slow_downs;
    device.expires = now + std::chrono::seconds(settings.device_expires);
    devices_.push_back(std::move(device));
    return started;
}

DeviceCodes::Device* DeviceCodes::find_device(const std::string& device_code) {
    const std::string digest = sha256(device_code);
    const auto found = std::find_if(devices_.begin(), devices_.end(),
                                    [&](const Device& device) { return device.digest == digest; });
    return found == devices_.end() ? nullptr : &*found;
}

DeviceCodes::Device* DeviceCodes::find_user_code(const std::string& user_code) {
    const auto found = std::find_if(devices_.begin(), devices_.end(), [&](const Device& device) {
        return device.state == "pending" && plain(device.user_code) == plain(user_code);
    });
    return found == devices_.end() ? nullptr : &*found;
}

DeviceCodes::Noted DeviceCodes::note_poll(const std::string& device_code, WallTime now) {
    Device* const device = find_device(device_code);
    if (device == nullptr) {
        return {};
    }
    const bool early =
        !device->polls.empty() && now - device->polls.back().time + kTolerance < device->demanded;
    device->polls.push_back({now, early, ""});
    return {true, early};
}

std::variant<UserGrant, EntraError> DeviceCodes::answer_poll(const std::string& device_code,
                                                             const std::string& realm,
                                                             const std::string& client_id,
                                                             WallTime now) {
    Device* const device = find_device(device_code);
    if (device == nullptr || device->polls.empty() || device->grant.realm != realm ||
        device->grant.client_id != client_id) {
        return entra_error(70018, "");
    }
    Poll& poll = device->polls.back();
    const auto refuse = [&poll](std::int64_t code, const char* error) {
        EntraError fault = entra_error(code, "");
        if (error != nullptr) {
            fault.error = error;
        }
        poll.answer = fault.error;
        return fault;
    };
    if (device->state == "done") {
        return refuse(54005, nullptr);
    }
    if (device->expires <= now) {
        return refuse(70019, nullptr);
    }
    if (poll.early || device->forced_slow_downs > 0) {
        device->forced_slow_downs -= device->forced_slow_downs > 0 ? 1 : 0;
        device->demanded += kSlowDown;
        return refuse(70016, "slow_down");
    }
    if (device->state == "pending") {
        return refuse(70016, nullptr);
    }
    if (device->state != "approved") {
        return refuse(65004, device->state.c_str());
    }
    device->state = "done";
    poll.answer = "tokens";
    return device->grant;
}

const UserGrant* DeviceCodes::pending(const std::string& user_code, WallTime now) {
    const Device* const device = find_user_code(user_code);
    return device == nullptr || device->expires <= now ? nullptr : &device->grant;
}

void DeviceCodes::approve(const std::string& user_code, const LoginUser& user) {
    if (Device* const device = find_user_code(user_code)) {
        device->grant.user = user.name;
        device->state = "approved";
    }
}

void DeviceCodes::deny(const std::string& user_code, const std::string& as) {
    if (Device* const device = find_user_code(user_code)) {
        device->state = as;
    }
}

Json::Value DeviceCodes::to_json() const {
    Json::Value list(Json::arrayValue);
    for (const Device& device : devices_) {
        Json::Value json;
        json["user_code"] = device.user_code;
        json["realm"] = device.grant.realm;
        json["client_id"] = device.grant.client_id;
        json["user"] = device.grant.user;
        json["scopes"] = rehearsal::to_json(device.grant.scopes);
        json["state"] = device.state;
        json["demanded_interval"] = static_cast<Json::Int64>(device.demanded.count());
        json["expires"] = static_cast<Json::Int64>(unix_seconds(device.expires));
        json["polls"] = Json::Value(Json::arrayValue);
        for (const Poll& poll : device.polls) {
            Json::Value one;
            one["time"] = unix_fraction(poll.time);
            one["early"] = poll.early;
            one["answer"] = poll.answer;
            json["polls"].append(one);
        }
        list.append(json);
    }
    return list;
}

}  // namespace postbearer::rehearsal
