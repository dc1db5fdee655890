// SPDX-License-Identifier: Apache-2.0
#include "token-agent/store/records.hh"

#include "token-agent/store/aead.hh"
#include "token-agent/store/framing.hh"

namespace postbearer::agent {
namespace {

constexpr std::uint8_t kPublicClient = 1;
constexpr std::uint8_t kRotates = 2;

/// Both generations of a refresh token are of one kind: one becomes the other without being sealed
/// again, and its generation is what tells them apart.
std::string kind_of(const SealedRow& row, std::string_view part) {
    const bool refresh = row.slot == kNewestSlot || row.slot == kPreviousSlot;
    return std::string(part) + (refresh ? ":refresh" : ":access:" + row.slot);
}

/// The account is inside, so what finds it stands in its place.
SealPlace place_of_name(const SealedRow& row, const std::string& kind) {
    return {row.provider, row.place, {}, kind, row.generation};
}

SealPlace place_of_secret(const SealedRow& row, const RecordIdentity& identity,
                          const std::string& kind) {
    return {row.provider, identity.account, identity.client_id, kind, row.generation};
}

FieldWriter encode(const RecordIdentity& identity) {
    FieldWriter writer;
    writer.text(identity.account).text(identity.client_id).text(identity.user);
    writer.u8(static_cast<std::uint8_t>((identity.public_client ? kPublicClient : 0U) |
                                        (identity.rotates ? kRotates : 0U)));
    return writer;
}

std::optional<RecordIdentity> decode(std::string_view bytes) {
    FieldReader reader(bytes);
    RecordIdentity identity;
    identity.account = reader.text();
    identity.client_id = reader.text();
    identity.user = reader.text();
    const unsigned flags = reader.u8();
    identity.public_client = (flags & kPublicClient) != 0;
    identity.rotates = (flags & kRotates) != 0;
    return reader.complete() ? std::optional(std::move(identity)) : std::nullopt;
}

tl::unexpected<Error> of_provider(const SealedRow& row, Error error) {
    error.context = "a record of provider '" + row.provider + "' " + error.context;
    return tl::unexpected(std::move(error));
}

tl::unexpected<Error> of_account(const SealedRow& row, const std::string& account, Error error) {
    error.context = "the " +
                    std::string(row.slot == kNewestSlot     ? "login"
                                : row.slot == kPreviousSlot ? "previous login"
                                                            : "access token") +
                    " of account '" + account + "' at provider '" + row.provider + "' " +
                    error.context;
    return tl::unexpected(std::move(error));
}

}  // namespace

Result<std::string> RecordSealer::place_of(std::string_view provider,
                                           std::string_view account) const {
    FieldWriter framed;
    framed.text("place").text(provider).text(account);
    return hmac_sha256(index_key_.reveal(), framed.bytes());
}

Result<void> RecordSealer::seal(SealedRow& row, const RecordIdentity& identity,
                                std::string_view secret) const {
    auto name = ring_.seal(place_of_name(row, kind_of(row, "name")), encode(identity).bytes());
    if (!name) {
        return tl::unexpected(std::move(name.error()));
    }
    auto sealed = ring_.seal(place_of_secret(row, identity, kind_of(row, "token")), secret);
    if (!sealed) {
        return tl::unexpected(std::move(sealed.error()));
    }
    row.name = std::move(*name);
    row.secret = std::move(*sealed);
    return {};
}

Result<RecordIdentity> RecordSealer::open_identity(const SealedRow& row) const {
    auto plain = ring_.open(place_of_name(row, kind_of(row, "name")), row.name);
    if (!plain) {
        return of_provider(row, std::move(plain.error()));
    }
    auto identity = decode(plain->reveal());
    if (!identity) {
        return of_provider(row, {Errc::Protocol, "has an unknown form"});
    }
    return std::move(*identity);
}

Result<Secret> RecordSealer::open_secret(const SealedRow& row,
                                         const RecordIdentity& identity) const {
    auto plain = ring_.open(place_of_secret(row, identity, kind_of(row, "token")), row.secret);
    if (!plain) {
        return of_account(row, identity.account, std::move(plain.error()));
    }
    return plain;
}

Secret encode_access(const StoredAccess& access) {
    FieldWriter writer;
    writer.text(access.token.reveal()).text(access.token_type);
    writer.u64(static_cast<std::uint64_t>(access.issued_at.time_since_epoch().count()));
    writer.u64(static_cast<std::uint64_t>(access.life.count()));
    writer.u64(
        static_cast<std::uint64_t>(access.refresh_in.value_or(std::chrono::seconds(0)).count()));
    writer.u8(access.refresh_in ? 1 : 0);
    writer.text(access.scope);
    return Secret(writer.bytes());
}

Result<StoredAccess> decode_access(std::string_view bytes) {
    const auto seconds = [](std::uint64_t value) {
        return std::chrono::seconds(static_cast<std::int64_t>(value));
    };
    FieldReader reader(bytes);
    StoredAccess access;
    access.token = Secret(reader.text());
    access.token_type = reader.text();
    access.issued_at = WallTime(seconds(reader.u64()));
    access.life = seconds(reader.u64());
    const auto refresh_in = seconds(reader.u64());
    if (reader.u8() != 0) {
        access.refresh_in = refresh_in;
    }
    access.scope = reader.text();
    if (!reader.complete()) {
        return failure(Errc::Protocol, "a stored access token has an unknown form");
    }
    return access;
}

}  // namespace postbearer::agent
