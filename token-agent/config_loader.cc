// SPDX-License-Identifier: Apache-2.0
#include "token-agent/config_loader.hh"

#include <malloc.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/config/reader.hh"
#include "common/config/text_file.hh"
#include "token-agent/config_options.hh"
#include "token-agent/config_sections.hh"

namespace postbearer::agent {
namespace {

using config::Document;
using config::Position;
using config::Problems;
using config::Severity;
using config::Table;
using config::Value;

namespace fs = std::filesystem;

/// Stays where it is: the documents point to the problems.
struct Gathered {
    Problems problems;
    std::vector<Document> documents;
    bool complete = true;
};

void gather_text(Gathered& gathered, const std::string& name, std::string_view text) {
    const std::uint16_t file = gathered.problems.add_file(name);
    auto document = Document::parse(text, file, gathered.problems);
    if (!document) {
        gathered.complete = false;
        return;
    }
    gathered.documents.push_back(std::move(*document));
}

void gather_file(Gathered& gathered, const std::string& path) {
    const auto file = config::read_text_file(path);
    if (!file) {
        const std::uint16_t index = gathered.problems.add_file(path);
        gathered.problems.error({index, 0, 0}, file.error().context);
        gathered.complete = false;
        return;
    }
    gather_text(gathered, path, file->text);
    if (file->writable_by_all) {
        const auto index = static_cast<std::uint16_t>(gathered.problems.files().size() - 1);
        gathered.problems.warn({index, 0, 0},
                               "every local user may write this file: chmod o-w " + path);
    }
}

/// agent.d/*.toml beside the main file, in byte order; hidden files are an editor's.
void gather_directory(Gathered& gathered, const std::string& main_path) {
    const std::string directory = (fs::path(main_path).parent_path() / "agent.d").string();
    std::error_code error;
    std::vector<std::string> paths;
    fs::directory_iterator entry(directory, error);
    for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (name.ends_with(".toml") && name.front() != '.') {
            paths.push_back(entry->path().string());
        }
    }
    if (error && error != std::errc::no_such_file_or_directory) {
        const std::uint16_t index = gathered.problems.add_file(directory);
        gathered.problems.error({index, 0, 0}, "cannot be listed: " + error.message());
        gathered.complete = false;
        return;
    }
    std::sort(paths.begin(), paths.end());
    constexpr std::size_t kMaxFiles = 10'000;
    if (paths.size() > kMaxFiles) {
        const std::uint16_t index = gathered.problems.add_file(directory);
        gathered.problems.error({index, 0, 0}, "holds more than 10000 files");
        gathered.complete = false;
        return;
    }
    for (const std::string& path : paths) {
        gather_file(gathered, path);
    }
}

/// The tables of `[[NAME]]`.
std::vector<Table> tables_of(const Table& root, std::string_view name) {
    std::vector<Table> out;
    const auto value = root.find(name);
    if (!value) {
        return out;
    }
    if (value->kind() == config::Kind::Table) {
        value->error("write [[" + std::string(name) + "]] in double brackets, one for each rule");
        return out;
    }
    const auto list = value->as_list();
    out.reserve(list ? list->size() : 0);
    for (const Value& element : list.value_or(std::vector<Value>())) {
        if (const auto table = element.as_table()) {
            out.push_back(*table);
        }
    }
    return out;
}

void read_providers(const Table& root, Loading& loading) {
    const auto value = root.find("provider");
    const auto providers = value ? value->as_table() : std::nullopt;
    if (!providers) {
        return;
    }
    auto entries = providers->entries();
    // file order instead of the parser's alphabet, so that "first at" points upwards
    std::stable_sort(entries.begin(), entries.end(),
                     [](const Table::Entry& a, const Table::Entry& b) {
                         return std::pair(a.position.line, a.position.column) <
                                std::pair(b.position.line, b.position.column);
                     });
    for (const Table::Entry& entry : entries) {
        read_provider(entry.value, entry.position, loading);
    }
}

void read_top(const Table& root, bool is_main, Loading& loading) {
    root.reject_unknown(option_names(Section::Top), "the top level of the file");
    const auto agent = root.find("agent");
    if (agent && !is_main) {
        loading.problems.error(agent->position(), "[agent] belongs into the main file");
    } else if (agent) {
        read_agent(agent->as_table(), loading);
    }
}

std::uint16_t file_of(const Document& document) { return document.root().position().file; }

void read_all(Gathered& gathered, Loading& loading) {
    read_agent(std::nullopt, loading);  // the defaults
    std::size_t accounts = 0;
    for (const Document& document : gathered.documents) {
        read_top(document.root(), file_of(document) == 0, loading);
    }
    for (const Document& document : gathered.documents) {
        read_providers(document.root(), loading);
        const auto list = document.root().find("account");
        accounts += list && list->kind() == config::Kind::List ? list->as_list()->size() : 0;
    }
    loading.out.accounts.reserve(accounts);
    loading.account_positions.reserve(accounts);
    for (const Document& document : gathered.documents) {
        for (const Table& table : tables_of(document.root(), "account")) {
            read_account(table, loading);
        }
        for (const Table& table : tables_of(document.root(), "access")) {
            read_access(table, loading);
        }
    }
    check_accounts(loading);
    check_access(loading);
    check_store(loading);
}

ConfigResult load(Gathered& gathered, const ConfigHost& host) {
    auto out = std::make_shared<AgentConfig>();
    Loading loading{gathered.problems, host, *out, gathered.complete, {}, {}, {}, {}};
    read_all(gathered, loading);
    if (gathered.problems.has_errors()) {
        return tl::unexpected(gathered.problems.lines(Severity::Error));
    }
    out->files = gathered.problems.files();
    return LoadedConfig{std::move(out), gathered.problems.lines(Severity::Warning)};
}

}  // namespace

SourcePosition source_position(Position at, const Loading& loading) {
    return {loading.problems.files()[at.file], at.line, at.column};
}

ConfigResult load_config_texts(std::span<const ConfigText> texts, const ConfigHost& host) {
    Gathered gathered;
    for (const ConfigText& text : texts) {
        gather_text(gathered, text.name, text.text);
    }
    return load(gathered, host);
}

ConfigResult load_config(const std::string& path, const ConfigHost& host) {
    ConfigResult result = [&] {
        Gathered gathered;
        gather_file(gathered, path);
        gather_directory(gathered, path);
        return load(gathered, host);
    }();
#ifdef __GLIBC__
    // The syntax trees of 100,000 accounts are 90 MB, which malloc would keep until the next load.
    (void)::malloc_trim(0);
#endif
    return result;
}

ConfigResult load_config(const std::string& path) {
    return load_config(path, config::SystemHost());
}

}  // namespace postbearer::agent
