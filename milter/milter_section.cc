// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>

#include "common/config/values.hh"
#include "common/text.hh"
#include "milter/config_options.hh"
#include "milter/config_sections.hh"
#include "milter/envelope/address.hh"

namespace postbearer::milter {
namespace {

using config::Table;
using config::Value;

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kPassed = "fd:";
constexpr std::string_view kInet = "inet:";
constexpr std::size_t kMaxSocketPath = 107;

bool is_local_host(std::string_view host) {
    const auto address = IpAddress::parse(host);
    return host == "localhost" ||
           (address && host.find(':') == std::string_view::npos && address->bytes.front() == 127);
}

std::optional<Endpoint> read_unix(const Value& value, std::string_view path) {
    if (path.empty() || path.front() != '/') {
        value.error("expected an absolute path after unix:");
        return std::nullopt;
    }
    if (path.size() > kMaxSocketPath) {
        value.error("a socket's path has at most 107 bytes, this one " +
                    std::to_string(path.size()));
        return std::nullopt;
    }
    Endpoint endpoint;
    endpoint.socket.path = path;
    return endpoint;
}

std::optional<Endpoint> read_inet(const Value& value, std::string_view text, bool trusted) {
    const std::size_t at = text.find('@', kInet.size());
    const auto port = at == std::string_view::npos
                          ? std::nullopt
                          : parse_decimal(text.substr(kInet.size(), at - kInet.size()));
    if (!port || *port < 1 || *port > 65'535 || !is_local_host(text.substr(at + 1))) {
        value.error(
            "expected inet:PORT@127.0.0.1; a milter has no password, so it listens on "
            "this host only");
        return std::nullopt;
    }
    if (!trusted) {
        value.error(
            "every user of this host could reach a TCP port: use unix:PATH, or set "
            "inet_is_trusted = true");
        return std::nullopt;
    }
    Endpoint endpoint;
    endpoint.kind = Endpoint::Kind::Inet;
    endpoint.name = text;
    return endpoint;
}

std::optional<Endpoint> read_endpoint(const Value& value, bool may_be_inet, bool inet_is_trusted) {
    const auto text = config::line_value(value);
    if (!text) {
        return std::nullopt;
    }
    if (text->starts_with(kUnix)) {
        return read_unix(value, std::string_view(*text).substr(kUnix.size()));
    }
    if (text->starts_with(kPassed) && text->size() > kPassed.size()) {
        Endpoint endpoint;
        endpoint.kind = Endpoint::Kind::Passed;
        endpoint.name = text->substr(kPassed.size());
        return endpoint;
    }
    if (may_be_inet && text->starts_with(kInet)) {
        return read_inet(value, *text, inet_is_trusted);
    }
    value.error(may_be_inet ? "expected unix:PATH, fd:NAME or inet:PORT@127.0.0.1"
                            : "expected unix:PATH or fd:NAME");
    return std::nullopt;
}

bool same_place(const Endpoint& a, const Endpoint& b) {
    return a.kind == b.kind && a.socket.path == b.socket.path && a.name == b.name;
}

void read_sockets(const Table& table, Loading& loading) {
    MilterConfig& out = loading.out;
    const auto trusted = table.find("inet_is_trusted");
    const bool inet_is_trusted = trusted && trusted->as_bool().value_or(false);
    const auto listen = table.find("listen");
    if (listen) {
        out.listen = read_endpoint(*listen, true, inet_is_trusted).value_or(out.listen);
    }
    if (const auto lmtp = table.find("lmtp")) {
        out.lmtp = read_endpoint(*lmtp, false, false).value_or(out.lmtp);
        if (same_place(out.lmtp, out.listen)) {
            lmtp->error("is the same as listen");
        }
    } else if (listen && same_place(out.lmtp, out.listen)) {
        listen->error("is the same as lmtp");
    }
    if (const auto group = table.find("socket_group")) {
        out.listen.socket.group = config::known_group(*group, loading.host);
        out.lmtp.socket.group = out.listen.socket.group;
    }
    if (const auto mode = table.find("socket_mode")) {
        out.listen.socket.mode = config::mode_value(*mode);
        out.lmtp.socket.mode = out.listen.socket.mode;
        if ((out.listen.socket.mode.value_or(0) & S_IWOTH) != 0) {
            mode->warn("every local user may then send through Graph, within the rules");
        }
    }
}

void read_domains(const Value& value, std::vector<std::string>& out) {
    for (const Value& each : value.as_string_list().value_or(std::vector<Value>())) {
        const std::string domain = ascii_lower(*each.as_string());
        if (domain.empty() || domain.find_first_of("@ *") != std::string::npos) {
            each.error("expected a domain such as \"example.com\"");
            continue;
        }
        // Recipients are compared by their address_key(), which has A-labels.
        const auto key = address_key("x@" + domain);
        if (!key) {
            each.error("expected a domain such as \"example.com\"");
            continue;
        }
        out.push_back(key->substr(2));
    }
}

void read_transports(const Value& value, std::vector<std::string>& out) {
    out.clear();
    for (const Value& each : value.as_string_list().value_or(std::vector<Value>())) {
        if (auto word = config::line_value(each)) {
            out.push_back(std::move(*word));
        }
    }
    if (out.empty()) {
        value.error("needs one transport at least, or nothing is ever diverted");
    }
}

}  // namespace

std::vector<Network> networks_value(const Value& value) {
    std::vector<Network> out;
    for (const Value& each : value.as_string_list().value_or(std::vector<Value>())) {
        const auto text = *each.as_string();
        const auto network = Network::parse(text);
        if (!network) {
            each.error(
                "expected a network such as \"192.0.2.0/24\" (no bits set behind the "
                "prefix) or an address, found \"" +
                printable(text, 80) + '"');
            continue;
        }
        out.push_back(*network);
    }
    return out;
}

void read_milter(const std::optional<Table>& section, Loading& loading) {
    MilterConfig& out = loading.out;
    out.listen.socket.path = POSTBEARER_QUEUE_DIR "/run/postbearer/milter.sock";
    out.lmtp.socket.path = POSTBEARER_QUEUE_DIR "/run/postbearer/graph.sock";
    out.agent = POSTBEARER_RUN_DIR "/agent.sock";
    out.state_dir = POSTBEARER_STATE_DIR;
    if (!section) {
        return;
    }
    const Table& table = *section;
    config::check_keys(table, all_options(), Section::Milter, "[milter]");
    read_sockets(table, loading);
    if (const auto agent = table.find("agent")) {
        out.agent = config::socket_path_value(*agent).value_or(out.agent);
    }
    if (const auto journal = table.find("journal")) {
        if (const auto path = config::path_value(*journal)) {
            out.state_dir = std::filesystem::path(*path).parent_path().string();
        }
    }
    if (const auto user = table.find("user")) {
        out.user = config::line_value(*user).value_or("");
        if (!out.user.empty() && !loading.host.user_id(out.user)) {
            user->error("there is no user \"" + out.user + "\" on this host");
        }
    }
    if (const auto trusted = table.find("trusted_clients")) {
        out.trusted_clients = networks_value(*trusted);
    }
    if (const auto transports = table.find("transports")) {
        read_transports(*transports, out.transports);
    }
    if (const auto domains = table.find("local_domains")) {
        read_domains(*domains, out.local_domains);
    }
}

}  // namespace postbearer::milter
