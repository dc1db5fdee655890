// SPDX-License-Identifier: Apache-2.0
#pragma once

// graph.md 3.4 once more, as a test expects it: every code of every row, and what a status means
// without one. `later` is the answer after the grace time, empty where the first one stays.

#include <chrono>
#include <ostream>
#include <string>
#include <vector>

#include "milter/graph/graph_errors.hh"

namespace postbearer::test {

struct ErrorCase {
    int status;
    const char* code;
    milter::ErrorClass error_class;
    const char* first;
    const char* later = "";
    std::chrono::minutes grace{0};
    const char* message = "";
};
inline std::ostream& operator<<(std::ostream& out, const ErrorCase& row) {
    return out << row.status << ' ' << row.code << ' ' << row.message;
}

inline const std::vector<ErrorCase>& error_cases() {
    using enum milter::ErrorClass;
    using std::chrono::hours;
    using std::chrono::minutes;
    constexpr const char* kConcurrency = "Application is over its MailboxConcurrency limit.";
    constexpr const char* kRate = "Application is over its RequestRate limit.";
    constexpr const char* kBytes = "Application is over its IncomingBytes limit.";
    static const std::vector<ErrorCase> rows = {
        {200, "", Permanent, "552 5.3.4"},
        {201, "", Permanent, "552 5.3.4"},
        {400, "ErrorMimeContentInvalidBase64String", Transient, "451 4.3.0", "554 5.6.0",
         minutes(1)},
        {400, "ErrorMimeContentInvalid", Permanent, "554 5.6.0"},
        {400, "ErrorMimeContentConversionFailed", Permanent, "554 5.6.0"},
        {400, "ErrorContentConversionFailed", Permanent, "554 5.6.0"},
        {400, "ErrorInvalidRecipients", Permanent, "550 5.1.3"},
        {400, "ErrorMissingRecipients", Permanent, "550 5.1.3"},
        {400, "ErrorInvalidSmtpAddress", Permanent, "553 5.1.3"},
        {400, "ErrorMessageSizeExceeded", Permanent, "552 5.3.4"},
        {413, "", Permanent, "552 5.3.4"},
        {413, "RequestEntityTooLarge", Permanent, "552 5.3.4"},
        {413, "BadRequest", Permanent, "552 5.3.4"},
        {400, "RequestEntityTooLarge", Permanent, "552 5.3.4"},
        {400, "BadRequest", Permanent, "552 5.3.4", "", minutes(0),
         "The maximum request length supported is 4MB."},
        {400, "BadRequest", Permanent, "552 5.3.4", "", minutes(0),
         "Maximum request length exceeded."},
        {400, "UnableToDeserializePostBody", Configuration, "451 4.3.0"},
        {400, "RequestBodyRead", Configuration, "451 4.3.0"},
        {400, "BadRequest", Configuration, "451 4.3.0"},
        {400, "InvalidInternetMessageHeader", Configuration, "451 4.3.0"},
        {400, "ErrorSubmissionQuotaExceeded", Transient, "451 4.7.0"},
        {403, "ErrorSubmissionQuotaExceeded", Transient, "451 4.7.0"},
        {429, "ErrorSubmissionQuotaExceeded", Transient, "451 4.7.0"},
        {400, "ErrorExceededMessageLimit", Transient, "451 4.7.0"},
        {403, "ErrorExceededMessageLimit", Transient, "451 4.7.0"},
        {400, "ErrorMessageSubmissionBlocked", Configuration, "451 4.1.8", "550 5.1.8", hours(4)},
        {403, "ErrorMessageSubmissionBlocked", Configuration, "451 4.1.8", "550 5.1.8", hours(4)},
        {403, "ErrorAccountSuspend", Configuration, "451 4.1.8", "550 5.1.8", hours(4)},
        {403, "ErrorAccountSuspendShowTierUpgrade", Configuration, "451 4.1.8", "550 5.1.8",
         hours(4)},
        {400, "ErrorQuotaExceeded", Transient, "452 4.2.2"},
        {413, "ErrorQuotaExceeded", Transient, "452 4.2.2"},
        {507, "ErrorQuotaExceeded", Transient, "452 4.2.2"},
        {507, "quotaLimitReached", Transient, "452 4.2.2"},
        {401, "InvalidAuthenticationToken", Configuration, "451 4.7.0"},
        {401, "CompactTokenParsingFailed", Configuration, "451 4.7.0"},
        {401, "insufficient_claims", Configuration, "451 4.7.0"},
        {401, "", Configuration, "451 4.7.0"},
        {403, "ErrorAccessDenied", Configuration, "451 4.7.1", "550 5.7.1", hours(4)},
        {403, "ErrorSendAsDenied", Permanent, "550 5.7.60"},
        {403, "Authorization_RequestDenied", Configuration, "451 4.7.1"},
        {403, "accessDenied", Configuration, "451 4.7.1"},
        {404, "ErrorInvalidUser", Permanent, "451 4.1.8", "550 5.1.8", minutes(15)},
        {404, "ResourceNotFound", Permanent, "451 4.1.8", "550 5.1.8", minutes(15)},
        {404, "Request_ResourceNotFound", Permanent, "451 4.1.8", "550 5.1.8", minutes(15)},
        {404, "ErrorNonExistentMailbox", Permanent, "451 4.1.8", "550 5.1.8", minutes(15)},
        {404, "MailboxNotEnabledForRESTAPI", Configuration, "451 4.2.1", "550 5.2.1", hours(1)},
        {403, "extensionError", Configuration, "451 4.7.1", "550 5.7.1", hours(4)},
        {404, "extensionError", Configuration, "451 4.7.1", "550 5.7.1", hours(4)},
        {403, "ErrorAccountDisabled", Configuration, "451 4.2.1", "550 5.2.1", hours(4)},
        {409, "ErrorIrresolvableConflict", Transient, "451 4.3.0"},
        {412, "resourceModified", Transient, "451 4.3.0"},
        {429, "ApplicationThrottled", Ambiguous, "451 4.7.0", "", minutes(0), kConcurrency},
        {429, "ApplicationThrottled", Ambiguous, "451 4.7.0", "", minutes(0), kRate},
        {429, "ApplicationThrottled", Ambiguous, "451 4.7.0", "", minutes(0), kBytes},
        {429, "ApplicationThrottled", Ambiguous, "451 4.7.0"},
        {429, "TooManyRequests", Ambiguous, "451 4.7.0"},
        {429, "activityLimitReached", Ambiguous, "451 4.7.0"},
        {429, "ErrorExceededConnectionCount", Ambiguous, "451 4.7.0"},
        {429, "CommandConcurrencyLimitReached", Ambiguous, "451 4.7.0"},
        {500, "ErrorInternalServerError", Ambiguous, "451 4.3.0"},
        {500, "UnknownError", Ambiguous, "451 4.3.0"},
        {500, "generalException", Ambiguous, "451 4.3.0"},
        {500, "", Ambiguous, "451 4.3.0"},
        {500, "ErrorInternalServerTransientError", Ambiguous, "451 4.3.0"},
        {503, "ErrorInternalServerTransientError", Ambiguous, "451 4.3.0"},
        {503, "ErrorTimeoutExpired", Ambiguous, "451 4.3.0"},
        {500, "ErrorADUnavailable", Ambiguous, "451 4.3.0"},
        {503, "ErrorServerBusy", Ambiguous, "451 4.3.2"},
        {503, "serviceNotAvailable", Ambiguous, "451 4.3.2"},
        {503, "ErrorMailboxStoreUnavailable", Transient, "451 4.2.1"},
        {500, "ErrorMailboxMoveInProgress", Transient, "451 4.2.1"},
        {503, "ErrorMailboxFailover", Transient, "451 4.2.1"},
        {502, "", Ambiguous, "451 4.4.2"},
        {504, "", Ambiguous, "451 4.4.2"},
        {504, "UnknownError", Ambiguous, "451 4.4.2"},
        {509, "", Transient, "451 4.7.0"},
        // Codes that nobody documents fall back on their status.
        {400, "ErrorOfTomorrow", Configuration, "451 4.3.0"},
        {401, "ErrorOfTomorrow", Configuration, "451 4.7.0"},
        {403, "ErrorOfTomorrow", Configuration, "451 4.7.1"},
        {404, "ErrorOfTomorrow", Configuration, "451 4.3.5"},
        {404, "ErrorItemNotFound", Configuration, "451 4.3.5"},  // on sendMail
        {418, "ErrorOfTomorrow", Configuration, "451 4.3.0"},
        {429, "ErrorOfTomorrow", Ambiguous, "451 4.7.0"},
        {500, "ErrorOfTomorrow", Ambiguous, "451 4.3.0"},
        {503, "ErrorOfTomorrow", Ambiguous, "451 4.3.2"},
        {520, "", Ambiguous, "451 4.3.0"},
        {204, "", Ambiguous, "451 4.3.0"},
        {307, "", Configuration, "451 4.3.5"},
        // A known code with an unexpected status: believed where the status says "not sent" ...
        {400, "ErrorSendAsDenied", Permanent, "550 5.7.60"},
        {404, "ErrorAccessDenied", Configuration, "451 4.7.1", "550 5.7.1", hours(4)},
        // ... and not where it leaves that open, or where the code does.
        {500, "ErrorInvalidRecipients", Ambiguous, "451 4.3.0"},
        {429, "ErrorSendAsDenied", Ambiguous, "451 4.7.0"},
        {403, "UnknownError", Configuration, "451 4.7.1"},
        {200, "ErrorSendAsDenied", Permanent, "552 5.3.4"},
        {401, "ErrorAccessDenied", Configuration, "451 4.7.0"},
        {403, "ERRORSENDASDENIED", Permanent, "550 5.7.60"},
    };
    return rows;
}

inline std::string fault_body(const ErrorCase& row) {
    if (*row.code == '\0') {
        return "<html><body><h1>" + std::to_string(row.status) + "</h1></body></html>";
    }
    return std::string(R"({"error":{"code":")") + row.code + R"(","message":")" + row.message +
           R"(","innerError":{"date":"2026-11-21T05:00:00","request-id":"11-22","client-request-id":"33"}}})";
}

}  // namespace postbearer::test
