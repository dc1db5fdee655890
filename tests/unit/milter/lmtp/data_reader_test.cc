// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/data_reader.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>
#include <string_view>

#include "milter/lmtp/limits.hh"

namespace {

using namespace std::string_view_literals;
using postbearer::milter::DataReader;
using postbearer::milter::kMaxHeaderBytes;

struct Read {
    std::string message;
    std::string header;
    bool done = false;
    bool bare_line_feed = false;
    bool header_too_large = false;
    std::size_t taken = 0;
    bool operator==(const Read&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Read& read) {
    return out << read.message << " | " << read.header << " | " << read.done << read.taken;
}

/// In pieces of `step` bytes, the first of `first`.
Read read_in_steps(std::string_view wire, std::size_t first, std::size_t step,
                   std::size_t max_header = kMaxHeaderBytes) {
    Read result;
    DataReader reader(max_header, [&](std::string_view piece) {
        BOOST_REQUIRE(!piece.empty());
        result.message.append(piece);
    });
    std::size_t next = first;
    while (!wire.empty() && !reader.done()) {
        const std::string_view piece = wire.substr(0, next);
        const std::size_t taken = reader.feed(piece);
        result.taken += taken;
        BOOST_REQUIRE((taken == piece.size() || reader.done()));
        wire.remove_prefix(taken);
        next = step;
    }
    BOOST_REQUIRE(reader.size() == result.message.size());
    result.done = reader.done();
    result.bare_line_feed = reader.bare_line_feed();
    result.header_too_large = reader.header_too_large();
    result.header = reader.take_header();
    return result;
}

BOOST_AUTO_TEST_SUITE(data_reader_test)

struct Row {
    const char* name;
    std::string_view wire;
    std::string_view message;
    std::string_view header;
    bool done;
    bool bare_line_feed;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name; }
constexpr Row kRows[] = {
    {"plain", "A: b\r\n\r\nbody\r\n.\r\n", "A: b\r\n\r\nbody\r\n", "A: b\r\n\r\n", true, false},
    {"empty message", ".\r\n", "", "", true, false},
    {"empty line alone", "\r\n.\r\n", "\r\n", "\r\n", true, false},
    {"body without header", "\r\nbody\r\n.\r\n", "\r\nbody\r\n", "\r\n", true, false},
    {"no empty line", "A: b\r\nC: d\r\n.\r\n", "A: b\r\nC: d\r\n", "A: b\r\nC: d\r\n", true, false},
    {"no body", "A: b\r\n\r\n.\r\n", "A: b\r\n\r\n", "A: b\r\n\r\n", true, false},
    {"dots at line starts", "\r\n..\r\n...\r\n.x\r\n..x\r\n.\r\n", "\r\n.\r\n..\r\nx\r\n.x\r\n",
     "\r\n", true, false},
    {"dots elsewhere", "\r\nx.\r\n x ..\r\n.\r\n", "\r\nx.\r\n x ..\r\n", "\r\n", true, false},
    {"a dot line in the header", "A: b\r\n..\r\n\r\nx\r\n.\r\n", "A: b\r\n.\r\n\r\nx\r\n",
     "A: b\r\n.\r\n\r\n", true, false},
    {"LF.LF is no end", "\r\na\n.\nb\r\n.\r\n", "\r\na\n.\nb\r\n", "\r\n", true, true},
    {"LF.CRLF is no end", "\r\na\n.\r\nb\r\n.\r\n", "\r\na\n.\r\nb\r\n", "\r\n", true, true},
    {"CRLF.LF is no end", "\r\na\r\n.\nb\r\n.\r\n", "\r\na\r\n\nb\r\n", "\r\n", true, true},
    {"CR.CR is no end", "\r\na\r.\rb\r\n.\r\n", "\r\na\r.\rb\r\n", "\r\n", true, false},
    {"CRLF.CR is no end", "\r\na\r\n.\rb\r\n.\r\n", "\r\na\r\n\rb\r\n", "\r\n", true, false},
    {"CRLF.CRCRLF is no end", "\r\na\r\n.\r\r\nb\r\n.\r\n", "\r\na\r\n\r\r\nb\r\n", "\r\n", true,
     false},
    {"CR alone stays", "\r\na\rb\r\r\n.\r\n", "\r\na\rb\r\r\n", "\r\n", true, false},
    {"LF at the very start", "\n\r\n.\r\n", "\n\r\n", "\n\r\n", true, true},
    {"LF after CRLF", "a: b\r\n\n\r\n.\r\n", "a: b\r\n\n\r\n", "a: b\r\n\n\r\n", true, true},
    {"bare LF does not end the header", "a: b\n\nc\r\n\r\nd\r\n.\r\n", "a: b\n\nc\r\n\r\nd\r\n",
     "a: b\n\nc\r\n\r\n", true, true},
    {"NUL bytes", "a: \0\r\n\r\n\0.\0\r\n.\r\n"sv, "a: \0\r\n\r\n\0.\0\r\n"sv, "a: \0\r\n\r\n"sv,
     true, false},
    {"what follows is not ours", "\r\nx\r\n.\r\nQUIT\r\n", "\r\nx\r\n", "\r\n", true, false},
    {"cut before the end", "\r\nx\r\n.\r", "\r\nx\r\n", "\r\n", false, false},
    {"cut in a line", "\r\nx", "\r\nx", "\r\n", false, false},
};
BOOST_DATA_TEST_CASE(whole_and_at_every_split, boost::unit_test::data::make(kRows), row) {
    const Read whole = read_in_steps(row.wire, row.wire.size(), row.wire.size());
    BOOST_TEST(whole.message == row.message);
    BOOST_TEST(whole.header == row.header);
    BOOST_TEST(whole.done == row.done);
    BOOST_TEST(whole.bare_line_feed == row.bare_line_feed);
    BOOST_TEST(!whole.header_too_large);
    for (std::size_t split = 1; split < row.wire.size(); ++split) {
        BOOST_TEST(read_in_steps(row.wire, split, row.wire.size()) == whole);
        BOOST_TEST(read_in_steps(row.wire, split, 1) == whole);
        BOOST_TEST(read_in_steps(row.wire, split, 3) == whole);
    }
}

BOOST_AUTO_TEST_CASE(header_limit_is_inclusive) {
    const std::string header = "a: " + std::string(93, 'x') + "\r\n\r\n";
    const std::string wire = header + "body\r\n.\r\n";
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, wire.size()}) {
        const Read fits = read_in_steps(wire, step, step, header.size());
        BOOST_TEST(!fits.header_too_large);
        BOOST_TEST(fits.header == header);
        const Read over = read_in_steps(wire, step, step, header.size() - 1);
        BOOST_TEST(over.header_too_large);
        BOOST_TEST(over.header.empty());
        BOOST_TEST(over.done);
        const std::string endless = std::string(header.size() - 2, 'x') + "\r\n.\r\n";
        BOOST_TEST(!read_in_steps(endless, step, step, header.size()).header_too_large);
        BOOST_TEST(read_in_steps(endless, step, step, header.size() - 1).header_too_large);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
