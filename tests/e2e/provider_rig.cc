// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/provider_rig.hh"

#include "tests/support/failure.hh"

namespace postbearer::test {

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

ProviderRig::ProviderRig()
    : rehearsal_(Programs::rehearsal(), directory_ / "rehearsal", directory_ / "auth.sock") {
    rehearsal_.start();
    settings_.directory = directory_ / "agent";
    settings_.sockets = {directory_ / "agent.sock"};
    settings_.ca_file = rehearsal_.ca_file();
    settings_.access = {{.subject = "uid = 0", .resources = R"(["smtp", "imap", "pop", "graph"])"}};
}

AgentProvider& ProviderRig::add_provider(const std::string& name, const std::string& more,
                                         const std::string& tenant) {
    const std::string base = rehearsal_.base_url() + "/" + tenant + "/oauth2/v2.0/";
    AgentProvider provider;
    provider.name = name;
    provider.tenant = tenant;
    provider.secret = "";
    provider.token_endpoint = base + "token";
    provider.more = "authorization_endpoint = \"" + base +
                    "authorize\"\ndevice_authorization_endpoint = \"" + base + "devicecode\"\n" +
                    more;
    return settings().providers.emplace_back(std::move(provider));
}

void ProviderRig::add_account(const std::string& match, const std::string& provider,
                              const std::string& grant) {
    settings().accounts.push_back({.match = match, .provider = provider, .grant = grant});
}

Path ProviderRig::put_file(const std::string& name, const std::string& content, mode_t mode) const {
    const Path path = directory_ / "agent" / name;
    // As those who renew such files do it: the name changes hands, the old file stays whole.
    const Path fresh = path.string() + ".new";
    write_file(fresh, content, mode);
    std::filesystem::rename(fresh, path);
    return path;
}

void ProviderRig::register_client(Json::Value json) const {
    json["tenant"] = kTenant;
    json["mailboxes"].append("*");
    (void)rehearsal_.put_client(kClientId, json);
}

void ProviderRig::start() {
    agent_ = std::make_unique<Agent>(Programs::agent(), settings_);
    agent_->start();
    wait_until("the agent to serve", [&] {
        return ask_once(agent_->socket(), "request=ping\n\n").starts_with("status=ok");
    });
}

Finished ProviderRig::check_config() {
    const Agent written(Programs::agent(), settings());
    written.write_configuration();
    return run(
        {.argv = {Programs::agent(), "--config", written.configuration(), "--check-config"}});
}

Finished ProviderRig::cli(std::vector<std::string> words) const {
    words.insert(words.begin(), Programs::cli());
    words.insert(words.end(), {"--config", agent_->configuration()});
    return run({.argv = words});
}

AttributeMap ProviderRig::token(const std::string& account, const std::string& resource) const {
    return attributes_of(ask_once(
        agent_->socket(), "request=token\naccount=" + account + "\nresource=" + resource + "\n\n",
        std::chrono::seconds(35)));
}

std::string ProviderRig::good_token(const std::string& account, const std::string& resource) const {
    Finished said = cli({"token", account, "--resource", resource});
    if (!said.ok() || !said.output.ends_with('\n')) {
        fail("no token for " + account + ": " + said.error);
    }
    said.output.pop_back();
    return said.output;
}

std::vector<Json::Value> ProviderRig::seen(const std::string& endpoint) const {
    std::vector<Json::Value> out;
    for (const Json::Value& request : rehearsal_.requests()) {
        if (request["endpoint"].asString() == endpoint) {
            out.push_back(request);
        }
    }
    return out;
}

Json::Value ProviderRig::origin_of(const std::string& token) const {
    for (const Json::Value& each : rehearsal_.tokens()) {
        if (each["token"].asString() == token) {
            return each;
        }
    }
    return {};
}

}  // namespace postbearer::test
