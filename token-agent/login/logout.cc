// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/logout.hh"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/text.hh"
#include "token-agent/client_authentication.hh"
#include "token-agent/credentials/client_proof.hh"
#include "token-agent/form.hh"
#include "token-agent/json.hh"
#include "token-agent/login/login_endpoints.hh"
#include "token-agent/providers.hh"

namespace postbearer::agent {
namespace {

constexpr std::size_t kMaxAnswerBytes = 64UL * 1024;
constexpr long kOk = 200;

/// One logout; it owns what it needs.
class Logout : public std::enable_shared_from_this<Logout> {
public:
    using Done = std::function<void(Result<LogoutOutcome>)>;

    Logout(const LogoutServices& services, LogoutWish wish, Done done)
        : services_(services),
          wish_(std::move(wish)),
          provider_(wish_.config->providers.at(wish_.provider)),
          name_{provider_.name, wish_.login, provider_.client_id},
          done_(std::move(done)) {}

    void start() {
        ask_store<std::optional<StoredLogin>>(
            services_.store, [name = name_](TokenStore& store) { return store.find_login(name); },
            [self = shared_from_this()](Result<std::optional<StoredLogin>> found) {
                self->found(std::move(found));
            });
    }

private:
    void found(Result<std::optional<StoredLogin>> login);
    void located(Result<LoginEndpoints> endpoints);
    void revoke(const std::string& endpoint);
    void answered(const Result<http::Response>& answer);
    void forget();
    void forget_without(std::string why) {
        outcome_.revoke_note = std::move(why);
        forget();
    }

    LogoutServices services_;
    LogoutWish wish_;
    const ProviderConfig& provider_;  // in *wish_.config
    RecordName name_;
    Done done_;
    std::optional<StoredLogin> login_;
    LogoutOutcome outcome_;
};

void Logout::found(Result<std::optional<StoredLogin>> login) {
    if (!login) {
        forget_without("not revoked, because the stored login cannot be used: " +
                       login.error().context);
        return;
    }
    if (!login->has_value()) {
        forget_without("nobody was logged in");
        return;
    }
    login_ = std::move(*login);
    find_login_endpoints(services_.discovery, wish_.config, wish_.provider,
                         [self = shared_from_this()](Result<LoginEndpoints> endpoints) {
                             self->located(std::move(endpoints));
                         });
}

void Logout::located(Result<LoginEndpoints> endpoints) {
    const std::string& configured = provider_.revocation_endpoint;
    if (!endpoints && configured.empty()) {
        forget_without("not revoked: " + endpoints.error().context);
        return;
    }
    const std::string endpoint = endpoints ? endpoints->revocation : configured;
    if (!endpoint.empty()) {
        revoke(endpoint);
    } else if (provider_.type == ProviderType::Microsoft) {
        forget_without(
            "Microsoft has no way to revoke a single login. What this one consented to stays until "
            "it is removed at myapps.microsoft.com, or until an admin runs: "
            "Revoke-MgUserSignInSession -UserId " +
            printable(wish_.login, 120));
    } else {
        forget_without("provider '" + provider_.name +
                       "' has no revocation endpoint; end the access in the account's settings "
                       "there");
    }
}

void Logout::revoke(const std::string& endpoint) {
    http::Request request;
    request.url = endpoint;
    request.headers = token_request_headers(provider_);
    request.transport = transport_of(*wish_.config, provider_);
    request.max_body_bytes = kMaxAnswerBytes;
    FormBody form;
    form.add("token", login_->refresh_token.reveal()).add("token_type_hint", "refresh_token");
    const auto proof = login_->public_client
                           ? std::nullopt
                           : usual_proof(provider_, endpoint, services_.clock.wall());
    authenticate_client(provider_, proof ? &*proof : nullptr, form, request);
    request.body = std::move(form).finish();
    login_.reset();
    services_.client.send(std::move(request),
                          [self = shared_from_this()](const Result<http::Response>& answer) {
                              self->answered(answer);
                          });
}

/// RFC 7009 section 2.2: 200, for tokens that are none as well. Google says 400 invalid_token then.
void Logout::answered(const Result<http::Response>& answer) {
    if (!answer) {
        forget_without("not revoked: " + answer.error().context);
        return;
    }
    const auto json = JsonObject::parse(answer->body.reveal());
    const std::string_view error = json ? json->text_or_empty("error") : std::string_view();
    if ((answer->status == kOk && error.empty()) || error == "invalid_token") {
        outcome_.revoked = true;
        forget();
        return;
    }
    forget_without("not revoked: provider '" + provider_.name + "' answered HTTP " +
                   std::to_string(answer->status) + (error.empty() ? "" : " ") +
                   printable(error, 48) + "; end the access in the account's settings there");
}

void Logout::forget() {
    login_.reset();
    ask_store<bool>(
        services_.store, [name = name_](TokenStore& store) { return store.forget(name); },
        [self = shared_from_this()](const Result<bool>& forgotten) {
            if (!forgotten) {
                self->done_(tl::unexpected(forgotten.error()));
                return;
            }
            self->outcome_.forgotten = *forgotten;
            self->done_(std::move(self->outcome_));
        });
}

}  // namespace

void log_out(const LogoutServices& services, LogoutWish wish,
             std::function<void(Result<LogoutOutcome>)> done) {
    std::make_shared<Logout>(services, std::move(wish), std::move(done))->start();
}

}  // namespace postbearer::agent
