// SPDX-License-Identifier: Apache-2.0
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "common/config/duration.hh"
#include "common/config/reader.hh"
#include "common/config/text_file.hh"

namespace postbearer::config {
namespace {

using namespace std::chrono_literals;

/// Parses `text`, hands its value `k` to `read`, and returns the errors as lines.
std::vector<std::string> errors_of(std::string_view text,
                                   const std::function<void(const Value&)>& read) {
    Problems problems;
    const auto document = Document::parse(text, problems.add_file("a.toml"), problems);
    if (document) {
        if (const auto value = document->root().find("k")) {
            read(*value);
        }
    }
    return problems.lines(Severity::Error);
}

BOOST_AUTO_TEST_SUITE(config_reader_test)

struct WrongKind {
    const char* name;
    const char* text;
    void (*read)(const Value&);
    const char* error;
};
std::ostream& operator<<(std::ostream& out, const WrongKind& row) { return out << row.name; }
const WrongKind kWrongKinds[] = {
    {"string", "k = 1", [](const Value& v) { BOOST_TEST(!v.as_string()); },
     "a.toml:1:5: k: expected a string, found an integer"},
    {"boolean", "k = \"yes\"", [](const Value& v) { BOOST_TEST(!v.as_bool()); },
     "a.toml:1:5: k: expected true or false, found a string"},
    {"integer", "\nk = 1.5", [](const Value& v) { BOOST_TEST(!v.as_integer(0, 9)); },
     "a.toml:2:5: k: expected an integer, found a decimal fraction"},
    {"integer too small", "k = -1", [](const Value& v) { BOOST_TEST(!v.as_integer(0, 9)); },
     "a.toml:1:5: k: expected 0 to 9, found -1"},
    {"integer too large", "k = 10", [](const Value& v) { BOOST_TEST(!v.as_integer(0, 9)); },
     "a.toml:1:5: k: expected 0 to 9, found 10"},
    {"duration as integer", "k = 10",
     [](const Value& v) { BOOST_TEST(!v.as_duration(1s, 24h).has_value()); },
     "a.toml:1:5: k: expected a duration such as \"30s\", \"5m\", \"2h\" or \"1d\", found an "
     "integer"},
    {"duration without unit", "k = \"10\"",
     [](const Value& v) { BOOST_TEST(!v.as_duration(1s, 24h).has_value()); },
     "a.toml:1:5: k: expected a duration such as \"30s\", \"5m\", \"2h\" or \"1d\", found \"10\""},
    {"duration too long", "k = \"2d\"",
     [](const Value& v) { BOOST_TEST(!v.as_duration(90s, 24h).has_value()); },
     "a.toml:1:5: k: expected \"90s\" to \"1d\", found \"2d\""},
    {"date in quotes", "k = \"2027-05-01\"",
     [](const Value& v) { BOOST_TEST(!v.as_date().has_value()); },
     "a.toml:1:5: k: expected a date such as 2027-05-01, without quotes, found a string"},
    {"table", "k = []", [](const Value& v) { BOOST_TEST(!v.as_table().has_value()); },
     "a.toml:1:5: k: expected a table, found a list"},
    {"list", "k = 10:00:00", [](const Value& v) { BOOST_TEST(!v.as_list().has_value()); },
     "a.toml:1:5: k: expected a list, found a time"},
    {"list of strings", "k = true",
     [](const Value& v) { BOOST_TEST(!v.as_string_list().has_value()); },
     "a.toml:1:5: k: expected a list of strings, found a boolean"},
    {"element of a list", "k = [\"a\", {}]",
     [](const Value& v) { BOOST_TEST(v.as_string_list()->size() == 1U); },
     "a.toml:1:11: k: expected a string, found a table"},
};
BOOST_DATA_TEST_CASE(wrong_kind_is_named, boost::unit_test::data::make(kWrongKinds), row) {
    const std::vector<std::string> expected{row.error};
    BOOST_TEST(errors_of(row.text, row.read) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(right_kinds_are_read) {
    const auto errors = errors_of(
        "k = {s = \"x\", b = true, i = 7, d = \"1d\", day = 2027-05-01, l = [\"a\", \"b\"]}",
        [](const Value& value) {
            const auto table = value.as_table();
            BOOST_REQUIRE(table.has_value());
            BOOST_TEST(*table->find("s")->as_string() == "x");
            BOOST_TEST(*table->find("b")->as_bool());
            BOOST_TEST(*table->find("i")->as_integer(0, 9) == 7);
            BOOST_TEST((*table->find("d")->as_duration(0s, 48h) == 24h));
            const std::chrono::sys_days may_first = std::chrono::year(2027) / std::chrono::May / 1;
            BOOST_TEST((*table->find("day")->as_date() == may_first));
            BOOST_TEST(table->find("l")->as_string_list()->size() == 2U);
            BOOST_TEST(!table->find("absent").has_value());
        });
    BOOST_TEST(errors.empty());
}

struct Syntax {
    const char* name;
    const char* text;
    const char* begin;
};
std::ostream& operator<<(std::ostream& out, const Syntax& row) { return out << row.name; }
constexpr Syntax kSyntax[] = {
    {"missing value", "a = 1\nk =", "a.toml:2:"},
    {"header without key", "[# k\nk = 1", "a.toml:1:"},
    {"header without second key", "[a.# k\nk = 1", "a.toml:1:"},
    {"the same key twice", "k = 1\nk = 2", "a.toml:2:"},
    {"open string", "k = \"x\n", "a.toml:"},
    {"bad UTF-8", "k = \"\xff\"", "a.toml:1:"},
    {"deep nesting",
     "k = [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
     "a.toml:1:"},
};
BOOST_DATA_TEST_CASE(syntax_error_has_a_place, boost::unit_test::data::make(kSyntax), row) {
    const auto errors = errors_of(row.text, [](const Value&) {});
    BOOST_REQUIRE(errors.size() == 1U);
    BOOST_TEST(errors.front().starts_with(row.begin), errors.front());
}

struct Scan {
    const char* name;
    const char* text;
    const char* error;  // nullptr: none
};
std::ostream& operator<<(std::ostream& out, const Scan& row) { return out << row.name; }
constexpr const char* kBeyondAscii =
    "a character beyond ASCII stands outside quotes (the quotes of TOML are the plain \" and ')";
constexpr Scan kScans[] = {
    {"typographic quotes", "a = 1\nk = \u201cx\u201d", kBeyondAscii},
    {"letter in a bare key", "a = 'x'\nk\u0499", kBeyondAscii},
    {"hard blank", "a = \"\"\"\"\"\"\nk = \u00a01", kBeyondAscii},
    {"comment and strings may hold all",
     "# \u201c\na = \"\u201c\\\"\u201c\"\nb = '\u201c\\'\nc = \"\"\"\u201c\n\"\"\u201c\"\"\"\"\"\n"
     "\"\u201c\" = '''\u201c'''",
     nullptr},
    {"byte order mark", "\ufeffk = 1", nullptr},
    {"dots in values", "k = [1.5,\"a.b.c\",1.5]", nullptr},
    {"deep key", "\nk.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k = 1",
     "a key has more than 32 dots"},
};
BOOST_DATA_TEST_CASE(source_is_scanned_before_it_is_parsed, boost::unit_test::data::make(kScans),
                     row) {
    const auto errors = errors_of(row.text, [](const Value&) {});
    if (row.error == nullptr) {
        BOOST_TEST(errors == std::vector<std::string>(), boost::test_tools::per_element());
    } else {
        BOOST_REQUIRE(errors.size() == 1U);
        BOOST_TEST(errors.front().starts_with("a.toml:2:"));
        BOOST_TEST(errors.front().ends_with(row.error));
    }
}

struct Leak {
    const char* name;
    const char* text;
};
std::ostream& operator<<(std::ostream& out, const Leak& row) { return out << row.name; }
constexpr Leak kLeaks[] = {
    {"secret without quotes", "client_secret = hunter2"},
    {"number beyond 64 bits", "client_secret = 4711471147114711471147114711"},
    {"date-like", "client_secret = 4711-47"},
    {"in an inline table", "c = [ {client_secret = hunter2} ]"},
    {"password", "password = 4711471147114711471147114711"},
};
BOOST_DATA_TEST_CASE(syntax_error_shows_no_secret, boost::unit_test::data::make(kLeaks), row) {
    const auto errors = errors_of(row.text, [](const Value&) {});
    BOOST_REQUIRE(errors.size() == 1U);
    BOOST_TEST(
        errors.front().ends_with(": this line is not valid TOML (a string stands in quotes)"),
        errors.front());
}

BOOST_AUTO_TEST_CASE(unknown_keys_are_all_named_in_order) {
    Problems problems;
    const auto document = Document::parse("zzz = 1\n\nacount = 2\naccount = 3\n",
                                          problems.add_file("a.toml"), problems);
    BOOST_REQUIRE(document.has_value());
    constexpr std::string_view kKnown[] = {"account", "provider"};
    document->root().reject_unknown(kKnown, "[agent]");
    const std::vector<std::string> expected{
        "a.toml:1:1: unknown key 'zzz' in [agent]",
        "a.toml:3:1: unknown key 'acount' in [agent]; did you mean 'account'?"};
    BOOST_TEST(problems.lines(Severity::Error) == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(problems_are_sorted_by_file_line_and_column) {
    Problems problems;
    const auto first = problems.add_file("z.toml");
    const auto second = problems.add_file("a.toml");
    problems.error({second, 1, 1}, "fourth");
    problems.error({first, 9, 1}, "third");
    problems.error({first, 2, 7}, "second");
    problems.warn({first, 1, 1}, "a warning");
    problems.error({first, 0, 0}, "first");
    const std::vector<std::string> expected{"z.toml: first", "z.toml:2:7: second",
                                            "z.toml:9:1: third", "a.toml:1:1: fourth"};
    BOOST_TEST(problems.lines(Severity::Error) == expected, boost::test_tools::per_element());
    BOOST_TEST(problems.lines(Severity::Warning).size() == 1U);
    BOOST_TEST(problems.has_errors());
}

struct DurationRow {
    const char* text;
    long long seconds;  // -1: refused
};
std::ostream& operator<<(std::ostream& out, const DurationRow& row) {
    return out << '"' << row.text << '"';
}
constexpr DurationRow kDurations[] = {
    {"30s", 30},         {"5m", 300}, {"2h", 7'200}, {"1d", 86'400}, {"2w", 1'209'600},
    {"0s", 0},           {"", -1},    {"s", -1},     {"10", -1},     {"-1s", -1},
    {"1.5h", -1},        {"1 d", -1}, {"1D", -1},    {"1h30m", -1},  {"99999999999999999999s", -1},
    {"1000000000w", -1},
};
BOOST_DATA_TEST_CASE(duration_is_a_number_and_a_unit, boost::unit_test::data::make(kDurations),
                     row) {
    const auto parsed = parse_duration(row.text);
    BOOST_TEST((parsed ? parsed->count() : -1) == row.seconds);
}

BOOST_AUTO_TEST_CASE(file_must_be_regular_and_small) {
    BOOST_TEST(read_text_file("/nonexistent").error().context ==
               "cannot be opened: No such file or directory");
    BOOST_TEST(read_text_file("/dev/null").error().context == "is not a regular file");
    BOOST_TEST(read_text_file("/etc/passwd", 1).error().context == "is larger than 0 MiB");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::config
