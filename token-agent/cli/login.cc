// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/login.hh"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>
#include <vector>

#include "common/agent_messages.hh"
#include "common/text.hh"
#include "token-agent/cli/login_session.hh"

namespace postbearer::cli {
namespace {

constexpr std::size_t kMaxWordBytes = 60;

std::string text_of(const Json::Value& json, const char* name) {
    const Json::Value& value = json[name];
    return value.isString() ? printable(value.asString(), kMaxLineBytes) : std::string();
}

std::string joined(const Json::Value& list, std::string_view between) {
    std::string text;
    if (list.isArray()) {
        for (const Json::Value& each : list) {
            text += (text.empty() ? "" : std::string(between)) +
                    (each.isString() ? printable(each.asString(), kMaxWordBytes) : "");
        }
    }
    return text;
}

bool contains(const Json::Value& list, std::string_view word) {
    return list.isArray() && std::any_of(list.begin(), list.end(), [word](const Json::Value& each) {
               return each.isString() && each.asString() == word;
           });
}

Json::Value wanted_resources(const Options& options, const Json::Value& plan) {
    if (options.resources.empty()) {
        return plan["resources"];
    }
    Json::Value list(Json::arrayValue);
    for (const std::string& resource : options.resources) {
        list.append(resource);
    }
    return list;
}

void say_plan(const Json::Value& plan, const Options& options, const Console& console) {
    const auto row = [&console](std::string_view name, const std::string& value) {
        if (!value.empty()) {
            std::string text = "  " + std::string(name);
            text.resize(14, ' ');
            console.line(text + value);
        }
    };
    console.line("Login for " + text_of(plan, "account"));
    row("signs in", text_of(plan, "login"));
    std::string type = text_of(plan, "provider_type");
    if (const std::string cloud = text_of(plan, "cloud"); !cloud.empty() && type == "microsoft") {
        type += ", cloud " + cloud;
    }
    row("provider", text_of(plan, "provider") + " (" + type + ")");
    row("at", text_of(plan, "authority"));
    row("tenant", text_of(plan, "tenant"));
    row("client id", text_of(plan, "client_id"));
    row("consents to", joined(wanted_resources(options, plan), ", then "));
    if (plan["logged_in"].isObject()) {
        const std::string user = text_of(plan["logged_in"], "user");
        row("replaces", user.empty() ? "a login that is there already"
                                     : "the login of " + user + " that is there already");
    }
}

Result<Flow> choose_flow(const Options& options, const Json::Value& plan) {
    const bool device = contains(plan["flows"], "device");
    const bool code = contains(plan["flows"], "code");
    const std::string provider = "provider " + text_of(plan, "provider");
    if (options.flow == "device" && !device) {
        return failure(Errc::Config, provider + " has no device login; use --browser or --paste");
    }
    if (!options.flow.empty() && options.flow != "device" && !code) {
        return failure(Errc::Config, provider + " has no login by browser; use --device");
    }
    if (!device && !code) {
        return failure(Errc::Config, provider +
                                         " has neither a device login nor one by browser: give it "
                                         "authorization_endpoint or device_authorization_endpoint");
    }
    if (options.flow == "paste") {
        return Flow::Paste;
    }
    return options.flow == "device" || (options.flow.empty() && device) ? Flow::Device
                                                                        : Flow::Browser;
}

std::string confirmation(const std::string& by) {
    if (by == "id_token" || by == "graph_me") {
        return "(confirmed by " + by + ")";
    }
    return "(NOT confirmed: the provider did not say who signed in)";
}

int refuse(const Console& console, std::string_view text, int code = kFailed) {
    console.warn("postbearer login: " + std::string(text));
    return code;
}

/// The exit code.
int say_done(LoginSession& session, const Console& console) {
    const std::string account = session.text("account");
    const std::string user = session.text("user");
    console.line("\nLogged in: " + (user.empty() ? session.text("login") : user) + " " +
                 confirmation(session.text("user_confirmed_by")));
    console.line("Resources: " + joined(session.document()["consented"], ", "));
    for (const std::string& warning : session.new_warnings()) {
        console.line("Warning: " + warning);
    }
    console.line("\nThe agent keeps this login from now on. Try it:\n\n    postbearer token " +
                 account + " --test");
    const std::string by = session.text("user_confirmed_by");
    if (by != "id_token" && by != "graph_me") {
        console.warn("warning: the provider did not say who signed in; make sure that it was " +
                     session.text("login") + ", or mail goes out as somebody else");
    }
    if (const std::string missing = session.missing(); !missing.empty()) {
        return refuse(console, "the login is stored, but not complete: there is no consent for " +
                                   missing + "; run postbearer login " + account + " again");
    }
    return kDone;
}

int say_failed(const LoginSession& session, const Console& console) {
    const Json::Value& error = session.document()["error"];
    std::string text = error.isObject() ? text_of(error, "message") : std::string();
    text = text.empty() ? "the login failed" : text;
    if (const std::string hint = error.isObject() ? text_of(error, "hint") : ""; !hint.empty()) {
        text += " [" + hint + "]";
    }
    console.warn("postbearer login: " + text);
    return kFailed;
}

Result<void> run_flow(LoginSession& session, Flow flow, const Options& options,
                      const Console& console, const Json::Value& plan) {
    const std::string redirect_uri = text_of(plan, "redirect_uri");
    switch (flow) {
        case Flow::Device:
            return device_flow(session, console);
        case Flow::Browser:
            return browser_flow(session, console, options, redirect_uri);
        case Flow::Paste:
            break;
    }
    return paste_flow(session, console, options, redirect_uri);
}

/// The flow ended before the session did. The agent has the last word on what became of the login.
int give_up(LoginSession& session, const Console& console, const Error& why) {
    const bool told = session.cancel();
    if (session.done()) {
        return say_done(session, console);
    }
    if (told && session.waiting()) {
        return refuse(console,
                      "the login is complete, waits for the store, and the agent goes on with it; "
                      "see postbearer status " +
                          session.text("account"));
    }
    const bool called_off = console.interrupt != nullptr && console.interrupt->seen();
    std::string words = called_off ? "called off" : why.context;
    if (!told) {
        words += "; the agent has not confirmed that the login has ended: see postbearer status " +
                 session.text("account");
    } else if (const std::string so_far = joined(session.document()["consented"], ", ");
               !so_far.empty()) {
        words += called_off ? " after the consent for " + so_far : "";
        words += "; nothing was stored";
    } else if (called_off) {
        words += "; nothing has changed";
    }
    return refuse(console, words);
}

}  // namespace

Surroundings Surroundings::of_process() {
    const auto variable = [](const char* name) {
        // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
        const char* const value = ::secure_getenv(name);
        return std::string(value != nullptr ? value : "");
    };
    Surroundings out;
    out.ssh_connection = variable("SSH_CONNECTION");
    out.display = !variable("DISPLAY").empty() || !variable("WAYLAND_DISPLAY").empty();
    std::array<char, 256> name{};
    if (::gethostname(name.data(), name.size() - 1) == 0) {
        out.host_name = name.data();
    }
    return out;
}

std::optional<std::string> tunnel_line(const Surroundings& surroundings, std::uint16_t port) {
    if (surroundings.ssh_connection.empty() && surroundings.display) {
        return std::nullopt;
    }
    // sshd(8) says: client address, client port, our address as the client knows it, our port.
    std::istringstream words(surroundings.ssh_connection);
    std::string client;
    std::string client_port;
    std::string address;
    std::string ssh_port;
    words >> client >> client_port >> address >> ssh_port;
    if (address.empty()) {
        address = surroundings.host_name.empty() ? "HOST" : surroundings.host_name;
    }
    const std::string number = std::to_string(port);
    std::string line = "ssh -L " + number + ":127.0.0.1:" + number + " " + address;
    if (!ssh_port.empty() && ssh_port != "22") {
        line += " -p " + ssh_port;
    }
    return line;
}

int login(const Options& options, const Console& console) {
    for (const std::string& resource : options.resources) {
        if (!protocol::resource_from(resource)) {
            return refuse(console, "--resource is one of smtp, imap, pop, graph", kUsage);
        }
    }
    LoginSession session(options, console);
    const auto plan = session.plan();
    if (!plan) {
        return refuse(console, plan.error().context);
    }
    const auto flow = choose_flow(options, *plan);
    if (!flow) {
        return refuse(console, flow.error().context);
    }
    say_plan(*plan, options, console);
    const Result<void> ended = run_flow(session, *flow, options, console, *plan);
    if (!ended) {
        return give_up(session, console, ended.error());
    }
    if (!session.done()) {
        return say_failed(session, console);
    }
    return say_done(session, console);
}

int run_login(const Options& options) {
    const Interrupt interrupt;
    Console console;
    console.json = options.json;
    console.interrupt = &interrupt;
    return login(options, console);
}

}  // namespace postbearer::cli
