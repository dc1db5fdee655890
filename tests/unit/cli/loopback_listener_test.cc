// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/loopback_listener.hh"

#include <fcntl.h>
#include <sys/eventfd.h>

#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/cli/loopback_client.hh"

using namespace postbearer;
using namespace postbearer::cli;
using namespace std::chrono_literals;
using postbearer::test::LoopbackClient;

namespace {

struct Fixture {
    explicit Fixture(LoopbackLimits limits = {})
        : listener(LoopbackListener::open(0, Hold::Address, limits)) {
        BOOST_REQUIRE(listener.has_value());
        expected =
            expect_redirect({"localhost", 0, ""}, listener->port(), "https://a/?state=s1").value();
    }

    [[nodiscard]] std::string request(const std::string& target) const {
        return "GET " + target + " HTTP/1.1\r\nHost: " + expected.authority + "\r\n\r\n";
    }
    [[nodiscard]] std::string redirect(const std::string& state = "s1") const {
        return request("/?code=c0de&state=" + state);
    }
    std::string wait(std::chrono::milliseconds time = 30s, const Interrupt* interrupt = nullptr) {
        const auto query = listener->wait(expected, interrupt, BootClock::now() + time);
        return query ? std::string(query->reveal()) : "error: " + query.error().context;
    }

