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

constexpr std::string_view kStorePrefix = "sqlite:";
constexpr std::size_t kMasterKeyBytes = 32;

/// Null with a problem recorded if it cannot be had.
std::shared_ptr<const Secret> read_master_key(const Value& value, std::string_view key,
                                              const Loading& loading) {
    const auto text = value.as_string();
    if (!text) {
        return nullptr;
    }
    auto reference = config::parse_secret_reference(*text, key);
    if (!reference) {
        value.error(reference.error().context);
        return nullptr;
    }
    reference->raw = true;
    auto secret = loading.read_secret(*reference);
    if (!secret) {
        value.error(secret.error().context);
        return nullptr;
    }
    // 32 characters that an editor has put on a line of their own.
    if (secret->size() == kMasterKeyBytes + 1 && secret->reveal().back() == '\n') {
        secret = Secret(secret->reveal().substr(0, kMasterKeyBytes));
    }
    if (secret->size() != kMasterKeyBytes) {
        value.error("must be exactly 32 bytes of random data, found " +
                    std::to_string(secret->size()) +
                    "; make one with: head -c 32 /dev/urandom >FILE");
        return nullptr;
    }
    return std::make_shared<const Secret>(std::move(*secret));
}

void read_store(const Table& table, Loading& loading) {
    AgentConfig& out = loading.out;
    const auto store = table.find("store");
    if (store) {
        const auto text = store->as_string();
        if (text && !text->starts_with("sqlite:/")) {
            store->error("expected \"sqlite:\" and an absolute path");
        } else if (text) {
            out.store_path = text->substr(kStorePrefix.size());
        }
    }
    if (const auto key = table.find("master_key")) {
        out.master_key = read_master_key(*key, "master_key", loading);
        if (out.store_path.empty()) {
            out.store_path = POSTBEARER_STATE_DIR "/tokens.db";
        }
    } else if (store) {
        store->error(
            "needs master_key, 32 random bytes that seal it, such as master_key = "
            "\"file:/etc/postbearer/master-key\"");
    }
    if (const auto keys = table.find("previous_master_keys")) {
        const auto list = keys->as_string_list();
        for (const Value& element : list.value_or(std::vector<Value>())) {
            if (auto key = read_master_key(element, "previous_master_keys", loading)) {
                out.previous_master_keys.push_back(std::move(key));
            }
        }
        if (!table.has("master_key")) {
            keys->error("needs master_key, the new one");
        }
    }
    if (const auto keep = table.find("store_access_tokens")) {
        out.store_access_tokens = keep->as_bool().value_or(true);
    }
}

void read_user(const Table& table, Loading& loading) {
    const auto value = table.find("user");
    if (!value) {
        return;
    }
    std::string& user = loading.out.user;
    user = line_value(*value).value_or("");
    if (user.empty()) {
        return;
    }
    loading.secret_owner = loading.host.user_id(user);
    if (!loading.secret_owner) {
        value->error("there is no user \"" + user + "\" on this host");
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

void check_store(Loading& loading) {
    if (loading.out.master_key != nullptr || loading.problems.has_errors()) {
        return;
    }
    constexpr auto kDelegated = static_cast<std::size_t>(Grant::Delegated);
    for (const ProviderNotes& notes : loading.provider_notes) {
        if (notes.uses[kDelegated] > 0) {
            loading.problems.error(
                notes.first_use[kDelegated],
                "grant: \"delegated\" needs [agent] master_key, 32 random bytes that seal the "
                "refresh tokens; make it with: (umask 077; head -c 32 /dev/urandom "
                ">/etc/postbearer/master-key), and set master_key = "
                "\"file:/etc/postbearer/master-key\"");
            return;
        }
    }
}

void read_agent(const std::optional<Table>& table, Loading& loading) {
    AgentConfig& out = loading.out;
    out.sockets = {{POSTBEARER_RUN_DIR "/agent.sock", "", std::nullopt},
                   {POSTBEARER_QUEUE_DIR "/run/postbearer/agent.sock", "", std::nullopt}};
    out.admin_socket = {POSTBEARER_RUN_DIR "/admin.sock", "", kAdminMode};
    if (!table) {
        return;
    }
    config::check_keys(*table, all_options(), Section::Agent, "[agent]");
    read_user(*table, loading);  // first: secrets may belong to it
    read_store(*table, loading);
    read_socket_settings(*table, loading);
    read_limits(*table, out);
    if (const auto proxy = table->find("http_proxy")) {
        out.http_proxy = proxy_value(*proxy).value_or("");
    }
    if (const auto ca_file = table->find("ca_file")) {
        out.ca_file = readable_path(*ca_file, loading.host).value_or("");
    }
}

}  // namespace postbearer::agent
