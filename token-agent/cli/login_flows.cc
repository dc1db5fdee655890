// SPDX-License-Identifier: Apache-2.0

// The three ways through a login: a code typed elsewhere (RFC 8628), a browser that comes back to
// us (RFC 8252 section 7.3), the address it ends up at pasted by hand.

#include <string>
#include <utility>
#include <vector>

#include "token-agent/cli/login.hh"
#include "token-agent/cli/login_session.hh"
#include "token-agent/cli/loopback_listener.hh"

namespace postbearer::cli {
namespace {

using namespace std::chrono_literals;

constexpr int kPastes = 3;
constexpr auto kLongestCodeStep = 10min;  // the state's life

void say_step(const LoginSession& session, const Console& console) {
    const Json::Value& resources = session.document()["resources"];
    if (session.step() > 1) {
        console.line("\nOne more consent, for " + session.text("resource") + ":");
    } else if (resources.isArray() && resources.size() > 1) {
        console.line("\nFirst consent, for " + session.text("resource") + ":");
    }
}

void say_code(const LoginSession& session, const Console& console) {
    say_step(session, console);
    console.line("\nOpen this page in a browser, on any machine:\n\n    " +
                 session.text("verification_uri") + "\n\nsign in as " + session.text("login") +
                 ", and enter this code:\n\n    " + session.text("user_code") + "\n");
    if (const std::string whole = session.text("verification_uri_complete"); !whole.empty()) {
        console.line("Or open this one, which has the code in it:\n\n    " + whole + "\n");
    }
}

void say_address(const LoginSession& session, const Console& console) {
    say_step(session, console);
    console.line("\nOpen this address in a browser and sign in as " + session.text("login") +
                 ":\n\n    " + session.text("authorize_url") + "\n");
}

/// Of the step, or the state's life if that is shorter.
BootTime code_deadline(const LoginSession& session) {
    return std::min(session.deadline(), BootClock::now() + kLongestCodeStep);
}

Page page_of(const Result<void>& taken, const LoginSession& session) {
    if (!taken) {
        return Page::Failed;
    }
    if (session.busy()) {
        return Page::Working;
    }
    return session.done() ? Page::Done : session.waiting() ? Page::NextStep : Page::Failed;
}

/// While the agent has all that it wants of us for now.
Result<void> wait_for_agent(LoginSession& session, const Console& console) {
    Result<void> taken;
    Progress progress(console);
    bool storing = false;
    while (taken && session.busy()) {
        const std::vector<std::string> warnings = session.new_warnings();
        if (!warnings.empty() || storing != session.storing()) {
            progress.finish();
            storing = session.storing();
        }
        for (const std::string& warning : warnings) {
            console.line("Warning: " + warning);
        }
        const auto tick = [&] {
            progress.show(storing ? "complete; the agent cannot write its store yet: " +
                                        session.time_left() + " to mend it"
                                  : "taken; the agent is working on it",
                          BootClock::now());
        };
        tick();
        taken = session.wait(tick);
    }
    return taken;
}

}  // namespace

Result<void> device_flow(LoginSession& session, const Console& console) {
    Result<void> taken = session.start(Flow::Device, {});
    Progress progress(console);
    for (int shown = 0; taken && session.waiting();) {
        if (session.busy()) {
            progress.finish();
            taken = wait_for_agent(session, console);
            continue;
        }
        if (shown != session.step()) {
            progress.finish();
            say_code(session, console);
            shown = session.step();
        }
        const auto tick = [&] {
            progress.show("waiting for the sign-in, " + session.time_left(), BootClock::now());
        };
        tick();
        taken = session.wait(tick);
    }
    return taken;
}

Result<void> browser_flow(LoginSession& session, const Console& console, const Options& options,
                          const std::string& redirect_uri) {
    const auto uri = parse_redirect_uri(redirect_uri);
    if (!uri) {
        return tl::unexpected(uri.error());
    }
    auto listener =
        LoopbackListener::open(options.port != 0 ? options.port : uri->port,
                               uri->host == "localhost" ? Hold::LocalhostToo : Hold::Address);
    if (!listener) {
        return tl::unexpected(listener.error());
    }
    const std::uint16_t port = listener->port();
    Result<void> taken = session.start(Flow::Browser, uri->with_port(port));
    if (taken && session.waiting()) {
        if (const auto tunnel = tunnel_line(Surroundings::of_process(), port)) {
            console.line(
                "\nNo browser here? Run this on the machine with the browser first, and "
                "leave it running:\n\n    " +
                *tunnel);
        }
    }
    ExpectedRedirect expected;
    while (taken && session.waiting()) {
        if (session.busy()) {
            taken = wait_for_agent(session, console);
            continue;
        }
        auto next = expect_redirect(*uri, port, session.text("authorize_url"));
        if (!next) {
            return tl::unexpected(next.error());
        }
        expected = std::move(*next);
        say_address(session, console);
        Progress progress(console);
        const auto query = listener->wait(expected, console.interrupt, code_deadline(session), [&] {
            progress.show("waiting for the browser, " + session.time_left(), BootClock::now());
        });
        progress.finish();
        if (!query) {
            return tl::unexpected(query.error());
        }
        taken = session.answer(*query);
        listener->answer(page_of(taken, session));
    }
    listener->turn_away(expected);
    return taken;
}

Result<void> paste_flow(LoginSession& session, const Console& console, const Options& options,
                        const std::string& redirect_uri) {
    const auto uri = parse_redirect_uri(redirect_uri);
    if (!uri) {
        return tl::unexpected(uri.error());
    }
    std::uint16_t port = options.port != 0 ? options.port : uri->port;
    if (port == 0) {
        // Any will do, since nobody listens; one that is free here is likely free over there too.
        const auto listener = LoopbackListener::open(0);
        if (!listener) {
            return tl::unexpected(listener.error());
        }
        port = listener->port();
    }
    Result<void> taken = session.start(Flow::Paste, uri->with_port(port));
    int pastes = 0;
    for (int shown = 0; taken && session.waiting();) {
        if (session.busy()) {
            taken = wait_for_agent(session, console);
            continue;
        }
        if (shown != session.step()) {
            say_address(session, console);
            console.line(
                "At the end the browser shows an error page, because nothing answers there: that "
                "is "
                "right.\nCopy the whole address from its address bar.\n");
            shown = session.step();
            pastes = 0;
        }
        console.say("Paste the address here (it is not shown) and press Enter: ");
        const auto line = read_line(console, Echo::Off, code_deadline(session));
        if (!line) {
            console.line("");
            return tl::unexpected(line.error());
        }
        taken = session.answer(*line);
        if (!taken && taken.error().code == Errc::Denied && ++pastes < kPastes) {
            console.warn("That was not taken: " + taken.error().context);
            taken = {};
        }
    }
    return taken;
}

}  // namespace postbearer::cli
