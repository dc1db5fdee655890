// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string.h>

#include <cstddef>
#include <iosfwd>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

namespace postbearer {

/// Overwrites every block before it goes back to the heap, growth of a container included.
template <typename T>
class WipingAllocator {
public:
    using value_type = T;

    WipingAllocator() noexcept = default;
    template <typename U>
    // NOLINTNEXTLINE(google-explicit-constructor): allocators convert between value types
    WipingAllocator(const WipingAllocator<U>&) noexcept {}

    [[nodiscard]] T* allocate(std::size_t count) { return std::allocator<T>{}.allocate(count); }
    void deallocate(T* p, std::size_t count) noexcept {
        explicit_bzero(static_cast<void*>(p), count * sizeof(T));
        std::allocator<T>{}.deallocate(p, count);
    }

    template <typename U>
    bool operator==(const WipingAllocator<U>&) const noexcept {
        return true;
    }
};

/// Bytes that may hold a secret while they are built or parsed.
using WipedBytes = std::vector<char, WipingAllocator<char>>;

[[nodiscard]] inline std::string_view view(const WipedBytes& bytes) noexcept {
    return {bytes.data(), bytes.size()};
}

inline void append(WipedBytes& bytes, std::string_view more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
}

/// A token, password, key, or a message that holds one. Moves, never copies by accident, cannot
/// be streamed; its memory is wiped when it is freed.
class Secret {
public:
    Secret() = default;
    explicit Secret(std::string_view plain) : bytes_(plain.begin(), plain.end()) {}
    explicit Secret(WipedBytes&& bytes) noexcept : bytes_(std::move(bytes)) {}
    Secret(Secret&&) noexcept = default;
    Secret& operator=(Secret&&) noexcept = default;
    Secret(const Secret&) = delete;
    Secret& operator=(const Secret&) = delete;
    ~Secret() = default;

    [[nodiscard]] Secret clone() const { return Secret(reveal()); }
    /// View into this object; the one word that reviewers search for.
    [[nodiscard]] std::string_view reveal() const noexcept { return view(bytes_); }
    [[nodiscard]] bool empty() const noexcept { return bytes_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }

    friend std::ostream& operator<<(std::ostream&, const Secret&) = delete;

private:
    WipedBytes bytes_;
};

}  // namespace postbearer
