// SPDX-License-Identifier: Apache-2.0
#pragma once

// Secrets are not written into the configuration; it says where they lie: `credential:NAME`
// (systemd), `file:PATH`, `env:NAME`. No error text of this room holds a part of a value.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hh"
#include "common/secret.hh"

namespace postbearer::config {

inline constexpr std::size_t kMaxSecretBytes = 64 * 1024;

struct SecretReference {
    enum class Kind : std::uint8_t { Credential, File, Environment };
    Kind kind = Kind::File;
    std::string name;  // a credential, an absolute path, or a variable
    bool raw = false;  // a key: every byte counts, a newline at the end too
    /// Whom the file may belong to besides root and us: the user that we are going to become.
    std::optional<uid_t> also_owner = std::nullopt;
};

/// `key` is the configuration key, for the advice. Error: Config, without the text.
[[nodiscard]] Result<SecretReference> parse_secret_reference(std::string_view text,
                                                             std::string_view key);

/// Reads it now. A file: must be regular, owned by root, the effective user or also_owner, closed
/// to group and others (not so a credential: systemd shows 0440), and at most kMaxSecretBytes; one
/// newline at its end is dropped. A credential NAME is also found as postbearer-encrypted_NAME
/// and postbearer_NAME, as a directory of credentials makes them. Error: Config, naming the
/// place and the fix.
[[nodiscard]] Result<Secret> read_secret(const SecretReference& reference);

}  // namespace postbearer::config
