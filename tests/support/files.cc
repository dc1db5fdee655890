// SPDX-License-Identifier: Apache-2.0
#include "tests/support/files.hh"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "common/unique_fd.hh"
#include "tests/support/failure.hh"

namespace postbearer::test {

std::string read_file(const Path& path, std::size_t offset) {
    std::ifstream in(path, std::ios::binary);
    if (!in || !in.seekg(static_cast<std::streamoff>(offset))) {
        return {};
    }
    std::ostringstream out;
    out << in.rdbuf();
    return std::move(out).str();
}

void write_file(const Path& path, std::string_view content, mode_t mode) {
    make_directory(path.parent_path());
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!fd.valid() || ::fchmod(fd.get(), mode) != 0) {
        fail_errno("cannot create " + path.string());
    }
    while (!content.empty()) {
        const ssize_t written = ::write(fd.get(), content.data(), content.size());
        if (written <= 0) {
            fail_errno("cannot write " + path.string());
        }
        content.remove_prefix(static_cast<std::size_t>(written));
    }
}

void make_directory(const Path& path, mode_t mode, const std::string& owner,
                    const std::string& group) {
    if (path.empty() || (owner.empty() && std::filesystem::is_directory(path))) {
        return;
    }
    make_directory(path.parent_path());
    if ((::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) || ::chmod(path.c_str(), mode) != 0) {
        fail_errno("cannot make " + path.string());
    }
    if (!owner.empty()) {
        set_owner(path, owner, group);
    }
}

void set_owner(const Path& path, const std::string& owner, const std::string& group) {
    const passwd* entry = ::getpwnam(owner.c_str());  // NOLINT(concurrency-mt-unsafe)
    if (entry == nullptr) {
        fail("no user " + owner);
    }
    const uid_t uid = entry->pw_uid;
    const gid_t gid = group.empty() ? entry->pw_gid : gid_of_group(group);
    if (::chown(path.c_str(), uid, gid) != 0) {
        fail_errno("cannot give " + path.string() + " to " + owner);
    }
}

std::size_t size_of_file(const Path& path) {
    std::error_code error;
    const auto size = std::filesystem::file_size(path, error);
    return error ? 0 : static_cast<std::size_t>(size);
}

std::vector<std::string> split_lines(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return lines;
}

std::string tail(const Path& path, std::size_t lines) {
    const std::vector<std::string> all = split_lines(read_file(path));
    std::string text;
    for (std::size_t i = all.size() > lines ? all.size() - lines : 0; i < all.size(); ++i) {
        text += all[i] + '\n';
    }
    return text;
}

uid_t uid_of(const std::string& user) {
    const passwd* entry = ::getpwnam(user.c_str());  // NOLINT(concurrency-mt-unsafe)
    if (entry == nullptr) {
        fail("no user " + user);
    }
    return entry->pw_uid;
}

gid_t gid_of_group(const std::string& group) {
    const struct group* entry = ::getgrnam(group.c_str());  // NOLINT(concurrency-mt-unsafe)
    if (entry == nullptr) {
        fail("no group " + group);
    }
    return entry->gr_gid;
}

}  // namespace postbearer::test
