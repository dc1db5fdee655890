// SPDX-License-Identifier: Apache-2.0
#include "unix_listener.hh"

#include <pwd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace postbearer::rehearsal {

std::string bind_unix(LocalAcceptor& acceptor, const std::string& path, unsigned mode) {
    if (path.size() >= sizeof(sockaddr_un::sun_path)) {
        return path + ": too long for a Unix socket";
    }
    struct stat info {};
    if (lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) {
        (void)unlink(path.c_str());  // bind below says so if it is still there
    }
    boost::system::error_code error;
    acceptor.open(boost::asio::local::stream_protocol(), error);
    if (!error) {
        acceptor.bind(path, error);
    }
    if (!error && chmod(path.c_str(), static_cast<mode_t>(mode)) != 0) {
        return path + ": chmod: " + std::strerror(errno);
    }
    if (!error) {
        acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
    }
    return error ? path + ": " + error.message() : std::string();
}

std::string give_to(const std::string& path, const std::string& owner) {
    const passwd* const entry = getpwnam(owner.c_str());
    if (entry == nullptr) {
        return "no user '" + owner + "'";
    }
    if (chown(path.c_str(), entry->pw_uid, entry->pw_gid) != 0) {
        return path + ": chown: " + std::strerror(errno);
    }
    return {};
}

}  // namespace postbearer::rehearsal
