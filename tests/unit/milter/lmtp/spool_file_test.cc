// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/spool_file.hh"

#include <fcntl.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>

#include "tests/support/temp_dir.hh"
#include "tests/unit/milter/lmtp/spool_reading.hh"

namespace {

using namespace postbearer;
using namespace postbearer::milter;

BOOST_AUTO_TEST_SUITE(spool_file_test)

BOOST_AUTO_TEST_CASE(the_file_has_no_name_and_is_ours_alone) {
    const test::TempDir dir("pb-spool");
    for (auto* const open : {open_spool_file, open_unlinked_file}) {
        const auto file = open(dir.path().string());
        BOOST_REQUIRE(file.has_value());
        struct stat status {};
        BOOST_REQUIRE(::fstat(file->get(), &status) == 0);
        BOOST_TEST(status.st_nlink == 0U);
        BOOST_TEST((status.st_mode & 0777U) == 0600U);
        BOOST_TEST((::fcntl(file->get(), F_GETFD) & FD_CLOEXEC) != 0);
        BOOST_TEST((::fcntl(file->get(), F_GETFL) & O_ACCMODE) == O_RDWR);
        BOOST_TEST(std::filesystem::is_empty(dir.path()));
    }
}

BOOST_AUTO_TEST_CASE(a_missing_directory_is_named) {
    for (auto* const open : {open_spool_file, open_unlinked_file}) {
        const auto file = open("/nonexistent/spool");
        BOOST_REQUIRE(!file.has_value());
        BOOST_TEST((file.error().code == Errc::Unavailable));
        BOOST_TEST(file.error().context ==
                   "cannot make a file in spool directory /nonexistent/spool: No such file or "
                   "directory");
    }
    BOOST_TEST(!open_spool_file("/proc").has_value());  // has no nameless files, nor takes others
}

BOOST_AUTO_TEST_CASE(pieces_of_every_size_arrive_in_order) {
    const test::TempDir dir("pb-spool");
    auto file = open_spool_file(dir.path().string());
    BOOST_REQUIRE(file.has_value());
    SpoolFile spool(std::move(*file), "x");
    std::string expected;
    for (std::size_t size = 1; size < 300'000; size = size * 2 + 1) {
        const std::string piece(size, static_cast<char>('a' + size % 26));
        spool.write(piece);
        expected += piece;
    }
    const auto whole = spool.finish();
    BOOST_REQUIRE(whole.has_value());
    BOOST_TEST((file_content(whole->get()) == expected));
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_told_at_the_end) {
    SpoolFile spool(UniqueFd(::open("/dev/full", O_RDWR | O_CLOEXEC)), "/full");
    for (int i = 0; i < 100; ++i) {
        spool.write(std::string(10'000, 'x'));
    }
    const auto whole = spool.finish();
    BOOST_REQUIRE(!whole.has_value());
    BOOST_TEST(whole.error().context ==
               "cannot write in spool directory /full: No space left on device");
}

BOOST_AUTO_TEST_CASE(a_full_disk_is_told_of_the_last_bytes_too) {
    SpoolFile spool(UniqueFd(::open("/dev/full", O_RDWR | O_CLOEXEC)), "/full");
    spool.write("x");
    BOOST_TEST(!spool.finish().has_value());
}

BOOST_AUTO_TEST_CASE(discard_gives_the_file_back) {
    const std::size_t before = open_descriptors();
    auto file = open_spool_file("/tmp");
    BOOST_REQUIRE(file.has_value());
    SpoolFile spool(std::move(*file), "x");
    spool.write("x");
    BOOST_TEST(open_descriptors() == before + 1);
    spool.discard();
    BOOST_TEST(open_descriptors() == before);
    spool.write("y");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
