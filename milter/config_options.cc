// SPDX-License-Identifier: Apache-2.0
#include "milter/config_options.hh"

namespace postbearer::milter {
namespace {

using enum Section;
constexpr config::Support kUnused = config::Support::Unused;
constexpr config::Support kRefused = config::Support::Refused;

constexpr Option kOptions[] = {
    {Top, "milter", "table", "", "the daemon and what may be diverted"},
    {Top, "graph", "table", "", "how mail goes to Microsoft Graph"},
    {Top, "route", "list of tables", "", "which mail takes which way"},

    {Milter, "listen", "unix:PATH, fd:NAME or inet:PORT@HOST",
     "\"unix:" POSTBEARER_QUEUE_DIR "/run/postbearer/milter.sock\"", "the milter front"},
    {Milter, "lmtp", "unix:PATH or fd:NAME",
     "\"unix:" POSTBEARER_QUEUE_DIR "/run/postbearer/graph.sock\"", "the LMTP front"},
    {Milter, "inet_is_trusted", "boolean", "false",
     "lets listen be a TCP address, which has no permissions"},
    {Milter, "socket_group", "group", "", "group of both sockets"},
    {Milter, "socket_mode", "octal string", "", "mode of both sockets"},
    {Milter, "user", "user", "", "dropped to once the sockets are bound"},
    {Milter, "agent", "path", "\"" POSTBEARER_RUN_DIR "/agent.sock\"", "the token agent's socket"},
    {Milter, "journal", "path", "\"" POSTBEARER_STATE_DIR "/journal.db\"",
     "its directory holds the state of the daemon"},
    {Milter, "trusted_clients", "list of networks", "[]", "clients whose mail counts as submitted"},
    {Milter, "transports", "list of words", "[\"smtp\"]",
     "divert only what Postfix would hand to one of these"},
    {Milter, "local_domains", "list of domains", "[]", "never diverted"},

    {Graph, "enabled", "boolean", "true", "false: everything relays"},
    {Graph, "cloud", "global | gcc | gcc-high | dod | china", "\"global\"",
     "Microsoft's national clouds"},
    {Graph, "endpoint", "URL", "", "overrides cloud"},
    {Graph, "allow_http_loopback", "boolean", "false", "http:// endpoint on this host"},
    {Graph, "delivery", "sendmail", "\"sendmail\"", "how a message is handed over"},
    {Graph, "strangers", "relay | trim | reject", "\"relay\"",
     "To and Cc name somebody outside the envelope"},
    {Graph, "large", "relay | reject", "\"relay\"", "more than Graph takes"},
    {Graph, "null_sender", "relay | mailbox | reject", "\"relay\"", "MAIL FROM:<>"},
    {Graph, "envelope_from", "relay_if_different | ignore", "\"relay_if_different\"",
     "MAIL FROM other than the mailbox, which Graph drops"},
    {Graph, "fragile_headers", "relay | ignore", "\"relay\"", "headers that Graph drops"},
    {Graph, "smtputf8", "relay | ignore", "\"relay\"", "addresses beyond ASCII"},
    {Graph, "max_recipients", "integer", "500", "recipients of one message"},
    {Graph, "concurrency", "integer", "3", "requests to one mailbox at a time"},
    {Graph, "budget", "duration", "\"60s\"", "longest wait before an attempt is put off"},
    {Graph, "answer_timeout", "duration", "\"60s\"", "longest wait for Graph's answer"},
    {Graph, "spool_dir", "path", "\"" POSTBEARER_STATE_DIR "/spool\"",
     "messages while they are being sent"},
    {Graph, "proxy", "URL", "", "HTTP proxy, by CONNECT"},
    {Graph, "ca_file", "path", "", "CA certificates (PEM) in place of the system's"},
    {Graph, "in_doubt", "reconcile | resend", "\"reconcile\"",
     "what becomes of a message that may have been sent", kUnused},
    {Graph, "reconcile_at", "list of durations", "", "when sent mail is looked up", kUnused},
    {Graph, "journal_keep", "duration", "\"14d\"", "how long entries are kept", kUnused},
    {Graph, "rate", "string", "", "messages per minute of one mailbox", kRefused},
    {Graph, "recipients_per_day", "integer", "", "budget of one mailbox", kRefused},
    {Graph, "tenant_external_per_day", "integer", "", "budget of the tenant", kRefused},
    {Graph, "upload_hosts", "list of hosts", "", "for large mail", kRefused},
    {Graph, "bounce_bridge", "boolean", "", "bounces out of the mailbox", kRefused},

    {Route, "name", "word", "", "stands in logs and answers"},
    {Route, "action", "graph | relay | reject | discard", "\"graph\"", "what becomes of it"},
    {Route, "sender", "list of address, @domain or *", "", "MAIL FROM"},
    {Route, "from", "list of address, @domain or *", "", "header From"},
    {Route, "sasl_user", "list of names or *", "", "who has signed in"},
    {Route, "client", "list of networks", "", "the SMTP client's address"},
    {Route, "recipient", "list of address, @domain or *", "", "RCPT TO, each of them"},
    {Route, "allow_from", "list of address, @domain or *", "",
     "senders that may be used; others are rejected"},
    {Route, "mailbox", "sender | from | an address | map:FILE", "\"sender\"",
     "which Graph mailbox sends"},
    {Route, "reason", "string", "", "of a reject; the client reads it"},
};

}  // namespace

std::span<const Option> all_options() noexcept { return kOptions; }

}  // namespace postbearer::milter
