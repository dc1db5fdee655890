// SPDX-License-Identifier: Apache-2.0
#pragma once

// How a record is sealed, whatever keeps it. Each record has a key of its own, HKDF-SHA256 of a
// master key with a fresh salt, and AES-256-GCM binds it to its place: what is moved to another
// account, kind or generation does not open.
//
//   "PBS" 01 | key id (8) | salt (32) | nonce (12) | ciphertext | tag (16)
//
// A key id is derived from its key, so it can be neither configured wrongly nor reused.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hh"
#include "common/secret.hh"

namespace postbearer::agent {

inline constexpr std::size_t kMasterKeyBytes = 32;
inline constexpr std::size_t kKeyIdBytes = 8;

/// What a record is and where it belongs; all of it is authenticated, none of it is stored by
/// sealing. `kind` names the purpose and the resource, such as "refresh" or "access:smtp".
struct SealPlace {
    std::string_view provider;
    std::string_view account;
    std::string_view client_id;
    std::string_view kind;
    std::uint64_t generation = 0;
};

class KeyRing {
public:
    /// Config: a key is not kMasterKeyBytes long. A key that is given twice counts once.
    [[nodiscard]] static Result<KeyRing> make(Secret current, std::vector<Secret> previous = {});

    /// With the current key.
    [[nodiscard]] Result<std::string> seal(const SealPlace& place, std::string_view plain) const;
    /// With whichever key sealed it. The sentence of an error goes on from the record's name.
    /// Config: "is sealed with key X, which is not in the ring ...". Protocol: "is damaged or not
    /// where ...".
    [[nodiscard]] Result<Secret> open(const SealPlace& place, std::string_view sealed) const;

    /// kKeyIdBytes, binary.
    [[nodiscard]] const std::string& current_id() const noexcept { return keys_.front().id; }
    [[nodiscard]] bool has(std::string_view id) const noexcept { return find(id) != nullptr; }
    /// For people: "1f0c..., 77ab..." in hex, the current one first.
    [[nodiscard]] std::string describe() const;

private:
    struct Key {
        std::string id;
        Secret bytes;
    };
    KeyRing() = default;
    [[nodiscard]] const Key* find(std::string_view id) const noexcept;

    std::vector<Key> keys_;  // never empty, the current one first
};

/// The id of the key that sealed it, binary; nullopt: nothing of ours.
[[nodiscard]] std::optional<std::string_view> key_id_of(std::string_view sealed) noexcept;

}  // namespace postbearer::agent
