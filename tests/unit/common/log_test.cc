// SPDX-License-Identifier: Apache-2.0
#include "common/log.hh"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <concepts>
#include <csignal>
#include <limits>
#include <ostream>

#include "common/secret.hh"
#include "common/unique_fd.hh"

namespace {

using namespace postbearer;
using namespace std::chrono_literals;
using namespace std::string_view_literals;

template <typename T>
concept Loggable = requires(LogLine& line, const T& value) {
    line.add("key", value);
};
static_assert(!Loggable<Secret>);
static_assert(!Loggable<WipedBytes>);
static_assert(Loggable<std::string>);

std::string line_with(std::string_view value) {
    return LogLine(LogLevel::Info, "e").add("k", value).text();
}

BOOST_AUTO_TEST_SUITE(log_test)

struct ValueRow {
    const char* name;
    std::string_view value;
    const char* shown;
};
std::ostream& operator<<(std::ostream& out, const ValueRow& row) { return out << row.name; }
constexpr ValueRow kValues[] = {
    {"plain", "relay@contoso.com", "event=e k=relay@contoso.com"},
    {"empty", "", "event=e k=\"\""},
    {"blank", "a b", "event=e k=\"a b\""},
    {"equals sign", "a=b", "event=e k=\"a=b\""},
    {"quote", "a\"b", "event=e k=\"a\\\"b\""},
    {"backslash", "a\\b", "event=e k=\"a\\\\b\""},
    {"line end cannot forge a line", "a\nevent=x", "event=e k=\"a?event=x\""},
    {"escape sequence", "\x1b[2J", "event=e k=\"?[2J\""},
    {"NUL", "a\0b"sv, "event=e k=\"a?b\""},
    {"UTF-8", "gr\xc3\xbc\xc3\x9f", "event=e k=\"gr\xc3\xbc\xc3\x9f\""},
    {"malformed UTF-8", "\xff", "event=e k=\"?\""},
};
BOOST_DATA_TEST_CASE(values, boost::unit_test::data::make(kValues), row) {
    BOOST_TEST(line_with(row.value) == row.shown);
}

BOOST_AUTO_TEST_CASE(long_values_are_cut) {
    BOOST_TEST(line_with(std::string(100'000, 'x')).size() < 1100U);
    BOOST_TEST(line_with(std::string(100'000, ' ')).size() < 1100U);
    BOOST_TEST(line_with(std::string(100'000, '"')).size() < 2100U);
}

BOOST_AUTO_TEST_CASE(numbers_and_optional_keys) {
    LogLine line(LogLevel::Error, "e");
    line.add("least", std::numeric_limits<std::int64_t>::min()).add("zero", std::int64_t{0});
    line.add_if("none", "").add_if("some", "x").add("literal", "y");
    BOOST_TEST(line.text() == "event=e least=-9223372036854775808 zero=0 some=x literal=y");
    BOOST_TEST((line.level() == LogLevel::Error));
}

// ---- StderrLog ----------------------------------------------------------------------------------

struct PipeRoom {
    explicit PipeRoom(bool socket = false) {
        std::array<int, 2> ends{};
        // Blocking, as stderr is.
        BOOST_REQUIRE((socket ? ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data())
                              : ::pipe2(ends.data(), O_CLOEXEC)) == 0);
        reader = UniqueFd(ends[0]);
        writer = UniqueFd(ends[1]);
        (void)::fcntl(reader.get(), F_SETFL, O_NONBLOCK);
        (void)std::signal(SIGPIPE, SIG_IGN);
    }
    std::string read_all() const {
        std::string text;
        std::array<char, 65536> buffer{};
        for (;;) {
            const ssize_t got = ::read(reader.get(), buffer.data(), buffer.size());
            if (got <= 0) {
                return text;
            }
            text.append(buffer.data(), static_cast<std::size_t>(got));
        }
    }
    UniqueFd reader;
    UniqueFd writer;
};

LogLine numbered(int number, std::size_t filler = 0) {
    return LogLine(LogLevel::Notice, "n").add("i", number).add_if("x", std::string(filler, 'x'));
}

BOOST_FIXTURE_TEST_CASE(lines_are_gathered_until_flush, PipeRoom) {
    StderrLog log(LogLevel::Info, writer.get());
    log.write(numbered(1));
    log.write(LogLine(LogLevel::Debug, "debug"));
    log.write(LogLine(LogLevel::Error, "bad"));
    BOOST_TEST(read_all() == "");
    log.flush();
    BOOST_TEST(read_all() == "<5>event=n i=1\n<3>event=bad\n");
    log.flush();
    BOOST_TEST(read_all() == "");
}

BOOST_FIXTURE_TEST_CASE(the_end_and_much_text_flush_too, PipeRoom) {
    {
        StderrLog log(LogLevel::Info, writer.get());
        for (int i = 0; i < 40; ++i) {
            log.write(numbered(i, 1000));
        }
        BOOST_TEST(read_all().size() > 32'000U);
    }
    BOOST_TEST(read_all().ends_with("\n"));
}

BOOST_AUTO_TEST_CASE(a_reader_that_stands_still_does_not_stop_us) {
    for (const bool socket : {false, true}) {
        const PipeRoom room(socket);
        StderrLog log(LogLevel::Info, room.writer.get());
        const auto start = std::chrono::steady_clock::now();
        constexpr int kLines = 3000;
        for (int i = 0; i < kLines; ++i) {
            log.write(numbered(i, 500));
            log.flush();
        }
        // Once 50 ms, not at every flush.
        BOOST_TEST((std::chrono::steady_clock::now() - start < 20s));
        const std::string before = room.read_all();
        log.write(numbered(kLines));
        log.flush();
        const std::string after = room.read_all();
        // Every line came whole, was cut by the stop (one at most), or is counted.
        const auto whole = std::count(before.begin(), before.end(), '\n');
        const std::string note = "<4>event=log_lines_lost count=" + std::to_string(kLines - whole) +
                                 " cause=\"stderr did not take them in time\"\n";
        BOOST_TEST(after == (before.ends_with('\n') ? "" : "\n") + note + "<5>event=n i=3000\n");
        log.write(numbered(7));
        log.flush();
        BOOST_TEST(room.read_all() == "<5>event=n i=7\n");
    }
}

BOOST_FIXTURE_TEST_CASE(a_reader_that_went_away_is_no_reason_to_end, PipeRoom) {
    StderrLog log(LogLevel::Info, writer.get());
    reader.reset();
    for (int i = 0; i < 100; ++i) {
        log.write(numbered(i));
        log.flush();
    }
}

BOOST_AUTO_TEST_CASE(a_closed_descriptor_is_no_reason_to_end) {
    StderrLog log(LogLevel::Info, 1'000'000);
    log.write(numbered(1));
    log.flush();
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_no_reason_to_end) {
    const UniqueFd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
    if (!full.valid()) {
        return;
    }
    StderrLog log(LogLevel::Info, full.get());
    log.write(numbered(1));
    log.flush();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
