// SPDX-License-Identifier: Apache-2.0
#include "token-agent/admin_store.hh"

#include <string.h>

#include <optional>
#include <utility>
#include <vector>

#include "common/base64.hh"
#include "token-agent/admin_answer.hh"
#include "token-agent/admin_json.hh"
#include "token-agent/client_authentication.hh"
#include "token-agent/store/export_file.hh"

namespace postbearer::agent {
namespace {

using protocol::FailureClass;
using protocol::FailureCode;

constexpr std::size_t kRekeyedPerCall = 1000;
/// Half a megabyte in base64 at the tokens' usual lengths; longer ones make the next page smaller.
constexpr std::size_t kExportedPerCall = 100;

void refuse_with(const Reply& reply, const Error& error) {
    const bool passing = error.code == Errc::Unavailable || error.code == Errc::Timeout;
    refuse(reply, passing ? FailureClass::Transient : FailureClass::NeedsAdmin,
           FailureCode::StoreUnwritable, error.context);
}

/// Takes the string out of the document and overwrites it there: JsonCpp keeps it in memory of its
/// own, which goes back to the heap as it is.
Secret take_secret(const Json::Value& arguments, const char* name) {
    const char* begin = nullptr;
    const char* end = nullptr;
    const Json::Value& value = arguments[name];
    if (!value.isString() || !value.getString(&begin, &end)) {
        return {};
    }
    Secret secret(std::string_view(begin, static_cast<std::size_t>(end - begin)));
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-const-cast): the document is thrown away
    explicit_bzero(const_cast<char*>(begin), static_cast<std::size_t>(end - begin));
    return secret;
}

Json::Value list_of(const std::vector<std::string>& texts) {
    Json::Value list(Json::arrayValue);
    for (const std::string& each : texts) {
        list.append(each);
    }
    return list;
}

std::string first_part(const std::string& text) { return text.substr(0, text.find(':')); }

}  // namespace

/// Touched by the store's thread while a page is under way, by nobody else then.
struct AdminStore::Export {
    std::optional<ExportWriter> writer;
    std::string store_cursor;
    std::string chunk;
    std::uint64_t logins = 0;
    std::vector<std::string> skipped;
    bool busy = false;

    [[nodiscard]] Result<void> page(TokenStore& store, const Secret& passphrase);
};

Result<void> AdminStore::Export::page(TokenStore& store, const Secret& passphrase) {
    chunk.clear();
    skipped.clear();
    logins = 0;
    if (!writer) {
        auto made = ExportWriter::make(passphrase);
        if (!made) {
            return tl::unexpected(std::move(made.error()));
        }
        writer.emplace(std::move(*made));
    }
    auto dump = store.read_logins(store_cursor, kExportedPerCall);
    if (!dump) {
        return tl::unexpected(std::move(dump.error()));
    }
    for (const std::string& each : dump->unreadable) {
        skipped.push_back(each);
    }
    for (const DumpedLogin& login : dump->logins) {
        if (auto added = writer->add(login, chunk); !added) {
            skipped.push_back(login.name.account + ": " + added.error().context);
            continue;
        }
        ++logins;
    }
    store_cursor = dump->next;
    return store_cursor.empty() ? writer->finish(chunk) : Result<void>();
}

struct AdminStore::Import {
    std::optional<ExportReader> reader;
    bool check = false;
    std::uint64_t logins = 0;
    std::vector<std::string> skipped;
    std::vector<std::pair<std::string, std::string>> changed;  // provider, account
    bool busy = false;

    [[nodiscard]] Result<void> take(TokenStore& store, std::string_view bytes, bool last,
                                    WallTime now);
    [[nodiscard]] Result<void> put(TokenStore& store, DumpedLogin& login, WallTime now);
};

Result<void> AdminStore::Import::take(TokenStore& store, std::string_view bytes, bool last,
                                      WallTime now) {
    logins = 0;
    skipped.clear();
    changed.clear();
    auto read = reader->feed(bytes);
    if (!read) {
        return failure(read.error().code, "the export file " + read.error().context);
    }
    for (DumpedLogin& login : *read) {
        if (auto done = check ? Result<void>() : put(store, login, now); !done) {
            return done;
        }
    }
    if (const auto finished = last ? reader->finish() : Result<void>(); !finished) {
        return failure(finished.error().code, "the export file " + finished.error().context);
    }
    return {};
}

