// SPDX-License-Identifier: Apache-2.0
// Client secret, tokens, subjects and bodies, looked for in whatever the Graph route leaves behind:
// no log, state file, command line or environment of anybody shows one of them.
#include <boost/test/unit_test.hpp>
#include <csignal>

#include "common/base64.hh"
#include "tests/e2e/graph_ends.hh"
#include "tests/support/failure.hh"
#include "tests/support/programs.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kSecret = "Canary-5d2c~Secret.of_the-rehearsal";
constexpr const char* kSubject = "CanarySubjectQuarterlyFigures";
constexpr const char* kBody = "CanaryBodyNobodyShallReadThis";

using Traces = std::vector<std::string>;

/// The text itself, and what is left of it in base64 at each of the three alignments.
void add_traces(Traces& traces, const std::string& secret) {
    traces.push_back(secret);
    for (std::size_t shift = 0; shift < 3; ++shift) {
        const auto coded = postbearer::base64_encode(std::string(shift, ' ') + secret);
        const std::string text(coded.data(), coded.size());
        traces.push_back(text.substr(4, text.size() - 8));  // without the ends, which depend
    }
}

/// The last part of a JWT is random enough to stand for the whole.
Traces traces_of_secrets(const Rehearsal& rehearsal) {
    Traces traces;
    add_traces(traces, kSecret);
    for (const Json::Value& record : rehearsal.tokens()) {
        const std::string token = record["token"].asString();
        add_traces(traces, token.substr(token.size() - 64));
    }
    BOOST_TEST(traces.size() > 4U);
    return traces;
}

Traces traces_of_mail() {
    Traces traces;
    add_traces(traces, kSubject);
    add_traces(traces, kBody);
    return traces;
}

void check_clean(const Path& file, const Traces& traces) {
    const std::string content = read_file(file);
    for (const std::string& trace : traces) {
        BOOST_TEST((content.find(trace) == std::string::npos),
                   file << " shows " << trace.substr(0, 12) << "...");
    }
}

std::size_t check_tree(const Path& directory, const Traces& traces) {
    std::size_t seen = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
        if (entry.is_regular_file() && entry.path().extension() != ".secret") {
            check_clean(entry.path(), traces);
            ++seen;
        }
    }
    return seen;
}

/// ps and the environment, of every process of the host.
void check_processes(const Traces& traces) {
    std::error_code gone;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", gone)) {
        for (const char* name : {"cmdline", "environ", "comm"}) {
            check_clean(entry.path() / name, traces);
        }
    }
}

void check_everything(GraphChain& chain) {
    const Traces secrets = traces_of_secrets(chain.rehearsal());
    BOOST_TEST(check_tree(chain.directory(), secrets) > 20U);
    check_processes(secrets);
    const Traces mail = traces_of_mail();
    for (const Path& place : {chain.directory() / "client/log", chain.directory() / "relay/log",
                              chain.directory() / "milter", chain.directory() / "agent"}) {
        BOOST_TEST(check_tree(place, mail) > 0U);
    }
    check_processes(mail);
}

std::string letter(const std::string& from, const std::string& more = "") {
    return plain_message(from, {kAlice}, kSubject, more, std::string(kBody) + "\n");
}

/// What the daemon answers is written into a file that is looked at.
void keep_answer(const GraphChain& chain, const std::string& answer) {
    static int number = 0;
    write_file(chain.directory() / "milter" / ("answer-" + std::to_string(++number)), answer);
}

