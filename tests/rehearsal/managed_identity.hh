// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "client_registry.hh"
#include "room.hh"
#include "token_mint.hh"

namespace postbearer::rehearsal {

/// An identity of this machine. It is a client, too, so that judges know its mailboxes.
struct ManagedIdentity {
    std::string client_id;
    std::string object_id;
    std::string resource_id;  // msi_res_id
    bool system = false;      // system-assigned: what is used when nobody is named
    std::int64_t lifetime_seconds = 86400;
    std::vector<std::string> roles;
    std::vector<std::string> mailboxes;
    std::string tenant;
};
[[nodiscard]] std::variant<ManagedIdentity, std::string> parse_identity(const Json::Value& json);

struct ManagedIdentities {
    std::vector<ManagedIdentity> imds;

    std::optional<ManagedIdentity> arc;  // nothing: no agent here
    std::string arc_directory;
    std::optional<std::string> arc_realm;  // instead of the file's path
    std::size_t arc_key_bytes = 64;
    std::map<std::string, std::string> arc_keys;  // content -> path; each good once
};

/// What answers on 169.254.169.254 in an Azure machine and on 127.0.0.1:40342 in one that Azure Arc
/// looks after, at the listener without TLS: /metadata/identity/oauth2/token. The api-version tells
/// them apart: 2018-02-01 is IMDS (endpoint imds), 2019-11-01 and 2020-06-01 Arc (endpoint arc).
class ManagedIdentityRoom : public Room {
public:
    ManagedIdentityRoom(std::string base_url, ManagedIdentities& state, TokenMint& mint,
                        Records& records)
        : base_url_(std::move(base_url)), state_(state), mint_(mint), records_(records) {}

    [[nodiscard]] bool claim(const HttpRequest& request, RequestRecord& record) const override;
    [[nodiscard]] HttpAnswer serve(const HttpRequest& request, RequestRecord& record,
                                   const Twists& twists, WallTime now) override;

private:
    using Parameters = std::map<std::string, std::string>;

    [[nodiscard]] HttpAnswer serve_imds(const Parameters& asked, RequestRecord& record,
                                        const Twists& twists, WallTime now);
    [[nodiscard]] HttpAnswer serve_arc(const HttpRequest& request, const Parameters& asked,
                                       RequestRecord& record, const Twists& twists, WallTime now);
    [[nodiscard]] HttpAnswer challenge();
    [[nodiscard]] HttpAnswer hand_out(const ManagedIdentity& identity, const Parameters& asked,
                                      RequestRecord& record, const Twists& twists, WallTime now);

    std::string base_url_;
    ManagedIdentities& state_;
    TokenMint& mint_;
    Records& records_;
};

}  // namespace postbearer::rehearsal
