// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "graph_answers.hh"

namespace postbearer::rehearsal {

/// One mailbox of the tenant, or the pattern ("*@domain", "*") for all that are not named.
struct GraphMailbox {
    std::string
        address;     // primary, lower case; the answers of a pattern hold the address asked for
    std::string id;  // GUID, good in the path, too
    std::string state = "ok";
    std::vector<std::string> aliases;
    std::vector<std::string> send_as;         // addresses and patterns
    std::vector<std::string> send_on_behalf;  // the same
    std::int64_t message_bytes = 0;           // 0: the limit of all

    [[nodiscard]] bool may_send_as(std::string_view from) const;
};

/// "*" matches all, "*@domain" a domain, else the address itself; case does not matter.
[[nodiscard]] bool address_matches(std::string_view pattern, std::string_view address);

/// The tenant's mailboxes; at first each one that is asked for exists.
class GraphMailboxes {
public:
    GraphMailboxes();

    /// `PUT /graph/mailboxes`, an object from address to description or state; it replaces all.
    /// Empty, or what is wrong.
    [[nodiscard]] std::string replace(const Json::Value& json);
    [[nodiscard]] Json::Value to_json() const;
    /// By address or GUID. Nothing if no such mailbox is in the tenant.
    [[nodiscard]] std::optional<GraphMailbox> find(const std::string& who) const;
    /// What a mailbox that is there but not "ok" says to a request.
    [[nodiscard]] static std::optional<GraphError> refusal(const GraphMailbox& mailbox);

    /// X- headers the mailbox knows as named properties; names in any case.
    [[nodiscard]] bool knows_property(const std::string& mailbox, const std::string& header) const;
    void learn_property(const std::string& mailbox, const std::string& header);

private:
    std::map<std::string, GraphMailbox> mailboxes_;
    std::map<std::string, std::set<std::string>> properties_;
};

[[nodiscard]] GraphError no_such_user(const std::string& who);

}  // namespace postbearer::rehearsal
