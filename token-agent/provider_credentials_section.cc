// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "common/config/values.hh"
#include "token-agent/config_sections.hh"
#include "token-agent/credentials/client_proof.hh"
#include "token-agent/credentials/service_account.hh"
#include "token-agent/credentials/signing_key.hh"

namespace postbearer::agent {
namespace {

using config::SecretReference;
using config::Table;
using config::Value;

constexpr std::string_view kKinds[] = {"client_secret", "certificate", "federated_token_file",
                                       "managed_identity"};
constexpr std::string_view kCompanions[][2] = {{"secret_expires", "client_secret"},
                                               {"private_key", "certificate"},
                                               {"private_key_passphrase", "certificate"}};
constexpr std::string_view kEntryKeys[] = {
    "client_secret",          "secret_expires",       "certificate",     "private_key",
    "private_key_passphrase", "federated_token_file", "managed_identity"};
constexpr std::size_t kMaxCredentials = 8;
constexpr std::chrono::days kSoon{30};

struct Room {
    const ProviderConfig& provider;
    const Loading& loading;
};

/// The secret that a key refers to; null with a problem recorded.
std::shared_ptr<const Secret> referred_secret(const Value& value, std::string_view key,
                                              const Loading& loading) {
    const auto text = value.as_string();
    if (!text) {
        return nullptr;
    }
    const auto reference = config::parse_secret_reference(*text, key);
    if (!reference) {
        value.error(reference.error().context);
        return nullptr;
    }
    auto secret = loading.read_secret(*reference);
    if (!secret) {
        value.error(secret.error().context);
        return nullptr;
    }
    return std::make_shared<const Secret>(std::move(*secret));
}

/// "ends in 12 days", "ended on 2026-05-01"; empty: not soon.
std::string ending(WallTime end, WallTime now) {
    if (end <= now) {
        return "ended on " + date_text(end);
    }
    const auto left = std::chrono::floor<std::chrono::days>(end - now);
    return left > kSoon ? std::string()
                        : "ends in " + std::to_string(left.count()) +
                              (left.count() == 1 ? " day, on " : " days, on ") + date_text(end);
}

std::optional<ClientCredential> read_secret_credential(const Table& table, const Room& room) {
    ClientCredential credential;
    credential.secret =
        referred_secret(*table.find("client_secret"), "client_secret", room.loading);
    if (const auto expires = table.find("secret_expires")) {
        credential.secret_expires = expires->as_date();
        const auto text = credential.secret_expires
                              ? ending(*credential.secret_expires, room.loading.host.now())
                              : std::string();
        if (!text.empty()) {
            expires->warn("the client secret " + text + ": make a new one at the provider");
        }
    }
    return credential.secret == nullptr ? std::nullopt : std::optional(std::move(credential));
}

std::shared_ptr<const Secret> read_guarded(const Value& value, const std::string& path,
                                           const Room& room) {
    auto secret = room.loading.read_secret({SecretReference::Kind::File, path});
    if (!secret) {
        value.error(secret.error().context);
        return nullptr;
    }
    return std::make_shared<const Secret>(std::move(*secret));
}

/// A certificate apart from its key is public. One with its key inside is a secret like any other,
/// so a plain path to it is read with the same care, even if the key stands elsewhere once more.
std::shared_ptr<const Secret> read_certificate(const Table& table, const Room& room) {
    const Value value = *table.find("certificate");
    const auto text = value.as_string();
    if (!text) {
        return nullptr;
    }
    if (!text->starts_with('/')) {
        if (config::parse_secret_reference(*text, "certificate")) {
            return referred_secret(value, "certificate", room.loading);
        }
        value.error(
            "expected an absolute path, or file:, credential: or env: where the private "
            "key is in it too");
        return nullptr;
    }
    const auto path = path_value(value);
    if (!path) {
        return nullptr;
    }
    if (!table.has("private_key")) {
        return read_guarded(value, *path, room);
    }
    const auto content = room.loading.host.read_public(*path);
    if (!content) {
        value.error(*path + " " + content.error().context);
        return nullptr;
    }
    const bool holds_key = content->find("PRIVATE KEY-----") != std::string::npos;
    return holds_key ? read_guarded(value, *path, room) : std::make_shared<const Secret>(*content);
}

/// Puts what load_certificate_key() said to the key that it is about.
void report(const Table& table, std::string_view text) {
    for (const std::string_view key : {"private_key_passphrase", "private_key", "certificate"}) {
        if (text.starts_with(key) && text.substr(key.size()).starts_with(": ")) {
            text.remove_prefix(key.size() + 2);
            table.find(table.has(key) ? key : "certificate")->error(text);
            return;
        }
    }
    table.find("certificate")->error(text);
}

void judge_key(const Value& value, const SigningKey& key, const Room& room) {
    const bool for_entra = room.provider.type == ProviderType::Microsoft;
    if (key.kind() == KeyKind::EcP256 && for_entra) {
        value.error(
            "Entra takes RSA keys only, and this is an EC key; make an RSA key of at least "
            "2048 bits");
        return;
    }
    const std::string text = ending(key.certificate()->not_after, room.loading.host.now());
    if (!text.empty()) {
        value.warn(key.certificate()->subject + " (thumbprint " + key.certificate()->sha1 + ") " +
                   text + ": make a new certificate and upload it to the app registration");
    }
}

std::optional<ClientCredential> read_certificate_credential(const Table& table, const Room& room) {
    const auto certificate = read_certificate(table, room);
    std::shared_ptr<const Secret> key;
    std::shared_ptr<const Secret> passphrase;
    const auto read_beside = [&](std::string_view name, std::shared_ptr<const Secret>& into) {
        const auto value = table.find(name);
        into = value ? referred_secret(*value, name, room.loading) : nullptr;
        return !value || into != nullptr;
    };
    const bool sound_key = read_beside("private_key", key);
    const bool sound_passphrase = read_beside("private_key_passphrase", passphrase);
    if (certificate == nullptr || !sound_key || !sound_passphrase) {
        return std::nullopt;
    }
    const auto text = [](const std::shared_ptr<const Secret>& secret) {
        return secret == nullptr ? std::string_view() : secret->reveal();
    };
    auto loaded = load_certificate_key({certificate->reveal(), text(key), text(passphrase)});
    if (!loaded) {
        report(table, loaded.error().context);
        return std::nullopt;
    }
    judge_key(*table.find("certificate"), **loaded, room);
    ClientCredential credential;
    credential.kind = CredentialKind::Certificate;
    credential.key = std::move(*loaded);
    return credential;
}

std::optional<ClientCredential> read_federated_credential(const Table& table) {
    // Who writes it may not have started yet, so that it is there is not looked for.
    const auto path = path_value(*table.find("federated_token_file"));
    if (!path) {
        return std::nullopt;
    }
    ClientCredential credential;
    credential.kind = CredentialKind::FederatedToken;
    credential.federated_token_file = *path;
    return credential;
}

std::optional<ClientCredential> read_identity_credential(const Table& table, const Room& room) {
    const Value value = *table.find("managed_identity");
    ClientCredential credential;
    credential.kind = CredentialKind::ManagedIdentity;
    if (room.provider.type != ProviderType::Microsoft) {
        value.error("belongs to type = \"microsoft\"");
        return std::nullopt;
    }
    if (value.kind() == config::Kind::Boolean) {
        return credential;  // `false` was sorted out before
    }
    if (value.kind() != config::Kind::String) {
        value.error("expected true, \"system\", or the client id of a user-assigned identity");
        return std::nullopt;
    }
    const auto identity = line_value(value);
    if (!identity) {
        return std::nullopt;
    }
    const bool good = std::all_of(identity->begin(), identity->end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-';
    });
    if (!good) {
        value.error("expected true, \"system\", or the client id of a user-assigned identity");
        return std::nullopt;
    }
    credential.identity = *identity == "system" ? std::string() : *identity;
    return credential;
}

std::vector<std::string_view> kinds_in(const Table& table) {
    std::vector<std::string_view> kinds;
    for (const std::string_view kind : kKinds) {
        const auto value = table.find(kind);
        const bool off = value && value->kind() == config::Kind::Boolean &&
                         kind == "managed_identity" && !value->as_bool().value_or(true);
        if (value && !off) {
            kinds.push_back(kind);
        }
    }
    return kinds;
}

/// Keys that say something about another one, which is missing.
void check_companions(const Table& table) {
    for (const auto& [key, of] : kCompanions) {
        if (table.has(of) || !table.has(key)) {
            continue;
        }
        const std::string text = "has no effect without " + std::string(of);
        if (key == "secret_expires") {
            table.find(key)->warn(text);
        } else {
            table.find(key)->error(text);
        }
    }
}

std::optional<ClientCredential> read_kind(const Table& table, std::string_view kind,
                                          const Room& room) {
    if (kind == "client_secret") {
        return read_secret_credential(table, room);
    }
    if (kind == "certificate") {
        return read_certificate_credential(table, room);
    }
    return kind == "managed_identity" ? read_identity_credential(table, room)
                                      : read_federated_credential(table);
}

void read_entry(const Table& entry, const std::string& where, const Room& room,
                std::vector<ClientCredential>& out, bool& sound) {
    entry.reject_unknown(kEntryKeys, "credentials of " + where);
    check_companions(entry);
    const auto kinds = kinds_in(entry);
    if (kinds.size() != 1) {
        entry.error(
            "each of credentials has exactly one of client_secret, certificate, "
            "federated_token_file and managed_identity");
        sound = false;
        return;
    }
    auto credential = read_kind(entry, kinds.front(), room);
    sound = sound && credential.has_value();
    if (credential) {
        out.push_back(std::move(*credential));
    }
}

void read_list(const Value& list, const std::string& where, const Room& room,
               std::vector<ClientCredential>& out, bool& sound) {
    const auto elements = list.as_list();
    if (!elements || elements->empty() || elements->size() > kMaxCredentials) {
        if (elements) {
            list.error(elements->empty() ? "is empty; leave the key out for a public client"
                                         : "has more than 8 entries");
        }
        sound = false;
        return;
    }
    for (const Value& element : *elements) {
        if (const auto entry = element.as_table()) {
            read_entry(*entry, where, room, out, sound);
        } else {
            sound = false;
        }
    }
}

}  // namespace

