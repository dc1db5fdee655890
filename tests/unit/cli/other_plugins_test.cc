// SPDX-License-Identifier: Apache-2.0

// What status says of a second plugin, beside what the real libsasl2 does with the same files.

#include "token-agent/cli/other_plugins.hh"

#include <elf.h>
#include <link.h>
#include <sasl/sasl.h>
#include <stdlib.h>

#include <boost/test/data/monomorphic.hpp>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/files.hh"
#include "tests/support/temp_dir.hh"
#include "token-agent/cli/plugin_file.hh"

using namespace postbearer;
using namespace postbearer::test;
using cli::OtherPlugin;
using cli::Taken;

namespace {

template <typename Function>
int (*generic(Function* function))() {
    return reinterpret_cast<int (*)()>(reinterpret_cast<void*>(function));
}
int plugin_path(void* context, const char** path) {
    *path = static_cast<const std::string*>(context)->c_str();
    return SASL_OK;
}
int ignore_log(void* /*context*/, int /*level*/, const char* /*message*/) { return SASL_OK; }
int name_callback(void* /*context*/, int /*id*/, const char** result, unsigned* length) {
    *result = "alice@example.test";
    if (length != nullptr) {
        *length = 18;
    }
    return SASL_OK;
}

int no_secret(sasl_conn_t* /*connection*/, void* /*context*/, int /*id*/,
              sasl_secret_t** /*result*/) {
    return SASL_FAIL;
}

/// Whom libsasl2 takes for `mechanism` with the plugins of the directories `path`, in a program
/// that has the callbacks of smtp(8).
Taken taken_by_libsasl(std::string path, const char* mechanism) {
    const sasl_callback_t callbacks[] = {{SASL_CB_GETPATH, generic(plugin_path), &path},
                                         {SASL_CB_LOG, generic(ignore_log), nullptr},
                                         {SASL_CB_AUTHNAME, generic(name_callback), nullptr},
                                         {SASL_CB_USER, generic(name_callback), nullptr},
                                         {SASL_CB_PASS, generic(no_secret), nullptr},
                                         {SASL_CB_LIST_END, nullptr, nullptr}};
    BOOST_REQUIRE(sasl_client_init(callbacks) == SASL_OK);
    sasl_conn_t* connection = nullptr;
    BOOST_REQUIRE(sasl_client_new("smtp", "smtp.example.test", nullptr, nullptr, nullptr, 0,
                                  &connection) == SASL_OK);
    const char* output = nullptr;
    unsigned bytes = 0;
    const char* chosen = nullptr;
    const int code = sasl_client_start(connection, mechanism, nullptr, &output, &bytes, &chosen);
    sasl_dispose(&connection);
    (void)sasl_client_done();
    // ours waits for the server, theirs refuses
    BOOST_REQUIRE((code == SASL_CONTINUE || code == SASL_UNAVAIL));
    return code == SASL_CONTINUE ? Taken::Ours : Taken::Other;
}

struct Row {
    const char* file;  // build of other_plugin.cc
    const char* mechanism;
    Taken said;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.file; }
constexpr Row kRows[] = {
    {"other-strong", "XOAUTH2", Taken::Other},      // max_ssf 60, as sasl-xoauth2 0.27
    {"other-flags", "XOAUTH2", Taken::Other},       // max_ssf 0, but NOPLAINTEXT
    {"other-weak", "XOAUTH2", Taken::Ours},         // max_ssf 60 without NOANONYMOUS
    {"other-bearer", "OAUTHBEARER", Taken::Other},  // the other mechanism
    {"other-equal", "XOAUTH2", Taken::Undecided},   // as ours
    {"other-late", "XOAUTH2", Taken::Undecided}};   // no table in the file

struct Directories {
    TempDir dir{"pb-plugins"};
    Path ours = dir / "ours";
    Path theirs = dir / "theirs";
    Directories() {
        make_directory(ours);
        make_directory(theirs);
        std::filesystem::copy(Path(PLUGIN_FILE), ours / "libpostbearer.so");
    }
    void add(const std::string& build, const std::string& name) const {
        std::filesystem::copy(Path(OTHER_PLUGIN_DIRECTORY) / ("lib" + build + ".so"),
                              theirs / name);
    }
    [[nodiscard]] std::vector<OtherPlugin> found() const {
        return cli::other_plugins({{ours.native(), theirs.native()}});
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(other_plugins_test)

BOOST_DATA_TEST_CASE(what_is_said_is_what_libsasl_does, boost::unit_test::data::make(kRows), row) {
    const Directories room;
    room.add(row.file, "libstranger.so");
    const std::vector<OtherPlugin> found = room.found();
    BOOST_REQUIRE(found.size() == 1U);
    BOOST_TEST(found[0].mechanism == row.mechanism);
    BOOST_TEST(found[0].file == (room.theirs / "libstranger.so").native());
    BOOST_TEST((found[0].taken == row.said), cli::name_of(found[0].taken));
    const Taken first =
        taken_by_libsasl(room.ours.native() + ":" + room.theirs.native(), row.mechanism);
    const Taken second =
        taken_by_libsasl(room.theirs.native() + ":" + room.ours.native(), row.mechanism);
    if (row.said != Taken::Undecided) {
        BOOST_TEST((first == row.said && second == row.said));
    } else if (std::string_view(row.file) == "other-equal") {
        BOOST_TEST((first != second), "the order of loading decides");
    }
}

BOOST_AUTO_TEST_CASE(known_files_are_named_with_their_package) {
    const Directories room;
    room.add("other-strong", "libsasl-xoauth2.so");
    room.add("other-equal", "libkdexoauth2.so");
    const std::vector<OtherPlugin> found = room.found();
    BOOST_REQUIRE(found.size() == 2U);
    const std::string kde = cli::sentence_about(found[0]);
    BOOST_TEST(kde.find("the package libsasl2-modules-kdexoauth2") != std::string::npos, kde);
    BOOST_TEST(kde.find("the order of loading") != std::string::npos, kde);
    const std::string other = cli::sentence_about(found[1]);
    BOOST_TEST(other.find("the package sasl-xoauth2") != std::string::npos, other);
    BOOST_TEST(other.find("libsasl takes that one") != std::string::npos, other);
}

BOOST_AUTO_TEST_CASE(only_what_libsasl_loads_beside_ours_counts) {
    const Directories room;
    room.add("other-strong", "libstranger.so.1");  // the file behind a link of a package
    write_file(room.theirs / "libtext.so", "sasl_client_plug_init XOAUTH2\n");
    write_file(room.theirs / "libcut.so", std::string(read_file(Path(PLUGIN_FILE)), 0, 500));
    make_directory(room.theirs / "libdirectory.so");
    BOOST_TEST(room.found().empty());
    BOOST_TEST(cli::other_plugins({{(room.dir / "nowhere").native()}}).empty());
    room.add("other-strong", "libstranger.so");
    BOOST_TEST(room.found().size() == 1U);
    // where ours is not, theirs is all there is
    BOOST_TEST(cli::other_plugins({{room.theirs.native()}}).empty());
    // two places that no program sees together
    BOOST_TEST(cli::other_plugins({{room.theirs.native()}, {room.ours.native()}}).empty());
}

BOOST_AUTO_TEST_CASE(damaged_files_are_read_without_harm) {
    const std::string whole = read_file(Path(OTHER_PLUGIN_DIRECTORY) / "libother-strong.so");
    BOOST_REQUIRE(cli::offered_mechanisms(whole).size() == 1U);
    for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 400) {
        (void)cli::offered_mechanisms(std::string_view(whole).substr(0, size));
    }
    // each byte of the file header and of the tables that it leads to, at its worst
    const std::size_t tables = std::min<std::size_t>(whole.size(), 2'000);
    for (std::size_t at = 0; at < tables; ++at) {
        std::string broken = whole;
        broken[at] = '\xFF';
        for (const cli::OfferedMechanism& one : cli::offered_mechanisms(broken)) {
            BOOST_TEST(one.ranks.size() < 100U);
        }
    }
}

/// 65,535 sections, each a table of 350,000 relocations: read in full that would take hours.
BOOST_AUTO_TEST_CASE(a_made_up_file_costs_no_time) {
    std::string file = read_file(Path(OTHER_PLUGIN_DIRECTORY) / "libother-strong.so");
    constexpr std::size_t kSections = 65'535;
    constexpr std::size_t kTable = 8'400'000;
    ElfW(Ehdr) header;
    std::memcpy(&header, file.data(), sizeof header);
    header.e_shoff = file.size();
    header.e_shnum = kSections;
    std::memcpy(file.data(), &header, sizeof header);
    ElfW(Shdr) section{};
    section.sh_type = SHT_RELA;
    section.sh_offset = file.size() + kSections * sizeof section;
    section.sh_size = kTable;
    for (std::size_t i = 0; i < kSections; ++i) {
        file.append(reinterpret_cast<const char*>(&section), sizeof section);
    }
    file.append(kTable, '\0');
    BOOST_TEST(cli::offered_mechanisms(file).empty());
}

BOOST_AUTO_TEST_CASE(places_are_those_of_libsasl) {
    const char* const before = ::getenv("SASL_PATH");  // NOLINT(concurrency-mt-unsafe)
    const std::string kept = before == nullptr ? "" : before;
    (void)::unsetenv("SASL_PATH");  // NOLINT(concurrency-mt-unsafe)
    BOOST_TEST(cli::plugin_places().size() == 1U);
    (void)::setenv("SASL_PATH", "/a::/b", 1);  // NOLINT(concurrency-mt-unsafe)
    const auto places = cli::plugin_places();
    BOOST_REQUIRE(places.size() == 2U);
    BOOST_TEST(places[0] == (std::vector<std::string>{"/a", "/b"}),
               boost::test_tools::per_element());
    if (before == nullptr) {
        (void)::unsetenv("SASL_PATH");  // NOLINT(concurrency-mt-unsafe)
    } else {
        (void)::setenv("SASL_PATH", kept.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    }
}

BOOST_AUTO_TEST_SUITE_END()
