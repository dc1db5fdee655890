// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/signed_in_user.hh"

#include <algorithm>
#include <utility>

#include "common/http/url.hh"
#include "common/text.hh"
#include "token-agent/json.hh"
#include "token-agent/login/directory_id.hh"
#include "token-agent/providers.hh"

namespace postbearer::agent {
namespace {

constexpr std::size_t kMaxNameBytes = 320;
constexpr std::size_t kMaxMeBytes = 64UL * 1024;
constexpr long kOk = 200;

std::optional<std::string> graph_origin(const ProviderConfig& provider) {
    const auto scopes = scopes_of(provider, Resource::Graph, Grant::Delegated);
    if (!scopes) {
        return std::nullopt;
    }
    for (const std::string& scope : *scopes) {
        if (scope.find("://") == std::string::npos) {
            continue;
        }
        // Where a token may go is checked when it is sent.
        if (const auto parts = http::check_url(scope, true)) {
            return parts->origin;
        }
    }
    return std::nullopt;
}

}  // namespace

std::string_view name_of(ConfirmedBy by) noexcept {
    switch (by) {
        case ConfirmedBy::IdToken:
            return "id_token";
        case ConfirmedBy::GraphMe:
            return "graph_me";
        case ConfirmedBy::Unconfirmed:
            break;
    }
    return "unconfirmed";
}

SignedIn judge_names(const ClaimedNames& names, std::string_view login, ConfirmedBy by) {
    if (names.empty()) {
        return {};
    }
    const bool sure = !names.sure.empty();
    const std::vector<std::string>& said = sure ? names.sure : names.doubtful;
    const std::string wanted = ascii_lower(login);
    const auto found = std::find_if(said.begin(), said.end(), [&](const std::string& name) {
        return ascii_lower(name) == wanted;
    });
    SignedIn signed_in;
    signed_in.user = found == said.end() ? said.front() : *found;
    signed_in.by = sure ? by : ConfirmedBy::Unconfirmed;
    signed_in.wanted = found != said.end();
    return signed_in;
}

bool vouches_for_mail(const ProviderConfig& provider) {
    const std::string tenant = ascii_lower(provider.tenant);
    const bool many = tenant.empty() || tenant == "common" || tenant == "organizations" ||
                      tenant == "consumers" || tenant == kPersonalAccounts;
    // An id is compared with the one in the token; a domain name is what its own address stands
    // for.
    const bool certain =
        is_directory_id(tenant) || (provider.token_endpoint.empty() && provider.issuer.empty());
    return provider.type == ProviderType::Microsoft && !many && certain;
}

ClaimedNames names_in_me(std::string_view body, bool mail_is_vouched_for) {
    ClaimedNames names;
    const auto json = JsonObject::parse(body);
    if (!json) {
        return names;
    }
    const auto add = [&json](std::vector<std::string>& list, const char* key) {
        const std::string_view name = trimmed(json->text_or_empty(key));
        if (!name.empty() && name.size() <= kMaxNameBytes &&
            printable(name, kMaxNameBytes) == name) {
            list.emplace_back(name);
        }
    };
    add(mail_is_vouched_for ? names.sure : names.doubtful, "mail");
    add(names.sure, "userPrincipalName");
    return names;
}

std::optional<std::string> graph_me_url(const ProviderConfig& provider) {
    auto origin = graph_origin(provider);
    if (!origin) {
        return std::nullopt;
    }
    return *origin + "/v1.0/me?$select=mail,userPrincipalName,displayName";
}

std::optional<std::string> user_read_scope(const ProviderConfig& provider) {
    auto origin = graph_origin(provider);
    return origin ? std::optional(*origin + "/User.Read") : std::nullopt;
}

void ask_me(http::HttpClient& client, const http::Transport& transport, const std::string& url,
            const Secret& token, bool mail_is_vouched_for, std::function<void(ClaimedNames)> done) {
    http::Request request;
    request.method = http::Method::Get;
    request.url = url;
    request.headers = {"Accept: application/json"};
    request.transport = transport;
    request.max_body_bytes = kMaxMeBytes;
    WipedBytes authorization;
    append(authorization, "Bearer ");
    append(authorization, token.reveal());
    request.authorization = Secret(std::move(authorization));
    client.send(std::move(request),
                [done = std::move(done), mail_is_vouched_for](Result<http::Response> answer) {
                    done(answer && answer->status == kOk
                             ? names_in_me(answer->body.reveal(), mail_is_vouched_for)
                             : ClaimedNames());
                });
}

}  // namespace postbearer::agent
