// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/admin_call.hh"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "tests/support/temp_dir.hh"
#include "tests/unit/cli/scene.hh"

using namespace postbearer;
using namespace postbearer::cli;
using namespace std::chrono_literals;
using postbearer::test::Scene;
using postbearer::test::TempDir;

namespace {

UniqueFd unix_socket() {
    return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

/// An agent that is stuck: it listens, and accepts nobody.
struct StuckAgent : Scene {
    StuckAgent() {
        address.sun_family = AF_UNIX;
        path.copy(std::begin(address.sun_path), path.size());
        BOOST_REQUIRE(::bind(listener.get(), generic(), sizeof(address)) == 0);
        BOOST_REQUIRE(::listen(listener.get(), 0) == 0);
    }
    [[nodiscard]] const sockaddr* generic() const {
        return static_cast<const sockaddr*>(static_cast<const void*>(&address));
    }
    void fill_queue() {
        for (;;) {
            UniqueFd fd = unix_socket();
            if (::connect(fd.get(), generic(), sizeof(address)) != 0) {
                BOOST_REQUIRE(errno == EAGAIN);
                return;
            }
            waiting.push_back(std::move(fd));
        }
    }
    [[nodiscard]] Error call(std::size_t bytes = 10) const {
        const auto answer =
            AdminTalk(path, console).call("login_wait", Secret(std::string(bytes, 'x')), 1s);
        BOOST_REQUIRE(!answer.has_value());
        return answer.error();
    }

    TempDir dir{"pb-call"};
    std::string path = (dir / "admin.sock").string();
    sockaddr_un address{};
    UniqueFd listener = unix_socket();
    std::vector<UniqueFd> waiting;
};

constexpr std::size_t kMoreThanABuffer = 8UL * 1024 * 1024;

}  // namespace

BOOST_AUTO_TEST_SUITE(admin_call_test)

BOOST_FIXTURE_TEST_CASE(a_full_queue_is_waited_for_until_the_time_is_over, StuckAgent) {
    fill_queue();
    const Error error = call();
    BOOST_TEST((error.code == Errc::Unavailable));
    BOOST_TEST(error.context.find(path) != std::string::npos);
    BOOST_TEST(error.context.find("stuck") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(ctrl_c_is_heard_while_the_queue_is_full, StuckAgent) {
    fill_queue();
    ctrl_c();
    BOOST_TEST(call().context == "called off");
}

BOOST_FIXTURE_TEST_CASE(a_request_that_nobody_reads_has_a_deadline, StuckAgent) {
    const Error error = call(kMoreThanABuffer);
    BOOST_TEST((error.code == Errc::Timeout));
    BOOST_TEST(error.context.find("no answer in time") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(ctrl_c_is_heard_while_nobody_reads, StuckAgent) {
    ctrl_c();
    BOOST_TEST(call(kMoreThanABuffer).context == "called off");
}

BOOST_AUTO_TEST_SUITE_END()
