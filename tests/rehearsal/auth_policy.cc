// SPDX-License-Identifier: Apache-2.0
#include "auth_policy.hh"

#include "json.hh"

namespace postbearer::rehearsal {

std::variant<AuthPolicy, std::string> parse_auth_policy(const Json::Value& json) {
    ObjectReader reader(json);
    AuthPolicy policy;
    policy.audiences = reader.texts("audience", policy.audiences);
    policy.role = reader.text("role", policy.role);
    policy.scope = reader.text("scope", policy.scope);
    policy.min_left_seconds = reader.integer("min_left_seconds", 0);
    policy.refuse_next = reader.integer("refuse_next", 0);
    policy.revoked = reader.texts("revoked", {});
    policy.mechanisms = reader.texts("mechanisms", policy.mechanisms);
    const std::string refusal = reader.text("refusal", "challenge");
    const Json::Value passwords = reader.object("passwords");
    if (!reader.problem().empty()) {
        return reader.problem();
    }
    if (refusal == "direct") {
        policy.refusal = AuthPolicy::Refusal::Direct;
    } else if (refusal == "temporary") {
        policy.refusal = AuthPolicy::Refusal::Temporary;
    } else if (refusal != "challenge") {
        return std::string("'refusal' must be challenge, direct or temporary");
    }
    for (const std::string& mechanism : policy.mechanisms) {
        if (mechanism != "XOAUTH2" && mechanism != "OAUTHBEARER" && mechanism != "PLAIN") {
            return "unknown mechanism '" + mechanism + "'";
        }
    }
    for (const std::string& user : passwords.getMemberNames()) {
        if (!passwords[user].isString()) {
            return std::string("'passwords' holds strings");
        }
        policy.passwords[user] = passwords[user].asString();
    }
    return policy;
}

}  // namespace postbearer::rehearsal
