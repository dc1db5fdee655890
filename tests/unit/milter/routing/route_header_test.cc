// SPDX-License-Identifier: Apache-2.0
#include "milter/routing/route_header.hh"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <ostream>

#include "tests/support/files.hh"
#include "tests/support/temp_dir.hh"

namespace postbearer::milter {
namespace {

BOOST_AUTO_TEST_SUITE(route_header_test)

constexpr std::string_view kId = "4cQ7lX0zZkz9rxN";
constexpr std::string_view kMessageId = "<1@contoso.com>";

RouteKey key_of_test(char fill = 'k') { return RouteKey(Secret(std::string(32, fill))); }

RouteStamp stamp_of_test() {
    return {Action::Graph, std::string(kId), "contoso", "alice@contoso.com"};
}

std::string signed_value() {
    const auto value = sign(key_of_test(), stamp_of_test(), kMessageId);
    BOOST_REQUIRE(value.has_value());
    return *value;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
    const std::size_t at = text.find(what);
    BOOST_REQUIRE(at != std::string::npos);
    return text.replace(at, what.size(), by);
}

BOOST_AUTO_TEST_CASE(what_was_signed_is_read_again) {
    const std::string value = signed_value();
    BOOST_TEST(
        value.starts_with("graph; id=4cQ7lX0zZkz9rxN; route=contoso; "
                          "mailbox=alice@contoso.com; mac="));
    const auto stamp = verify(key_of_test(), value, kMessageId, kId);
    BOOST_REQUIRE(stamp.has_value());
    BOOST_TEST((stamp->action == Action::Graph));
    BOOST_TEST(stamp->id == kId);
    BOOST_TEST(stamp->route == "contoso");
    BOOST_TEST(stamp->mailbox == "alice@contoso.com");
}

BOOST_AUTO_TEST_CASE(a_discard_matches_the_header_check_of_postfix_too) {
    const auto value = sign(key_of_test(), {Action::Discard, std::string(kId), "r", ""}, "");
    BOOST_REQUIRE(value.has_value());
    BOOST_TEST(value->starts_with("graph; id="));
    const auto stamp = verify(key_of_test(), *value, "", kId);
    BOOST_REQUIRE(stamp.has_value());
    BOOST_TEST((stamp->action == Action::Discard));
    BOOST_TEST(stamp->mailbox.empty());
}

BOOST_DATA_TEST_CASE(folding_does_not_matter,
                     boost::unit_test::data::make({"\r\n ", "\n\t", "  ", " \r\n \r\n\t"}),
                     folding) {
    std::string value = signed_value();
    for (std::size_t at = value.find("; "); at != std::string::npos;
         at = value.find("; ", at + 2)) {
        value.replace(at + 1, 1, folding);
    }
    BOOST_TEST(verify(key_of_test(), folding + value + folding, kMessageId, kId).has_value());
}

struct Tampered {
    const char* name;
    const char* what;
    const char* by;
};
std::ostream& operator<<(std::ostream& out, const Tampered& row) { return out << row.name; }

constexpr Tampered kTampered[] = {
    {"first word", "graph;", "relay;"},
    {"case of the first word", "graph;", "Graph;"},
    {"id", "id=4cQ7lX0zZkz9rxN", "id=4cQ7lX0zZkz9rxM"},
    {"case of the id", "id=4cQ7lX0zZkz9rxN", "id=4cQ7lX0zZkz9rxn"},
    {"no id", "; id=4cQ7lX0zZkz9rxN", ""},
    {"route", "route=contoso", "route=fabrikam"},
    {"no route", "; route=contoso", ""},
    {"mailbox", "alice@", "boss@"},
    {"no mailbox", "; mailbox=alice@contoso.com", ""},
    {"second mailbox", "; mac=", "; mailbox=boss@contoso.com; mac="},
    {"discard added", "; mac=", "; action=discard; mac="},
    {"unknown field", "; mac=", "; x=y; mac="},
    {"no mac", "; mac=", "; max="},
    {"empty mac", "; mac=", "; mac=; mac="},
    {"upper-case mac field", "; mac=", "; MAC="},
    {"a blank in a field", "route=contoso", "route=con toso"},
    {"a folded name", "route=contoso", "route=\r\n contoso"},
};

BOOST_DATA_TEST_CASE(nothing_may_be_changed, boost::unit_test::data::make(kTampered), row) {
    const std::string value = replaced(signed_value(), row.what, row.by);
    for (const std::string_view id : {kId, std::string_view("4cQ7lX0zZkz9rxM"),
                                      std::string_view("4cQ7lX0zZkz9rxn"), std::string_view()}) {
        BOOST_TEST(!verify(key_of_test(), value, kMessageId, id).has_value());
    }
}

BOOST_AUTO_TEST_CASE(no_digit_of_the_mac_may_be_changed_left_out_or_added) {
    const std::string value = signed_value();
    const std::size_t first = value.rfind('=') + 1;
    BOOST_TEST(value.size() - first == 64U);
    for (std::size_t at = first; at < value.size(); ++at) {
        std::string other = value;
        other[at] = other[at] == '0' ? '1' : '0';
        BOOST_TEST(!verify(key_of_test(), other, kMessageId, kId).has_value());
        BOOST_TEST(!verify(key_of_test(), value.substr(0, at), kMessageId, kId).has_value());
    }
    BOOST_TEST(!verify(key_of_test(), value + "0", kMessageId, kId).has_value());
    BOOST_TEST(!verify(key_of_test(), value + "; mac=" + value.substr(first), kMessageId, kId)
                    .has_value());
}

BOOST_AUTO_TEST_CASE(it_holds_for_one_message_of_one_host_only) {
    const std::string value = signed_value();
    BOOST_TEST(!verify(key_of_test(), value, "<2@contoso.com>", kId).has_value());
    BOOST_TEST(!verify(key_of_test(), value, "", kId).has_value());
    BOOST_TEST(!verify(key_of_test(), value, kMessageId, "4cQ7lX0zZkz9rxM").has_value());
    BOOST_TEST(!verify(key_of_test(), value, kMessageId, "").has_value());
    BOOST_TEST(!verify(key_of_test('l'), value, kMessageId, kId).has_value());
}

/// The milter sees LF folding with its blank lines, the LMTP front a tidy header section.
BOOST_AUTO_TEST_CASE(the_folding_of_a_message_id_does_not_matter) {
    const auto value = sign(key_of_test(), stamp_of_test(), "<a\n \n @b>");
    BOOST_REQUIRE(value.has_value());
    BOOST_TEST(verify(key_of_test(), *value, "<a @b>", kId).has_value());
    BOOST_TEST(verify(key_of_test(), *value, "<a  @b>", kId).has_value());
    BOOST_TEST(!verify(key_of_test(), *value, "<a@b>", kId).has_value());
}

BOOST_DATA_TEST_CASE(garbage_is_no_header,
                     boost::unit_test::data::make({"", " ", ";", "graph", "graph;", "; mac=",
                                                   "graph; mac=", "mac=", "graph; id=; mac=00"}),
                     value) {
    BOOST_TEST(!verify(key_of_test(), value, kMessageId, kId).has_value());
    BOOST_TEST(!verify(key_of_test(), value, "", "").has_value());
}

BOOST_AUTO_TEST_CASE(nothing_is_signed_that_could_be_read_as_two_fields) {
    const auto refused = [](RouteStamp stamp) {
        return !sign(key_of_test(), stamp, kMessageId).has_value();
    };
    for (const char* bad : {"a;b", "a b", "a,b", "a\nb", "a\rb", "\xc3\xbc", "a\x7f"}) {
        BOOST_TEST(refused({Action::Graph, bad, "r", "m@c.com"}));
        BOOST_TEST(refused({Action::Graph, "id", bad, "m@c.com"}));
        BOOST_TEST(refused({Action::Graph, "id", "r", bad}));
    }
    BOOST_TEST(refused({Action::Graph, "", "r", "m@c.com"}));
    BOOST_TEST(!refused({Action::Graph, "id", "r", "a=b@c.com"}));
}

BOOST_AUTO_TEST_CASE(a_made_message_id_is_the_same_at_every_retry) {
    const RouteKey key = key_of_test();
    const std::string id = derived_message_id(key, kId, "alice@contoso.com");
    BOOST_TEST(id == derived_message_id(key_of_test(), kId, "alice@contoso.com"));
    BOOST_TEST(id.starts_with("<4cQ7lX0zZkz9rxN."));
    BOOST_TEST(id.ends_with("@contoso.com>"));
    BOOST_TEST(id != derived_message_id(key, "4cQ7lX0zZkz9rxM", "alice@contoso.com"));
    BOOST_TEST(id != derived_message_id(key_of_test('l'), kId, "alice@contoso.com"));
    BOOST_TEST(derived_message_id(key, kId, "11111111-2222-3333-4444-555555555555")
                   .ends_with("@postbearer.invalid>"));
}

struct KeyRoom {
    test::TempDir directory{"pb-route-key"};
    test::Path path = directory / "route.key";

