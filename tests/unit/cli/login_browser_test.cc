// SPDX-License-Identifier: Apache-2.0

// postbearer login by browser, on the loopback or with a pasted address.

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "tests/unit/cli/login_room.hh"
#include "token-agent/cli/loopback_listener.hh"

using namespace postbearer;
using namespace postbearer::test;
using namespace postbearer::test::login;
using postbearer::cli::Surroundings;
using postbearer::cli::tunnel_line;

namespace {

BOOST_AUTO_TEST_SUITE(login_browser_test)

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

}  // namespace
