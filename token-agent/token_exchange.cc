// SPDX-License-Identifier: Apache-2.0
#include "token-agent/token_exchange.hh"

#include <algorithm>
#include <deque>
#include <exception>
#include <string_view>

#include "token-agent/client_authentication.hh"
#include "token-agent/credentials/client_assertion.hh"
#include "token-agent/credentials/client_proof.hh"
#include "token-agent/credentials/signing_key.hh"
#include "token-agent/form.hh"
#include "token-agent/providers.hh"
#include "token-agent/secret_trail.hh"
#include "token-agent/token_failure.hh"
#include "token-agent/token_response.hh"

namespace postbearer::agent {

using protocol::FailureClass;
using protocol::FailureCode;

namespace {

constexpr std::string_view kPublicClientWantsNone = "AADSTS700025";
constexpr std::string_view kBadAssertion = "AADSTS700027";

FetchFailure internal_failure() {
    FetchFailure failure;
    failure.answer.message = "out of memory or an internal error while reading the answer";
    return failure;
}

}  // namespace

/// One exchange, from the first look at the configuration to its answer. It owns all it needs: the
/// exchange may be gone, and the configuration replaced, when the answer comes.
class TokenExchange::Attempt : public std::enable_shared_from_this<Attempt> {
public:
    Attempt(const Services& services, std::shared_ptr<CredentialMemory> memory,
            ExchangeRequest request, bool recently_changed, Done done)
        : services_(services),
          memory_(std::move(memory)),
          request_(std::move(request)),
          provider_(request_.config->providers.at(request_.provider)),
          recently_changed_(recently_changed),
          done_(std::move(done)) {}

    void start();

private:
    [[nodiscard]] AnswerContext context() const;
    void step();
    void locate();
    void ask();
    void ask_identity(const ClientCredential& credential);
    [[nodiscard]] tl::expected<http::Request, FetchFailure> http_request();
    [[nodiscard]] ProofResult prove(const ClientCredential& credential);
    [[nodiscard]] bool server_wants_rs256() const;
    [[nodiscard]] bool may_want_rs256(const FetchFailure& failure) const;
    void redact(std::string_view secret);
    void answered(Result<http::Response> answer);
    void judge(const std::function<TokenAnswerResult()>& read);
    [[nodiscard]] bool goes_on(const FetchFailure& failure);
    [[nodiscard]] FetchFailure most_telling(FetchFailure last);
    void tell_refusal(const FetchFailure& failure) const;
    [[nodiscard]] ExchangeAnswer accepted(TokenAnswer answer);
    void fail_later(FetchFailure failure);
    void refuse(FailureCode code, const std::string& why) {
        fail_later(not_sent(code, why, context()));
    }
    [[nodiscard]] const ClientCredential* credential() const {
        return plain_ ? nullptr : &provider_.credentials.at(order_.at(position_));
    }

