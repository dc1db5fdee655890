// SPDX-License-Identifier: Apache-2.0
#include "milter/graph/graph_errors.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <set>

#include "common/text.hh"
#include "tests/unit/milter/graph/error_rows.hh"

namespace {

using namespace postbearer;
using namespace postbearer::milter;
using namespace std::chrono_literals;

std::string text_of(const SmtpStatus& status) {
    return std::to_string(status.code) + " " + std::string(status.enhanced);
}

Verdict on(int status, std::string_view body, std::optional<std::chrono::seconds> after = {},
           GraphStep step = GraphStep::SendMail) {
    return verdict_on(read_fault(status, body), step, after);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_errors_test)

BOOST_DATA_TEST_CASE(a_row_of_the_table, boost::unit_test::data::make(test::error_cases()), row) {
    const Verdict verdict = on(row.status, test::fault_body(row));
    BOOST_TEST(name_of(verdict.row->error_class) == name_of(row.error_class));
    BOOST_TEST(text_of(status_of(verdict, false)) == row.first);
    BOOST_TEST(text_of(status_of(verdict, true)) == (*row.later == '\0' ? row.first : row.later));
    BOOST_TEST((verdict.row->grace == row.grace));
    BOOST_TEST(verdict.code == row.code);
}

BOOST_AUTO_TEST_CASE(every_row_is_sound) {
    std::set<std::string_view> names;
    for (const auto& rows : {code_rows(), status_rows()}) {
        for (const ErrorRow& row : rows) {
            BOOST_TEST_CONTEXT(row.name) {
                BOOST_TEST(names.insert(row.name).second);
                BOOST_TEST(row.statuses[0] != 0);
                for (const SmtpStatus& status : {row.first, row.later}) {
                    if (status.code != 0) {
                        BOOST_TEST(status.enhanced.substr(0, 1) ==
                                   std::to_string(status.code / 100));
                    }
                }
                BOOST_TEST((row.later.code == 0) == (row.grace == 0s));
                BOOST_TEST((row.error_class != ErrorClass::Ambiguous || row.first.code < 500));
                BOOST_TEST(row.cause.find("%m") != std::string_view::npos);
                BOOST_TEST(!row.fix.empty());
                BOOST_TEST(row.fix.back() != '.');
                BOOST_TEST(is_plain_utf8(row.cause));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(the_innermost_known_code_decides) {
    const std::string_view body =
        R"({"error":{"code":"generalException","message":"x","innerError":{"code":"ErrorSendAsDenied",
            "innererror":{"code":"ErrorOfTomorrow","request-id":"deep"}}}})";
    const Verdict verdict = on(403, body);
    BOOST_TEST(verdict.code == "ErrorSendAsDenied");
    BOOST_TEST(read_fault(403, body).request_id == "deep");
    // The innermost one only where it fits the status.
    const Verdict busy = on(503, R"({"error":{"code":"ErrorServerBusy","innerError":
        {"code":"ErrorSendAsDenied"}}})");
    BOOST_TEST(busy.code == "ErrorServerBusy");
}

BOOST_AUTO_TEST_CASE(where_it_happened_matters) {
    const std::string_view body = R"({"error":{"code":"ErrorItemNotFound"}})";
    BOOST_TEST((on(404, body, {}, GraphStep::DraftSend).row->error_class == ErrorClass::Ambiguous));
    BOOST_TEST(text_of(on(404, body, {}, GraphStep::Upload).row->first) == "451 4.4.2");
    BOOST_TEST(
        (on(404, body, {}, GraphStep::SendMail).row->error_class == ErrorClass::Configuration));
}

BOOST_AUTO_TEST_CASE(the_limit_is_read_from_the_message_of_a_429) {
    const auto limit = [](const char* words) {
        return read_fault(429,
                          std::string(R"({"error":{"code":"ApplicationThrottled","message":")") +
                              words + R"("}})")
            .limit;
    };
    BOOST_TEST((limit("Application is over its MailboxConcurrency limit.") ==
                ThrottleLimit::MailboxConcurrency));
    BOOST_TEST((limit("over its RequestRate limit") == ThrottleLimit::RequestRate));
    BOOST_TEST((limit("over its IncomingBytes limit") == ThrottleLimit::IncomingBytes));
    BOOST_TEST((limit("over a limit of tomorrow") == ThrottleLimit::None));
}

