// SPDX-License-Identifier: Apache-2.0
#pragma once

// Logins sealed to a passphrase, for another host or a safe. Numbers are big-endian.
//
//   "PBEXPORT" | version 1 (1) | log2 N (1) | r (4) | p (4) | salt (32)
//   frames: length (4) of what follows the nonce | last (1: 0 or 1) | nonce (12) | ciphertext, tag
//
// The key is scrypt (RFC 7914) of the passphrase. A frame is AES-256-GCM, bound to the header's
// digest, its own number and whether it is the last one, so a file that was cut, put in another
// order or mixed with another one does not open. Each frame holds a batch of logins
// (export_batch.hh).
//
// Errors. Denied: the passphrase is wrong (or the very beginning damaged; nobody can tell).
// Protocol: damaged, cut short, or not an export. The sentence goes on from the file's name.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hh"
#include "common/secret.hh"
#include "token-agent/store/export_batch.hh"

namespace postbearer::agent {

struct ScryptCost {
    std::uint8_t log2_n = 17;  // 128 MiB with r = 8
    std::uint32_t r = 8;
    std::uint32_t p = 1;
};

/// What a reader lets a file cost it, so that a stranger's file cannot take all memory.
inline constexpr ScryptCost kMostScryptCost{20, 16, 4};
inline constexpr std::size_t kMostScryptMemory = 1UL << 30U;

class ExportWriter {
public:
    /// A second of work and 128 MiB. Internal: OpenSSL refused.
    [[nodiscard]] static Result<ExportWriter> make(const Secret& passphrase, ScryptCost cost = {});

    /// Appends to `out` what is ready to be written, perhaps nothing. Protocol: this login cannot
    /// be exported; the others still can.
    [[nodiscard]] Result<void> add(const DumpedLogin& login, std::string& out);
    /// The end. Without it the file does not open.
    [[nodiscard]] Result<void> finish(std::string& out);

private:
    ExportWriter(Secret key, std::string header, std::string digest)
        : key_(std::move(key)), header_(std::move(header)), digest_(std::move(digest)) {}
    [[nodiscard]] Result<void> seal_frame(bool last, std::string& out);

    Secret key_;
    std::string header_;  // until it is written
    std::string digest_;  // of it
    std::uint64_t frame_ = 0;
    FieldWriter batch_;
};

class ExportReader {
public:
    explicit ExportReader(Secret passphrase, ScryptCost most = kMostScryptCost)
        : passphrase_(std::move(passphrase)), most_(most) {}

    /// The next bytes of the file, in pieces of any size; the logins of the frames that are
    /// complete now. Each of them is whole and where it was written, but only finish() says that
    /// none was cut off the end: read a file to its end once before anything is done with it. After
    /// an error there are only errors.
    [[nodiscard]] Result<std::vector<DumpedLogin>> feed(std::string_view bytes);
    [[nodiscard]] Result<void> finish() const;

private:
    [[nodiscard]] Result<void> read_header();
    [[nodiscard]] Result<void> read_frame(std::vector<DumpedLogin>& logins);
    [[nodiscard]] std::size_t wanted() const noexcept;

    Secret passphrase_;
    ScryptCost most_;
    Secret key_;          // empty: the header has not been read
    std::string digest_;  // of the header
    std::string buffer_;  // less than a frame and a piece
    std::uint64_t frame_ = 0;
    bool ended_ = false;
    bool failed_ = false;
};

}  // namespace postbearer::agent
