// SPDX-License-Identifier: Apache-2.0
#include "common/agent_messages.hh"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>

#include "common/text.hh"

namespace postbearer::protocol {
namespace {

constexpr std::string_view kResourceNames[] = {"smtp", "imap", "pop", "graph"};
constexpr std::string_view kClassNames[] = {"transient", "needs_user",      "needs_admin",
                                            "denied",    "unknown_account", "bad_request"};
constexpr std::string_view kCodeNames[] = {"timeout",
                                           "network",
                                           "throttled",
                                           "provider_error",
                                           "bad_response",
                                           "too_short",
                                           "store_unwritable",
                                           "invalid_grant",
                                           "interaction_required",
                                           "invalid_client",
                                           "unauthorized_client",
                                           "invalid_scope",
                                           "cert_expired",
                                           "not_logged_in",
                                           "access_denied",
                                           "no_account",
                                           "syntax"};
constexpr std::string_view kActionNames[] = {"refreshed", "stale", "rate_limited"};

template <typename Enum, std::size_t Count>
std::optional<Enum> enum_from(const std::string_view (&names)[Count], std::string_view name) {
    const auto* const found = std::find(std::begin(names), std::end(names), name);
    if (found == std::end(names)) {
        return std::nullopt;
    }
    return static_cast<Enum>(found - std::begin(names));
}

tl::unexpected<AgentFailure> syntax_error(std::string message) {
    return tl::unexpected<AgentFailure>(AgentFailure{
        FailureClass::BadRequest, FailureCode::Syntax, std::move(message), std::nullopt, {}});
}

/// A number attribute that may be absent; a present one must be a decimal number up to `limit`.
struct OptionalNumber {
    bool valid = true;
    std::optional<std::int64_t> value;
};

OptionalNumber number(const Attributes& attributes, std::string_view name, std::uint64_t limit) {
    const auto text = attributes.find(name);
    if (!text) {
        return {};
    }
    const auto value = parse_decimal(*text);
    if (!value) {
        return {false, std::nullopt};
    }
    return {true, static_cast<std::int64_t>(std::min(*value, limit))};
}

struct Target {
    std::string account;
    Resource resource = Resource::Smtp;
};

tl::expected<Target, AgentFailure> decode_target(const Attributes& attributes) {
    const auto account = attributes.find("account");
    if (!account || account->empty()) {
        return syntax_error("the request names no account");
    }
    const auto resource_name = attributes.find("resource");
    if (!resource_name) {
        return syntax_error("the request names no resource (smtp, imap, pop or graph)");
    }
    const auto resource = resource_from(*resource_name);
    if (!resource) {
        return syntax_error("resource is none of smtp, imap, pop, graph");
    }
    return Target{std::string(*account), *resource};
}

tl::expected<Request, AgentFailure> decode_token_request(const Attributes& attributes) {
    constexpr std::uint64_t kLongestSeconds = 400ULL * 24 * 3600;
    auto target = decode_target(attributes);
    if (!target) {
        return tl::unexpected(std::move(target.error()));
    }
    const OptionalNumber min_valid = number(attributes, "min_valid", kLongestSeconds);
    const OptionalNumber wait =
        number(attributes, "wait_ms", static_cast<std::uint64_t>(kMaxWait.count()));
    if (!min_valid.valid || !wait.valid) {
        return syntax_error("min_valid and wait_ms are whole numbers");
    }
    TokenRequest request;
    request.account = std::move(target->account);
    request.resource = target->resource;
    request.host = attributes.value_or("host", "");
    if (min_valid.value) {
        request.min_valid = std::chrono::seconds(*min_valid.value);
    }
    if (wait.value) {
        request.wait = std::chrono::milliseconds(*wait.value);
    }
    return Request(std::move(request));
}

tl::expected<Request, AgentFailure> decode_rejected(const Attributes& attributes) {
    auto target = decode_target(attributes);
    if (!target) {
        return tl::unexpected(std::move(target.error()));
    }
    const std::string_view fingerprint = attributes.value_or("fingerprint", "");
    const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    if (fingerprint.size() != 8 || !std::all_of(fingerprint.begin(), fingerprint.end(), is_hex)) {
        return syntax_error("fingerprint must be the 8 hex digits that came with the token");
    }
    RejectedReport report;
    report.account = std::move(target->account);
    report.resource = target->resource;
    report.fingerprint = fingerprint;
    report.detail = attributes.value_or("detail", "");
    report.claims = attributes.value_or("claims", "");
    return Request(std::move(report));
}

TokenAnswer garbled(std::string_view what) {
    std::string message = "the token agent sent a garbled answer: ";
    message += what;
    return tl::unexpected<AgentFailure>(AgentFailure{
        FailureClass::BadRequest, FailureCode::Syntax, std::move(message), std::nullopt, {}});
}

TokenAnswer decode_failure(const Attributes& attributes) {
    const auto failure_class = failure_class_from(attributes.value_or("class", ""));
    if (!failure_class) {
        return garbled("an error without a known class");
    }
    AgentFailure failure;
    failure.failure_class = *failure_class;
    failure.code =
        failure_code_from(attributes.value_or("code", "")).value_or(FailureCode::ProviderError);
    failure.message = printable(attributes.value_or("message", ""), kMaxSentenceBytes);
    failure.hint = printable(attributes.value_or("hint", ""), kMaxNameBytes);
    const auto retry_after = parse_decimal(attributes.value_or("retry_after", ""));
    if (retry_after) {
        failure.retry_after = std::chrono::seconds(
            std::min<std::uint64_t>(*retry_after, std::numeric_limits<std::int32_t>::max()));
    }
    return tl::unexpected(std::move(failure));
}

/// RFC 6750 section 2.1, b64token: what may follow "Bearer ". It also keeps ^A out of the message.
constexpr auto kInToken = [] {
    std::array<bool, 256> table{};
    for (const char c : std::string_view("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                         "0123456789-._~+/=")) {
        table[static_cast<unsigned char>(c)] = true;
    }
    return table;
}();

bool is_b64token(std::string_view token) noexcept {
    unsigned strangers = 0;  // counted, not stopped at: without a branch it costs a third
    for (const char c : token) {
        strangers += kInToken[static_cast<unsigned char>(c)] ? 0U : 1U;
    }
    return !token.empty() && strangers == 0;
}

}  // namespace

std::string_view name_of(Resource resource) noexcept {
    return kResourceNames[static_cast<std::size_t>(resource)];
}
std::string_view name_of(FailureClass failure_class) noexcept {
    return kClassNames[static_cast<std::size_t>(failure_class)];
}
std::string_view name_of(FailureCode code) noexcept {
    return kCodeNames[static_cast<std::size_t>(code)];
}
std::string_view name_of(RejectedAction action) noexcept {
    return kActionNames[static_cast<std::size_t>(action)];
}
std::optional<Resource> resource_from(std::string_view name) noexcept {
    return enum_from<Resource>(kResourceNames, name);
}
std::optional<FailureClass> failure_class_from(std::string_view name) noexcept {
    return enum_from<FailureClass>(kClassNames, name);
}
std::optional<FailureCode> failure_code_from(std::string_view name) noexcept {
    return enum_from<FailureCode>(kCodeNames, name);
}

Secret encode(const TokenRequest& request) {
    MessageWriter writer;
    writer.add("request", "token").add("account", request.account);
    writer.add("resource", name_of(request.resource));
    if (!request.host.empty()) {
        writer.add("host", request.host);
    }
    if (request.min_valid) {
        writer.add("min_valid", request.min_valid->count());
    }
    if (request.wait) {
        writer.add("wait_ms", request.wait->count());
    }
    return std::move(writer).finish();
}

Secret encode(const RejectedReport& report) {
    MessageWriter writer;
    writer.add("request", "rejected").add("account", report.account);
    writer.add("resource", name_of(report.resource)).add("fingerprint", report.fingerprint);
    writer.add("detail", report.detail);
    if (!report.claims.empty()) {
        writer.add("claims", report.claims);
    }
    return std::move(writer).finish();
}

Secret encode(const Ping& /*ping*/) {
    return std::move(MessageWriter().add("request", "ping")).finish();
}

tl::expected<Request, AgentFailure> decode_request(std::string_view block) {
    const auto attributes = Attributes::parse(block);
    if (!attributes) {
        return syntax_error("malformed request, " + attributes.error().context);
    }
    const std::string_view verb = attributes->value_or("request", "");
    if (verb == "token") {
        return decode_token_request(*attributes);
    }
    if (verb == "rejected") {
        return decode_rejected(*attributes);
    }
    if (verb == "ping") {
        return Request(Ping{});
    }
    return syntax_error("request is none of token, rejected, ping");
}

Secret encode(const TokenGrantView& grant) {
    MessageWriter writer(grant.token.size() + 256);
    writer.add("status", "ok").add("token", grant.token);
    writer.add("token_type", grant.token_type).add("user", grant.user);
    writer.add("expires_at", grant.expires_at.time_since_epoch().count());
    writer.add("fingerprint", grant.fingerprint);
    return std::move(writer).finish();
}

Secret encode(const AgentFailure& failure) {
    MessageWriter writer;
    writer.add("status", "error").add("class", name_of(failure.failure_class));
    writer.add("code", name_of(failure.code));
    writer.add("message", printable(failure.message, kMaxSentenceBytes));
    if (failure.retry_after) {
        writer.add("retry_after", failure.retry_after->count());
    }
    if (!failure.hint.empty()) {
        writer.add("hint", failure.hint);
    }
    return std::move(writer).finish();
}

Secret encode(RejectedAction action) {
    return std::move(MessageWriter().add("status", "ok").add("action", name_of(action))).finish();
}

Secret encode_pong(std::string_view version) {
    return std::move(MessageWriter()
                         .add("status", "ok")
                         .add("version", version)
                         .add("protocol", kVersion))
        .finish();
}

TokenAnswer decode_token_answer(std::string_view block) {
    const auto attributes = Attributes::parse(block);
    if (!attributes) {
        return garbled(attributes.error().context);
    }
    const std::vector<Attribute>& all = attributes->all();
    const std::string_view status =
        !all.empty() && all.front().name == "status" ? all.front().value : std::string_view();
    if (status == "error") {
        return decode_failure(*attributes);
    }
    if (status != "ok") {
        return garbled("it does not begin with a status");
    }
    const std::string_view token = attributes->value_or("token", "");
    const auto expires_at = parse_decimal(attributes->value_or("expires_at", ""));
    if (!is_b64token(token) || !expires_at) {
        return garbled("no usable token in it");
    }
    TokenGrant grant;
    grant.token = Secret(token);
    grant.user = attributes->value_or("user", "");
    // Year 9999; more would overflow where seconds become nanoseconds.
    constexpr std::uint64_t kLatest = 253'402'300'799;
    grant.expires_at =
        WallTime(std::chrono::seconds(static_cast<std::int64_t>(std::min(*expires_at, kLatest))));
    grant.fingerprint = attributes->value_or("fingerprint", "");
    grant.token_type = attributes->value_or("token_type", "Bearer");
    return grant;
}

}  // namespace postbearer::protocol
