// SPDX-License-Identifier: Apache-2.0
#include "token-agent/store/seal.hh"

#include <algorithm>
#include <utility>

#include "token-agent/store/aead.hh"
#include "token-agent/store/framing.hh"

namespace postbearer::agent {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kMagic = "PBS\x01"sv;
constexpr std::size_t kSaltBytes = 32;
constexpr std::size_t kHeaderBytes = kMagic.size() + kKeyIdBytes + kSaltBytes + kAeadNonceBytes;
// Labels keep one master key's uses apart (RFC 5869, 3.2).
constexpr std::string_view kIdLabel = "postbearer store: key id, 1"sv;
constexpr std::string_view kRecordLabel = "postbearer store: record key, 1"sv;

struct Parts {
    std::string_view key_id;
    std::string_view salt;
    std::string_view nonce;
    std::string_view sealed;
};

std::optional<Parts> parts_of(std::string_view record) noexcept {
    FieldReader reader(record);
    if (reader.raw(kMagic.size()) != kMagic) {
        return std::nullopt;
    }
    Parts parts;
    parts.key_id = reader.raw(kKeyIdBytes);
    parts.salt = reader.raw(kSaltBytes);
    parts.nonce = reader.raw(kAeadNonceBytes);
    if (!reader.ok() || record.size() < kHeaderBytes + kAeadTagBytes) {
        return std::nullopt;
    }
    parts.sealed = record.substr(kHeaderBytes);
    return parts;
}

/// Magic and version stand first, so that a later format cannot be taken for this one.
FieldWriter bound_to(const SealPlace& place, std::string_view key_id) {
    FieldWriter aad;
    aad.raw(kMagic).text(key_id).text(place.provider).text(place.account).text(place.client_id);
    aad.text(place.kind).u64(place.generation);
    return aad;
}

tl::unexpected<Error> damaged() {
    return failure(Errc::Protocol, "is damaged or not where it was written");
}

}  // namespace

Result<KeyRing> KeyRing::make(Secret current, std::vector<Secret> previous) {
    KeyRing ring;
    previous.insert(previous.begin(), std::move(current));
    for (Secret& key : previous) {
        if (key.size() != kMasterKeyBytes) {
            return failure(Errc::Config, "a master key has " + std::to_string(key.size()) +
                                             " bytes; it must be exactly 32 random bytes");
        }
        const auto id = hkdf_sha256(key.reveal(), {}, kIdLabel, kKeyIdBytes);
        if (!id) {
            return tl::unexpected(id.error());
        }
        if (!ring.has(view(*id))) {
            ring.keys_.push_back({std::string(view(*id)), std::move(key)});
        }
    }
    return ring;
}

const KeyRing::Key* KeyRing::find(std::string_view id) const noexcept {
    const auto found =
        std::find_if(keys_.begin(), keys_.end(), [id](const Key& key) { return key.id == id; });
    return found == keys_.end() ? nullptr : &*found;
}

std::string KeyRing::describe() const {
    std::string out;
    for (const Key& key : keys_) {
        out.append(out.empty() ? "" : ", ").append(hex(key.id));
    }
    return out;
}

Result<std::string> KeyRing::seal(const SealPlace& place, std::string_view plain) const {
    const Key& key = keys_.front();
    const auto random = random_bytes(kSaltBytes + kAeadNonceBytes);
    if (!random) {
        return tl::unexpected(random.error());
    }
    const std::string_view salt = view(*random).substr(0, kSaltBytes);
    const std::string_view nonce = view(*random).substr(kSaltBytes);
    const auto record_key = hkdf_sha256(key.bytes.reveal(), salt, kRecordLabel, kAeadKeyBytes);
    if (!record_key) {
        return tl::unexpected(record_key.error());
    }
    auto sealed = aead_seal(view(*record_key), nonce, bound_to(place, key.id).bytes(), plain);
    if (!sealed) {
        return tl::unexpected(std::move(sealed.error()));
    }
    std::string record;
    record.reserve(kHeaderBytes + sealed->size());
    return record.append(kMagic).append(key.id).append(salt).append(nonce).append(*sealed);
}

Result<Secret> KeyRing::open(const SealPlace& place, std::string_view sealed) const {
    const auto parts = parts_of(sealed);
    if (!parts) {
        return damaged();
    }
    const Key* key = find(parts->key_id);
    if (key == nullptr) {
        return failure(Errc::Config, "is sealed with key " + hex(parts->key_id) +
                                         ", which is not in the ring (" + describe() + ")");
    }
    const auto record_key =
        hkdf_sha256(key->bytes.reveal(), parts->salt, kRecordLabel, kAeadKeyBytes);
    if (!record_key) {
        return tl::unexpected(record_key.error());
    }
    auto plain =
        aead_open(view(*record_key), parts->nonce, bound_to(place, key->id).bytes(), parts->sealed);
    if (!plain && plain.error().code == Errc::Protocol) {
        return damaged();
    }
    return plain;
}

std::optional<std::string_view> key_id_of(std::string_view sealed) noexcept {
    const auto parts = parts_of(sealed);
    return parts ? std::optional(parts->key_id) : std::nullopt;
}

}  // namespace postbearer::agent