std::shared_ptr<const ServiceAccount> read_service_account(const Value& value, ProviderType type,
                                                           const Loading& loading) {
    if (type != ProviderType::Google) {
        value.error("belongs to type = \"google\"");
        return nullptr;
    }
    const auto file = referred_secret(value, "service_account_key", loading);
    if (file == nullptr) {
        return nullptr;
    }
    auto account = parse_service_account(file->reveal(), loading.out.allow_http_loopback);
    if (!account) {
        value.error(account.error().context);
        return nullptr;
    }
    return std::move(*account);
}

std::vector<ClientCredential> read_credentials(const Table& table, const ProviderConfig& provider,
                                               ProviderNotes& notes, const Loading& loading) {
    const std::string where = "[provider." + provider.name + "]";
    const Room room{provider, loading};
    std::vector<ClientCredential> out;
    const auto kinds = kinds_in(table);
    check_companions(table);
    if (const auto list = table.find("credentials")) {
        for (const std::string_view kind : kinds) {
            table.find(kind)->error("stands beside credentials: put it into that list too");
        }
        read_list(*list, where, room, out, notes.sound_credentials);
        return out;
    }
    if (kinds.size() > 1) {
        table.find(kinds[1])->error("stands beside " + std::string(kinds[0]) +
                                    ": put them into credentials = [{...}, {...}], in the order "
                                    "in which they are to be tried");
        notes.sound_credentials = false;
        return out;
    }
    if (kinds.size() == 1) {
        auto credential = read_kind(table, kinds.front(), room);
        notes.sound_credentials = credential.has_value();
        if (credential) {
            out.push_back(std::move(*credential));
        }
    }
    return out;
}

}  // namespace postbearer::agent
