// SPDX-License-Identifier: Apache-2.0
// Whose word counts, who is left out, who is answered what.
#include "milter/delivery/graph_delivery.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "tests/unit/milter/delivery/delivery_room.hh"

namespace postbearer::milter {
namespace {

BOOST_AUTO_TEST_SUITE(graph_delivery_test)

constexpr std::string_view kNoRule = "[[route]]\nname = \"other\"\nsender = [\"@other.example\"]\n";

bool holds(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

BOOST_FIXTURE_TEST_CASE(the_decision_of_the_milter_stands, DeliveryRoom) {
    config.set(config_of(kNoRule));
    const ClientPtr client = deliver(stamped());
    BOOST_REQUIRE(sender.messages.size() == 1U);
    BOOST_TEST(client->calls == 0);
    BOOST_TEST(sender.messages[0].mailbox == "stamped@contoso.com");
    BOOST_TEST(sender.messages[0].queue_id == "4cQ7lX0zZkz9rxN");
    BOOST_TEST(!holds(sender.messages[0].header, "X-Postbearer-Route"));
    BOOST_TEST(holds(sender.messages[0].header, "X-Postbearer-Id: 4cQ7lX0zZkz9rxN/1\r\n"));
    sender.accept(0);
    BOOST_TEST(client->calls == 1);
    BOOST_TEST(client->codes() == "250/2.0.0");
    BOOST_TEST(log.count("event=sent queue_id=4cQ7lX0zZkz9rxN from=<alice@contoso.com>") == 1U);
    BOOST_TEST(log.count("route=chosen") == 1U);
    BOOST_TEST(log.count("mid=<1@contoso.com>") == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_folded_stamp_stands_too, DeliveryRoom) {
    Mail mail = stamped();
    mail.header.replace(mail.header.find("; route"), 2, ";\r\n\t");
    (void)deliver(mail);
    BOOST_REQUIRE(sender.messages.size() == 1U);
    BOOST_TEST(sender.messages[0].mailbox == "stamped@contoso.com");
}

BOOST_FIXTURE_TEST_CASE(a_forged_header_before_it_does_not_hide_it, DeliveryRoom) {
    Mail mail = stamped();
    mail.header = "X-Postbearer-Route: graph; id=x\r\n" + mail.header;
    (void)deliver(mail);
    BOOST_REQUIRE(sender.messages.size() == 1U);
    BOOST_TEST(sender.messages[0].mailbox == "stamped@contoso.com");
    BOOST_TEST(!holds(sender.messages[0].header, "X-Postbearer-Route"));
}

BOOST_FIXTURE_TEST_CASE(without_a_stamp_the_rules_apply, DeliveryRoom) {
    (void)deliver({});
    BOOST_REQUIRE(sender.messages.size() == 1U);
    BOOST_TEST(sender.messages[0].mailbox == "alice@contoso.com");
    BOOST_TEST(log.count("routing_header_ignored") == 0U);
}

struct Forged {
    const char* name;
    Mail (*make)(const DeliveryRoom& room);
};
std::ostream& operator<<(std::ostream& out, const Forged& row) { return out << row.name; }
const Forged kForged[] = {
    {"another message's",
     [](const DeliveryRoom& room) {
         Mail mail = room.stamped();
         mail.message_id = "<2@contoso.com>";
         return mail;
     }},
    {"the same message again, with another queue id",
     [](const DeliveryRoom& room) {
         Mail mail = room.stamped();
         mail.ident = "4cQ7lX0zZkz9rxM";
         return mail;
     }},
    {"another host's",
     [](const DeliveryRoom&) {
         Mail mail;
         const RouteKey other(Secret(std::string(32, 'o')));
         mail.header =
             "X-Postbearer-Route: " +
             *sign(other, {Action::Graph, mail.ident, "r", "boss@contoso.com"}, mail.message_id) +
             "\r\n" + mail.header;
         return mail;
     }},
    {"a second Message-ID",
     [](const DeliveryRoom& room) {
         Mail mail = room.stamped();
         mail.header += "Message-ID: <3@contoso.com>\r\n";
         return mail;
     }},
    {"nonsense",
     [](const DeliveryRoom&) {
         Mail mail;
         mail.header = "X-Postbearer-Route: graph; action=discard\r\n" + mail.header;
         return mail;
     }},
};

BOOST_DATA_TEST_CASE(a_forged_or_replayed_header_has_no_effect,
                     boost::unit_test::data::make(kForged), row) {
    DeliveryRoom room;
    (void)room.deliver(row.make(room));
    BOOST_REQUIRE(room.sender.messages.size() == 1U);
    BOOST_TEST(room.sender.messages[0].mailbox == "alice@contoso.com");
    BOOST_TEST(!holds(room.sender.messages[0].header, "X-Postbearer-Route"));
    BOOST_TEST(room.log.count("event=routing_header_ignored") == 1U);

    room.config.set(config_of(kNoRule));
    Mail again = row.make(room);
    again.to = {"carol@example.org"};
    const ClientPtr client = room.deliver(again);
    BOOST_TEST(client->codes() == "451/4.3.5");
    BOOST_TEST(room.sender.messages.size() == 1U);
}

BOOST_AUTO_TEST_CASE(where_the_rules_say_relay_nothing_is_sent) {
    DeliveryRoom room(kNoRule);
    const ClientPtr client = room.deliver({.to = {"bob@example.org", "carol@example.org"}});
    BOOST_TEST(client->codes() == "451/4.3.5 451/4.3.5");
    BOOST_TEST(holds(client->replies[0].text, "no route matches in milter.toml"));
    BOOST_TEST(holds(client->replies[0].text, "the transport table that sends this message here"));
    BOOST_TEST(room.sender.messages.empty());
}

BOOST_AUTO_TEST_CASE(the_rule_that_relays_is_named) {
    DeliveryRoom room("[[route]]\nname = \"out\"\naction = \"relay\"\n");
    BOOST_TEST(holds(room.deliver({})->replies[0].text, "route out: route out relays"));
}

BOOST_AUTO_TEST_CASE(sasl_user_and_client_never_match) {
    for (const char* condition : {"sasl_user = [\"*\"]", "client = [\"0.0.0.0/0\", \"::/0\"]"}) {
        DeliveryRoom room("[[route]]\nname = \"r\"\n" + std::string(condition) + "\n");
        BOOST_TEST(room.deliver({})->codes() == "451/4.3.5");
    }
}

BOOST_AUTO_TEST_CASE(switched_off_waits_with_and_without_stamp) {
    DeliveryRoom room("[graph]\nenabled = false\n[[route]]\nname = \"r\"\n");
    for (const Mail& mail : {Mail(), room.stamped()}) {
        const ClientPtr client = room.deliver(mail);
        BOOST_TEST(client->codes() == "451/4.3.5");
        BOOST_TEST(holds(client->replies[0].text, "[graph] enabled = false"));
    }
    BOOST_TEST(room.sender.messages.empty());
}

BOOST_AUTO_TEST_CASE(what_the_rules_reject_is_refused) {
    DeliveryRoom room("[[route]]\nname = \"r\"\naction = \"reject\"\nreason = \"go away\"\n");
    const ClientPtr client = room.deliver({});
    BOOST_TEST(client->codes() == "550/5.7.1");
    BOOST_TEST(client->replies[0].text == "go away");
    BOOST_TEST(room.log.count("event=refused") == 1U);
}

BOOST_FIXTURE_TEST_CASE(too_large_is_refused_for_good, DeliveryRoom) {
    BOOST_TEST(deliver({.size = 2'925'001})->codes() == "552/5.3.4");
    BOOST_TEST(sender.messages.empty());
}

BOOST_FIXTURE_TEST_CASE(a_stamped_discard_is_answered_and_not_sent, DeliveryRoom) {
    const ClientPtr client = deliver(stamped({}, Action::Discard));
    BOOST_TEST(client->codes() == "250/2.0.0");
    BOOST_TEST(sender.messages.empty());
    BOOST_TEST(log.count("event=discarded") == 1U);
    config.set(config_of("[graph]\nenabled = false\n"));
    BOOST_TEST(deliver(stamped({}, Action::Discard))->codes() == "250/2.0.0");
}

BOOST_AUTO_TEST_CASE(a_discard_by_the_rules_is_answered_and_not_sent) {
    DeliveryRoom room("[[route]]\nname = \"r\"\naction = \"discard\"\n");
    BOOST_TEST(room.deliver({})->codes() == "250/2.0.0");
    BOOST_TEST(room.sender.messages.empty());
}

BOOST_FIXTURE_TEST_CASE(a_discard_does_not_lose_what_came_in_for_this_host, DeliveryRoom) {
    const Mail mail{.to = {"bob@example.org", "archive@local.example"}};
    BOOST_TEST(deliver(stamped(mail, Action::Discard))->codes() == "250/2.0.0 451/4.3.5");
    config.set(
        config_of("[milter]\nlocal_domains = [\"local.example\"]\n[[route]]\nname = \"r\"\n"
                  "action = \"discard\"\n"));
    BOOST_TEST(deliver(mail)->codes() == "250/2.0.0 451/4.3.5");
}

BOOST_FIXTURE_TEST_CASE(strangers_are_always_trimmed, DeliveryRoom) {
    const Mail mail{.header =
                        "From: alice@contoso.com\r\nTo: bob@example.org, Eve "
                        "<eve@evil.example>\r\nCc: list@evil.example\r\n"};
    for (const char* policy : {"relay", "reject", "trim"}) {
        DeliveryRoom room(std::string("[graph]\nstrangers = \"") + policy +
                          "\"\n[[route]]\nname = \"r\"\n");
        for (const Mail& each : {mail, room.stamped({.ident = "4cOTHER", .header = mail.header})}) {
            (void)room.deliver(each);
            BOOST_TEST(holds(room.sender.messages.back().header, "bob@example.org"));
            BOOST_TEST(!holds(room.sender.messages.back().header, "evil.example"));
        }
        room.sender.accept_all();
        BOOST_TEST(room.log.count("trimmed=2") == 2U);
    }
}

BOOST_FIXTURE_TEST_CASE(recipients_of_this_host_wait_and_the_others_go, DeliveryRoom) {
    const ClientPtr client = deliver({.to = {"archive@Local.example", "bob@example.org", "root"}});
    BOOST_REQUIRE(sender.messages.size() == 1U);
    BOOST_TEST(!holds(sender.messages[0].header, "ocal.example"));
    sender.accept(0);
    BOOST_TEST(client->codes() == "451/4.3.5 250/2.0.0 451/4.3.5");
    for (const char* map :
         {"<archive@Local.example>", "always_bcc", "recipient_bcc_maps", "virtual_alias_maps"}) {
        BOOST_TEST(holds(client->replies[0].text, map));
    }
    BOOST_TEST(log.count("event=local_recipient") == 1U);
    const ClientPtr none = deliver(stamped({.to = {"archive@local.example"}}));
    BOOST_TEST(none->codes() == "451/4.3.5");
    BOOST_TEST(sender.messages.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_bare_line_feed_is_refused, DeliveryRoom) {
    const ClientPtr client = deliver(stamped({.bare_line_feed = true}));
    BOOST_TEST(client->codes() == "554/5.6.11");
    BOOST_TEST(sender.messages.empty());
}

BOOST_FIXTURE_TEST_CASE(duplicates_are_sent_once_and_answered_each, DeliveryRoom) {
    const ClientPtr client = deliver(
        {.to = {"bob@example.org", "BOB@EXAMPLE.org", "carol@example.org", "\"bob\"@example.org"}});
    BOOST_REQUIRE(sender.messages.size() == 1U);
    sender.accept(0);
    BOOST_TEST(client->codes() == "250/2.0.0 250/2.0.0 250/2.0.0 250/2.0.0");
    BOOST_TEST(log.count("event=sent") == 1U);
    BOOST_TEST(log.count("rcpt=2 visible=1 hidden=1") == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_missing_message_id_is_made_and_equal_at_every_retry, DeliveryRoom) {
    const std::string made = derived_message_id(key, "4cQ7lX0zZkz9rxN", "alice@contoso.com");
    for (std::size_t i = 0; i < 2; ++i) {
        (void)deliver({.message_id = ""});
        BOOST_REQUIRE(sender.messages.size() == i + 1);
        BOOST_TEST(holds(sender.messages[i].header, "Message-ID: " + made + "\r\n"));
        sender.answer(i, SendClass::Transient, 451);
    }
    BOOST_TEST(log.count("mid=" + made) == 2U);
}

BOOST_FIXTURE_TEST_CASE(the_queue_id_is_in_the_topmost_received_else, DeliveryRoom) {
    Mail mail;
    mail.ident = "";
    mail.header =
        "Received: by mx.contoso.com (Postfix, from userid 0)\r\n\tid 4cRECEIVED; Mon, 1 Jan 2026 "
        "00:00:00 +0000\r\nReceived: from x by y (Postfix) with ESMTP id 4cOLDER; x\r\n" +
        mail.header;
    const auto value =
        sign(key, {Action::Graph, "4cRECEIVED", "r", "stamped@contoso.com"}, mail.message_id);
    mail.header += "X-Postbearer-Route: " + *value + "\r\n";
    (void)deliver(mail);
    BOOST_REQUIRE(sender.messages.size() == 1U);
    BOOST_TEST(sender.messages[0].queue_id == "4cRECEIVED");
    BOOST_TEST(sender.messages[0].mailbox == "stamped@contoso.com");
}

BOOST_FIXTURE_TEST_CASE(an_id_that_is_none_puts_nothing_into_the_header, DeliveryRoom) {
    (void)deliver({.ident = "4cQ\r\nBcc: eve@evil.example", .message_id = ""});
    for (const GraphMessage& message : sender.messages) {
        BOOST_TEST(!holds(message.header, "evil.example"), message.header);
    }
}

BOOST_FIXTURE_TEST_CASE(a_message_that_cannot_be_edited_is_refused, DeliveryRoom) {
    Mail mail;
    for (int i = 0; i < 30; ++i) {
        mail.header += "Received: from a by b; now\r\n";
    }
    const ClientPtr client = deliver(stamped(mail));
    BOOST_TEST(client->codes() == "554/5.4.6");
    BOOST_TEST(sender.messages.empty());
}

BOOST_FIXTURE_TEST_CASE(no_line_of_the_log_tells_what_the_mail_is_about, DeliveryRoom) {
    Mail mail;
    mail.header += "Subject: secret merger\r\n";
    (void)deliver(mail);
    sender.answer(0, SendClass::InDoubt, 451);
    (void)deliver({.to = {"a@local.example"}, .header = mail.header});
    BOOST_TEST(log.count("merger") == 0U);
    BOOST_TEST(log.count("event=in_doubt") == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
