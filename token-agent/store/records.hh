// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the sealed columns of a record hold, and what binds them to their row.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hh"
#include "common/secret.hh"
#include "token-agent/store/seal.hh"
#include "token-agent/store/token_store.hh"

namespace postbearer::agent {

inline constexpr std::string_view kNewestSlot = "refresh";
inline constexpr std::string_view kPreviousSlot = "previous";

/// The `name` column.
struct RecordIdentity {
    std::string account;
    std::string client_id;
    std::string user;
    bool public_client = false;
    bool rotates = true;  // until an answer without a new refresh token has shown otherwise
};

/// What of a row is needed to open it; binary columns as they are.
struct SealedRow {
    std::string place;
    std::string slot;
    std::string provider;
    std::uint64_t generation = 0;
    std::string name;
    std::string secret;
};

/// Opens and seals rows with the ring and the index key.
class RecordSealer {
public:
    /// `index_key` is 32 random bytes that live as long as the database.
    RecordSealer(KeyRing ring, Secret index_key)
        : ring_(std::move(ring)), index_key_(std::move(index_key)) {}

    [[nodiscard]] const KeyRing& ring() const noexcept { return ring_; }
    [[nodiscard]] const Secret& index_key() const noexcept { return index_key_; }

    /// The `place` column.
    [[nodiscard]] Result<std::string> place_of(std::string_view provider,
                                               std::string_view account) const;

    /// Fills `row.name` and `row.secret`; the other members are given.
    [[nodiscard]] Result<void> seal(SealedRow& row, const RecordIdentity& identity,
                                    std::string_view secret) const;
    /// Protocol: "the record of provider P is damaged or not where it was written". Config: the key
    /// that seals it is missing (KeyRing::open()).
    [[nodiscard]] Result<RecordIdentity> open_identity(const SealedRow& row) const;
    [[nodiscard]] Result<Secret> open_secret(const SealedRow& row,
                                             const RecordIdentity& identity) const;

private:
    KeyRing ring_;
    Secret index_key_;
};

/// The index key's own row in `meta`.
inline constexpr SealPlace kIndexKeyPlace{{}, {}, {}, "index key", 0};

/// The `secret` column of an access token.
[[nodiscard]] Secret encode_access(const StoredAccess& access);
[[nodiscard]] Result<StoredAccess> decode_access(std::string_view bytes);

}  // namespace postbearer::agent
