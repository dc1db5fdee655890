// SPDX-License-Identifier: Apache-2.0
#include "client_registry.hh"

#include <algorithm>

#include "codec.hh"
#include "json.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::int64_t kMaxPadBytes = 1'000'000;

/// The problem, or empty.
std::string read_secrets(const Json::Value& list, std::vector<ClientSecret>& secrets) {
    if (list.isNull()) {
        return {};
    }
    if (!list.isArray()) {
        return "'secrets' must be a list";
    }
    for (const Json::Value& item : list) {
        ObjectReader reader(item);
        ClientSecret secret;
        secret.value = reader.text("value", "");
        secret.expired = reader.boolean("expired", false);
        if (!reader.problem().empty() || secret.value.empty()) {
            return "'secrets' holds {\"value\":\"...\",\"expired\":false}: " + reader.problem();
        }
        secrets.push_back(std::move(secret));
    }
    return {};
}

}  // namespace

bool Client::covers(std::string_view mailbox) const { return address_matches(mailboxes, mailbox); }

bool address_matches(const std::vector<std::string>& rules, std::string_view mailbox) {
    return std::any_of(rules.begin(), rules.end(), [mailbox](const std::string& rule) {
        if (rule == "*") {
            return true;
        }
        if (rule.rfind("*@", 0) == 0) {
            const std::size_t at = mailbox.rfind('@');
            return at != std::string_view::npos &&
                   iequals(mailbox.substr(at), std::string_view(rule).substr(1));
        }
        return iequals(mailbox, rule);
    });
}

bool Client::lives_in(std::string_view tenant_name) const {
    return tenant == "*" || iequals(tenant, tenant_name);
}

std::variant<Client, std::string> parse_client(const std::string& id, const Json::Value& json) {
    ObjectReader reader(json);
    Client client;
    client.id = id;
    client.tenant = reader.text("tenant", "*");
    const std::string bad_secrets = read_secrets(reader.any("secrets"), client.secrets);
    if (!bad_secrets.empty()) {
        return bad_secrets;
    }
    client.roles = reader.texts("roles", {"SMTP.SendAsApp"});
    client.mailboxes = reader.texts("mailboxes", {});
    client.lifetime_seconds = reader.integer("lifetime", 3600);
    client.refresh_in_seconds = reader.optional_integer("refresh_in");
    client.user = reader.optional_text("user");
    client.scope = reader.optional_text("scope");
    client.audience = reader.optional_text("audience");
    client.extra_claims = reader.object("extra_claims");
    const std::int64_t pad_bytes = reader.integer("pad_bytes", 0);
    std::string bad_login = read_login_settings(reader, client.login);
    if (!bad_login.empty()) {
        return bad_login;
    }
    if (!reader.problem().empty()) {
        return reader.problem();
    }
    if (pad_bytes < 0 || pad_bytes > kMaxPadBytes) {
        return std::string("'pad_bytes' must be 0 to 1000000");
    }
    client.pad_bytes = static_cast<std::size_t>(pad_bytes);
    return client;
}

Json::Value to_json(const Client& client) {
    const auto or_null = [](const auto& value) {
        return value ? Json::Value(*value) : Json::Value();
    };
    Json::Value json;
    json["client_id"] = client.id;
    json["tenant"] = client.tenant;
    json["secrets"] = static_cast<Json::UInt64>(client.secrets.size());
    json["roles"] = to_json(client.roles);
    json["mailboxes"] = to_json(client.mailboxes);
    json["lifetime"] = static_cast<Json::Int64>(client.lifetime_seconds);
    json["refresh_in"] = client.refresh_in_seconds
                             ? Json::Value(static_cast<Json::Int64>(*client.refresh_in_seconds))
                             : Json::Value();
    json["user"] = or_null(client.user);
    json["scope"] = or_null(client.scope);
    json["audience"] = or_null(client.audience);
    json["extra_claims"] = client.extra_claims;
    json["pad_bytes"] = static_cast<Json::UInt64>(client.pad_bytes);
    describe_login_settings(client.login, json);
    return json;
}

void ClientRegistry::put(Client client) {
    const std::string id = client.id;
    clients_.insert_or_assign(id, std::move(client));
}

bool ClientRegistry::remove(const std::string& id) { return clients_.erase(id) > 0; }

const Client* ClientRegistry::find(const std::string& id) const {
    const auto found = clients_.find(id);
    return found == clients_.end() ? nullptr : &found->second;
}

bool ClientRegistry::knows_tenant(std::string_view tenant) const {
    return std::any_of(clients_.begin(), clients_.end(),
                       [tenant](const auto& entry) { return entry.second.lives_in(tenant); });
}

}  // namespace postbearer::rehearsal
