// SPDX-License-Identifier: Apache-2.0
#include "common/secret.hh"

#include <boost/test/unit_test.hpp>
#include <concepts>
#include <cstring>
#include <ostream>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

namespace {

using namespace postbearer;

template <typename T>
concept Streamable = requires(std::ostream& out, const T& value) { out << value; };

static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(!std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);
static_assert(std::is_nothrow_move_assignable_v<Secret>);
static_assert(!Streamable<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);
static_assert(!std::is_convertible_v<std::string, Secret>);
static_assert(!std::equality_comparable<Secret>);

/// Memory for one block at a time, so that a test may look at what was given back.
class Arena {
public:
    [[nodiscard]] void* give(std::size_t bytes) {
        BOOST_REQUIRE(used_ + bytes <= sizeof memory_);
        void* const block = memory_ + used_;
        used_ += bytes;
        return block;
    }
    [[nodiscard]] bool holds(const char* text) const {
        return std::string_view(memory_, sizeof memory_).find(text) != std::string_view::npos;
    }
    [[nodiscard]] bool all_zero() const {
        return std::string_view(memory_, sizeof memory_).find_first_not_of('\0') ==
               std::string_view::npos;
    }
    [[nodiscard]] std::size_t used() const noexcept { return used_; }

private:
    alignas(16) char memory_[1U << 16U] = {};
    std::size_t used_ = 0;
};

Arena* arena = nullptr;

/// WipingAllocator as it is, on top of memory that stays ours after deallocate().
template <typename T>
struct WatchedAllocator {
    using value_type = T;
    T* allocate(std::size_t count) {
        return static_cast<T*>(arena->give(count * sizeof(T)));
    }
    void deallocate(T* p, std::size_t count) noexcept {
        explicit_bzero(static_cast<void*>(p), count * sizeof(T));
    }
    bool operator==(const WatchedAllocator&) const noexcept { return true; }
};

BOOST_AUTO_TEST_SUITE(secret_test)

BOOST_AUTO_TEST_CASE(it_holds_moves_and_clones) {
    Secret secret("hush");
    BOOST_TEST(secret.reveal() == "hush");
    BOOST_TEST(secret.size() == 4U);
    const Secret copy = secret.clone();
    Secret moved = std::move(secret);
    BOOST_TEST(moved.reveal() == "hush");
    BOOST_TEST(copy.reveal() == "hush");
    BOOST_TEST(secret.empty());  // NOLINT(bugprone-use-after-move): that is the question
    moved = Secret();
    BOOST_TEST(moved.empty());
    BOOST_TEST(Secret(std::string_view("a\0b", 3)).size() == 3U);
}

BOOST_AUTO_TEST_CASE(bytes_become_a_secret_without_a_copy) {
    WipedBytes bytes;
    append(bytes, "hush");
    const char* const where = bytes.data();
    const Secret secret(std::move(bytes));
    BOOST_TEST(static_cast<const void*>(secret.reveal().data()) ==
               static_cast<const void*>(where));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
