// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the loader asks of the host, so that tests and the fuzzer can stand in for it.

#include <sys/types.h>

#include <optional>
#include <string>

#include "common/clock.hh"
#include "common/config/secret_reference.hh"
#include "common/result.hh"
#include "common/secret.hh"

namespace postbearer::config {

class ConfigHost {
public:
    virtual ~ConfigHost() = default;
    [[nodiscard]] virtual Result<Secret> read_secret(const SecretReference& reference) const = 0;
    [[nodiscard]] virtual std::optional<uid_t> user_id(const std::string& name) const = 0;
    [[nodiscard]] virtual std::optional<gid_t> group_id(const std::string& name) const = 0;
    /// Error: Config, reading on after the path: "cannot be opened: Permission denied".
    [[nodiscard]] virtual Result<void> can_read(const std::string& path) const = 0;
    /// A file that is no secret, such as a certificate; at most 1 MiB. Error: Config, as above.
    /// Hosts that have no files say so.
    [[nodiscard]] virtual Result<std::string> read_public(const std::string& path) const;
    /// What certificates are judged by.
    [[nodiscard]] virtual WallTime now() const { return SystemClock().wall(); }
};

class SystemHost final : public ConfigHost {
public:
    [[nodiscard]] Result<Secret> read_secret(const SecretReference& reference) const override;
    [[nodiscard]] std::optional<uid_t> user_id(const std::string& name) const override;
    [[nodiscard]] std::optional<gid_t> group_id(const std::string& name) const override;
    [[nodiscard]] Result<void> can_read(const std::string& path) const override;
    [[nodiscard]] Result<std::string> read_public(const std::string& path) const override;
};

}  // namespace postbearer::config
