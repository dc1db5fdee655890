// SPDX-License-Identifier: Apache-2.0
#include "token-agent/token_failure.hh"

#include <algorithm>
#include <optional>

#include "common/text.hh"
#include "token-agent/foreign_text.hh"
#include "token-agent/hints.hh"
#include "token-agent/json.hh"
#include "token-agent/oauth_error.hh"

namespace postbearer::agent {
namespace {

using protocol::FailureClass;
using protocol::FailureCode;
using std::chrono::seconds;

constexpr std::size_t kMaxNameBytes = 48;
constexpr std::size_t kMaxQuoteBytes = 100;
constexpr std::string_view kRetried = "Retried automatically";

/// The parts of our one sentence; the words of the server come last, so that a cut takes them.
struct Sentence {
    std::string what;
    std::string evidence;  // in parentheses: AADSTSn, or status and error
    std::string fix;
    std::string quote;  // of the server's error_description
};

std::string build(const Sentence& sentence, const FetchFailure& failure,
                  const AnswerContext& context) {
    std::string text = "provider '" + printable(context.provider, kMaxNameBytes) + "': ";
    text += sentence.what;
    if (!sentence.evidence.empty()) {
        text += " (" + sentence.evidence + ")";
    }
    if (!sentence.fix.empty()) {
        text += ". " + sentence.fix;
    }
    if (failure.clock_skew) {
        const seconds::rep behind = failure.clock_skew->count();
        text += ". This host's clock is " + std::to_string(behind < 0 ? -behind : behind) +
                (behind < 0 ? " s ahead of" : " s behind") + " the server's";
    }
    if (!sentence.quote.empty()) {
        text += ". The server says: " + sentence.quote;
    }
    return printable(text, protocol::kMaxSentenceBytes);
}

/// Which credential it was matters where it was the client that was refused.
std::string naming_credential(std::string_view what, FailureCode code,
                              const AnswerContext& context) {
    const bool about_client =
        code == FailureCode::InvalidClient || code == FailureCode::CertExpired;
    if (!about_client || context.credential.empty()) {
        return std::string(what);
    }
    return printable(context.credential, kMaxQuoteBytes) + ": " + std::string(what);
}

/// The provider compares issuer, subject and audience of a federated token with its own.
bool is_about_federation(std::uint64_t aadsts) {
    constexpr std::uint64_t kNumbers[] = {70021, 700211, 700212, 700213, 7002138};
    return std::find(std::begin(kNumbers), std::end(kNumbers), aadsts) != std::end(kNumbers);
}

FetchFailure base_failure(const http::Response& response, const AnswerContext& context) {
    FetchFailure failure;
    failure.http_status = response.status;
    if (response.date) {
        const seconds skew = *response.date - context.now;
        if (skew > kSkewWorthTelling || skew < -kSkewWorthTelling) {
            failure.clock_skew = skew;
        }
    }
    return failure;
}

/// `error_codes` first: the number in the text is for people.
std::optional<std::uint64_t> aadsts_of(const JsonObject& json) {
    const std::vector<std::uint64_t> numbers = json.numbers("error_codes");
    for (const std::uint64_t number : numbers) {
        if (find_hint(number)) {
            return number;
        }
    }
    if (!numbers.empty()) {
        return numbers.front();
    }
    constexpr std::string_view kMark = "AADSTS";
    std::string_view text = json.text_or_empty("error_description");
    const std::size_t at = text.find(kMark);
    if (at == std::string_view::npos) {
        return std::nullopt;
    }
    text.remove_prefix(at + kMark.size());
    return parse_decimal(text.substr(0, text.find_first_not_of("0123456789")));
}

/// Entra ends its text with ids and a time that have fields of their own.
std::string_view first_words(std::string_view description) {
    description = description.substr(0, description.find_first_of("\r\n"));
    return description.substr(0, description.find(" Trace ID:"));
}

Verdict by_status(long status, Grant grant, bool empty_body, bool has_json) {
    const bool app_only = grant == Grant::ClientCredentials;
    if (status == 404 || status == 405 || status == 410) {
        return {FailureClass::NeedsAdmin, FailureCode::BadResponse,
                "there is no token endpoint at this address",
                "Check token_endpoint, issuer, tenant and cloud, then reload"};
    }
    if (status == 401 && (empty_body || has_json)) {
        return {FailureClass::NeedsAdmin, FailureCode::InvalidClient, "the client was refused",
                "Check client_id and client_secret, then reload"};
    }
    if (status == 403 && empty_body) {  // glewlwyd, for a wrong secret
        return {FailureClass::NeedsAdmin, FailureCode::InvalidClient, "the client was refused",
                "Check client_id and client_secret, then reload"};
    }
    if (status == 400 && empty_body && !app_only) {  // glewlwyd, for a used refresh token
        return {FailureClass::NeedsUser, FailureCode::InvalidGrant, "the grant was refused",
                "Log in again"};
    }
    if (status >= 400 && (empty_body || has_json)) {
        return {FailureClass::NeedsAdmin, FailureCode::ProviderError,
                "the request was refused without a reason",
                "Check client_id, token_endpoint and scopes, then reload"};
    }
    return {FailureClass::Transient, FailureCode::BadResponse,
            "something else than an OAuth server answered",
            "Look for a proxy or portal in between; retried automatically"};
}

/// 408, 429 and 5xx pass by themselves, whatever their body says.
std::optional<Verdict> passing(long status) {
    if (status == 429) {
        return Verdict{FailureClass::Transient, FailureCode::Throttled,
                       "the provider throttles requests", kRetried};
    }
    if (status == 408) {
        return Verdict{FailureClass::Transient, FailureCode::Timeout, "the provider's time ran out",
                       kRetried};
    }
    if (status >= 500) {
        return Verdict{FailureClass::Transient, FailureCode::ProviderError,
                       "the provider has trouble", kRetried};
    }
    return std::nullopt;
}

/// Words of the hint; its class only where that is the milder reading or the only one.
void apply_hint(Verdict& verdict, const Hint& hint, bool known_error, bool passes,
                const AnswerContext& context) {
    verdict.means = hint.means;
    verdict.fix = hint.fix;
    if (passes) {
        return;
    }
    if (hint.failure_class == FailureClass::Transient || !known_error) {
        verdict.failure_class = hint.failure_class;
        verdict.code = hint.code;
    }
    if (hint.propagation && context.recently_changed) {
        verdict.failure_class = FailureClass::Transient;
    }
}

Verdict judge(const http::Response& response, const JsonObject* json, std::string_view error,
              std::string_view suberror, const std::optional<Hint>& hint,
              const AnswerContext& context) {
    const auto passes = passing(response.status);
    const auto known = verdict_on(error, suberror, context.grant);
    Verdict verdict =
        passes  ? *passes
        : known ? *known
                : by_status(response.status, context.grant, response.body.empty(), json != nullptr);
    if (hint) {
        apply_hint(verdict, *hint, known.has_value(), passes.has_value(), context);
    }
    return verdict;
}

void set_retry(FetchFailure& failure, const http::Response& response,
               const std::optional<Hint>& hint) {
    if (failure.answer.failure_class != FailureClass::Transient) {
        return;
    }
    if (response.retry_after) {
        failure.answer.retry_after =
            std::clamp(*response.retry_after, seconds(0), kMaxProviderWait);
    }
    constexpr std::uint64_t kLoop = 50196;
    if (hint && hint->number == kLoop) {
        failure.answer.retry_after =
            std::max(failure.answer.retry_after.value_or(seconds(0)), kLoopWait);
    }
}

FetchFailure redirected(const http::Response& response, const AnswerContext& context) {
    FetchFailure failure = base_failure(response, context);
    failure.answer.failure_class = FailureClass::NeedsAdmin;
    failure.answer.code = FailureCode::BadResponse;
    Sentence sentence;
    sentence.what = "the token endpoint redirects to another address instead of answering";
    sentence.evidence = "HTTP " + std::to_string(response.status);
    if (!response.redirect_host.empty()) {
        sentence.evidence += " to " + printable(response.redirect_host, kMaxQuoteBytes);
    }
    sentence.fix = "Set token_endpoint to the right address, then reload; no secret was sent there";
    failure.answer.message = build(sentence, failure, context);
    return failure;
}

}  // namespace

FetchFailure refused(const http::Response& response, const JsonObject* json,
                     const AnswerContext& context) {
    if (response.status >= 300 && response.status < 400) {
        return redirected(response, context);
    }
    FetchFailure failure = base_failure(response, context);
    std::optional<std::uint64_t> number;
    Sentence sentence;
    if (json != nullptr) {
        failure.error = identifier(json->text_or_empty("error"), context.redacted);
        failure.suberror = identifier(json->text_or_empty("suberror"), context.redacted);
        failure.trace_id = identifier(json->text_or_empty("trace_id"), context.redacted);
        failure.correlation_id =
            identifier(json->text_or_empty("correlation_id"), context.redacted);
        number = aadsts_of(*json);
    }
    const auto hint = number ? find_hint(*number) : std::nullopt;
    const Verdict verdict = judge(response, json, failure.error, failure.suberror, hint, context);
    failure.answer.failure_class = verdict.failure_class;
    failure.answer.code = verdict.code;
    set_retry(failure, response, hint);
    const bool by_hint = hint && !passing(response.status);
    sentence.what = naming_credential(verdict.means, by_hint ? hint->code : verdict.code, context);
    sentence.fix = verdict.fix;
    sentence.evidence = "HTTP " + std::to_string(response.status);
    if (!failure.error.empty()) {
        sentence.evidence += " " + failure.error;
    }
    if (!hint && verdict.code == FailureCode::InvalidClient && !context.credential.empty()) {
        sentence.fix = "Check client_id and this credential at the provider, then reload";
    }
    if (failure.error == "unauthorized_client" && !context.unauthorized_advice.empty()) {
        sentence.fix = context.unauthorized_advice;
    }
    if (number && is_about_federation(*number) && !context.presented.empty()) {
        sentence.fix =
            "Make the app's federated credential match (case matters): " + context.presented +
            ", or wait 5 minutes";
    }
    if (number) {
        failure.answer.hint = "AADSTS" + std::to_string(*number);
        sentence.evidence = failure.answer.hint;
    }
    if (hint && hint->propagation && context.recently_changed) {
        sentence.fix += ". Retried for 15 minutes after a change";
    }
    if (!hint && json != nullptr) {
        sentence.quote = quotable(first_words(json->text_or_empty("error_description")),
                                  kMaxQuoteBytes, context.redacted);
    }
    failure.answer.message = build(sentence, failure, context);
    return failure;
}

FetchFailure unusable(const http::Response& response, std::string_view why,
                      FailureClass failure_class, const AnswerContext& context) {
    FetchFailure failure = base_failure(response, context);
    failure.answer.failure_class = failure_class;
    failure.answer.code = FailureCode::BadResponse;
    Sentence sentence;
    sentence.what = "the token endpoint's answer is unusable";
    sentence.evidence = why;
    sentence.fix = failure_class == FailureClass::Transient
                       ? "Look for a proxy or portal in between; retried automatically"
                       : "Check token_endpoint, then reload";
    failure.answer.message = build(sentence, failure, context);
    set_retry(failure, response, std::nullopt);
    return failure;
}

FetchFailure unanswered(const Error& error, const AnswerContext& context) {
    FetchFailure failure;
    Sentence sentence;
    sentence.what = error.context;
    sentence.fix = kRetried;
    switch (error.code) {
        case Errc::Timeout:
            failure.answer.code = FailureCode::Timeout;
            break;
        case Errc::Protocol:
            failure.answer.code = FailureCode::BadResponse;
            break;
        case Errc::Config:
        case Errc::Denied:
            failure.answer.failure_class = FailureClass::NeedsAdmin;
            failure.answer.code = FailureCode::ProviderError;
            sentence.fix = "Correct the configuration, then reload";
            break;
        case Errc::Unavailable:
            failure.answer.code = FailureCode::Network;
            break;
        case Errc::Internal:
            failure.answer.code = FailureCode::ProviderError;
            break;
    }
    failure.answer.message = build(sentence, failure, context);
    return failure;
}

FetchFailure not_sent(FailureCode code, std::string_view why, const AnswerContext& context) {
    FetchFailure failure;
    failure.answer.failure_class = FailureClass::NeedsAdmin;
    failure.answer.code = code;
    Sentence sentence;
    sentence.what = naming_credential(why, code, context);
    failure.answer.message = build(sentence, failure, context);
    return failure;
}

bool client_was_refused(const FetchFailure& failure) {
    const FailureCode code = failure.answer.code;
    if (code == FailureCode::InvalidClient || code == FailureCode::CertExpired) {
        return true;
    }
    const long status = failure.http_status;
    if (status >= 500 || status == 408 || status == 429) {
        return false;
    }
    constexpr std::string_view kMark = "AADSTS";
    const std::string_view text = failure.answer.hint;
    const auto number = text.substr(0, kMark.size()) == kMark
                            ? parse_decimal(text.substr(kMark.size()))
                            : std::nullopt;
    const auto hint = number ? find_hint(*number) : std::nullopt;
    return hint && hint->code == FailureCode::InvalidClient;
}

FetchFailure passing_failure(FailureCode code, std::string message) {
    FetchFailure failure;
    failure.answer.failure_class = FailureClass::Transient;
    failure.answer.code = code;
    failure.answer.message = std::move(message);
    return failure;
}

}  // namespace postbearer::agent
