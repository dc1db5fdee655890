// SPDX-License-Identifier: Apache-2.0
#pragma once

// A loop, CurlHttp and a CA it trusts: what the tests of requests and of streamed bodies share.

#include <boost/asio/io_context.hpp>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "common/http/curl_http.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/tls_server.hh"

namespace postbearer::curl_room {

using namespace std::chrono_literals;
using test::http_message;
using test::Script;
using test::TlsServer;

inline constexpr const char* kSentinel = "S3ntinel-Secret~Value+&=%";

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

inline Script ok(const TlsServer::Seen& /*request*/) {
    return {http_message("200 OK", "Content-Type: Application/JSON; charset=utf-8\r\n", "{}"),
            Script::Then::KeepOpen, false};
}

inline void check_error(const Result<http::Response>& answer, Errc code, const std::string& words) {
    BOOST_REQUIRE(!answer.has_value());
    BOOST_TEST((answer.error().code == code));
    BOOST_TEST_CONTEXT(answer.error().context) {
        BOOST_TEST(answer.error().context.find(words) != std::string::npos);
    }
}

}  // namespace postbearer::curl_room