/// A login that was used after the export was made has a refresh token that is newer than the
/// file's.
Result<void> AdminStore::Import::put(TokenStore& store, DumpedLogin& login, WallTime now) {
    const auto there = store.find_login(login.name);
    const std::string who = login.name.account + " (" + login.name.provider + "): ";
    if (there && *there && (*there)->used_at >= login.used_at) {
        skipped.push_back(who + "the login that is here is as new or newer");
        return {};
    }
    // Only what is damaged is replaced; a login by another client, or one whose key may come back,
    // is somebody's.
    if (!there && there.error().code == Errc::Unavailable) {
        return tl::unexpected(there.error());
    }
    if (!there && there.error().code != Errc::Protocol) {
        skipped.push_back(who + there.error().context);
        return {};
    }
    NewLogin fresh;
    fresh.refresh_token = std::move(login.refresh_token);
    fresh.user = login.user;
    fresh.public_client = login.public_client;
    fresh.now = now;
    fresh.logged_in_at = login.logged_in_at;  // so that a later export of the other host is newer
    fresh.used_at = login.used_at;
    if (auto put = store.put_login(login.name, fresh); !put) {
        return tl::unexpected(std::move(put.error()));
    }
    ++logins;
    changed.emplace_back(login.name.provider, login.name.account);
    return {};
}

AdminStore::AdminStore(Services services)
    : services_(std::move(services)), alive_(std::make_shared<bool>(true)) {}

AdminStore::~AdminStore() {
    *alive_ = false;
    for (const auto& [id, transfer] : transfers_) {
        services_.scheduler.cancel(transfer.timer);
    }
}

bool AdminStore::handle(std::string_view verb, const Json::Value& arguments,
                        const service::Peer& peer, const Reply& reply) {
    if (verb != "rekey" && verb != "export" && verb != "import_export") {
        return false;
    }
    if (services_.store == nullptr) {
        refuse(reply, FailureClass::NeedsAdmin, FailureCode::NotLoggedIn,
               "there is no store: set [agent] master_key, then restart the agent");
        return true;
    }
    if (verb == "rekey") {
        rekey(reply);
    } else if (peer.uid != 0) {
        refuse(reply, FailureClass::Denied, FailureCode::AccessDenied,
               "only root may take refresh tokens out of the store or put them in");
    } else if (verb == "export") {
        export_page(arguments, peer, reply);
    } else {
        import_page(arguments, peer, reply);
    }
    return true;
}

void AdminStore::rekey(const Reply& reply) {
    ask_store<RekeyProgress>(
        *services_.store, [](TokenStore& store) { return store.rekey(kRekeyedPerCall); },
        [this, alive = alive_, reply](const Result<RekeyProgress>& progress) {
            if (!*alive) {
                return;
            }
            if (!progress) {
                refuse_with(reply, progress.error());
                return;
            }
            Json::Value json = document("rekey");
            json["done"] = static_cast<Json::UInt64>(progress->done);
            json["remaining"] = static_cast<Json::UInt64>(progress->remaining);
            json["unreadable"] = static_cast<Json::UInt64>(progress->unreadable);
            if (progress->remaining == 0 && progress->unreadable == 0) {
                services_.log.write(LogLine(LogLevel::Notice, "store_rekeyed"));
            } else if (progress->unreadable > 0) {
                services_.log.write(
                    LogLine(LogLevel::Warning, "store_rekey_incomplete")
                        .add("unreadable", static_cast<std::int64_t>(progress->unreadable))
                        .add("message",
                             "records that cannot be opened stay as they are: damaged, "
                             "or sealed with a key that is not configured")
                        .add("action",
                             "keep the old keys; add the missing one to "
                             "previous_master_keys, restart, run postbearer rekey again"));
            }
            answer_json(reply, json);
        });
}

AdminStore::Transfer* AdminStore::open_transfer(const std::string& id, const Reply& reply) {
    const auto found = transfers_.find(id);
    if (found == transfers_.end()) {
        refuse(reply, FailureClass::BadRequest, FailureCode::Syntax,
               "this transfer is over, perhaps because the agent was restarted; begin again");
        return nullptr;
    }
    return &found->second;
}

void AdminStore::keep_for_a_while(const std::string& id) {
    Transfer& transfer = transfers_[id];
    services_.scheduler.cancel(transfer.timer);
    transfer.timer = services_.scheduler.at(services_.clock.boot() + kPatience,
                                            [this, id] { transfers_.erase(id); });
}

void AdminStore::end_transfer(const std::string& id) {
    const auto found = transfers_.find(id);
    if (found != transfers_.end()) {
        services_.scheduler.cancel(found->second.timer);
        transfers_.erase(found);
    }
}

/// The id of a new transfer; empty, and refused, where others are under way.
std::string AdminStore::begin_transfer(std::string_view event, const service::Peer& peer,
                                       const Reply& reply) {
    if (transfers_.size() >= kMaxTransfers) {
        refuse(reply, FailureClass::Transient, FailureCode::Throttled,
               "other exports or imports are under way; try again in a minute");
        return {};
    }
    if (!event.empty()) {
        services_.log.write(LogLine(LogLevel::Notice, event)
                                .add("uid", static_cast<std::int64_t>(peer.uid))
                                .add("pid", static_cast<std::int64_t>(peer.pid)));
    }
    return random_guid();
}

