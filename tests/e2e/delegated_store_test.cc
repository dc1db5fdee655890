// SPDX-License-Identifier: Apache-2.0
// What can befall a store of logins while nobody looks: no login is lost that could be kept, what
// is lost says so, and application tokens go on whatever happens.
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <ctime>

#include "tests/e2e/delegated_rig.hh"
#include "tests/support/failure.hh"

using namespace postbearer::test;

namespace {

using namespace std::chrono_literals;

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// The application's own token, got now and not from memory.
void check_app_only_goes_on(DelegatedRig& rig) {
    BOOST_TEST(rig.good_token(kAppOnlyAccount)["status"] == "ok");
    BOOST_TEST(rig.refreshes(kAppOnlyAccount));
}

/// A file system of its own below a store, which can be filled and made read-only.
class SmallDisk {
public:
    explicit SmallDisk(Path where) : where_(std::move(where)) {
        make_directory(where_, 0700);
        if (::mount("tmpfs", where_.c_str(), "tmpfs", 0, "size=1m,mode=0700") != 0) {
            fail_errno("cannot mount a small disk");
        }
    }
    ~SmallDisk() { (void)::umount2(where_.c_str(), MNT_DETACH); }
    SmallDisk(const SmallDisk&) = delete;
    SmallDisk& operator=(const SmallDisk&) = delete;
    SmallDisk(SmallDisk&&) = delete;
    SmallDisk& operator=(SmallDisk&&) = delete;

    /// To the last byte.
    void fill() const {
        (void)run({.argv = {"dd", "if=/dev/zero", "of=" + filler().string(), "bs=4096"}});
        (void)run({.argv = {"dd", "if=/dev/zero", "of=" + filler().string() + "2", "bs=1"}});
    }
    void free() const {
        std::filesystem::remove(filler());
        std::filesystem::remove(filler().string() + "2");
    }
    void make_read_only() const { remount(MS_RDONLY); }
    void make_writable() const { remount(0); }
    [[nodiscard]] const Path& path() const noexcept { return where_; }

private:
    [[nodiscard]] Path filler() const { return where_ / "filler"; }
    void remount(unsigned long flags) const {
        if (::mount("tmpfs", where_.c_str(), "tmpfs", MS_REMOUNT | flags, "size=1m") != 0) {
            fail_errno("cannot remount the small disk");
        }
    }
    Path where_;
};

/// A rig whose store lies on a small disk.
struct SmallDiskRig {
    DelegatedRig rig;
    SmallDisk disk;

    explicit SmallDiskRig(DelegatedSettings settings)
        : rig(std::move(settings)), disk(rig.directory() / "disk") {
        rig.agent().settings().store_directory = disk.path() / "state";
        rig.agent().start();
    }
    // The agent holds files on the disk.
    ~SmallDiskRig() { rig.agent().kill(); }
    SmallDiskRig(const SmallDiskRig&) = delete;
    SmallDiskRig& operator=(const SmallDiskRig&) = delete;
    SmallDiskRig(SmallDiskRig&&) = delete;
    SmallDiskRig& operator=(SmallDiskRig&&) = delete;
};

long seconds_left(AttributeMap token) {
    return std::stol(token["expires_at"]) - static_cast<long>(std::time(nullptr));
}

/// How it ended; it must not come to serve.
ExitStatus refused_start(DelegatedRig& rig) {
    rig.agent().launch();
    const auto ended = rig.agent().wait(20s);
    BOOST_REQUIRE(ended);
    return *ended;
}

std::string log_of(DelegatedRig& rig) { return read_file(rig.agent().log_path()); }

}  // namespace

BOOST_AUTO_TEST_SUITE(delegated_store_test)

