// SPDX-License-Identifier: Apache-2.0
// The man page's table of Graph's answers is the error table in the admin's words: neither may say
// what the other does not.
#include <algorithm>
#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "milter/graph/graph_errors.hh"
#include "tests/support/option_documents.hh"

namespace postbearer::milter {

std::ostream& operator<<(std::ostream& out, const ErrorRow& row) { return out << row.name; }

namespace {

/// `.It` lines, those that go on behind a backslash in one.
std::vector<std::string> items_of_the_man_page() {
    std::istringstream lines(test::source_file("milter/man/postbearer-milter.toml.5"));
    std::vector<std::string> items;
    bool goes_on = false;
    for (std::string line; std::getline(lines, line);) {
        if (goes_on) {
            items.back() += line;
        } else if (line.starts_with(".It ")) {
            items.push_back(line);
        }
        goes_on = (goes_on || line.starts_with(".It ")) && line.ends_with('\\');
    }
    return items;
}

std::string answer(const SmtpStatus& status) {
    return std::to_string(status.code) + " " + std::string(status.enhanced);
}

bool has(const std::string& item, std::string_view text) {
    return item.find(text) != std::string::npos;
}

/// By its code, or as one of all answers of a status; with the first answer and, where there is
/// one, the answer once the grace time has passed.
bool tells(const std::string& item, std::string_view code, const ErrorRow& row) {
    const bool by_status = std::any_of(row.statuses.begin(), row.statuses.end(), [&](int status) {
        return status != 0 && (has(item, " " + std::to_string(status) + ":") ||
                               has(item, " " + std::to_string(status) + ","));
    });
    return (has(item, code) || by_status) && has(item, answer(row.first)) &&
           (row.later.code == 0 || has(item, answer(row.later)));
}

BOOST_AUTO_TEST_SUITE(answers_test)

const std::vector<ErrorRow> kRows(code_rows().begin(), code_rows().end());

BOOST_DATA_TEST_CASE(the_man_page_has_every_code, boost::unit_test::data::make(kRows), row) {
    const std::vector<std::string> items = items_of_the_man_page();
    for (std::string_view code : row.codes) {
        if (code.ends_with('*')) {
            code.remove_suffix(1);
        }
        // Rows of the draft flow wait for a later version.
        const bool told = code.empty() || row.not_on_send_mail ||
                          std::any_of(items.begin(), items.end(), [&](const std::string& item) {
                              return tells(item, code, row);
                          });
        BOOST_TEST(told, code << " with " << answer(row.first));
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
