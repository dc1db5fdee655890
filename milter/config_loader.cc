// SPDX-License-Identifier: Apache-2.0
#include "milter/config_loader.hh"

#include <utility>

#include "common/config/text_file.hh"
#include "milter/config_options.hh"
#include "milter/config_sections.hh"

namespace postbearer::milter {
namespace {

using config::Document;
using config::Problems;
using config::Severity;
using config::Table;
using config::Value;

std::optional<Table> table_of(const Table& root, std::string_view name) {
    const auto value = root.find(name);
    return value ? value->as_table() : std::nullopt;
}

void read_routes(const Table& root, Loading& loading) {
    const auto value = root.find("route");
    if (!value) {
        return;
    }
    if (value->kind() == config::Kind::Table) {
        value->error("write [[route]] in double brackets, one for each rule");
        return;
    }
    for (const Value& element : value->as_list().value_or(std::vector<Value>())) {
        if (const auto table = element.as_table()) {
            read_route(*table, loading);
        }
    }
}

ConfigResult load(Problems& problems, const std::optional<Document>& document,
                  const config::ConfigHost& host) {
    auto out = std::make_shared<MilterConfig>();
    auto sending = std::make_shared<GraphSettings>();
    if (document) {
        Loading loading{problems, host, *out, *sending, {}};
        const Table root = document->root();
        config::check_keys(root, all_options(), Section::Top, "the top level of the file");
        read_milter(table_of(root, "milter"), loading);
        read_graph(table_of(root, "graph"), loading);
        read_routes(root, loading);
        check_routes(loading);
    }
    if (problems.has_errors()) {
        return tl::unexpected(problems.lines(Severity::Error));
    }
    out->sending = std::move(sending);
    out->file = problems.files().front();
    return LoadedConfig{std::move(out), problems.lines(Severity::Warning)};
}

}  // namespace

ConfigResult load_config_text(const std::string& name, std::string_view text,
                              const config::ConfigHost& host) {
    Problems problems;
    const auto file = problems.add_file(name);
    const auto document = Document::parse(text, file, problems);
    return load(problems, document, host);
}

ConfigResult load_config(const std::string& path, const config::ConfigHost& host) {
    const auto file = config::read_text_file(path);
    if (!file) {
        return tl::unexpected(std::vector<std::string>{path + ": " + file.error().context});
    }
    Problems problems;
    const auto index = problems.add_file(path);
    if (file->writable_by_all) {
        problems.warn({index, 0, 0}, "every local user may write this file: chmod o-w " + path);
    }
    const auto document = Document::parse(file->text, index, problems);
    return load(problems, document, host);
}

ConfigResult load_config(const std::string& path) {
    return load_config(path, config::SystemHost());
}

}  // namespace postbearer::milter
