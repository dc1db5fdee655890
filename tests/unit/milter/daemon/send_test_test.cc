// SPDX-License-Identifier: Apache-2.0
#include "milter/send_test.hh"

#include <sys/socket.h>
#include <sys/un.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <thread>

#include "common/unique_fd.hh"
#include "tests/support/manual_time.hh"
#include "tests/support/temp_dir.hh"

namespace postbearer::milter {
namespace {

BOOST_AUTO_TEST_SUITE(send_test_test)

/// An LMTP front that answers by a script: one entry for each thing the client says.
class ScriptedFront {
public:
    ScriptedFront(const std::string& path, std::vector<std::string> answers)
        : listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)),
          answers_(std::move(answers)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(std::begin(address.sun_path), sizeof address.sun_path - 1);
        const auto* generic = static_cast<const sockaddr*>(static_cast<const void*>(&address));
        BOOST_REQUIRE(::bind(listener_.get(), generic, sizeof address) == 0);
        BOOST_REQUIRE(::listen(listener_.get(), 1) == 0);
        thread_ = std::thread([this] { serve(); });
    }
    ~ScriptedFront() { (void)heard(); }
    ScriptedFront(const ScriptedFront&) = delete;
    ScriptedFront& operator=(const ScriptedFront&) = delete;
    ScriptedFront(ScriptedFront&&) = delete;
    ScriptedFront& operator=(ScriptedFront&&) = delete;

    const std::string& heard() {
        if (thread_.joinable()) {
            thread_.join();
        }
        return heard_;
    }

private:
    void serve() {
        const UniqueFd peer(::accept(listener_.get(), nullptr, nullptr));
        bool content = false;
        for (const std::string& answer : answers_) {
            (void)!::send(peer.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
            const std::string_view end = content ? "\r\n.\r\n" : "\r\n";
            if (answer.find("354 ") != std::string::npos) {
                content = true;
                read_until(peer, "\r\n.\r\n");
            } else if (!content) {
                read_until(peer, end);
            }
        }
    }
    void read_until(const UniqueFd& peer, std::string_view end) {
        const std::size_t before = heard_.size();
        char byte = 0;
        while (heard_.substr(before).ends_with(end) == false &&
               ::recv(peer.get(), &byte, 1, 0) == 1) {
            heard_ += byte;
        }
    }

    UniqueFd listener_;
    std::vector<std::string> answers_;
    std::string heard_;
    std::thread thread_;
};

struct Room {
    test::TempDir directory{"pb-lmtp"};
    std::string path = (directory / "s").string();
    test::ManualTime time;
    TestMessage message{"alice@contoso.com", {"bob@example.org", "carol@example.org"}};
};

const std::vector<std::string> kGood{"220 hi\r\n", "250-x\r\n250 PIPELINING\r\n",
                                     "250 ok\r\n", "250 ok\r\n",
                                     "250 ok\r\n", "354 go\r\n"};

BOOST_FIXTURE_TEST_CASE(each_recipient_has_its_answer, Room) {
    std::vector<std::string> answers = kGood;
    answers.emplace_back("250 2.0.0 sent\r\n451-4.7.0 one\r\n451 4.7.0 two\r\n");
    ScriptedFront front(path, answers);
    const auto result = send_test(path, message, time);
    BOOST_REQUIRE(result.has_value());
    const std::vector<std::string> expected{"250 2.0.0 sent", "451-4.7.0 one 4.7.0 two"};
    BOOST_TEST(*result == expected, boost::test_tools::per_element());
    const std::string& heard = front.heard();
    BOOST_TEST(heard.starts_with("LHLO localhost\r\nMAIL FROM:<alice@contoso.com>\r\nRCPT "
                                 "TO:<bob@example.org>\r\nRCPT TO:<carol@example.org>\r\nDATA\r\n"
                                 "From: alice@contoso.com\r\nTo: bob@example.org,\r\n "
                                 "carol@example.org\r\n"),
               heard);
    BOOST_TEST(heard.find("\r\nDate: Fri, 15 Jan 2027 08:00:00 +0000\r\n") != std::string::npos,
               heard);
    BOOST_TEST(heard.find("\r\nMessage-ID: <postbearer-test.") != std::string::npos);
    BOOST_TEST(heard.find("\r\n.\r\n") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(nobody_listens, Room) {
    const auto result = send_test(path, message, time);
    BOOST_REQUIRE(!result.has_value());
    BOOST_TEST((result.error().code == Errc::Unavailable));
    BOOST_TEST(result.error().context ==
               path + ": No such file or directory; is postbearer-milter running?");
    BOOST_TEST(!send_test("/" + std::string(200, 'x'), message, time).has_value());
}

struct Refusal {
    const char* name;
    std::size_t at;
    const char* answer;
    const char* told;
};
std::ostream& operator<<(std::ostream& out, const Refusal& row) { return out << row.name; }
constexpr Refusal kRefusals[] = {
    {"greeting", 0, "421 4.3.2 full\r\n", "the LMTP front says: 421 4.3.2 full"},
    {"sender", 2, "550 5.1.8 no\r\n", "MAIL FROM:<alice@contoso.com>: 550 5.1.8 no"},
    {"recipient", 4, "550 5.1.1 no\x1b\r\n", "RCPT TO:<carol@example.org>: 550 5.1.1 no?"},
    {"data", 5, "451 4.3.0 no\r\n", "DATA: 451 4.3.0 no"},
    {"hang-up", 3, "", "the LMTP front hung up before it answered"},
};

BOOST_DATA_TEST_CASE(what_the_front_says_before_it_takes_a_message_is_told,
                     boost::unit_test::data::make(kRefusals), row) {
    Room room;
    std::vector<std::string> answers(kGood.begin(),
                                     kGood.begin() + static_cast<std::ptrdiff_t>(row.at));
    if (*row.answer != '\0') {
        answers.emplace_back(row.answer);
    }
    ScriptedFront front(room.path, answers);
    const auto result = send_test(room.path, room.message, room.time);
    BOOST_REQUIRE(!result.has_value());
    BOOST_TEST((result.error().code == Errc::Protocol));
    BOOST_TEST(result.error().context == row.told);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
