// SPDX-License-Identifier: Apache-2.0
// A mailbox's share, batches, what is known of a message already, and faults from below.
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <new>
#include <stdexcept>

#include "tests/unit/milter/delivery/delivery_room.hh"

namespace postbearer::milter {
namespace {

BOOST_AUTO_TEST_SUITE(places_and_batches_test)

constexpr std::size_t kPlaces = 5;  // concurrency 3 and a tenth of 20 sessions

bool holds(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

Mail numbered(std::size_t number) {
    return {.ident = "4cN" + std::to_string(10 + number),
            .message_id = "<n" + std::to_string(number) + "@contoso.com>"};
}

/// Whether all places of alice's mailbox are free: exactly so many fit, and one more does not.
void check_all_free(DeliveryRoom& room) {
    room.sender.fault = nullptr;
    const std::size_t before = room.sender.messages.size();
    for (std::size_t i = 0; i < kPlaces; ++i) {
        BOOST_TEST(room.deliver(numbered(50 + i))->calls == 0);
    }
    BOOST_TEST(room.deliver(numbered(70))->codes() == "451/4.7.0");
    BOOST_TEST(room.sender.messages.size() == before + kPlaces);
}

BOOST_FIXTURE_TEST_CASE(one_mailbox_holds_its_share_only, DeliveryRoom) {
    check_all_free(*this);
    BOOST_TEST(log.last().find("answer=\"451 4.7.0 mailbox alice@contoso.com has 5 messages") !=
               std::string::npos);
    const ClientPtr other = deliver({.from = "carol@contoso.com", .ident = "4cOTHER"});
    BOOST_TEST(other->calls == 0);
    sender.accept(2);
    BOOST_TEST(deliver(numbered(80))->calls == 0);
    BOOST_TEST(deliver(numbered(81))->codes() == "451/4.7.0");
}

struct Ending {
    const char* name;
    SendClass send_class;
    int code;
};
std::ostream& operator<<(std::ostream& out, const Ending& row) { return out << row.name; }
constexpr Ending kEndings[] = {{"done", SendClass::Done, 250},
                               {"permanent", SendClass::Permanent, 550},
                               {"transient", SendClass::Transient, 451},
                               {"in doubt", SendClass::InDoubt, 451}};

BOOST_DATA_TEST_CASE(every_end_gives_the_place_back, boost::unit_test::data::make(kEndings), row) {
    DeliveryRoom room;
    for (std::size_t i = 0; i < 2 * kPlaces; ++i) {
        const ClientPtr client = room.deliver(numbered(i));
        client->there = i % 2 == 0;
        room.sender.answer(i, row.send_class, row.code);
        BOOST_REQUIRE(client->replies.size() == 1U);
        BOOST_TEST(client->replies[0].code == row.code);
        BOOST_TEST(client->replies[0].text == "graph says");
    }
    check_all_free(room);
}

BOOST_FIXTURE_TEST_CASE(a_refused_edit_gives_the_place_back, DeliveryRoom) {
    for (std::size_t i = 0; i < 2 * kPlaces; ++i) {
        Mail mail = numbered(i);
        for (int line = 0; line < 30; ++line) {
            mail.header += "Received: from a by b; now\r\n";
        }
        BOOST_TEST(deliver(mail)->codes() == "554/5.4.6");
    }
    check_all_free(*this);
}

constexpr std::string_view kTwo = "[graph]\nmax_recipients = 2\n[[route]]\nname = \"contoso\"\n";
Mail five() {
    return {.to = {"a@x.example", "b@x.example", "c@x.example", "d@x.example", "e@x.example"},
            .header = "From: alice@contoso.com\r\nTo: a@x.example\r\nCc: c@x.example\r\n"};
}

BOOST_AUTO_TEST_CASE(batches_go_one_after_the_other_and_the_first_is_the_visible_one) {
    DeliveryRoom room(kTwo);
    const ClientPtr client = room.deliver(five());
    const std::vector<std::string> bcc{"Bcc: b@x.example\r\n", "", "Bcc: e@x.example\r\n"};
    for (std::size_t i = 0; i < 3; ++i) {
        BOOST_REQUIRE(room.sender.messages.size() == i + 1);
        const std::string& header = room.sender.messages[i].header;
        BOOST_TEST(holds(header, "\r\nTo: a@x.example\r\n") == (i == 0), header);
        BOOST_TEST(holds(header, "\r\nCc:") == false, header);
        BOOST_TEST(holds(header, bcc[i]), header);
        BOOST_TEST(holds(header, "X-Postbearer-Id: 4cQ7lX0zZkz9rxN/" + std::to_string(i + 1)));
        BOOST_TEST(holds(header, "Message-ID: <1@contoso.com>"));
        BOOST_TEST(client->calls == 0);
        room.sender.accept(i);
    }
    BOOST_TEST(client->codes() == "250/2.0.0 250/2.0.0 250/2.0.0 250/2.0.0 250/2.0.0");
    BOOST_TEST(room.ledger.size() == 0U);
}

BOOST_AUTO_TEST_CASE(a_failing_batch_fails_for_its_own_recipients) {
    DeliveryRoom room(kTwo);
    const ClientPtr client = room.deliver(five());
    room.sender.accept(0);
    room.sender.answer(1, SendClass::Transient, 451);
    room.sender.accept(2);
    BOOST_TEST(client->codes() == "250/2.0.0 250/2.0.0 451/4.0.0 451/4.0.0 250/2.0.0");
    Mail rest = five();
    rest.to = {"c@x.example", "d@x.example"};
    const ClientPtr again = room.deliver(rest);
    BOOST_REQUIRE(room.sender.messages.size() == 4U);
    BOOST_TEST(!holds(room.sender.messages[3].header, "a@x.example"));
    room.sender.accept(3);
    BOOST_TEST(again->codes() == "250/2.0.0 250/2.0.0");
}

BOOST_AUTO_TEST_CASE(a_new_configuration_is_for_the_next_message) {
    DeliveryRoom room(kTwo);
    const ClientPtr client = room.deliver(five());
    room.config.set(config_of("[graph]\nenabled = false\nmax_recipients = 1\n"));
    room.sender.accept(0);
    room.sender.accept(1);
    BOOST_REQUIRE(room.sender.messages.size() == 3U);
    room.sender.accept(2);
    BOOST_TEST(client->codes() == "250/2.0.0 250/2.0.0 250/2.0.0 250/2.0.0 250/2.0.0");
    Mail next = five();
    next.ident = "4cNEXT";
    BOOST_TEST(room.deliver(next)->replies[0].code == 451);
}

BOOST_FIXTURE_TEST_CASE(what_is_in_flight_is_not_sent_twice, DeliveryRoom) {
    const ClientPtr first = deliver({});
    const ClientPtr second = deliver({.to = {"BOB@example.org", "carol@example.org"}});
    BOOST_TEST(sender.messages.size() == 2U);
    BOOST_TEST(!holds(sender.messages[1].header, "ob@example.org"));
    sender.accept_all();
    BOOST_TEST(first->codes() == "250/2.0.0");
    BOOST_TEST(second->codes() == "451/4.3.0 250/2.0.0");
    BOOST_TEST(holds(second->replies[0].text, "may have been delivered"));
    const ClientPtr only = deliver({.to = {"dave@example.org"}});
    BOOST_TEST(deliver({.to = {"dave@example.org"}})->codes() == "451/4.3.0");
    sender.accept_all();
    BOOST_TEST(only->codes() == "250/2.0.0");
}

BOOST_FIXTURE_TEST_CASE(whoever_left_before_the_answer_gets_it_again, DeliveryRoom) {
    const ClientPtr gone = deliver({});
    gone->there = false;
    sender.accept(0);
    BOOST_TEST(log.count("event=client_gone") == 1U);
    const ClientPtr again = deliver({.to = {"bob@example.org", "carol@example.org"}});
    BOOST_REQUIRE(sender.messages.size() == 2U);
    BOOST_TEST(!holds(sender.messages[1].header, "bob@example.org"));
    sender.accept(1);
    BOOST_TEST(again->codes() == "250/2.0.0 250/2.0.0");
    BOOST_TEST(log.count("event=answered_again") == 1U);
    BOOST_TEST(ledger.size() == 0U);
}

BOOST_FIXTURE_TEST_CASE(what_was_answered_again_in_vain_is_known_still, DeliveryRoom) {
    for (int i = 0; i < 3; ++i) {
        (void)deliver({}, false);
        sender.accept_all();
    }
    BOOST_TEST(sender.messages.size() == 1U);
    BOOST_TEST(deliver({})->codes() == "250/2.0.0");
    BOOST_TEST(ledger.size() == 0U);
}

BOOST_FIXTURE_TEST_CASE(a_thousand_answered_again_are_one_line, DeliveryRoom) {
    Mail mail;
    mail.to.clear();
    for (int i = 0; i < 400; ++i) {
        mail.to.push_back("r" + std::to_string(i) + "@example.org");
    }
    (void)deliver(mail, false);
    BOOST_TEST(deliver(mail)->replies.size() == 400U);
    sender.accept_all();
    BOOST_TEST(deliver(mail)->replies.size() == 400U);
    BOOST_TEST(sender.messages.size() == 1U);
    BOOST_TEST(log.count("event=answered_again") == 1U);
    BOOST_TEST(log.count("event=deferred") == 1U);
}

BOOST_DATA_TEST_CASE(honest_identical_mails_both_go_out,
                     boost::unit_test::data::make({"", "4cQ7lX0zZkz9rxN"}), ident) {
    DeliveryRoom room;
    for (std::size_t i = 0; i < 2; ++i) {
        const ClientPtr client = room.deliver({.ident = ident});
        BOOST_REQUIRE(room.sender.messages.size() == i + 1);
        room.sender.accept(i);
        BOOST_TEST(client->codes() == "250/2.0.0");
    }
}

BOOST_FIXTURE_TEST_CASE(two_queue_ids_are_two_messages, DeliveryRoom) {
    (void)deliver({.ident = "4cONE"});
    (void)deliver({.ident = "4cTWO"});
    BOOST_TEST(sender.messages.size() == 2U);
}

BOOST_FIXTURE_TEST_CASE(what_was_not_sent_is_sent_at_the_retry, DeliveryRoom) {
    for (std::size_t i = 0; i < 3; ++i) {
        (void)deliver({});
        BOOST_REQUIRE(sender.messages.size() == i + 1);
        sender.answer(i, SendClass::Transient, 451);
    }
    BOOST_TEST(ledger.size() == 0U);
}

enum class Kind { BadAlloc, Runtime, Int };
std::ostream& operator<<(std::ostream& out, Kind kind) { return out << static_cast<int>(kind); }
constexpr Kind kKinds[] = {Kind::BadAlloc, Kind::Runtime, Kind::Int};

void raise(Kind kind) {
    switch (kind) {
        case Kind::BadAlloc:
            throw std::bad_alloc();
        case Kind::Runtime:
            throw std::runtime_error("from below");
        case Kind::Int:
            throw 7;
    }
}

/// A log that fails at lines with some words in them.
class FaultyLog final : public Log {
public:
    void write(const LogLine& line) override {
        if (!word.empty() && line.text().find(word) != std::string::npos) {
            raise(kind);
        }
    }
    std::string word;
    Kind kind = Kind::Int;
};

class FaultyLedger final : public Ledger {
public:
    [[nodiscard]] Entry find(const MessageIdentity&, const std::string&) const override {
        at("find");
        return {};
    }
    void begin(const MessageIdentity&, const std::vector<std::string>&) override { at("begin"); }
    void forget(const MessageIdentity&, const std::vector<std::string>&) override { at("forget"); }
    void done(const MessageIdentity&, const std::vector<std::string>&, const LmtpReply&) override {
        at("done");
    }
    void answered(const MessageIdentity&, const std::vector<std::string>&) override {
        at("answered");
    }
    std::string word;
    Kind kind = Kind::Int;

private:
    void at(std::string_view where) const {
        if (where == word) {
            raise(kind);
        }
    }
};

BOOST_DATA_TEST_CASE(a_sender_that_throws_is_a_451_and_nothing_stays,
                     boost::unit_test::data::make(kKinds), kind) {
    DeliveryRoom room;
    room.sender.fault = [kind = kind] { raise(kind); };
    for (std::size_t i = 0; i < 2 * kPlaces; ++i) {
        const ClientPtr client = room.deliver(numbered(i));
        BOOST_TEST(client->calls == 1);
        BOOST_TEST(client->codes() == "451/4.3.0");
    }
    BOOST_TEST(room.ledger.size() == 0U);
    BOOST_TEST(room.log.count("event=internal_error") == 2 * kPlaces);
    check_all_free(room);
    room.sender.accept_all();
    const ClientPtr again = room.deliver(numbered(1));
    room.sender.accept_all();
    BOOST_TEST(again->codes() == "250/2.0.0");
}

BOOST_DATA_TEST_CASE(a_second_batch_that_throws_leaves_the_first_answer,
                     boost::unit_test::data::make(kKinds), kind) {
    DeliveryRoom room(kTwo);
    const ClientPtr client = room.deliver(five());
    room.sender.fault = [kind = kind] { raise(kind); };
    BOOST_CHECK_NO_THROW(room.sender.accept(0));
    BOOST_TEST(client->calls == 1);
    BOOST_TEST(client->codes() == "250/2.0.0 250/2.0.0 451/4.3.0 451/4.3.0 451/4.3.0");
    BOOST_TEST(room.ledger.size() == 0U);
}

constexpr const char* kLines[] = {"event=sent", "event=internal_error", "event="};

BOOST_DATA_TEST_CASE(a_log_that_throws_does_not_change_what_was_sent,
                     boost::unit_test::data::make(kKinds) * boost::unit_test::data::make(kLines),
                     kind, line) {
    FaultyLog faulty;
    faulty.kind = kind;
    DeliveryRoom room(DeliveryRoom::kRules, &faulty);
    for (std::size_t i = 0; i < 2 * kPlaces; ++i) {
        const ClientPtr client = room.deliver(numbered(i));
        faulty.word = line;
        BOOST_CHECK_NO_THROW(room.sender.accept(i));
        BOOST_TEST(client->calls == 1);
        BOOST_TEST(client->codes() == "250/2.0.0");
        faulty.word = "";
    }
    BOOST_TEST(room.ledger.size() == 0U);
    check_all_free(room);
}

constexpr const char* kSteps[] = {"find", "begin", "forget", "done", "answered"};

BOOST_DATA_TEST_CASE(a_ledger_that_throws_holds_nobody,
                     boost::unit_test::data::make(kKinds) * boost::unit_test::data::make(kSteps),
                     kind, step) {
    FaultyLedger faulty;
    faulty.kind = kind;
    DeliveryRoom room(DeliveryRoom::kRules, nullptr, &faulty);
    for (std::size_t i = 0; i < 2 * kPlaces; ++i) {
        faulty.word = step;
        const ClientPtr client = room.deliver(numbered(i));
        const std::size_t sent = room.sender.messages.size();
        BOOST_CHECK_NO_THROW(room.sender.accept_all());
        BOOST_TEST(client->calls == 1);
        BOOST_TEST(client->replies.size() == 1U);
        BOOST_TEST(client->codes() == (sent > i ? "250/2.0.0" : "451/4.3.0"));
        faulty.word = "";
    }
    check_all_free(room);
}

BOOST_DATA_TEST_CASE(a_client_that_throws_gives_its_place_back,
                     boost::unit_test::data::make(kKinds), kind) {
    DeliveryRoom room;
    for (std::size_t i = 0; i < 2 * kPlaces; ++i) {
        auto given = std::make_shared<Transaction>();
        given->mail_from = "alice@contoso.com";
        given->recipients = {"bob@example.org"};
        given->forwarded.ident = "4cT" + std::to_string(10 + i);
        given->message.header = "From: alice@contoso.com\r\n\r\n";
        room.delivery.deliver(given, [kind = kind](const std::vector<LmtpReply>&) -> bool {
            raise(kind);
            return true;
        });
        BOOST_CHECK_NO_THROW(room.sender.accept(i));
    }
    check_all_free(room);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
