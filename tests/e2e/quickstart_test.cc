// SPDX-License-Identifier: Apache-2.0
// tests/quickstart --delegated: what a newcomer sees, and what a newcomer can do by hand with the
// lines that it prints and nothing else.
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <csignal>

#include "tests/support/failure.hh"
#include "tests/support/log_watch.hh"
#include "tests/support/process.hh"
#include "tests/support/programs.hh"
#include "tests/support/temp_dir.hh"

using namespace postbearer::test;

namespace {

constexpr std::chrono::seconds kWholeDemo{200};

/// The first of `parts` that does not come after the one before it; empty: all do.
std::string first_missing(const std::string& text, const std::vector<std::string>& parts) {
    std::size_t at = 0;
    for (const std::string& part : parts) {
        at = text.find(part, at);
        if (at == std::string::npos) {
            return part;
        }
        at += part.size();
    }
    return {};
}

/// The demonstration on its stage, until somebody ends it.
struct ByHand {
    TempDir directory;
    LogWatch said{directory / "said"};
    Process demo;

    ByHand() {
        const Path keyboard = directory / "keyboard";
        if (::mkfifo(keyboard.c_str(), 0600) != 0) {
            fail_errno("mkfifo");
        }
        // Open at both ends, so that it neither blocks nor ends.
        demo = Process({.argv = {"sh", "-c", "exec \"$0\" --delegated --by-hand 0<>\"$1\"",
                                 Programs::quickstart(), keyboard},
                        .output_file = said.path()});
        (void)said.wait_for("^Press Enter or ctrl-C");
    }

