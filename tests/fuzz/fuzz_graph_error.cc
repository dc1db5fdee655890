// SPDX-License-Identifier: Apache-2.0
// What Graph, or whatever stands before it, may answer. Bytes 0 and 1: status, byte 2: step and
// Retry-After, byte 3: time passed; then the body.
#include <stddef.h>
#include <stdint.h>

#include <cstdlib>
#include <string_view>

#include "common/text.hh"
#include "milter/graph/graph_errors.hh"
#include "milter/graph/graph_request.hh"

namespace {

using namespace postbearer;
using namespace postbearer::milter;

constexpr std::string_view kMailbox = "svc@contoso.com";

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

void check_status(const SmtpStatus& status) {
    require(status.code >= 400 && status.code <= 559);
    require(status.enhanced.size() >= 5 && status.enhanced[1] == '.');
    require(status.enhanced[0] == static_cast<char>('0' + status.code / 100));
}

void check_text(const std::string& text, std::size_t limit) {
    require(text.size() <= limit);
    require(is_plain_utf8(text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 4) {
        return 0;
    }
    const int status = (data[0] * 256 + data[1]) % 1000;
    const std::string_view body(reinterpret_cast<const char*>(data) + 4, size - 4);
    const GraphFault fault = read_fault(status, body);
    require(fault.status == status && fault.codes.size() <= 5);
    for (const std::string& code : fault.codes) {
        check_text(code, kMaxCodeBytes);
        require(!code.empty());
    }
    check_text(fault.request_id, kMaxCodeBytes);
    std::optional<std::chrono::seconds> retry_after;
    if ((data[2] & 0x80U) != 0) {
        retry_after = std::chrono::seconds((data[2] & 0x7FU) * 100);
    }
    for (const GraphStep step : {GraphStep::SendMail, GraphStep::DraftSend, GraphStep::Upload}) {
        const Verdict verdict = verdict_on(fault, step, retry_after);
        require(verdict.row != nullptr);
        require(verdict.pause.count() >= 0 && verdict.pause <= kLongestPause);
        const SmtpStatus first = status_of(verdict, false);
        check_status(first);
        check_status(status_of(verdict, true));
        const bool ambiguous = verdict.row->error_class == ErrorClass::Ambiguous;
        require(!ambiguous || status_of(verdict, true).code < 500);
        check_text(sentence_on(verdict, status, kMailbox, fault.request_id, ambiguous), 700);
        check_text(sentence_on(verdict, status, body, body, false), 1000);
    }
    for (const char c : claims_in(body)) {
        require(c > ' ' && c <= 'z' && c != '"');
    }
    return 0;
}
