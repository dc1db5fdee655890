// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/console.hh"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>

#include <boost/test/unit_test.hpp>
#include <string>
#include <thread>

#include "tests/unit/cli/scene.hh"

using namespace postbearer;
using namespace postbearer::cli;
using namespace std::chrono_literals;
using postbearer::test::Scene;

namespace {

std::string read_text(const Console& console, Echo echo = Echo::On) {
    const auto line = read_line(console, echo, BootClock::now() + 30s);
    return line ? std::string(line->reveal()) : "error: " + line.error().context;
}

/// A terminal of two ends.
struct Terminal : Scene {
    Terminal() : master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
        BOOST_REQUIRE(::grantpt(master.get()) == 0);
        BOOST_REQUIRE(::unlockpt(master.get()) == 0);
        slave = UniqueFd(::open(::ptsname(master.get()), O_RDWR | O_NOCTTY | O_CLOEXEC));
        BOOST_REQUIRE(slave.valid());
        console.in = slave.get();
    }
    [[nodiscard]] bool echoes() const {
        termios now{};
        BOOST_REQUIRE(::tcgetattr(slave.get(), &now) == 0);
        return (now.c_lflag & ECHO) != 0;
    }
    void press(const std::string& keys) const {
        BOOST_REQUIRE(::write(master.get(), keys.data(), keys.size()) ==
                      static_cast<ssize_t>(keys.size()));
    }

    /// What the terminal shows next; what was typed has arrived then.
    [[nodiscard]] std::string echoed(std::size_t size) const {
        std::string text(size, ' ');
        for (std::size_t used = 0; used < size;) {
            const ssize_t got = ::read(master.get(), text.data() + used, size - used);
            BOOST_REQUIRE(got > 0);
            used += static_cast<std::size_t>(got);
        }
        return text;
    }

