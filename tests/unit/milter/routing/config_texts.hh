// SPDX-License-Identifier: Apache-2.0
#pragma once

// Configurations from memory on a made-up host, for every room that needs one.

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "milter/config_loader.hh"

namespace postbearer::milter {

class FakeHost final : public config::ConfigHost {
public:
    [[nodiscard]] Result<Secret> read_secret(const config::SecretReference&) const override {
        return failure(Errc::Config, "the milter reads no secret");
    }
    [[nodiscard]] std::optional<uid_t> user_id(const std::string& name) const override {
        return name == "postfix" ? std::optional<uid_t>(101) : std::nullopt;
    }
    [[nodiscard]] std::optional<gid_t> group_id(const std::string& name) const override {
        return name == "postfix" ? std::optional<gid_t>(102) : std::nullopt;
    }
    [[nodiscard]] Result<void> can_read(const std::string& path) const override {
        if (path == "/missing") {
            return failure(Errc::Config, "cannot be opened: No such file or directory");
        }
        return {};
    }
};

inline ConfigResult load_text(std::string_view text) {
    return load_config_text("milter.toml", text, FakeHost());
}

inline std::vector<std::string> errors_of(std::string_view text) {
    const auto loaded = load_text(text);
    return loaded ? std::vector<std::string>() : loaded.error();
}

/// A text without mistakes.
inline std::shared_ptr<const MilterConfig> config_of(std::string_view text) {
    const auto loaded = load_text(text);
    if (!loaded) {
        for (const std::string& line : loaded.error()) {
            BOOST_ERROR(line);
        }
    }
    BOOST_REQUIRE(loaded.has_value());
    return loaded->config;
}

}  // namespace postbearer::milter
