// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/id_token.hh"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "common/base64.hh"
#include "common/text.hh"
#include "token-agent/json.hh"
#include "token-agent/login/directory_id.hh"
#include "token-agent/login/login_endpoints.hh"
#include "token-agent/login/pkce.hh"

namespace postbearer::agent {
namespace {

constexpr std::size_t kMaxNameBytes = 320;

/// The claims in the middle of three parts.
Result<JsonObject> claims_of(std::string_view token) {
    const std::size_t first = token.find('.');
    const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
    if (token.size() > kMaxIdTokenBytes || second == std::string_view::npos ||
        token.find('.', second + 1) != std::string_view::npos) {
        return failure(Errc::Protocol, "the id_token is no signed JWT");
    }
    const auto payload = base64_decode(token.substr(first + 1, second - first - 1));
    if (!payload) {
        return failure(Errc::Protocol, "the id_token's claims are not base64url");
    }
    auto claims = JsonObject::parse(view(*payload));
    if (!claims) {
        return failure(Errc::Protocol, "the id_token's claims are " + claims.error().context);
    }
    return claims;
}

/// Whether a directory's id goes with what is configured. A domain name says nothing of the id.
bool fits_tenant(std::string_view id, const std::string& tenant) {
    const std::string wanted = ascii_lower(tenant);
    if (!is_directory_id(id)) {
        return false;
    }
    if (wanted == "consumers") {
        return id == kPersonalAccounts;
    }
    if (wanted == "organizations") {
        return id != kPersonalAccounts;
    }
    return !is_directory_id(wanted) || id == wanted;
}

bool fits_issuer(const JsonObject& claims, const IdTokenWish& wish) {
    constexpr std::string_view kMark = "{tenantid}";
    const std::string_view issuer = claims.text_or_empty("iss");
    if (wish.issuer.empty()) {
        return is_issuer_at(issuer, wish.issuer_origin);
    }
    const std::size_t at = wish.issuer.find(kMark);
    if (at == std::string::npos) {
        return issuer == wish.issuer || (!wish.other_issuer.empty() && issuer == wish.other_issuer);
    }
    const std::string tenant_id(claims.text_or_empty("tid"));
    std::string expected = wish.issuer;
    expected.replace(at, kMark.size(), tenant_id);
    return issuer == expected && fits_tenant(tenant_id, wish.tenant);
}

/// Section 3.1.3.7, items 3 to 5: whoever it was issued to (azp) must be us, if it says so.
bool is_for_client(const JsonObject& claims, const std::string& client_id) {
    if (claims.has("azp") && claims.text("azp") != client_id) {
        return false;
    }
    if (const auto one = claims.text("aud")) {
        return *one == client_id;
    }
    const auto several = claims.texts("aud");
    return std::find(several.begin(), several.end(), client_id) != several.end();
}

void add_name(std::vector<std::string>& names, std::string_view claim) {
    const std::string_view name = trimmed(claim);
    const bool usable =
        !name.empty() && name.size() <= kMaxNameBytes && printable(name, kMaxNameBytes) == name;
    if (usable && std::find(names.begin(), names.end(), name) == names.end()) {
        names.emplace_back(name);
    }
}

/// A flag that Entra writes as true, 1 or "1".
bool is_set(const JsonObject& claims, const char* claim) {
    return claims.truth(claim).value_or(claims.number(claim).value_or(0) == 1);
}

ClaimedNames names_of_entra(const JsonObject& claims, bool mail_is_vouched_for) {
    ClaimedNames names;
    add_name(names.sure, claims.text_or_empty("preferred_username"));
    add_name(names.sure, claims.text_or_empty("upn"));
    const bool vouched = (mail_is_vouched_for && claims.truth("email_verified").value_or(true)) ||
                         is_set(claims, "xms_edov");
    add_name(vouched ? names.sure : names.doubtful, claims.text_or_empty("email"));
    add_name(names.doubtful, claims.text_or_empty("unique_name"));
    return names;
}

/// A bare name says nothing about a mailbox, so it counts only where there is no address.
void drop_bare_names(ClaimedNames& names) {
    const auto is_bare = [](const std::string& name) {
        return name.find('@') == std::string::npos;
    };
    const auto all_bare = [&](const std::vector<std::string>& list) {
        return std::all_of(list.begin(), list.end(), is_bare);
    };
    if (all_bare(names.sure) && all_bare(names.doubtful)) {
        return;
    }
    for (auto* list : {&names.sure, &names.doubtful}) {
        list->erase(std::remove_if(list->begin(), list->end(), is_bare), list->end());
    }
}

ClaimedNames names_elsewhere(const JsonObject& claims) {
    ClaimedNames names;
    if (claims.truth("email_verified").value_or(false)) {
        add_name(names.sure, claims.text_or_empty("email"));
    }
    if (names.sure.empty()) {
        add_name(names.sure, claims.text_or_empty("upn"));
        add_name(names.sure, claims.text_or_empty("preferred_username"));
        add_name(names.doubtful, claims.text_or_empty("email"));
        add_name(names.doubtful, claims.text_or_empty("unique_name"));
        drop_bare_names(names);
    }
    return names;
}

}  // namespace

Result<IdToken> read_id_token(const Secret& token, const IdTokenWish& wish) {
    const auto claims = claims_of(token.reveal());
    if (!claims) {
        return tl::unexpected(claims.error());
    }
    if (!fits_issuer(*claims, wish)) {
        return failure(
            Errc::Protocol,
            "the id_token is from '" + printable(claims->text_or_empty("iss"), 120) +
                (wish.issuer.empty() ? "', which is not at the token endpoint's host. If that is "
                                       "how the server calls itself, set issuer"
                                     : "', not from the configured issuer and tenant"));
    }
    if (!is_for_client(*claims, wish.client_id)) {
        return failure(Errc::Protocol, "the id_token is for another client");
    }
    const auto expires = claims->number("exp");
    const std::int64_t now = wish.now.time_since_epoch().count();
    const std::int64_t skew = std::chrono::seconds(kIdTokenSkew).count();
    if (!expires || *expires <= now - skew) {
        return failure(Errc::Protocol, "the id_token has expired; look at this host's clock (NTP)");
    }
    if (!wish.nonce.empty() && !equal_secrets(claims->text_or_empty("nonce"), wish.nonce)) {
        return failure(Errc::Protocol, "the id_token answers another login (nonce)");
    }
    IdToken read;
    read.issuer = printable(claims->text_or_empty("iss"), 2048);
    read.subject = printable(claims->text_or_empty("sub"), 255);
    if (read.subject.empty()) {
        return failure(Errc::Protocol, "the id_token names no subject");
    }
    read.names = wish.provider_type == ProviderType::Microsoft
                     ? names_of_entra(*claims, wish.mail_is_vouched_for)
                     : names_elsewhere(*claims);
    return read;
}

}  // namespace postbearer::agent
