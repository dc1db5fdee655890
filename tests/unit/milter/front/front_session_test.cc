// SPDX-License-Identifier: Apache-2.0
#include "milter/front/front_session.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "tests/support/capture_log.hh"
#include "tests/unit/milter/routing/config_texts.hh"

namespace postbearer::milter {
namespace {

BOOST_AUTO_TEST_SUITE(front_session_test)

constexpr std::string_view kRules =
    "[milter]\ntrusted_clients = [\"192.0.2.0/24\"]\n[[route]]\nname = \"contoso\"\n"
    "sender = [\"@contoso.com\"]\n";
constexpr std::string_view kId = "4cQ7lX0zZkz9rxN";
using Kind = FrontVerdict::Kind;

struct Room {
    explicit Room(std::string_view text = kRules) : config(config_of(text)) {}

    void envelope(std::string_view from = "<alice@contoso.com>", std::string_view user = "alice",
                  std::string_view to = "<bob@example.org>") {
        session.mail({from, {}, user, from.starts_with('<') ? std::string_view() : kId});
        session.recipient(to, "smtp");
    }
    void headers() {
        session.header("From", "alice@contoso.com");
        session.header("To", "bob@example.org");
        session.header("Message-ID", "<1@contoso.com>");
    }
    [[nodiscard]] std::optional<RouteStamp> stamp_of(const FrontVerdict& verdict) const {
        return verify(key, verdict.header_value, "<1@contoso.com>", kId);
    }

