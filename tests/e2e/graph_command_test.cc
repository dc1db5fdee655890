// SPDX-License-Identifier: Apache-2.0
// What an administrator types: options of postbearer-milter, and the verbs of postbearer(1) that
// are the milter's. What `explain` says is then done.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/graph_ends.hh"
#include "tests/e2e/milter_rig.hh"
#include "tests/support/programs.hh"

using namespace postbearer::test;

namespace {

Finished run_milter(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), Programs::milter());
    return run({.argv = std::move(arguments)});
}

Finished run_cli(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), Programs::cli());
    return run({.argv = std::move(arguments),
                .environment = {{"POSTBEARER_MILTER_PROGRAM", Programs::milter()}}});
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

// ---- explain ------------------------------------------------------------------------------------

constexpr const char* kRoutes =
    "[[route]]\nname = \"muted\"\nsender = [\"muted@contoso.test\"]\naction = \"discard\"\n"
    "[[route]]\nname = \"blocked\"\nsender = [\"blocked@contoso.test\"]\naction = \"reject\"\n"
    "reason = \"not from here\"\n"
    "[[route]]\nname = \"plain\"\nsender = [\"plain@contoso.test\"]\naction = \"relay\"\n"
    "[[route]]\nname = \"own\"\nsender = [\"own@contoso.test\"]\n"
    "allow_from = [\"own@contoso.test\"]\n"
    "[[route]]\nname = \"bot\"\nsender = [\"bot@contoso.test\"]\nmailbox = \"from\"\n"
    "[[route]]\nname = \"contoso\"\nsender = [\"@contoso.test\"]\n";

/// A message, and what shall become of it.
struct Letter {
    std::string sender;
    std::vector<std::string> to;
    std::string message;
    const char* decision;
    const char* reason;
    const char* client = kTrustedClient;
};

std::vector<Letter> letters() {
    const std::string app = kApp;
    const auto from = [](const std::string& who, const std::string& more = "") {
        return plain_message(who, {kAlice}, "explained", more);
    };
    const std::string muted = "muted@contoso.test";
    const std::string blocked = "blocked@contoso.test";
    const std::string plain = "plain@contoso.test";
    const std::string own = "own@contoso.test";
    const std::string bot = "bot@contoso.test";
    return {
        {app, {kAlice, kBob}, from(app), "graph", "route"},
        {app,
         {kAlice, kBob},
         from(app, std::string("Cc: \"B, b\" <") + kBob + ">\n"),
         "graph",
         "route"},
        {app, {kAlice}, from(app, std::string("Cc: ") + kBob + "\n"), "relay", "strangers"},
        {app, {kAlice}, from(app, "List-Id: <l.contoso.test>\n"), "relay", "fragile_headers"},
        {app, {kAlice}, from(app) + std::string(2'923'000, 'x'), "relay", "large"},
        {app, {kAlice, "lisa@local.test"}, from(app), "relay", "local_domains"},
        {app, {kAlice}, from(app), "relay", "not_submitted", "127.0.0.1"},
        {"app@fabrikam.test", {kAlice}, from("app@fabrikam.test"), "relay", "no_route"},
        {"", {kAlice}, from(app), "relay", "no_route"},
        {muted, {kAlice}, from(muted), "discard", "route"},
        {blocked, {kAlice}, from(blocked), "reject", "route"},
        {plain, {kAlice}, from(plain), "relay", "route"},
        {own, {kAlice}, from(own), "graph", "route"},
        {own, {kAlice}, from(app), "reject", "allow_from"},
        {bot, {kAlice}, from(bot), "graph", "route"},
        {bot, {kAlice}, from(app), "relay", "envelope_from"},
        {app, {kAlice}, from(app + ", " + bot), "relay", "from"},
    };
}

std::vector<std::string> question(const GraphChain& chain, const Letter& letter) {
    write_file(chain.directory() / "letter", letter.message);
    std::vector<std::string> words{"--config", (chain.directory() / "milter/milter.toml").string(),
                                   "--from",   letter.sender,
                                   "--client", letter.client};
    for (const std::string& recipient : letter.to) {
        words.insert(words.end(), {"--rcpt", recipient});
    }
    words.push_back((chain.directory() / "letter").string());
    return words;
}

