// SPDX-License-Identifier: Apache-2.0
// The configuration loader. Form feeds, which TOML forbids, part the input into files.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "common/text.hh"
#include "token-agent/access_rules.hh"
#include "token-agent/account_table.hh"
#include "token-agent/config_loader.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

constexpr std::size_t kMaxFiles = 4;

/// Touches nothing of the real host.
class NoHost final : public ConfigHost {
public:
    [[nodiscard]] Result<Secret> read_secret(
        const config::SecretReference& reference) const override {
        if (reference.name.size() % 2 == 0) {
            return failure(Errc::Config, "cannot be opened");
        }
        return Secret("secret");
    }
    [[nodiscard]] std::optional<uid_t> user_id(const std::string& name) const override {
        return name.size() % 2 == 0 ? std::nullopt : std::optional<uid_t>(1);
    }
    [[nodiscard]] std::optional<gid_t> group_id(const std::string& name) const override {
        return name.size() % 2 == 0 ? std::nullopt : std::optional<gid_t>(1);
    }
    [[nodiscard]] Result<void> can_read(const std::string&) const override { return {}; }
};

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void check_lines(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
        require(is_plain_utf8(line));  // one line each, fit for the log
    }
}

void check_config(const AgentConfig& config) {
    const AccountTable accounts(config);
    const AccessRules access(config);
    for (const AccountRule& rule : config.accounts) {
        require(rule.provider < config.providers.size());
        const std::string account = rule.match.front() == '@' ? "a" + rule.match
                                    : rule.match == "*"       ? "a@b.invalid"
                                                              : rule.match;
        require(accounts.find(account) != nullptr);
        (void)access.allows(1, {}, Verb::Token, Resource::Smtp, account);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    std::vector<ConfigText> texts;
    while (texts.size() < kMaxFiles) {
        const std::size_t end = rest.find('\f');
        texts.push_back({"file" + std::to_string(texts.size()), rest.substr(0, end)});
        if (end == std::string_view::npos) {
            break;
        }
        rest.remove_prefix(end + 1);
    }
    const ConfigResult loaded = load_config_texts(texts, NoHost());
    if (!loaded) {
        require(!loaded.error().empty());
        check_lines(loaded.error());
        return 0;
    }
    check_lines(loaded->warnings);
    check_config(*loaded->config);
    return 0;
}
