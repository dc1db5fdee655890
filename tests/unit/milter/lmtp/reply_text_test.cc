// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/reply_text.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <vector>

namespace {

using namespace postbearer::milter;

std::string written(const LmtpReply& reply, bool utf8 = false) {
    std::string out;
    append_reply(out, reply, utf8);
    return out;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = text.find("\r\n", at);
        BOOST_REQUIRE(end != std::string::npos);
        lines.push_back(text.substr(at, end - at));
        at = end + 2;
    }
    return lines;
}

BOOST_AUTO_TEST_SUITE(reply_text_test)

struct Row {
    const char* name;
    LmtpReply reply;
    const char* line;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
const Row kRows[] = {
    {"as given", {250, "2.0.0", "sent"}, "250 2.0.0 sent\r\n"},
    {"no text", {250, "2.0.0", ""}, "250 2.0.0 \r\n"},
    {"no enhanced code", {354, "", "go"}, "354 go\r\n"},
    {"code of no class", {99, "4.3.0", "x"}, "451 4.3.0 x\r\n"},
    {"code too large", {1000, "", "x"}, "451 x\r\n"},
    {"classes differ", {550, "4.3.0", "x"}, "550 5.0.0 x\r\n"},
    {"enhanced code cut short", {451, "4.3", "x"}, "451 4.0.0 x\r\n"},
    {"enhanced code of words", {451, "4.a.b", "x"}, "451 4.0.0 x\r\n"},
    {"enhanced code with a line", {451, "4.3.0\r\n", "x"}, "451 4.0.0 x\r\n"},
    {"enhanced code too long", {451, "4.3000.1", "x"}, "451 4.0.0 x\r\n"},
    {"line breaks", {451, "4.3.0", "a\r\n250 b"}, "451 4.3.0 a??250 b\r\n"},
    {"controls", {451, "4.3.0", "\x01\x7F\xC2\x85"}, "451 4.3.0 ???\r\n"},
    {"not ascii", {451, "4.3.0", "Gr\xC3\xBC\xC3\x9F"}, "451 4.3.0 Gr??\r\n"},
};
BOOST_DATA_TEST_CASE(one_line, boost::unit_test::data::make(kRows), row) {
    BOOST_TEST(written(row.reply) == row.line);
}

BOOST_AUTO_TEST_CASE(utf8_where_the_client_asked_for_it) {
    BOOST_TEST(written({451, "4.3.0", "Gr\xC3\xBC\xC3\x9F\xFF"}, true) ==
               "451 4.3.0 Gr\xC3\xBC\xC3\x9F?\r\n");
}

BOOST_AUTO_TEST_CASE(long_texts_wrap_between_words) {
    std::string text;
    for (int i = 0; text.size() < 1500; ++i) {
        text += "word" + std::to_string(i) + ' ';
    }
    text.pop_back();
    const auto lines = lines_of(written({451, "4.3.5", text}));
    BOOST_TEST(lines.size() == 4U);
    std::string joined;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        BOOST_TEST(lines[i].size() + 2 <= kMaxReplyLineBytes);
        BOOST_TEST(
            lines[i].starts_with(i + 1 < lines.size() ? "451-4.3.5 word" : "451 4.3.5 word"));
        joined += (i == 0 ? "" : " ") + lines[i].substr(10);
    }
    BOOST_TEST(joined == text);
}

BOOST_AUTO_TEST_CASE(every_length_wraps_well) {
    for (std::size_t length = 480; length < 1100; ++length) {
        const auto lines = lines_of(written({550, "5.1.1", std::string(length, 'x')}));
        std::size_t bytes = 0;
        for (const std::string& line : lines) {
            BOOST_REQUIRE(line.size() <= kMaxReplyLineBytes - 2);
            bytes += line.size() - 10;
        }
        BOOST_REQUIRE(bytes == length);
        BOOST_REQUIRE(lines.back().starts_with("550 5.1.1 x"));
    }
}

BOOST_AUTO_TEST_CASE(a_wrap_falls_between_characters) {
    std::string text;
    for (int i = 0; i < 700; ++i) {
        text += "\xE2\x82\xAC";
    }
    for (std::size_t shift = 0; shift < 3; ++shift) {
        for (const std::string& line :
             lines_of(written({451, "4.3.0", std::string(shift, 'x') + text}, true))) {
            BOOST_TEST((line.size() - 10) % 3 <= shift);
            BOOST_TEST(line.substr(line.size() - 3) == "\xE2\x82\xAC");
        }
    }
}

BOOST_AUTO_TEST_CASE(endless_texts_are_cut) {
    BOOST_TEST(written({451, "4.3.0", std::string(1U << 20U, 'x')}).size() < 2100U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
