// SPDX-License-Identifier: Apache-2.0
#pragma once

// A program's table of keys against its documents: the man page of its configuration and the sample
// in conf/.

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/config/host.hh"
#include "common/config/options.hh"

namespace postbearer::test {

/// One key of a table, and where the documents describe it.
struct DocumentedKey {
    std::string name;
    std::string default_value;   // as the documents write it; empty: none
    std::string man_section;     // title of the .Ss that has its .It Ic
    std::string sample_section;  // text of the sample that has its line; empty: not compared
    std::string sample_line;     // what that line begins with
    bool in_sample = true;       // a key that is refused does not stand there
};

/// Has every user, group, file and secret that a sample names.
class AgreeableHost final : public config::ConfigHost {
public:
    [[nodiscard]] Result<Secret> read_secret(
        const config::SecretReference& reference) const override {
        return Secret(reference.raw ? "0123456789abcdef0123456789abcdef" : "sample");
    }
    [[nodiscard]] std::optional<uid_t> user_id(const std::string&) const override { return 1; }
    [[nodiscard]] std::optional<gid_t> group_id(const std::string&) const override { return 1; }
    [[nodiscard]] Result<void> can_read(const std::string&) const override { return {}; }
};

/// A file of the source tree; throws TestFailure where there is none.
[[nodiscard]] std::string source_file(const std::string& name);

void replace_all(std::string& text, std::string_view from, std::string_view to);

/// The part of `sample` from the line that begins with `begin` up to the one that begins with
/// `end`; an empty `end` is the end of the text. Throws TestFailure where `begin` is missing.
[[nodiscard]] std::string sample_section(const std::string& sample, std::string_view begin,
                                         std::string_view end);

/// `# key = value   # words` becomes `key = value`.
[[nodiscard]] std::string with_comments_opened(const std::string& sample);

/// Keys without `.It Ic KEY , KEY`, or whose item lacks the default; items that are no keys.
[[nodiscard]] std::vector<std::string> man_page_faults(const std::string& page,
                                                       const std::vector<DocumentedKey>& keys);

/// Keys that stand in the sample, or do not, against what they should.
[[nodiscard]] std::vector<std::string> sample_faults(const std::vector<DocumentedKey>& keys);

/// `[header]` and `key = default` for each key of one section that has a default.
template <typename Section>
[[nodiscard]] std::string defaults_of(std::span<const config::OptionOf<Section>> options,
                                      Section section, std::string_view header) {
    std::string text = std::string(header) + "\n";
    for (const auto& option : options) {
        if (option.section == section && !option.default_value.empty()) {
            text += std::string(option.name) + " = " + std::string(option.default_value) + "\n";
        }
    }
    return text;
}

/// The default of `option` as the documents say it: with the directories of a packaged build.
/// `directories` are pairs of this build's and the packaged one.
template <typename Section>
[[nodiscard]] std::string documented_default(
    const config::OptionOf<Section>& option,
    const std::vector<std::pair<std::string, std::string>>& directories) {
    std::string text(option.default_value);
    for (const auto& [built, packaged] : directories) {
        replace_all(text, built, packaged);
    }
    return text;
}

}  // namespace postbearer::test
