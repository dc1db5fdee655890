// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/other_plugins.hh"

#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/config/text_file.hh"
#include "common/text.hh"
#include "token-agent/cli/plugin_file.hh"

namespace postbearer::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOurs = "libpostbearer.so";
constexpr std::size_t kMaxPluginBytes = 32UL * 1024 * 1024;
constexpr std::pair<std::string_view, std::string_view> kKnown[] = {
    {"libsasl-xoauth2.so", "sasl-xoauth2"}, {"libkdexoauth2.so", "libsasl2-modules-kdexoauth2"}};

std::string package_of(std::string_view file_name) {
    for (const auto& [file, package] : kKnown) {
        if (file_name == file) {
            return std::string(package);
        }
    }
    return {};
}

/// The files that libsasl2 would load, in the order of their names.
std::vector<fs::path> plugins_in(const std::vector<std::string>& directories) {
    std::vector<fs::path> out;
    for (const std::string& directory : directories) {
        std::error_code error;
        for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
             entry.increment(error)) {
            if (entry->path().extension() == ".so") {
                out.push_back(entry->path());
            }
        }
    }
    std::sort(out.begin(), out.end());
    return out;
}

std::vector<OfferedMechanism> mechanisms_of(const fs::path& file) {
    const auto content = config::read_text_file(file, kMaxPluginBytes);
    if (content) {
        return offered_mechanisms(content->text);
    }
    // It cannot be read, yet a known name says enough.
    if (!package_of(file.filename().native()).empty()) {
        return {{"XOAUTH2", {}}};
    }
    return {};
}

/// Ours against theirs: decided only where every table found says the same.
Taken decide(const std::vector<MechanismRank>& ours, const std::vector<MechanismRank>& theirs) {
    std::optional<int> order;
    for (const MechanismRank& our : ours) {
        for (const MechanismRank& their : theirs) {
            const int one = compare_ranks(our, their);
            if (order.value_or(one) != one) {
                return Taken::Undecided;
            }
            order = one;
        }
    }
    return order.value_or(0) == 0 ? Taken::Undecided : *order > 0 ? Taken::Ours : Taken::Other;
}

std::vector<OtherPlugin> others_in(const std::vector<std::string>& directories) {
    std::map<std::string, std::vector<MechanismRank>> ours;
    std::vector<std::pair<fs::path, OfferedMechanism>> theirs;
    for (const fs::path& file : plugins_in(directories)) {
        for (OfferedMechanism& one : mechanisms_of(file)) {
            if (file.filename() == kOurs) {
                ours[one.name] = std::move(one.ranks);
            } else {
                theirs.emplace_back(file, std::move(one));
            }
        }
    }
    std::vector<OtherPlugin> out;
    for (const auto& [file, one] : theirs) {
        if (const auto our = ours.find(one.name); our != ours.end()) {
            out.push_back({file.native(), package_of(file.filename().native()), one.name,
                           decide(our->second, one.ranks)});
        }
    }
    return out;
}

std::string way_out(const OtherPlugin& plugin) {
    const std::string package =
        plugin.package.empty() ? "the package of that file" : "the package " + plugin.package;
    return "remove " + package + ", or see CO-INSTALLED PLUGINS in libpostbearer(8)";
}

}  // namespace

std::vector<std::vector<std::string>> plugin_places() {
    std::vector<std::vector<std::string>> out;
    if (const char* const path = ::secure_getenv("SASL_PATH"); path != nullptr && *path != '\0') {
        std::vector<std::string> directories;
        std::string_view rest = path;
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find(':'), rest.size());
            if (end > 0) {
                directories.emplace_back(rest.substr(0, end));
            }
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        out.push_back(std::move(directories));
    }
    if (out.empty() || out.front() != std::vector<std::string>{POSTBEARER_SASL_DIR}) {
        out.push_back({POSTBEARER_SASL_DIR});
    }
    return out;
}

std::vector<OtherPlugin> other_plugins(const std::vector<std::vector<std::string>>& places) {
    std::vector<OtherPlugin> out;
    for (const std::vector<std::string>& directories : places) {
        for (OtherPlugin& one : others_in(directories)) {
            out.push_back(std::move(one));
        }
    }
    return out;
}

std::string sentence_about(const OtherPlugin& plugin) {
    std::string text = printable(plugin.file, 300);
    text += " offers " + plugin.mechanism + " too";
    switch (plugin.taken) {
        case Taken::Ours:
            text += ": libsasl takes Postbearer's, nothing has to be done";
            break;
        case Taken::Other:
            text +=
                " and libsasl takes that one: Postbearer's tokens are not used; " + way_out(plugin);
            break;
        case Taken::Undecided:
            text += " and the order of loading decides which one libsasl takes; " + way_out(plugin);
            break;
    }
    return text;
}

const char* name_of(Taken taken) noexcept {
    switch (taken) {
        case Taken::Ours:
            return "postbearer";
        case Taken::Other:
            return "other";
        case Taken::Undecided:
            break;
    }
    return "undecided";
}

}  // namespace postbearer::cli
