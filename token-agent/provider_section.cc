// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "common/config/values.hh"
#include "common/http/url.hh"
#include "token-agent/config_options.hh"
#include "token-agent/config_sections.hh"

namespace postbearer::agent {
namespace {

using config::Position;
using config::Table;
using config::Value;

constexpr std::pair<std::string_view, ProviderType> kTypes[] = {
    {"microsoft", ProviderType::Microsoft}, {"google", ProviderType::Google},
    {"yahoo", ProviderType::Yahoo},         {"aol", ProviderType::Aol},
    {"fastmail", ProviderType::Fastmail},   {"oidc", ProviderType::Oidc}};
constexpr std::pair<std::string_view, Cloud> kClouds[] = {{"global", Cloud::Global},
                                                          {"gcc", Cloud::Gcc},
                                                          {"gcc-high", Cloud::GccHigh},
                                                          {"dod", Cloud::Dod},
                                                          {"china", Cloud::China}};
constexpr std::pair<std::string_view, ClientAuth> kClientAuths[] = {{"post", ClientAuth::Post},
                                                                    {"basic", ClientAuth::Basic}};
constexpr std::string_view kPlaceholderId = "00000000-0000-0000-0000-000000000000";

bool is_visible_ascii(std::string_view text) noexcept {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F; });
}

std::string read_tenant(const Value& value) {
    auto tenant = line_value(value);
    const auto is_tenant_character = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.';
    };
    if (tenant && !std::all_of(tenant->begin(), tenant->end(), is_tenant_character)) {
        value.error("expected a directory id or a domain of the tenant");
    }
    return std::move(tenant).value_or("");
}

std::string read_client_id(const Value& value) {
    auto id = line_value(value);
    if (id && *id == kPlaceholderId) {
        value.error("is the placeholder of the sample: put in the id of your app registration");
    } else if (id && !is_visible_ascii(*id)) {
        value.error("expected printable ASCII without blanks");
    }
    return std::move(id).value_or("");
}

/// RFC 6749 section 3.3: a scope is visible ASCII without blank, quote and backslash.
std::vector<std::string> read_scope_list(const Value& value) {
    std::vector<std::string> out;
    const auto list = value.as_string_list();
    for (const Value& element : list.value_or(std::vector<Value>())) {
        const std::string_view scope = *element.as_string();
        if (scope.empty() || !is_visible_ascii(scope) ||
            scope.find_first_of("\"\\") != std::string_view::npos) {
            element.error("expected one scope in each string");
            continue;
        }
        out.emplace_back(scope);
    }
    if (list && list->empty()) {
        value.error("is empty; leave the key out for the default scopes");
    }
    return out;
}

ScopeTable read_scopes(const Value& value, std::string_view where) {
    ScopeTable out;
    const auto table = value.as_table();
    if (!table) {
        return out;
    }
    constexpr std::string_view kNames[] = {"smtp", "imap", "pop", "graph"};
    table->reject_unknown(kNames, "scopes of " + std::string(where));
    for (const Resource resource : protocol::kResources) {
        if (const auto list = table->find(protocol::name_of(resource))) {
            out[static_cast<std::size_t>(resource)] = read_scope_list(*list);
        }
    }
    return out;
}

void check_required(const Table& table, const ProviderConfig& provider, const std::string& where) {
    const auto require = [&](std::string_view key) {
        if (!table.has(key)) {
            table.error(where + " needs " + std::string(key));
        }
    };
    const auto useless = [&](std::string_view key, std::string_view type) {
        if (const auto value = table.find(key)) {
            value->warn("has no effect, it belongs to type = \"" + std::string(type) + "\"");
        }
    };
    const bool own_id = may_lack_client(provider);
    if (!own_id) {
        require("client_id");
    }
    if (provider.type == ProviderType::Microsoft) {
        if (!own_id) {
            require("tenant");
        }
    } else {
        useless("tenant", "microsoft");
        useless("cloud", "microsoft");
    }
    if (provider.type != ProviderType::Oidc) {
        useless("issuer", "oidc");
    } else if (!table.has("issuer") && !table.has("token_endpoint")) {
        table.error(where + " needs issuer or token_endpoint");
    }
}

/// Only this host may get the answer of a login (RFC 8252 section 7.3).
std::string read_redirect(const Value& value) {
    auto text = line_value(value);
    if (!text) {
        return {};
    }
    const auto parts = http::check_url(*text, true);
    if (!parts || parts->scheme != "http" ||
        (parts->host != "localhost" && parts->host != "127.0.0.1") ||
        text->find_first_of("?{}\"<> ") != std::string::npos) {
        value.error("expected http://localhost or http://127.0.0.1, with or without port and path");
        return {};
    }
    return std::move(*text);
}

