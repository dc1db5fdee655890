// SPDX-License-Identifier: Apache-2.0
#include "common/http/curl_http.hh"

#include <dirent.h>
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <optional>
#include <ostream>
#include <span>

#include "tests/support/connect_proxy.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/tls_server.hh"

namespace {

using namespace postbearer;
using namespace std::chrono_literals;
using test::http_message;
using test::Script;
using test::TlsServer;

constexpr const char* kSentinel = "S3ntinel-Secret~Value+&=%";

std::size_t open_descriptors() {
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir("/proc/self/fd"), closedir);
    std::size_t count = 0;
    while (readdir(listing.get()) != nullptr) {
        ++count;
    }
    return count;
}

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

/// A loop, a client, a CA that it trusts, and requests that carry the sentinel.
struct Room {
    Room() {
        std::ofstream(ca_file()) << authority.pem();
        auto made = http::CurlHttp::make(loop);
        BOOST_REQUIRE(made.has_value());
        client = std::move(*made);
    }

    [[nodiscard]] std::string ca_file() const { return (directory / "ca.pem").string(); }

    [[nodiscard]] TlsServer serve(TlsServer::Handler handler, TlsServer::Options options = {},
                                  const std::string& names = "DNS:localhost,IP:127.0.0.1") const {
        return TlsServer(authority.issue(names), std::move(handler), options);
    }

    [[nodiscard]] http::Request request(const std::string& url) const {
        http::Request made;
        made.url = url;
        made.transport.ca_file = ca_file();
        made.authorization = Secret(std::string("Basic ") + kSentinel);
        made.body = Secret(std::string("client_secret=") + kSentinel);
        made.connect_timeout = 3s;
        made.total_timeout = 5s;
        return made;
    }

    Result<http::Response> send(http::Request wanted) {
        std::optional<Result<http::Response>> answer;
        client->send(std::move(wanted),
                     [&](Result<http::Response> got) { answer.emplace(std::move(got)); });
        BOOST_TEST(!answer.has_value());  // later, never inside send()
        loop.restart();
        loop.run_for(20s);
        BOOST_REQUIRE(answer.has_value());
        if (!*answer) {
            BOOST_TEST(answer->error().context.find("S3ntinel") == std::string::npos);
        }
        return std::move(*answer);
    }
    Result<http::Response> get(const std::string& url) { return send(request(url)); }

    test::TempDir directory;
    test::TestAuthority authority;
    boost::asio::io_context loop;
    std::unique_ptr<http::CurlHttp> client;
};

Script ok(const TlsServer::Seen& /*request*/) {
    return {http_message("200 OK", "Content-Type: Application/JSON; charset=utf-8\r\n", "{}"),
            Script::Then::KeepOpen, false};
}

void check_error(const Result<http::Response>& answer, Errc code, const std::string& words) {
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().code == code));
    BOOST_TEST_CONTEXT(answer.error().context) {
        BOOST_TEST(answer.error().context.find(words) != std::string::npos);
    }
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(curl_http_test, Room)