/// `explain` by the daemon's program and by postbearer(1), as text and as JSON.
Json::Value explained(const GraphChain& chain, const Letter& letter) {
    std::vector<std::string> words = question(chain, letter);
    words.insert(words.begin(), "--explain");
    const Finished text = run_milter(words);
    BOOST_TEST(text.ok());
    words.emplace_back("--json");
    const Finished json = run_milter(words);
    BOOST_TEST(json.ok());
    words.front() = "explain";
    BOOST_TEST(run_cli(words).output == json.output);
    words.pop_back();
    BOOST_TEST(run_cli(words).output == text.output);
    Json::Value answer = json_of(json.output);
    BOOST_TEST(answer["version"].asInt() == 1);
    BOOST_TEST(answer["kind"].asString() == "explain");
    for (const char* name : {"decision", "route", "mailbox", "answer"}) {
        const std::string value = answer[name].asString();
        BOOST_TEST((value.empty() || has(text.output, std::string(name) + ": " + value + "\n")),
                   name << " = " << value << " is not in:\n"
                        << text.output);
    }
    return answer;
}

/// What the front said of the message that has just been sent.
std::string routed_line(const GraphChain& chain, std::size_t number) {
    const LogWatch log(chain.directory() / "milter/milter.log");
    log.wait_for_count(number, "event=routed ");
    return log.lines("event=routed ").back();
}

void check_same_recipients(GraphChain& chain, std::uint64_t number, const Json::Value& edits) {
    chain.rehearsal().wait_for_accepted(number, kPatience);
    const Json::Value got = chain.rehearsal().graph_messages();
    const Json::Value& last = got[got.size() - 1];
    BOOST_TEST(edits["visible"].asUInt() == last["to"].size() + last["cc"].size());
    BOOST_TEST(edits["hidden"].asUInt() == last["bcc"].size());
    const std::string raw = last_raw(chain.rehearsal());
    for (const Json::Value& field : edits["fields"]) {
        const std::string line = field.asString();
        BOOST_TEST(has(raw, line.substr(0, line.find(' '))), line << " is not in\n" << raw);
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_command_test)

BOOST_AUTO_TEST_CASE(version_help_and_usage) {
    const Finished version = run_milter({"--version"});
    BOOST_TEST(version.ok());
    BOOST_TEST(version.output.starts_with("postbearer-milter "));
    const Finished help = run_milter({"--help"});
    BOOST_TEST(help.ok());
    BOOST_TEST(help.output.starts_with("usage: postbearer-milter"));
    const RawMilter daemon;
    const std::string file = daemon.configuration();
    for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
             {"--nonsense"},
             {"--config"},
             {"extra"},
             {"--version=x"},
             {"--via", "smtp"},
             {"--explain", "--config", file},
             {"--explain", "--config", file, "--from", "a@b.test"},
             {"--explain", "--config", file, "--from", "a@b.test", "--rcpt", "nobody"},
             {"--explain", "--config", file, "--from", "a@b.test", "--rcpt", "a@b.test", "--client",
              "localhost"},
             {"--explain", "--config", file, "--from", "a@b.test", "--rcpt", "a@b.test", "x", "y"},
             {"--send-test", "--config", file},
             {"--send-test", "--config", file, "a@b.test"},
             {"--send-test", "--config", file, "a@b.test", "--to", "nobody"}}) {
        const Finished finished = run_milter(arguments);
        BOOST_TEST(finished.status.code == 2, arguments.front() << finished.error);
        BOOST_TEST(finished.error != "");
        BOOST_TEST(finished.output == "");
    }
}

