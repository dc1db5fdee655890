// SPDX-License-Identifier: Apache-2.0
#pragma once

// Plugins of others beside ours that offer the same mechanisms: libsasl2 loads them all and takes
// one for each mechanism, and its choice decides whose tokens go out.

#include <cstdint>
#include <string>
#include <vector>

namespace postbearer::cli {

enum class Taken : std::uint8_t { Ours, Other, Undecided };

struct OtherPlugin {
    std::string file;
    std::string package;  // where it is a known one
    std::string mechanism;
    Taken taken = Taken::Undecided;
};

/// The places where libsasl2 looks, each a list of directories that it reads together: those of
/// SASL_PATH where that is set, and its own. A program sees one place or the other.
[[nodiscard]] std::vector<std::vector<std::string>> plugin_places();

/// Each mechanism of each plugin that stands beside ours; none in a place where ours is not.
[[nodiscard]] std::vector<OtherPlugin> other_plugins(
    const std::vector<std::vector<std::string>>& places);

/// One line for the admin: the file, whom libsasl2 takes, what to do.
[[nodiscard]] std::string sentence_about(const OtherPlugin& plugin);

[[nodiscard]] const char* name_of(Taken taken) noexcept;

}  // namespace postbearer::cli
