// SPDX-License-Identifier: Apache-2.0
#include "milter/graph/base64_source.hh"

#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace postbearer::milter {
namespace {

constexpr std::size_t kPlainBytes = 48UL * 1024;  // a multiple of 3: padding comes last only

}  // namespace

Base64Source::Base64Source(std::string header, std::shared_ptr<const SpooledMessage> message)
    : header_(std::move(header)),
      message_(std::move(message)),
      plain_bytes_(header_.size() + message_->body_bytes()),
      size_(base64_bytes(plain_bytes_)) {}

std::ptrdiff_t Base64Source::read(std::span<char> space) noexcept {
    std::size_t given = 0;
    while (given < space.size() && !drained()) {
        if (encoded_begin_ == encoded_end_ && !refill()) {
            return -1;
        }
        const std::size_t count = std::min(space.size() - given, encoded_end_ - encoded_begin_);
        std::memcpy(space.data() + given, encoded_.data() + encoded_begin_, count);
        encoded_begin_ += count;
        given += count;
        handed_ += count;
    }
    if (drained()) {
        plain_ = {};
        encoded_ = {};
    }
    return static_cast<std::ptrdiff_t>(given);
}

bool Base64Source::rewind() noexcept {
    if (drained()) {
        return false;
    }
    taken_ = 0;
    handed_ = 0;
    encoded_begin_ = 0;
    encoded_end_ = 0;
    return true;
}

bool Base64Source::refill() noexcept {
    // Most messages are small: no more is cleared, and touched, than they need.
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(kPlainBytes, plain_bytes_));
    try {
        plain_.resize(most);
        encoded_.resize(static_cast<std::size_t>(base64_bytes(most)) + 1);  // EVP_EncodeBlock: NUL
    } catch (...) {
        return false;
    }
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(kPlainBytes, plain_bytes_ - taken_));
    if (!gather(wanted)) {
        return false;
    }
    const int made = EVP_EncodeBlock(encoded_.data(), plain_.data(), static_cast<int>(wanted));
    encoded_begin_ = 0;
    encoded_end_ = static_cast<std::size_t>(std::max(made, 0));
    return encoded_end_ != 0;
}

/// The next `wanted` plain bytes: the rest of the header, then the file.
bool Base64Source::gather(std::size_t wanted) noexcept {
    std::size_t got = 0;
    if (taken_ < header_.size()) {
        got = std::min(wanted, header_.size() - static_cast<std::size_t>(taken_));
        std::memcpy(plain_.data(), header_.data() + taken_, got);
    }
    while (got < wanted) {
        const std::uint64_t at = message_->body_offset + (taken_ + got - header_.size());
        const ssize_t count = ::pread(message_->file.get(), plain_.data() + got, wanted - got,
                                      static_cast<off_t>(at));
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return false;  // a file shorter than it was is as bad as an unreadable one
        }
        got += static_cast<std::size_t>(count);
    }
    taken_ += wanted;
    return true;
}

}  // namespace postbearer::milter