BOOST_AUTO_TEST_CASE(config_errors_are_told_all_at_once) {
    const RawMilter daemon;
    daemon.configure("lisen = 1\nuser = 7\n");
    const std::string file = daemon.configuration();
    for (const char* task : {"--check-config", "--reload", "--syslog"}) {
        const Finished finished = run_milter({"--config", file, task});
        BOOST_TEST(finished.status.code == 78);
        BOOST_TEST(finished.output == "");
        const std::vector<std::string> lines = split_lines(finished.error);
        BOOST_REQUIRE(lines.size() == 2U);
        BOOST_TEST(lines[0].starts_with(file + ":6:1: unknown key 'lisen' in [milter]"), lines[0]);
        BOOST_TEST(lines[1] == file + ":7:8: user: expected a string, found an integer");
    }
    const Finished absent = run_milter({"--config", "/nonexistent/milter.toml"});
    BOOST_TEST(absent.status.code == 78);
    BOOST_TEST(absent.error.starts_with("/nonexistent/milter.toml:"));
}

BOOST_AUTO_TEST_CASE(check_config_of_a_good_file) {
    const RawMilter daemon;
    const Finished finished =
        run_milter({"--check-config", "--config", daemon.configuration().string()});
    BOOST_TEST(finished.ok());
    BOOST_TEST(finished.output == daemon.configuration().string() + ": good; 1 routes\n");
    BOOST_TEST(finished.error == "");
    BOOST_TEST(!exists(daemon.state()));  // it looks and touches nothing
    BOOST_TEST(!exists(daemon.lmtp_socket()));
}

