// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace postbearer::agent {

/// The directory of all personal Microsoft accounts.
inline constexpr std::string_view kPersonalAccounts = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// The id of an Entra directory: a GUID, in lower case.
[[nodiscard]] constexpr bool is_directory_id(std::string_view text) noexcept {
    constexpr std::size_t kGuidBytes = 36;
    return text.size() == kGuidBytes &&
           text.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

}  // namespace postbearer::agent
