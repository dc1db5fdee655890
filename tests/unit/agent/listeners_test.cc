// SPDX-License-Identifier: Apache-2.0
#include "token-agent/listeners.hh"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ostream>

#include "tests/support/temp_dir.hh"
#include "tests/unit/agent/socket_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

std::string own_group() {
    const group* entry = ::getgrgid(::getegid());  // NOLINT(concurrency-mt-unsafe): one thread
    return entry == nullptr ? "root" : entry->gr_name;
}

struct ListenRoom {
    ListenRoom() { config.admin_socket.path = path("admin.sock"); }

    [[nodiscard]] std::string path(const std::string& name) const { return (dir / name).string(); }
    void add(const std::string& name, std::optional<mode_t> mode = {},
             const std::string& group = {}) {
        config.sockets.push_back({path(name), group, mode});
    }
    /// Empty: it worked.
    std::string bind() {
        const auto bound = bind_missing(config, listeners, log);
        return bound ? "" : bound.error().context;
    }
    [[nodiscard]] mode_t mode_of(const std::string& name) const {
        struct stat status {};
        return ::stat(path(name).c_str(), &status) == 0 ? status.st_mode & 07777U : 0;
    }
    /// A socket file as a process leaves it behind that was killed.
    void leave_stale(const std::string& name) const { (void)bound_socket(name, SOCK_STREAM); }
    [[nodiscard]] UniqueFd bound_socket(const std::string& name, int type) const {
        UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path(name).copy(std::begin(address.sun_path), sizeof address.sun_path - 1);
        const auto* const generic =
            static_cast<const sockaddr*>(static_cast<const void*>(&address));
        BOOST_REQUIRE(::bind(fd.get(), generic, sizeof address) == 0);
        return fd;
    }

    test::TempDir dir{"pb-listen"};
    test::CaptureLog log;
    AgentConfig config;
    std::vector<Listener> listeners;
};

BOOST_FIXTURE_TEST_SUITE(listeners_test, ListenRoom)

BOOST_AUTO_TEST_CASE(binds_what_is_configured_with_the_modes_of_the_contract) {
    add("agent.sock");
    add("private.sock", 0600);
    add("sub/directory/deep.sock", 0660, own_group());
    BOOST_TEST(bind() == "");
    BOOST_REQUIRE(listeners.size() == 4U);
    BOOST_TEST(mode_of("agent.sock") == 0666U);
    BOOST_TEST(mode_of("private.sock") == 0600U);
    BOOST_TEST(mode_of("sub/directory/deep.sock") == 0660U);
    BOOST_TEST(mode_of("sub/directory") == 0755U);
    BOOST_TEST(mode_of("admin.sock") == 0600U);
    BOOST_TEST((listeners.back().role == SocketRole::Admin));
    const TestClient client(path("agent.sock"));  // it listens
}

BOOST_AUTO_TEST_CASE(an_admin_group_opens_the_admin_socket_to_it) {
    config.admin_group = own_group();
    BOOST_TEST(bind() == "");
    BOOST_TEST(mode_of("admin.sock") == 0660U);
}

BOOST_AUTO_TEST_CASE(the_umask_is_left_as_it_was) {
    const mode_t before = ::umask(0027);
    add("sub/agent.sock");
    BOOST_TEST(bind() == "");
    BOOST_TEST(::umask(before) == 0027U);
    BOOST_TEST(mode_of("sub") == 0755U);
    BOOST_TEST(mode_of("sub/agent.sock") == 0666U);
}

BOOST_AUTO_TEST_CASE(a_stale_socket_is_replaced) {
    leave_stale("agent.sock");
    add("agent.sock");
    BOOST_TEST(bind() == "");
    const TestClient client(path("agent.sock"));
}

BOOST_AUTO_TEST_CASE(a_live_one_is_not) {
    const UniqueFd other = bound_socket("agent.sock", SOCK_STREAM);
    BOOST_REQUIRE(::listen(other.get(), 1) == 0);
    add("agent.sock");
    const std::string sentence =
        "socket " + path("agent.sock") +
        ": another process is listening there; stop it or set another path";
    BOOST_TEST(bind() == sentence);
    const TestClient first(path("agent.sock"));
    BOOST_TEST(bind() == sentence);  // its queue is full by now: still alive
}

