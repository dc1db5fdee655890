// SPDX-License-Identifier: Apache-2.0
#include "common/config/secret_reference.hh"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <ostream>
#include <string>

#include "tests/support/temp_dir.hh"

namespace postbearer::config {
namespace {

using Kind = SecretReference::Kind;

/// Sets a variable for one case.
class Environment {
public:
    Environment(const char* name, const char* value) : name_(name) {
        (void)(value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name));
    }
    Environment(const Environment&) = delete;
    Environment& operator=(const Environment&) = delete;
    Environment(Environment&&) = delete;
    Environment& operator=(Environment&&) = delete;
    ~Environment() { (void)::unsetenv(name_); }

private:
    const char* name_;
};

struct Fixture {
    test::TempDir dir;

    std::string write(const std::string& name, const std::string& content, mode_t mode = 0600) {
        const std::string path = dir.path() / name;
        std::ofstream(path, std::ios::binary) << content;
        BOOST_REQUIRE(::chmod(path.c_str(), mode) == 0);
        return path;
    }
    static std::string error_of(Kind kind, const std::string& name) {
        const auto secret = read_secret({kind, name});
        BOOST_REQUIRE(!secret);
        BOOST_TEST((secret.error().code == Errc::Config));
        return secret.error().context;
    }
};

BOOST_AUTO_TEST_SUITE(secret_reference_test)

struct Good {
    const char* name;
    const char* text;
    Kind kind;
    const char* target;
};
std::ostream& operator<<(std::ostream& out, const Good& row) { return out << row.name; }
constexpr Good kGood[] = {
    {"credential", "credential:contoso-secret", Kind::Credential, "contoso-secret"},
    {"file", "file:/etc/postbearer/secret", Kind::File, "/etc/postbearer/secret"},
    {"variable", "env:CONTOSO_SECRET", Kind::Environment, "CONTOSO_SECRET"},
};
BOOST_DATA_TEST_CASE(reference_is_understood, boost::unit_test::data::make(kGood), row) {
    const auto reference = parse_secret_reference(row.text, "client_secret");
    BOOST_REQUIRE(reference.has_value());
    BOOST_TEST((reference->kind == row.kind));
    BOOST_TEST(reference->name == row.target);
}

constexpr const char* kInline =
    "a secret written in the file itself is refused: put it into a file and write client_secret = "
    "\"file:/etc/postbearer/...\"";
constexpr const char* kCredentialForm =
    "credential:NAME takes the name of a systemd credential, without '/'";
constexpr const char* kPathForm = "file:PATH takes an absolute path";
constexpr const char* kVariableForm = "env:NAME takes the name of an environment variable";
struct Bad {
    const char* name;
    const char* text;
    const char* error;
};
std::ostream& operator<<(std::ostream& out, const Bad& row) { return out << row.name; }
constexpr Bad kBad[] = {
    {"the secret itself", "hunter2", kInline},
    {"the secret itself with a colon", "sentinel:hunter2", kInline},
    {"misspelt scheme", "File:/etc/hunter2", kInline},
    {"empty", "", kInline},
    {"credential in a folder", "credential:hunter2/x", kCredentialForm},
    {"credential that climbs", "credential:..", kCredentialForm},
    {"credential without name", "credential:", kCredentialForm},
    {"relative path", "file:hunter2", kPathForm},
    {"path with a line break", "file:/hunter2\n", kPathForm},
    {"variable with blank", "env:hunter2 x", kVariableForm},
    {"variable that begins with a digit", "env:2hunter2", kVariableForm},
};
BOOST_DATA_TEST_CASE(other_text_is_refused_without_being_shown, boost::unit_test::data::make(kBad),
                     row) {
    const auto reference = parse_secret_reference(row.text, "client_secret");
    BOOST_REQUIRE(!reference);
    BOOST_TEST(reference.error().context == row.error);
    BOOST_TEST(reference.error().context.find("hunter2") == std::string::npos);
}

struct Newline {
    const char* name;
    const char* content;
    const char* secret;
};
std::ostream& operator<<(std::ostream& out, const Newline& row) { return out << row.name; }
constexpr Newline kNewlines[] = {
    {"no newline", "s3cret", "s3cret"},
    {"one newline is dropped", "s3cret\n", "s3cret"},
    {"one DOS newline is dropped", "s3cret\r\n", "s3cret"},
    {"only the last newline is dropped", "s3cret\n\n", "s3cret\n"},
    {"blanks stay", " s3cret ", " s3cret "},
};
BOOST_DATA_TEST_CASE(file_content_is_the_secret, boost::unit_test::data::make(kNewlines), row) {
    Fixture fixture;
    const auto secret = read_secret({Kind::File, fixture.write("secret", row.content)});
    BOOST_REQUIRE(secret.has_value());
    BOOST_TEST(secret->reveal() == row.secret);
}

struct Mode {
    const char* name;
    mode_t mode;
    const char* shown;
};
std::ostream& operator<<(std::ostream& out, const Mode& row) { return out << row.name; }
constexpr Mode kModes[] = {
    {"everybody reads", 0644, "0644"},
    {"group reads", 0640, "0640"},
    {"others execute", 0601, "0601"},
    {"set-gid is shown too", 02640, "2640"},
};
BOOST_DATA_TEST_CASE(loose_mode_is_refused, boost::unit_test::data::make(kModes), row) {
    Fixture fixture;
    const std::string path = fixture.write("secret", "hunter2", row.mode);
    BOOST_TEST(Fixture::error_of(Kind::File, path) ==
               path + " has mode " + row.shown +
                   ", so that others than its owner may use it: chmod 600 " + path);
}

BOOST_FIXTURE_TEST_CASE(file_of_another_user_is_refused, Fixture) {
    const std::string path = write("secret", "hunter2");
    if (::geteuid() == 0) {
        BOOST_REQUIRE(::chown(path.c_str(), 4711, 4711) == 0);
        BOOST_TEST(error_of(Kind::File, path) ==
                   path +
                       " belongs to uid 4711, who could change it: chown it to root or to uid 0");
    }
}

/// An agent reads its secrets as root, before it becomes the user that they may belong to.
BOOST_FIXTURE_TEST_CASE(file_of_the_user_to_become_is_read, Fixture) {
    const std::string path = write("secret", "hunter2");
    if (::geteuid() == 0) {
        BOOST_REQUIRE(::chown(path.c_str(), 4711, 4711) == 0);
        BOOST_TEST(read_secret({Kind::File, path, false, uid_t{4711}}).has_value());
        const auto refused = read_secret({Kind::File, path, false, uid_t{4712}});
        BOOST_REQUIRE(!refused);
        BOOST_TEST(refused.error().context ==
                   path +
                       " belongs to uid 4711, who could change it: chown it to root or to uid "
                       "4712");
    }
}

BOOST_FIXTURE_TEST_CASE(symbolic_link_is_followed_and_its_target_judged, Fixture) {
    const std::string link = dir.path() / "link";
    BOOST_REQUIRE(::symlink(write("secret", "s3cret").c_str(), link.c_str()) == 0);
    BOOST_TEST(read_secret({Kind::File, link}).has_value());
    (void)write("secret", "s3cret", 0644);
    BOOST_TEST(!read_secret({Kind::File, link}));
}

BOOST_FIXTURE_TEST_CASE(only_regular_files_are_read, Fixture) {
    const std::string fifo = dir.path() / "fifo";
    BOOST_REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    BOOST_TEST(error_of(Kind::File, fifo) == fifo + " is not a regular file");
    BOOST_TEST(error_of(Kind::File, dir.path()) == dir.path().string() + " is not a regular file");
}

BOOST_FIXTURE_TEST_CASE(missing_empty_and_huge_files_are_refused, Fixture) {
    const std::string missing = dir.path() / "missing";
    BOOST_TEST(error_of(Kind::File, missing) ==
               missing + " cannot be opened: No such file or directory");
    const std::string empty = write("empty", "\n");
    BOOST_TEST(error_of(Kind::File, empty) == empty + " is empty");
    const std::string huge = write("huge", std::string(kMaxSecretBytes + 1, 'x'));
    BOOST_TEST(error_of(Kind::File, huge) == huge + " is larger than 64 KiB");
    const std::string largest = write("largest", std::string(kMaxSecretBytes, 'x'));
    BOOST_TEST(read_secret({Kind::File, largest})->size() == kMaxSecretBytes);
}

BOOST_FIXTURE_TEST_CASE(credential_may_be_group_readable, Fixture) {
    (void)write("contoso-secret", "s3cret\n", 0440);
    const std::string directory = dir.path();
    const Environment environment("CREDENTIALS_DIRECTORY", directory.c_str());
    const auto secret = read_secret({Kind::Credential, "contoso-secret"});
    BOOST_REQUIRE(secret.has_value());
    BOOST_TEST(secret->reveal() == "s3cret");
}

constexpr const char* kPlaces[] = {"contoso-secret", "postbearer_contoso-secret",
                                   "postbearer-encrypted_contoso-secret"};
BOOST_DATA_TEST_CASE(credential_is_found_in_each_place, boost::unit_test::data::make(kPlaces),
                     place) {
    Fixture fixture;
    (void)fixture.write(place, "s3cret", 0400);
    const std::string directory = fixture.dir.path();
    const Environment environment("CREDENTIALS_DIRECTORY", directory.c_str());
    const auto secret = read_secret({Kind::Credential, "contoso-secret"});
    BOOST_REQUIRE(secret.has_value());
    BOOST_TEST(secret->reveal() == "s3cret");
}

BOOST_FIXTURE_TEST_CASE(first_place_of_a_credential_wins, Fixture) {
    (void)write("name", "first", 0400);
    (void)write("postbearer-encrypted_name", "second", 0400);
    (void)write("postbearer_name", "third", 0400);
    const std::string directory = dir.path();
    const Environment environment("CREDENTIALS_DIRECTORY", directory.c_str());
    BOOST_TEST(read_secret({Kind::Credential, "name"})->reveal() == "first");
    (void)write("name", "\n", 0600);  // SetCredential= of the unit: there is none
    BOOST_TEST(read_secret({Kind::Credential, "name"})->reveal() == "second");
}

/// A place that exists and is no secret is told, not passed over.
BOOST_FIXTURE_TEST_CASE(unreadable_credential_is_told, Fixture) {
    BOOST_REQUIRE(::mkdir((dir.path() / "name").c_str(), 0700) == 0);
    (void)write("postbearer_name", "s3cret", 0400);
    const std::string directory = dir.path();
    const Environment environment("CREDENTIALS_DIRECTORY", directory.c_str());
    BOOST_TEST(error_of(Kind::Credential, "name") == directory + "/name is not a regular file");
}

BOOST_FIXTURE_TEST_CASE(missing_credential_says_where_it_belongs, Fixture) {
    (void)write("empty", "", 0400);
    (void)write("line", "\n", 0400);
    const std::string directory = dir.path();
    const Environment environment("CREDENTIALS_DIRECTORY", directory.c_str());
    for (const std::string name : {"other", "empty", "line"}) {
        BOOST_TEST(error_of(Kind::Credential, name) ==
                   "credential:" + name + ": systemd has passed neither " + directory + "/" + name +
                       " nor postbearer_" + name +
                       " in that directory, or they are empty. Put it into "
                       "/etc/postbearer/credentials/" +
                       name + " (root's, mode 0600), then: systemctl restart postbearer-agent");
    }
}

BOOST_AUTO_TEST_CASE(without_systemd_the_error_names_file) {
    const Environment environment("CREDENTIALS_DIRECTORY", nullptr);
    BOOST_TEST(Fixture::error_of(Kind::Credential, "contoso-secret") ==
               "credential:contoso-secret needs systemd (CREDENTIALS_DIRECTORY is not set); "
               "without it write \"file:/etc/postbearer/contoso-secret\"");
}

BOOST_AUTO_TEST_CASE(variable_is_read) {
    const Environment environment("POSTBEARER_TEST_SECRET", "s3cret");
    const auto secret = read_secret({Kind::Environment, "POSTBEARER_TEST_SECRET"});
    BOOST_REQUIRE(secret.has_value());
    BOOST_TEST(secret->reveal() == "s3cret");
    BOOST_TEST(Fixture::error_of(Kind::Environment, "POSTBEARER_TEST_UNSET") ==
               "environment variable POSTBEARER_TEST_UNSET is not set");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::config