void read_endpoints(const Table& table, ProviderConfig& provider, const Loading& loading) {
    const config::PlainHttp plain =
        loading.out.allow_http_loopback ? config::PlainHttp::Loopback : config::PlainHttp::Never;
    if (const auto issuer = table.find("issuer")) {
        provider.issuer = endpoint_value(*issuer, plain).value_or("");
    }
    const std::pair<std::string_view, std::string*> endpoints[] = {
        {"token_endpoint", &provider.token_endpoint},
        {"authorization_endpoint", &provider.authorization_endpoint},
        {"device_authorization_endpoint", &provider.device_authorization_endpoint},
        {"revocation_endpoint", &provider.revocation_endpoint}};
    for (const auto& [key, target] : endpoints) {
        if (const auto endpoint = table.find(key)) {
            *target = endpoint_value(*endpoint, plain).value_or("");
        }
    }
    if (const auto redirect = table.find("redirect_uri")) {
        provider.redirect_uri = read_redirect(*redirect);
    }
    if (const auto ca_file = table.find("ca_file")) {
        provider.ca_file = readable_path(*ca_file, loading.host).value_or("");
    }
    if (const auto proxy = table.find("proxy")) {
        provider.proxy = proxy_value(*proxy).value_or("");
    }
}

void read_client(const Table& table, ProviderConfig& provider, ProviderNotes& notes,
                 const Loading& loading) {
    if (const auto id = table.find("client_id")) {
        provider.client_id = read_client_id(*id);
        notes.has_client_id = true;
    }
    provider.credentials = read_credentials(table, provider, notes, loading);
    if (const auto key = table.find("service_account_key")) {
        provider.service_account = read_service_account(*key, provider.type, loading);
        notes.sound_credentials = notes.sound_credentials && provider.service_account != nullptr;
    }
    if (const auto auth = table.find("client_auth")) {
        provider.client_auth = choice_value(*auth, kClientAuths).value_or(ClientAuth::Post);
    }
}

/// The table of one provider, or nothing if its name or kind is wrong or it stands twice.
std::optional<Table> new_provider(const Value& entry, Position key, Loading& loading) {
    const auto table = entry.as_table();
    if (!table) {
        return std::nullopt;
    }
    const std::string name(entry.name());
    if (name.empty() || !is_plain_utf8(name)) {
        loading.problems.error(key,
                               "a provider's name must not be empty or hold control "
                               "characters");
        return std::nullopt;
    }
    const auto index = static_cast<std::uint32_t>(loading.out.providers.size());
    const auto [known, fresh] = loading.provider_index.emplace(name, index);
    if (!fresh) {
        table->error("provider \"" + name + "\" stands here twice, first at " +
                     loading.problems.describe(loading.provider_notes[known->second].at));
        return std::nullopt;
    }
    return table;
}

}  // namespace

bool may_lack_client(const ProviderConfig& provider) {
    const auto& credentials = provider.credentials;
    const bool identity_only =
        !credentials.empty() &&
        std::all_of(credentials.begin(), credentials.end(), [](const ClientCredential& credential) {
            return credential.kind == CredentialKind::ManagedIdentity;
        });
    return provider.type == ProviderType::Google || identity_only;
}

void read_provider(const Value& entry, Position key, Loading& loading) {
    const auto table = new_provider(entry, key, loading);
    if (!table) {
        return;
    }
    ProviderConfig provider;
    ProviderNotes notes;
    provider.name = std::string(entry.name());
    const std::string where = "[provider." + provider.name + "]";
    config::check_keys(*table, all_options(), Section::Provider, where);
    notes.at = table->position();
    provider.where = source_position(notes.at, loading);
    if (const auto type = table->find("type")) {
        const auto known = choice_value(*type, kTypes);
        notes.sound_type = known.has_value();
        provider.type = known.value_or(ProviderType::Oidc);
    } else {
        table->error(where + " needs type");
    }
    if (const auto cloud = table->find("cloud")) {
        provider.cloud = choice_value(*cloud, kClouds).value_or(Cloud::Global);
    }
    if (const auto tenant = table->find("tenant")) {
        provider.tenant = read_tenant(*tenant);
        notes.tenant = tenant->position();
    }
    read_client(*table, provider, notes, loading);
    read_endpoints(*table, provider, loading);
    if (const auto scopes = table->find("scopes")) {
        provider.scopes = read_scopes(*scopes, where);
    }
    if (notes.sound_type) {
        check_required(*table, provider, where);
    }
    loading.out.providers.push_back(std::move(provider));
    loading.provider_notes.push_back(notes);
}

}  // namespace postbearer::agent
