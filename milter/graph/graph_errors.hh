// SPDX-License-Identifier: Apache-2.0
#pragma once

// What Graph's answers mean for SMTP: graph.md 3.4 as a table, and the rule that finds a row.

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "milter/graph/graph_fault.hh"

namespace postbearer::milter {

enum class ErrorClass : std::uint8_t {
    Permanent,      // P, and R: the LMTP front cannot relay
    Transient,      // T: surely not sent
    Configuration,  // C: an administrator has to act; deferred for a grace time, with an alarm
    Ambiguous       // A: it may have been sent, if Graph got the whole body
};
[[nodiscard]] std::string_view name_of(ErrorClass error_class) noexcept;

/// Which request was answered.
enum class GraphStep : std::uint8_t { SendMail, DraftSend, Upload };

struct SmtpStatus {
    int code = 0;
    std::string_view enhanced;
};

/// One row of the table. `cause` is a clause in which %m stands for the mailbox, `fix` a sentence
/// without its full stop.
struct ErrorRow {
    std::string_view name;
    std::array<int, 3> statuses{};            // unused ones are 0
    std::array<std::string_view, 4> codes{};  // ASCII case does not matter; "Begin*" stands for any
    ThrottleLimit limit = ThrottleLimit::None;  // other than None: only with this one
    bool needs_request_length = false;          // only if the message speaks of it
    bool not_on_send_mail = false;
    ErrorClass error_class = ErrorClass::Transient;
    SmtpStatus first;
    SmtpStatus later{};  // once `grace` has passed; code 0: `first` stays
    std::chrono::seconds grace{0};
    std::chrono::seconds pause{0};  // of the mailbox where no Retry-After says how long
    bool alarm = false;             // log it as something that a human has to look at
    bool new_connection = false;    // for the next request
    std::string_view cause;
    std::string_view fix;
};

/// Longest pause after one answer; as long are the pauses of submission quotas.
inline constexpr std::chrono::seconds kLongestPause{3600};

/// Rows with codes, then the rows that a status falls back on.
[[nodiscard]] std::span<const ErrorRow> code_rows() noexcept;
[[nodiscard]] std::span<const ErrorRow> status_rows() noexcept;

struct Verdict {
    const ErrorRow* row = nullptr;  // never null
    std::string code;               // the one that decided, else the outermost; may be empty
    std::chrono::seconds pause{0};  // of the mailbox; 0: none
};

/// `fault.status` is not 202. The innermost code that has a row for this status decides; one whose
/// row is for other statuses does too, unless the status leaves open whether the mail was sent.
/// Else the status alone.
[[nodiscard]] Verdict verdict_on(const GraphFault& fault, GraphStep step,
                                 std::optional<std::chrono::seconds> retry_after);

/// The status to answer with.
[[nodiscard]] SmtpStatus status_of(const Verdict& verdict, bool grace_has_passed) noexcept;

/// `text` with %m replaced.
[[nodiscard]] std::string with_mailbox(std::string_view text, std::string_view mailbox);

/// "Cause. Fix. (Code, request-id ID)", one printable line. `maybe_sent` puts "the message may
/// have been sent" into it.
[[nodiscard]] std::string sentence_on(const Verdict& verdict, int status, std::string_view mailbox,
                                      std::string_view request_id, bool maybe_sent);

}  // namespace postbearer::milter
