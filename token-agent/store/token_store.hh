// SPDX-License-Identifier: Apache-2.0
#pragma once

// The one narrow interface to where tokens outlive the agent. An implementation seals what it keeps
// (seal.hh) and is called from one thread at a time; StoreQueue (store_queue.hh) is how the loop
// reaches it. SqliteStore is the one we have; a shared database server comes later.
//
// Errors of all calls: Unavailable, the store cannot be read or written now (disk full, read-only,
// locked): try again later, nothing has changed. Protocol, a record is there and cannot be trusted
// (damaged, swapped). Config, a record is sealed with a key we do not have: it is as good as ever
// once the key is given back, so nothing older stands in for it. Denied, see each call. The context
// is a sentence for the operator, without any secret.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/agent_messages.hh"
#include "common/clock.hh"
#include "common/result.hh"
#include "common/secret.hh"

namespace postbearer::agent {

/// Whose record it is. `account` is the login in ASCII lower case, or empty: the application's own
/// tokens. `client_id` is not part of the place (one login per provider and account), but a record
/// made with another client is of no use and says so (Denied).
struct RecordName {
    std::string provider;
    std::string account;
    std::string client_id;
};

/// A login: the refresh token and what is known of it. Each new refresh token's generation is one
/// more than the last, and the one before it is kept beside it. The first generation of an account
/// that has none is drawn at random: what was begun for a login that is gone fits no later one.
struct StoredLogin {
    Secret refresh_token;
    std::uint64_t generation = 0;
    std::string user;            // who signed in, as the provider says; may be empty
    bool public_client = false;  // got without client authentication, so renewed without it
    bool rotates = true;         // the last answer had a new refresh token; true before the first
    WallTime logged_in_at;
    WallTime used_at;  // when a token was last got with it
    /// A renewal of this generation was begun at this time and its end has not been recorded.
    std::optional<WallTime> attempt_at;
    /// The newest generation could not be opened, this is the one before (design 5).
    bool previous = false;
};

struct NewLogin {
    Secret refresh_token;
    std::string user;
    bool public_client = false;
    WallTime now;
    /// What an import knows of it; absent: now.
    std::optional<WallTime> logged_in_at = std::nullopt;
    std::optional<WallTime> used_at = std::nullopt;
    /// Until an answer has told otherwise it is taken for one that rotates: its renewal leaves a
    /// mark, and does not begin while nothing can be written.
    bool rotates = true;
};

/// An access token as it was issued.
struct StoredAccess {
    Secret token;
    std::string token_type = "Bearer";
    WallTime issued_at;
    std::chrono::seconds life{0};  // from issued_at; > 0
    std::optional<std::chrono::seconds> refresh_in;
    std::string scope;  // as asked for; a token of other scopes than today's is not used
};

/// One success of a refresh token, written as one transaction.
struct Renewal {
    std::uint64_t generation = 0;         // the one that was used
    std::optional<Secret> refresh_token;  // a new one came; its generation is one more
    WallTime now;
    protocol::Resource resource = protocol::Resource::Smtp;
    std::optional<StoredAccess> access;  // absent: access tokens are not stored
    /// How it was got, if that is not as the login says: the login says so from now on.
    std::optional<bool> public_client;
};

struct ListedLogin {
    std::string provider;
    std::string account;
    std::string client_id;
    std::string user;
    std::uint64_t generation = 0;
    WallTime logged_in_at;
    WallTime used_at;
    bool readable = true;  // false: damaged or sealed with a key we do not have; names may be empty
};

/// `next` continues a listing where it ended; empty: it is complete.
struct LoginPage {
    std::vector<ListedLogin> logins;
    std::string next;
};

/// A login with its token, for an export.
struct DumpedLogin {
    RecordName name;
    Secret refresh_token;
    std::string user;
    bool public_client = false;
    bool rotates = false;
    WallTime logged_in_at;
    WallTime used_at;
};

struct LoginDump {
    std::vector<DumpedLogin> logins;
    std::vector<std::string> unreadable;  // one sentence for each login that is left out
    std::string next;
};

struct RekeyProgress {
    std::uint64_t done = 0;       // records sealed anew in this call
    std::uint64_t remaining = 0;  // still sealed with an older key
    /// Cannot be opened and are left as they are: damaged, or sealed with a key we do not have. The
    /// next round tries them again.
    std::uint64_t unreadable = 0;
};

class TokenStore {
public:
    virtual ~TokenStore() = default;

    /// nullopt: nobody has logged in. Denied: somebody has, with another client_id.
    /// Opens the newest generation, or the one before of the same login if that is damaged;
    /// `generation` is the newest one's either way, as begin_attempt() and put_renewal() want it.
    [[nodiscard]] virtual Result<std::optional<StoredLogin>> find_login(const RecordName& name) = 0;
    /// A login replaces an older one, whatever client that was made with; its refresh tokens and
    /// access tokens go. A newest one whose key is missing (Config) stays as the previous
    /// generation, and is handed out to nobody.
    [[nodiscard]] virtual Result<std::uint64_t> put_login(const RecordName& name,
                                                          const NewLogin& login) = 0;
    /// Says that a renewal begins; an earlier mark without an end stays. It survives the end of
    /// this process, but need not survive a loss of power, so that it costs no fsync.
    [[nodiscard]] virtual Result<void> begin_attempt(const RecordName& name,
                                                     std::uint64_t generation, WallTime now) = 0;
    /// The attempt ended without a new token: an answer came, or none was sent.
    [[nodiscard]] virtual Result<void> end_attempt(const RecordName& name) = 0;
    /// On disk, synced, when it returns. The newest generation becomes the previous one, also where
    /// its key is missing; if it is damaged the previous one stays. Denied: `generation` is not the
    /// newest any more (another login came meanwhile); nothing was written.
    [[nodiscard]] virtual Result<std::uint64_t> put_renewal(const RecordName& name,
                                                            const Renewal& renewal) = 0;
    /// Refresh token, both generations, and access tokens. False: there was nothing.
    [[nodiscard]] virtual Result<bool> forget(const RecordName& name) = 0;

    [[nodiscard]] virtual Result<std::optional<StoredAccess>> find_access(
        const RecordName& name, protocol::Resource resource) = 0;
    [[nodiscard]] virtual Result<void> put_access(const RecordName& name,
                                                  protocol::Resource resource,
                                                  const StoredAccess& access) = 0;
    /// A server has refused it; the next start must not hand it out.
    [[nodiscard]] virtual Result<void> drop_access(const RecordName& name,
                                                   protocol::Resource resource) = 0;

    [[nodiscard]] virtual Result<LoginPage> list(const std::string& cursor, std::size_t limit) = 0;
    /// Logins last used before `before`, the oldest first, and after them those whose use lies more
    /// than an hour in the future: a clock was ahead, and nobody knows when it was. As list(), with
    /// a cursor of its own; a login that is used meanwhile leaves the listing, and no other moves.
    [[nodiscard]] virtual Result<LoginPage> unused_since(WallTime before, const std::string& cursor,
                                                         std::size_t limit) = 0;
    [[nodiscard]] virtual Result<std::uint64_t> count_logins() = 0;
    /// As list(), with the tokens: what an export is made of. Of each the one that find_login()
    /// gives.
    [[nodiscard]] virtual Result<LoginDump> read_logins(const std::string& cursor,
                                                        std::size_t limit) = 0;

    /// Seals up to `limit` records that an older key seals with the newest one, in one transaction.
    [[nodiscard]] virtual Result<RekeyProgress> rekey(std::size_t limit) = 0;
};

}  // namespace postbearer::agent
