// SPDX-License-Identifier: Apache-2.0
#include "token-agent/grants/managed_identity.hh"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <utility>

#include "common/http/url.hh"
#include "common/text.hh"
#include "token-agent/foreign_text.hh"
#include "token-agent/form.hh"
#include "token-agent/grants/arc_key.hh"
#include "token-agent/json.hh"
#include "token-agent/token_failure.hh"
#include "token-agent/token_response.hh"

namespace postbearer::agent {
namespace {

using protocol::FailureClass;
using protocol::FailureCode;
using std::chrono::seconds;

constexpr const char* kArcAgent = "/opt/azcmagent/bin/himds";
constexpr const char* kArcEndpoint = "http://127.0.0.1:40342/metadata/identity/oauth2/token";
constexpr std::string_view kImdsPath = "/metadata/identity/oauth2/token";
constexpr std::string_view kImdsVersion = "2018-02-01";
constexpr std::string_view kArcVersion = "2020-06-01";
constexpr long kOk = 200;
constexpr long kUnauthorized = 401;
constexpr std::size_t kMaxQuoteBytes = 120;
/// From here on it is worth asking again at half time, as Microsoft's libraries do.
constexpr seconds kLongLife{2 * 3600};

std::string encoded(std::string_view text) {
    WipedBytes out;
    append_form_encoded(out, text);
    return std::string(view(out));
}

class Question : public std::enable_shared_from_this<Question> {
public:
    Question(http::HttpClient& client, const Clock& clock, IdentityHost host, IdentityWish wish,
             std::function<void(FetchResult)> done)
        : client_(client),
          clock_(clock),
          host_(std::move(host)),
          wish_(std::move(wish)),
          done_(std::move(done)) {}

    void ask(Secret key = {});

private:
    [[nodiscard]] bool arc() const { return !host_.arc.empty(); }
    [[nodiscard]] std::string url() const;
    [[nodiscard]] AnswerContext context() const;
    void answered(Result<http::Response> answer);
    [[nodiscard]] bool answers_challenge(const http::Response& response, FetchResult& result);
    [[nodiscard]] FetchResult judge(const Result<http::Response>& answer) const;
    [[nodiscard]] FetchFailure refusal(const http::Response& response) const;

