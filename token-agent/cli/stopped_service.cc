// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/stopped_service.hh"

#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace postbearer::cli {
namespace {

std::string below(std::string place, std::string_view between, const std::string& name) {
    return place.append(between).append(name);
}

tl::unexpected<Error> cannot_be_checked(const std::string& name, const std::string& sealed) {
    return failure(Errc::Config, "credential:" + name + " cannot be checked: " + sealed +
                                     " is sealed, systemd opens it when postbearer-agent starts, "
                                     "and the service is not running. See: "
                                     "journalctl -u postbearer-agent");
}

bool is_there(const std::string& path) noexcept { return ::access(path.c_str(), F_OK) == 0; }
bool is_closed_to_us(const std::string& directory) noexcept {
    return ::access(directory.c_str(), X_OK) != 0 && errno == EACCES;
}

}  // namespace

Result<Secret> StoppedService::read_secret(const config::SecretReference& reference) const {
    if (reference.kind != config::SecretReference::Kind::Credential) {
        return system_.read_secret(reference);
    }
    const std::string& name = reference.name;
    if (is_closed_to_us(places_.directory)) {
        return failure(Errc::Config, "credential:" + name + " cannot be checked: " +
                                         places_.directory + " is root's. Run this as root");
    }
    const std::string places[] = {places_.store, places_.directory};
    for (const std::string& place : places) {
        if (const std::string sealed = below(place, ".encrypted/", name); is_there(sealed)) {
            return cannot_be_checked(name, sealed);
        }
    }
    for (const std::string& place : places) {
        if (const std::string plain = below(place, "/", name); is_there(plain)) {
            config::SecretReference file = reference;
            file.kind = config::SecretReference::Kind::File;
            file.name = plain;
            return system_.read_secret(file);
        }
    }
    return failure(Errc::Config, "credential:" + name + ": there is no " + places_.directory + "/" +
                                     name +
                                     ". Write the secret into it (root's, mode 0600), "
                                     "then: systemctl restart postbearer-agent");
}

std::optional<uid_t> StoppedService::user_id(const std::string& name) const {
    return system_.user_id(name);
}
std::optional<gid_t> StoppedService::group_id(const std::string& name) const {
    return system_.group_id(name);
}
Result<void> StoppedService::can_read(const std::string& path) const {
    return system_.can_read(path);
}
Result<std::string> StoppedService::read_public(const std::string& path) const {
    return system_.read_public(path);
}

}  // namespace postbearer::cli
