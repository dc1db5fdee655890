// SPDX-License-Identifier: Apache-2.0
#pragma once

// What all verbs of postbearer(1) share: options, exit codes, and the way to the agent.

#include <json/value.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/agent_client.hh"
#include "common/result.hh"
#include "common/secret.hh"

namespace postbearer::cli {

enum ExitCode : int { kDone = 0, kFailed = 1, kUsage = 2, kBadConfig = 78 };

struct Options {
    std::string config;
    bool config_given = false;
    bool json = false;
    bool help = false;
    // of single verbs
    bool all = false;
    bool dry_run = false;
    bool monitor = false;
    bool test = false;
    std::string resource = "smtp";
    std::vector<std::string> resources;  // as often as given; `resource` is the last
    std::string provider;
    std::optional<std::int64_t> expiring_within;  // seconds
    std::string flow;                             // login: device, browser, paste; empty: chosen
    std::uint16_t port = 0;                       // login: of the loopback listener; 0: free
    bool accept_user = false;
    std::string passphrase_file;  // export, import
    std::string agent_config;     // import sasl-xoauth2, whose --config is the other program's
    std::string peer_config = "/etc/sasl-xoauth2.conf";
    std::string write_config;             // import sasl-xoauth2; empty: agent.d/sasl-xoauth2.toml
    std::vector<std::string> address_of;  // import sasl-xoauth2: ADDRESS=FILE
    bool force = false;
    std::vector<std::string_view> given;  // names of the options that were there, without --
    std::vector<std::string> arguments;
};

/// One request to the admin socket. Error: a sentence for stderr that says what to do; Denied: the
/// agent refused.
[[nodiscard]] Result<Json::Value> call_admin(const Options& options, std::string_view verb,
                                             const Json::Value& arguments);
/// The same with an argument document that holds a secret (AdminArguments).
[[nodiscard]] Result<Json::Value> call_admin(const Options& options, std::string_view verb,
                                             const Secret& arguments);

/// All pages of a verb that answers by pages, as one document; `rows` is the list's name.
[[nodiscard]] Result<Json::Value> call_all_pages(const Options& options, std::string_view verb,
                                                 Json::Value arguments, const char* rows);

/// What the agent said to a request: the document, or its refusal as above.
[[nodiscard]] Result<Json::Value> parse_admin_answer(std::string_view block);
/// The error of a call with what to do about it, where that is not said yet.
[[nodiscard]] Error with_advice(Error error);

/// One round trip for somebody at a terminal: an agent that is away is said so after two seconds,
/// one that works on the request gets `patience`.
[[nodiscard]] Result<Secret> ask(AgentClient& client, const Secret& request,
                                 std::chrono::seconds patience);

/// A word or number of the agent's, as one line for a terminal: it may have come from a server or
/// out of a file. Empty for everything else.
[[nodiscard]] std::string shown(const Json::Value& value);

void print_json(const Json::Value& json);
/// "postbearer VERB: text" on stderr; the exit code to return.
int fail(std::string_view verb, std::string_view text, int code = kFailed);

/// "2d 3h", "1h 12m", "4m 30s", "12s".
[[nodiscard]] std::string human_duration(std::int64_t seconds);

struct Verb {
    std::string_view name;
    std::string_view arguments;  // for the usage line
    std::string_view summary;
    std::string_view example;
    std::size_t min_arguments = 0;
    std::size_t max_arguments = 0;
    int (*run)(const Options&) = nullptr;
};

int run_status(const Options& options);
int run_list(const Options& options);
int run_token(const Options& options);
int run_refresh(const Options& options);
int run_reload(const Options& options);
int run_check_config(const Options& options);
int run_login(const Options& options);
int run_logout(const Options& options);
int run_rekey(const Options& options);
int run_export(const Options& options);
int run_import(const Options& options);

}  // namespace postbearer::cli
