// SPDX-License-Identifier: Apache-2.0
#include "token-agent/store/export_file.hh"

#include <openssl/evp.h>

#include <algorithm>
#include <utility>

#include "token-agent/store/aead.hh"

namespace postbearer::agent {
namespace {

constexpr std::string_view kMagic = "PBEXPORT";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kSaltBytes = 32;
constexpr std::size_t kHeaderBytes = kMagic.size() + 1 + 1 + 4 + 4 + kSaltBytes;
constexpr std::size_t kFrameHeaderBytes = 4 + 1 + kAeadNonceBytes;
constexpr std::size_t kBatchBytes = 64UL * 1024;  // a batch is sealed when it has reached this
// The last login of a batch may be as large as one can be.
constexpr std::size_t kMostFrameBytes =
    kBatchBytes + kMostExportedTokenBytes + 8 * kMostExportedNameBytes + kAeadTagBytes;

/// Memory that scrypt wants, RFC 7914 section 2.
std::uint64_t memory_of(const ScryptCost& cost) noexcept {
    return 128ULL * cost.r * (1ULL << cost.log2_n);
}

bool is_bearable(const ScryptCost& cost, const ScryptCost& most) noexcept {
    return cost.log2_n >= 1 && cost.log2_n <= most.log2_n && cost.r >= 1 && cost.r <= most.r &&
           cost.p >= 1 && cost.p <= most.p && memory_of(cost) <= kMostScryptMemory;
}

Result<Secret> stretch(const Secret& passphrase, std::string_view salt, const ScryptCost& cost) {
    WipedBytes key(kAeadKeyBytes);
    const std::string_view words = passphrase.reveal();
    constexpr std::uint64_t kSlack = 1U << 20U;  // for scrypt's smaller buffers
    // NOLINTBEGIN(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's bytes are unsigned
    if (::EVP_PBE_scrypt(words.data(), words.size(),
                         reinterpret_cast<const unsigned char*>(salt.data()), salt.size(),
                         1ULL << cost.log2_n, cost.r, cost.p,
                         memory_of(cost) + 256ULL * cost.r * cost.p + kSlack,
                         reinterpret_cast<unsigned char*>(key.data()), key.size()) != 1) {
        return failure(Errc::Internal, "OpenSSL cannot derive a key from the passphrase (" +
                                           std::to_string(memory_of(cost) >> 20U) +
                                           " MiB of memory are needed)");
    }
    // NOLINTEND(cppcoreguidelines-pro-type-reinterpret-cast)
    return Secret(std::move(key));
}

FieldWriter bound_to(std::string_view header_digest, std::uint64_t frame, bool last) {
    FieldWriter aad;
    aad.text("postbearer export frame").text(header_digest).u64(frame).u8(last ? 1 : 0);
    return aad;
}

tl::unexpected<Error> refused(const std::string& what) { return failure(Errc::Protocol, what); }

}  // namespace

Result<ExportWriter> ExportWriter::make(const Secret& passphrase, ScryptCost cost) {
    const auto salt = random_bytes(kSaltBytes);
    if (!salt) {
        return tl::unexpected(salt.error());
    }
    auto key = stretch(passphrase, view(*salt), cost);
    if (!key) {
        return tl::unexpected(std::move(key.error()));
    }
    FieldWriter header;
    header.raw(kMagic).u8(kVersion).u8(cost.log2_n).u32(cost.r).u32(cost.p).raw(view(*salt));
    auto digest = sha256(header.bytes());
    if (!digest) {
        return tl::unexpected(std::move(digest.error()));
    }
    return ExportWriter(std::move(*key), std::string(header.bytes()), std::move(*digest));
}

Result<void> ExportWriter::seal_frame(bool last, std::string& out) {
    const auto nonce = random_bytes(kAeadNonceBytes);
    if (!nonce) {
        return tl::unexpected(nonce.error());
    }
    const auto sealed = aead_seal(key_.reveal(), view(*nonce),
                                  bound_to(digest_, frame_, last).bytes(), batch_.bytes());
    if (!sealed) {
        return tl::unexpected(sealed.error());
    }
    FieldWriter frame;
    frame.raw(std::exchange(header_, {})).u32(static_cast<std::uint32_t>(sealed->size()));
    frame.u8(last ? 1 : 0).raw(view(*nonce)).raw(*sealed);
    out.append(frame.bytes());
    batch_ = FieldWriter();
    ++frame_;
    return {};
}

Result<void> ExportWriter::add(const DumpedLogin& login, std::string& out) {
    if (auto added = add_login(batch_, login); !added) {
        return added;
    }
    if (batch_.bytes().size() < kBatchBytes) {
        return {};
    }
    return seal_frame(false, out);
}

Result<void> ExportWriter::finish(std::string& out) { return seal_frame(true, out); }

/// Bytes that must be in the buffer before anything can be said.
std::size_t ExportReader::wanted() const noexcept {
    if (key_.empty()) {
        return kHeaderBytes;
    }
    if (buffer_.size() < kFrameHeaderBytes) {
        return kFrameHeaderBytes;
    }
    return kFrameHeaderBytes + FieldReader(buffer_).u32();
}

Result<void> ExportReader::read_header() {
    FieldReader reader(buffer_);
    if (reader.raw(kMagic.size()) != kMagic) {
        return refused("is not an export of postbearer");
    }
    if (const unsigned version = reader.u8(); version != kVersion) {
        return refused("was written by another version of postbearer (format " +
                       std::to_string(version) + ", this one reads format " +
                       std::to_string(kVersion) + ")");
    }
    ScryptCost cost;
    cost.log2_n = reader.u8();
    cost.r = reader.u32();
    cost.p = reader.u32();
    const std::string_view salt = reader.raw(kSaltBytes);
    if (!is_bearable(cost, most_)) {
        return refused("asks for more work than an export of ours; it is damaged or not ours");
    }
    auto key = stretch(passphrase_, salt, cost);
    auto digest = sha256(std::string_view(buffer_).substr(0, kHeaderBytes));
    if (!key || !digest) {
        return tl::unexpected(!key ? key.error() : digest.error());
    }
    key_ = std::move(*key);
    digest_ = std::move(*digest);
    passphrase_ = Secret();
    buffer_.erase(0, kHeaderBytes);
    return {};
}

Result<void> ExportReader::read_frame(std::vector<DumpedLogin>& logins) {
    FieldReader reader(buffer_);
    const std::size_t size = reader.u32();
    const unsigned last = reader.u8();
    const std::string_view nonce = reader.raw(kAeadNonceBytes);
    const std::string_view sealed = reader.raw(size);
    auto plain = last > 1 ? refused("is damaged")
                          : aead_open(key_.reveal(), nonce,
                                      bound_to(digest_, frame_, last == 1).bytes(), sealed);
    if (!plain && plain.error().code == Errc::Protocol) {
        return frame_ == 0 ? failure(Errc::Denied,
                                     "does not open: the passphrase is wrong, or the file is "
                                     "damaged at its beginning")
                           : refused("is damaged, or parts of it are missing");
    }
    if (!plain) {
        return tl::unexpected(std::move(plain.error()));
    }
    auto batch = read_batch(plain->reveal());
    if (!batch) {
        return tl::unexpected(std::move(batch.error()));
    }
    for (DumpedLogin& login : *batch) {
        logins.push_back(std::move(login));
    }
    buffer_.erase(0, kFrameHeaderBytes + size);
    ended_ = last == 1;
    ++frame_;
    return {};
}

Result<std::vector<DumpedLogin>> ExportReader::feed(std::string_view bytes) {
    std::vector<DumpedLogin> logins;
    while (!failed_) {
        // No more is kept than what is wanted next, however much is given at once.
        const std::size_t piece =
            std::min(bytes.size(), wanted() - std::min(wanted(), buffer_.size()));
        buffer_.append(bytes.substr(0, piece));
        bytes.remove_prefix(piece);
        Result<void> done;
        if (ended_) {
            if (buffer_.empty()) {
                return logins;
            }
            done = refused("goes on after its end");
        } else if (wanted() > kFrameHeaderBytes + kMostFrameBytes) {
            done = refused("is damaged");
        } else if (buffer_.size() < wanted()) {
            if (bytes.empty()) {
                return logins;
            }
            continue;
        } else if (key_.empty()) {
            done = read_header();
        } else {
            done = read_frame(logins);
        }
        if (!done) {
            failed_ = true;
            return tl::unexpected(std::move(done.error()));
        }
    }
    return refused("is damaged");
}

Result<void> ExportReader::finish() const {
    if (failed_ || !ended_) {
        return refused("is not complete: its end is missing");
    }
    return {};
}

}  // namespace postbearer::agent