    Services services_;
    std::shared_ptr<CredentialMemory> memory_;
    ExchangeRequest request_;
    const ProviderConfig& provider_;  // in *request_.config
    bool recently_changed_;
    Done done_;
    std::vector<std::size_t> order_;  // in which they are tried: indices
    std::size_t position_ = 0;        // in order_
    bool plain_ = false;              // client_id alone
    bool answer_public_ = false;
    bool rs256_ = false;  // the credential was refused with PS256
    std::string endpoint_;
    std::vector<std::string> server_algorithms_;  // as its metadata have them; empty: not said
    std::string presented_;                       // by the federated token that was sent
    std::vector<FetchFailure> refusals_;
    /// Secrets as they travelled, so that no quote of one gets through.
    std::deque<WipedBytes> sent_;
};

AnswerContext TokenExchange::Attempt::context() const {
    AnswerContext context;
    context.provider = provider_.name;
    context.grant = request_.grant;
    context.recently_changed = recently_changed_;
    context.now = services_.clock.wall();
    if (!plain_ && position_ < order_.size()) {
        context.credential = name_of_credential(provider_.credentials, order_[position_]);
    }
    context.presented = presented_;
    context.unauthorized_advice = request_.unauthorized_advice;
    for (const WipedBytes& secret : sent_) {
        context.redacted.push_back(view(secret));
    }
    return context;
}

void TokenExchange::Attempt::start() {
    order_ = memory_->order(provider_, request_.grant);
    plain_ = request_.public_client || request_.grant == Grant::ServiceAccount || order_.empty();
    if (request_.grant == Grant::ClientCredentials && plain_) {
        refuse(FailureCode::InvalidClient,
               "client_credentials needs a client_secret, a certificate or another credential, and "
               "none is set. Add one, then reload");
        return;
    }
    step();
}

/// With the credential at hand.
void TokenExchange::Attempt::step() {
    const ClientCredential* const shown = credential();
    if (shown != nullptr && shown->kind == CredentialKind::ManagedIdentity) {
        ask_identity(*shown);
    } else if (request_.grant != Grant::ServiceAccount && provider_.client_id.empty()) {
        refuse(FailureCode::InvalidClient, "client_id is not set. Add it, then reload");
    } else if (endpoint_.empty()) {
        locate();
    } else {
        ask();
    }
}

void TokenExchange::Attempt::locate() {
    auto endpoint = request_.endpoint.empty() ? token_endpoint_of(provider_)
                                              : Result<std::string>(request_.endpoint);
    if (!endpoint) {
        fail_later(unanswered(endpoint.error(), context()));
        return;
    }
    if (!endpoint->empty()) {
        endpoint_ = std::move(*endpoint);
        ask();
        return;
    }
    services_.discovery.find(provider_.issuer, transport_of(*request_.config, provider_),
                             [self = shared_from_this()](Result<Discovery::Metadata> found) {
                                 if (!found) {
                                     self->fail_later(unanswered(found.error(), self->context()));
                                     return;
                                 }
                                 self->endpoint_ = (*found)->token_endpoint;
                                 self->server_algorithms_ = (*found)->token_auth_algorithms;
                                 self->ask();
                             });
}

void TokenExchange::Attempt::ask() {
    auto request = http_request();
    if (!request) {
        if (!goes_on(request.error())) {
            fail_later(most_telling(std::move(request.error())));
        }
        return;
    }
    services_.client.send(std::move(*request),
                          [self = shared_from_this()](Result<http::Response> answer) {
                              self->answered(std::move(answer));
                          });
}

void TokenExchange::Attempt::ask_identity(const ClientCredential& credential) {
    constexpr std::string_view kEnding = "/.default";
    const std::string_view scope = request_.scope;
    if (!scope.ends_with(kEnding) || scope.find(' ') != std::string_view::npos) {
        refuse(FailureCode::InvalidScope,
               "managed_identity takes one scope that ends in /.default. Correct scopes, then "
               "reload");
        return;
    }
    IdentityWish wish;
    wish.provider = provider_.name;
    wish.resource = scope.substr(0, scope.size() - kEnding.size());
    wish.client_id = credential.identity;
    fetch_identity_token(services_.client, services_.clock, services_.identity, std::move(wish),
                         [self = shared_from_this()](FetchResult got) {
                             self->judge([&got]() -> TokenAnswerResult {
                                 if (!got) {
                                     return tl::unexpected(std::move(got.error()));
                                 }
                                 TokenAnswer answer;
                                 answer.token = std::move(*got);
                                 return answer;
                             });
                         });
}

tl::expected<http::Request, FetchFailure> TokenExchange::Attempt::http_request() {
    http::Request request;
    request.url = endpoint_;
    request.headers = token_request_headers(provider_);
    request.transport = transport_of(*request_.config, provider_);
    sent_.clear();
    presented_.clear();
    FormBody form;
    for (const auto& [name, value] : request_.fields) {
        form.add(name, value);
    }
    for (const auto& [name, value] : request_.secret_fields) {
        form.add(name, value->reveal());
        redact(value->reveal());
    }
    std::optional<ClientProof> proof;
    if (const ClientCredential* const shown = credential()) {
        auto made = prove(*shown);
        if (!made) {
            return tl::unexpected(not_sent(made.error().code, made.error().why, context()));
        }
        proof = std::move(*made);
        redact(proof->text.reveal());
        presented_ = proof->presented;
    }
    if (request_.grant != Grant::ServiceAccount) {  // whose assertion says it all
        authenticate_client(provider_, proof ? &*proof : nullptr, form, request);
    }
    form.add_if("scope", request_.scope);
    request.body = std::move(form).finish();
    return request;
}

ProofResult TokenExchange::Attempt::prove(const ClientCredential& credential) {
    JwtAlgorithm algorithm = JwtAlgorithm::Ps256;
    if (credential.key != nullptr) {
        algorithm = first_algorithm(*credential.key);
        const bool rs256 = rs256_ || server_wants_rs256() || memory_->wants_rs256(*credential.key);
        if (algorithm == JwtAlgorithm::Ps256 && rs256) {
            algorithm = JwtAlgorithm::Rs256;
        }
    }
    return make_proof(credential, provider_.client_id, endpoint_, algorithm,
                      services_.clock.wall());
}

bool TokenExchange::Attempt::server_wants_rs256() const {
    const auto knows = [this](std::string_view algorithm) {
        return std::find(server_algorithms_.begin(), server_algorithms_.end(), algorithm) !=
               server_algorithms_.end();
    };
    return knows(name_of(JwtAlgorithm::Rs256)) && !knows(name_of(JwtAlgorithm::Ps256));
}

/// AD FS and some others know no PSS, and say no more than that the client was refused.
bool TokenExchange::Attempt::may_want_rs256(const FetchFailure& failure) const {
    const ClientCredential* const shown = credential();
    return shown != nullptr && shown->kind == CredentialKind::Certificate && !rs256_ &&
           failure.http_status != 0 && failure.answer.code == FailureCode::InvalidClient &&
           (failure.answer.hint.empty() || failure.answer.hint == kBadAssertion) &&
           shown->key->kind() == KeyKind::Rsa && !server_wants_rs256() &&
           !memory_->wants_rs256(*shown->key);
}

void TokenExchange::Attempt::redact(std::string_view secret) {
    append(sent_.emplace_back(), secret);
    append_form_encoded(sent_.emplace_back(), secret);
}

void TokenExchange::Attempt::answered(Result<http::Response> answer) {
    note_secret_trail();
    judge([&]() -> TokenAnswerResult {
        if (!answer) {
            FetchFailure failure = unanswered(answer.error(), context());
            failure.answer_lost = answer.error().code != Errc::Config;
            return tl::unexpected(std::move(failure));
        }
        return read_token_response(*answer, context());
    });
}

void TokenExchange::Attempt::judge(const std::function<TokenAnswerResult()>& read) {
    ExchangeResult result;
    try {
        auto answer = read();
        if (answer) {
            result = accepted(std::move(*answer));
        } else if (goes_on(answer.error())) {
            return;
        } else {
            result = tl::unexpected(most_telling(std::move(answer.error())));
        }
    } catch (const std::exception&) {
        // Whatever it was, the caller must hear of the end, or it waits for ever.
        result = tl::unexpected(internal_failure());
    }
    done_(std::move(result));
}

ExchangeAnswer TokenExchange::Attempt::accepted(TokenAnswer answer) {
    ExchangeAnswer result;
    static_cast<TokenAnswer&>(result) = std::move(answer);
    result.public_client = answer_public_;
    if (!plain_) {
        result.credential = order_.at(position_);
        memory_->worked(provider_, result.credential);
        if (rs256_) {
            memory_->accepted_rs256(*credential()->key);
        }
    }
    return result;
}

/// Another request is on its way: with the next credential, or without any.
bool TokenExchange::Attempt::goes_on(const FetchFailure& failure) {
    const ClientCredential* const shown = credential();
    // Elsewhere than in Azure there is nobody to refuse a managed identity, only silence.
    const bool identity = shown != nullptr && shown->kind == CredentialKind::ManagedIdentity;
    if (shown == nullptr || (!identity && !client_was_refused(failure))) {
        return false;
    }
    // An app registered as public must not be offered a secret, even if it has one.
    if (failure.answer.hint == kPublicClientWantsNone && request_.grant == Grant::Delegated) {
        plain_ = true;
        answer_public_ = true;
        ask();
        return true;
    }
    if (may_want_rs256(failure)) {
        rs256_ = true;
        ask();
        return true;
    }
    if (position_ + 1 >= order_.size()) {
        return false;
    }
    tell_refusal(failure);
    refusals_.push_back(failure);
    ++position_;
    rs256_ = false;
    step();
    return true;
}

/// A refusal that passes by itself outweighs the final ones: that credential will work yet.
FetchFailure TokenExchange::Attempt::most_telling(FetchFailure last) {
    if (last.answer.failure_class == FailureClass::Transient) {
        return last;
    }
    const auto passing = std::find_if(refusals_.begin(), refusals_.end(), [](const auto& failure) {
        return failure.answer.failure_class == FailureClass::Transient;
    });
    return passing == refusals_.end() ? last : std::move(*passing);
}

void TokenExchange::Attempt::tell_refusal(const FetchFailure& failure) const {
    if (services_.log == nullptr) {
        return;
    }
    services_.log->write(
        LogLine(LogLevel::Warning, "credential_refused")
            .add("provider", provider_.name)
            .add("credential", name_of_credential(provider_.credentials, order_.at(position_)))
            .add("next", name_of_credential(provider_.credentials, order_.at(position_ + 1)))
            .add("message", failure.answer.message));
}

/// Discovery may have answered inside send(), whose caller wants to be called later.
void TokenExchange::Attempt::fail_later(FetchFailure failure) {
    services_.scheduler.at(services_.clock.boot(),
                           [self = shared_from_this(), failure = std::move(failure)] {
                               self->done_(tl::unexpected(failure));
                           });
}

TokenExchange::TokenExchange(const Services& services)
    : services_(services), memory_(std::make_shared<CredentialMemory>()) {}
TokenExchange::~TokenExchange() = default;

void TokenExchange::send(ExchangeRequest request, Done done) {
    const bool recently_changed =
        changes_.settling(request.config->providers.at(request.provider), services_.clock.boot());
    std::make_shared<Attempt>(services_, memory_, std::move(request), recently_changed,
                              std::move(done))
        ->start();
}

}  // namespace postbearer::agent
