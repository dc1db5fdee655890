// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the tests of postbearer login share: the agent's documents, and the scene with an agent,
// with a browser beside it.

#include <json/json.h>

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/files.hh"
#include "tests/support/scripted_admin.hh"
#include "tests/support/temp_dir.hh"
#include "tests/unit/cli/loopback_client.hh"
#include "tests/unit/cli/scene.hh"
#include "token-agent/cli/login.hh"

namespace postbearer::test::login {

using cli::Options;

inline const std::string kSecretCode = "c0de-that-nobody-may-see";

inline Json::Value list(const std::vector<std::string>& words) {
    Json::Value json(Json::arrayValue);
    for (const std::string& word : words) {
        json.append(word);
    }
    return json;
}

inline Json::Value plan() {
    Json::Value json;
    json["version"] = 1;
    json["kind"] = "login_plan";
    json["account"] = "alice@contoso.com";
    json["login"] = "alice@contoso.com";
    json["provider"] = "contoso";
    json["provider_type"] = "microsoft";
    json["cloud"] = "global";
    json["tenant"] = "contoso.onmicrosoft.com";
    json["client_id"] = "11111111-2222";
    json["authority"] = "login.microsoftonline.com";
    json["redirect_uri"] = "http://localhost";
    json["flows"] = list({"device", "code"});
    json["resources"] = list({"smtp", "imap"});
    return json;
}

inline Json::Value session(const std::string& state, int step, const std::string& flow) {
    Json::Value json;
    json["version"] = 1;
    json["kind"] = "login";
    json["session"] = "S1";
    json["state"] = state;
    json["account"] = "alice@contoso.com";
    json["login"] = "alice@contoso.com";
    json["resource"] = step == 1 ? "smtp" : "imap";
    json["resources"] = list({"smtp", "imap"});
    json["step"] = step;
    json["flow"] = flow;
    json["expires_in"] = 600;
    return json;
}

inline Json::Value device(int step) {
    Json::Value json = session("waiting", step, "device");
    json["user_code"] = "ABCD-EFG" + std::to_string(step);
    json["verification_uri"] = "https://microsoft.com/devicelogin";
    json["interval"] = 5;
    return json;
}

inline Json::Value code(int step, const std::string& redirect_uri) {
    Json::Value json = session("waiting", step, "code");
    json["redirect_uri"] = redirect_uri;
    json["authorize_url"] =
        "https://login.example/authorize?client_id=1&state=st" + std::to_string(step);
    return json;
}

/// The step has been answered, and the agent is not ready: it redeems, or it writes its store.
inline Json::Value busy(int step, const std::string& flow, bool storing = false) {
    Json::Value json = session("waiting", step, flow);
    if (storing) {
        json["storing"] = true;
        json["warnings"] = list({"the login is complete and cannot be stored yet (disk full)"});
    }
    return json;
}

inline Json::Value done(const std::string& by = "id_token") {
    Json::Value json = session("done", 2, "code");
    json["consented"] = list({"smtp", "imap"});
    json["user"] = "alice@contoso.com";
    json["user_confirmed_by"] = by;
    json["warnings"] = list({"the tenant ends logins after 90 days"});
    return json;
}

inline Json::Value failed(const std::string& message) {
    Json::Value json = session("failed", 1, "code");
    json["error"]["class"] = "denied";
    json["error"]["code"] = "other_user";
    json["error"]["message"] = message;
    json["error"]["hint"] = "say --accept-user if that is meant";
    return json;
}

struct Room : Scene {
    TempDir dir{"pb-login"};
    Options options;
    std::unique_ptr<ScriptedAdmin> agent;

    void start(ScriptedAdmin::Handler handler) {
        agent = std::make_unique<ScriptedAdmin>(dir.path(), std::move(handler));
        options.config = agent->config();
    }
    int run(const std::string& flow = "") {
        options.flow = flow;
        options.arguments = {"alice@contoso.com"};
        console.json = options.json;
        if (options.config.empty()) {
            write_file(dir / "agent.toml",
                       "[agent]\nadmin_socket = \"" + (dir / "admin.sock").string() + "\"\n");
            options.config = (dir / "agent.toml").string();
        }
        return cli::login(options, console);
    }
    [[nodiscard]] bool shows(const std::string& part) const {
        return says(part) || complains(part);
    }
};

/// Plays the browser: at each login_start or step a redirect comes to the listener.
struct BrowserRoom : Room {
    std::vector<std::unique_ptr<LoopbackClient>> browsers;
    std::uint16_t port = 0;

    void come_back(const std::string& state) {
        const std::string text = "GET /?code=" + kSecretCode + "&state=" + state +
                                 " HTTP/1.1\r\nHost: localhost:" + std::to_string(port) +
                                 "\r\n\r\n";
        browsers.push_back(std::make_unique<LoopbackClient>(port, text));
    }
    std::string redirect_uri(const ScriptedAdmin::Call& call) {
        const std::string uri = call.arguments["redirect_uri"].asString();
        port = static_cast<std::uint16_t>(std::stoi(uri.substr(uri.rfind(':') + 1)));
        return uri;
    }
};

inline std::vector<Json::Value> documents(const std::string& text) {
    std::vector<Json::Value> found;
    for (const std::string& line : split_lines(text)) {
        Json::Value json;
        std::string errors;
        const std::unique_ptr<Json::CharReader> reader(Json::CharReaderBuilder().newCharReader());
        BOOST_REQUIRE_MESSAGE(reader->parse(line.data(), line.data() + line.size(), &json, &errors),
                              line);
        found.push_back(json);
    }
    return found;
}

}  // namespace postbearer::test::login