struct PauseRow {
    const char* name;
    int status;
    const char* body;
    std::optional<std::chrono::seconds> retry_after;
    std::chrono::seconds pause;
};
std::ostream& operator<<(std::ostream& out, const PauseRow& row) { return out << row.name; }
const PauseRow kPauses[] = {
    {"429 without Retry-After", 429, "", std::nullopt, 30s},
    {"429 with 0", 429, "", 0s, 0s},
    {"429 with 1", 429, "", 1s, 1s},
    {"429 with an hour", 429, "", 3600s, 3600s},
    {"429 with a day", 429, "", 86'400s, 3600s},
    {"concurrency without Retry-After", 429,
     R"({"error":{"code":"ApplicationThrottled","message":"MailboxConcurrency"}})", std::nullopt,
     1s},
    {"submission quota", 429, R"({"error":{"code":"ErrorSubmissionQuotaExceeded"}})", 5s, 3600s},
    {"submission quota at 403", 403, R"({"error":{"code":"ErrorSubmissionQuotaExceeded"}})",
     std::nullopt, 3600s},
    {"message limit", 400, R"({"error":{"code":"ErrorExceededMessageLimit"}})", std::nullopt,
     3600s},
    {"503 without Retry-After", 503, "", std::nullopt, 0s},
    {"503 with 20", 503, "", 20s, 20s},
    {"403 with Retry-After", 403, "", 20s, 0s},
    {"200 with Retry-After", 200, "", 20s, 0s},
};
BOOST_DATA_TEST_CASE(a_pause, boost::unit_test::data::make(kPauses), row) {
    BOOST_TEST((on(row.status, row.body, row.retry_after).pause == row.pause));
}

struct BodyRow {
    const char* name;
    std::string body;
};
std::ostream& operator<<(std::ostream& out, const BodyRow& row) { return out << row.name; }
const BodyRow kBodies[] = {
    {"empty", ""},
    {"HTML", "<!DOCTYPE html><html><title>502</title></html>"},
    {"a megabyte", std::string(1'000'000, 'x')},
    {"a megabyte of JSON", R"({"error":{"code":"ErrorSendAsDenied","message":")" +
                               std::string(1'000'000, 'x') + R"("}})"},
    {"deep", std::string(50'000, '[')},
    {"deep objects",
     [] {
         std::string text;
         for (int i = 0; i < 5'000; ++i) {
             text += R"({"error":)";
         }
         return text;
     }()},
    {"error is a text", R"({"error":"invalid_token"})"},
    {"error is null", R"({"error":null})"},
    {"code is a number", R"({"error":{"code":12}})"},
    {"message is a list", R"({"error":{"code":"","message":[1]}})"},
    {"inner error is a number", R"({"error":{"innerError":3}})"},
    {"an array", R"([{"error":{}}])"},
    {"NUL", std::string("\0\0", 2)},
};
BOOST_DATA_TEST_CASE(a_body_without_a_code, boost::unit_test::data::make(kBodies), row) {
    const Verdict verdict = on(503, row.body);
    BOOST_TEST(verdict.code.empty());
    BOOST_TEST(verdict.row->name == "status 503");
    BOOST_TEST(
        sentence_on(verdict, 503, "svc@contoso.com", "", false) ==
        "Graph is not available for mailbox svc@contoso.com. Postfix tries again. (HTTP 503)");
}

BOOST_AUTO_TEST_CASE(foreign_words_become_printable_and_short) {
    const GraphFault fault =
        read_fault(400, R"({"error":{"code":"A\r\nB\u0000C)" + std::string(500, 'x') +
                            R"(","innerError":{"request-id":"\u001b[31m"}}})");
    BOOST_REQUIRE(fault.codes.size() == 1U);
    BOOST_TEST(fault.codes[0].size() <= kMaxCodeBytes);
    BOOST_TEST(is_plain_utf8(fault.codes[0]));
    BOOST_TEST(fault.request_id == "?[31m");
}

BOOST_AUTO_TEST_CASE(a_chain_of_inner_errors_is_cut) {
    std::string body = R"({"error":)";
    for (int i = 0; i < 10; ++i) {
        body += R"({"code":"c","innerError":)";
    }
    body += "{}" + std::string(11, '}');
    BOOST_TEST(read_fault(400, body).codes.size() == 5U);
}

BOOST_AUTO_TEST_CASE(a_sentence_names_cause_mailbox_fix_code_and_request) {
    const Verdict denied = on(403, R"({"error":{"code":"ErrorSendAsDenied"}})");
    BOOST_TEST(sentence_on(denied, 403, "svc@contoso.com", "11-22", false) ==
               "The From address may not be used by mailbox svc@contoso.com. Grant it Send As, or "
               "route this From to its own mailbox. (ErrorSendAsDenied, request-id 11-22)");
    const Verdict gateway = on(504, "<html>");
    BOOST_TEST(sentence_on(gateway, 504, "svc@contoso.com", "", true) ==
               "A gateway of Graph got no answer about mailbox svc@contoso.com; the message may "
               "have been sent. Postfix tries again. (HTTP 504)");
}

BOOST_AUTO_TEST_SUITE_END()
