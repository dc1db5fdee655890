// SPDX-License-Identifier: Apache-2.0
#include "common/http/curl_http.hh"

#include <dirent.h>
#include <stdlib.h>

#include <atomic>
#include <boost/test/data/test_case.hpp>
#include <ostream>

#include "common/http/url.hh"
#include "tests/support/connect_proxy.hh"
#include "tests/unit/common/curl_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::curl_room;

std::size_t open_descriptors() {
    const std::unique_ptr<DIR, int (*)(DIR*)> listing(opendir("/proc/self/fd"), closedir);
    std::size_t count = 0;
    while (readdir(listing.get()) != nullptr) {
        ++count;
    }
    return count;
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
    {"the metadata address without permission", "http://169.254.169.254/", true,
     "plain http is refused"},
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

BOOST_AUTO_TEST_CASE(plain_http_to_the_metadata_address_alone) {
    BOOST_TEST(http::check_url("http://169.254.169.254/metadata", false, true).has_value());
    for (const char* url : {"http://169.254.169.255/", "http://169.254.169.254.example.test/",
                            "http://login.example.test/", "http://127.0.0.1/"}) {
        BOOST_TEST(!http::check_url(url, false, true).has_value());
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
