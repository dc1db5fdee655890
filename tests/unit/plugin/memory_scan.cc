// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/plugin/memory_scan.hh"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "common/secret.hh"
#include "common/unique_fd.hh"

namespace postbearer::test {
namespace {

constexpr std::size_t kChunkBytes = 1 << 20;
/// Larger regions are a sanitizer's, terabytes of shadow and reserve; ours are far smaller.
constexpr std::size_t kLargestRegion = std::size_t{1} << 26U;

/// Searches one region through /proc/self/mem, so that unreadable pages are errors, not faults.
std::size_t count_in_region(int memory, std::size_t begin, std::size_t end,
                            const MaskedText& needle, std::vector<char>& chunk,
                            std::size_t chunk_address) {
    std::size_t found = 0;
    for (std::size_t at = begin; at + needle.size() <= end; at += kChunkBytes - needle.size()) {
        const std::size_t wanted = std::min(chunk.size(), end - at);
        const ssize_t got = ::pread(memory, chunk.data(), wanted, static_cast<off_t>(at));
        const char* next = chunk.data();
        const char* const end_of_read = next + std::max<ssize_t>(got, 0);
        while (end_of_read - next >= static_cast<std::ptrdiff_t>(needle.size())) {
            next = needle.first_candidate(next, end_of_read - needle.size() + 1);
            if (next == nullptr) {
                break;
            }
            const std::size_t address = at + static_cast<std::size_t>(next - chunk.data());
            const bool own = address >= chunk_address && address < chunk_address + chunk.size();
            found += !own && needle.equals(next) ? 1 : 0;
            ++next;
        }
    }
    return found;
}

}  // namespace

bool MaskedText::equals(const char* bytes) const noexcept {
    for (std::size_t i = 0; i < masked_.size(); ++i) {
        if ((static_cast<unsigned char>(bytes[i]) ^ kMask) != masked_[i]) {
            return false;
        }
    }
    return true;
}

const char* MaskedText::first_candidate(const char* begin, const char* end) const noexcept {
    return static_cast<const char*>(
        std::memchr(begin, masked_.front() ^ kMask, static_cast<std::size_t>(end - begin)));
}

MaskedText MaskedText::part(std::size_t begin, std::size_t length) const {
    const auto first = masked_.begin() + static_cast<std::ptrdiff_t>(begin);
    return MaskedText({first, first + static_cast<std::ptrdiff_t>(length)});
}

std::size_t count_in_memory(const MaskedText& needle) {
    const UniqueFd memory(::open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
    std::vector<char> chunk(kChunkBytes);
    const auto chunk_address = reinterpret_cast<std::size_t>(chunk.data());
    std::ifstream maps("/proc/self/maps");
    std::size_t found = 0;
    for (std::string line; std::getline(maps, line);) {
        std::size_t begin = 0;
        std::size_t end = 0;
        char mode[8] = {};
        if (std::sscanf(line.c_str(), "%zx-%zx %7s", &begin, &end, mode) == 3 && mode[0] == 'r' &&
            mode[1] == 'w' && end - begin <= kLargestRegion) {
            found += count_in_region(memory.get(), begin, end, needle, chunk, chunk_address);
        }
    }
    return found;
}

}  // namespace postbearer::test
