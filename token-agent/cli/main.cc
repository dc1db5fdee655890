// SPDX-License-Identifier: Apache-2.0

// postbearer(1): finds the verb, reads its options, runs it.

#include <algorithm>
#include <cstdio>
#include <exception>
#include <iterator>

#include "common/service/privileges.hh"
#include "common/text.hh"
#include "token-agent/cli/command.hh"
#include "token-agent/cli/command_line.hh"
#include "token-agent/cli/milter.hh"

namespace postbearer::cli {
namespace {

constexpr std::size_t kMany = 10'000;

constexpr Verb kVerbs[] = {
    {"status", "[ACCOUNT] [--monitor] [--json]",
     "accounts: state, token lifetime left, last error and its fix",
     "postbearer status relay@contoso.com", 0, 1, run_status},
    {"list", "[--json]", "the configured accounts and where they are configured",
     "postbearer list --json", 0, 0, run_list},
    {"token", "ACCOUNT [--resource smtp|imap|pop|graph] [--test] [--json]",
     "one token on stdout (for msmtp, mbsync, curl); --test: type, audience and expiry of a fresh "
     "one, without printing it",
     "postbearer token relay@contoso.com --test", 1, 1, run_token},
    {"login",
     "ACCOUNT [--device|--browser|--paste] [--port N] [--resource R]... [--accept-user] [--json]",
     "somebody signs in once, and the agent keeps the login",
     "postbearer login alice@contoso.com --device", 1, 1, run_login},
    {"logout", "ACCOUNT [--json]", "forgets a login, and revokes it where the provider can",
     "postbearer logout alice@contoso.com", 1, 1, run_logout},
    {"refresh", "ACCOUNT | --all [--provider P] [--expiring-within 7d] [--dry-run] [--json]",
     "gets new tokens now", "postbearer refresh --all --expiring-within 30m", 0, 1, run_refresh},
    {"rekey", "[--json]", "seals the store with the present master_key, to the last record",
     "postbearer rekey", 0, 0, run_rekey},
    {"export", "FILE [--passphrase-file F] [--json]",
     "all logins, sealed to a passphrase, into a new file",
     "postbearer export /root/postbearer.export", 1, 1, run_export},
    {"import",
     "FILE [--passphrase-file F] | sasl-xoauth2 [--config F] [--account ADDRESS=FILE]... "
     "[--write-config F] [--force] [--dry-run] [--agent-config F] TOKENFILE... [--json]",
     "logins of such a file, or configuration and logins of sasl-xoauth2",
     "postbearer import sasl-xoauth2 --dry-run /etc/tokens/alice@contoso.com", 1, kMany,
     run_import},
    {"reload", "[--json]", "makes agent and milter read their configuration again",
     "postbearer reload", 0, 0, run_reload},
    {"check-config", "[--json]", "says what is wrong with agent.toml and milter.toml",
     "postbearer check-config --config /etc/postbearer/agent.toml", 0, 0, run_check_config},
    {"explain",
     "--from F --rcpt R... [--sasl-user U] [--client IP] [--transport T] [--queue] [--json] [FILE]",
     "what the milter would do with a message, and why; nothing is sent",
     "postbearer explain --from alice@contoso.com --rcpt bob@example.net mail.eml", 0, 1, nullptr},
    {"send-test", "FROM --to TO... --via graph [--json]",
     "one real message through the running milter, and what became of it",
     "postbearer send-test alice@contoso.com --to bob@example.net --via graph", 1, 1, nullptr},
};

void print_usage(std::FILE* out) {
    (void)std::fputs("usage: postbearer VERB [ARGUMENT] [--config FILE] [--json] [--help]\n\n",
                     out);
    for (const Verb& verb : kVerbs) {
        (void)std::fprintf(out, "  %-13.*s%.*s\n", static_cast<int>(verb.name.size()),
                           verb.name.data(), static_cast<int>(verb.summary.size()),
                           verb.summary.data());
    }
    (void)std::fputs(
        "\npostbearer VERB --help shows a verb's options and an example.\n"
        "Exit: 0 done, 1 it failed, 2 usage, 78 configuration.\n",
        out);
}

void print_verb_usage(const Verb& verb, std::FILE* out) {
    (void)std::fprintf(out, "usage: postbearer %.*s %.*s [--config FILE]\n%.*s\nexample: %.*s\n",
                       static_cast<int>(verb.name.size()), verb.name.data(),
                       static_cast<int>(verb.arguments.size()), verb.arguments.data(),
                       static_cast<int>(verb.summary.size()), verb.summary.data(),
                       static_cast<int>(verb.example.size()), verb.example.data());
}

const Verb* find_verb(std::string_view name) {
    const auto* const found = std::find_if(std::begin(kVerbs), std::end(kVerbs),
                                           [name](const Verb& verb) { return verb.name == name; });
    return found == std::end(kVerbs) ? nullptr : found;
}

/// Verbs without a function of their own are the milter's; it reads their options.
int pass_on(const Verb& verb, int argc, char** argv) {
    std::vector<std::string> words{"--" + std::string(verb.name)};
    words.insert(words.end(), argv, argv + argc);
    return become_milter(verb.name, words);
}

int unknown_verb(std::string_view name) {
    std::string text = "unknown verb '" + printable(name, 40) + "'";
    std::vector<std::string_view> names;
    for (const Verb& verb : kVerbs) {
        names.push_back(verb.name);
    }
    if (const std::string_view close = closest_word(name, names); !close.empty()) {
        text += "; did you mean '" + std::string(close) + "'?";
    }
    (void)std::fprintf(stderr, "postbearer: %s\n", text.c_str());
    print_usage(stderr);
    return kUsage;
}

int run(int argc, char** argv) {
    Options options;
    options.config = POSTBEARER_CONFIG_DIR "/agent.toml";
    if (argc >= 2 && std::string_view(argv[1]) == "--version") {
        (void)std::puts("postbearer " POSTBEARER_VERSION);
        return kDone;
    }
    if (argc < 2 || std::string_view(argv[1]) == "--help" || std::string_view(argv[1]) == "-h") {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? kUsage : kDone;
    }
    const Verb* verb = find_verb(argv[1]);
    if (verb == nullptr) {
        return unknown_verb(argv[1]);
    }
    if (verb->run == nullptr) {
        const bool help = std::any_of(argv + 2, argv + argc, [](std::string_view word) {
            return word == "--help" || word == "-h";
        });
        if (help) {
            print_verb_usage(*verb, stdout);
            return kDone;
        }
        return pass_on(*verb, argc - 2, argv + 2);
    }
    if (!parse_options(argc - 1, argv + 1, options)) {
        print_verb_usage(*verb, stderr);
        return kUsage;
    }
    if (options.help) {
        print_verb_usage(*verb, stdout);
        return kDone;
    }
    if (const auto foreign = foreign_option(verb->arguments, options)) {
        (void)std::fprintf(stderr, "postbearer %s: --%s belongs to other verbs\n", argv[1],
                           std::string(*foreign).c_str());
        print_verb_usage(*verb, stderr);
        return kUsage;
    }
    if (options.arguments.size() < verb->min_arguments ||
        options.arguments.size() > verb->max_arguments) {
        print_verb_usage(*verb, stderr);
        return kUsage;
    }
    return verb->run(options);
}

}  // namespace
}  // namespace postbearer::cli

int main(int argc, char** argv) {
    // Before anything is read: tokens, passphrases and authorization codes pass through here.
    postbearer::service::forbid_dumps();
    try {
        return postbearer::cli::run(argc, argv);
    } catch (const std::exception& error) {
        (void)std::fprintf(stderr, "postbearer: internal error: %s\n", error.what());
    } catch (...) {
        (void)std::fputs("postbearer: internal error\n", stderr);
    }
    return 1;
}
