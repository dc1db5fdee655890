// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace postbearer::agent {

/// What a provider calls who signed in, the most telling name first; printable, no repetitions.
struct ClaimedNames {
    std::vector<std::string> sure;      // the provider vouches that they are this user's
    std::vector<std::string> doubtful;  // anybody may have written them there

    [[nodiscard]] bool empty() const noexcept { return sure.empty() && doubtful.empty(); }
};

}  // namespace postbearer::agent
