// SPDX-License-Identifier: Apache-2.0
#pragma once

// Configurations from memory on a made-up host, for the tests of the loader.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "token-agent/config_loader.hh"

namespace postbearer::agent {

using Lines = std::vector<std::string>;
using config::SecretReference;

inline constexpr std::string_view kSentinel = "sentinel-secret";

inline constexpr std::string_view kSealingKey = "0123456789abcdef0123456789abcdef";

class FakeHost final : public ConfigHost {
public:
    [[nodiscard]] Result<Secret> read_secret(const SecretReference& reference) const override {
        owners_.push_back(reference.also_owner);
        if (reference.name == "missing") {
            return failure(Errc::Config, "missing cannot be opened: No such file or directory");
        }
        return Secret(reference.raw ? kSealingKey : kSentinel);
    }
    [[nodiscard]] std::optional<uid_t> user_id(const std::string& name) const override {
        return name == "postfix" ? std::optional<uid_t>(101) : std::nullopt;
    }
    [[nodiscard]] std::optional<gid_t> group_id(const std::string& name) const override {
        return name == "postfix" ? std::optional<gid_t>(102) : std::nullopt;
    }
    [[nodiscard]] WallTime now() const override {
        return std::chrono::sys_days(std::chrono::year(2026) / 11 / 20);
    }
    [[nodiscard]] Result<void> can_read(const std::string& path) const override {
        if (path == "/missing") {
            return failure(Errc::Config, "cannot be opened: No such file or directory");
        }
        return {};
    }

    /// Who else a secret might belong to, in the order they were read.
    [[nodiscard]] const std::vector<std::optional<uid_t>>& owners() const { return owners_; }

private:
    mutable std::vector<std::optional<uid_t>> owners_;
};

inline ConfigResult load_text(std::string_view text, std::string_view extra = {}) {
    const ConfigText texts[] = {{"agent.toml", text}, {"agent.d/extra.toml", extra}};
    return load_config_texts(std::span(texts).first(extra.empty() ? 1 : 2), FakeHost());
}

inline Lines errors_of(std::string_view text, std::string_view extra = {}) {
    const auto loaded = load_text(text, extra);
    return loaded ? Lines() : loaded.error();
}

/// Lines 1 to 13: a whole configuration that rows add to.
inline constexpr std::string_view kBase = R"([provider.contoso]
type = "microsoft"
tenant = "contoso.com"
client_id = "11111111-2222-3333-4444-555555555555"
client_secret = "credential:contoso"
[[account]]
match = "@contoso.com"
provider = "contoso"
grant = "client_credentials"
[[access]]
user = "postfix"
accounts = ["*"]
# the row begins in line 14
)";

}  // namespace postbearer::agent
