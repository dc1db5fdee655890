// SPDX-License-Identifier: Apache-2.0
#include "token-agent/socket_paths.hh"

#include "common/config/text_file.hh"
#include "token-agent/config_sections.hh"

namespace postbearer::agent {
namespace {

/// Lets every name, file and secret pass: only paths are wanted here.
class IndifferentHost final : public ConfigHost {
public:
    [[nodiscard]] Result<Secret> read_secret(
        const config::SecretReference& /*reference*/) const override {
        return Secret();
    }
    [[nodiscard]] std::optional<uid_t> user_id(const std::string& /*name*/) const override {
        return 0;
    }
    [[nodiscard]] std::optional<gid_t> group_id(const std::string& /*name*/) const override {
        return 0;
    }
    [[nodiscard]] Result<void> can_read(const std::string& /*path*/) const override { return {}; }
};

}  // namespace

SocketPaths load_socket_paths(const std::string& config_path) {
    config::Problems problems;
    const std::uint16_t file = problems.add_file(config_path);
    const auto text = config::read_text_file(config_path);
    std::optional<config::Document> document;
    std::optional<config::Table> section;
    if (text) {
        document = config::Document::parse(text->text, file, problems);
    }
    if (document) {
        const auto value = document->root().find("agent");
        section = value ? value->as_table() : std::nullopt;
    }
    const IndifferentHost host;
    AgentConfig config;
    Loading loading{problems, host, config, true, {}, {}, {}, {}};
    read_agent(section, loading);
    SocketPaths paths;
    for (const service::SocketSetting& socket : config.sockets) {
        paths.agent.push_back(socket.path);
    }
    paths.admin = config.admin_socket.path;
    return paths;
}

}  // namespace postbearer::agent
