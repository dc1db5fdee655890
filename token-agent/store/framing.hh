// SPDX-License-Identifier: Apache-2.0
#pragma once

// Fields one after the other, each text with its length before it, so that no two lists of fields
// are the same bytes. Numbers are big-endian. What we seal and what we authenticate is framed so.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/secret.hh"

namespace postbearer::agent {

class FieldWriter {
public:
    FieldWriter& u8(std::uint8_t value);
    FieldWriter& u32(std::uint32_t value);
    FieldWriter& u64(std::uint64_t value);
    /// Of less than 4 GiB.
    FieldWriter& text(std::string_view value);
    /// Without a length: of a size that both sides know.
    FieldWriter& raw(std::string_view value);

    [[nodiscard]] std::string_view bytes() const noexcept { return view(bytes_); }

private:
    WipedBytes bytes_;
};

/// Reads what a stranger may have written: past the end every field is 0 or empty and ok() false.
class FieldReader {
public:
    explicit FieldReader(std::string_view bytes) noexcept : left_(bytes) {}

    [[nodiscard]] std::uint8_t u8() noexcept;
    [[nodiscard]] std::uint32_t u32() noexcept;
    [[nodiscard]] std::uint64_t u64() noexcept;
    /// A view into the bytes given.
    [[nodiscard]] std::string_view text() noexcept;
    [[nodiscard]] std::string_view raw(std::size_t size) noexcept;

    [[nodiscard]] bool ok() const noexcept { return ok_; }
    [[nodiscard]] bool at_end() const noexcept { return left_.empty(); }
    /// Everything was read and nothing was missing.
    [[nodiscard]] bool complete() const noexcept { return ok_ && left_.empty(); }

private:
    [[nodiscard]] std::uint64_t number(std::size_t size) noexcept;

    std::string_view left_;
    bool ok_ = true;
};

}  // namespace postbearer::agent
