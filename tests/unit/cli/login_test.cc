// SPDX-License-Identifier: Apache-2.0

// postbearer login by device code, and what all flows have in common.

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "tests/unit/cli/login_room.hh"

using namespace postbearer;
using namespace postbearer::test;
using namespace postbearer::test::login;

namespace {

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

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