    [[nodiscard]] Result<RouteKey> load() const {
        return RouteKey::load_or_make(directory.path().string());
    }
    [[nodiscard]] mode_t mode() const {
        struct stat status {};
        BOOST_REQUIRE(::stat(path.c_str(), &status) == 0);
        return status.st_mode & 07777U;
    }
};

BOOST_FIXTURE_TEST_CASE(the_key_is_made_once, KeyRoom) {
    const auto made = load();
    BOOST_REQUIRE(made.has_value());
    const std::string bytes = test::read_file(path);
    BOOST_TEST(bytes.size() == 32U);
    BOOST_TEST(mode() == 0600U);
    const auto again = load();
    BOOST_REQUIRE(again.has_value());
    BOOST_TEST(again->mac("text") == made->mac("text"));
    BOOST_TEST((test::read_file(path) == bytes));
    BOOST_TEST(std::distance(std::filesystem::directory_iterator(directory.path()), {}) == 1);
}

BOOST_FIXTURE_TEST_CASE(two_hosts_have_two_keys, KeyRoom) {
    const KeyRoom other;
    BOOST_TEST(load()->mac("text") != other.load()->mac("text"));
}

BOOST_FIXTURE_TEST_CASE(a_wide_umask_does_not_open_it, KeyRoom) {
    const mode_t before = ::umask(0);
    const auto made = load();
    (void)::umask(before);
    BOOST_TEST(made.has_value());
    BOOST_TEST(mode() == 0600U);
}

BOOST_FIXTURE_TEST_CASE(a_draft_of_a_crash_is_made_anew, KeyRoom) {
    test::write_file(directory / "route.key.new", "half", 0644);
    BOOST_REQUIRE(load().has_value());
    BOOST_TEST(mode() == 0600U);
    BOOST_TEST(test::read_file(path).size() == 32U);
}

BOOST_DATA_TEST_CASE(a_key_that_others_may_use_is_refused,
                     boost::unit_test::data::make({0644U, 0640U, 0604U, 0620U, 0601U}), mode) {
    const KeyRoom room;
    test::write_file(room.path, std::string(32, 'k'), mode);
    const auto key = room.load();
    BOOST_REQUIRE(!key.has_value());
    BOOST_TEST((key.error().code == Errc::Config));
    BOOST_TEST(key.error().context == "route key " + room.path.string() +
                                          ": others may read it: remove it, the daemon makes a "
                                          "new one");
}

BOOST_DATA_TEST_CASE(a_key_of_another_size_is_refused,
                     boost::unit_test::data::make({0U, 1U, 31U, 33U, 4096U}), size) {
    const KeyRoom room;
    test::write_file(room.path, std::string(size, 'k'), 0600);
    const auto key = room.load();
    BOOST_REQUIRE(!key.has_value());
    BOOST_TEST(key.error().context.find("does not hold 32 bytes") != std::string::npos);
    BOOST_TEST(test::read_file(room.path).size() == size);
}

BOOST_FIXTURE_TEST_CASE(a_link_is_not_followed, KeyRoom) {
    test::write_file(directory / "elsewhere", std::string(32, 'k'), 0600);
    std::filesystem::create_symlink(directory / "elsewhere", path);
    BOOST_TEST(!load().has_value());
}

BOOST_FIXTURE_TEST_CASE(a_missing_directory_is_named, KeyRoom) {
    const auto key = RouteKey::load_or_make((directory / "missing").string());
    BOOST_REQUIRE(!key.has_value());
    BOOST_TEST(key.error().context.find("missing/route.key") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
