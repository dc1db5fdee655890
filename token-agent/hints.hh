// SPDX-License-Identifier: Apache-2.0
#pragma once

// conf/hints/aadsts.tsv, built into the program: what an AADSTS code means and what to do about it.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/agent_messages.hh"

namespace postbearer::agent {

struct Hint {
    std::uint64_t number = 0;  // of AADSTSnnn
    protocol::FailureClass failure_class = protocol::FailureClass::NeedsAdmin;
    /// Transient for some minutes after a change of the configuration, `failure_class` after that.
    bool propagation = false;
    protocol::FailureCode code = protocol::FailureCode::ProviderError;
    std::string_view means;  // a clause: "client secret expired"
    std::string_view fix;    // a sentence without its full stop
};

[[nodiscard]] std::optional<Hint> find_hint(std::uint64_t number);

/// All rows; those that do not parse are left out, which a test would notice.
[[nodiscard]] std::vector<Hint> all_hints();

/// Lines of the table that are rows, whether they parse or not.
[[nodiscard]] std::size_t hint_line_count();

}  // namespace postbearer::agent