    ConfigHolder config;
    RouteKey key{Secret(std::string(32, 'k'))};
    test::CaptureLog log;
    FrontServices services{config, key, log};
    FrontSession session{services};
};

BOOST_FIXTURE_TEST_CASE(a_submission_gets_a_signed_header, Room) {
    envelope();
    headers();
    const FrontVerdict verdict = session.end(kId);
    BOOST_TEST((verdict.kind == Kind::Accept));
    BOOST_TEST(verdict.headers_to_remove == 0U);
    const auto stamp = stamp_of(verdict);
    BOOST_REQUIRE(stamp.has_value());
    BOOST_TEST((stamp->action == Action::Graph));
    BOOST_TEST(stamp->route == "contoso");
    BOOST_TEST(stamp->mailbox == "alice@contoso.com");
    BOOST_TEST(log.count("event=routed queue_id=4cQ7lX0zZkz9rxN from=<alice@contoso.com> rcpt=1") ==
               1U);
    BOOST_TEST(log.count("decision=graph route=contoso mailbox=alice@contoso.com reason=route") ==
               1U);
}

BOOST_FIXTURE_TEST_CASE(a_discard_is_signed_as_one, Room) {
    config.set(config_of("[[route]]\nname = \"r\"\naction = \"discard\"\n"));
    envelope();
    headers();
    const auto stamp = stamp_of(session.end(kId));
    BOOST_REQUIRE(stamp.has_value());
    BOOST_TEST((stamp->action == Action::Discard));
}

struct Path {
    const char* name;
    const char* from;
    const char* user;
    const char* client;
    bool graph;
    const char* reason;
};
std::ostream& operator<<(std::ostream& out, const Path& row) { return out << row.name; }
constexpr Path kPaths[] = {
    {"SMTP with a sign-in", "<alice@contoso.com>", "alice", "198.51.100.7", true, "route"},
    {"SMTP from nobody", "<alice@contoso.com>", "", "198.51.100.7", false, "not_submitted"},
    {"SMTP from a trusted client", "<alice@contoso.com>", "", "192.0.2.1", true, "route"},
    {"SMTP from no address", "<alice@contoso.com>", "", "", false, "not_submitted"},
    {"sendmail(1)", "alice@contoso.com", "", "127.0.0.1", true, "route"},
    {"one bracket is none", "<alice@contoso.com", "", "127.0.0.1", false, "not_submitted"},
    {"null sender of SMTP", "<>", "", "127.0.0.1", false, "no_route"},
    {"null sender of sendmail(1)", "", "", "127.0.0.1", false, "no_route"},
};

BOOST_DATA_TEST_CASE(the_form_of_the_path_tells_who_submits, boost::unit_test::data::make(kPaths),
                     row) {
    Room room;
    room.session.connected(IpAddress::parse(row.client));
    room.envelope(row.from, row.user, row.from[0] == '<' ? "<bob@example.org>" : "bob@example.org");
    room.headers();
    const FrontVerdict verdict = room.session.end(kId);
    BOOST_TEST((verdict.kind == Kind::Accept));
    BOOST_TEST(room.stamp_of(verdict).has_value() == row.graph);
    BOOST_TEST(room.log.count(std::string("reason=") + row.reason) == 1U);
}

BOOST_FIXTURE_TEST_CASE(messages_of_one_connection_do_not_mix, Room) {
    session.connected(IpAddress::parse("198.51.100.7"));
    envelope();
    headers();
    BOOST_TEST(!session.end(kId).header_value.empty());
    envelope("<alice@contoso.com>", "");
    headers();
    BOOST_TEST(session.end(kId).header_value.empty());
    BOOST_TEST(log.last().find("reason=not_submitted") != std::string::npos);
    envelope();
    headers();
    BOOST_TEST(!session.end(kId).header_value.empty());
    BOOST_TEST(log.count("rcpt=1") == 3U);
}

BOOST_FIXTURE_TEST_CASE(the_client_is_known_for_every_message, Room) {
    session.connected(IpAddress::parse("192.0.2.9"));
    for (int i = 0; i < 2; ++i) {
        envelope("<alice@contoso.com>", "");
        headers();
        BOOST_TEST(!session.end(kId).header_value.empty());
        session.reset();
    }
}

BOOST_FIXTURE_TEST_CASE(an_aborted_message_leaves_nothing_behind, Room) {
    envelope();
    session.recipient("<carol@local.example>", "local");
    session.header("X-Postbearer-Route", "graph; id=x");
    session.header("From", "eve@evil.example");
    session.body(90'000'000);
    session.reset();
    envelope();
    headers();
    const FrontVerdict verdict = session.end(kId);
    BOOST_TEST(stamp_of(verdict).has_value());
    BOOST_TEST(verdict.headers_to_remove == 0U);
    BOOST_TEST(log.count("rcpt=1") == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_new_mail_from_begins_anew, Room) {
    envelope();
    session.header("From", "eve@evil.example");
    envelope();
    headers();
    BOOST_TEST(stamp_of(session.end(kId)).has_value());
}

BOOST_FIXTURE_TEST_CASE(what_went_past_us_is_put_off, Room) {
    envelope();
    session.spoil();
    headers();
    const FrontVerdict verdict = session.end(kId);
    BOOST_TEST((verdict.kind == Kind::TempFail));
    BOOST_TEST(verdict.reply.code == 451);
    BOOST_TEST(verdict.header_value.empty());
    envelope();
    headers();
    BOOST_TEST((session.end(kId).kind == Kind::Accept));
}

BOOST_FIXTURE_TEST_CASE(an_end_without_message_is_put_off, Room) {
    BOOST_TEST((session.end(kId).kind == Kind::TempFail));
    session.mail({"<alice@contoso.com>", {}, "alice"});
    BOOST_TEST((session.end(kId).kind == Kind::TempFail));
}

BOOST_FIXTURE_TEST_CASE(recipients_have_an_end, Room) {
    session.mail({"<alice@contoso.com>", {}, "alice"});
    for (int i = 0; i <= 100'000; ++i) {
        session.recipient("<b@example.org>", "smtp");
    }
    BOOST_TEST((session.end(kId).kind == Kind::TempFail));
}

BOOST_FIXTURE_TEST_CASE(without_queue_id_nothing_is_signed, Room) {
    for (const char* id : {"", "4c Q", "4c;Q"}) {
        envelope();
        headers();
        const FrontVerdict verdict = session.end(id);
        BOOST_TEST((verdict.kind == Kind::TempFail));
        BOOST_TEST(verdict.reply.code == 451);
        BOOST_TEST(verdict.header_value.empty());
    }
    BOOST_TEST(log.count("event=route_not_signed") == 3U);
    envelope("<eve@evil.example>");
    BOOST_TEST((session.end("").kind == Kind::Accept));
}

BOOST_FIXTURE_TEST_CASE(forged_headers_are_all_removed_whatever_the_decision, Room) {
    for (const char* from : {"<alice@contoso.com>", "<eve@evil.example>"}) {
        envelope(from);
        headers();
        session.header("X-Postbearer-Route", " graph; id=1");
        session.header("x-postbearer-ROUTE", "");
        session.header("X-Postbearer-Routed", "no");
        session.header("X-POSTBEARER-ROUTE", "graph;\n id=3");
        const FrontVerdict verdict = session.end(kId);
        BOOST_TEST(verdict.headers_to_remove == 3U);
        BOOST_TEST(log.last().find("forged_headers=3") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(a_rejection_tells_its_reason) {
    Room room("[[route]]\nname = \"no\"\naction = \"reject\"\nreason = \"100% no\"\n");
    room.envelope();
    const FrontVerdict verdict = room.session.end(kId);
    BOOST_TEST((verdict.kind == Kind::Reject));
    BOOST_TEST(verdict.reply.code == 550);
    BOOST_TEST(verdict.reply.enhanced == "5.7.1");
    BOOST_TEST(verdict.reply.text == "100% no");
    BOOST_TEST(verdict.header_value.empty());
    BOOST_TEST(room.log.count("decision=reject route=no reason=route detail=\"100% no\"") == 1U);
}

/// The largest body that is diverted: the size that the LMTP front will see must not be larger.
std::uint64_t largest_body(std::size_t recipients) {
    Room room;
    std::uint64_t fits = 2'000'000;
    std::uint64_t too_large = 3'000'000;
    while (too_large - fits > 1) {
        const std::uint64_t middle = (fits + too_large) / 2;
        room.envelope();
        for (std::size_t i = 1; i < recipients; ++i) {
            room.session.recipient("<b" + std::to_string(100 + i) + "@example.org>", "smtp");
        }
        room.headers();
        room.session.body(middle / 2);
        room.session.body(middle - middle / 2);
        (room.session.end(kId).header_value.empty() ? too_large : fits) = middle;
    }
    return fits;
}

BOOST_AUTO_TEST_CASE(the_size_counts_what_the_message_gains_on_its_way) {
    constexpr std::uint64_t kMost = 3'900'000 / 4 * 3;
    const std::uint64_t one = largest_body(1);
    BOOST_TEST(one < kMost - 4000);
    BOOST_TEST(one > kMost - 8000);
    const std::uint64_t many = largest_body(400);
    BOOST_TEST(many <= one - 399 * std::string_view("b100@example.org, ").size());
}

BOOST_FIXTURE_TEST_CASE(the_log_tells_nothing_of_subject_and_body, Room) {
    for (const char* from : {"<alice@contoso.com>", "<eve@evil.example>", "al\x1bice\r\nevent=x"}) {
        envelope(from);
        headers();
        session.header("Subject", "secret merger");
        session.body(10);
        (void)session.end(kId);
    }
    BOOST_TEST(log.count("merger") == 0U);
    BOOST_TEST(log.count("event=routed") == 3U);
    for (const std::string& line : log.lines()) {
        BOOST_TEST(line.find_first_of("\r\n\x1b") == std::string::npos);
    }
}

BOOST_FIXTURE_TEST_CASE(a_new_configuration_is_for_the_next_end, Room) {
    envelope();
    headers();
    config.set(config_of("[graph]\nenabled = false\n"));
    BOOST_TEST(session.end(kId).header_value.empty());
    BOOST_TEST(log.count("reason=switched_off") == 1U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
