// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/export.hh"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/base64.hh"
#include "tests/support/scripted_admin.hh"
#include "tests/support/temp_dir.hh"
#include "tests/unit/cli/scene.hh"
#include "token-agent/cli/import.hh"
#include "token-agent/cli/passphrase.hh"

using namespace postbearer;
using namespace postbearer::test;
using postbearer::cli::Options;

namespace {

const std::string kPassphrase = "correct horse battery";

struct Room : Scene {
    TempDir dir{"pb-export"};
    Options options;
    std::unique_ptr<ScriptedAdmin> agent;
    Path file = dir / "logins.export";

    Room() {
        write_file(dir / "passphrase", kPassphrase + "\n", 0600);
        options.passphrase_file = (dir / "passphrase").string();
        options.arguments = {file.string()};
    }
    void start(ScriptedAdmin::Handler handler) {
        agent = std::make_unique<ScriptedAdmin>(dir.path(), std::move(handler));
        options.config = agent->config();
    }
    /// Two pages.
    void start_export() {
        start([](const ScriptedAdmin::Call& call) {
            Json::Value json;
            const bool first = call.arguments["cursor"].asString().empty();
            json["chunk"] = first ? "UEJFWFBPUlQB" : "//4=";
            json["next"] = first ? "c1" : "";
            json["logins"] = first ? 2 : 1;
            return document(json);
        });
    }
    int run_export() {
        console.json = options.json;
        return cli::export_logins(options, console);
    }
    int run_import() {
        console.json = options.json;
        return cli::import(options, console);
    }
    [[nodiscard]] bool nothing_left() const {
        for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
            const std::string name = entry.path().filename().string();
            if (name.find("logins.export") != std::string::npos) {
                return false;
            }
        }
        return true;
    }
};