    /// The one line to type that has this in it, with what the newcomer puts in.
    [[nodiscard]] std::string line(const std::string& part, const std::string& placeholder = "",
                                   const std::string& value = "") const {
        const std::vector<std::string> found = said.lines("^   .*" + part);
        if (found.size() != 1) {
            fail(std::to_string(found.size()) + " lines with " + part);
        }
        std::string line = found.front();
        if (!placeholder.empty()) {
            line.replace(line.find(placeholder), placeholder.size(), value);
        }
        return line;
    }
    static std::string type(const std::string& line) {
        return run_ok({.argv = {"sh", "-c", line}});
    }
    [[nodiscard]] Process start(const std::string& line, const LogWatch& output) const {
        return Process({.argv = {"sh", "-c", "exec " + line}, .output_file = output.path()});
    }
    void end(const std::string& how) {
        if (how == "Enter") {
            write_to_keyboard();
        } else {
            demo.signal(SIGINT);
        }
        const auto status = demo.wait(kPatience);
        BOOST_REQUIRE(status);
        BOOST_TEST(status->describe() == ExitStatus({0, 0}).describe());
        BOOST_TEST(said.count("^nothing is left running$") == 1U);
    }
    void write_to_keyboard() const {
        (void)run_ok({.argv = {"sh", "-c", "echo >\"$0\"", directory / "keyboard"}});
    }
};

void ends_well(Process& command) {
    const auto status = command.wait(kPatience);
    BOOST_REQUIRE(status);
    BOOST_TEST(status->ok());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(quickstart_test)

BOOST_AUTO_TEST_CASE(delegated) {
    const Finished finished = run({.argv = {Programs::quickstart(), "--delegated"}}, kWholeDemo);
    BOOST_TEST_INFO_SCOPE(finished.output << finished.error);
    BOOST_TEST(finished.status.code == 0);
    BOOST_TEST(finished.error == "");
    BOOST_TEST(
        first_missing(finished.output, {"\n   grant = \"delegated\"\n",
                                        "$ postbearer check-config",
                                        ": good; 1 accounts",
                                        "$ postbearer login alice@contoso.test --device",
                                        "First consent, for smtp:",
                                        "browser: POST",
                                        "One more consent, for graph:",
                                        "browser: POST",
                                        "Logged in: alice@contoso.test (confirmed by id_token)",
                                        "Resources: smtp, graph",
                                        "$ postbearer login bob@contoso.test --browser",
                                        "ssh -L ",
                                        "/oauth2/v2.0/authorize?",
                                        "-> 302 to http://localhost:",
                                        "Logged in: bob@contoso.test (confirmed by id_token)",
                                        "$ postbearer status",
                                        "bob@contoso.test",
                                        "$ sendmail ",
                                        "account=alice@contoso.test resource=smtp",
                                        "sasl_method=XOAUTH2, sasl_username=alice@contoso.test",
                                        "status=sent",
                                        "delivered to maildir",
                                        "$ kill -9 ",
                                        "$ ls -l ",
                                        "-rw------- 1 root root",
                                        "$ grep ",
                                        "tokens.db:0\n",
                                        "tokens.db-wal:0\n",
                                        "$ postbearer-agent",
                                        "$ postbearer status",
                                        "alice@contoso.test",
                                        "$ postbearer refresh alice@contoso.test",
                                        ": refreshed",
                                        "$ sendmail ",
                                        "delivered to maildir",
                                        "$ postbearer logout bob@contoso.test",
                                        "bob@contoso.test: logged out",
                                        "$ postbearer status",
                                        "\nnothing is left running\n"}) == "");
    const std::string end = finished.output.substr(finished.output.rfind("$ postbearer status"));
    BOOST_TEST(end.find("   alice@contoso.test") != std::string::npos);
    BOOST_TEST(end.find("   bob@contoso.test") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(by_hand) {
    ByHand stage;
    LogWatch alice(stage.directory / "alice");
    Process device = stage.start(stage.line("login alice"), alice);
    for (int consent = 0; consent < 2; ++consent) {
        const std::string page = alice.wait_for("^    https://").substr(4);
        const std::string code = alice.wait_for("^    [A-Z0-9]+$").substr(4);
        alice.mark();
        std::string approve = stage.line("user_code=CODE", "CODE", code);
        approve.replace(approve.rfind("PAGE"), 4, page);
        BOOST_TEST(ByHand::type(approve).find("You have signed in") != std::string::npos);
    }
    ends_well(device);

    LogWatch bob(stage.directory / "bob");
    Process browser = stage.start(stage.line("login bob"), bob);
    for (int consent = 0; consent < 2; ++consent) {
        const std::string address = bob.wait_for("^    https://").substr(4);
        bob.mark();
        const std::string page = ByHand::type(stage.line("ADDRESS&login_as", "ADDRESS", address));
        BOOST_TEST(page.find(consent == 0 ? "One more step" : "Signed in") != std::string::npos);
    }
    ends_well(browser);

    const std::string status = ByHand::type(stage.line(" status "));
    BOOST_TEST(first_missing(status, {"alice@contoso.test", "bob@contoso.test"}) == "");
    BOOST_TEST(ByHand::type(stage.line(" token ")).find("upn          alice@contoso.test") !=
               std::string::npos);
    (void)ByHand::type(stage.line("sendmail"));
    wait_until("the message to arrive", [&] {
        return run({.argv = {"sh", "-c", stage.line("cat /")}}).output.find("\nhello\n") !=
               std::string::npos;
    });
    BOOST_TEST(ByHand::type(stage.line(" logout ")).find("bob@contoso.test: logged out") !=
               std::string::npos);
    stage.end("ctrl-C");
}

BOOST_AUTO_TEST_CASE(enter_ends_by_hand) {
    ByHand stage;
    stage.end("Enter");
}

BOOST_AUTO_TEST_CASE(unknown_options) {
    for (const std::vector<std::string>& options : std::vector<std::vector<std::string>>{
             {"--nonsense"}, {"--by-hand"}, {"--delegated", "--nonsense"}, {""}}) {
        Command command{.argv = {Programs::quickstart()}};
        command.argv.insert(command.argv.end(), options.begin(), options.end());
        const Finished finished = run(std::move(command));
        BOOST_TEST(finished.status.code == 2);
        BOOST_TEST(finished.error.find("usage: ") == 0U);
    }
}

BOOST_AUTO_TEST_SUITE_END()
