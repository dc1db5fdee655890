// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/login.hh"

#include <json/json.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "tests/support/scripted_admin.hh"
#include "tests/support/temp_dir.hh"
#include "tests/unit/cli/loopback_client.hh"
#include "tests/unit/cli/scene.hh"
#include "token-agent/cli/loopback_listener.hh"

using namespace postbearer;
using namespace postbearer::test;
using postbearer::cli::Options;
using postbearer::cli::Surroundings;
using postbearer::cli::tunnel_line;

namespace {

const std::string kSecretCode = "c0de-that-nobody-may-see";

Json::Value list(const std::vector<std::string>& words) {
    Json::Value json(Json::arrayValue);
    for (const std::string& word : words) {
        json.append(word);
    }
    return json;
}

Json::Value plan() {
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

Json::Value session(const std::string& state, int step, const std::string& flow) {
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

Json::Value device(int step) {
    Json::Value json = session("waiting", step, "device");
    json["user_code"] = "ABCD-EFG" + std::to_string(step);
    json["verification_uri"] = "https://microsoft.com/devicelogin";
    json["interval"] = 5;
    return json;
}

Json::Value code(int step, const std::string& redirect_uri) {
    Json::Value json = session("waiting", step, "code");
    json["redirect_uri"] = redirect_uri;
    json["authorize_url"] =
        "https://login.example/authorize?client_id=1&state=st" + std::to_string(step);
    return json;
}

/// The step has been answered, and the agent is not ready: it redeems, or it writes its store.
Json::Value busy(int step, const std::string& flow, bool storing = false) {
    Json::Value json = session("waiting", step, flow);
    if (storing) {
        json["storing"] = true;
        json["warnings"] = list({"the login is complete and cannot be stored yet (disk full)"});
    }
    return json;
}

Json::Value done(const std::string& by = "id_token") {
    Json::Value json = session("done", 2, "code");
    json["consented"] = list({"smtp", "imap"});
    json["user"] = "alice@contoso.com";
    json["user_confirmed_by"] = by;
    json["warnings"] = list({"the tenant ends logins after 90 days"});
    return json;
}

Json::Value failed(const std::string& message) {
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

std::vector<Json::Value> documents(const std::string& text) {
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

}  // namespace

BOOST_AUTO_TEST_SUITE(login_test)

BOOST_FIXTURE_TEST_CASE(device_login_of_two_steps, Room) {
    int waits = 0;
    start([&](const ScriptedAdmin::Call& call) {
        if (call.verb == "login_plan") {
            return document(plan());
        }
        if (call.verb == "login_start") {
            return document(device(1));
        }
        ++waits;
        return document(waits == 1 ? device(1) : waits == 2 ? device(2) : done());
    });
    BOOST_TEST(run() == cli::kDone);
    BOOST_TEST(err() == "");
    for (const char* const part :
         {"Login for alice@contoso.com", "contoso (microsoft, cloud global)",
          "contoso.onmicrosoft.com", "11111111-2222", "smtp, then imap",
          "\n    https://microsoft.com/devicelogin\n", "\n    ABCD-EFG1\n", "10m left",
          "One more consent, for imap", "\n    ABCD-EFG2\n",
          "Logged in: alice@contoso.com (confirmed by id_token)\n", "Resources: smtp, imap\n",
          "Warning: the tenant ends logins after 90 days\n",
          "postbearer token alice@contoso.com --test"}) {
        BOOST_TEST(says(part), part);
    }
    BOOST_TEST(agent->verbs() == "login_plan login_start login_wait login_wait login_wait");
    const Json::Value start = agent->calls("login_start").front().arguments;
    BOOST_TEST(start["account"] == "alice@contoso.com");
    BOOST_TEST(start["flow"] == "device");
    BOOST_TEST(!start["accept_user"].asBool());
    BOOST_TEST(!start.isMember("resources"));
    BOOST_TEST(agent->calls("login_wait").front().arguments["session"] == "S1");
}

BOOST_FIXTURE_TEST_CASE(options_reach_the_agent, Room) {
    options.resources = {"imap"};
    options.accept_user = true;
    start([&](const ScriptedAdmin::Call& call) {
        return document(call.verb == "login_plan" ? plan() : done());
    });
    BOOST_TEST(run("device") == cli::kDone);
    const Json::Value start = agent->calls("login_start").front().arguments;
    BOOST_TEST(start["resources"] == list({"imap"}));
    BOOST_TEST(start["accept_user"].asBool());
    BOOST_TEST(says("consents to imap"));
}

BOOST_FIXTURE_TEST_CASE(a_failed_login_says_the_agents_sentence_and_hint, Room) {
    start([&](const ScriptedAdmin::Call& call) {
        return document(call.verb == "login_plan"    ? plan()
                        : call.verb == "login_start" ? device(1)
                                                     : failed("bob@contoso.com signed in"));
    });
    BOOST_TEST(run() == cli::kFailed);
    BOOST_TEST(err() ==
               "postbearer login: bob@contoso.com signed in [say --accept-user if that is "
               "meant]\n");
    BOOST_TEST(agent->calls("login_cancel").empty());
}

BOOST_FIXTURE_TEST_CASE(ctrl_c_cancels_the_session, Room) {
    start([&](const ScriptedAdmin::Call& call) {
        if (call.verb == "login_wait") {
            ctrl_c();
            return hanging();
        }
        return document(call.verb == "login_plan"    ? plan()
                        : call.verb == "login_start" ? device(1)
                                                     : failed("cancelled"));
    });
    BOOST_TEST(run() == cli::kFailed);
    BOOST_TEST(complains("called off"));
    BOOST_TEST(agent->calls("login_cancel").size() == 1U);
    BOOST_TEST(agent->calls("login_cancel").front().arguments["session"] == "S1");
}

BOOST_FIXTURE_TEST_CASE(the_agents_refusal_is_passed_on, Room) {
    start([&](const ScriptedAdmin::Call&) {
        return refused("denied", "access_denied", "the grant of bob is client_credentials");
    });
    BOOST_TEST(run() == cli::kFailed);
    BOOST_TEST(err() == "postbearer login: the grant of bob is client_credentials\n");
}

BOOST_FIXTURE_TEST_CASE(a_missing_agent_says_what_to_do, Room) {
    BOOST_TEST(run() == cli::kFailed);
    BOOST_TEST(complains("No such file or directory"));
    BOOST_TEST(complains("systemctl start postbearer-agent"));
}

BOOST_FIXTURE_TEST_CASE(browser_login_of_two_steps_over_one_listener, BrowserRoom) {
    start([&](const ScriptedAdmin::Call& call) {
        if (call.verb == "login_plan") {
            return document(plan());
        }
        if (call.verb == "login_start") {
            const std::string uri = redirect_uri(call);
            come_back("st1");
            return document(code(1, uri));
        }
        if (agent->calls("login_answer").size() == 1) {
            come_back("st1");  // somebody reloads the page
            come_back("st2");
            return document(code(2, "http://localhost:" + std::to_string(port)));
        }
        return document(done());
    });
    BOOST_TEST(run("browser") == cli::kDone);
    BOOST_TEST(err() == "");
    const std::string number = std::to_string(port);
    const Json::Value start = agent->calls("login_start").front().arguments;
    BOOST_TEST(start["flow"] == "code");
    BOOST_TEST(start["redirect_uri"] == "http://localhost:" + number);
    BOOST_TEST(agent->calls("login_answer").front().arguments["url"] ==
               "code=" + kSecretCode + "&state=st1");
    BOOST_TEST(says("\n    https://login.example/authorize?client_id=1&state=st1\n"));
    BOOST_TEST(says("\n    https://login.example/authorize?client_id=1&state=st2\n"));
    BOOST_TEST(says("Logged in: alice@contoso.com (confirmed by id_token)"));
    BOOST_TEST(!shows(kSecretCode));
    BOOST_REQUIRE(browsers.size() == 3U);
    BOOST_TEST(browsers[0]->read_all().find("One more step") != std::string::npos);
    BOOST_TEST(browsers[1]->read_all().starts_with("HTTP/1.1 410 "));
    BOOST_TEST(browsers[2]->read_all().find("Signed in") != std::string::npos);
    BOOST_TEST(agent->verbs() == "login_plan login_start login_answer login_answer");
}

BOOST_FIXTURE_TEST_CASE(the_browser_is_told_of_a_failure, BrowserRoom) {
    start([&](const ScriptedAdmin::Call& call) {
        if (call.verb == "login_start") {
            const std::string uri = redirect_uri(call);
            come_back("st1");
            return document(code(1, uri));
        }
        return document(call.verb == "login_plan" ? plan() : failed("the code has expired"));
    });
    BOOST_TEST(run("browser") == cli::kFailed);
    BOOST_TEST(complains("the code has expired"));
    const std::string page = browsers.front()->read_all();
    BOOST_TEST(page.find("did not work") != std::string::npos);
    BOOST_TEST(page.find("expired") == std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_fixed_redirect_uri_is_served_as_it_is, BrowserRoom) {
    const auto listener = cli::LoopbackListener::open(0);
    const std::uint16_t taken = listener->port();
    start([&](const ScriptedAdmin::Call& call) {
        Json::Value json = plan();
        json["redirect_uri"] = "http://127.0.0.1:" + std::to_string(taken) + "/callback";
        return call.verb == "login_plan" ? document(json) : document(done());
    });
    BOOST_TEST(run("browser") == cli::kFailed);
    BOOST_TEST(complains("cannot listen on 127.0.0.1:" + std::to_string(taken)));
    BOOST_TEST(complains("--port"));
    BOOST_TEST(agent->calls("login_start").empty());
}

BOOST_FIXTURE_TEST_CASE(ctrl_c_while_the_browser_is_away, BrowserRoom) {
    start([&](const ScriptedAdmin::Call& call) {
        if (call.verb == "login_start") {
            ctrl_c();
            return document(code(1, redirect_uri(call)));
        }
        return document(call.verb == "login_plan" ? plan() : failed("cancelled"));
    });
    BOOST_TEST(run("browser") == cli::kFailed);
    BOOST_TEST(complains("called off"));
    BOOST_TEST(agent->calls("login_cancel").size() <= 1U);
}

/// Each with an answer that the agent is slow to work on: redeeming, then the full store.
BOOST_FIXTURE_TEST_CASE(a_browser_login_waits_for_a_slow_agent, BrowserRoom) {
    start([&](const ScriptedAdmin::Call& call) {
        if (call.verb == "login_plan") {
            return document(plan());
        }
        if (call.verb == "login_start") {
            const std::string uri = redirect_uri(call);
            come_back("st1");
            return document(code(1, uri));
        }
        if (call.verb == "login_answer") {
            come_back("forged");
            return document(busy(1, "code"));
        }
        return document(agent->calls("login_wait").size() == 1 ? busy(1, "code", true) : done());
    });
    BOOST_TEST(run("browser") == cli::kDone);
    BOOST_TEST(agent->verbs() == "login_plan login_start login_answer login_wait login_wait");
    BOOST_TEST(says("the agent is working on it"));
    BOOST_TEST(says("complete; the agent cannot write its store yet"));
    BOOST_TEST(says("Warning: the login is complete and cannot be stored yet (disk full)"));
    BOOST_TEST(says("Logged in: alice@contoso.com"));
    const std::string shown = out();
    const std::string address = "Open this address";
    BOOST_TEST(shown.find(address) == shown.rfind(address));
    BOOST_TEST(browsers[0]->read_all().find("has arrived") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(an_answered_step_is_not_asked_for_again, BrowserRoom) {
    start([&](const ScriptedAdmin::Call& call) {
        if (call.verb == "login_plan") {
            return document(plan());
        }
        if (call.verb == "login_start") {
            const std::string uri = redirect_uri(call);
            come_back("st1");
            return document(code(1, uri));
        }
        if (call.verb == "login_answer" && call.arguments["url"].asString().ends_with("st1")) {
            return document(code(1, "http://localhost:" + std::to_string(port)));  // as it was
        }
        if (call.verb == "login_wait") {
            come_back("st2");
            return document(code(2, "http://localhost:" + std::to_string(port)));
        }
        return document(done());
    });
    BOOST_TEST(run("browser") == cli::kDone);
    BOOST_TEST(agent->verbs() == "login_plan login_start login_answer login_wait login_answer");
    BOOST_TEST(says("state=st2"));
}

BOOST_FIXTURE_TEST_CASE(an_address_without_a_state_is_refused, BrowserRoom) {
    start([&](const ScriptedAdmin::Call& call) {
        Json::Value json = code(1, "http://localhost:1");
        json["authorize_url"] = "https://login.example/authorize?client_id=1";
        return document(call.verb == "login_plan"    ? plan()
                        : call.verb == "login_start" ? json
                                                     : failed("cancelled"));
    });
    BOOST_TEST(run("browser") == cli::kFailed);
    BOOST_TEST(complains("has no state"));
    BOOST_TEST(agent->calls("login_cancel").size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_pasted_login_waits_for_a_slow_agent, Room) {
    type("http://localhost:1/?code=c&state=st1\n");
    start([&](const ScriptedAdmin::Call& call) {
        if (call.verb == "login_plan" || call.verb == "login_start") {
            return document(call.verb == "login_plan" ? plan() : code(1, "http://localhost:1"));
        }
        if (call.verb == "login_answer") {
            return document(busy(1, "code"));
        }
        return document(agent->calls("login_wait").size() == 1 ? busy(1, "code", true) : done());
    });
    BOOST_TEST(run("paste") == cli::kDone);
    BOOST_TEST(agent->verbs() == "login_plan login_start login_answer login_wait login_wait");
    BOOST_TEST(says("complete; the agent cannot write its store yet"));
    BOOST_TEST(says("Warning: the login is complete and cannot be stored yet (disk full)"));
}

BOOST_FIXTURE_TEST_CASE(a_device_login_waits_for_the_store, Room) {
    start([&](const ScriptedAdmin::Call& call) {
        if (call.verb == "login_plan" || call.verb == "login_start") {
            return document(call.verb == "login_plan" ? plan() : device(1));
        }
        return document(agent->calls("login_wait").size() == 1 ? busy(2, "device", true) : done());
    });
    BOOST_TEST(run() == cli::kDone);
    BOOST_TEST(says("complete; the agent cannot write its store yet"));
    BOOST_TEST(says("Warning: the login is complete and cannot be stored yet (disk full)"));
    BOOST_TEST(!says("One more consent"));
}

/// Ctrl-C may come when the login is complete: the agent has the last word.
struct CalledOff : Room {
    int run_with(const Json::Value& after_cancel) {
        start([&, after_cancel](const ScriptedAdmin::Call& call) {
            if (call.verb == "login_wait") {
                ctrl_c();
                return hanging();
            }
            return document(call.verb == "login_plan"    ? plan()
                            : call.verb == "login_start" ? device(1)
                                                         : after_cancel);
        });
        return run("device");
    }
};

BOOST_FIXTURE_TEST_CASE(called_off_too_late_is_logged_in, CalledOff) {
    BOOST_TEST(run_with(done()) == cli::kDone);
    BOOST_TEST(says("Logged in: alice@contoso.com"));
    BOOST_TEST(!shows("called off"));
}

BOOST_FIXTURE_TEST_CASE(called_off_while_it_is_stored_goes_on, CalledOff) {
    BOOST_TEST(run_with(busy(2, "device", true)) == cli::kFailed);
    BOOST_TEST(complains("complete, waits for the store"));
    BOOST_TEST(complains("postbearer status alice@contoso.com"));
    BOOST_TEST(!shows("called off"));
    BOOST_TEST(agent->calls("login_cancel").size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(called_off_between_two_consents, CalledOff) {
    Json::Value json = failed("cancelled");
    json["consented"] = list({"smtp"});
    BOOST_TEST(run_with(json) == cli::kFailed);
    BOOST_TEST(err() ==
               "postbearer login: called off after the consent for smtp; nothing was stored\n");
}

BOOST_FIXTURE_TEST_CASE(called_off_and_the_agent_is_gone, CalledOff) {
    BOOST_TEST(run_with(Json::Value()) == cli::kFailed);
    BOOST_TEST(complains("the agent has not confirmed"));
}

BOOST_FIXTURE_TEST_CASE(pasted_address_after_two_wrong_ones, Room) {
    const std::string right = "http://localhost:1/?code=" + kSecretCode + "&state=st1";
    type("https://login.example/\nnonsense\n" + right + "\n");
    start([&](const ScriptedAdmin::Call& call) {
        if (call.verb == "login_plan") {
            return document(plan());
        }
        if (call.verb == "login_start") {
            return document(code(1, call.arguments["redirect_uri"].asString()));
        }
        return call.arguments["url"] == right
                   ? document(done())
                   : refused("bad_request", "syntax", "that address has no code in it");
    });
    BOOST_TEST(run("paste") == cli::kDone);
    BOOST_TEST(err() ==
               "That was not taken: that address has no code in it\n"
               "That was not taken: that address has no code in it\n");
    BOOST_TEST(says("the browser shows an error page"));
    BOOST_TEST(!shows(kSecretCode));
    const std::string uri =
        agent->calls("login_start").front().arguments["redirect_uri"].asString();
    BOOST_TEST(uri.starts_with("http://localhost:"));
}

BOOST_FIXTURE_TEST_CASE(three_wrong_pastes_end_the_login, Room) {
    type("a\nb\nc\nd\n");
    start([&](const ScriptedAdmin::Call& call) {
        if (call.verb == "login_answer") {
            return refused("bad_request", "syntax", "that address has no code in it");
        }
        return document(call.verb == "login_plan"    ? plan()
                        : call.verb == "login_start" ? code(1, "http://localhost:1")
                                                     : failed("cancelled"));
    });
    BOOST_TEST(run("paste") == cli::kFailed);
    BOOST_TEST(agent->verbs() ==
               "login_plan login_start login_answer login_answer login_answer login_cancel");
}

BOOST_FIXTURE_TEST_CASE(end_of_input_ends_a_paste, Room) {
    hang_up();
    start([&](const ScriptedAdmin::Call& call) {
        return document(call.verb == "login_plan"    ? plan()
                        : call.verb == "login_start" ? code(1, "http://localhost:1")
                                                     : failed("cancelled"));
    });
    BOOST_TEST(run("paste") == cli::kFailed);
    BOOST_TEST(complains("standard input ended"));
    BOOST_TEST(agent->calls("login_cancel").size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(json_is_one_document_for_each_step_and_the_end, Room) {
    options.json = true;
    int waits = 0;
    start([&](const ScriptedAdmin::Call& call) {
        if (call.verb == "login_plan" || call.verb == "login_start") {
            return document(call.verb == "login_plan" ? plan() : device(1));
        }
        ++waits;
        return document(waits == 1 ? device(1) : waits == 2 ? device(2) : done());
    });
    BOOST_TEST(run() == cli::kDone);
    const auto lines = documents(out());
    BOOST_REQUIRE(lines.size() == 3U);
    BOOST_TEST(lines[0]["user_code"] == "ABCD-EFG1");
    BOOST_TEST(lines[1]["user_code"] == "ABCD-EFG2");
    BOOST_TEST(lines[2]["state"] == "done");
}

BOOST_FIXTURE_TEST_CASE(who_signed_in_may_be_unconfirmed, Room) {
    start([&](const ScriptedAdmin::Call& call) {
        return document(call.verb == "login_plan" ? plan() : done("unconfirmed"));
    });
    BOOST_TEST(run() == cli::kDone);
    BOOST_TEST(says("NOT confirmed"));
    BOOST_TEST(complains("warning: the provider did not say who signed in"));
    BOOST_TEST(complains("alice@contoso.com"));
}

BOOST_FIXTURE_TEST_CASE(a_resource_without_consent_is_no_success, Room) {
    Json::Value json = done();
    json["consented"] = list({"smtp"});
    json["warnings"] = list({"no token for imap yet: the user has not consented"});
    start([&](const ScriptedAdmin::Call& call) {
        return document(call.verb == "login_plan" ? plan() : json);
    });
    BOOST_TEST(run() == cli::kFailed);
    BOOST_TEST(says("Logged in: alice@contoso.com"));
    BOOST_TEST(says("Warning: no token for imap yet: the user has not consented"));
    BOOST_TEST(complains("not complete: there is no consent for imap"));
    BOOST_TEST(complains("postbearer login alice@contoso.com"));
}

BOOST_FIXTURE_TEST_CASE(json_says_whether_a_login_is_complete, Room) {
    options.json = true;
    Json::Value json = done();
    start([&](const ScriptedAdmin::Call& call) {
        return document(call.verb == "login_plan" ? plan() : json);
    });
    BOOST_TEST(run() == cli::kDone);
    json["consented"] = list({"imap"});
    BOOST_TEST(run() == cli::kFailed);
    const auto lines = documents(out());
    BOOST_REQUIRE(lines.size() == 2U);
    BOOST_TEST(lines[0]["complete"] == true);
    BOOST_TEST(lines[1]["complete"] == false);
}

BOOST_FIXTURE_TEST_CASE(the_flow_is_one_that_the_provider_has, Room) {
    Json::Value only_code = plan();
    only_code["flows"] = list({"code"});
    start([&](const ScriptedAdmin::Call&) { return document(only_code); });
    BOOST_TEST(run("device") == cli::kFailed);
    BOOST_TEST(complains("provider contoso has no device login; use --browser or --paste"));
    only_code["flows"] = list({});
    BOOST_TEST(run("") == cli::kFailed);
    BOOST_TEST(complains("authorization_endpoint or device_authorization_endpoint"));
}

BOOST_FIXTURE_TEST_CASE(words_of_servers_cannot_steer_the_terminal, Room) {
    start([&](const ScriptedAdmin::Call& call) {
        Json::Value json = call.verb == "login_plan"    ? plan()
                           : call.verb == "login_start" ? device(1)
                                                        : failed("a\x1B[2Jb");
        json["user_code"] = "AB\x1B]0;x\x07";
        json["tenant"] = "t\nLogged in: root";
        return document(json);
    });
    BOOST_TEST(run() == cli::kFailed);
    for (const char c : {'\x1B', '\x07'}) {
        BOOST_TEST((out() + err()).find(c) == std::string::npos);
    }
    BOOST_TEST(says("t?Logged in: root"));
}

BOOST_FIXTURE_TEST_CASE(unknown_resources_are_a_usage_error, Room) {
    options.resources = {"calendar"};
    BOOST_TEST(run() == cli::kUsage);
    BOOST_TEST(complains("smtp, imap, pop, graph"));
}

struct TunnelRow {
    const char* name;
    Surroundings surroundings;
    const char* line;
};
std::ostream& operator<<(std::ostream& out, const TunnelRow& row) { return out << row.name; }
const TunnelRow kTunnels[] = {
    {"a desktop", {"", true, "mx1"}, ""},
    {"a console without a display", {"", false, "mx1"}, "ssh -L 4321:127.0.0.1:4321 mx1"},
    {"over ssh",
     {"192.0.2.7 50022 192.0.2.1 22", false, "mx1"},
     "ssh -L 4321:127.0.0.1:4321 192.0.2.1"},
    {"over ssh with a forwarded display",
     {"192.0.2.7 50022 192.0.2.1 22", true, "mx1"},
     "ssh -L 4321:127.0.0.1:4321 192.0.2.1"},
    {"over ssh on another port",
     {"2001:db8::7 50022 2001:db8::1 2222", false, "mx1"},
     "ssh -L 4321:127.0.0.1:4321 2001:db8::1 -p 2222"},
    {"nothing known", {"", false, ""}, "ssh -L 4321:127.0.0.1:4321 HOST"},
};

BOOST_DATA_TEST_CASE(tunnel_lines, boost::unit_test::data::make(kTunnels), row) {
    BOOST_TEST(tunnel_line(row.surroundings, 4321).value_or("") == row.line);
}

BOOST_AUTO_TEST_SUITE_END()
