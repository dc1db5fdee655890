// SPDX-License-Identifier: Apache-2.0
// The files of sasl-xoauth2, on their way into our configuration. Form feeds, which JSON forbids,
// part the input: first the configuration, then token files.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/reader.hh"
#include "common/text.hh"
#include "token-agent/cli/sasl_xoauth2/import_plan.hh"

namespace {

using namespace postbearer;
using namespace postbearer::cli;

constexpr std::size_t kMaxFiles = 4;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void check_lines(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
        require(is_plain_utf8(line));  // one line each, fit for a terminal
    }
}

/// What is written must be TOML, whatever stood in the files.
void check_text(const std::string& text) {
    config::Problems problems;
    const std::uint16_t file = problems.add_file("sasl-xoauth2.toml");
    require(config::Document::parse(text, file, problems).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view rest(reinterpret_cast<const char*>(data), size);
    std::vector<PeerSource> sources;
    while (sources.size() < kMaxFiles) {
        const std::size_t end = rest.find('\f');
        auto file = parse_peer_file(rest.substr(0, end));
        if (!file) {
            require(is_plain_utf8(mistake_line("file", file.error().at, file.error().text)));
            return 0;
        }
        sources.push_back({"/t/file" + std::to_string(sources.size()), std::move(*file), ""});
        if (end == std::string_view::npos) {
            break;
        }
        rest.remove_prefix(end + 1);
    }
    const PeerSource config = std::move(sources.front());
    sources.erase(sources.begin());
    if (!sources.empty()) {
        sources.back().name = "/t/relay@contoso.com";
    }
    const ImportPlan plan = plan_import(config, std::move(sources));
    check_lines(plan.warnings);
    check_lines(plan.mistakes);
    for (const PlannedAccount& account : plan.accounts) {
        require(account.provider < plan.providers.size());
    }
    if (plan.mistakes.empty()) {
        check_text(config_text(plan, "/etc/postbearer/secrets"));
    }
    return 0;
}
