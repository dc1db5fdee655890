// SPDX-License-Identifier: Apache-2.0
#include "identity_control.hh"

#include <algorithm>

#include "json.hh"

namespace postbearer::rehearsal {
namespace {

constexpr std::int64_t kMostKeyBytes = 1'000'000;

/// Judges ask the registry for an app's mailboxes; without a secret nobody can sign in as it.
void enrol(const ManagedIdentity& identity, ClientRegistry& clients) {
    Client client;
    client.id = identity.client_id;
    client.tenant = identity.tenant;
    client.roles = identity.roles;
    client.mailboxes = identity.mailboxes;
    clients.put(std::move(client));
}

}  // namespace

ControlAnswer put_imds(const Json::Value& json, ManagedIdentities& state, ClientRegistry& clients) {
    ObjectReader reader(json);
    const Json::Value list = reader.any("identities");
    if (!reader.problem().empty() || !list.isArray()) {
        return control_fault(400, "'identities' must be a list. " + reader.problem());
    }
    std::vector<ManagedIdentity> identities;
    for (const Json::Value& item : list) {
        auto identity = parse_identity(item);
        if (const auto* problem = std::get_if<std::string>(&identity)) {
            return control_fault(400, *problem);
        }
        identities.push_back(std::get<ManagedIdentity>(std::move(identity)));
    }
    for (const ManagedIdentity& old : state.imds) {
        (void)clients.remove(old.client_id);  // the test may have done it
    }
    state.imds = std::move(identities);
    ControlAnswer answer;
    for (const ManagedIdentity& identity : state.imds) {
        enrol(identity, clients);
        answer.body["client_ids"].append(identity.client_id);
    }
    return answer;
}

ControlAnswer put_arc(const Json::Value& json, ManagedIdentities& state, ClientRegistry& clients) {
    ObjectReader reader(json);
    const std::string directory = reader.text("directory", "");
    const auto realm = reader.optional_text("realm_override");
    const std::int64_t key_bytes = reader.integer("key_bytes", 64);
    auto identity = parse_identity(reader.object("identity"));
    if (const auto* problem = std::get_if<std::string>(&identity)) {
        return control_fault(400, *problem);
    }
    if (!reader.problem().empty()) {
        return control_fault(400, reader.problem());
    }
    if (state.arc) {
        (void)clients.remove(state.arc->client_id);  // the test may have done it
    }
    state.arc.reset();
    state.arc_keys.clear();
    state.arc_directory = directory;
    state.arc_realm = realm;
    state.arc_key_bytes =
        static_cast<std::size_t>(std::clamp<std::int64_t>(key_bytes, 2, kMostKeyBytes));
    ControlAnswer answer;
    if (!directory.empty()) {  // without one the agent is away
        state.arc = std::get<ManagedIdentity>(std::move(identity));
        enrol(*state.arc, clients);
        answer.body["client_id"] = state.arc->client_id;
    }
    return answer;
}

}  // namespace postbearer::rehearsal