/// The access token has expired while the agent was down, the refresh token is good once.
BOOST_AUTO_TEST_CASE(twenty_at_once_on_a_single_use_refresh_token) {
    DelegatedRig rig({.rotation = "strict", .lifetime = 2});
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    const AttributeMap first = rig.good_token(kAliceUser);
    rig.agent().stop();
    wait_until("the access token to expire", [&] { return seconds_left(first) < 0; });
    (void)rig.rehearsal().order("PUT", "/clients/22222222-2222-2222-2222-222222222222",
                                R"({"tenant":"contoso.test","public":true,"rotation":"strict",)"
                                R"("redirect_uris":["http://localhost"],"lifetime":3600})");
    (void)rig.rehearsal().behave(R"({"grant":"refresh_token","do":{"kind":"latency","ms":300}})");
    rig.agent().start();
    const std::uint64_t before = rig.rehearsal().counter("refresh_requests");
    std::array<std::unique_ptr<RawClient>, 20> clients;
    for (auto& client : clients) {
        client = std::make_unique<RawClient>(rig.agent().socket());
        BOOST_TEST(client->send("request=token\naccount=alice@contoso.test\nresource=smtp\n\n"));
    }
    std::string token;
    for (auto& client : clients) {
        AttributeMap answer = attributes_of(client->answer(20s));
        BOOST_TEST(answer["status"] == "ok");
        token = token.empty() ? answer["token"] : token;
        BOOST_TEST(answer["token"] == token);
    }
    BOOST_TEST(rig.rehearsal().counter("refresh_requests") == before + 1);
    BOOST_TEST(rig.rehearsal().counter("refresh_reuse") == 0U);
    rig.agent().stop();
}

/// One login serves all resources, each with a token of its own; at once, too.
BOOST_AUTO_TEST_CASE(resources_of_one_login_take_their_turns) {
    DelegatedRig rig({.rotation = "strict"});
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    std::array<std::unique_ptr<RawClient>, 3> clients;
    constexpr const char* kResources[] = {"smtp", "imap", "graph"};
    for (std::size_t i = 0; i < clients.size(); ++i) {
        clients[i] = std::make_unique<RawClient>(rig.agent().socket());
        BOOST_TEST(
            clients[i]->send(std::string("request=token\naccount=alice@contoso.test\nresource=") +
                             kResources[i] + "\n\n"));
    }
    std::vector<std::string> fingerprints;
    for (auto& client : clients) {
        AttributeMap answer = attributes_of(client->answer(20s));
        BOOST_TEST(answer["status"] == "ok", answer["message"]);
        fingerprints.push_back(answer["fingerprint"]);
    }
    std::sort(fingerprints.begin(), fingerprints.end());
    BOOST_TEST((std::unique(fingerprints.begin(), fingerprints.end()) == fingerprints.end()));
    BOOST_TEST(rig.rehearsal().counter("refresh_reuse") == 0U);
    BOOST_TEST(rig.rehearsal().counter("refresh_successes") == 3U);
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(disk_full) {
    SmallDiskRig small({.rotation = "strict", .lifetime = 30});
    DelegatedRig& rig = small.rig;
    (void)rig.log_in(kAliceUser);
    const AttributeMap first = rig.good_token(kAliceUser);
    small.disk.fill();
    // The token at hand does; nothing that would replace the refresh token is begun.
    const std::uint64_t before = rig.rehearsal().counter("refresh_requests");
    BOOST_TEST(!rig.refreshes(kAliceUser));
    BOOST_TEST(rig.token(kAliceUser)["status"] == "ok");
    BOOST_TEST(rig.rehearsal().counter("refresh_requests") == before);
    (void)rig.agent().log().wait_for("event=store_unwritable");
    BOOST_TEST(!rig.admin_ok("status")["store"]["trouble"].asString().empty());
    check_app_only_goes_on(rig);
    // Then it has truly expired, and there is nothing left to hand out.
    wait_until("the access token to expire", [&] { return seconds_left(first) < 0; });
    BOOST_TEST(rig.good_token(kAliceUser)["token"] != AttributeMap(first)["token"]);
    (void)rig.agent().log().wait_for("event=refresh_token_not_saved");
    BOOST_TEST(rig.admin_ok("status")["store"]["unsaved"].asUInt64() == 1U);
    BOOST_TEST(rig.store_is_intact());
    small.disk.free();
    (void)rig.agent().log().wait_for("event=refresh_token_saved", 30s);
    BOOST_TEST(rig.admin_ok("status")["store"]["unsaved"].asUInt64() == 0U);
    rig.agent().kill();
    rig.agent().start();
    BOOST_TEST(rig.refreshes(kAliceUser));  // the newest one is what was written
    BOOST_TEST(rig.rehearsal().counter("refresh_reuse") == 0U);
}

BOOST_AUTO_TEST_CASE(read_only_store) {
    SmallDiskRig small({.rotation = "lenient"});
    DelegatedRig& rig = small.rig;
    (void)rig.log_in(kAliceUser);
    const std::string token = rig.good_token(kAliceUser)["token"];
    rig.agent().stop();
    small.disk.make_read_only();
    rig.agent().start();
    (void)rig.agent().log().wait_for("event=store_read_only");
    BOOST_TEST(rig.good_token(kAliceUser)["token"] == token);
    check_app_only_goes_on(rig);
    BOOST_TEST(!rig.refreshes(kAliceUser));
    BOOST_TEST(rig.good_token(kAliceUser)["token"] == token);
    small.disk.make_writable();
    BOOST_TEST(rig.refreshes(kAliceUser));
    BOOST_TEST(rig.good_token(kAliceUser)["token"] != token);
}

BOOST_AUTO_TEST_CASE(corrupt_database) {
    DelegatedRig rig;
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    (void)rig.good_token(kAliceUser);
    rig.agent().stop();
    const std::size_t size = size_of_file(rig.agent().store());
    std::string bytes = read_file(rig.agent().store());
    std::fill(bytes.begin() + 100, bytes.end(), '\x5a');
    write_file(rig.agent().store(), bytes, 0600);
    rig.agent().start();
    const std::string line = rig.agent().log().wait_for("event=store_damaged");
    BOOST_TEST(contains(line, "postbearer login"));
    std::size_t kept = 0;
    for (const auto& entry : std::filesystem::directory_iterator(rig.agent().store_directory())) {
        if (contains(entry.path().filename(), "tokens.db.corrupt-")) {
            kept += entry.file_size() == size ? 1U : 0U;
        }
    }
    BOOST_TEST(kept == 1U);
    check_app_only_goes_on(rig);
    AttributeMap answer = rig.token(kAliceUser);
    BOOST_TEST(answer["class"] == "needs_user");
    BOOST_TEST(answer["code"] == "not_logged_in");
    BOOST_TEST(contains(answer["message"], "postbearer login alice@contoso.test"));
    BOOST_TEST(!rig.admin_ok("status")["store"]["set_aside"].asString().empty());
    (void)rig.log_in(kAliceUser);
    (void)rig.good_token(kAliceUser);
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(empty_and_truncated_database) {
    DelegatedRig rig;
    for (const bool empty : {true, false}) {
        rig.agent().start();
        (void)rig.log_in(kAliceUser);
        rig.agent().kill();  // so that its log stays beside it
        const std::string bytes = read_file(rig.agent().store());
        write_file(rig.agent().store(), empty ? "" : bytes.substr(0, bytes.size() / 2), 0600);
        std::filesystem::remove(rig.agent().store().string() + (empty ? "-none" : "-wal"));
        rig.agent().start();
        check_app_only_goes_on(rig);
        (void)rig.token(kAliceUser);
        BOOST_TEST(rig.agent().running());
        (void)rig.log_in(kAliceUser);
        (void)rig.good_token(kAliceUser);
        rig.agent().stop();
        BOOST_TEST(rig.sql("PRAGMA quick_check;") == "ok\n");
    }
}

/// Somebody with write access to the file gives bob what is alice's.
BOOST_AUTO_TEST_CASE(swapped_records) {
    DelegatedRig rig({.agent_more = "store_access_tokens = false"});
    rig.agent().start();
    for (const char* account : {kAliceUser, kBobUser, kCarol}) {
        (void)rig.log_in(account);
        (void)rig.good_token(account);
    }
    rig.agent().stop();
    const std::string backup = read_file(rig.agent().store());
    // Everything but where it stands.
    const std::string swap =
        "CREATE TEMP TABLE two AS SELECT id, slot, place FROM record WHERE slot IN "
        "('refresh', 'previous') AND place IN (SELECT place FROM record ORDER BY id LIMIT 4);"
        "CREATE TEMP TABLE places AS SELECT DISTINCT place FROM two ORDER BY place LIMIT 2;"
        "CREATE TEMP TABLE was AS SELECT r.* FROM record r JOIN places p ON r.place = p.place;"
        "UPDATE record SET (name, secret, key_id) = (SELECT w.name, w.secret, w.key_id FROM was w "
        "WHERE w.slot = record.slot AND w.place <> record.place) "
        "WHERE place IN (SELECT place FROM places);";
    (void)rig.sql(swap);
    rig.agent().start();
    const std::uint64_t before = rig.rehearsal().counter("refresh_requests");
    std::size_t refused = 0;
    for (const char* account : {kAliceUser, kBobUser, kCarol}) {
        AttributeMap answer = rig.token(account);
        if (answer["status"] != "ok") {
            ++refused;
            BOOST_TEST(contains(answer["message"], "the stored login cannot be used"),
                       answer["message"]);
        }
    }
    BOOST_TEST(refused == 2U);
    BOOST_TEST(rig.rehearsal().counter("refresh_requests") == before + 1);  // nothing went out
    check_app_only_goes_on(rig);
    rig.agent().stop();
    write_file(rig.agent().store(), backup, 0600);
    rig.agent().start();
    for (const char* account : {kAliceUser, kBobUser, kCarol}) {
        (void)rig.good_token(account);
    }
    rig.agent().stop();
}

/// An older record of the same login put back: it is the generation before, or does not open.
BOOST_AUTO_TEST_CASE(a_record_of_another_generation_does_not_open) {
    DelegatedRig rig({.agent_more = "store_access_tokens = false"});
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    (void)rig.good_token(kAliceUser);
    BOOST_TEST(rig.refreshes(kAliceUser));
    rig.agent().stop();
    (void)rig.sql(
        "UPDATE record SET (name, secret) = (SELECT name, secret FROM record WHERE slot = "
        "'previous') WHERE slot = 'refresh';");
    rig.agent().start();
    (void)rig.good_token(kAliceUser);  // the generation before is still where it belongs
    (void)rig.agent().log().wait_for("event=login_damaged.*alice@contoso.test");
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(wrong_key) {
    DelegatedRig rig;
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    rig.agent().stop();
    const std::string good = rig.agent().settings().master_keys[0];
    rig.agent().settings().master_keys = {"another key of thirty-two bytes."};
    BOOST_TEST(refused_start(rig).code == 78);
    BOOST_TEST(contains(log_of(rig), "is sealed with master key "));
    BOOST_TEST(contains(log_of(rig), "If the master key is lost"));
    rig.agent().settings().master_keys = {"another key of thirty-two bytes.", good};
    rig.agent().start();
    (void)rig.good_token(kAliceUser);
    rig.agent().stop();
}

/// postbearer-agent(8), "If the master key is lost".
BOOST_AUTO_TEST_CASE(lost_key) {
    DelegatedRig rig;
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    rig.agent().stop();
    rig.agent().settings().master_keys = {"the new key, of thirty-two bytes"};
    BOOST_TEST(refused_start(rig).code == 78);
    for (const char* suffix : {"", "-wal"}) {
        const Path file = rig.agent().store().string() + suffix;
        if (std::filesystem::exists(file)) {
            std::filesystem::rename(file, file.string() + ".lost");
        }
    }
    rig.agent().start();
    check_app_only_goes_on(rig);
    BOOST_TEST(rig.token(kAliceUser)["code"] == "not_logged_in");
    (void)rig.log_in(kAliceUser);
    (void)rig.good_token(kAliceUser);
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(clock_an_hour_ahead) {
    DelegatedRig rig;
    rig.agent().settings().environment = {
        {"LD_PRELOAD",
         Programs::plain_timers().string() + " /usr/$LIB/faketime/libfaketimeMT.so.1"},
        {"FAKETIME", "+3600"},
        {"FAKETIME_DONT_FAKE_MONOTONIC", "1"}};
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    AttributeMap token = rig.good_token(kAliceUser);
    // By its own clock, which is how whoever asks will read it.
    BOOST_TEST(seconds_left(token) > 3600 + 3500);
    check_app_only_goes_on(rig);
    BOOST_TEST(rig.refreshes(kAliceUser));
    // What is refused meanwhile tells why it may have been.
    (void)rig.rehearsal().behave(
        R"({"grant":"client_credentials","do":{"kind":"error","aadsts":700024}})");
    const Finished said = rig.cli({"refresh", kAppOnlyAccount});
    BOOST_TEST(!said.ok());
    BOOST_TEST(contains(said.output + said.error, "s ahead of the server's"),
               said.output + said.error);
    rig.agent().stop();
    // The clock is put right: what was stored under the wrong one does not outlive its time.
    rig.agent().settings().environment.clear();
    rig.agent().start();
    BOOST_TEST(seconds_left(rig.good_token(kAliceUser)) <= 3600);
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(newer_schema) {
    DelegatedRig rig;
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    rig.agent().stop();
    const std::string version = rig.sql("PRAGMA user_version;");
    (void)rig.sql("PRAGMA user_version = 99;");
    const std::string before = read_file(rig.agent().store());
    BOOST_TEST(refused_start(rig).code == 78);
    BOOST_TEST(contains(log_of(rig), "has schema version 99"));
    BOOST_TEST(read_file(rig.agent().store()) == before);
    (void)rig.sql("PRAGMA user_version = " + version + ";");
    rig.agent().start();
    (void)rig.good_token(kAliceUser);
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(older_schema_is_migrated_and_a_copy_is_kept) {
    DelegatedRig rig;
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    rig.agent().stop();
    (void)rig.sql("ALTER TABLE record DROP COLUMN attempt_at; PRAGMA user_version = 1;");
    rig.agent().start();
    const std::string line = rig.agent().log().wait_for("event=store_migrated");
    (void)rig.good_token(kAliceUser);
    std::size_t copies = 0;
    for (const auto& entry : std::filesystem::directory_iterator(rig.agent().store_directory())) {
        if (entry.path().extension() == ".bak") {
            ++copies;
            struct stat status {};
            BOOST_TEST(::stat(entry.path().c_str(), &status) == 0);
            BOOST_TEST((status.st_mode & 07777U) == 0600U);
            BOOST_TEST(run_ok({.argv = {"sqlite3", entry.path(), "PRAGMA user_version;"}}) ==
                       "1\n");
        }
    }
    BOOST_TEST(copies == 1U);
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(a_store_that_others_may_read_is_refused) {
    DelegatedRig rig;
    rig.agent().start();
    (void)rig.log_in(kAliceUser);
    rig.agent().stop();
    std::filesystem::permissions(rig.agent().store(), std::filesystem::perms::group_read,
                                 std::filesystem::perm_options::add);
    BOOST_TEST(refused_start(rig).code == 78);
    BOOST_TEST(contains(log_of(rig), "chmod"));
    std::filesystem::permissions(rig.agent().store(), std::filesystem::perms::group_read,
                                 std::filesystem::perm_options::remove);
    // Agent puts its directory's mode right when it writes the configuration: another one.
    const Path other = rig.directory() / "open";
    make_directory(other, 0750);
    std::filesystem::copy(rig.agent().store(), other / "tokens.db");
    const std::string toml = read_file(rig.agent().configuration());
    std::string changed = toml;
    const std::string was = rig.agent().store().string();
    changed.replace(changed.find(was), was.size(), (other / "tokens.db").string());
    write_file(rig.directory() / "open.toml", changed);
    const Finished said =
        run({.argv = {Programs::agent(), "--config", rig.directory() / "open.toml"}});
    BOOST_TEST(said.status.code == 78);
    BOOST_TEST(contains(said.error, "chmod"), said.error);
    rig.agent().start();
    (void)rig.good_token(kAliceUser);
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(nothing_in_the_store_is_in_clear) {
    DelegatedRig rig({.rotation = "strict"});
    rig.agent().start();
    const std::string minted = rig.mint(kAliceUser);
    (void)rig.import_token(kAliceUser, minted);
    AttributeMap token = rig.good_token(kAliceUser);
    rig.agent().kill();  // its log is there too
    for (const auto& entry : std::filesystem::directory_iterator(rig.agent().store_directory())) {
        const std::string bytes = read_file(entry.path());
        for (const std::string& secret : {minted, token["token"], std::string("alice")}) {
            BOOST_TEST(!contains(bytes, secret), entry.path());
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
