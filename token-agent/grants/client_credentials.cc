// SPDX-License-Identifier: Apache-2.0
#include "token-agent/grants/client_credentials.hh"

#include <exception>
#include <string>
#include <utility>

#include "token-agent/client_authentication.hh"
#include "token-agent/discovery.hh"
#include "token-agent/form.hh"
#include "token-agent/providers.hh"
#include "token-agent/token_response.hh"

namespace postbearer::agent {
namespace {

using protocol::FailureCode;

/// One fetch, from the first look at the configuration to its answer. It owns all it needs: the
/// source may be gone, and the configuration replaced, when the answer comes.
class Fetch : public std::enable_shared_from_this<Fetch> {
public:
    using Done = std::function<void(FetchResult)>;

    Fetch(const ClientCredentials::Services& services, std::shared_ptr<const AgentConfig> config,
          std::uint32_t provider, bool recently_changed, Done done)
        : services_(services),
          config_(std::move(config)),
          provider_(config_->providers.at(provider)),
          recently_changed_(recently_changed),
          done_(std::move(done)) {}

    void start(protocol::Resource resource);

private:
    [[nodiscard]] AnswerContext context() const;
    void locate();
    void ask(const std::string& endpoint);
    void answered(Result<http::Response> answer);
    void fail_later(FetchFailure failure);
    void refuse(FailureCode code, const std::string& why) {
        fail_later(not_sent(code, why, context()));
    }

    ClientCredentials::Services services_;
    std::shared_ptr<const AgentConfig> config_;
    const ProviderConfig& provider_;  // in *config_
    bool recently_changed_;
    Done done_;
    std::string scope_;
    WipedBytes encoded_secret_;  // as it travelled, so that no quote of it gets through
};

AnswerContext Fetch::context() const {
    AnswerContext context;
    context.provider = provider_.name;
    context.grant = Grant::ClientCredentials;
    context.recently_changed = recently_changed_;
    context.now = services_.clock.wall();
    if (provider_.client_secret != nullptr) {
        context.redacted = {provider_.client_secret->reveal(), view(encoded_secret_)};
    }
    return context;
}

void Fetch::start(protocol::Resource resource) {
    if (provider_.client_secret == nullptr || provider_.client_secret->empty()) {
        refuse(FailureCode::InvalidClient,
               "client_credentials needs a client_secret and none is set. Add one, then reload");
        return;
    }
    if (provider_.client_id.empty()) {
        refuse(FailureCode::InvalidClient, "client_id is not set. Add it, then reload");
        return;
    }
    const auto scopes = scopes_of(provider_, resource, Grant::ClientCredentials);
    if (!scopes) {
        fail_later(unanswered(scopes.error(), context()));
        return;
    }
    for (const std::string& scope : *scopes) {
        scope_ += (scope_.empty() ? "" : " ") + scope;
    }
    append_form_encoded(encoded_secret_, provider_.client_secret->reveal());
    locate();
}

void Fetch::locate() {
    const auto endpoint = token_endpoint_of(provider_);
    if (!endpoint) {
        fail_later(unanswered(endpoint.error(), context()));
        return;
    }
    if (!endpoint->empty()) {
        ask(*endpoint);
        return;
    }
    services_.discovery.find(provider_.issuer, transport_of(*config_, provider_),
                             [self = shared_from_this()](Result<Discovery::Metadata> found) {
                                 if (found) {
                                     self->ask((*found)->token_endpoint);
                                 } else {
                                     self->fail_later(unanswered(found.error(), self->context()));
                                 }
                             });
}

void Fetch::ask(const std::string& endpoint) {
    http::Request request;
    request.url = endpoint;
    request.headers = token_request_headers(provider_);
    request.transport = transport_of(*config_, provider_);
    FormBody form;
    form.add("grant_type", "client_credentials");
    authenticate_client(provider_, form, request);
    form.add_if("scope", scope_);
    request.body = std::move(form).finish();
    services_.client.send(std::move(request),
                          [self = shared_from_this()](Result<http::Response> answer) {
                              self->answered(std::move(answer));
                          });
}

void Fetch::answered(Result<http::Response> answer) {
    FetchResult result;
    try {
        result = answer ? read_token_response(*answer, context())
                        : FetchResult(tl::unexpected(unanswered(answer.error(), context())));
    } catch (const std::exception&) {
        // Whatever it was, the caller must hear of the end, or it waits for ever.
        FetchFailure failure;
        failure.answer.message = "out of memory or an internal error while reading the answer";
        result = tl::unexpected(std::move(failure));
    }
    done_(std::move(result));
}

/// Discovery may have answered inside fetch(), whose caller wants to be called later.
void Fetch::fail_later(FetchFailure failure) {
    services_.scheduler.at(services_.clock.boot(),
                           [self = shared_from_this(), failure = std::move(failure)] {
                               self->done_(tl::unexpected(failure));
                           });
}

}  // namespace

ClientCredentials::ClientCredentials(const Services& services) : services_(services) {}
ClientCredentials::~ClientCredentials() = default;

void ClientCredentials::fetch(FetchWish wish, std::function<void(FetchResult)> done) {
    const bool recently_changed =
        changes_.settling(wish.config->providers.at(wish.provider), services_.clock.boot());
    std::make_shared<Fetch>(services_, std::move(wish.config), wish.provider, recently_changed,
                            std::move(done))
        ->start(wish.resource);
}

}  // namespace postbearer::agent
