// SPDX-License-Identifier: Apache-2.0
// Bodies that are streamed, when they may be sent again, and what counts of the answer.
#include <algorithm>
#include <atomic>
#include <boost/test/data/test_case.hpp>
#include <ostream>
#include <span>

#include "common/http/curl_http.hh"
#include "tests/unit/common/curl_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::curl_room;

/// A body of one letter, read in pieces; whether it may be sent again is the test's choice.
class LetterSource final : public http::BodySource {
public:
    LetterSource(std::size_t size, bool may_repeat) : size_(size), may_repeat_(may_repeat) {}

    [[nodiscard]] std::uint64_t size() const noexcept override { return size_; }
    [[nodiscard]] std::ptrdiff_t read(std::span<char> space) noexcept override {
        if (fails_at_ && handed_ >= *fails_at_) {
            return -1;
        }
        const std::size_t count = std::min(space.size(), size_ - handed_);
        std::fill_n(space.begin(), count, 'x');
        handed_ += count;
        return static_cast<std::ptrdiff_t>(count);
    }
    [[nodiscard]] bool rewind() noexcept override {
        ++rewinds_;
        if (handed_ == size_ && !may_repeat_) {
            return false;
        }
        handed_ = 0;
        return true;
    }

    void fail_at(std::size_t position) { fails_at_ = position; }
    [[nodiscard]] bool drained() const { return handed_ == size_; }
    [[nodiscard]] int rewinds() const { return rewinds_; }

private:
    std::size_t size_;
    bool may_repeat_;
    std::size_t handed_ = 0;
    std::optional<std::size_t> fails_at_;
    int rewinds_ = 0;
};

http::Request with_source(http::Request made, std::shared_ptr<LetterSource> source) {
    made.body = Secret();
    made.body_source = std::move(source);
    made.content_type = "text/plain";
    return made;
}

