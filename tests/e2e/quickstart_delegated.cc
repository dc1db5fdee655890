// SPDX-License-Identifier: Apache-2.0
#include "tests/e2e/quickstart_delegated.hh"

#include <poll.h>
#include <signal.h>

#include <string>
#include <vector>

#include "tests/e2e/quickstart_show.hh"
#include "tests/support/chain.hh"
#include "tests/support/failure.hh"
#include "tests/support/http_call.hh"

namespace postbearer::test {
namespace {

constexpr const char* kAlice = "alice@contoso.test";
constexpr const char* kBob = "bob@contoso.test";

/// A public client, as an administrator registers one for logins of users.
constexpr const char* kRegistration = R"({"tenant":"contoso.test","public":true,
    "redirect_uris":["http://localhost"],"device_interval":1,
    "users":{"alice@contoso.test":{},"bob@contoso.test":{}}})";

/// Postfix, agent and rehearsal, where users log in.
class Stage {
public:
    Stage();

    [[nodiscard]] Chain& chain() noexcept { return chain_; }
    [[nodiscard]] Agent& agent() noexcept { return chain_.agent(); }
    [[nodiscard]] Path ca_file() { return chain_.rehearsal().ca_file(); }
    [[nodiscard]] std::vector<std::string> cli(std::vector<std::string> words) {
        words.insert(words.begin(), Programs::cli());
        words.insert(words.end(), {"--config", agent().configuration()});
        return words;
    }
    /// sendmail(1) of the private Postfix.
    [[nodiscard]] std::vector<std::string> sendmail(const std::string& recipient) {
        return {"sendmail", "-C", chain_.client().configuration(), "-f", kAlice, recipient};
    }
    /// For what a command writes.
    [[nodiscard]] Path transcript() {
        return chain_.directory() / ("command-" + std::to_string(++commands_));
    }

private:
    Chain chain_;
    int commands_ = 0;
};

Stage::Stage() : chain_({.senders = {kAlice, kBob}, .client_json = kRegistration}) {
    chain_.start_without_agent();
    AgentSettings& settings = chain_.prepare_agent().settings();
    const std::string base = chain_.rehearsal().base_url() + "/contoso.test/oauth2/v2.0";
    AgentProvider& provider = settings.providers.front();
    provider.name = "contoso";
    provider.secret.clear();
    provider.more = "device_authorization_endpoint = \"" + base +
                    "/devicecode\"\nauthorization_endpoint = \"" + base + "/authorize\"\n";
    settings.accounts = {{.match = "@contoso.test", .provider = "contoso", .grant = "delegated"}};
    settings.access = {{.resources = R"(["smtp", "graph"])"}, {.subject = "user = \"root\""}};
    agent().start();
}

/// One click. Says what was asked for and what page came.
HttpReply browse(Stage& stage, const std::string& url, const FormFields& form = {}) {
    HttpReply reply = http_call({.url = url,
                                 .method = form.empty() ? "GET" : "POST",
                                 .body = form_of(form),
                                 .ca_file = stage.ca_file()});
    const std::size_t begin = reply.body.find("<title>") + 7;
    const std::string title = reply.location.empty()
                                  ? reply.body.substr(begin, reply.body.find('<', begin) - begin)
                                  : "to " + reply.location.substr(0, reply.location.find('?'));
    std::string sent;
    for (const auto& [name, value] : form) {
        sent.append(" ").append(name).append("=").append(value);
    }
    say("   browser: " + std::string(form.empty() ? "GET " : "POST ") +
        url.substr(0, url.find('?')) + sent + " -> " + std::to_string(reply.status) + " " + title);
    if (reply.status >= 400) {
        fail("the page says: " + reply.body);
    }
    return reply;
}

