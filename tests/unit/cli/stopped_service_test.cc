// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/stopped_service.hh"

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>

#include "tests/support/files.hh"
#include "tests/support/temp_dir.hh"

using namespace postbearer;
using namespace postbearer::test;
using postbearer::cli::CredentialPlaces;
using postbearer::cli::StoppedService;
using postbearer::config::SecretReference;

namespace {

struct Room {
    Room() {
        for (const char* const name :
             {"credentials", "credentials.encrypted", "store", "store.encrypted"}) {
            std::filesystem::create_directory(dir.path() / name);
        }
    }
    void write(const std::string& name, const std::string& text) const {
        const Path path = dir.path() / name;
        write_file(path, text);
        std::filesystem::permissions(path, std::filesystem::perms::owner_read);
    }
    [[nodiscard]] Result<Secret> read(const std::string& name, bool raw = false) const {
        const StoppedService host(CredentialPlaces{(dir.path() / "credentials").string(),
                                                   (dir.path() / "store").string()});
        SecretReference reference{SecretReference::Kind::Credential, name};
        reference.raw = raw;
        return host.read_secret(reference);
    }

    TempDir dir;
};

BOOST_FIXTURE_TEST_SUITE(stopped_service_test, Room)

BOOST_AUTO_TEST_CASE(plain_credentials_are_read_where_the_unit_takes_them) {
    write("credentials/contoso-secret", "s3cret\n");
    write("store/postbearer-master-key", std::string(31, 'k') + "\n");
    BOOST_TEST(read("contoso-secret")->reveal() == "s3cret");
    BOOST_TEST(read("postbearer-master-key", true)->reveal().size() == 32U);
}

BOOST_AUTO_TEST_CASE(a_sealed_credential_is_named_and_left_to_systemd) {
    write("credentials/contoso-secret", "old");
    write("credentials.encrypted/contoso-secret", "sealed");
    const auto secret = read("contoso-secret");
    BOOST_REQUIRE(!secret);
    BOOST_TEST(secret.error().context.find("credentials.encrypted/contoso-secret is sealed") !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_is_nowhere_is_told_where_to_put) {
    const auto secret = read("contoso-secret");
    BOOST_REQUIRE(!secret);
    BOOST_TEST(secret.error().context.find("there is no " +
                                           (dir.path() / "credentials/contoso-secret").string()) !=
               std::string::npos);
}

BOOST_AUTO_TEST_CASE(who_may_not_look_is_told_who_may) {
    write("credentials/contoso-secret", "s3cret");
    std::filesystem::permissions(dir.path() / "credentials", std::filesystem::perms::none);
    const bool root = ::geteuid() == 0;  // passes every mode; access(2) goes by the real uid
    BOOST_REQUIRE((!root || ::setresuid(65534, 0, 0) == 0));
    const auto secret = read("contoso-secret");
    BOOST_REQUIRE((!root || ::setresuid(0, 0, 0) == 0));
    std::filesystem::permissions(dir.path() / "credentials", std::filesystem::perms::owner_all);
    BOOST_REQUIRE(!secret);
    BOOST_TEST(secret.error().context.find("Run this as root") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(one_that_others_may_read_is_refused) {
    write("credentials/contoso-secret", "s3cret");
    std::filesystem::permissions(dir.path() / "credentials/contoso-secret",
                                 std::filesystem::perms::others_read,
                                 std::filesystem::perm_options::add);
    BOOST_TEST(!read("contoso-secret"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
