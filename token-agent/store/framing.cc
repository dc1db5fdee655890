// SPDX-License-Identifier: Apache-2.0
#include "token-agent/store/framing.hh"

namespace postbearer::agent {
namespace {

void append_number(WipedBytes& bytes, std::uint64_t value, std::size_t size) {
    for (std::size_t i = size; i-- > 0;) {
        bytes.push_back(static_cast<char>((value >> (8U * i)) & 0xFFU));
    }
}

}  // namespace

FieldWriter& FieldWriter::u8(std::uint8_t value) {
    append_number(bytes_, value, 1);
    return *this;
}

FieldWriter& FieldWriter::u32(std::uint32_t value) {
    append_number(bytes_, value, 4);
    return *this;
}

FieldWriter& FieldWriter::u64(std::uint64_t value) {
    append_number(bytes_, value, 8);
    return *this;
}

FieldWriter& FieldWriter::text(std::string_view value) {
    u32(static_cast<std::uint32_t>(value.size()));
    return raw(value);
}

FieldWriter& FieldWriter::raw(std::string_view value) {
    append(bytes_, value);
    return *this;
}

std::uint64_t FieldReader::number(std::size_t size) noexcept {
    std::uint64_t value = 0;
    for (const char c : raw(size)) {
        value = value << 8U | static_cast<unsigned char>(c);
    }
    return value;
}

std::uint8_t FieldReader::u8() noexcept { return static_cast<std::uint8_t>(number(1)); }
std::uint32_t FieldReader::u32() noexcept { return static_cast<std::uint32_t>(number(4)); }
std::uint64_t FieldReader::u64() noexcept { return number(8); }
std::string_view FieldReader::text() noexcept { return raw(u32()); }

std::string_view FieldReader::raw(std::size_t size) noexcept {
    if (!ok_ || size > left_.size()) {
        ok_ = false;
        left_ = {};
        return {};
    }
    const std::string_view value = left_.substr(0, size);
    left_.remove_prefix(size);
    return value;
}

}  // namespace postbearer::agent
