// SPDX-License-Identifier: Apache-2.0
#include "token-agent/config_options.hh"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "tests/support/option_documents.hh"
#include "token-agent/config_loader.hh"

namespace postbearer::agent {
namespace {

using test::replace_all;

constexpr const char* kManPage = "token-agent/man/postbearer-agent.toml.5";
constexpr const char* kSample = "conf/agent.toml";

struct Place {
    const char* man_section;
    const char* sample_begin;
    const char* sample_end;
};
/// By Section.
constexpr Place kPlaces[] = {
    {},
    {"The agent table", "[agent]", "[provider."},
    {"Tables of providers", "[provider.", "[[account]]"},
    {"Tables of accounts", "[[account]]", "[[access]]"},
    {"Tables of access rules", "[[access]]", ""},
};

std::vector<test::DocumentedKey> documented_keys() {
    const std::string sample = test::source_file(kSample);
    const std::vector<std::pair<std::string, std::string>> directories{
        {POSTBEARER_RUN_DIR "/a", "/run/postbearer/a"},
        {"\"" POSTBEARER_QUEUE_DIR "/run", "\"/var/spool/postfix/run"}};
    std::vector<test::DocumentedKey> keys;
    for (const Option& option : all_options()) {
        if (option.section == Section::Top) {
            continue;
        }
        const Place& place = kPlaces[static_cast<std::size_t>(option.section)];
        test::DocumentedKey key;
        key.name = option.name;
        key.default_value = test::documented_default(option, directories);
        key.man_section = place.man_section;
        key.sample_section = test::sample_section(sample, place.sample_begin, place.sample_end);
        key.sample_line =
            option.name == "scopes" ? "scopes.smtp = " : key.name + " = " + key.default_value;
        key.in_sample = option.support != Support::Refused;
        keys.push_back(std::move(key));
    }
    return keys;
}

ConfigResult load_sample(std::string_view text) {
    const ConfigText texts[] = {{"agent.toml", text}};
    return load_config_texts(texts, test::AgreeableHost());
}

BOOST_AUTO_TEST_SUITE(config_options_test)

BOOST_AUTO_TEST_CASE(man_page_has_every_key_and_default) {
    for (const auto& fault :
         test::man_page_faults(test::source_file(kManPage), documented_keys())) {
        BOOST_TEST(false, fault);
    }
}

BOOST_AUTO_TEST_CASE(sample_has_every_usable_key_and_default) {
    for (const std::string& fault : test::sample_faults(documented_keys())) {
        BOOST_TEST(false, fault);
    }
}

BOOST_AUTO_TEST_CASE(untouched_sample_names_its_placeholder_only) {
    const auto loaded = load_sample(test::source_file(kSample));
    BOOST_REQUIRE(!loaded.has_value());
    BOOST_TEST(loaded.error().size() == 1U);
    BOOST_TEST(loaded.error().front().ends_with(
        "client_id: is the placeholder of the sample: put in the id of your app registration"));
}

BOOST_AUTO_TEST_CASE(sample_with_an_id_loads_and_its_defaults_are_the_defaults) {
    std::string sample = test::source_file(kSample);
    replace_all(sample, "00000000-", "12345678-");
    const auto plain = load_sample(sample);
    BOOST_REQUIRE(plain.has_value());
    BOOST_TEST(plain->warnings.empty());

    const std::string defaults = test::defaults_of(all_options(), Section::Agent, "[agent]");
    const auto with_defaults = load_sample(defaults);
    BOOST_REQUIRE(with_defaults.has_value());
    const AgentConfig& one = *plain->config;
    const AgentConfig& other = *with_defaults->config;
    BOOST_TEST(one.sockets.size() == other.sockets.size());
    BOOST_TEST(one.sockets.front().path == other.sockets.front().path);
    BOOST_TEST(one.sockets.back().path == other.sockets.back().path);
    BOOST_TEST(one.admin_socket.path == other.admin_socket.path);
    BOOST_TEST(one.allow_http_loopback == other.allow_http_loopback);
    BOOST_TEST((one.idle_after == other.idle_after));
    BOOST_TEST(one.max_connections_per_uid == other.max_connections_per_uid);
    BOOST_TEST(one.provider_concurrency == other.provider_concurrency);
}

BOOST_AUTO_TEST_CASE(settings_in_comments_of_the_sample_are_right_too) {
    std::string sample = test::source_file(kSample);
    replace_all(sample, "00000000-", "12345678-");
    // these comments end above [[account]]: further ones show a second rule, with the same keys
    const std::size_t end = sample.find("# Any other OAuth2 server,");
    const auto loaded = load_sample(test::with_comments_opened(sample.substr(0, end)));
    const std::vector<std::string> none;
    BOOST_TEST((loaded ? none : loaded.error()) == none, (loaded ? "" : loaded.error().front()));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::agent
