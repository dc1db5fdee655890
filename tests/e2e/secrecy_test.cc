// SPDX-License-Identifier: Apache-2.0
// A canary secret and the real tokens go through success and failure; afterwards, and while it
// runs, no file, log, command line or environment of anybody shows one of them.
#include <boost/test/unit_test.hpp>

#include "common/base64.hh"
#include "tests/e2e/expectations.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kCanary = "Canary-7f3a~Secret.of_the-rehearsal";

/// The text itself, and what is left of it in base64 at each of the three alignments.
std::vector<std::string> traces_of(const std::string& secret) {
    std::vector<std::string> traces{secret};
    for (std::size_t shift = 0; shift < 3; ++shift) {
        const auto coded = postbearer::base64_encode(std::string(shift, ' ') + secret);
        const std::string text(coded.data(), coded.size());
        traces.push_back(text.substr(4, text.size() - 8));  // without the ends, which depend
    }
    return traces;
}

/// The last part of a JWT is random enough to stand for the whole.
std::vector<std::string> traces_of_tokens(const Rehearsal& rehearsal) {
    std::vector<std::string> traces;
    for (const Json::Value& record : rehearsal.tokens()) {
        const std::string token = record["token"].asString();
        for (std::string& trace : traces_of(token.substr(token.size() - 64))) {
            traces.push_back(std::move(trace));
        }
    }
    return traces;
}

void check_clean(const Path& file, const std::vector<std::string>& traces) {
    const std::string content = read_file(file);
    for (const std::string& trace : traces) {
        BOOST_TEST((content.find(trace) == std::string::npos),
                   "a secret shows in " << file << ": " << trace.substr(0, 12) << "...");
    }
}

/// Logs, queue files, databases: all but where the secret is kept on purpose.
void check_files(const Path& directory, const std::vector<std::string>& traces) {
    std::size_t seen = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
        if (entry.is_regular_file() && entry.path().extension() != ".secret") {
            check_clean(entry.path(), traces);
            ++seen;
        }
    }
    BOOST_TEST(seen > 20U);
}

/// ps and the environment, of every process of the host.
void check_processes(const std::vector<std::string>& traces) {
    std::error_code gone;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", gone)) {
        for (const char* name : {"cmdline", "environ", "comm"}) {
            check_clean(entry.path() / name, traces);
        }
    }
}

void check_everything(Chain& chain) {
    std::vector<std::string> traces = traces_of_tokens(chain.rehearsal());
    BOOST_TEST(!traces.empty());
    for (std::string& trace : traces_of(kCanary)) {
        traces.push_back(std::move(trace));
    }
    check_files(chain.directory(), traces);
    check_processes(traces);
}

ChainSettings with_canary() {
    ChainSettings settings;
    settings.client_json = R"({"tenant":"contoso.test","mailboxes":["*@contoso.test"],)"
                           R"("secrets":[{"value":")" +
                           std::string(kCanary) + R"("}],"pad_bytes":2000})";
    return settings;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(secrecy_test)

BOOST_AUTO_TEST_CASE(nothing_shows_a_secret) {
    Chain chain(with_canary());
    chain.start_without_agent();
    chain.prepare_agent().settings().providers[0].secret = kCanary;
    chain.agent().settings().access.push_back(
        {.subject = "uid = 0", .resources = R"(["smtp", "imap"])"});
    chain.agent().start();
    chain.send_many("works", 3);
    chain.mailboxes().wait_for("alice@example.test", 3);
    chain.rehearsal().set_auth_policy(R"({"refusal":"challenge","refuse_next":1})");
    chain.send("refused once");
    (void)chain.client().log().wait_for("status=deferred");
    check_everything(chain);
    // A provider that repeats what it was sent, and one that gives rubbish.
    (void)chain.rehearsal().behave(
        R"({"times":2,"do":{"kind":"respond","status":400,"body":{"error":"invalid_client",)"
        R"("error_description":"the secret )" +
        std::string(kCanary) + R"( is wrong"}}})");
    const Finished refresh = run(
        {.argv = {Programs::cli(), "refresh", "--all", "--config", chain.agent().configuration()}});
    write_file(chain.directory() / "cli-refresh-all", refresh.output + refresh.error);
    (void)chain.agent().log().wait_for("event=token_refresh_failed");
    check_everything(chain);
    for (const char* verb : {"status", "list", "refresh"}) {
        const Finished said = run(
            {.argv = {Programs::cli(), verb, "--config", chain.agent().configuration(), "--json"}});
        write_file(chain.directory() / (std::string("cli-") + verb), said.output + said.error);
    }
    chain.rehearsal().forget_behaviours();
    chain.flush_until("the last delivery",
                      [&] { return chain.mailboxes().count("alice@example.test") == 4; });
    chain.client().wait_until_empty();
    check_everything(chain);
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()
