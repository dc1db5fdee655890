// SPDX-License-Identifier: Apache-2.0
#include "token-agent/config_options.hh"

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "token-agent/config_loader.hh"

namespace postbearer::agent {
namespace {

std::string file_text(const std::string& name) {
    std::ifstream in(std::string(POSTBEARER_SOURCE_ROOT "/") + name);
    BOOST_REQUIRE_MESSAGE(in.good(), name);
    return {std::istreambuf_iterator<char>(in), {}};
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
        text.replace(at, from.size(), to);
        at += to.size();
    }
}

constexpr const char* kManSections[] = {"", "The agent table", "Tables of providers",
                                        "Tables of accounts", "Tables of access rules"};

/// The text of each `.It Ic KEY , KEY` of the man page, under "SECTION/KEY".
std::map<std::string, std::string> man_items() {
    std::string text = file_text("token-agent/man/postbearer-agent.toml.5");
    replace_all(text, "\\\n", "");
    replace_all(text, "\\(dq", "\"");
    std::map<std::string, std::string> out;
    std::vector<std::string> keys;
    std::string section;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(".Ss ")) {
            section = line.substr(4);
        } else if (line.starts_with(".It Ic ")) {
            keys.clear();
            std::istringstream words(line.substr(7));
            for (std::string word; words >> word;) {
                if (word != ",") {
                    keys.push_back(section + "/" + word);
                    out[keys.back()];
                }
            }
        } else {
            for (const std::string& key : keys) {
                out[key] += line + "\n";
            }
        }
    }
    return out;
}

/// The defaults as a build with the default directories has them, as the documents say them.
std::string documented_default(const Option& option) {
    std::string text(option.default_value);
    replace_all(text, POSTBEARER_RUN_DIR "/a", "/run/postbearer/a");
    replace_all(text, "\"" POSTBEARER_QUEUE_DIR "/run", "\"/var/spool/postfix/run");
    return text;
}

/// The part of the sample that describes one section: from its first header to the next section's.
std::string sample_section(const std::string& sample, Section section) {
    constexpr const char* kHeaders[] = {"", "\n[agent]", "\n[provider.", "\n[[account]]",
                                        "\n[[access]]"};
    const auto index = static_cast<std::size_t>(section);
    const std::size_t begin = sample.find(kHeaders[index]);
    BOOST_REQUIRE(begin != std::string::npos);
    const std::size_t end =
        index + 1 < std::size(kHeaders) ? sample.find(kHeaders[index + 1]) : std::string::npos;
    return sample.substr(begin, end - begin);
}

class SampleHost final : public ConfigHost {
public:
    [[nodiscard]] Result<Secret> read_secret(const config::SecretReference&) const override {
        return Secret("sample");
    }
    [[nodiscard]] std::optional<uid_t> user_id(const std::string&) const override { return 1; }
    [[nodiscard]] std::optional<gid_t> group_id(const std::string&) const override { return 1; }
    [[nodiscard]] Result<void> can_read(const std::string&) const override { return {}; }
};

ConfigResult load_sample(std::string_view text) {
    const ConfigText texts[] = {{"agent.toml", text}};
    return load_config_texts(texts, SampleHost());
}

/// `# key = value   # words` becomes `key = value`.
std::string with_comments_opened(const std::string& sample) {
    std::string out;
    std::istringstream lines(sample);
    for (std::string line; std::getline(lines, line);) {
        const bool setting = line.starts_with("# ") && !line.starts_with("# {") &&
                             line.find(" = ") != std::string::npos &&
                             line.find(' ', 2) == line.find(" = ");
        out += (setting ? line.substr(2) : line) + "\n";
    }
    return out;
}

BOOST_AUTO_TEST_SUITE(config_options_test)

BOOST_AUTO_TEST_CASE(man_page_has_every_key_and_default) {
    auto items = man_items();
    for (const Option& option : all_options()) {
        if (option.section == Section::Top) {
            continue;
        }
        const std::string key = kManSections[static_cast<std::size_t>(option.section)] +
                                ("/" + std::string(option.name));
        const auto item = items.find(key);
        BOOST_TEST_REQUIRE((item != items.end()), key << " is not in the man page");
        BOOST_TEST(item->second.find(documented_default(option)) != std::string::npos,
                   key << " without its default " << documented_default(option));
        items.erase(item);
    }
    for (const auto& [key, text] : items) {
        BOOST_TEST(false, "the man page has a key that nobody reads: " << key);
    }
}

BOOST_AUTO_TEST_CASE(sample_has_every_usable_key_and_default) {
    const std::string sample = file_text("conf/agent.toml");
    for (const Option& option : all_options()) {
        if (option.section == Section::Top) {
            continue;
        }
        const std::string part = sample_section(sample, option.section);
        std::string line = std::string(option.name) + " = " + documented_default(option);
        if (option.name == "scopes") {
            line = "scopes.smtp = ";
        }
        // uid and group stand in the comment beside user
        const bool present = part.find("\n" + line) != std::string::npos ||
                             part.find("\n# " + line) != std::string::npos ||
                             part.find(" or " + line) != std::string::npos;
        BOOST_TEST(present == (option.support != Support::Refused),
                   option.name << " in the sample: " << line);
    }
}

BOOST_AUTO_TEST_CASE(untouched_sample_names_its_placeholder_only) {
    const auto loaded = load_sample(file_text("conf/agent.toml"));
    BOOST_REQUIRE(!loaded.has_value());
    BOOST_TEST(loaded.error().size() == 1U);
    BOOST_TEST(loaded.error().front().ends_with(
        "client_id: is the placeholder of the sample: put in the id of your app registration"));
}

BOOST_AUTO_TEST_CASE(sample_with_an_id_loads_and_its_defaults_are_the_defaults) {
    std::string sample = file_text("conf/agent.toml");
    replace_all(sample, "00000000-", "12345678-");
    const auto plain = load_sample(sample);
    BOOST_REQUIRE(plain.has_value());
    BOOST_TEST(plain->warnings.empty());

    std::string defaults = "[agent]\n";
    for (const Option& option : all_options()) {
        if (option.section == Section::Agent && !option.default_value.empty()) {
            defaults += std::string(option.name) + " = " + std::string(option.default_value) + "\n";
        }
    }
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
    std::string sample = file_text("conf/agent.toml");
    replace_all(sample, "00000000-", "12345678-");
    // these comments end above [[account]]: further ones show a second rule, with the same keys
    const std::size_t end = sample.find("# Any other OAuth2 server");
    const auto loaded = load_sample(with_comments_opened(sample.substr(0, end)));
    const std::vector<std::string> none;
    BOOST_TEST((loaded ? none : loaded.error()) == none, (loaded ? "" : loaded.error().front()));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::agent