void log_in_by_device(Stage& stage) {
    ShownCommand login(stage.cli({"login", kAlice, "--device"}), stage.transcript());
    for (const char* resource : {"smtp", "graph"}) {
        (void)login.wait_for(std::string("onsent, for ") + resource + ":$");
        const std::string page = login.wait_for("^    https://").substr(4);
        const std::string code = login.wait_for("^    [A-Z0-9]+$").substr(4);
        login.mark();
        (void)browse(stage, page);
        (void)browse(stage, page, {{"user_code", code}, {"user", kAlice}, {"decision", "approve"}});
    }
    login.finish();
}

void log_in_by_browser(Stage& stage) {
    ShownCommand login(stage.cli({"login", kBob, "--browser"}), stage.transcript());
    for (const char* resource : {"smtp", "graph"}) {
        (void)login.wait_for(std::string("onsent, for ") + resource + ":$");
        const std::string page = login.wait_for("^    https://").substr(4);
        login.mark();
        (void)browse(stage, page);
        const HttpReply accepted = browse(stage, page, {{"user", kBob}, {"decision", "approve"}});
        (void)browse(stage, accepted.location);
    }
    login.finish();
}

void send_as_alice(Stage& stage, const std::string& recipient) {
    Chain& chain = stage.chain();
    LogWatch client = chain.client().log();
    LogWatch server = chain.server().log();
    LogWatch agent = chain.agent().log();
    for (LogWatch* log : {&client, &server, &agent}) {
        log->mark();
    }
    show_command({.argv = stage.sendmail(recipient),
                  .input = "From: " + std::string(kAlice) + "\nTo: " + recipient +
                           "\nSubject: Hello\n\nSent with the token of a user.\n"});
    chain.mailboxes().wait_for(recipient, 1);
    const std::string queue_id = queue_id_of(client.wait_for("/pickup\\[[0-9]+\\]: "));
    const std::string user = literally(kAlice);
    show({{"qmgr(8) gives it to smtp(8), which runs in the chroot", client,
           "/qmgr\\[[0-9]+\\]: " + queue_id + ": from="},
          {"the plugin asks, the agent hands her token out", agent,
           "event=token_handed_out .*account=" + user},
          {"the server accepts it as hers: XOAUTH2 inside verified TLS", server,
           "/smtpd\\[[0-9]+\\]: .*sasl_method=XOAUTH2, sasl_username=" + user},
          {"smtp(8) is done", client, "/smtp\\[[0-9]+\\]: " + queue_id + ": .*status=sent"},
          {"the server delivers into the mailbox", server,
           "/virtual\\[[0-9]+\\]: .*to=<" + literally(recipient) + ">.*status=sent"}});
}

/// The store as it lies on the disk, while nobody has it open.
void show_sealed(Stage& stage, const std::string& token) {
    const Path wanted = stage.transcript();
    write_file(wanted, kAlice + ("\n" + token) + "\n", 0600);
    const Path store = stage.agent().store();
    say("\nNeither her name nor her token can be read in the store:\n");
    show_command({.argv = {"ls", "-l", store.parent_path()}});
    say("   (" + wanted.string() + " holds both)");
    show_command({.argv = {"grep", "-a", "-c", "-F", "-f", wanted, store, store.string() + "-wal"}},
                 1);
}

void kill_and_restart(Stage& stage) {
    const std::string token = run_ok({.argv = stage.cli({"token", kAlice})});
    say("$ kill -9 " + std::to_string(stage.agent().pid()) + "       # postbearer-agent");
    stage.agent().kill();
    show_sealed(stage, token.substr(0, token.find('\n')));
    say("\n$ postbearer-agent --config " + stage.agent().configuration().string() + " &");
    stage.agent().start();
    show_command({.argv = stage.cli({"status"})});
    say("\nHer refresh token is still there, and good for a new access token and mail:\n");
    show_command({.argv = stage.cli({"refresh", kAlice})});
    send_as_alice(stage, "friend@example.test");
}