void send_all_ways(GraphChain& chain) {
    for (const std::string& from : {std::string(kApp), std::string("app@fabrikam.test"),
                                    std::string("blocked@contoso.test")}) {
        keep_answer(chain, chain.trusted().send(from, {kAlice}, letter(from)));
    }
    keep_answer(chain, chain.trusted().send(kApp, {kAlice},
                                            letter(kApp, std::string("Cc: ") + kBob + "\n")));
    keep_answer(chain, chain.trusted().send(kApp, {kAlice}, letter(kApp, "List-Id: <l>\n")));
    Dialogue root = Dialogue::unix_socket(chain.lmtp_socket());
    (void)root.reply();
    root.expect("LHLO lab.test", "250");
    const std::string other = "app@fabrikam.test";
    keep_answer(chain, root.send(other, {kAlice}, letter(other)));
    keep_answer(chain,
                root.send(kApp, {kAlice}, letter(kApp, "X-Postbearer-Route: graph; id=1\n")));
    root.expect("MAIL FROM:<app@contoso.test>", "250");
    root.expect("RCPT TO:<alice@example.test>", "250");
    root.expect("DATA", "354");
    root.write(with_crlf(letter(kApp)) + "bare\nline feed\r\n.\r\n");
    keep_answer(chain, root.reply());
    root.expect("MAIL FROM:<app@contoso.test>", "250");
    root.expect("RCPT TO:<alice@example.test>", "250");
    root.expect("DATA", "354");
    root.write(std::string("Subject: ") + kSubject +
               "\r\nFrom: x@y.test\r\nFrom: z@y.test\r\n\r\n" + kBody + "\r\n.\r\n");
    keep_answer(chain, root.reply());
}

/// Graph repeats what it was sent, as servers do when they complain.
void refuse_by(GraphChain& chain, unsigned status, const std::string& message) {
    Json::Value order = json_of(R"({"endpoint":"sendmail","times":1})");
    order["do"]["kind"] = "graph_error";
    order["do"]["status"] = status;
    order["do"]["code"] = "ErrorInvalidRequest";
    order["do"]["message"] = message;
    (void)chain.rehearsal().behave(order.toStyledString());
    LogWatch log = chain.milter().log();
    log.mark();
    Dialogue root = Dialogue::unix_socket(chain.lmtp_socket());
    (void)root.reply();
    root.expect("LHLO lab.test", "250");
    keep_answer(chain, root.send(kApp, {kAlice}, letter(kApp)));
    (void)log.wait_for("event=(not_sent|in_doubt|sent) ");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_secrecy_test)

BOOST_AUTO_TEST_CASE(nothing_shows_a_secret) {
    GraphChainSettings settings;
    settings.client_json =
        R"({"tenant":"contoso.test","mailboxes":["*@contoso.test"],"roles":["Mail.Send"],)"
        R"("secrets":[{"value":")" +
        std::string(kSecret) + R"("}],"pad_bytes":2000})";
    settings.routes =
        "[[route]]\nname = \"blocked\"\nsender = [\"blocked@contoso.test\"]\naction = \"reject\"\n"
        "reason = \"not from here\"\n[[route]]\nname = \"contoso\"\nsender = [\"@contoso.test\"]\n";
    GraphChain chain(settings);
    chain.prepare();
    chain.agent().settings().providers[0].secret = kSecret;
    start_prepared(chain);
    send_all_ways(chain);
    chain.rehearsal().wait_for_accepted(2, kPatience);
    check_everything(chain);
    // The agent asks with its secret, the milter with its token; both are told they are wrong.
    const std::string token = chain.rehearsal().tokens()[0]["token"].asString();
    for (const unsigned status : {400U, 401U, 403U, 404U, 429U, 500U, 503U}) {
        refuse_by(chain, status, "Bearer " + token + " is wrong, and so is " + kSecret);
    }
    check_everything(chain);
    chain.client().wait_until_empty();
    chain.milter().settings().milter_more += "nonsense = 1\n";
    chain.milter().reload();
    check_everything(chain);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(a_crash_leaves_no_core) {
    GraphChain chain;
    chain.start();
    chain.submit(kApp, {kAlice}, kSubject);
    check_ends(chain, {.graph = {{kAlice, 1}}});
    const std::string pid = std::to_string(chain.milter().pid());
    BOOST_REQUIRE(::kill(chain.milter().pid(), SIGABRT) == 0);
    wait_until("the milter daemon to end", [&] { return !chain.milter().running(); });
    for (const Path& place : {std::filesystem::current_path(), chain.directory() / "milter",
                              chain.directory() / "milter/state", Path("/")}) {
        BOOST_TEST(!exists(place / "core"));
        BOOST_TEST(!exists(place / ("core." + pid)));
    }
    BOOST_TEST(std::filesystem::is_empty(chain.directory() / "milter/state/spool"));
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()
