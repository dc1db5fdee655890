// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

namespace postbearer {

template <auto Free>
struct FreeWith {
    template <typename T>
    void operator()(T* p) const noexcept {
        Free(p);
    }
};

/// A C handle that is released by `Free`; one pointer wide.
template <typename T, auto Free>
using Owned = std::unique_ptr<T, FreeWith<Free>>;

}  // namespace postbearer
