// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/login_endpoints.hh"

#include <utility>

#include "common/http/url.hh"
#include "token-agent/providers.hh"

namespace postbearer::agent {
namespace {

constexpr std::string_view kTenantMark = "{tenantid}";

/// Configured, else found, else the preset's where no other server is named.
Result<std::string> choose(const ProviderConfig& provider, const std::string& configured,
                           const std::string& found, std::string_view ProviderPreset::*preset) {
    if (!configured.empty()) {
        return configured;
    }
    if (!provider.issuer.empty()) {
        return found;
    }
    return preset_endpoint(provider, preset);
}

std::string origin_of(const std::string& url) {
    const auto parts = http::check_url(url, true);  // the transport decides about http
    return parts ? parts->origin : std::string();
}

/// Entra writes the directory's id into iss, also where the configuration says a domain name or
/// `common`; the host is the one whose token endpoint answered.
std::string expected_issuer(const ProviderConfig& provider) {
    if (!provider.issuer.empty()) {
        return provider.issuer;
    }
    if (provider.type == ProviderType::Microsoft) {
        const auto endpoint = token_endpoint_of(provider);
        const auto parts = endpoint ? http::check_url(*endpoint, true) : tl::unexpected(Error{});
        return parts ? parts->origin + "/" + std::string(kTenantMark) + "/v2.0" : std::string();
    }
    // Another token endpoint than the preset's, and nobody said what it calls itself.
    return provider.token_endpoint.empty() ? issuer_of(provider).value_or("") : std::string();
}

Result<LoginEndpoints> assemble(const ProviderConfig& provider, const ServerMetadata& metadata) {
    LoginEndpoints endpoints;
    struct Row {
        std::string* target;
        const std::string& configured;
        const std::string& found;
        std::string_view ProviderPreset::*preset;
    };
    const Row rows[] = {
        {&endpoints.authorization, provider.authorization_endpoint, metadata.authorization_endpoint,
         &ProviderPreset::authorization_endpoint},
        {&endpoints.device, provider.device_authorization_endpoint,
         metadata.device_authorization_endpoint, &ProviderPreset::device_authorization_endpoint},
        {&endpoints.revocation, provider.revocation_endpoint, metadata.revocation_endpoint,
         &ProviderPreset::revocation_endpoint},
    };
    for (const Row& row : rows) {
        auto chosen = choose(provider, row.configured, row.found, row.preset);
        if (!chosen) {
            return tl::unexpected(std::move(chosen.error()));
        }
        *row.target = std::move(*chosen);
    }
    endpoints.issuer = expected_issuer(provider);
    if (endpoints.issuer == "https://accounts.google.com") {
        endpoints.other_issuer = "accounts.google.com";  // Google documents both
    }
    endpoints.issuer_origin = origin_of(token_endpoint_of(provider).value_or(""));
    endpoints.sends_issuer = metadata.sends_issuer;
    endpoints.checks_s256 = metadata.checks_s256;
    endpoints.scopes = metadata.scopes;
    return endpoints;
}

/// Whether what is configured is enough for some login.
bool suffices(const ProviderConfig& provider) {
    return !provider.token_endpoint.empty() && !(provider.authorization_endpoint.empty() &&
                                                 provider.device_authorization_endpoint.empty());
}

}  // namespace

void find_login_endpoints(Discovery& discovery, const std::shared_ptr<const AgentConfig>& config,
                          std::uint32_t provider,
                          std::function<void(Result<LoginEndpoints>)> done) {
    const ProviderConfig& settings = config->providers.at(provider);
    if (settings.issuer.empty()) {
        done(assemble(settings, ServerMetadata{}));
        return;
    }
    discovery.find(settings.issuer, transport_of(*config, settings),
                   [config, provider, done = std::move(done)](Result<Discovery::Metadata> found) {
                       const ProviderConfig& mine = config->providers.at(provider);
                       if (found) {
                           done(assemble(mine, **found));
                       } else if (suffices(mine)) {
                           auto endpoints = assemble(mine, ServerMetadata{});
                           if (endpoints) {
                               endpoints->undiscovered = std::move(found.error());
                           }
                           done(std::move(endpoints));
                       } else {
                           done(tl::unexpected(std::move(found.error())));
                       }
                   });
}

bool is_issuer_at(std::string_view issuer, const std::string& origin) {
    return !origin.empty() && origin_of(std::string(issuer)) == origin;
}

bool is_expected_issuer(std::string_view issuer, const LoginEndpoints& endpoints) {
    const std::string_view expected = endpoints.issuer;
    if (expected.empty()) {
        return is_issuer_at(issuer, endpoints.issuer_origin);
    }
    if (issuer == expected ||
        (!endpoints.other_issuer.empty() && issuer == endpoints.other_issuer)) {
        return true;
    }
    const std::size_t mark = expected.find(kTenantMark);
    if (mark == std::string_view::npos) {
        return false;
    }
    const std::string_view end = expected.substr(mark + kTenantMark.size());
    if (issuer.size() <= mark + end.size() || issuer.substr(0, mark) != expected.substr(0, mark) ||
        issuer.substr(issuer.size() - end.size()) != end) {
        return false;
    }
    const std::string_view id = issuer.substr(mark, issuer.size() - mark - end.size());
    return id.find_first_not_of("0123456789abcdef-") == std::string_view::npos;
}

bool offers_device(const ProviderConfig& provider, const LoginEndpoints& endpoints) {
    return !endpoints.device.empty() && (provider.type != ProviderType::Google ||
                                         !provider.device_authorization_endpoint.empty());
}

}  // namespace postbearer::agent