void AdminStore::export_page(const Json::Value& arguments, const service::Peer& peer,
                             const Reply& reply) {
    const auto passphrase = std::make_shared<Secret>(take_secret(arguments, "passphrase"));
    std::string id = first_part(string_argument(arguments, "cursor"));
    if (id.empty()) {
        id = begin_transfer("logins_exported", peer, reply);
        if (id.empty()) {
            return;
        }
        transfers_[id].out = std::make_shared<Export>();
    }
    const Transfer* const transfer = open_transfer(id, reply);
    if (transfer == nullptr) {
        return;
    }
    const std::shared_ptr<Export> out = transfer->out;
    if (out == nullptr || std::exchange(out->busy, true)) {
        refuse(reply, FailureClass::BadRequest, FailureCode::Syntax,
               "one page of an export at a time");
        return;
    }
    keep_for_a_while(id);
    ask_store<bool>(
        *services_.store,
        [out, passphrase](TokenStore& store) -> Result<bool> {
            if (auto done = out->page(store, *passphrase); !done) {
                return tl::unexpected(std::move(done.error()));
            }
            return true;
        },
        [this, alive = alive_, id, out, reply](const Result<bool>& done) {
            if (*alive) {
                exported(id, *out, done, reply);
            }
        });
}

void AdminStore::exported(const std::string& id, Export& out, const Result<bool>& done,
                          const Reply& reply) {
    out.busy = false;
    if (!done) {
        end_transfer(id);
        refuse_with(reply, done.error());
        return;
    }
    Json::Value json = document("export");
    json["chunk"] = std::string(view(base64_encode(out.chunk)));
    json["logins"] = static_cast<Json::UInt64>(out.logins);
    json["skipped"] = list_of(out.skipped);
    json["next"] = out.store_cursor.empty() ? "" : id + ":" + out.store_cursor;
    if (out.store_cursor.empty()) {
        end_transfer(id);
    }
    answer_json(reply, json);
}

void AdminStore::import_page(const Json::Value& arguments, const service::Peer& peer,
                             const Reply& reply) {
    Secret passphrase = take_secret(arguments, "passphrase");
    auto bytes = base64_decode(string_argument(arguments, "chunk"));
    if (!bytes) {
        refuse(reply, FailureClass::BadRequest, FailureCode::Syntax, "chunk is not base64");
        return;
    }
    const bool last = flag_argument(arguments, "last");
    std::string id = string_argument(arguments, "state");
    if (id.empty()) {
        const bool check = flag_argument(arguments, "check");
        id = begin_transfer(check ? "" : "logins_imported", peer, reply);
        if (id.empty()) {
            return;
        }
        auto fresh = std::make_shared<Import>();
        fresh->check = check;
        fresh->reader.emplace(std::move(passphrase));
        transfers_[id].in = std::move(fresh);
    }
    const Transfer* const transfer = open_transfer(id, reply);
    if (transfer == nullptr) {
        return;
    }
    const std::shared_ptr<Import> in = transfer->in;
    if (in == nullptr || std::exchange(in->busy, true)) {
        refuse(reply, FailureClass::BadRequest, FailureCode::Syntax,
               "one piece of an import at a time");
        return;
    }
    keep_for_a_while(id);
    const auto chunk = std::make_shared<WipedBytes>(std::move(*bytes));
    ask_store<bool>(
        *services_.store,
        [in, chunk, last, now = services_.clock.wall()](TokenStore& store) -> Result<bool> {
            if (auto done = in->take(store, view(*chunk), last, now); !done) {
                return tl::unexpected(std::move(done.error()));
            }
            return true;
        },
        [this, alive = alive_, id, in, last, reply](const Result<bool>& done) {
            if (*alive) {
                imported(id, *in, last, done, reply);
            }
        });
}

void AdminStore::imported(const std::string& id, Import& in, bool last, const Result<bool>& done,
                          const Reply& reply) {
    in.busy = false;
    for (const auto& [provider, account] : in.changed) {
        services_.changed(provider, account);
    }
    if (!done) {
        end_transfer(id);
        refuse_with(reply, done.error());
        return;
    }
    Json::Value json = document("import_export");
    json["logins"] = static_cast<Json::UInt64>(in.logins);
    json["skipped"] = list_of(in.skipped);
    json["state"] = id;
    if (last) {
        end_transfer(id);
    }
    answer_json(reply, json);
}

}  // namespace postbearer::agent
