// SPDX-License-Identifier: Apache-2.0
#pragma once

// milter.toml as one immutable value, shared by both fronts; a reload swaps the whole (design 4.6).

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/service/listening_socket.hh"
#include "milter/graph/graph_client.hh"
#include "milter/routing/mailbox_map.hh"
#include "milter/routing/network.hh"

namespace postbearer::milter {

enum class Action : std::uint8_t { Graph, Relay, Reject, Discard };
enum class Strangers : std::uint8_t { Relay, Trim, Reject };
enum class LargeMail : std::uint8_t { Relay, Reject };
enum class NullSender : std::uint8_t { Relay, Mailbox, Reject };
enum class EnvelopeFrom : std::uint8_t { RelayIfDifferent, Ignore };
/// For what may be lost on the way through Graph.
enum class Fragile : std::uint8_t { Relay, Ignore };

[[nodiscard]] std::string_view name_of(Action action) noexcept;

/// Exact address, `@domain` or `*`, in the form of address_key().
using AddressPatterns = std::vector<std::string>;

struct MailboxRule {
    enum class Kind : std::uint8_t { Sender, From, Fixed, Map };
    Kind kind = Kind::Sender;
    std::string address;                    // Fixed
    std::shared_ptr<const MailboxMap> map;  // Map
};

/// One [[route]]. A list that is empty asks nothing.
struct Route {
    std::string name;
    Action action = Action::Graph;
    AddressPatterns sender;              // MAIL FROM
    AddressPatterns from;                // header From, every address of it
    std::vector<std::string> sasl_user;  // lower case; exact, or `*`
    std::vector<Network> client;
    AddressPatterns recipient;  // judged for each recipient
    AddressPatterns allow_from;
    MailboxRule mailbox;
    std::string reason;  // of a reject, one line
    std::string where;   // FILE:LINE:COL
};

struct GraphPolicy {
    bool enabled = true;
    Strangers strangers = Strangers::Relay;
    LargeMail large = LargeMail::Relay;
    NullSender null_sender = NullSender::Relay;
    EnvelopeFrom envelope_from = EnvelopeFrom::RelayIfDifferent;
    Fragile fragile_headers = Fragile::Relay;
    Fragile smtputf8 = Fragile::Relay;
    std::size_t max_recipients = 500;
};

/// Where a front listens.
struct Endpoint {
    enum class Kind : std::uint8_t { Unix, Passed, Inet };
    Kind kind = Kind::Unix;
    service::SocketSetting socket;  // Unix
    std::string name;               // Passed: FileDescriptorName; Inet: libmilter's own spelling
};

struct MilterConfig {
    Endpoint listen;
    Endpoint lmtp;
    std::string agent;      // path of its socket
    std::string state_dir;  // of `journal`
    std::string spool_dir;
    std::string user;
    std::vector<Network> trusted_clients;
    std::vector<std::string> transports{"smtp"};
    std::vector<std::string> local_domains;  // lower case
    GraphPolicy graph;
    std::shared_ptr<const GraphSettings> sending;
    std::vector<Route> routes;
    std::string file;
};

}  // namespace postbearer::milter
