// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/login_scopes.hh"

#include <algorithm>
#include <cstddef>

#include "token-agent/providers.hh"

namespace postbearer::agent {
namespace {

void add_scope(std::string& list, std::string_view word) {
    if (!has_scope(list, word)) {
        list += list.empty() ? "" : " ";
        list += word;
    }
}

bool may_ask(const std::vector<std::string>& supported, std::string_view scope, bool unknown) {
    return supported.empty()
               ? unknown
               : std::find(supported.begin(), supported.end(), scope) != supported.end();
}

void add_identity(std::string& list, const ProviderConfig& provider,
                  const std::vector<std::string>& supported) {
    switch (provider.type) {
        case ProviderType::Microsoft:
            add_scope(list, "openid");
            add_scope(list, "profile");
            add_scope(list, "offline_access");
            break;
        case ProviderType::Google:  // it has no preferred_username: only the address tells
            add_scope(list, "openid");
            add_scope(list, "email");
            add_scope(list, "profile");
            break;
        case ProviderType::Oidc:
            for (const std::string_view scope : {"openid", "profile"}) {
                if (may_ask(supported, scope, true)) {
                    add_scope(list, scope);
                }
            }
            for (const std::string_view scope : {"email", "offline_access"}) {
                if (may_ask(supported, scope, false)) {
                    add_scope(list, scope);
                }
            }
            break;
        case ProviderType::Yahoo:
        case ProviderType::Aol:
        case ProviderType::Fastmail:
            break;  // they refuse what was not agreed on with the application
    }
}

}  // namespace

bool has_scope(std::string_view list, std::string_view word) {
    while (!list.empty()) {
        const std::size_t end = std::min(list.find(' '), list.size());
        if (list.substr(0, end) == word) {
            return true;
        }
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return false;
}

Result<std::string> refresh_scope(const ProviderConfig& provider, Resource resource) {
    const auto scopes = scopes_of(provider, resource, Grant::Delegated);
    if (!scopes) {
        return tl::unexpected(scopes.error());
    }
    std::string list;
    for (const std::string& scope : *scopes) {
        add_scope(list, scope);
    }
    return list;
}

Result<std::string> step_scope(const ProviderConfig& provider, Resource resource,
                               const std::vector<Resource>& all,
                               const std::vector<std::string>& supported) {
    auto list = refresh_scope(provider, resource);
    if (!list) {
        return list;
    }
    for (const Resource other : all) {
        if (provider.type == ProviderType::Microsoft || other == resource) {
            continue;
        }
        const auto scopes = scopes_of(provider, other, Grant::Delegated);
        if (!scopes) {
            return tl::unexpected(scopes.error());
        }
        for (const std::string& scope : *scopes) {
            add_scope(*list, scope);
        }
    }
    add_identity(*list, provider, supported);
    return list;
}

bool offers_resource(const ProviderConfig& provider, Resource resource) {
    if (!provider.scopes.at(static_cast<std::size_t>(resource)).empty()) {
        return true;
    }
    if (provider.type == ProviderType::Oidc) {
        return resource != Resource::Graph;
    }
    return scopes_of(provider, resource, Grant::Delegated).has_value();
}

}  // namespace postbearer::agent
