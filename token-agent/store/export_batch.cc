// SPDX-License-Identifier: Apache-2.0
#include "token-agent/store/export_batch.hh"

#include <utility>

#include "common/text.hh"

namespace postbearer::agent {
namespace {

constexpr std::uint8_t kLogin = 1;  // another kind of record gets another number
constexpr std::uint8_t kPublicClient = 1;
constexpr std::uint8_t kRotates = 2;
constexpr std::int64_t kLatest = 253'402'300'799;  // the year 9999

bool fits(const DumpedLogin& login) noexcept {
    for (const std::string* name :
         {&login.name.provider, &login.name.account, &login.name.client_id, &login.user}) {
        if (name->size() > kMostExportedNameBytes) {
            return false;
        }
    }
    return !login.refresh_token.empty() && login.refresh_token.size() <= kMostExportedTokenBytes;
}

/// They are printed and logged. The store takes none that are not, so the file is not ours.
bool has_plain_names(const DumpedLogin& login) noexcept {
    return is_plain_utf8(login.name.provider) && is_plain_utf8(login.name.account) &&
           is_plain_utf8(login.name.client_id) && is_plain_utf8(login.user);
}

bool is_time(WallTime time) noexcept {
    return time.time_since_epoch().count() >= 0 && time.time_since_epoch().count() <= kLatest;
}

WallTime read_time(FieldReader& reader) noexcept {
    return WallTime(std::chrono::seconds(static_cast<std::int64_t>(reader.u64())));
}

}  // namespace

Result<void> add_login(FieldWriter& batch, const DumpedLogin& login) {
    if (!fits(login) || !is_time(login.logged_in_at) || !is_time(login.used_at)) {
        return failure(Errc::Protocol, "the login of account '" + login.name.account +
                                           "' cannot be exported: a "
                                           "name, token or time has no size that an import takes");
    }
    batch.u8(kLogin).text(login.name.provider).text(login.name.account);
    batch.text(login.name.client_id).text(login.user).text(login.refresh_token.reveal());
    batch.u64(static_cast<std::uint64_t>(login.logged_in_at.time_since_epoch().count()));
    batch.u64(static_cast<std::uint64_t>(login.used_at.time_since_epoch().count()));
    batch.u8(static_cast<std::uint8_t>((login.public_client ? kPublicClient : 0U) |
                                       (login.rotates ? kRotates : 0U)));
    return {};
}

Result<std::vector<DumpedLogin>> read_batch(std::string_view bytes) {
    std::vector<DumpedLogin> logins;
    FieldReader reader(bytes);
    while (!reader.at_end()) {
        const std::uint8_t kind = reader.u8();
        DumpedLogin login;
        login.name.provider = reader.text();
        login.name.account = reader.text();
        login.name.client_id = reader.text();
        login.user = reader.text();
        login.refresh_token = Secret(reader.text());
        login.logged_in_at = read_time(reader);
        login.used_at = read_time(reader);
        const unsigned flags = reader.u8();
        login.public_client = (flags & kPublicClient) != 0;
        login.rotates = (flags & kRotates) != 0;
        if (!reader.ok() || kind != kLogin || flags > (kPublicClient | kRotates) || !fits(login) ||
            !has_plain_names(login) || !is_time(login.logged_in_at) || !is_time(login.used_at)) {
            return failure(Errc::Protocol, "holds something that this version does not know");
        }
        logins.push_back(std::move(login));
    }
    return logins;
}

}  // namespace postbearer::agent