/// Answers the first request and does `then` to the second, on whatever connection it comes.
TlsServer::Handler second_request_ends(bool reset, std::atomic<int>& count) {
    return [reset, &count](const TlsServer::Seen& request) {
        if (++count == 2) {
            return Script{"", reset ? Script::Then::Reset : Script::Then::Close, false};
        }
        return ok(request);
    };
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(curl_body_source_test, Room)

BOOST_AUTO_TEST_CASE(a_source_is_sent_with_its_length_and_type) {
    const TlsServer server = serve(ok);
    const auto source = std::make_shared<LetterSource>(3'000'000, false);
    http::Request wanted = with_source(request(server.url("localhost", "/")), source);
    wanted.headers = {"User-Agent: NONISV|Postfix|postbearer-milter/1"};
    BOOST_REQUIRE(send(std::move(wanted)).has_value());
    BOOST_TEST(source->drained());
    BOOST_TEST(source->rewinds() == 0);
    const auto seen = server.seen();
    BOOST_REQUIRE(seen.size() == 1U);
    BOOST_TEST((seen[0].body == std::string(3'000'000, 'x')));
    BOOST_TEST(seen[0].head.find("Content-Type: text/plain\r\n") != std::string::npos);
    BOOST_TEST(seen[0].head.find("Content-Length: 3000000\r\n") != std::string::npos);
    BOOST_TEST(seen[0].head.find("User-Agent: NONISV|Postfix|postbearer-milter/1\r\n") !=
               std::string::npos);
    BOOST_TEST(seen[0].head.find("Expect:") == std::string::npos);
    BOOST_TEST(seen[0].head.find("urlencoded") == std::string::npos);
}

// Why a body_source can refuse: this is what libcurl does of its own accord.
BOOST_DATA_TEST_CASE(libcurl_repeats_a_request_on_a_kept_connection_that_died,
                     boost::unit_test::data::make({false, true})) {
    std::atomic<int> count = 0;
    const TlsServer server = serve(second_request_ends(sample, count));
    BOOST_REQUIRE(get(server.url("localhost", "/")).has_value());
    const auto source = std::make_shared<LetterSource>(5'000, true);
    BOOST_TEST(send(with_source(request(server.url("localhost", "/")), source)).has_value());
    BOOST_TEST(source->rewinds() >= 1);
    BOOST_TEST(server.seen().size() == 3U);
}

BOOST_DATA_TEST_CASE(a_body_that_was_handed_over_is_not_sent_again,
                     boost::unit_test::data::make({false, true}) *
                         boost::unit_test::data::make({1, 5'000, 65'536, 200'000}),
                     reset, size) {
    std::atomic<int> count = 0;
    const TlsServer server = serve(second_request_ends(reset, count));
    BOOST_REQUIRE(get(server.url("localhost", "/")).has_value());
    const auto source = std::make_shared<LetterSource>(static_cast<std::size_t>(size), false);
    check_error(send(with_source(request(server.url("localhost", "/")), source)), Errc::Unavailable,
                "localhost: connection lost before the answer was complete");
    BOOST_TEST(source->drained());
    BOOST_TEST(server.seen().size() == 2U);
}

BOOST_AUTO_TEST_CASE(a_connection_that_dies_inside_the_body_ends_the_request) {
    TlsServer::Options options;
    options.cut_after = [](std::size_t bytes) { return bytes > 100'000; };
    const TlsServer server = serve(ok, options);
    BOOST_REQUIRE(get(server.url("localhost", "/")).has_value());
    // Far larger than what the buffers of both sides hold.
    const auto source = std::make_shared<LetterSource>(30'000'000, false);
    check_error(send(with_source(request(server.url("localhost", "/")), source)), Errc::Unavailable,
                "localhost: ");
    BOOST_TEST(!source->drained());
    BOOST_TEST(server.seen().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_new_connection_that_dies_is_not_tried_again) {
    const TlsServer server = serve([](const TlsServer::Seen&) {
        return Script{"", Script::Then::Reset, false};
    });
    const auto source = std::make_shared<LetterSource>(5'000, true);
    check_error(send(with_source(request(server.url("localhost", "/")), source)), Errc::Unavailable,
                "connection lost");
    BOOST_TEST(server.seen().size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_source_that_cannot_be_read_ends_the_request) {
    const TlsServer server = serve(ok);
    const auto source = std::make_shared<LetterSource>(1'000'000, false);
    source->fail_at(65'536);
    check_error(send(with_source(request(server.url("localhost", "/")), source)), Errc::Internal,
                "localhost: the body of the request cannot be read");
    BOOST_TEST(!source->drained());
    BOOST_TEST(server.seen().empty());
}

BOOST_AUTO_TEST_CASE(the_answer_time_out_counts_from_the_end_of_the_body) {
    const TlsServer server = serve([](const TlsServer::Seen&) {
        return Script{"", Script::Then::Hang, false};
    });
    const auto source = std::make_shared<LetterSource>(5'000, false);
    http::Request wanted = with_source(request(server.url("localhost", "/")), source);
    wanted.answer_timeout = 200ms;
    wanted.total_timeout = 15s;
    check_error(send(std::move(wanted)), Errc::Timeout, "localhost: no answer within 200 ms");
    BOOST_TEST(source->drained());
    BOOST_TEST(server.seen().size() == 1U);
}

BOOST_AUTO_TEST_CASE(an_answer_in_time_stops_its_timer) {
    const TlsServer server = serve(ok);
    http::Request wanted = with_source(request(server.url("localhost", "/")),
                                       std::make_shared<LetterSource>(10, false));
    wanted.answer_timeout = 15s;
    BOOST_TEST(send(std::move(wanted)).has_value());
    BOOST_TEST(loop.stopped());  // nothing is left that the loop would wait for
}

BOOST_AUTO_TEST_CASE(a_fresh_connection_is_new_and_not_kept) {
    const TlsServer server = serve(ok);
    BOOST_TEST(get(server.url("localhost", "/")).has_value());
    for (int i = 0; i < 2; ++i) {
        http::Request wanted = request(server.url("localhost", "/"));
        wanted.fresh_connection = true;
        BOOST_TEST(send(std::move(wanted)).has_value());
    }
    BOOST_TEST(server.connections() == 3);
    BOOST_TEST(get(server.url("localhost", "/")).has_value());
    BOOST_TEST(server.connections() == 3);
}

BOOST_AUTO_TEST_CASE(wanted_headers_come_back) {
    const TlsServer server = serve([](const TlsServer::Seen&) {
        return Script{http_message("401 Unauthorized",
                                   "Request-ID: 7-8-9\r\nWWW-Authenticate: Bearer realm=\"\"\r\n"
                                   "www-authenticate: Basic\r\nX-Other: z\r\n",
                                   "{}"),
                      Script::Then::KeepOpen, false};
    });
    http::Request wanted = request(server.url("localhost", "/"));
    wanted.wanted_headers = {"request-id", "www-authenticate", "retry-after"};
    const auto answer = send(std::move(wanted));
    BOOST_REQUIRE(answer.has_value());
    const std::map<std::string, std::string> expected = {
        {"request-id", "7-8-9"}, {"www-authenticate", "Bearer realm=\"\", Basic"}};
    BOOST_TEST((answer->headers == expected));
}

BOOST_AUTO_TEST_CASE(a_large_answer_can_be_cut) {
    const TlsServer server = serve([](const TlsServer::Seen&) {
        return Script{http_message("502 Bad Gateway", "", std::string(1'000'000, 'x')),
                      Script::Then::KeepOpen, false};
    });
    http::Request wanted = request(server.url("localhost", "/"));
    wanted.max_body_bytes = 1'000;
    wanted.cut_large_answer = true;
    const auto answer = send(std::move(wanted));
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->status == 502);
    BOOST_TEST(answer->body.size() == 1'000U);
}

struct BadEndRow {
    const char* name;
    const char* bytes;
    Script::Then then;
};
std::ostream& operator<<(std::ostream& out, const BadEndRow& row) { return out << row.name; }
constexpr BadEndRow kBadEnds[] = {
    {"closed inside a length", "HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\nabc",
     Script::Then::Close},
    {"reset inside a length", "HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\nabc",
     Script::Then::Reset},
    {"closed inside a chunk", "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
     Script::Then::Close},
    {"never ended", "HTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\nabc", Script::Then::Hang},
};
/// Graph has the message once it has said 202; asking again would make a second copy.
BOOST_DATA_TEST_CASE(a_status_holds_whatever_becomes_of_its_body,
                     boost::unit_test::data::make(kBadEnds), row) {
    const TlsServer server = serve([&](const TlsServer::Seen&) {
        return Script{row.bytes, row.then, false};
    });
    const auto source = std::make_shared<LetterSource>(1000, false);
    http::Request wanted = with_source(request(server.url("localhost", "/")), source);
    wanted.cut_large_answer = true;
    wanted.total_timeout = 1s;
    const auto answer = send(std::move(wanted));
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->status == 202);
    BOOST_TEST(source->drained());
    BOOST_TEST(server.seen().size() == 1U);
}

BOOST_AUTO_TEST_CASE(no_status_is_no_answer_even_where_the_body_does_not_count) {
    const TlsServer server = serve([](const TlsServer::Seen&) {
        return Script{"HTTP/1.1 2", Script::Then::Close, false};
    });
    http::Request wanted = request(server.url("localhost", "/"));
    wanted.cut_large_answer = true;
    BOOST_TEST(!send(std::move(wanted)).has_value());
}

BOOST_AUTO_TEST_SUITE_END()
