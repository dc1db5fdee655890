// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who gets a message by its header, as GMime reads it.

#include <set>
#include <string>
#include <string_view>

namespace postbearer::milter::test {

struct SecondOpinion {
    std::set<std::string> keys;  // of To, Cc and Bcc: address_key(), or lower case
    std::set<std::string> from;
    bool has_group = false;
};

[[nodiscard]] SecondOpinion read_with_gmime(std::string_view section);

}  // namespace postbearer::milter::test