/// Until Enter, the end of input, SIGINT, SIGTERM or SIGHUP.
class Curtain {
public:
    /// From now on these signals wait for wait().
    Curtain() {
        sigset_t wanted;
        (void)::sigemptyset(&wanted);
        struct sigaction noticed {};
        noticed.sa_handler = [](int) {};
        for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
            (void)::sigaddset(&wanted, number);
            (void)::sigaction(number, &noticed, nullptr);
        }
        (void)::pthread_sigmask(SIG_BLOCK, &wanted, &before_);
    }
    void wait() const {
        pollfd input{0, POLLIN, 0};
        (void)::ppoll(&input, 1, nullptr, &before_);
        (void)::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }

private:
    sigset_t before_{};
};

void say_what_to_do(Stage& stage) {
    const std::string ca = stage.ca_file();
    const auto command = [&stage](std::vector<std::string> words) {
        say("   " + typed(stage.cli(std::move(words))));
    };
    say("A rehearsal of Microsoft 365, an agent and a private Postfix are running below\n" +
        stage.chain().directory().string() + "; your own Postfix is not touched.\n");
    const std::string base = stage.chain().rehearsal().base_url();
    const std::string port = base.substr(base.rfind(':') + 1);
    say("Is the browser on another machine? Run this there first, and leave it running:\n");
    say("   ssh -L " + port + ":127.0.0.1:" + port + " THIS-HOST\n");
    say("Type in another terminal, as root:\n");
    say("1. Log alice in. Open the page that it shows (a browser warns of the rehearsal's CA,\n  "
        " " +
        ca + "), enter the code, sign in as " + kAlice + ", accept; then once more.\n");
    command({"login", kAlice, "--device"});
    say("\n   Without a browser, with the page and the code that it shows:\n");
    say("   curl --cacert " + ca + " -d user_code=CODE -d user=" + kAlice +
        " -d decision=approve PAGE");
    say("\n2. Log bob in. Open the address that it shows, sign in as " + std::string(kBob) +
        ", accept; then\n   once more.\n");
    command({"login", kBob, "--browser"});
    say("\n   Without a browser, with the address that it shows:\n");
    say("   curl --cacert " + ca + " --location 'ADDRESS&login_as=" + kBob + "'");
    say("\n3. Look at it, send as alice, log bob out.\n");
    command({"status"});
    command({"token", kAlice, "--test"});
    say("   echo hello | " + typed(stage.sendmail("newcomer@example.test")));
    say("   cat " + (stage.chain().directory() / "server/mail/all/new").string() + "/*");
    command({"logout", kBob});
    say("\nPress Enter or ctrl-C to end it all.");
}

}  // namespace

void run_delegated_demo() {
    Stage stage;
    say("Everything lives in " + stage.chain().directory().string() +
        "; your own Postfix is not touched.");
    say("\n1. The agent's configuration: users of contoso.test log in themselves\n");
    say_indented(read_file(stage.agent().configuration()));
    say("\n2. Is it right?\n");
    show_command({.argv = stage.cli({"check-config"})});
    say("\n3. Alice logs in by device code. What she does in a browser is done by this program.\n");
    log_in_by_device(stage);
    say("\n4. Bob logs in by browser, which comes back to the command on this host\n");
    log_in_by_browser(stage);
    say("\n5. What the agent knows\n");
    show_command({.argv = stage.cli({"status"})});
    say("\n6. A message as alice, through Postfix\n");
    send_as_alice(stage, "newcomer@example.test");
    say("\n7. The agent is killed\n");
    kill_and_restart(stage);
    say("\n8. Bob's login is no longer wanted\n");
    show_command({.argv = stage.cli({"logout", kBob})});
    show_command({.argv = stage.cli({"status"})});
    stage.chain().stop();
}

void run_by_hand() {
    Stage stage;
    const Curtain curtain;
    say_what_to_do(stage);
    curtain.wait();
    stage.chain().stop();
}

}  // namespace postbearer::test
