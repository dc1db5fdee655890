// SPDX-License-Identifier: Apache-2.0
#include "common/config/host.hh"

#include <errno.h>
#include <grp.h>
#include <pwd.h>

#include <utility>
#include <vector>

#include "common/config/text_file.hh"

namespace postbearer::config {
namespace {

constexpr std::size_t kFirstBuffer = 4 * 1024;
constexpr std::size_t kLastBuffer = 4 * 1024 * 1024;  // a group with a hundred thousand members

/// getpwnam_r(3) and getgrnam_r(3) want a larger buffer until they do not.
template <typename Entry, typename Lookup>
bool look_up(Lookup lookup, const std::string& name, Entry& entry) {
    for (std::size_t size = kFirstBuffer; size <= kLastBuffer; size *= 4) {
        std::vector<char> buffer(size);
        Entry* found = nullptr;
        const int error = lookup(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
        if (error != ERANGE && error != EINTR) {
            return found != nullptr;
        }
    }
    return false;
}

}  // namespace

Result<std::string> ConfigHost::read_public(const std::string& /*path*/) const {
    return failure(Errc::Config, "cannot be opened: there are no files here");
}

Result<Secret> SystemHost::read_secret(const SecretReference& reference) const {
    return config::read_secret(reference);
}

std::optional<uid_t> SystemHost::user_id(const std::string& name) const {
    passwd entry{};
    if (!look_up(::getpwnam_r, name, entry)) {
        return std::nullopt;
    }
    return entry.pw_uid;
}

std::optional<gid_t> SystemHost::group_id(const std::string& name) const {
    group entry{};
    if (!look_up(::getgrnam_r, name, entry)) {
        return std::nullopt;
    }
    return entry.gr_gid;
}

Result<void> SystemHost::can_read(const std::string& path) const {
    const auto file = open_regular_file(path);
    if (!file) {
        return tl::unexpected(file.error());
    }
    return {};
}

Result<std::string> SystemHost::read_public(const std::string& path) const {
    constexpr std::size_t kMaxBytes = 1024U * 1024;
    auto file = read_text_file(path, kMaxBytes);
    if (!file) {
        return tl::unexpected(std::move(file.error()));
    }
    return std::move(file->text);
}

}  // namespace postbearer::config
