// SPDX-License-Identifier: Apache-2.0
// The ledger comes before everything else: what was sent, or is on its way, no rule sends again.
#include <boost/test/unit_test.hpp>

#include "tests/unit/milter/delivery/delivery_room.hh"

namespace postbearer::milter {
namespace {

BOOST_AUTO_TEST_SUITE(what_is_known_test)

constexpr std::string_view kTwo = "[graph]\nmax_recipients = 2\n[[route]]\nname = \"contoso\"\n";

Mail five() {
    return {.to = {"a@x.example", "b@x.example", "c@x.example", "d@x.example", "e@x.example"}};
}

BOOST_AUTO_TEST_CASE(batches_that_wait_are_in_flight_too) {
    DeliveryRoom room(kTwo);
    const ClientPtr first = room.deliver(five());
    first->there = false;
    const ClientPtr second = room.deliver(five());
    BOOST_TEST(room.sender.messages.size() == 1U);
    BOOST_TEST(second->codes() == "451/4.3.0 451/4.3.0 451/4.3.0 451/4.3.0 451/4.3.0");
    room.sender.accept(0);
    room.sender.accept(1);
    room.sender.accept(2);
    BOOST_TEST(room.sender.messages.size() == 3U);
    const ClientPtr third = room.deliver(five());
    BOOST_TEST(room.sender.messages.size() == 3U);
    BOOST_TEST(third->codes() == "250/2.0.0 250/2.0.0 250/2.0.0 250/2.0.0 250/2.0.0");
}

BOOST_AUTO_TEST_CASE(no_batch_begins_when_postfix_is_about_to_hang_up) {
    DeliveryRoom room(kTwo);
    const ClientPtr client = room.deliver(five());
    room.time.advance(std::chrono::seconds(460));
    room.sender.accept(0);
    BOOST_TEST(room.sender.messages.size() == 1U);
    BOOST_TEST(client->codes() == "250/2.0.0 250/2.0.0 451/4.3.0 451/4.3.0 451/4.3.0");
    BOOST_TEST(room.ledger.size() == 0U);
    Mail rest = five();
    rest.to = {"c@x.example", "d@x.example", "e@x.example"};
    (void)room.deliver(rest);
    BOOST_TEST(room.sender.messages.size() == 2U);
}

BOOST_FIXTURE_TEST_CASE(rules_that_change_do_not_touch_what_was_sent, DeliveryRoom) {
    const ClientPtr gone = deliver(stamped());
    gone->there = false;
    sender.accept(0);
    config.set(config_of("[graph]\nenabled = false\n"));
    BOOST_TEST(deliver(stamped())->codes() == "250/2.0.0");
    BOOST_TEST(sender.messages.size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_mailbox_that_changes_does_not_make_another_message, DeliveryRoom) {
    Mail mail;
    mail.message_id = "";
    const ClientPtr gone = deliver(mail);
    gone->there = false;
    sender.accept(0);
    config.set(
        config_of("[graph]\nenvelope_from = \"ignore\"\n[[route]]\nname = \"other\"\n"
                  "mailbox = \"box@other.example\"\n"));
    BOOST_TEST(deliver(mail)->codes() == "250/2.0.0");
    BOOST_TEST(sender.messages.size() == 1U);
}

/// A content filter that passes XFORWARD on: IDENT is the first hop's id, the header has this
/// one's.
BOOST_FIXTURE_TEST_CASE(the_id_of_the_topmost_received_counts_as_well, DeliveryRoom) {
    Mail mail = stamped();
    mail.header = "Received: from f (localhost [127.0.0.1])\r\n\tby h (Postfix) with ESMTP id " +
                  mail.ident + ";\r\n\tSat, 21 Nov 2026 08:00:00 +0000 (UTC)\r\n" + mail.header;
    mail.ident = "4FIRSTHOP";
    (void)deliver(mail);
    BOOST_REQUIRE(sender.messages.size() == 1U);
    BOOST_TEST(sender.messages[0].mailbox == "stamped@contoso.com");
    BOOST_TEST(sender.messages[0].queue_id == "4cQ7lX0zZkz9rxN");
}

BOOST_FIXTURE_TEST_CASE(an_address_that_no_header_can_name_is_its_own_trouble, DeliveryRoom) {
    const ClientPtr client = deliver({.to = {"bob@example.org", "\"x,y\"@example.org"}});
    BOOST_REQUIRE(sender.messages.size() == 1U);
    sender.accept(0);
    BOOST_TEST(client->codes() == "250/2.0.0 553/5.1.3");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
