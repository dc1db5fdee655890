// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "common/http/http_client.hh"
#include "milter/lmtp/spooled_message.hh"

namespace postbearer::milter {

/// Bytes of unwrapped base64 (RFC 4648 section 4, padded) for that many bytes.
[[nodiscard]] constexpr std::uint64_t base64_bytes(std::uint64_t plain) noexcept {
    return (plain + 2) / 3 * 4;
}

/// sendMail's body: base64 of an edited header and the body of a spooled message, which is read
/// while it is sent. Holds 112 KiB from the first read to the last, whatever the size.
class Base64Source final : public http::BodySource {
public:
    Base64Source(std::string header, std::shared_ptr<const SpooledMessage> message);

    [[nodiscard]] std::uint64_t size() const noexcept override { return size_; }
    [[nodiscard]] std::ptrdiff_t read(std::span<char> space) noexcept override;
    /// Refused once the last byte was handed over: from then on Graph may have the message.
    [[nodiscard]] bool rewind() noexcept override;

    [[nodiscard]] std::uint64_t handed() const noexcept { return handed_; }
    [[nodiscard]] bool drained() const noexcept { return handed_ == size_; }

private:
    [[nodiscard]] bool refill() noexcept;
    [[nodiscard]] bool gather(std::size_t wanted) noexcept;

    std::string header_;
    std::shared_ptr<const SpooledMessage> message_;
    std::uint64_t plain_bytes_;
    std::uint64_t size_;
    std::uint64_t taken_ = 0;   // of the plain bytes
    std::uint64_t handed_ = 0;  // of the base64
    std::vector<unsigned char> plain_;
    std::vector<unsigned char> encoded_;
    std::size_t encoded_begin_ = 0;
    std::size_t encoded_end_ = 0;
};

}  // namespace postbearer::milter