    http::HttpClient& client_;
    const Clock& clock_;
    IdentityHost host_;
    IdentityWish wish_;
    std::function<void(FetchResult)> done_;
    Secret key_;  // of Arc, once it was asked for
};

std::string Question::url() const {
    std::string url = arc() ? host_.arc : host_.imds + std::string(kImdsPath);
    url += "?api-version=" + std::string(arc() ? kArcVersion : kImdsVersion);
    url += "&resource=" + encoded(wish_.resource);
    return wish_.client_id.empty() ? url : url + "&client_id=" + encoded(wish_.client_id);
}

AnswerContext Question::context() const {
    AnswerContext context;
    context.provider = wish_.provider;
    context.grant = Grant::ClientCredentials;
    context.now = clock_.wall();
    if (!key_.empty()) {
        context.redacted = {key_.reveal()};
    }
    return context;
}

void Question::ask(Secret key) {
    key_ = std::move(key);
    http::Request request;
    request.method = http::Method::Get;
    request.url = url();
    request.headers = {"Metadata: true", "Accept: application/json"};
    request.wanted_headers = {"www-authenticate"};
    request.transport.allow_http_loopback = true;
    request.transport.allow_http_metadata = true;
    request.connect_timeout = std::chrono::seconds(2);  // one hop away, or not there at all
    if (!key_.empty()) {
        WipedBytes value;
        append(value, "Basic ");
        append(value, key_.reveal());
        request.authorization = Secret(std::move(value));
    }
    client_.send(std::move(request), [self = shared_from_this()](Result<http::Response> answer) {
        self->answered(std::move(answer));
    });
}

void Question::answered(Result<http::Response> answer) {
    FetchResult result;
    try {
        const bool challenged = answer && arc() && key_.empty() && answer->status == kUnauthorized;
        if (challenged) {
            if (answers_challenge(*answer, result)) {
                return;
            }
        } else {
            result = judge(answer);
        }
    } catch (const std::exception&) {
        // Whatever it was, the caller must hear of the end, or it waits for ever.
        FetchFailure failure;
        failure.answer.message = "out of memory or an internal error while reading the answer";
        result = tl::unexpected(std::move(failure));
    }
    done_(std::move(result));
}

/// True: the second request is on its way. Arc hands tokens to whom its directory lets in only.
bool Question::answers_challenge(const http::Response& response, FetchResult& result) {
    const auto header = response.headers.find("www-authenticate");
    const std::string name = header == response.headers.end()
                                 ? std::string()
                                 : arc_key_name(header->second, host_.arc_tokens);
    if (name.empty()) {
        result = tl::unexpected(
            not_sent(FailureCode::InvalidClient,
                     "what answers as Azure Arc points to a file outside of " + host_.arc_tokens +
                         ", so it gets nothing. Look for another program on its port",
                     context()));
        return false;
    }
    auto key = read_arc_key(host_.arc_tokens, name);
    if (!key) {
        result = tl::unexpected(
            not_sent(FailureCode::InvalidClient, "Azure Arc: " + key.error().context, context()));
        return false;
    }
    ask(std::move(*key));
    return true;
}

FetchResult Question::judge(const Result<http::Response>& answer) const {
    if (!answer) {
        Error error = answer.error();
        error.context.insert(0, arc() ? "managed identity (Azure Arc): " : "managed identity: ");
        return tl::unexpected(unanswered(error, context()));
    }
    if (answer->status != kOk) {
        return tl::unexpected(refusal(*answer));
    }
    auto read = read_token_response(*answer, context());
    if (!read) {
        return tl::unexpected(std::move(read.error()));
    }
    FetchedToken& token = read->token;
    if (!token.refresh_in && token.expires_in >= kLongLife) {
        token.refresh_in = token.expires_in / 2;
    }
    return std::move(token);
}

bool passes(long status) {
    return status == 404 || status == 408 || status == 410 || status == 429 || status >= 500;
}

FetchFailure Question::refusal(const http::Response& response) const {
    const AnswerContext about = context();
    const auto json = JsonObject::parse(response.body.reveal());
    const std::string error =
        json ? identifier(json->text_or_empty("error"), about.redacted) : std::string();
    const std::string words =
        json ? quotable(json->text_or_empty("error_description"), kMaxQuoteBytes, about.redacted)
             : std::string();
    std::string why = "the identity service of this machine answers HTTP " +
                      std::to_string(response.status) + (error.empty() ? "" : " " + error) +
                      (words.empty() ? "" : " (" + words + ")");
    why += passes(response.status)
               ? ". Retried automatically"
               : ". Give this machine the identity that managed_identity names, and the identity "
                 "its permission; then reload";
    FetchFailure failure = not_sent(FailureCode::InvalidClient, why, about);
    failure.http_status = response.status;
    failure.error = error;
    if (passes(response.status)) {
        failure.answer.failure_class = FailureClass::Transient;
        failure.answer.code =
            response.status == 429 ? FailureCode::Throttled : FailureCode::ProviderError;
        if (response.retry_after) {
            failure.answer.retry_after =
                std::clamp(*response.retry_after, seconds(0), kMaxProviderWait);
        }
    }
    return failure;
}

/// Unset, empty, or not to be trusted: empty.
std::string variable(const char* name) {
    const char* const value = ::secure_getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

bool is_usable(const std::string& url) { return http::check_url(url, true, true).has_value(); }

}  // namespace

IdentityHost identity_host_of_this_machine() {
    IdentityHost host;
    if (std::string other = variable("AZURE_POD_IDENTITY_AUTHORITY_HOST"); is_usable(other)) {
        while (other.ends_with('/')) {
            other.pop_back();
        }
        host.imds = std::move(other);
    }
    std::string arc = variable("IDENTITY_ENDPOINT");
    if (!variable("IMDS_ENDPOINT").empty() && http::check_url(arc, true).has_value()) {
        host.arc = std::move(arc);
    } else if (::access(kArcAgent, F_OK) == 0) {
        host.arc = kArcEndpoint;
    }
    if (std::string tokens = variable("POSTBEARER_ARC_TOKEN_DIR"); tokens.starts_with('/')) {
        host.arc_tokens = std::move(tokens);
    }
    return host;
}

std::string arc_key_name(std::string_view header, std::string_view directory) {
    constexpr std::string_view kScheme = "basic realm=";
    if (ascii_lower(header.substr(0, kScheme.size())) != kScheme) {
        return {};
    }
    std::string_view path = trimmed(header.substr(kScheme.size()));
    if (path.size() >= 2 && path.front() == '"' && path.back() == '"') {
        path = path.substr(1, path.size() - 2);
    }
    if (!path.starts_with(directory) || !path.substr(directory.size()).starts_with('/')) {
        return {};
    }
    const std::string_view name = path.substr(directory.size() + 1);
    const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_' || c == '.';
    });
    constexpr std::string_view kEnding = ".key";
    const bool good = plain && name.ends_with(kEnding) && name.size() > kEnding.size() &&
                      name.size() <= 255 && name.find("..") == std::string_view::npos;
    return good ? std::string(name) : std::string();
}

void fetch_identity_token(http::HttpClient& client, const Clock& clock, const IdentityHost& host,
                          IdentityWish wish, std::function<void(FetchResult)> done) {
    std::make_shared<Question>(client, clock, host, std::move(wish), std::move(done))->ask();
}

}  // namespace postbearer::agent
