// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/delegated_rig.hh"

#include <json/writer.h>

#include "tests/support/failure.hh"

namespace postbearer::test {
namespace {

constexpr const char* kDesktopClient = "22222222-2222-2222-2222-222222222222";

constexpr const char* kAllScopes =
    "https://outlook.office.com/SMTP.Send https://outlook.office.com/IMAP.AccessAsUser.All "
    "https://graph.microsoft.com/Mail.Send offline_access";

std::string text_of(const Json::Value& document) {
    Json::StreamWriterBuilder writer;
    writer["indentation"] = "";
    return Json::writeString(writer, document);
}

AgentSettings agent_settings(const Path& directory, const Rehearsal& rehearsal,
                             const DelegatedSettings& settings) {
    AgentSettings agent;
    agent.directory = directory / "agent";
    agent.sockets = {directory / "agent.sock"};
    agent.ca_file = rehearsal.ca_file();
    agent.more = settings.agent_more;
    const std::string base = rehearsal.base_url() + "/" + kTenant + "/oauth2/v2.0/";
    AgentProvider login;
    login.client_id = kDesktopClient;
    login.secret = "";
    login.token_endpoint = base + "token";
    login.more = "authorization_endpoint = \"" + base + "authorize\"\n" +
                 "device_authorization_endpoint = \"" + base + "devicecode\"\n" +
                 settings.provider_more;
    AgentProvider app;
    app.name = "app";
    app.token_endpoint = base + "token";
    agent.providers = {login, app};
    agent.accounts = {{.match = "@contoso.test", .grant = "delegated"},
                      {.match = kAppOnlyAccount, .provider = "app"}};
    agent.access = {{.subject = "uid = 0", .resources = R"(["smtp", "imap", "graph"])"}};
    return agent;
}

}  // namespace

AttributeMap attributes_of(const std::string& answer) {
    AttributeMap attributes;
    for (const std::string& line : split_lines(answer)) {
        const std::size_t end = line.find('=');
        if (end != std::string::npos) {
            attributes[line.substr(0, end)] = line.substr(end + 1);
        }
    }
    return attributes;
}

DelegatedRig::DelegatedRig(DelegatedSettings settings)
    : settings_(std::move(settings)),
      rehearsal_(Programs::rehearsal(), directory_ / "rehearsal", directory_ / "auth.sock") {
    rehearsal_.start();
    Json::Value desktop;
    desktop["tenant"] = kTenant;
    desktop["public"] = true;
    desktop["redirect_uris"].append("http://localhost");
    desktop["rotation"] = settings_.rotation;
    desktop["lifetime"] = settings_.lifetime;
    desktop["device_expires"] = settings_.device_expires;
    if (settings_.device_slow_down) {
        desktop["device_interval"] = 1;
        desktop["device_slow_downs"] = 1;
    }
    (void)rehearsal_.put_client(kDesktopClient, desktop);
    Json::Value app;
    app["tenant"] = kTenant;
    Json::Value secret;
    secret["value"] = AgentProvider().secret;
    app["secrets"].append(secret);
    app["roles"].append("SMTP.SendAsApp");
    app["mailboxes"].append("*");
    (void)rehearsal_.put_client(kClientId, app);
    agent_ = std::make_unique<Agent>(Programs::agent(),
                                     agent_settings(directory_.path(), rehearsal_, settings_));
}

// Its sockets take connections before it has opened its store.
bool DelegatedRig::serves() const {
    return agent_->launch_and_listen() &&
           ask_once(agent_->socket(), "request=ping\n\n", kPatience).starts_with("status=ok");
}

std::string DelegatedRig::mint(const std::string& user) const {
    return rehearsal_.mint_refresh(kDesktopClient, user, kAllScopes);
}

Json::Value DelegatedRig::log_in(const std::string& account) const {
    return import_token(account, mint(account));
}

Json::Value DelegatedRig::import_token(const std::string& account,
                                       const std::string& refresh_token) const {
    Json::Value arguments;
    arguments["account"] = account;
    arguments["refresh_token"] = refresh_token;
    arguments["user"] = account;
    return admin_ok("import_login", arguments);
}

AttributeMap DelegatedRig::token(const std::string& account, const std::string& resource,
                                 const std::string& more) const {
    return attributes_of(ask_once(
        agent_->socket(),
        "request=token\naccount=" + account + "\nresource=" + resource + "\n" + more + "\n",
        std::chrono::seconds(35)));
}

AttributeMap DelegatedRig::good_token(const std::string& account,
                                      const std::string& resource) const {
    AttributeMap answer = token(account, resource);
    if (answer["status"] != "ok") {
        fail("no token for " + account + ": " + answer["class"] + "/" + answer["code"] + " " +
             answer["message"]);
    }
    return answer;
}

AttributeMap DelegatedRig::admin(const std::string& request, const Json::Value& arguments) const {
    return attributes_of(ask_once(agent_->admin_socket(),
                                  "request=" + request + "\njson=" + text_of(arguments) + "\n\n",
                                  std::chrono::seconds(35)));
}

Json::Value DelegatedRig::admin_ok(const std::string& request, const Json::Value& arguments) const {
    AttributeMap answer = admin(request, arguments);
    if (answer["status"] != "ok") {
        fail(request + ": " + answer["class"] + "/" + answer["code"] + " " + answer["message"]);
    }
    return json_of(answer["json"]);
}

bool DelegatedRig::refreshes(const std::string& account) const {
    return cli({"refresh", account}).ok();
}

Json::Value DelegatedRig::status_of(const std::string& account) const {
    Json::Value arguments;
    arguments["account"] = account;
    const Json::Value document = admin_ok("status", arguments);
    if (document["accounts"].size() != 1) {
        fail("no status of " + account);
    }
    return document["accounts"][0];
}

Finished DelegatedRig::cli(std::vector<std::string> words, const std::string& input) const {
    words.insert(words.begin(), Programs::cli());
    words.insert(words.end(), {"--config", agent_->configuration()});
    return run({.argv = words, .input = input});
}

std::string DelegatedRig::sql(const std::string& statements) const {
    return run_ok({.argv = {"sqlite3", agent_->store(), statements}});
}

bool DelegatedRig::store_is_intact() const {
    const Path copy = directory_ / "copy";
    std::filesystem::remove_all(copy);
    std::filesystem::copy(agent_->store_directory(), copy);
    return run({.argv = {"sqlite3", copy / "tokens.db", "PRAGMA quick_check;"}}).output == "ok\n";
}

}  // namespace postbearer::test
