// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "login_settings.hh"

namespace postbearer::rehearsal {

struct ClientSecret {
    std::string value;
    bool expired = false;
};

/// One app registration, as `PUT /clients/ID` describes it.
struct Client {
    std::string id;
    std::string tenant;  // name or GUID as in the path; "*" is at home everywhere
    std::vector<ClientSecret> secrets;
    std::vector<std::string> roles;
    std::vector<std::string> mailboxes;  // address, "*@domain" or "*"
    std::int64_t lifetime_seconds = 3600;
    std::optional<std::int64_t> refresh_in_seconds;
    std::optional<std::string> user;      // set: delegated shape, the token names this user
    std::optional<std::string> scope;     // `scope` claim of the delegated shape
    std::optional<std::string> audience;  // instead of the requested resource
    Json::Value extra_claims{Json::objectValue};
    std::size_t pad_bytes = 0;
    LoginSettings login;

    [[nodiscard]] bool covers(std::string_view mailbox) const;
    [[nodiscard]] bool lives_in(std::string_view tenant_name) const;
};

/// Rules are an address, "*@domain" or "*".
[[nodiscard]] bool address_matches(const std::vector<std::string>& rules, std::string_view address);

/// Either the client or one sentence saying what is wrong with the JSON.
[[nodiscard]] std::variant<Client, std::string> parse_client(const std::string& id,
                                                             const Json::Value& json);
/// For GET /clients; secrets are left out.
[[nodiscard]] Json::Value to_json(const Client& client);

class ClientRegistry {
public:
    void put(Client client);
    bool remove(const std::string& id);
    [[nodiscard]] const Client* find(const std::string& id) const;
    [[nodiscard]] bool knows_tenant(std::string_view tenant) const;
    [[nodiscard]] const std::map<std::string, Client>& all() const { return clients_; }

private:
    std::map<std::string, Client> clients_;
};

}  // namespace postbearer::rehearsal
