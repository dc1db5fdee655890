// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "common/config/values.hh"
#include "token-agent/config_options.hh"
#include "token-agent/config_sections.hh"

namespace postbearer::agent {
namespace {

using config::Table;
using config::Value;

constexpr mode_t kAdminMode = 0660;

std::optional<service::SocketSetting> read_socket(const Value& value, const Loading& loading) {
    service::SocketSetting socket;
    if (value.kind() != config::Kind::Table) {
        auto path = socket_path_value(value);
        if (!path) {
            return std::nullopt;
        }
        socket.path = std::move(*path);
        return socket;
    }
    constexpr std::string_view kKeys[] = {"path", "group", "mode"};
    const auto table = value.as_table();
    table->reject_unknown(kKeys, "sockets");
    if (const auto group = table->find("group")) {
        socket.group = known_group(*group, loading.host);
    }
    if (const auto mode = table->find("mode")) {
        socket.mode = mode_value(*mode);
    }
    const auto path = table->find("path");
    if (!path) {
        table->error("a socket needs a path");
        return std::nullopt;
    }
    auto text = socket_path_value(*path);
    if (!text) {
        return std::nullopt;
    }
    socket.path = std::move(*text);
    return socket;
}

void read_sockets(const Value& value, const Loading& loading) {
    const auto list = value.kind() == config::Kind::List ? value.as_list() : std::nullopt;
    if (!list || list->empty()) {
        value.error(list ? "needs one path at least"
                         : "expected a list of paths, found " +
                               std::string(config::name_of(value.kind())));
        return;
    }
    for (const Value& element : *list) {
        auto socket = read_socket(element, loading);
        if (!socket) {
            continue;
        }
        const bool twice = std::any_of(
            loading.out.sockets.begin(), loading.out.sockets.end(),
            [&](const service::SocketSetting& other) { return other.path == socket->path; });
        if (twice) {
            element.error("\"" + socket->path + "\" stands here twice");
            continue;
        }
        loading.out.sockets.push_back(std::move(*socket));
    }
}

void read_socket_settings(const Table& table, Loading& loading) {
    AgentConfig& out = loading.out;
    if (const auto sockets = table.find("sockets")) {
        out.sockets.clear();
        read_sockets(*sockets, loading);
    }
    const auto group = table.find("socket_group");
    const std::string group_name = group ? known_group(*group, loading.host) : std::string();
    const auto mode = table.find("socket_mode");
    const std::optional<mode_t> mode_bits = mode ? mode_value(*mode) : std::nullopt;
    for (service::SocketSetting& socket : out.sockets) {
        if (socket.group.empty()) {
            socket.group = group_name;
        }
        if (!socket.mode) {
            socket.mode = mode_bits;
        }
    }
    if (const auto admin = table.find("admin_socket")) {
        out.admin_socket.path = socket_path_value(*admin).value_or("");
        for (const service::SocketSetting& socket : out.sockets) {
            if (socket.path == out.admin_socket.path) {
                admin->error("is one of sockets too");
            }
        }
    }
    if (const auto admin_group = table.find("admin_group")) {
        out.admin_group = known_group(*admin_group, loading.host);
        out.admin_socket.group = out.admin_group;
    }
}

/// Checked now, so that a file written for the next version is not a surprise then.
void check_unused(const Table& table) {
    if (const auto store = table.find("store")) {
        const auto text = store->as_string();
        if (text && !text->starts_with("sqlite:/")) {
            store->error("expected \"sqlite:\" and an absolute path");
        }
    }
    if (const auto key = table.find("master_key")) {
        const auto text = key->as_string();
        const auto reference = text ? config::parse_secret_reference(*text, "master_key")
                                    : Result<config::SecretReference>();
        if (!reference) {
            key->error(reference.error().context);
        }
    }
}

void read_limits(const Table& table, AgentConfig& out) {
    if (const auto allow = table.find("allow_http_loopback")) {
        out.allow_http_loopback = allow->as_bool().value_or(false);
    }
    if (const auto idle = table.find("idle_after")) {
        out.idle_after = idle->as_duration(std::chrono::seconds(1), std::chrono::hours(24 * 366))
                             .value_or(out.idle_after);
    }
    if (const auto connections = table.find("max_connections_per_uid")) {
        out.max_connections_per_uid =
            static_cast<std::size_t>(connections->as_integer(1, 65'536).value_or(
                static_cast<std::int64_t>(out.max_connections_per_uid)));
    }
    if (const auto concurrency = table.find("provider_concurrency")) {
        out.provider_concurrency =
            static_cast<std::size_t>(concurrency->as_integer(1, 256).value_or(
                static_cast<std::int64_t>(out.provider_concurrency)));
    }
}

}  // namespace

void read_agent(const std::optional<Table>& table, Loading& loading) {
    AgentConfig& out = loading.out;
    out.sockets = {{POSTBEARER_RUN_DIR "/agent.sock", "", std::nullopt},
                   {POSTBEARER_QUEUE_DIR "/run/postbearer/agent.sock", "", std::nullopt}};
    out.admin_socket = {POSTBEARER_RUN_DIR "/admin.sock", "", kAdminMode};
    if (!table) {
        return;
    }
    config::check_keys(*table, all_options(), Section::Agent, "[agent]");
    check_unused(*table);
    read_socket_settings(*table, loading);
    read_limits(*table, out);
    if (const auto user = table->find("user")) {
        out.user = line_value(*user).value_or("");
        if (!out.user.empty() && !loading.host.user_id(out.user)) {
            user->error("there is no user \"" + out.user + "\" on this host");
        }
    }
    if (const auto proxy = table->find("http_proxy")) {
        out.http_proxy = proxy_value(*proxy).value_or("");
    }
    if (const auto ca_file = table->find("ca_file")) {
        out.ca_file = readable_path(*ca_file, loading.host).value_or("");
    }
}

}  // namespace postbearer::agent
