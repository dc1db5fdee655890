// SPDX-License-Identifier: Apache-2.0
#include "common/agent_protocol.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <limits>
#include <ostream>
#include <string>

namespace {

using namespace postbearer;
using namespace postbearer::protocol;
using namespace std::string_literals;
using namespace std::string_view_literals;

BOOST_AUTO_TEST_SUITE(agent_protocol_test)

struct GoodRow {
    const char* name;
    std::string_view block;
    std::size_t attributes;
};
std::ostream& operator<<(std::ostream& out, const GoodRow& row) { return out << row.name; }
constexpr GoodRow kGood[] = {
    {"empty message", "\n", 0},
    {"one", "request=ping\n\n", 1},
    {"empty value", "a=\n\n", 1},
    {"value with =", "a=b=c==\n\n", 1},
    {"value with blanks", "a= b \n\n", 1},
    {"longest name", "abcdefghijklmnopqrstuvwxyz_abcde=1\n\n", 1},
    {"underscores", "_=1\n__=2\n\n", 2},
    {"UTF-8", "a=gr\xc3\xbc\xc3\x9f\xe2\x82\xac\xf0\x9f\x93\xa7\n\n", 1},
    {"no-break space is no control", "a=\xc2\xa0\n\n", 1},
};
BOOST_DATA_TEST_CASE(good_messages, boost::unit_test::data::make(kGood), row) {
    const auto attributes = Attributes::parse(row.block);
    BOOST_REQUIRE(attributes.has_value());
    BOOST_TEST(attributes->all().size() == row.attributes);
}

struct BadRow {
    const char* name;
    std::string_view block;
    const char* fault;
};
std::ostream& operator<<(std::ostream& out, const BadRow& row) { return out << row.name; }
constexpr const char* kNameFault = "line 1: an attribute name is 1 to 32 of a-z and _";
constexpr const char* kValueFault = "line 1: the value is not UTF-8 without control characters";
const BadRow kBad[] = {
    {"nothing", "", "line 1: the message does not end with an empty line"},
    {"no empty line", "a=b\n", "line 2: the message does not end with an empty line"},
    {"no line end", "a=b", "line 1: the message does not end with an empty line"},
    {"no =", "a=b\nab\n\n", "line 2: no '=' in it"},
    {"more behind", "a=b\n\nc=d\n\n", "there is more after the empty line"},
    {"only more", "\n\n", "there is more after the empty line"},
    {"repeated", "a=1\nb=2\na=3\n\n", "line 3: attribute given twice"},
    {"repeated with the same value", "a=1\na=1\n\n", "line 2: attribute given twice"},
    {"the first repetition is named", "b=1\nc=1\na=1\nc=2\nb=2\n\n",
     "line 4: attribute given twice"},
    {"empty name", "=x\n\n", kNameFault},
    {"upper case", "A=x\n\n", kNameFault},
    {"digit", "a1=x\n\n", kNameFault},
    {"blank before", " a=x\n\n", kNameFault},
    {"name too long", "abcdefghijklmnopqrstuvwxyz_abcdef=1\n\n", kNameFault},
    {"CR LF", "a=b\r\n\r\n", kValueFault},
    {"NUL", "a=b\0c\n\n"sv, kValueFault},
    {"tab", "a=b\tc\n\n", kValueFault},
    {"DEL", "a=b\x7f\n\n", kValueFault},
    {"C1", "a=b\xc2\x85\n\n", kValueFault},
    {"malformed UTF-8", "a=\xff\n\n", kValueFault},
};
BOOST_DATA_TEST_CASE(bad_messages, boost::unit_test::data::make(kBad), row) {
    const auto attributes = Attributes::parse(row.block);
    BOOST_REQUIRE(!attributes.has_value());
    BOOST_TEST((attributes.error().code == Errc::Protocol));
    BOOST_TEST(attributes.error().context == row.fault);
}

BOOST_AUTO_TEST_CASE(faults_never_quote_the_content) {
    for (const char* block :
         {"S3ntinel\n\n", "S3NTINEL=x\n\n", "a=S3ntinel\xff\n\n", "a=S3ntinel\na=S3ntinel\n\n"}) {
        const auto attributes = Attributes::parse(block);
        BOOST_REQUIRE(!attributes.has_value());
        BOOST_TEST(attributes.error().context.find("S3") == std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(look_up) {
    const std::string block = "a=1\nb=\n\n";
    const auto attributes = Attributes::parse(block);
    BOOST_REQUIRE(attributes.has_value());
    BOOST_TEST((attributes->find("a") == "1"sv));
    BOOST_TEST((attributes->find("b") == ""sv));
    BOOST_TEST(!attributes->find("c").has_value());
    BOOST_TEST(attributes->value_or("b", "x") == "");
    BOOST_TEST(attributes->value_or("c", "x") == "x");
}

/// `count` attributes with different names.
std::string many_attributes(int count) {
    std::string block;
    for (int i = 0; i < count; ++i) {
        int rest = i;
        do {
            block += static_cast<char>('a' + rest % 26);
            rest /= 26;
        } while (rest > 0);
        block += "_=\n";
    }
    return block + "\n";
}

/// A mebibyte of them once took 40 seconds, before anybody asked who the sender is.
BOOST_AUTO_TEST_CASE(many_attributes_cost_no_square) {
    const auto start = std::chrono::steady_clock::now();
    const std::string block = many_attributes(150'000);
    const auto attributes = Attributes::parse(block);
    BOOST_REQUIRE(attributes.has_value());
    BOOST_TEST(attributes->all().size() == 150'000U);
    BOOST_TEST((std::chrono::steady_clock::now() - start < std::chrono::seconds(5)));
    BOOST_TEST(Attributes::parse("zz=1\n" + many_attributes(2000)).has_value());
    BOOST_TEST(!Attributes::parse("a_=1\n" + many_attributes(2000)).has_value());
}

struct LengthRow {
    const char* name;
    std::string_view buffer;
    std::optional<std::size_t> length;
};
std::ostream& operator<<(std::ostream& out, const LengthRow& row) { return out << row.name; }
constexpr LengthRow kLengths[] = {
    {"nothing", "", {}},
    {"half a line", "a=b", {}},
    {"a line", "a=b\n", {}},
    {"a message", "a=b\n\n", 5},
    {"two messages", "a=b\n\nc=d\n\n", 5},
    {"an empty message first", "\na=b\n\n", 1},
    {"an empty message alone", "\n", 1},
    {"three line ends", "a=b\n\n\n", 5},
};
BOOST_DATA_TEST_CASE(length_of_the_first_message, boost::unit_test::data::make(kLengths), row) {
    BOOST_TEST((message_length(row.buffer) == row.length));
    // However the bytes come, and wherever earlier calls have stopped.
    std::size_t scanned = 0;
    for (std::size_t end = 0; end <= row.buffer.size(); ++end) {
        const auto length = message_length(row.buffer.substr(0, end), scanned);
        if (length) {
            BOOST_TEST((length == row.length));
            return;
        }
        scanned = end;
    }
    BOOST_TEST(!row.length.has_value());
}

BOOST_AUTO_TEST_CASE(writer_and_parser_agree) {
    const Secret message = std::move(MessageWriter(1)
                                         .add("text", "gr\xc3\xbc\xc3\x9f = x")
                                         .add("empty", "")
                                         .add("least", std::numeric_limits<std::int64_t>::min())
                                         .add("most", std::numeric_limits<std::int64_t>::max()))
                               .finish();
    BOOST_TEST((message_length(message.reveal()) == message.size()));
    const auto attributes = Attributes::parse(message.reveal());
    BOOST_REQUIRE(attributes.has_value());
    BOOST_TEST(attributes->value_or("text", "") == "gr\xc3\xbc\xc3\x9f = x");
    BOOST_TEST((attributes->find("empty") == ""sv));
    BOOST_TEST(attributes->value_or("least", "") == "-9223372036854775808");
    BOOST_TEST(attributes->value_or("most", "") == "9223372036854775807");
}

BOOST_AUTO_TEST_CASE(no_value_can_break_out_of_its_line) {
    const Secret message =
        std::move(MessageWriter().add("a", "x\nstatus=ok\n\n\r\0\x7f\xff"s)).finish();
    BOOST_TEST(message.reveal() == "a=x?status=ok??????\n\n");
    BOOST_TEST(Attributes::parse(message.reveal()).has_value());
}

BOOST_AUTO_TEST_CASE(a_message_without_attributes_is_one_empty_line) {
    BOOST_TEST(MessageWriter().finish().reveal() == "\n");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