BOOST_AUTO_TEST_CASE(a_socket_of_another_kind_is_not_removed) {
    const UniqueFd other = bound_socket("agent.sock", SOCK_DGRAM);
    add("agent.sock");
    BOOST_TEST(bind() == "socket " + path("agent.sock") +
                             ": is in the way and cannot be tried; move it or set another path: "
                             "Protocol wrong type for socket");
    BOOST_TEST(std::filesystem::exists(path("agent.sock")));
}

BOOST_AUTO_TEST_CASE(a_file_in_the_way_is_named_and_kept) {
    std::ofstream(path("agent.sock")) << "precious";
    add("agent.sock");
    BOOST_TEST(bind() == "socket " + path("agent.sock") +
                             ": is in the way and is not a socket; move it or set another path");
    BOOST_TEST(std::filesystem::file_size(path("agent.sock")) == 8U);
}

BOOST_AUTO_TEST_CASE(a_symbolic_link_is_not_followed) {
    std::filesystem::create_symlink(path("elsewhere"), path("agent.sock"));
    add("agent.sock");
    BOOST_TEST(bind().find("is not a socket") != std::string::npos);
    BOOST_TEST(!std::filesystem::exists(path("elsewhere")));
}

BOOST_AUTO_TEST_CASE(a_path_too_long_is_said) {
    add(std::string(120, 'x'));
    BOOST_TEST(bind().find("longer than a Unix socket allows") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_unknown_group_leaves_nothing_behind) {
    add("agent.sock", {}, "no-such-group");
    BOOST_TEST(bind() == "socket " + path("agent.sock") + ": there is no group 'no-such-group'");
    BOOST_TEST(!std::filesystem::exists(path("agent.sock")));
}

BOOST_AUTO_TEST_CASE(a_directory_that_cannot_be_made) {
    std::ofstream(path("file")) << "x";
    add("file/agent.sock");
    BOOST_TEST(bind().find("socket " + path("file/agent.sock")) == 0U);
}

BOOST_AUTO_TEST_CASE(what_systemd_passed_is_not_bound_again) {
    add("agent.sock");
    Listener passed;
    passed.path = path("agent.sock");
    listeners.push_back(std::move(passed));
    BOOST_TEST(bind() == "");
    BOOST_TEST(listeners.size() == 2U);
    BOOST_TEST(!std::filesystem::exists(path("agent.sock")));
}

BOOST_AUTO_TEST_CASE(without_postfix_its_socket_is_skipped) {
    if (std::filesystem::exists(POSTBEARER_QUEUE_DIR)) {
        return;  // the end-to-end tests cover the other side
    }
    config.sockets.push_back({POSTBEARER_QUEUE_DIR "/run/postbearer/agent.sock", "", {}});
    BOOST_TEST(bind() == "");
    BOOST_TEST(listeners.size() == 1U);
    BOOST_TEST(log.count("event=socket_skipped") == 1U);
}

BOOST_AUTO_TEST_CASE(only_what_was_bound_here_and_is_still_ours_is_removed) {
    add("ours.sock");
    add("taken.sock");
    BOOST_TEST(bind() == "");
    Listener passed;
    passed.path = path("passed.sock");
    listeners.push_back(std::move(passed));
    leave_stale("passed.sock");
    std::filesystem::rename(path("taken.sock"), path("moved.sock"));
    leave_stale("taken.sock");  // a successor has bound meanwhile
    remove_bound(listeners);
    BOOST_TEST(!std::filesystem::exists(path("ours.sock")));
    BOOST_TEST(!std::filesystem::exists(path("admin.sock")));
    BOOST_TEST(std::filesystem::exists(path("taken.sock")));
    BOOST_TEST(std::filesystem::exists(path("passed.sock")));
}

BOOST_AUTO_TEST_CASE(without_systemd_nothing_is_inherited) {
    const auto inherited = inherited_listeners(log);
    BOOST_REQUIRE(inherited.has_value());
    BOOST_TEST(inherited->empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