BOOST_AUTO_TEST_CASE(what_explain_says_is_done) {
    GraphChainSettings settings;
    settings.routes = kRoutes;
    GraphChain chain(settings);
    chain.start();
    std::size_t number = 0;
    std::uint64_t sent = 0;
    for (const Letter& letter : letters()) {
        const std::string name = letter.sender + ", " + letter.reason;
        const Json::Value answer = explained(chain, letter);
        BOOST_TEST(answer["decision"].asString() == letter.decision, name);
        BOOST_TEST(answer["reason"].asString() == letter.reason, name);
        Dialogue session = Dialogue::tcp(chain.submission_port(), letter.client);
        session.open_smtp();
        const std::string reply = session.send(letter.sender, letter.to, letter.message);
        const std::string line = routed_line(chain, ++number);
        for (const char* word : {"decision", "reason", "detail", "route", "mailbox"}) {
            if (std::string(letter.reason) != "large" || std::string(word) != "detail") {
                BOOST_TEST(value_of(line, word) == answer[word].asString(), name << ": " << line);
            }
        }
        if (std::string(letter.decision) == "reject") {
            BOOST_TEST(reply == answer["answer"].asString());
            continue;
        }
        BOOST_TEST(reply.starts_with("250"), reply);
        if (std::string(letter.decision) == "graph") {
            check_same_recipients(chain, ++sent, answer["edits"]);
        }
    }
    chain.client().wait_until_empty();
    BOOST_TEST(chain.rehearsal().accepted() == sent);
    BOOST_TEST(chain.milter().log().count("event=discarded ") == 1U);
    BOOST_TEST(chain.kept().count("lisa@local.test") == 1U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(explain_of_other_ways_in) {
    GraphChain chain;
    chain.start();
    const std::string file = chain.milter().configuration();
    const auto ask = [&](std::vector<std::string> more) {
        more.insert(more.begin(), {"explain", "--config", file, "--from", kApp, "--rcpt", kAlice});
        more.emplace_back("--json");
        return json_of(run_cli(more).output);
    };
    BOOST_TEST(ask({})["decision"].asString() == "graph");  // sendmail(1)
    BOOST_TEST(ask({"--sasl-user", "somebody"})["decision"].asString() == "graph");
    BOOST_TEST(ask({"--client", "192.0.2.1"})["reason"].asString() == "not_submitted");
    BOOST_TEST(ask({"--client", kTrustedClient, "--transport", "local"})["reason"].asString() ==
               "transports");
    const std::string other = "app@fabrikam.test";
    const Json::Value queue = json_of(run_cli({"explain", "--config", file, "--from", other,
                                               "--rcpt", kAlice, "--queue", "--json"})
                                          .output);
    Dialogue session = Dialogue::unix_socket(chain.lmtp_socket());
    (void)session.reply();
    session.expect("LHLO lab.test", "250");
    session.expect("XFORWARD IDENT=QUEUEID", "250");
    BOOST_TEST(session.send(other, {kAlice}, plain_message(other, {kAlice}, "queue")) ==
               queue["answer"].asString());
    const Finished absent = run_cli(
        {"explain", "--config", file, "--from", kApp, "--rcpt", kAlice, "/nonexistent/mail.eml"});
    BOOST_TEST(absent.status.code == 1);
    BOOST_TEST(has(absent.error, "/nonexistent/mail.eml"), absent.error);
    check_ends(chain, {});
    chain.stop();
}

// ---- verbs that talk to the daemon --------------------------------------------------------------

BOOST_AUTO_TEST_CASE(send_test) {
    GraphChain chain;
    chain.start();
    const std::string file = chain.milter().configuration();
    const std::vector<std::string> words{"send-test", kApp,    "--to",  kAlice,     "--to",
                                         kBob,        "--via", "graph", "--config", file};
    const Finished good = run_cli(words);
    BOOST_TEST(good.status.code == 0);
    BOOST_TEST(good.error == "");
    BOOST_TEST(good.output.starts_with(std::string(kAlice) + ": 250 2.0.0 "), good.output);
    BOOST_TEST(has(good.output, std::string("\n") + kBob + ": 250 2.0.0 "));
    check_ends(chain, {.graph = {{kAlice, 1}, {kBob, 1}}});
    chain.rehearsal().set_mailboxes(R"({"*":"missing"})");
    const Finished refused = run_cli(words);
    BOOST_TEST(refused.status.code == 1);
    BOOST_TEST(has(refused.output, std::string(kAlice) + ": 451 4.1.8 "), refused.output);
    BOOST_TEST(has(refused.output, kApp), refused.output);
    std::vector<std::string> more = words;
    more.emplace_back("--json");
    const Json::Value json = json_of(run_cli(more).output);
    BOOST_TEST(json["kind"].asString() == "send_test");
    BOOST_TEST(json["answers"].size() == 2U);
    BOOST_TEST(run_cli({"send-test", kApp, "--to", kAlice, "--via", "smtp", "--config", file})
                   .status.code == 2);
    chain.milter().stop();
    const Finished stopped = run_cli(words);
    BOOST_TEST(stopped.status.code == 1);
    BOOST_TEST(has(stopped.error, "is postbearer-milter running?"), stopped.error);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(reload_and_check_config_of_both) {
    GraphChain chain;
    chain.start();
    // The milter's file is looked for beside the agent's.
    std::filesystem::create_symlink(chain.milter().configuration(),
                                    chain.directory() / "agent/milter.toml");
    const std::string agent = chain.agent().configuration();
    const Finished checked = run_cli({"check-config", "--config", agent});
    BOOST_TEST(checked.ok());
    BOOST_TEST(has(checked.output, agent + ": good; "), checked.output);
    BOOST_TEST(has(checked.output, "milter.toml: good; 1 routes"), checked.output);
    BOOST_TEST(run_cli({"reload", "--config", agent}).ok());
    (void)chain.agent().log().wait_for("event=reloaded ");
    (void)chain.milter().log().wait_for("event=reloaded ");
    BOOST_TEST(run_cli({"reload", "--config", agent, "--json"}).ok());
    chain.agent().log().wait_for_count(2, "event=reloaded ");
    chain.milter().log().wait_for_count(2, "event=reloaded ");
    // One that is broken is told, and the other is not kept from its own.
    chain.milter().settings().milter_more += "nonsense = 1\n";
    chain.milter().write_configuration();
    const Finished broken = run_cli({"check-config", "--config", agent});
    BOOST_TEST(broken.status.code == 78);
    BOOST_TEST(has(broken.error, ": unknown key 'nonsense' in [milter]"), broken.error);
    BOOST_TEST(run_cli({"check-config", "--config", agent, "--json"}).status.code == 78);
    BOOST_TEST(run_cli({"reload", "--config", agent}).status.code == 78);
    chain.agent().log().wait_for_count(3, "event=reloaded ");
    chain.submit(kApp, {kAlice}, "still served");
    check_ends(chain, {.graph = {{kAlice, 1}}});
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()
