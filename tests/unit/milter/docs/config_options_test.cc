// SPDX-License-Identifier: Apache-2.0
#include "milter/config_options.hh"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "milter/config_loader.hh"
#include "tests/support/option_documents.hh"

namespace postbearer::milter {
namespace {

constexpr const char* kManPage = "milter/man/postbearer-milter.toml.5";
constexpr const char* kSample = "conf/milter.toml";

struct Place {
    const char* man_section;
    const char* sample_begin;
    const char* sample_end;
};
/// By Section.
constexpr Place kPlaces[] = {
    {},
    {"The milter table", "[milter]", "[graph]"},
    {"The graph table", "[graph]", "[[route]]"},
    {"Tables of routes", "[[route]]", ""},
};

std::vector<test::DocumentedKey> documented_keys() {
    const std::string sample = test::source_file(kSample);
    const std::vector<std::pair<std::string, std::string>> directories{
        {"unix:" POSTBEARER_QUEUE_DIR "/run", "unix:/var/spool/postfix/run"},
        {"\"" POSTBEARER_RUN_DIR "/", "\"/run/postbearer/"},
        {"\"" POSTBEARER_STATE_DIR "/", "\"/var/lib/postbearer-milter/"}};
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
        key.sample_line = key.name + " = " + key.default_value;
        key.in_sample = option.support != config::Support::Refused;
        keys.push_back(std::move(key));
    }
    return keys;
}

ConfigResult load_sample(std::string_view text) {
    return load_config_text("milter.toml", text, test::AgreeableHost());
}

std::string first_line(const ConfigResult& result) { return result ? "" : result.error().front(); }

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

BOOST_AUTO_TEST_CASE(untouched_sample_loads_and_its_defaults_are_the_defaults) {
    const auto plain = load_sample(test::source_file(kSample));
    BOOST_TEST_REQUIRE(plain.has_value(), first_line(plain));
    BOOST_TEST(plain->warnings.empty());
    BOOST_TEST(plain->config->routes.size() == 1U);

    const auto with_defaults =
        load_sample(test::defaults_of(all_options(), Section::Milter, "[milter]") +
                    test::defaults_of(all_options(), Section::Graph, "[graph]"));
    BOOST_TEST_REQUIRE(with_defaults.has_value(), first_line(with_defaults));
    const MilterConfig& one = *plain->config;
    const MilterConfig& other = *with_defaults->config;
    BOOST_TEST(one.listen.socket.path == other.listen.socket.path);
    BOOST_TEST(one.lmtp.socket.path == other.lmtp.socket.path);
    BOOST_TEST(one.agent == other.agent);
    BOOST_TEST(one.state_dir == other.state_dir);
    BOOST_TEST(one.spool_dir == other.spool_dir);
    BOOST_TEST(one.trusted_clients.empty());
    BOOST_TEST(one.transports == other.transports);
    BOOST_TEST(one.graph.enabled == other.graph.enabled);
    BOOST_TEST((one.graph.strangers == other.graph.strangers));
    BOOST_TEST((one.graph.large == other.graph.large));
    BOOST_TEST((one.graph.null_sender == other.graph.null_sender));
    BOOST_TEST((one.graph.envelope_from == other.graph.envelope_from));
    BOOST_TEST((one.graph.fragile_headers == other.graph.fragile_headers));
    BOOST_TEST((one.graph.smtputf8 == other.graph.smtputf8));
    BOOST_TEST(one.graph.max_recipients == other.graph.max_recipients);
    BOOST_TEST(one.sending->endpoint == other.sending->endpoint);
    BOOST_TEST(one.sending->allow_http_loopback == other.sending->allow_http_loopback);
    BOOST_TEST(one.sending->concurrency == other.sending->concurrency);
    BOOST_TEST((one.sending->budget == other.sending->budget));
    BOOST_TEST((one.sending->answer_timeout == other.sending->answer_timeout));
}

BOOST_AUTO_TEST_CASE(settings_in_comments_of_the_sample_are_right_too) {
    const std::string sample = test::source_file(kSample);
    // the routes after this line have the same keys again
    const std::size_t end = sample.find("# More rules");
    BOOST_REQUIRE(end != std::string::npos);
    const auto loaded = load_sample(test::with_comments_opened(sample.substr(0, end)));
    BOOST_TEST(loaded.has_value(), first_line(loaded));
}

BOOST_AUTO_TEST_CASE(example_routes_of_the_sample_are_right_too) {
    const std::string sample = test::source_file(kSample);
    std::string examples = "\n" + sample.substr(sample.find("# [[route]]"));
    test::replace_all(examples, "\n#\n", "\n");
    test::replace_all(examples, "\n# ", "\n");
    // the map is a file that the host of a test does not have
    test::replace_all(examples, "map:/etc/postbearer/mailboxes", "sender");
    const auto loaded = load_sample(examples);
    BOOST_TEST_REQUIRE(loaded.has_value(), first_line(loaded));
    BOOST_TEST(loaded->config->routes.size() == 3U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
