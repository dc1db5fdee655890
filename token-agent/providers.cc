// SPDX-License-Identifier: Apache-2.0
#include "token-agent/providers.hh"

#include <algorithm>
#include <cassert>
#include <cstddef>

#include "common/text.hh"
#include "token-agent/provider_presets.hh"

namespace postbearer::agent {
namespace {

/// GUID, domain, or one of Entra's words: nothing that could leave its place in the URL's path.
bool is_tenant(std::string_view tenant) {
    const bool good = std::all_of(tenant.begin(), tenant.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.';
    });
    return good && !tenant.empty() && tenant.size() <= 253 && tenant.front() != '.' &&
           tenant.find("..") == std::string_view::npos;
}

Result<std::string> with_tenant(const ProviderConfig& provider, std::string_view endpoint) {
    constexpr std::string_view kMark = "{tenant}";
    std::string text(endpoint);
    const std::size_t at = text.find(kMark);
    if (at == std::string::npos) {
        return text;
    }
    if (!is_tenant(provider.tenant)) {
        return failure(Errc::Config,
                       "tenant must be the directory's id or domain name, such as "
                       "contoso.onmicrosoft.com");
    }
    return text.replace(at, kMark.size(), provider.tenant);
}

std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        if (end > 0) {
            words.emplace_back(text.substr(0, end));
        }
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return words;
}

}  // namespace

const ProviderPreset& preset_of(ProviderType type, Cloud cloud) {
    const Cloud row =
        type != ProviderType::Microsoft || cloud == Cloud::Gcc ? Cloud::Global : cloud;
    const auto* const found = std::find_if(
        std::begin(kProviderPresets), std::end(kProviderPresets),
        [&](const ProviderPreset& preset) { return preset.type == type && preset.cloud == row; });
    assert(found != std::end(kProviderPresets));
    return *found;
}

std::string_view name_of(ProviderType type) noexcept {
    switch (type) {
        case ProviderType::Microsoft:
            return "microsoft";
        case ProviderType::Google:
            return "google";
        case ProviderType::Yahoo:
            return "yahoo";
        case ProviderType::Aol:
            return "aol";
        case ProviderType::Fastmail:
            return "fastmail";
        case ProviderType::Oidc:
            break;
    }
    return "oidc";
}

Result<std::string> token_endpoint_of(const ProviderConfig& provider) {
    if (!provider.token_endpoint.empty()) {
        return provider.token_endpoint;
    }
    // An issuer of one's own says: another server than the preset's.
    if (!provider.issuer.empty()) {
        return std::string();
    }
    const ProviderPreset& preset = preset_of(provider.type, provider.cloud);
    if (preset.token_endpoint.empty()) {
        return failure(Errc::Config, "set issuer (for discovery) or token_endpoint");
    }
    return with_tenant(provider, preset.token_endpoint);
}

Result<std::string> preset_endpoint(const ProviderConfig& provider,
                                    std::string_view ProviderPreset::*which) {
    return with_tenant(provider, preset_of(provider.type, provider.cloud).*which);
}

Result<std::string> issuer_of(const ProviderConfig& provider) {
    if (!provider.issuer.empty()) {
        return provider.issuer;
    }
    return with_tenant(provider, preset_of(provider.type, provider.cloud).issuer);
}

Result<std::string> discovery_url_of(const ProviderConfig& provider) {
    auto issuer = issuer_of(provider);
    if (!issuer) {
        return issuer;
    }
    if (issuer->empty()) {
        return failure(Errc::Config, "issuer is not set");
    }
    while (!issuer->empty() && issuer->back() == '/') {
        issuer->pop_back();
    }
    return *issuer + "/.well-known/openid-configuration";
}

Result<std::vector<std::string>> scopes_of(const ProviderConfig& provider, Resource resource,
                                           Grant grant) {
    const auto index = static_cast<std::size_t>(resource);
    const std::vector<std::string>& own = provider.scopes.at(index);
    if (!own.empty()) {
        return own;
    }
    if (provider.type == ProviderType::Oidc) {
        return std::vector<std::string>();
    }
    const ProviderPreset& preset = preset_of(provider.type, provider.cloud);
    const PresetScopes& scopes = grant == Grant::Delegated ? preset.delegated : preset.app_only;
    if (scopes.at(index).empty()) {
        return failure(Errc::Config,
                       std::string(name_of(provider.type)) + " offers no tokens for " +
                           std::string(protocol::name_of(resource)) + " with this grant");
    }
    return words_of(scopes.at(index));
}

std::string scope_words(const ProviderConfig& provider, Resource resource, Grant grant) {
    std::string words;
    for (const std::string& scope :
         scopes_of(provider, resource, grant).value_or(std::vector<std::string>())) {
        words += (words.empty() ? "" : " ") + scope;
    }
    return words;
}

std::string token_identity(const ProviderConfig& provider, Resource resource, Grant grant) {
    std::string identity;
    const auto field = [&identity](std::string_view text) {
        identity += std::to_string(text.size());
        identity += ':';
        identity += text;
    };
    field(name_of(provider.type));
    field(std::to_string(static_cast<int>(provider.cloud)));
    field(provider.tenant);
    field(provider.client_id);
    field(provider.issuer);
    field(provider.token_endpoint);
    field(scope_words(provider, resource, grant));
    for (const ClientCredential& each : provider.credentials) {
        // Another identity of this machine is another application, whatever client_id says.
        if (each.kind == CredentialKind::ManagedIdentity && grant == Grant::ClientCredentials) {
            field(each.identity);
        }
    }
    return identity;
}

http::Transport transport_of(const AgentConfig& config, const ProviderConfig& provider) {
    http::Transport transport;
    transport.ca_file = provider.ca_file.empty() ? config.ca_file : provider.ca_file;
    transport.proxy = provider.proxy.empty() ? config.http_proxy : provider.proxy;
    transport.allow_http_loopback = config.allow_http_loopback;
    return transport;
}

}  // namespace postbearer::agent
