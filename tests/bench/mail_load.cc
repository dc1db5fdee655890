// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/mail_load.hh"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/support/failure.hh"

namespace postbearer::bench {
namespace {

using test::Dialogue;

/// Of this process: no message of a run is taken for one of another.
std::size_t take_numbers(std::size_t count) {
    static std::atomic<std::size_t> next{1};
    return next.fetch_add(count);
}

void expect(Dialogue& session, const char* code, const char* what) {
    if (const std::string answer = session.reply(); !answer.starts_with(code)) {
        test::fail(std::string(what) + " was answered " + (answer.empty() ? "by silence" : answer));
    }
}

class HandIn {
public:
    HandIn(const Load& load, const std::function<Dialogue()>& connect)
        : load_(load), connect_(connect), first_(take_numbers(load.messages)) {}

    void run() {
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < std::min(load_.connections, load_.messages); ++i) {
            threads.emplace_back([this] { one_connection(); });
        }
        for (std::thread& each : threads) {
            each.join();
        }
        if (failure_) {
            std::rethrow_exception(failure_);
        }
    }

private:
    void one_connection() noexcept {
        try {
            Dialogue session = connect_();
            expect(session, "220", "the connection");
            session.write(load_.lmtp ? "LHLO load.lab.test\r\n" : "EHLO load.lab.test\r\n");
            expect(session, "250", "the first command");
            for (std::size_t i = 0; (i = next_++) < load_.messages;) {
                one_message(session, i);
            }
            session.write("QUIT\r\n");
            expect(session, "221", "QUIT");
        } catch (...) {
            next_ = load_.messages;
            const std::lock_guard guard(mutex_);
            failure_ = std::current_exception();
        }
    }

    void one_message(Dialogue& session, std::size_t index) {
        const std::size_t number = first_ + index;
        const std::string from = "app" + std::to_string(index % load_.mailboxes) + "@contoso.test";
        std::string commands;
        if (load_.lmtp) {
            commands = "XFORWARD IDENT=4bench" + std::to_string(number) + " SOURCE=REMOTE\r\n";
        }
        commands += "MAIL FROM:<" + from + ">\r\nRCPT TO:<" + kReader + ">\r\nDATA\r\n";
        session.write(commands);
        for (std::size_t left = load_.lmtp ? 3 : 2; left > 0; --left) {
            expect(session, "250", "the envelope");
        }
        expect(session, "354", "DATA");
        session.write(load_message(from, number, load_.bytes) + ".\r\n");
        expect(session, "250", "the message");
    }

    const Load& load_;
    const std::function<Dialogue()>& connect_;
    const std::size_t first_;
    std::atomic<std::size_t> next_{0};
    std::mutex mutex_;
    std::exception_ptr failure_;
};

}  // namespace

std::string load_message(const std::string& from, std::size_t number, std::size_t bytes) {
    constexpr std::size_t kLine = 72;
    std::string text =
        "Received: from load.lab.test ([127.0.0.9]) by client.lab.test\r\n\tid 4bench" +
        std::to_string(number) + "; Sat, 21 Nov 2026 08:00:00 +0000\r\nFrom: " + from +
        "\r\nTo: " + kReader + "\r\nSubject: load " + std::to_string(number) +
        "\r\nDate: Sat, 21 Nov 2026 08:00:00 +0000\r\nMessage-ID: <" + std::to_string(number) +
        "@load.contoso.test>\r\n\r\n";
    text.reserve(bytes + kLine + 2);
    const std::string line = std::string(kLine, 'x') + "\r\n";
    while (text.size() < bytes) {
        text += line;
    }
    return text;
}

void hand_in(const Load& load, const std::function<test::Dialogue()>& connect) {
    HandIn(load, connect).run();
}

}  // namespace postbearer::bench