    UniqueFd master;
    UniqueFd slave;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(console_test)

BOOST_FIXTURE_TEST_CASE(lines_end_at_newline_and_leave_the_rest, Scene) {
    type("first\nsecond\r\nlast");
    hang_up();
    BOOST_TEST(read_text(console) == "first");
    BOOST_TEST(read_text(console) == "second");
    BOOST_TEST(read_text(console) == "last");
    BOOST_TEST(read_text(console) == "error: standard input ended");
}

BOOST_FIXTURE_TEST_CASE(sixteen_kibibytes_fit_and_no_more, Scene) {
    type(std::string(kMaxLineBytes, 'x') + "\n" + std::string(kMaxLineBytes + 1, 'y') + "\nz\n");
    BOOST_TEST(read_text(console).size() == kMaxLineBytes);
    BOOST_TEST(read_text(console) == "error: more than 16 KiB in one line");
    BOOST_TEST(read_text(console) == "z");
}

BOOST_FIXTURE_TEST_CASE(ctrl_c_ends_a_prompt, Scene) {
    ctrl_c();
    BOOST_TEST(read_text(console) == "error: called off");
}

BOOST_FIXTURE_TEST_CASE(a_prompt_has_a_deadline, Scene) {
    const auto line = read_line(console, Echo::On, BootClock::now() + 20ms);
    BOOST_REQUIRE(!line);
    BOOST_TEST((line.error().code == Errc::Timeout));
}

BOOST_FIXTURE_TEST_CASE(echo_is_off_while_a_secret_is_typed_and_back_afterwards, Terminal) {
    BOOST_TEST(echoes());
    const std::string ahead = "typed ahead";  // was shown, so it is no part of a secret
    press(ahead);
    BOOST_TEST(echoed(ahead.size()) == ahead);
    BOOST_TEST(echoes());
    // The prompt's own time is the only moment to look: as soon as it reads, keys come.
    bool was_hidden = false;
    std::thread typist([&] {
        for (int i = 0; i < 3000 && !was_hidden; ++i) {
            was_hidden = !echoes();
            (void)::poll(nullptr, 0, 10);
        }
        press(
            "hunter2\x7F"
            "3\n");
    });
    const std::string text = read_text(console, Echo::Off);
    typist.join();
    BOOST_TEST(was_hidden);
    BOOST_TEST(text == "hunter3");
    BOOST_TEST(echoes());
}

BOOST_FIXTURE_TEST_CASE(a_pasted_line_may_be_longer_than_a_terminal_line, Terminal) {
    std::thread typist([&] {
        while (echoes()) {
            (void)::poll(nullptr, 0, 10);
        }
        press(std::string(6000, 'u'));
        press("\n");
    });
    const std::string text = read_text(console, Echo::Off);
    typist.join();
    BOOST_TEST(text.size() == 6000U);
}

BOOST_FIXTURE_TEST_CASE(echo_comes_back_after_ctrl_c, Terminal) {
    ctrl_c();
    BOOST_TEST(read_text(console, Echo::Off) == "error: called off");
    BOOST_TEST(echoes());
}

/// Signals that the terminal sends while a secret is typed.
struct Signalled : Terminal {
    std::string read_with(int number) {
        const Interrupt interrupt;
        console.interrupt = &interrupt;
        const pthread_t reader = ::pthread_self();
        std::thread typist([&] {
            while (echoes()) {
                (void)::poll(nullptr, 0, 10);
            }
            press("half a secr");
            (void)::pthread_kill(reader, number);
        });
        std::string text = read_text(console, Echo::Off);
        typist.join();
        BOOST_TEST(interrupt.seen());
        return text;
    }
};

BOOST_FIXTURE_TEST_CASE(ctrl_z_and_ctrl_backslash_call_a_hidden_prompt_off, Signalled) {
    for (const int number : {SIGTSTP, SIGQUIT}) {
        BOOST_TEST(read_with(number) == "error: called off", number);
        BOOST_TEST(echoes());
        // Nor does a shell get what was typed of it.
        int left = -1;
        BOOST_REQUIRE(::ioctl(slave.get(), FIONREAD, &left) == 0);
        BOOST_TEST(left == 0);
    }
}

BOOST_FIXTURE_TEST_CASE(ctrl_z_suspends_elsewhere, Terminal) {
    const Interrupt interrupt;
    console.interrupt = &interrupt;
    const auto is_blocked = [] {
        sigset_t now;
        BOOST_REQUIRE(::pthread_sigmask(SIG_SETMASK, nullptr, &now) == 0);
        return ::sigismember(&now, SIGTSTP) == 1;
    };
    BOOST_TEST(!is_blocked());
    const auto line = read_line(console, Echo::Off, BootClock::now() + 20ms);
    BOOST_TEST(!line.has_value());
    BOOST_TEST(!is_blocked());
}

BOOST_FIXTURE_TEST_CASE(progress_is_one_line_a_minute_without_a_terminal, Scene) {
    const BootTime start = BootClock::now();
    Progress progress(console);
    for (int second = 0; second < 125; ++second) {
        progress.show("left " + std::to_string(second), start + std::chrono::seconds(second));
    }
    progress.finish();
    BOOST_TEST(out() == "left 0\nleft 60\nleft 120\n");
}

BOOST_FIXTURE_TEST_CASE(json_keeps_words_off_standard_output, Scene) {
    console.json = true;
    console.line("words");
    console.document("{}");
    console.warn("trouble");
    BOOST_TEST(out() == "{}\n");
    BOOST_TEST(err() == "trouble\n");
}

BOOST_AUTO_TEST_CASE(signals_are_heard_and_the_process_lives) {
    sigset_t before;
    BOOST_REQUIRE(::pthread_sigmask(SIG_SETMASK, nullptr, &before) == 0);
    {
        const Interrupt interrupt;
        BOOST_TEST(!interrupt.seen());
        (void)::pthread_kill(::pthread_self(), SIGINT);
        (void)::pthread_kill(::pthread_self(), SIGQUIT);
        BOOST_TEST(interrupt.seen());
    }
    sigset_t after;
    BOOST_REQUIRE(::pthread_sigmask(SIG_SETMASK, nullptr, &after) == 0);
    BOOST_TEST(::sigismember(&after, SIGINT) == ::sigismember(&before, SIGINT));
}

BOOST_AUTO_TEST_SUITE_END()