/// Standard input is a terminal, at which somebody types as soon as it does not echo.
struct TerminalRoom : Room {
    UniqueFd master{::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
    UniqueFd slave;

    TerminalRoom() {
        BOOST_REQUIRE(::grantpt(master.get()) == 0);
        BOOST_REQUIRE(::unlockpt(master.get()) == 0);
        slave = UniqueFd(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
        BOOST_REQUIRE(slave.valid());
        console.in = slave.get();
        options.passphrase_file.clear();
    }
    [[nodiscard]] bool echoes() const {
        termios now{};
        return ::tcgetattr(slave.get(), &now) == 0 && (now.c_lflag & ECHO) != 0;
    }
    /// Runs `command` and types one line at each prompt. What is typed ahead would be dropped.
    int typing(const std::vector<std::string>& lines, const std::function<int()>& command) {
        int ends[2] = {-1, -1};
        BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
        const UniqueFd prompts(ends[0]);
        std::FILE* const err = ::fdopen(ends[1], "w");
        BOOST_REQUIRE(err != nullptr);
        console.err = err;
        std::thread typist([&] {
            std::size_t next = 0;
            char c = '\0';
            while (::read(prompts.get(), &c, 1) == 1) {
                said += c;
                if (said.ends_with(": ") && next < lines.size()) {
                    while (echoes()) {
                        (void)::poll(nullptr, 0, 1);
                    }
                    const std::string line = lines[next++] + "\n";
                    (void)!::write(master.get(), line.data(), line.size());
                }
            }
        });
        const int code = command();
        (void)std::fclose(err);
        typist.join();
        return code;
    }

    std::string said;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(export_test)

BOOST_FIXTURE_TEST_CASE(pages_become_one_private_file, Room) {
    start_export();
    BOOST_TEST(run_export() == cli::kDone);
    BOOST_TEST(read_file(file) == "PBEXPORT\x01\xFF\xFE");
    struct stat status {};
    BOOST_REQUIRE(::stat(file.c_str(), &status) == 0);
    BOOST_TEST((status.st_mode & 07777) == 0600U);
    BOOST_TEST(says("3 logins written to " + file.string()));
    const auto calls = agent->calls("export");
    BOOST_REQUIRE(calls.size() == 2U);
    BOOST_TEST(calls[0].arguments["passphrase"].asString() == kPassphrase);
    BOOST_TEST(calls[1].arguments["cursor"].asString() == "c1");
    BOOST_TEST(out().find(kPassphrase) == std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(an_import_is_checked_whole_before_anything_is_taken, Room) {
    const std::string bytes = "PBEXPORT" + std::string(cli::kPieceBytes, '\xAB');
    write_file(file, bytes, 0600);
    start([](const ScriptedAdmin::Call& call) {
        Json::Value json;
        json["logins"] = 2;
        json["state"]["piece"] = call.arguments["state"].isNull() ? 1 : 2;
        return document(json);
    });
    options.arguments = {"postbearer", file.string()};
    BOOST_TEST(run_import() == cli::kDone);
    const auto calls = agent->calls("import_export");
    BOOST_REQUIRE(calls.size() == 4U);
    for (const std::size_t first : {std::size_t{0}, std::size_t{2}}) {
        const Json::Value& one = calls[first].arguments;
        const Json::Value& two = calls[first + 1].arguments;
        BOOST_TEST(one["check"].asBool() == (first == 0));
        BOOST_TEST(two["check"].asBool() == (first == 0));
        BOOST_TEST(one["state"].isNull());
        BOOST_TEST(two["state"]["piece"].asInt() == 1);
        BOOST_TEST(!one["last"].asBool());
        BOOST_TEST(two["last"].asBool());
        const auto head = base64_decode(one["chunk"].asString());
        const auto tail = base64_decode(two["chunk"].asString());
        BOOST_REQUIRE((head && tail));
        BOOST_TEST((std::string(view(*head)) + std::string(view(*tail)) == bytes));
    }
    BOOST_TEST(says("4 logins taken over"));
}

BOOST_FIXTURE_TEST_CASE(what_the_agent_cannot_open_is_not_taken, Room) {
    write_file(file, "PBEXPORT...", 0600);
    start([](const ScriptedAdmin::Call&) {
        return refused("denied", "access_denied", "the passphrase is wrong");
    });
    BOOST_TEST(run_import() == cli::kFailed);
    BOOST_TEST(complains("postbearer import: the passphrase is wrong\n"));
    BOOST_REQUIRE(agent->calls().size() == 1U);
    BOOST_TEST(agent->calls().front().arguments["check"].asBool());
}

BOOST_FIXTURE_TEST_CASE(logins_that_are_skipped_are_said, Room) {
    write_file(file, "PBEXPORT...", 0600);
    start([](const ScriptedAdmin::Call&) {
        Json::Value json;
        json["logins"] = 0;
        json["skipped"].append("bob@x.example: there is no provider contoso");
        return document(json);
    });
    BOOST_TEST(run_import() == cli::kFailed);
    BOOST_TEST(complains("left out: bob@x.example: there is no provider contoso\n"));
}

BOOST_FIXTURE_TEST_CASE(an_existing_file_is_not_overwritten, Room) {
    start_export();
    write_file(file, "mine");
    BOOST_TEST(run_export() == cli::kFailed);
    BOOST_TEST(complains("is there already and is not overwritten"));
    BOOST_TEST(read_file(file) == "mine");
    BOOST_TEST(agent->calls().empty());
}

BOOST_FIXTURE_TEST_CASE(a_failure_on_the_way_leaves_nothing, Room) {
    start([](const ScriptedAdmin::Call& call) {
        Json::Value json;
        json["chunk"] = "AAAA";
        json["next"] = "c1";
        return call.arguments["cursor"].asString().empty()
                   ? document(json)
                   : refused("transient", "store_unwritable", "the store cannot be read");
    });
    BOOST_TEST(run_export() == cli::kFailed);
    BOOST_TEST(complains("the store cannot be read"));
    BOOST_TEST(nothing_left());
}

BOOST_FIXTURE_TEST_CASE(ctrl_c_leaves_nothing, Room) {
    start([this](const ScriptedAdmin::Call&) {
        ctrl_c();
        Json::Value json;
        json["chunk"] = "AAAA";
        json["next"] = "c1";
        return document(json);
    });
    BOOST_TEST(run_export() == cli::kFailed);
    BOOST_TEST(complains("called off"));
    BOOST_TEST(nothing_left());
}

BOOST_FIXTURE_TEST_CASE(other_files_are_refused_before_anything_is_asked, Room) {
    start([](const ScriptedAdmin::Call&) { return document(Json::Value(Json::objectValue)); });
    for (const char* const text : {"", "PBEXPOR", "{\"refresh_token\": \"x\"}"}) {
        write_file(file, text, 0600);
        BOOST_TEST(run_import() == cli::kFailed, text);
    }
    BOOST_TEST(complains("postbearer import sasl-xoauth2 FILE"));
    options.arguments = {(dir / "missing").string()};
    BOOST_TEST(run_import() == cli::kFailed);
    BOOST_TEST(complains("missing cannot be opened: No such file or directory\n"));
    BOOST_TEST(agent->calls().empty());
}

BOOST_FIXTURE_TEST_CASE(garbled_pages_leave_nothing, Room) {
    Json::Value json;
    start([&](const ScriptedAdmin::Call&) { return document(json); });
    json["chunk"] = "not base64!";
    json["next"] = "";
    BOOST_TEST(run_export() == cli::kFailed);
    json["chunk"] = "AAAA";
    json["next"] = "the same for ever";
    BOOST_TEST(run_export() == cli::kFailed);
    BOOST_TEST(complains("garbled answer"));
    BOOST_TEST(nothing_left());
}

BOOST_FIXTURE_TEST_CASE(short_passphrases_are_refused_for_an_export, Room) {
    start_export();
    write_file(dir / "passphrase", "elevenchars\n", 0600);
    BOOST_TEST(run_export() == cli::kFailed);
    BOOST_TEST(complains("12 characters at least"));
    // Characters, not bytes.
    write_file(dir / "passphrase", "\xC3\xA4\xC3\xB6\xC3\xBC\xC3\x9F\xC3\xA4\xC3\xB6\n", 0600);
    BOOST_TEST(run_export() == cli::kFailed);
    BOOST_TEST(agent->calls().empty());
}

BOOST_FIXTURE_TEST_CASE(a_passphrase_file_must_be_private, Room) {
    start_export();
    write_file(dir / "passphrase", kPassphrase + "\n", 0644);
    BOOST_TEST(run_export() == cli::kFailed);
    BOOST_TEST(complains((dir / "passphrase").string()));
    BOOST_TEST(agent->calls().empty());
    BOOST_TEST(err().find(kPassphrase) == std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(without_terminal_a_file_is_needed, Room) {
    start_export();
    type(kPassphrase + "\n" + kPassphrase + "\n");
    options.passphrase_file.clear();
    BOOST_TEST(run_export() == cli::kFailed);
    BOOST_TEST(complains("--passphrase-file"));
}

BOOST_FIXTURE_TEST_CASE(at_a_terminal_it_is_asked_twice, TerminalRoom) {
    start_export();
    BOOST_TEST(typing({"too short", kPassphrase, "another passphrase", kPassphrase, kPassphrase},
                      [&] { return run_export(); }) == cli::kDone);
    BOOST_TEST(said.find("12 characters at least") != std::string::npos);
    BOOST_TEST(said.find("the two passphrases differ") != std::string::npos);
    BOOST_TEST(agent->calls("export").front().arguments["passphrase"].asString() == kPassphrase);
    BOOST_TEST((out() + said).find(kPassphrase) == std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(an_import_asks_once, TerminalRoom) {
    write_file(file, "PBEXPORT...", 0600);
    start([](const ScriptedAdmin::Call&) { return document(Json::Value(Json::objectValue)); });
    BOOST_TEST(typing({"short one"}, [&] { return run_import(); }) == cli::kDone);
    BOOST_TEST(agent->calls().front().arguments["passphrase"].asString() == "short one");
}

BOOST_FIXTURE_TEST_CASE(one_login_is_one_login, Room) {
    start([](const ScriptedAdmin::Call& call) {
        Json::Value json(Json::objectValue);
        json["logins"] = call.arguments["check"] == true ? 0 : 1;
        json["chunk"] = "UEJFWFBPUlQ=";  // PBEXPORT
        json["next"] = "";
        return document(json);
    });
    BOOST_TEST(run_export() == cli::kDone);
    BOOST_TEST(says("1 login written to "));
    BOOST_TEST(run_import() == cli::kDone);
    BOOST_TEST(says("1 login taken over.\nAn agent elsewhere that still uses it must be"));
    BOOST_TEST(!says("1 logins"));
}

BOOST_FIXTURE_TEST_CASE(an_import_of_nothing_says_so, Room) {
    write_file(file, "PBEXPORT...", 0600);
    start([](const ScriptedAdmin::Call&) { return document(Json::Value(Json::objectValue)); });
    BOOST_TEST(run_import() == cli::kDone);
    BOOST_TEST(says("0 logins taken over.\n"));
    BOOST_TEST(!says("An agent elsewhere"));
}

BOOST_FIXTURE_TEST_CASE(json_documents, Room) {
    start_export();
    options.json = true;
    BOOST_TEST(run_export() == cli::kDone);
    BOOST_TEST(out().find(R"("logins":3)") != std::string::npos);
    BOOST_TEST(split_lines(out()).size() == 1U);
}

BOOST_FIXTURE_TEST_CASE(an_import_takes_one_file, Room) {
    options.arguments = {"a", "b"};
    BOOST_TEST(run_import() == cli::kUsage);
}

BOOST_AUTO_TEST_SUITE_END()
