// SPDX-License-Identifier: Apache-2.0
#include "milter/explain.hh"

#include <json/json.h>

#include <boost/test/unit_test.hpp>

#include "tests/unit/milter/routing/config_texts.hh"

namespace postbearer::milter {
namespace {

BOOST_AUTO_TEST_SUITE(explain_test)

constexpr std::string_view kRules =
    "[graph]\nstrangers = \"trim\"\n[[route]]\nname = \"contoso\"\nsender = [\"@contoso.com\"]\n";

Question question(Submission via = Submission::Local) {
    Question asked;
    asked.message.via = via;
    asked.message.mail_from = "alice@contoso.com";
    asked.message.recipients = {"bob@example.org", "hidden@example.org"};
    asked.content =
        "From: alice@contoso.com\nTo: bob@example.org,\n eve@evil.example\nSubject: secret "
        "merger\nBcc: x@y.example\n\nTo: body@evil.example\n";
    return asked;
}

Json::Value json_of(const std::string& text) {
    Json::Value value;
    std::string faults;
    const Json::CharReaderBuilder builder;
    const std::unique_ptr<Json::CharReader> reader(builder.newCharReader());
    BOOST_REQUIRE(reader->parse(text.data(), text.data() + text.size(), &value, &faults));
    return value;
}

BOOST_AUTO_TEST_CASE(people_read_what_graph_would_get) {
    const std::string text = explain(*config_of(kRules), question());
    for (const char* line :
         {"decision: graph\n", "route: contoso\n", "mailbox: alice@contoso.com\n",
          "recipients: 1 in To and Cc, 1 in Bcc\n", "cut out of To and Cc: eve@evil.example\n",
          "  graph gets: To: bob@example.org\n", "  graph gets: Bcc: hidden@example.org\n",
          "  graph gets: From: alice@contoso.com\n"}) {
        BOOST_TEST(text.find(line) != std::string::npos, line << " is not in\n" << text);
    }
    for (const char* part : {"merger", "body@evil.example", "x@y.example"}) {
        BOOST_TEST(text.find(part) == std::string::npos, text);
    }
}

BOOST_AUTO_TEST_CASE(programs_read_one_document) {
    Question asked = question();
    asked.json = true;
    const std::string text = explain(*config_of(kRules), asked);
    BOOST_TEST(text.back() == '\n');
    const Json::Value json = json_of(text);
    BOOST_TEST(json["version"].asInt() == 1);
    BOOST_TEST(json["kind"].asString() == "explain");
    BOOST_TEST(json["decision"].asString() == "graph");
    BOOST_TEST(json["mailbox"].asString() == "alice@contoso.com");
    BOOST_TEST(json["edits"]["visible"].asInt() == 1);
    BOOST_TEST(json["edits"]["hidden"].asInt() == 1);
    BOOST_TEST(json["edits"]["trimmed"][0].asString() == "eve@evil.example");
    BOOST_TEST(!json.isMember("answer"));
}

BOOST_AUTO_TEST_CASE(the_queue_answers_what_it_cannot_relay) {
    Question asked = question(Submission::Queue);
    asked.json = true;
    const Json::Value json = json_of(explain(*config_of("[graph]\nenabled = false\n"), asked));
    BOOST_TEST(json["decision"].asString() == "relay");
    BOOST_TEST(json["reason"].asString() == "switched_off");
    BOOST_TEST(json["answer"].asString().starts_with("451 4.3.5 not sent: Graph is switched off"));
    BOOST_TEST(!json.isMember("edits"));
}

BOOST_AUTO_TEST_CASE(a_relay_has_a_reason_and_a_rejection_an_answer) {
    BOOST_TEST(explain(*config_of(""), question()) ==
               "decision: relay\nreason: no_route: no route matches\n");
    const auto config =
        config_of("[[route]]\nname = \"no\"\naction = \"reject\"\nreason = \"go away\"\n");
    BOOST_TEST(explain(*config, question()) ==
               "decision: reject\nroute: no\nreason: route: go away\nanswer: 550 5.7.1 go away\n");
}

BOOST_AUTO_TEST_CASE(what_cannot_be_edited_is_told) {
    Question asked = question();
    for (int i = 0; i < 30; ++i) {
        asked.content.insert(0, "Received: from a by b; now\n");
    }
    const std::string text = explain(*config_of(kRules), asked);
    BOOST_TEST(text.find("refused: 554 5.4.6") != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(odd_messages_do_no_harm) {
    for (const char* content : {"", "\n", "\r\n", "x", "\n\n\n", "From", ": \n \n", "To: a@b"}) {
        for (const bool json : {false, true}) {
            Question asked = question();
            asked.content = content;
            asked.json = json;
            BOOST_TEST(explain(*config_of(kRules), asked).find("decision") != std::string::npos);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
