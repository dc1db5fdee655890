// SPDX-License-Identifier: Apache-2.0
#include "login_scopes.hh"

#include <algorithm>
#include <array>

#include "codec.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::array<std::string_view, 4> kIdentity = {"openid", "profile", "email",
                                                       "offline_access"};
constexpr const char* kGraph = "https://graph.microsoft.com/";

}  // namespace

bool Scopes::has_identity(std::string_view name) const { return contains_scope(identity, name); }

std::vector<std::string> Scopes::resources() const {
    std::vector<std::string> all;
    for (const std::string& permission : permissions) {
        if (const std::string resource = resource_of(permission); !contains_scope(all, resource)) {
            all.push_back(resource);
        }
    }
    return all;
}

std::string Scopes::text() const {
    std::string out;
    for (const auto* list : {&permissions, &identity}) {
        for (const std::string& scope : *list) {
            out += (out.empty() ? "" : " ") + scope;
        }
    }
    return out;
}

Scopes parse_scopes(std::string_view text) {
    Scopes scopes;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        const std::string word(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        const bool identity =
            std::find(kIdentity.begin(), kIdentity.end(), word) != kIdentity.end();
        auto& list = identity ? scopes.identity : scopes.permissions;
        if (!word.empty() && !contains_scope(list, word)) {
            list.push_back(word);
        }
    }
    return scopes;
}

Scopes parse_entra_scopes(std::string_view text) {
    Scopes scopes = parse_scopes(text);
    for (std::string& permission : scopes.permissions) {
        if (permission.find('/') == std::string::npos) {
            permission.insert(0, kGraph);
        }
    }
    return scopes;
}

std::string resource_of(std::string_view permission) {
    const std::size_t slash = permission.rfind('/');
    return std::string(permission.substr(0, std::min(slash, permission.size())));
}

bool contains_scope(const std::vector<std::string>& list, std::string_view scope) {
    return std::any_of(list.begin(), list.end(),
                       [scope](const std::string& item) { return iequals(item, scope); });
}

}  // namespace postbearer::rehearsal
