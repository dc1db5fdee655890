// SPDX-License-Identifier: Apache-2.0
#include "common/config/secret_reference.hh"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/config/text_file.hh"
#include "common/text.hh"

namespace postbearer::config {
namespace {

constexpr std::string_view kCredential = "credential:";
constexpr std::string_view kFile = "file:";
constexpr std::string_view kEnvironment = "env:";
constexpr off_t kEmptyLine = 1;
constexpr std::string_view kCredentialPrefixes[] = {"", "postbearer-encrypted_", "postbearer_"};

bool is_variable_name(std::string_view name) noexcept {
    const auto is_name_character = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '_';
    };
    return !name.empty() && !(name.front() >= '0' && name.front() <= '9') &&
           std::all_of(name.begin(), name.end(), is_name_character);
}

bool is_credential_name(std::string_view name) noexcept {
    return !name.empty() && name != "." && name != ".." && name.size() <= 255 &&
           name.find('/') == std::string_view::npos && is_plain_utf8(name);
}

std::string octal(mode_t mode) {
    std::string out = "0000";
    for (std::size_t i = 0; i < 4; ++i) {
        out[3 - i] = static_cast<char>('0' + ((mode >> (3U * i)) & 7U));
    }
    return out;
}

/// Judged on the open descriptor, so a symbolic link (as in /run/secrets) may lead to the file.
Result<void> check_owner_only(const OpenFile& file, const SecretReference& reference) {
    const std::string& path = reference.name;
    if ((file.status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return failure(Errc::Config, path + " has mode " + octal(file.status.st_mode & 07777U) +
                                         ", so that others than its owner may use it: chmod 600 " +
                                         path);
    }
    const uid_t owner = file.status.st_uid;
    if (owner != 0 && owner != ::geteuid() && owner != reference.also_owner) {
        return failure(Errc::Config,
                       path + " belongs to uid " + std::to_string(owner) +
                           ", who could change it: chown it to root or to uid " +
                           std::to_string(reference.also_owner.value_or(::geteuid())));
    }
    return {};
}

Result<WipedBytes> read_wiped(int fd, const std::string& path) {
    WipedBytes bytes(kMaxSecretBytes + 1);
    std::size_t used = 0;
    while (used < bytes.size()) {
        const ssize_t got = ::read(fd, bytes.data() + used, bytes.size() - used);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return failure(Errc::Config, path + " cannot be read: " + system_error_text(errno));
        }
        if (got == 0) {
            break;
        }
        used += static_cast<std::size_t>(got);
    }
    if (used > kMaxSecretBytes) {
        return failure(Errc::Config, path + " is larger than 64 KiB");
    }
    return WipedBytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(used));
}

/// `reference` is of Kind::File, or a credential, which systemd guards.
Result<Secret> read_file(const SecretReference& reference, const std::string& path) {
    auto file = open_regular_file(path);
    if (!file) {
        std::string text = path + " " + file.error().context;
        if (::geteuid() != 0) {
            text += " (read as uid " + std::to_string(::geteuid()) +
                    "; an agent that gave up root reads secrets at start: restart it)";
        }
        return failure(file.error().code, std::move(text));
    }
    if (reference.kind == SecretReference::Kind::File) {
        if (auto safe = check_owner_only(*file, reference); !safe) {
            return tl::unexpected(safe.error());
        }
    }
    auto bytes = read_wiped(file->fd.get(), path);
    if (!bytes) {
        return tl::unexpected(bytes.error());
    }
    if (!reference.raw && !bytes->empty() &&
        bytes->back() == '\n') {  // editors and echo(1) put one there
        bytes->pop_back();
        if (!bytes->empty() && bytes->back() == '\r') {
            bytes->pop_back();
        }
    }
    if (bytes->empty()) {
        return failure(Errc::Config, path + " is empty");
    }
    return Secret(std::move(*bytes));
}

/// Credentials are copied when the service starts, so a reload cannot bring new ones.
std::string credential_advice(const std::string& name) {
    return "Put it into /etc/postbearer/credentials/" + name +
           " (root's, mode 0600), then: systemctl restart postbearer-agent";
}

/// As our unit names them: LoadCredential=NAME; a file NAME of the directories of
/// LoadCredential=postbearer: and LoadCredentialEncrypted=postbearer-encrypted:. An empty line is
/// what the unit puts where there is none (SetCredential=).
Result<Secret> read_credential(const SecretReference& reference) {
    const std::string& name = reference.name;
    const char* directory = ::getenv("CREDENTIALS_DIRECTORY");
    if (directory == nullptr || *directory == '\0') {
        return failure(Errc::Config,
                       "credential:" + name +
                           " needs systemd (CREDENTIALS_DIRECTORY is not set); without it write "
                           "\"file:/etc/postbearer/" +
                           name + "\"");
    }
    const std::string start = std::string(directory) + "/";
    for (const std::string_view prefix : kCredentialPrefixes) {
        std::string path = start;
        path.append(prefix).append(name);
        struct stat status {};
        const bool absent = ::stat(path.c_str(), &status) != 0
                                ? errno == ENOENT
                                : S_ISREG(status.st_mode) && status.st_size <= kEmptyLine;
        if (!absent) {
            return read_file(reference, path);
        }
    }
    return failure(Errc::Config, "credential:" + name + ": systemd has passed neither " + start +
                                     name + " nor postbearer_" + name +
                                     " in that directory, or they are empty. " +
                                     credential_advice(name));
}

Result<Secret> read_variable(const std::string& name) {
    const char* value = ::getenv(name.c_str());
    if (value == nullptr || *value == '\0') {
        return failure(Errc::Config, "environment variable " + name + " is not set");
    }
    const std::string_view bytes(value);
    if (bytes.size() > kMaxSecretBytes) {
        return failure(Errc::Config, "environment variable " + name + " is larger than 64 KiB");
    }
    return Secret(bytes);
}

}  // namespace

Result<SecretReference> parse_secret_reference(std::string_view text, std::string_view key) {
    using Kind = SecretReference::Kind;
    if (text.starts_with(kCredential)) {
        const std::string_view name = text.substr(kCredential.size());
        if (!is_credential_name(name)) {
            return failure(Errc::Config,
                           "credential:NAME takes the name of a systemd credential, without '/'");
        }
        return SecretReference{Kind::Credential, std::string(name)};
    }
    if (text.starts_with(kFile)) {
        const std::string_view path = text.substr(kFile.size());
        if (!path.starts_with('/') || path.size() > 4095 || !is_plain_utf8(path)) {
            return failure(Errc::Config, "file:PATH takes an absolute path");
        }
        return SecretReference{Kind::File, std::string(path)};
    }
    if (text.starts_with(kEnvironment)) {
        const std::string_view name = text.substr(kEnvironment.size());
        if (!is_variable_name(name)) {
            return failure(Errc::Config, "env:NAME takes the name of an environment variable");
        }
        return SecretReference{Kind::Environment, std::string(name)};
    }
    return failure(Errc::Config,
                   "a secret written in the file itself is refused: put it into a file and write " +
                       std::string(key) + " = \"file:/etc/postbearer/...\"");
}

Result<Secret> read_secret(const SecretReference& reference) {
    switch (reference.kind) {
        case SecretReference::Kind::Credential:
            return read_credential(reference);
        case SecretReference::Kind::File:
            return read_file(reference, reference.name);
        case SecretReference::Kind::Environment:
            return read_variable(reference.name);
    }
    return failure(Errc::Internal, "unknown kind of secret reference");
}

}  // namespace postbearer::config
