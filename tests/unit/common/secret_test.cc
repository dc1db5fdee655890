// SPDX-License-Identifier: Apache-2.0
#include "common/secret.hh"

#include <boost/test/unit_test.hpp>
#include <concepts>
#include <cstdlib>
#include <iterator>
#include <new>
#include <ostream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "common/agent_protocol.hh"
#include "common/base64.hh"

namespace {

using namespace postbearer;

template <typename T>
concept Streamable = requires(std::ostream& out, const T& value) {
    out << value;
};

static_assert(!std::is_copy_constructible_v<Secret>);
static_assert(!std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret>);
static_assert(std::is_nothrow_move_assignable_v<Secret>);
static_assert(!Streamable<Secret>);
static_assert(!std::is_convertible_v<Secret, std::string>);
static_assert(!std::is_convertible_v<Secret, std::string_view>);
static_assert(!std::is_convertible_v<std::string, Secret>);
static_assert(!std::equality_comparable<Secret>);

/// Looks at every block that goes back to the heap between begin() and end().
class HeapWatch {
public:
    void begin() noexcept {
        count_ = freed_ = dirty_ = 0;
        watching_ = true;
    }
    void end() noexcept { watching_ = false; }
    void allocated(void* block, std::size_t bytes) noexcept {
        if (watching_ && count_ < std::size(blocks_)) {
            blocks_[count_++] = {static_cast<const char*>(block), bytes};
        }
    }
    void freeing(const void* block) noexcept {
        for (std::size_t i = 0; watching_ && i < count_; ++i) {
            if (blocks_[i].begin == block) {
                ++freed_;
                for (std::size_t at = 0; at < blocks_[i].bytes; ++at) {
                    dirty_ += blocks_[i].begin[at] == 0 ? 0U : 1U;
                }
                blocks_[i] = {};
            }
        }
    }
    [[nodiscard]] std::size_t freed() const noexcept { return freed_; }
    [[nodiscard]] std::size_t dirty_bytes() const noexcept { return dirty_; }

private:
    struct Block {
        const char* begin = nullptr;
        std::size_t bytes = 0;
    };
    Block blocks_[256];
    std::size_t count_ = 0;
    std::size_t freed_ = 0;
    std::size_t dirty_ = 0;
    bool watching_ = false;
};

HeapWatch heap;

}  // namespace

// The whole test program allocates through these.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    void* const block = std::malloc(bytes == 0 ? 1 : bytes);
    if (block == nullptr) {
        throw std::bad_alloc();
    }
    heap.allocated(block, bytes);
    return block;
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    return std::malloc(bytes == 0 ? 1 : bytes);
}
[[gnu::noinline]] void operator delete(void* block) noexcept {
    heap.freeing(block);
    std::free(block);
}
[[gnu::noinline]] void operator delete(void* block, std::size_t /*bytes*/) noexcept {
    heap.freeing(block);
    std::free(block);
}

namespace {

constexpr std::string_view kSentinel =
    "S3ntinel-S3ntinel-S3ntinel-S3ntinel-S3ntinel-S3ntinel-S3ntinel-S3ntinel";

/// Runs `body` and says whether each of the at least `blocks` blocks it freed was all zeros.
template <typename Body>
bool all_wiped(std::size_t blocks, Body&& body) {
    heap.begin();
    body();
    heap.end();
    return heap.freed() >= blocks && heap.dirty_bytes() == 0;
}

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
    BOOST_TEST(static_cast<const void*>(secret.reveal().data()) == static_cast<const void*>(where));
}

BOOST_AUTO_TEST_CASE(the_watch_sees_what_is_left) {
    BOOST_TEST(!all_wiped(1, [] {
        const std::string plain(kSentinel);
        asm volatile("" : : "r"(plain.data()) : "memory");  // the compiler may not leave it out
    }));
    BOOST_TEST(heap.dirty_bytes() >= kSentinel.size());
}

BOOST_AUTO_TEST_CASE(memory_is_wiped_from_first_to_last_byte) {
    BOOST_TEST(all_wiped(1, [] { const Secret secret(kSentinel); }));
    BOOST_TEST(all_wiped(2, [] {
        Secret secret(kSentinel);
        secret = Secret("another one, which is long enough for the heap, of course");
    }));
    BOOST_TEST(all_wiped(2, [] {
        const Secret secret(kSentinel);
        const Secret copy = secret.clone();
    }));
    BOOST_TEST(all_wiped(1, [] {
        Secret secret(kSentinel);
        const Secret moved(std::move(secret));
    }));
}

BOOST_AUTO_TEST_CASE(memory_is_wiped_at_every_growth) {
    BOOST_TEST(all_wiped(10, [] {
        WipedBytes bytes;
        for (int i = 0; i < 5000; ++i) {
            bytes.push_back('x');
        }
    }));
    BOOST_TEST(all_wiped(5, [] {
        WipedBytes bytes;
        for (int i = 0; i < 50; ++i) {
            append(bytes, kSentinel);
        }
        bytes.resize(3);  // what lies beyond is wiped with the block
        bytes.shrink_to_fit();
    }));
    BOOST_TEST(all_wiped(3, [] {
        protocol::MessageWriter writer(16);
        writer.add("token", kSentinel).add("again", kSentinel).add("more", kSentinel);
        const Secret message = std::move(writer).finish();
    }));
    BOOST_TEST(all_wiped(2, [] { (void)base64_decode(view(base64_encode(kSentinel))); }));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
