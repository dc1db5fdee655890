// SPDX-License-Identifier: Apache-2.0
#include "graph_mailboxes.hh"

#include <algorithm>
#include <iterator>

#include "codec.hh"
#include "json.hh"

namespace postbearer::rehearsal {
namespace {

struct State {
    const char* name;
    unsigned status;  // 0: the mailbox works
    const char* code;
    const char* message;
};
constexpr State kStates[] = {
    {"ok", 0, "", ""},
    {"missing", 404, "ErrorInvalidUser", "The requested user is invalid."},
    {"not_enabled", 404, "MailboxNotEnabledForRESTAPI",
     "The mailbox is either inactive, soft-deleted, or is hosted on-premise."},
    {"on_premises", 404, "extensionError",
     "Error from the hybrid extension: the mailbox is hosted on-premise."},
    {"quota", 507, "ErrorQuotaExceeded",
     "The operation failed because it causes the mailbox to exceed its quota."},
    {"blocked", 403, "ErrorMessageSubmissionBlocked",
     "Cannot send mail. Follow the instructions in your Inbox to verify your account."},
    {"suspended", 403, "ErrorAccountSuspend",
     "Account suspended. Follow the instructions in your Inbox to verify your account."},
    {"disabled", 403, "ErrorAccountDisabled", "The account is disabled."},
    {"submission_quota", 429, "ErrorSubmissionQuotaExceeded",
     "The submission quota of the account was exceeded."},
    {"moving", 503, "ErrorMailboxMoveInProgress", "Mailbox move in progress. Try again later."},
};

const State* find_state(const std::string& name) {
    const auto* const found = std::find_if(std::begin(kStates), std::end(kStates),
                                           [&name](const State& s) { return name == s.name; });
    return found == std::end(kStates) ? nullptr : found;
}

bool any_matches(const std::vector<std::string>& patterns, std::string_view address) {
    return std::any_of(patterns.begin(), patterns.end(), [address](const std::string& pattern) {
        return address_matches(pattern, address);
    });
}

}  // namespace

bool address_matches(std::string_view pattern, std::string_view address) {
    if (pattern == "*") {
        return true;
    }
    if (pattern.substr(0, 2) == "*@") {
        const std::size_t at = address.rfind('@');
        return at != std::string_view::npos && iequals(address.substr(at), pattern.substr(1));
    }
    return iequals(pattern, address);
}

bool GraphMailbox::may_send_as(std::string_view from) const {
    return iequals(from, address) || any_matches(aliases, from) || any_matches(send_as, from) ||
           any_matches(send_on_behalf, from);
}

GraphMailboxes::GraphMailboxes() { mailboxes_["*"].address = "*"; }

std::string GraphMailboxes::replace(const Json::Value& json) {
    if (!json.isObject()) {
        return "an object from address to state or description is expected";
    }
    std::map<std::string, GraphMailbox> mailboxes;
    std::map<std::string, std::set<std::string>> properties;
    for (const std::string& name : json.getMemberNames()) {
        Json::Value description = json[name];
        if (description.isString()) {
            description = Json::Value(Json::objectValue);
            description["state"] = json[name];
        }
        ObjectReader reader(description);
        GraphMailbox mailbox;
        mailbox.address = lower(name);
        mailbox.id = lower(reader.text("id", guid_of("mailbox " + mailbox.address)));
        mailbox.state = reader.text("state", "ok");
        mailbox.aliases = reader.texts("aliases", {});
        mailbox.send_as = reader.texts("send_as", {});
        mailbox.send_on_behalf = reader.texts("send_on_behalf", {});
        mailbox.message_bytes = reader.integer("message_bytes", 0);
        for (const std::string& header : reader.texts("named_properties", {})) {
            properties[mailbox.address].insert(lower(header));
        }
        if (!reader.problem().empty()) {
            return name + ": " + reader.problem();
        }
        if (find_state(mailbox.state) == nullptr) {
            return name + ": unknown state '" + mailbox.state + "'";
        }
        mailboxes[mailbox.address] = std::move(mailbox);
    }
    mailboxes_ = std::move(mailboxes);
    properties_ = std::move(properties);
    return {};
}

Json::Value GraphMailboxes::to_json() const {
    Json::Value json(Json::objectValue);
    for (const auto& [address, mailbox] : mailboxes_) {
        Json::Value& one = json[address];
        one["id"] = mailbox.id;
        one["state"] = mailbox.state;
        one["aliases"] = rehearsal::to_json(mailbox.aliases);
        one["send_as"] = rehearsal::to_json(mailbox.send_as);
        one["send_on_behalf"] = rehearsal::to_json(mailbox.send_on_behalf);
        one["message_bytes"] = static_cast<Json::Int64>(mailbox.message_bytes);
        one["named_properties"] = Json::Value(Json::arrayValue);
        if (const auto found = properties_.find(address); found != properties_.end()) {
            for (const std::string& header : found->second) {
                one["named_properties"].append(header);
            }
        }
    }
    return json;
}

std::optional<GraphMailbox> GraphMailboxes::find(const std::string& who) const {
    const std::string wanted = lower(who);
    if (const auto found = mailboxes_.find(wanted);
        found != mailboxes_.end() && wanted.find('*') == std::string::npos) {
        return found->second;
    }
    for (const auto& [address, mailbox] : mailboxes_) {
        const bool named = address.find('*') == std::string::npos;
        if (named && (mailbox.id == wanted || any_matches(mailbox.aliases, wanted))) {
            return mailbox;
        }
    }
    if (wanted.find('@') == std::string::npos) {
        return std::nullopt;
    }
    const std::string domain = "*" + wanted.substr(wanted.rfind('@'));
    for (const std::string& pattern : {domain, std::string("*")}) {
        if (const auto found = mailboxes_.find(pattern); found != mailboxes_.end()) {
            GraphMailbox mailbox = found->second;
            mailbox.address = wanted;
            mailbox.id = guid_of("mailbox " + wanted);
            return mailbox;
        }
    }
    return std::nullopt;
}

std::optional<GraphError> GraphMailboxes::refusal(const GraphMailbox& mailbox) {
    const State* const state = find_state(mailbox.state);
    if (state == nullptr || state->status == 0) {
        return std::nullopt;
    }
    return GraphError{state->status, state->code, state->message, ""};
}

bool GraphMailboxes::knows_property(const std::string& mailbox, const std::string& header) const {
    for (const std::string& key : {mailbox, std::string("*")}) {
        const auto found = properties_.find(key);
        if (found != properties_.end() &&
            (found->second.count(lower(header)) > 0 || found->second.count("*") > 0)) {
            return true;
        }
    }
    return false;
}

void GraphMailboxes::learn_property(const std::string& mailbox, const std::string& header) {
    properties_[mailbox].insert(lower(header));
}

GraphError no_such_user(const std::string& who) {
    return {404, "ErrorInvalidUser", "The requested user '" + who + "' is invalid.", ""};
}

}  // namespace postbearer::rehearsal
