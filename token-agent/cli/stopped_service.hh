// SPDX-License-Identifier: Apache-2.0
#pragma once

// The host of check-config while postbearer-agent.service is not running: systemd has opened no
// credentials then, so they are looked for where the unit would take them from.

#include <string>

#include "common/config/host.hh"

namespace postbearer::cli {

struct CredentialPlaces {
    std::string directory =
        POSTBEARER_CONFIG_DIR "/credentials";  // beside it: credentials.encrypted
    std::string store = "/etc/credstore";      // beside it: credstore.encrypted
};

class StoppedService final : public config::ConfigHost {
public:
    explicit StoppedService(CredentialPlaces places) : places_(std::move(places)) {}

    /// A sealed credential is an error of its own: nobody but systemd opens it. Error: Config.
    [[nodiscard]] Result<Secret> read_secret(
        const config::SecretReference& reference) const override;
    [[nodiscard]] std::optional<uid_t> user_id(const std::string& name) const override;
    [[nodiscard]] std::optional<gid_t> group_id(const std::string& name) const override;
    [[nodiscard]] Result<void> can_read(const std::string& path) const override;
    [[nodiscard]] Result<std::string> read_public(const std::string& path) const override;

private:
    config::SystemHost system_;
    CredentialPlaces places_;
};

}  // namespace postbearer::cli