    Result<LoopbackListener> listener;
    ExpectedRedirect expected;
};

struct Impatient : Fixture {
    Impatient() : Fixture({50ms, 3}) {}
};

struct Crowded : Fixture {
    Crowded() : Fixture({30s, 3}) {}
};

/// A port of [::1] that is held as another program would, or 0 where this host has no IPv6.
struct OtherProgram {
    explicit OtherProgram(std::uint16_t port = 0) {
        sockaddr_in6 address{};
        address.sin6_family = AF_INET6;
        address.sin6_port = htons(port);
        address.sin6_addr = in6addr_loopback;
        socklen_t length = sizeof(address);
        auto* const generic = static_cast<sockaddr*>(static_cast<void*>(&address));
        const int on = 1;
        if (fd.valid() && ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
            ::bind(fd.get(), generic, length) == 0 && ::listen(fd.get(), 1) == 0 &&
            ::getsockname(fd.get(), generic, &length) == 0) {
            held = ntohs(address.sin6_port);
        }
    }
    UniqueFd fd{::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    std::uint16_t held = 0;
};

std::set<int> open_descriptors() {
    std::set<int> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
        found.insert(std::stoi(entry.path().filename()));
    }
    std::erase_if(found, [](int fd) { return ::fcntl(fd, F_GETFD) < 0; });  // the directory's own
    return found;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(loopback_listener_test)

BOOST_FIXTURE_TEST_CASE(the_redirect_is_taken_and_answered, Fixture) {
    LoopbackClient browser(listener->port(), redirect());
    BOOST_TEST(wait() == "code=c0de&state=s1");
    listener->answer(Page::Done);
    const std::string page = browser.read_all();
    BOOST_TEST(page.starts_with("HTTP/1.1 200 OK\r\n"));
    for (const char* const field :
         {"Cache-Control: no-store\r\n", "Connection: close\r\n",
          "Referrer-Policy: no-referrer\r\n", "Content-Security-Policy: default-src 'none';",
          "X-Content-Type-Options: nosniff\r\n"}) {
        BOOST_TEST(has(page, field), field);
    }
    BOOST_TEST(has(page, "go back to the terminal"));
    BOOST_TEST(!has(page, "c0de"));
    BOOST_TEST(!has(page, "s1"));
}

BOOST_FIXTURE_TEST_CASE(only_the_loopback_address_is_bound, Fixture) {
    // /proc/net/tcp shows local addresses as hex, in this machine's byte order.
    std::string line;
    std::ifstream table("/proc/net/tcp");
    char wanted[16];
    (void)std::snprintf(wanted, sizeof(wanted), "0100007F:%04X", listener->port());
    bool found = false;
    while (std::getline(table, line)) {
        const bool listens = has(line, " 0A ");
        found = found || (listens && has(line, wanted));
        char any[16];
        (void)std::snprintf(any, sizeof(any), "00000000:%04X", listener->port());
        BOOST_TEST(!(listens && has(line, any)));
    }
    BOOST_TEST(found);
}

BOOST_FIXTURE_TEST_CASE(silent_clients_keep_nobody_out, Fixture) {
    std::vector<std::unique_ptr<LoopbackClient>> silent;
    for (int i = 0; i < 20; ++i) {
        silent.push_back(std::make_unique<LoopbackClient>(listener->port(), i % 2 ? "GET /" : ""));
    }
    const LoopbackClient browser(listener->port(), redirect());
    BOOST_TEST(wait() == "code=c0de&state=s1");
}

BOOST_FIXTURE_TEST_CASE(a_request_may_come_in_pieces, Fixture) {
    LoopbackClient browser(listener->port());
    const std::string whole = redirect();
    std::size_t sent = 0;
    const auto query = listener->wait(expected, nullptr, BootClock::now() + 30s, [&] {
        browser.send(whole.substr(sent, 20));
        sent = std::min(sent + 20, whole.size());
    });
    BOOST_REQUIRE(query.has_value());
    BOOST_TEST(sent == whole.size());
}

BOOST_FIXTURE_TEST_CASE(other_requests_get_their_answer_and_the_wait_goes_on, Fixture) {
    LoopbackClient icon(listener->port(), request("/favicon.ico"));
    LoopbackClient rebound(listener->port(),
                           "GET /?code=x&state=s1 HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    LoopbackClient posted(listener->port(), "POST / HTTP/1.1\r\nHost: " + expected.authority +
                                                "\r\nContent-Length: 1\r\n\r\nx");
    LoopbackClient forged(listener->port(), redirect("guessed"));
    LoopbackClient browser(listener->port(), redirect());
    BOOST_TEST(wait() == "code=c0de&state=s1");
    BOOST_TEST(icon.read_all().starts_with("HTTP/1.1 404 "));
    BOOST_TEST(rebound.read_all().starts_with("HTTP/1.1 421 "));
    const std::string refused = posted.read_all();
    BOOST_TEST(refused.starts_with("HTTP/1.1 405 "));
    BOOST_TEST(has(refused, "Allow: GET\r\n"));
    BOOST_TEST(forged.read_all().starts_with("HTTP/1.1 400 "));
}

BOOST_FIXTURE_TEST_CASE(one_answer_a_step_later_ones_are_gone, Fixture) {
    LoopbackClient first(listener->port(), redirect());
    BOOST_TEST(wait() == "code=c0de&state=s1");
    listener->answer(Page::NextStep);
    BOOST_TEST(has(first.read_all(), "next address"));

    LoopbackClient again(listener->port(), redirect());
    expected.state = "s2";
    LoopbackClient second(listener->port(), redirect("s2"));
    BOOST_TEST(wait() == "code=c0de&state=s2");
    BOOST_TEST(again.read_all().starts_with("HTTP/1.1 410 "));

    LoopbackClient late(listener->port(), redirect("s2"));
    listener->answer(Page::Done);
    listener->turn_away(expected);
    BOOST_TEST(late.read_all().starts_with("HTTP/1.1 410 "));
    BOOST_TEST(has(second.read_all(), "Signed in"));
}

BOOST_FIXTURE_TEST_CASE(heads_of_more_than_16_KiB_are_refused, Fixture) {
    const std::string filler = "X: " + std::string(kMaxRequestHeadBytes, 'x');
    LoopbackClient endless(listener->port(), "GET /?state=s1 HTTP/1.1\r\n" + filler);
    LoopbackClient long_one(
        listener->port(),
        "GET /?state=s1 HTTP/1.1\r\nHost: " + expected.authority + "\r\n" + filler + "\r\n\r\n");
    LoopbackClient browser(listener->port(), redirect());
    BOOST_TEST(wait() == "code=c0de&state=s1");
    BOOST_TEST(endless.read_all().starts_with("HTTP/1.1 431 "));
    BOOST_TEST(long_one.read_all().starts_with("HTTP/1.1 431 "));
}

BOOST_FIXTURE_TEST_CASE(a_silent_client_is_dropped_after_its_time, Impatient) {
    LoopbackClient silent(listener->port(), "GET /");
    BOOST_TEST(has(wait(400ms), "in time"));
    BOOST_TEST(silent.read_all().empty());
}

BOOST_FIXTURE_TEST_CASE(when_too_many_are_open_the_oldest_goes, Impatient) {
    LoopbackClient oldest(listener->port());
    const LoopbackClient second(listener->port());
    const LoopbackClient third(listener->port());
    const LoopbackClient browser(listener->port(), redirect());
    BOOST_TEST(wait() == "code=c0de&state=s1");
    BOOST_TEST(oldest.read_all().empty());
}

BOOST_FIXTURE_TEST_CASE(those_that_have_their_answer_go_first, Crowded) {
    LoopbackClient slow(listener->port(), "GET /");
    const LoopbackClient answered(listener->port(), request("/favicon.ico"));
    const LoopbackClient third(listener->port());
    BOOST_TEST(has(wait(200ms), "in time"));
    LoopbackClient browser(listener->port(), redirect());
    BOOST_TEST(wait() == "code=c0de&state=s1");
    slow.send("favicon.ico HTTP/1.1\r\nHost: " + expected.authority + "\r\n\r\n");
    BOOST_TEST(has(wait(200ms), "in time"));
    slow.finish();
    BOOST_TEST(slow.read_all().starts_with("HTTP/1.1 404 "));
}

/// Some clients close their side as soon as they have asked.
BOOST_FIXTURE_TEST_CASE(a_request_with_its_end_behind_it_is_served, Fixture) {
    LoopbackClient icon(listener->port(), request("/favicon.ico"));
    icon.finish();
    LoopbackClient half(listener->port(), "GET /");
    half.finish();
    LoopbackClient browser(listener->port(), redirect());
    browser.finish();
    BOOST_TEST(wait() == "code=c0de&state=s1");
    listener->answer(Page::Done);
    BOOST_TEST(has(browser.read_all(), "Signed in"));
    BOOST_TEST(icon.read_all().starts_with("HTTP/1.1 404 "));
    BOOST_TEST(half.read_all().empty());
}

BOOST_AUTO_TEST_CASE(localhost_is_held_on_ipv6_too) {
    if (OtherProgram().held == 0) {
        return;  // no IPv6: nobody can take the port there
    }
    const auto listener = LoopbackListener::open(0, Hold::LocalhostToo);
    BOOST_REQUIRE(listener.has_value());
    BOOST_TEST(OtherProgram(listener->port()).held == 0);
    const auto plain = LoopbackListener::open(0);
    BOOST_REQUIRE(plain.has_value());
    BOOST_TEST(OtherProgram(plain->port()).held == plain->port());
}

BOOST_AUTO_TEST_CASE(a_fixed_port_that_another_has_on_ipv6_is_an_error) {
    const OtherProgram other;
    if (other.held == 0) {
        return;
    }
    const auto listener = LoopbackListener::open(other.held, Hold::LocalhostToo);
    BOOST_REQUIRE(!listener.has_value());
    BOOST_TEST(has(listener.error().context, "[::1]:" + std::to_string(other.held)));
    BOOST_TEST(has(listener.error().context, "--port"));
    BOOST_TEST(LoopbackListener::open(other.held).has_value());
}

BOOST_FIXTURE_TEST_CASE(ctrl_c_ends_the_wait, Fixture) {
    const Interrupt interrupt{UniqueFd(::eventfd(1, EFD_CLOEXEC))};
    BOOST_TEST(wait(30s, &interrupt) == "error: called off");
}

BOOST_FIXTURE_TEST_CASE(a_port_that_is_taken_says_what_to_do, Fixture) {
    const auto second = LoopbackListener::open(listener->port());
    BOOST_REQUIRE(!second.has_value());
    BOOST_TEST(has(second.error().context, "Address already in use"));
    BOOST_TEST(has(second.error().context, "--port"));
}

BOOST_AUTO_TEST_CASE(descriptors_are_closed_on_exec) {
    const std::set<int> before = open_descriptors();
    Fixture room;
    const LoopbackClient browser(room.listener->port(), room.redirect());
    BOOST_TEST(room.wait() == "code=c0de&state=s1");
    std::size_t ours = 0;
    for (const int fd : open_descriptors()) {
        const int flags = before.contains(fd) ? -1 : ::fcntl(fd, F_GETFD);
        if (flags >= 0) {
            ++ours;
            BOOST_TEST((flags & FD_CLOEXEC) != 0, fd);
        }
    }
    BOOST_TEST(ours == 3U);  // the listener, both ends of the connection
}

BOOST_AUTO_TEST_SUITE_END()
