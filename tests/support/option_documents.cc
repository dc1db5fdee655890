// SPDX-License-Identifier: Apache-2.0
#include "tests/support/option_documents.hh"

#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "tests/support/failure.hh"

namespace postbearer::test {
namespace {

/// The text of each `.It Ic KEY , KEY` of the man page, under "SECTION/KEY".
std::map<std::string, std::string> man_items(std::string page) {
    replace_all(page, "\\\n", "");
    replace_all(page, "\\(dq", "\"");
    std::map<std::string, std::string> out;
    std::vector<std::string> keys;
    std::string section;
    std::istringstream lines(page);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(".Ss ") || line.starts_with(".Sh ")) {
            section = line.substr(4);
            keys.clear();
        } else if (line.starts_with(".It Ic ")) {
            keys.clear();
            std::istringstream words(line.substr(7));
            for (std::string word; words >> word;) {
                if (word != ",") {
                    keys.push_back(section);
                    keys.back().append("/").append(word);
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

bool begins_a_line(const std::string& text, const std::string& what) {
    return text.starts_with(what) || text.find("\n" + what) != std::string::npos;
}

}  // namespace

std::string source_file(const std::string& name) {
    std::ifstream in(std::string(POSTBEARER_SOURCE_ROOT "/") + name);
    if (!in.good()) {
        fail("there is no " + name + " in the source tree");
    }
    return {std::istreambuf_iterator<char>(in), {}};
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at)) {
        text.replace(at, from.size(), to);
        at += to.size();
    }
}

std::string sample_section(const std::string& sample, std::string_view begin,
                           std::string_view end) {
    const std::string text = "\n" + sample;
    const std::size_t first = text.find("\n" + std::string(begin));
    if (first == std::string::npos) {
        fail("the sample has no line that begins with " + std::string(begin));
    }
    const std::size_t last = end.empty() ? end.npos : text.find("\n" + std::string(end), first);
    return text.substr(first + 1, last == std::string::npos ? last : last - first);
}

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

std::vector<std::string> man_page_faults(const std::string& page,
                                         const std::vector<DocumentedKey>& keys) {
    std::vector<std::string> faults;
    auto items = man_items(page);
    for (const DocumentedKey& key : keys) {
        const std::string name = key.man_section + "/" + key.name;
        const auto item = items.find(name);
        if (item == items.end()) {
            faults.push_back(name + " is not in the man page");
            continue;
        }
        if (item->second.find(key.default_value) == std::string::npos) {
            faults.push_back(name + " without its default " + key.default_value);
        }
        items.erase(item);
    }
    for (const auto& [name, text] : items) {
        faults.push_back("the man page has a key that nobody reads: " + name);
    }
    return faults;
}

std::vector<std::string> sample_faults(const std::vector<DocumentedKey>& keys) {
    std::vector<std::string> faults;
    for (const DocumentedKey& key : keys) {
        if (key.sample_section.empty()) {
            continue;
        }
        // a key that excludes another one stands in the comment beside it: "# or uid = 101"
        const bool present = begins_a_line(key.sample_section, key.sample_line) ||
                             begins_a_line(key.sample_section, "# " + key.sample_line) ||
                             key.sample_section.find(" or " + key.sample_line) != std::string::npos;
        if (present != key.in_sample) {
            faults.push_back(
                (present ? "the sample has a key that is refused: " : "the sample lacks: ") +
                key.sample_line);
        }
    }
    return faults;
}

}  // namespace postbearer::test
