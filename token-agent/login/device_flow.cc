// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/device_flow.hh"

#include <algorithm>
#include <utility>

#include "token-agent/client_authentication.hh"
#include "token-agent/credentials/client_proof.hh"
#include "token-agent/form.hh"
#include "token-agent/json.hh"
#include "token-agent/providers.hh"
#include "token-agent/token_failure.hh"

namespace postbearer::agent {
namespace {

using protocol::FailureClass;
using protocol::FailureCode;
using std::chrono::seconds;

constexpr std::size_t kMaxAnswerBytes = 64UL * 1024;
constexpr long kOk = 200;

bool is_absent(long status) { return status == 404 || status == 405 || status == 410; }

/// The endpoints of Microsoft and Google take the client's id alone; others want a confidential
/// client to prove itself here too (section 3.1).
std::optional<ClientProof> proof_for(const ProviderConfig& provider, const std::string& endpoint,
                                     WallTime now) {
    if (provider.type == ProviderType::Microsoft || provider.type == ProviderType::Google) {
        return std::nullopt;
    }
    return usual_proof(provider, endpoint, now);
}

}  // namespace

DeviceFlow::DeviceFlow(const Services& services, Wish wish, Callbacks callbacks)
    : services_(services), wish_(std::move(wish)), callbacks_(std::move(callbacks)) {}

DeviceFlow::~DeviceFlow() { stop(); }

void DeviceFlow::stop() {
    over_ = true;
    services_.scheduler.cancel(std::exchange(timer_, 0));
}

void DeviceFlow::start() {
    services_.client.send(device_request(),
                          [weak = weak_from_this()](Result<http::Response> answer) {
                              const auto self = weak.lock();
                              if (self != nullptr && !self->over_) {
                                  self->granted(std::move(answer));
                              }
                          });
}

http::Request DeviceFlow::device_request() const {
    http::Request request;
    request.url = wish_.endpoint;
    request.headers = token_request_headers(provider());
    request.transport = transport_of(*wish_.config, provider());
    request.max_body_bytes = kMaxAnswerBytes;
    FormBody form;
    const auto proof = proof_for(provider(), wish_.endpoint, services_.clock.wall());
    authenticate_client(provider(), proof ? &*proof : nullptr, form, request);
    form.add_if("scope", wish_.scope);
    request.body = std::move(form).finish();
    return request;
}

tl::expected<DeviceGrant, protocol::AgentFailure> DeviceFlow::read(
    Result<http::Response> answer) const {
    AnswerContext context;
    context.provider = provider().name;
    context.grant = Grant::Delegated;
    context.now = services_.clock.wall();
    for (const ClientCredential& each : provider().credentials) {
        if (each.secret != nullptr) {
            context.redacted.push_back(each.secret->reveal());
        }
    }
    const std::string who = "provider '" + provider().name + "': ";
    if (!answer) {
        return tl::unexpected(unanswered(answer.error(), context).answer);
    }
    if (is_absent(answer->status)) {
        return tl::unexpected(login_failure(
            FailureClass::NeedsAdmin, FailureCode::BadResponse,
            who + "there is no device login at its address (HTTP " +
                std::to_string(answer->status) +
                "). Check device_authorization_endpoint, issuer, tenant and cloud, or log in with "
                "--browser"));
    }
    if (answer->status != kOk) {
        const auto json = JsonObject::parse(answer->body.reveal());
        return tl::unexpected(refused(*answer, json ? &*json : nullptr, context).answer);
    }
    auto grant = read_device_response(answer->body.reveal(), wish_.config->allow_http_loopback);
    if (!grant) {
        // Servers that answer 200 to everything say so in `error`.
        const auto json = JsonObject::parse(answer->body.reveal());
        if (json && json->has("error")) {
            return tl::unexpected(refused(*answer, &*json, context).answer);
        }
        return tl::unexpected(login_failure(FailureClass::Transient, FailureCode::BadResponse,
                                            who + "the answer to the device login is unusable (" +
                                                grant.error().context +
                                                "). Look for a proxy or portal in between"));
    }
    return std::move(*grant);
}

void DeviceFlow::granted(Result<http::Response> answer) {
    auto grant = read(std::move(answer));
    if (!grant) {
        end(tl::unexpected(std::move(grant.error())));
        return;
    }
    grant_ = std::move(*grant);
    device_code_ = std::make_shared<const Secret>(std::move(grant_->device_code));
    interval_ = grant_->interval;
    expires_at_ = services_.clock.boot() + grant_->expires_in;
    plan_poll(interval_);
    callbacks_.shown();
}

void DeviceFlow::plan_poll(seconds pause) {
    const BootTime when = services_.clock.boot() + pause;
    const bool in_time = when < expires_at_;
    timer_ =
        services_.scheduler.at(std::min(when, expires_at_), [weak = weak_from_this(), in_time] {
            const auto self = weak.lock();
            if (self == nullptr || self->over_) {
                return;
            }
            self->timer_ = 0;
            in_time ? self->poll() : self->expire();
        });
}

void DeviceFlow::poll() {
    if (services_.clock.boot() >= expires_at_) {  // the machine slept
        expire();
        return;
    }
    ExchangeRequest request;
    request.config = wish_.config;
    request.provider = wish_.provider;
    request.grant = Grant::Delegated;
    request.fields = {{"grant_type", "urn:ietf:params:oauth:grant-type:device_code"}};
    request.secret_fields = {{"device_code", device_code_}};
    services_.exchange.send(std::move(request), [weak = weak_from_this()](ExchangeResult result) {
        const auto self = weak.lock();
        if (self != nullptr && !self->over_) {
            self->polled(std::move(result));
        }
    });
}

void DeviceFlow::polled(ExchangeResult result) {
    if (result) {
        end(std::move(*result));
        return;
    }
    const FetchFailure& failure = result.error();
    if (failure.error == "authorization_pending") {
        troubles_ = 0;
        plan_poll(interval_);
    } else if (failure.error == "slow_down") {
        troubles_ = 0;
        interval_ += kSlowDown;
        plan_poll(interval_);
    } else if (failure.error == "authorization_declined" ||
               (failure.error == "access_denied" && failure.answer.hint.empty())) {
        end(tl::unexpected(user_declined()));
    } else if (failure.error == "expired_token") {
        expire();
    } else if (failure.error == "bad_verification_code") {
        end(tl::unexpected(login_failure(FailureClass::NeedsUser, FailureCode::InvalidGrant,
                                         "the provider does not know this device code any more. "
                                         "Start the login again")));
    } else if (failure.answer.failure_class == FailureClass::Transient &&
               failure.refresh_token == nullptr) {  // else the code is spent
        constexpr int kDoublings = 5;
        troubles_ = std::min(troubles_ + 1, kDoublings);
        const seconds pause =
            std::max(interval_, std::min(interval_ * (1 << troubles_), kLongestPause));
        plan_poll(std::max(pause, failure.answer.retry_after.value_or(seconds(0))));
    } else {
        end(tl::unexpected(failure.answer));
    }
}

void DeviceFlow::expire() { end(tl::unexpected(not_confirmed(grant_->expires_in))); }

void DeviceFlow::end(StepResult result) {
    stop();
    const auto self = shared_from_this();  // the owner lets go of us in there
    callbacks_.ended(std::move(result));
}

}  // namespace postbearer::agent
