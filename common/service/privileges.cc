// SPDX-License-Identifier: Apache-2.0
#include "common/service/privileges.hh"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <system_error>
#include <vector>

namespace postbearer::service {

Result<void> drop_privileges(const std::string& user, std::string_view section) {
    if (user.empty()) {
        return {};
    }
    std::vector<char> memory(64 * 1024);
    passwd entry{};
    passwd* found = nullptr;
    const std::string prefix = std::string(section) + " user = \"" + user + "\": ";
    if (::getpwnam_r(user.c_str(), &entry, memory.data(), memory.size(), &found) != 0 ||
        found == nullptr) {
        return failure(Errc::Config, prefix + "there is no such user");
    }
    if (::geteuid() == entry.pw_uid) {
        return {};
    }
    // Order matters: once the uid is gone the groups cannot be changed any more.
    if (::initgroups(user.c_str(), entry.pw_gid) != 0 || ::setgid(entry.pw_gid) != 0 ||
        ::setuid(entry.pw_uid) != 0) {
        return failure(Errc::Config, prefix + "cannot become that user: " +
                                         std::generic_category().message(errno) +
                                         "; start as root or leave `user` out");
    }
    return {};
}

void raise_descriptor_limit() noexcept {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)::setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void forbid_dumps() noexcept {
    const rlimit none{0, 0};
    (void)::setrlimit(RLIMIT_CORE, &none);  // lowering it is always allowed
    (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

}  // namespace postbearer::service