BOOST_AUTO_TEST_CASE(posts_and_reads_an_answer) {
    const TlsServer server = serve(ok);
    const auto answer = get(server.url("localhost", "/token"));
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->status == 200);
    BOOST_TEST(answer->content_type == "application/json");
    BOOST_TEST(answer->body.reveal() == "{}");
    const auto seen = server.seen();
    BOOST_REQUIRE(seen.size() == 1U);
    BOOST_TEST(seen[0].body == std::string("client_secret=") + kSentinel);
    BOOST_TEST(seen[0].head.find("POST /token HTTP/1.1\r\n") == 0U);
    BOOST_TEST(seen[0].head.find("Content-Type: application/x-www-form-urlencoded\r\n") !=
               std::string::npos);
    BOOST_TEST(seen[0].head.find("User-Agent: postbearer/") != std::string::npos);
    BOOST_TEST(seen[0].head.find(std::string("Authorization: Basic ") + kSentinel) !=
               std::string::npos);
    BOOST_TEST(seen[0].head.find("Expect:") == std::string::npos);
    BOOST_TEST(seen[0].head.find("Accept-Encoding:") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(get_sends_no_body) {
    const TlsServer server = serve(ok);
    http::Request wanted = request(server.url("localhost", "/x"));
    wanted.method = http::Method::Get;
    BOOST_TEST(send(std::move(wanted)).has_value());
    BOOST_TEST(server.seen()[0].head.find("GET /x ") == 0U);
    BOOST_TEST(server.seen()[0].body.empty());
}

BOOST_AUTO_TEST_CASE(a_ca_that_was_made_anew_under_its_old_name_is_refused) {
    const TlsServer server(test::TestAuthority().issue("DNS:localhost"), ok, {});
    check_error(get(server.url("localhost", "/")), Errc::Unavailable,
                "localhost: TLS certificate not trusted (");
}

BOOST_AUTO_TEST_CASE(a_wrong_ca_is_refused) {
    const TlsServer server(test::TestAuthority("Another CA").issue("DNS:localhost"), ok, {});
    check_error(get(server.url("localhost", "/")), Errc::Unavailable,
                "localhost: TLS certificate not trusted (");
    http::Request with_system_cas = request(server.url("localhost", "/"));
    with_system_cas.transport.ca_file.clear();
    check_error(send(std::move(with_system_cas)), Errc::Unavailable,
                "set ca_file if this server uses a private CA");
    BOOST_TEST(server.seen().empty());
}

BOOST_AUTO_TEST_CASE(a_wrong_host_name_is_refused) {
    const TlsServer server = serve(ok, {}, "DNS:login.example.test");
    check_error(get(server.url("localhost", "/")), Errc::Unavailable,
                "TLS certificate not trusted");
    check_error(get(server.url("127.0.0.1", "/")), Errc::Unavailable,
                "TLS certificate not trusted");
    BOOST_TEST(server.seen().empty());
}

BOOST_AUTO_TEST_CASE(tls_1_1_is_refused) {
    const TlsServer server = serve(ok, {true, false});
    check_error(get(server.url("localhost", "/")), Errc::Unavailable, "TLS handshake failed");
    BOOST_TEST(server.seen().empty());
}

BOOST_AUTO_TEST_CASE(an_unreadable_ca_file_is_a_config_error) {
    const TlsServer server = serve(ok);
    http::Request wanted = request(server.url("localhost", "/"));
    wanted.transport.ca_file = "/nonexistent/ca.pem";
    check_error(send(std::move(wanted)), Errc::Config, "ca_file");
}

BOOST_AUTO_TEST_CASE(a_redirect_is_a_value_and_the_secret_stays) {
    const TlsServer other = serve(ok);
    const TlsServer server = serve([&](const TlsServer::Seen&) {
        return Script{
            http_message("307 Temporary Redirect",
                         "Location: " + other.url("127.0.0.1", "/steal?x=1") + "\r\n", ""),
            Script::Then::KeepOpen, false};
    });
    const auto answer = get(server.url("localhost", "/"));
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->status == 307);
    BOOST_TEST(answer->redirect_host == "127.0.0.1");
    BOOST_TEST(other.connections() == 0);
}

BOOST_AUTO_TEST_CASE(a_huge_body_is_cut_while_reading) {
    const TlsServer announced = serve([](const TlsServer::Seen&) {
        return Script{http_message("200 OK", "", std::string(10'000'000, 'x')), Script::Then::Close,
                      false};
    });
    check_error(get(announced.url("localhost", "/")), Errc::Protocol,
                "localhost: answer larger than 256 KiB");
    const TlsServer endless = serve([](const TlsServer::Seen&) {
        return Script{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + std::string(300'000, 'x'),
                      Script::Then::Close, false};
    });
    check_error(get(endless.url("localhost", "/")), Errc::Protocol, "answer larger than 256 KiB");
}

BOOST_AUTO_TEST_CASE(the_cap_itself_still_passes) {
    const TlsServer server = serve([](const TlsServer::Seen&) {
        return Script{http_message("200 OK", "", std::string(256 * 1024, 'x')), Script::Then::Close,
                      false};
    });
    const auto answer = get(server.url("localhost", "/"));
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->body.size() == 256U * 1024U);
}

BOOST_AUTO_TEST_CASE(a_hanging_server_ends_with_the_total_time_out) {
    const TlsServer server = serve([](const TlsServer::Seen&) {
        return Script{"", Script::Then::Hang, false};
    });
    http::Request wanted = request(server.url("localhost", "/"));
    wanted.total_timeout = 300ms;
    check_error(send(std::move(wanted)), Errc::Timeout, "localhost: no answer within 300 ms");
}

