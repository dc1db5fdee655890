// SPDX-License-Identifier: Apache-2.0
#include "milter/graph/base64_source.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <string>

#include "common/base64.hh"
#include "tests/unit/milter/graph/spooled.hh"

namespace {

using namespace postbearer;
using milter::Base64Source;

std::string bytes_of(std::size_t count) {
    std::string made(count, '\0');
    unsigned state = 12345;
    for (char& c : made) {
        state = state * 1664525U + 1013904223U;
        c = static_cast<char>(state >> 24U);
    }
    return made;
}

std::string expected(std::string_view plain) { return std::string(view(base64_encode(plain))); }

std::shared_ptr<const milter::SpooledMessage> message_of(
    const std::shared_ptr<milter::Transaction>& of) {
    return {of, &of->message};
}

std::string read_all(Base64Source& source, std::size_t piece) {
    std::string all;
    std::string space(piece, '?');
    for (;;) {
        const std::ptrdiff_t got = source.read(space);
        BOOST_REQUIRE(got >= 0);
        if (got == 0) {
            return all;
        }
        all.append(space, 0, static_cast<std::size_t>(got));
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(base64_source_test)

BOOST_AUTO_TEST_CASE(every_size_and_every_split_between_header_and_body) {
    for (std::size_t size = 0; size <= 200; ++size) {
        const std::string plain = bytes_of(size);
        for (std::size_t split = 0; split <= size; split += (size < 40 ? 1 : 13)) {
            // What Graph gets is the edited header; the one in the file is another.
            const auto spool = test::spooled("Old: header\r\n\r\n", plain.substr(split));
            Base64Source source(plain.substr(0, split), message_of(spool));
            const std::string sent = read_all(source, 1 + size % 7);
            if (sent != expected(plain) || source.size() != sent.size() || !source.drained()) {
                BOOST_FAIL("size " << size << " split " << split);
            }
        }
    }
}

BOOST_DATA_TEST_CASE(three_megabytes_in_pieces,
                     boost::unit_test::data::make({16'384, 65'536, 65'537, 4'000'000}), piece) {
    const std::string plain = bytes_of(3'000'001);
    for (const std::size_t split : {0U, 700U, 49151U, 49152U, 49153U, 100000U}) {
        const auto spool = test::spooled("h", plain.substr(split));
        Base64Source source(plain.substr(0, split), message_of(spool));
        BOOST_TEST((read_all(source, static_cast<std::size_t>(piece)) == expected(plain)));
        BOOST_TEST(source.handed() == milter::base64_bytes(plain.size()));
    }
}

BOOST_AUTO_TEST_CASE(it_goes_back_until_its_last_byte_was_handed_over) {
    const std::string plain = bytes_of(120'000);
    const auto spool = test::spooled("", plain);
    Base64Source source("", message_of(spool));
    std::string space(159'999, '?');
    BOOST_TEST(source.read(space) == 159'999);
    BOOST_TEST(!source.drained());
    BOOST_TEST(source.rewind());
    BOOST_TEST(source.handed() == 0U);
    BOOST_TEST((read_all(source, 50'000) == expected(plain)));
    BOOST_TEST(source.drained());
    BOOST_TEST(!source.rewind());
    BOOST_TEST(source.read(space) == 0);
}

BOOST_AUTO_TEST_CASE(a_file_that_became_shorter_is_an_error) {
    const auto spool = test::spooled("", bytes_of(100'000));
    BOOST_REQUIRE(ftruncate(spool->message.file.get(), 60'000) == 0);
    Base64Source source("", message_of(spool));
    std::string space(200'000, '?');
    BOOST_TEST(source.read(space) == -1);
    BOOST_TEST(!source.drained());
}

BOOST_AUTO_TEST_SUITE_END()
