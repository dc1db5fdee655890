// SPDX-License-Identifier: Apache-2.0
#include "milter/graph/graph_errors.hh"

#include <algorithm>

#include "common/text.hh"

namespace postbearer::milter {
namespace {

constexpr std::size_t kMaxMailboxBytes = 320;

constexpr ErrorRow kOtherRows[] = {
    {.name = "other 2xx",
     .error_class = ErrorClass::Ambiguous,
     .first = {451, "4.3.0"},
     .alarm = true,
     .cause = "Graph gave an unexpected answer for mailbox %m",
     .fix = "Check that endpoint and proxy lead to Graph"},
    {.name = "other 3xx",
     .error_class = ErrorClass::Configuration,
     .first = {451, "4.3.5"},
     .alarm = true,
     .cause = "A redirection instead of Graph's answer came for mailbox %m",
     .fix = "Check cloud, endpoint and proxy"},
    {.name = "other 4xx",
     .error_class = ErrorClass::Configuration,
     .first = {451, "4.3.0"},
     .alarm = true,
     .cause = "Graph refused a request for mailbox %m for a reason that we do not know",
     .fix = "Look the error code up; report it as a bug of Postbearer if it lasts"},
    {.name = "other 5xx",
     .error_class = ErrorClass::Ambiguous,
     .first = {451, "4.3.0"},
     .cause = "Graph failed with mailbox %m",
     .fix = "Postfix tries again"},
};

bool has_status(const ErrorRow& row, int status) noexcept {
    return std::find(row.statuses.begin(), row.statuses.end(), status) != row.statuses.end();
}

bool has_code(const ErrorRow& row, std::string_view lower_code) {
    return std::any_of(row.codes.begin(), row.codes.end(), [&](std::string_view pattern) {
        if (pattern.ends_with('*')) {
            return lower_code.starts_with(ascii_lower(pattern.substr(0, pattern.size() - 1)));
        }
        return !pattern.empty() && lower_code == ascii_lower(pattern);
    });
}

bool fits(const ErrorRow& row, const GraphFault& fault, GraphStep step) noexcept {
    return (row.limit == ThrottleLimit::None || row.limit == fault.limit) &&
           (!row.needs_request_length || fault.names_request_length) &&
           (!row.not_on_send_mail || step != GraphStep::SendMail);
}

/// An answer of this status means that Graph has not taken the message, whatever its code.
bool says_not_sent(int status) noexcept { return status >= 400 && status < 500 && status != 429; }

struct Found {
    const ErrorRow* row = nullptr;
    std::string_view code;
};

Found by_code(const GraphFault& fault, GraphStep step, bool any_status) {
    for (auto code = fault.codes.rbegin(); code != fault.codes.rend(); ++code) {
        const std::string lower = ascii_lower(*code);
        for (const ErrorRow& row : code_rows()) {
            const bool status_fits = any_status ? row.error_class != ErrorClass::Ambiguous
                                                : has_status(row, fault.status);
            if (status_fits && has_code(row, lower) && fits(row, fault, step)) {
                return {&row, *code};
            }
        }
    }
    return {};
}

const ErrorRow* by_status(int status) noexcept {
    for (const ErrorRow& row : status_rows()) {
        if (has_status(row, status)) {
            return &row;
        }
    }
    if (status >= 200 && status < 300) {
        return &kOtherRows[0];
    }
    if (status >= 300 && status < 400) {
        return &kOtherRows[1];
    }
    return says_not_sent(status) ? &kOtherRows[2] : &kOtherRows[3];
}

/// Statuses whose Retry-After speaks of the mailbox, not of a resource that is being made.
bool may_pause(int status) noexcept { return status == 429 || status >= 500; }

}  // namespace

std::string_view name_of(ErrorClass error_class) noexcept {
    constexpr std::string_view kNames[] = {"permanent", "transient", "configuration", "ambiguous"};
    return kNames[static_cast<std::size_t>(error_class)];
}

Verdict verdict_on(const GraphFault& fault, GraphStep step,
                   std::optional<std::chrono::seconds> retry_after) {
    Found found;
    if (fault.status >= 400) {
        found = by_code(fault, step, false);
        // 401 is about the token and 413 about the size, whatever else is said.
        if (found.row == nullptr && says_not_sent(fault.status) && fault.status != 401 &&
            fault.status != 413) {
            found = by_code(fault, step, true);
        }
    }
    Verdict verdict;
    verdict.row = found.row != nullptr ? found.row : by_status(fault.status);
    if (found.row != nullptr) {
        verdict.code = found.code;
    } else if (!fault.codes.empty()) {
        verdict.code = fault.codes.front();
    }
    verdict.pause = verdict.row->pause;
    if (retry_after && may_pause(fault.status) && verdict.pause < kLongestPause) {
        verdict.pause = std::clamp(*retry_after, std::chrono::seconds(0), kLongestPause);
    }
    return verdict;
}

SmtpStatus status_of(const Verdict& verdict, bool grace_has_passed) noexcept {
    const ErrorRow& row = *verdict.row;
    return grace_has_passed && row.later.code != 0 ? row.later : row.first;
}

std::string with_mailbox(std::string_view text, std::string_view mailbox) {
    std::string out(text);
    if (const std::size_t at = out.find("%m"); at != std::string::npos) {
        out.replace(at, 2, printable(mailbox, kMaxMailboxBytes));
    }
    return out;
}

std::string sentence_on(const Verdict& verdict, int status, std::string_view mailbox,
                        std::string_view request_id, bool maybe_sent) {
    std::string text = with_mailbox(verdict.row->cause, mailbox);
    text += maybe_sent ? "; the message may have been sent. " : ". ";
    text += verdict.row->fix;
    text += ". (";
    text += verdict.code.empty() ? "HTTP " + std::to_string(status) : verdict.code;
    if (!request_id.empty()) {
        text += ", request-id ";
        text += printable(request_id, kMaxCodeBytes);
    }
    text += ')';
    return text;
}

}  // namespace postbearer::milter
