// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace postbearer::rehearsal {

template <auto Free>
struct FreeWith {
    template <typename T>
    void operator()(T* p) const noexcept {
        Free(p);
    }
};
template <typename T, auto Free>
using Owned = std::unique_ptr<T, FreeWith<Free>>;  // one pointer wide

/// Creates `directory` (0700) if it is missing. False, with errno set, if it cannot.
[[nodiscard]] bool make_private_directory(const std::string& directory);
/// Writes `path` through a temporary neighbour and rename(2), so that readers see all or nothing.
[[nodiscard]] bool write_file(const std::string& path, std::string_view content, unsigned mode);

}  // namespace postbearer::rehearsal
