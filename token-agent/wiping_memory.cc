// SPDX-License-Identifier: Apache-2.0
#include "token-agent/wiping_memory.hh"

#include <curl/curl.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <new>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define POSTBEARER_CHECKED_HEAP 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define POSTBEARER_CHECKED_HEAP 1
#endif

#ifdef POSTBEARER_CHECKED_HEAP

namespace postbearer {

void wipe_freed_memory() noexcept {}

}  // namespace postbearer

#else

// NOLINTBEGIN(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory): this is the allocator

namespace {

// Out of the optimiser's sight: a fortified build that could see both the allocation and this would
// take the difference between asked and usable size for an overflow.
#if defined(__clang__)
#define POSTBEARER_OPAQUE __attribute__((noinline))
#else
#define POSTBEARER_OPAQUE __attribute__((noipa))
#endif

POSTBEARER_OPAQUE void wiping_free(void* block) noexcept {
    if (block != nullptr) {
        ::explicit_bzero(block, ::malloc_usable_size(block));
        ::free(block);
    }
}

/// realloc(3) would leave the old block behind as it is.
POSTBEARER_OPAQUE void* wiping_realloc(void* block, std::size_t size) noexcept {
    if (block == nullptr) {
        return ::malloc(size);
    }
    const std::size_t had = ::malloc_usable_size(block);
    if (size != 0 && size <= had && size >= had / 2) {
        return block;
    }
    void* const moved = ::malloc(size);
    if (moved != nullptr) {
        ::memcpy(moved, block, std::min(had, size));
        wiping_free(block);
    }
    return moved;
}

void* openssl_malloc(std::size_t size, const char* /*file*/, int /*line*/) {
    return ::malloc(size);
}
void* openssl_realloc(void* block, std::size_t size, const char* /*file*/, int /*line*/) {
    if (size == 0) {
        wiping_free(block);
        return nullptr;
    }
    return wiping_realloc(block, size);
}
void openssl_free(void* block, const char* /*file*/, int /*line*/) { wiping_free(block); }

}  // namespace

void operator delete(void* block) noexcept { wiping_free(block); }
void operator delete[](void* block) noexcept { wiping_free(block); }
void operator delete(void* block, std::size_t /*size*/) noexcept { wiping_free(block); }
void operator delete[](void* block, std::size_t /*size*/) noexcept { wiping_free(block); }
void operator delete(void* block, const std::nothrow_t& /*tag*/) noexcept { wiping_free(block); }
void operator delete[](void* block, const std::nothrow_t& /*tag*/) noexcept { wiping_free(block); }

namespace postbearer {

void wipe_freed_memory() noexcept {
    (void)::CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free);
    (void)::curl_global_init_mem(CURL_GLOBAL_DEFAULT, ::malloc, wiping_free, wiping_realloc,
                                 ::strdup, ::calloc);
}

}  // namespace postbearer

// NOLINTEND(cppcoreguidelines-no-malloc,cppcoreguidelines-owning-memory)

#endif