BOOST_AUTO_TEST_CASE(a_slow_drip_ends_with_the_total_time_out) {
    const TlsServer server = serve([](const TlsServer::Seen&) {
        return Script{http_message("200 OK", "", std::string(100'000, 'x')), Script::Then::Close,
                      true};
    });
    http::Request wanted = request(server.url("localhost", "/"));
    wanted.total_timeout = 300ms;
    check_error(send(std::move(wanted)), Errc::Timeout, "no answer within 300 ms");
}

BOOST_AUTO_TEST_CASE(a_handshake_that_hangs_ends_with_the_connect_time_out) {
    // It takes the connection and says nothing, so TLS never comes up.
    const test::LoopbackListener mute([](int fd) {
        char chunk[256];
        while (read(fd, chunk, sizeof chunk) > 0) {
        }
    });
    http::Request wanted = request("https://localhost:" + std::to_string(mute.port()) + "/");
    wanted.connect_timeout = 200ms;
    check_error(send(std::move(wanted)), Errc::Timeout, "localhost: no connection within 200 ms");
}

BOOST_AUTO_TEST_CASE(a_refused_connection_says_so) {
    std::uint16_t port = 0;
    {
        const test::LoopbackListener gone([](int) {});
        port = gone.port();
    }
    check_error(get("https://127.0.0.1:" + std::to_string(port) + "/"), Errc::Unavailable,
                "127.0.0.1: connection refused");
}

BOOST_AUTO_TEST_CASE(an_unknown_name_says_so) {
    check_error(get("https://postbearer.invalid/"), Errc::Unavailable,
                "postbearer.invalid: host name not found");
}

struct BreakRow {
    const char* name;
    const char* bytes;
    Script::Then then;
    Errc code;
};
std::ostream& operator<<(std::ostream& out, const BreakRow& row) { return out << row.name; }
const BreakRow kBreaks[] = {
    {"reset before the answer", "", Script::Then::Reset, Errc::Unavailable},
    {"closed before the answer", "", Script::Then::Close, Errc::Unavailable},
    {"reset inside the body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
     Script::Then::Reset, Errc::Unavailable},
    {"closed inside the body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
     Script::Then::Close, Errc::Unavailable},
    {"no HTTP at all", "220 smtp.example.test ESMTP\r\n", Script::Then::Close, Errc::Protocol},
};
BOOST_DATA_TEST_CASE(a_broken_answer, boost::unit_test::data::make(kBreaks), row) {
    const TlsServer server = serve([&row](const TlsServer::Seen&) {
        return Script{row.bytes, row.then, false};
    });
    check_error(get(server.url("localhost", "/")), row.code, "localhost: ");
}

struct RefusedRow {
    const char* name;
    const char* url;
    bool allow_http_loopback;
    const char* words;
};
std::ostream& operator<<(std::ostream& out, const RefusedRow& row) { return out << row.name; }
const RefusedRow kRefused[] = {
    {"http", "http://login.example.test/", false, "plain http is refused"},
    {"http with the loopback permission", "http://login.example.test/", true,
     "plain http is refused"},
    {"http on loopback without permission", "http://127.0.0.1:1/", false, "allow_http_loopback"},
    {"a name that begins like loopback", "http://127.0.0.1.example.test/", true,
     "plain http is refused"},
    {"ftp", "ftp://login.example.test/", true, "only https"},
    {"file", "file:///etc/passwd", true, "refused"},
    {"user and password", "https://user:S3ntinel@login.example.test/", false, "user name"},
    {"fragment", "https://login.example.test/#S3ntinel", false, "fragment"},
    {"no URL", "S3ntinel", false, ""},
    {"empty", "", false, "not a usable URL"},
    {"control characters", "https://login.example.test/\r\nX: y", false, "not a usable URL"},
};
BOOST_DATA_TEST_CASE(a_url_is_refused, boost::unit_test::data::make(kRefused), row) {
    http::Request wanted = request(row.url);
    wanted.transport.allow_http_loopback = row.allow_http_loopback;
    const auto answer = send(std::move(wanted));
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().code == Errc::Config));
    if (row.name != std::string("file")) {
        BOOST_TEST(answer.error().context.find(row.words) != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(http_on_loopback_works_with_permission) {
    const TlsServer server = serve(ok, {false, true});
    for (const char* host : {"127.0.0.1", "localhost"}) {
        http::Request wanted = request(server.url(host, "/"));
        wanted.transport.allow_http_loopback = true;
        BOOST_TEST(send(std::move(wanted)).has_value());
    }
}

BOOST_AUTO_TEST_CASE(a_header_with_a_line_break_is_refused) {
    const TlsServer server = serve(ok);
    http::Request wanted = request(server.url("localhost", "/"));
    wanted.headers = {"X-A: b\r\nX-C: d"};
    check_error(send(std::move(wanted)), Errc::Config, "header");
    http::Request injected = request(server.url("localhost", "/"));
    injected.authorization = Secret("Bearer S3ntinel\r\nX: y");
    check_error(send(std::move(injected)), Errc::Config, "control characters");
    BOOST_TEST(server.seen().empty());
}

BOOST_AUTO_TEST_CASE(a_proxy_is_used_by_connect) {
    const TlsServer server = serve(ok, {}, "DNS:login.example.test");
    const test::ConnectProxy proxy(server.port());
    http::Request wanted = request("https://login.example.test:4443/token");
    wanted.transport.proxy = proxy.url("user:pass@");
    const auto answer = send(std::move(wanted));
    BOOST_TEST_CONTEXT((answer ? std::string() : answer.error().context)) {
        BOOST_REQUIRE(answer.has_value());
    }
    BOOST_TEST(answer->status == 200);
    BOOST_REQUIRE(proxy.heads().size() == 1U);
    const std::string head = proxy.heads()[0];
    BOOST_TEST(head.find("CONNECT login.example.test:4443 HTTP/1.1\r\n") == 0U);
    BOOST_TEST(head.find("Proxy-Authorization: Basic dXNlcjpwYXNz\r\n") != std::string::npos);
    BOOST_TEST(head.find("S3ntinel") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_proxy_that_refuses_is_named) {
    const test::ConnectProxy proxy(1, "407 Proxy Authentication Required");
    http::Request wanted = request("https://login.example.test/token");
    wanted.transport.proxy = proxy.url("user:S3ntinel@");
    check_error(send(std::move(wanted)), Errc::Unavailable,
                "proxy 127.0.0.1 refused CONNECT to login.example.test (HTTP 407)");
}

BOOST_AUTO_TEST_CASE(a_proxy_of_another_kind_is_refused) {
    http::Request wanted = request("https://login.example.test/token");
    wanted.transport.proxy = "socks5://user:S3ntinel@127.0.0.1:1080";
    check_error(send(std::move(wanted)), Errc::Config, "proxy must be http://");
}

BOOST_AUTO_TEST_CASE(loopback_is_never_asked_through_a_proxy) {
    const TlsServer server = serve(ok);
    const test::ConnectProxy proxy(server.port());
    http::Request wanted = request(server.url("localhost", "/"));
    wanted.transport.proxy = proxy.url();
    BOOST_TEST(send(std::move(wanted)).has_value());
    BOOST_TEST(proxy.heads().empty());
}

BOOST_AUTO_TEST_CASE(the_environment_names_no_proxy) {
    const TlsServer server = serve(ok);
    const test::ConnectProxy proxy(server.port());
    const char* const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY",
                                 "all_proxy"};
    for (const char* name : names) {
        setenv(name, proxy.url().c_str(), 1);
    }
    BOOST_TEST(get(server.url("localhost", "/")).has_value());
    check_error(get("https://postbearer.invalid/"), Errc::Unavailable, "host name not found");
    for (const char* name : names) {
        unsetenv(name);
    }
    BOOST_TEST(proxy.heads().empty());
}

BOOST_AUTO_TEST_CASE(no_proxy_of_the_environment_does_not_bypass_ours) {
    const TlsServer server = serve(ok, {}, "DNS:login.example.test");
    const test::ConnectProxy proxy(server.port());
    setenv("no_proxy", "*", 1);
    http::Request wanted = request("https://login.example.test:4443/token");
    wanted.transport.proxy = proxy.url();
    BOOST_TEST(send(std::move(wanted)).has_value());
    unsetenv("no_proxy");
}

struct RetryRow {
    const char* name;
    const char* headers;
    std::optional<std::chrono::seconds> expected;
};
std::ostream& operator<<(std::ostream& out, const RetryRow& row) { return out << row.name; }
const RetryRow kRetries[] = {
    {"none", "", std::nullopt},
    {"seconds", "Retry-After: 60\r\n", 60s},
    {"zero", "Retry-After: 0\r\n", 0s},
    {"absurd", "Retry-After: 99999999999999999999\r\n", 366 * 24h},
    {"negative", "Retry-After: -5\r\n", std::nullopt},
    {"a date, by the server's clock",
     "Date: Sat, 21 Nov 2020 05:00:00 GMT\r\nRetry-After: Sat, 21 Nov 2020 05:02:00 GMT\r\n", 120s},
    {"a date in the past",
     "Date: Sat, 21 Nov 2020 05:00:00 GMT\r\nRetry-After: Fri, 20 Nov 2020 05:02:00 GMT\r\n", 0s},
    {"rubbish", "Retry-After: soon\r\n", std::nullopt},
};
BOOST_DATA_TEST_CASE(retry_after_is_read, boost::unit_test::data::make(kRetries), row) {
    const TlsServer server = serve([&row](const TlsServer::Seen&) {
        return Script{http_message("429 Too Many Requests", row.headers, "Too Many Requests"),
                      Script::Then::Close, false};
    });
    const auto answer = get(server.url("localhost", "/"));
    BOOST_REQUIRE(answer.has_value());
    BOOST_TEST(answer->status == 429);
    BOOST_TEST((answer->retry_after == row.expected));
}

BOOST_AUTO_TEST_CASE(the_servers_clock_is_read) {
    const TlsServer server = serve([](const TlsServer::Seen&) {
        return Script{http_message("200 OK", "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "{}"),
                      Script::Then::Close, false};
    });
    const auto answer = get(server.url("localhost", "/"));
    BOOST_REQUIRE((answer.has_value() && answer->date.has_value()));
    BOOST_TEST(answer->date->time_since_epoch().count() == 784111777);
}

BOOST_AUTO_TEST_CASE(a_thousand_requests_share_a_connection_and_leak_nothing) {
    const TlsServer server = serve(ok);
    BOOST_REQUIRE(get(server.url("localhost", "/")).has_value());
    const std::size_t before = open_descriptors();
    for (int i = 0; i < 1000; ++i) {
        if (!get(server.url("localhost", "/"))) {
            BOOST_FAIL("request failed");
        }
    }
    BOOST_TEST(server.connections() == 1);
    BOOST_TEST(open_descriptors() == before);
}

BOOST_AUTO_TEST_CASE(a_kept_connection_that_the_server_closed_is_replaced) {
    const TlsServer server = serve([](const TlsServer::Seen& request) {
        Script script = ok(request);
        script.then = Script::Then::Close;
        return script;
    });
    for (int i = 0; i < 20; ++i) {
        BOOST_TEST(get(server.url("localhost", "/")).has_value());
    }
}

BOOST_AUTO_TEST_CASE(many_requests_run_at_once) {
    const TlsServer server = serve(ok);
    int answered = 0;
    for (int i = 0; i < 40; ++i) {
        client->send(request(server.url("localhost", "/")), [&](Result<http::Response> answer) {
            answered += answer.has_value() ? 1 : 0;
        });
    }
    loop.restart();
    loop.run_for(20s);
    BOOST_TEST(answered == 40);
}

BOOST_AUTO_TEST_CASE(destruction_calls_nothing_back) {
    const TlsServer server = serve([](const TlsServer::Seen&) {
        return Script{"", Script::Then::Hang, false};
    });
    const std::size_t before = open_descriptors();
    bool called = false;
    client->send(request(server.url("localhost", "/")),
                 [&](Result<http::Response>) { called = true; });
    client->send(request("ftp://refused/"), [&](Result<http::Response>) { called = true; });
    loop.restart();
    while (server.seen().empty()) {  // in flight now, as far as it gets
        loop.run_one_for(100ms);
        if (called) {
            break;
        }
    }
    called = false;
    client.reset();
    loop.restart();
    loop.run_for(20s);
    BOOST_TEST(!called);
    BOOST_TEST(open_descriptors() <= before);
}

BOOST_AUTO_TEST_CASE(a_completion_may_destroy_the_client) {
    const TlsServer server = serve(ok);
    int called = 0;
    for (int i = 0; i < 3; ++i) {
        client->send(request(server.url("localhost", "/")), [&](Result<http::Response>) {
            ++called;
            client.reset();
        });
    }
    loop.restart();
    loop.run_for(20s);
    BOOST_TEST(called == 1);
}

BOOST_AUTO_TEST_CASE(a_completion_may_send_again) {
    const TlsServer server = serve(ok);
    int called = 0;
    std::function<void(Result<http::Response>)> again = [&](Result<http::Response>) {
        if (++called < 5) {
            client->send(request(server.url("localhost", "/")), again);
        }
    };
    client->send(request(server.url("localhost", "/")), again);
    loop.restart();
    loop.run_for(20s);
    BOOST_TEST(called == 5);
}

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

BOOST_AUTO_TEST_CASE(more_requests_than_connections_wait) {
    auto made = http::CurlHttp::make(loop, {2, 2});
    BOOST_REQUIRE(made.has_value());
    client = std::move(*made);
    const TlsServer server = serve(ok);
    int answered = 0;
    for (int i = 0; i < 20; ++i) {
        client->send(request(server.url("localhost", "/")), [&](Result<http::Response> answer) {
            answered += answer.has_value() ? 1 : 0;
        });
    }
    loop.restart();
    loop.run_for(20s);
    BOOST_TEST(answered == 20);
    BOOST_TEST(server.connections() <= 2);
}

BOOST_AUTO_TEST_SUITE_END()
