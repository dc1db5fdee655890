// SPDX-License-Identifier: Apache-2.0
#include "milter/state_dir.hh"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "tests/support/files.hh"
#include "tests/support/temp_dir.hh"

namespace postbearer::milter {
namespace {

BOOST_AUTO_TEST_SUITE(state_dir_test)

/// Another process that has the lock until it is told to end.
class Holder {
public:
    explicit Holder(const std::string& directory) {
        int ready[2];
        int end[2];
        BOOST_REQUIRE(::pipe(ready) == 0);
        BOOST_REQUIRE(::pipe(end) == 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            (void)::close(end[1]);
            const auto lock = lock_state_dir(directory);
            char byte = lock ? 'y' : 'n';
            (void)!::write(ready[1], &byte, 1);
            (void)!::read(end[0], &byte, 1);
            ::_exit(0);
        }
        (void)::close(end[0]);
        end_ = UniqueFd(end[1]);
        (void)::close(ready[1]);
        const UniqueFd from(ready[0]);
        char byte = 0;
        BOOST_REQUIRE(::read(from.get(), &byte, 1) == 1);
        BOOST_REQUIRE(byte == 'y');
    }
    ~Holder() { stop(); }
    Holder(const Holder&) = delete;
    Holder& operator=(const Holder&) = delete;
    Holder(Holder&&) = delete;
    Holder& operator=(Holder&&) = delete;

    void stop() {
        end_.reset();
        if (pid_ > 0) {
            (void)::waitpid(std::exchange(pid_, -1), nullptr, 0);
        }
    }
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

private:
    pid_t pid_ = -1;
    UniqueFd end_;
};

struct Room {
    test::TempDir parent{"pb-state"};
    std::string directory = (parent / "state").string();
};

BOOST_FIXTURE_TEST_CASE(the_directory_is_made_for_its_owner_only, Room) {
    BOOST_REQUIRE(lock_state_dir(directory).has_value());
    struct stat status {};
    BOOST_REQUIRE(::stat(directory.c_str(), &status) == 0);
    BOOST_TEST((status.st_mode & 07777U) == 0700U);
    BOOST_REQUIRE(::stat((directory + "/lock").c_str(), &status) == 0);
    BOOST_TEST((status.st_mode & 07777U) == 0600U);
}

BOOST_FIXTURE_TEST_CASE(a_second_daemon_is_refused_with_the_pid_of_the_first, Room) {
    Holder first(directory);
    const auto second = lock_state_dir(directory);
    BOOST_REQUIRE(!second.has_value());
    BOOST_TEST((second.error().code == Errc::Config));
    BOOST_TEST(second.error().context ==
               "directory " + directory + " is in use by process " + std::to_string(first.pid()) +
                   "; a second daemon needs a `journal` in another directory");
    BOOST_TEST((daemon_of(directory).value() == first.pid()));
    first.stop();
    BOOST_TEST((!daemon_of(directory).value_or(std::nullopt)));
    BOOST_TEST(lock_state_dir(directory).has_value());
}

BOOST_FIXTURE_TEST_CASE(nobody_holds_what_is_not_there, Room) {
    BOOST_TEST((!daemon_of(directory).value_or(std::nullopt)));
    test::make_directory(directory);
    BOOST_TEST((!daemon_of(directory).value_or(std::nullopt)));
}

BOOST_FIXTURE_TEST_CASE(what_cannot_be_made_is_named, Room) {
    const std::string missing = directory + "/a/b";
    const auto failed = make_directory(missing);
    BOOST_REQUIRE(!failed.has_value());
    BOOST_TEST(failed.error().context ==
               "directory " + missing + ": cannot be made: No such file or directory");
    test::write_file(directory, "a file");
    BOOST_TEST(!lock_state_dir(directory).has_value());
}

BOOST_FIXTURE_TEST_CASE(a_link_is_no_lock, Room) {
    test::make_directory(directory, 0700);
    test::write_file(parent / "elsewhere", "");
    std::filesystem::create_symlink(parent / "elsewhere", directory + "/lock");
    BOOST_TEST(!lock_state_dir(directory).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
