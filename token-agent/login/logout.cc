// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/logout.hh"

#include <utility>

#include "common/text.hh"
#include "token-agent/login/login_endpoints.hh"
#include "token-agent/login/revocation.hh"

namespace postbearer::agent {
namespace {

/// One logout; it owns what it needs.
class Logout : public std::enable_shared_from_this<Logout> {
public:
    using Done = std::function<void(Result<LogoutOutcome>)>;

    Logout(const LogoutServices& services, LogoutWish wish, Done done)
        : services_(services), wish_(std::move(wish)), done_(std::move(done)) {
        revocation_.config = wish_.config;
        revocation_.provider = wish_.provider.value_or(0);
    }

    void start() {
        ask_store<std::optional<StoredLogin>>(
            services_.store,
            [name = wish_.name](TokenStore& store) { return store.find_login(name); },
            [self = shared_from_this()](Result<std::optional<StoredLogin>> found) {
                self->found(std::move(found));
            });
    }

private:
    struct Forgotten {
        bool there = false;
        std::optional<StoredLogin> last;  // as it was in that moment
    };

    void found(Result<std::optional<StoredLogin>> login);
    void located(Result<LoginEndpoints> endpoints);
    void revoke(StoredLogin login, std::function<void(std::string)> then);
    void forget(std::string note);
    void forgotten(Result<Forgotten> forgotten);
    void finish(std::string note) {
        outcome_.revoked = note.empty();
        outcome_.revoke_note = std::move(note);
        done_(std::move(outcome_));
    }
    [[nodiscard]] const ProviderConfig& provider() const { return revocation_.provider_config(); }

    LogoutServices services_;
    LogoutWish wish_;
    RevocationWish revocation_;
    Done done_;
    std::optional<StoredLogin> login_;
    std::uint64_t revoked_generation_ = 0;  // 0: there is nowhere to revoke
    std::string note_;
    LogoutOutcome outcome_;
};

void Logout::found(Result<std::optional<StoredLogin>> login) {
    if (!login) {
        forget("not revoked, because the stored login cannot be used: " + login.error().context);
    } else if (!login->has_value()) {
        forget("nobody was logged in");
    } else if (!wish_.provider) {
        forget("not revoked: provider '" + wish_.name.provider +
               "' is not configured any more; end the access in the account's settings there");
    } else if (wish_.name.client_id != provider().client_id) {
        forget("not revoked: the login was made with client_id " + wish_.name.client_id +
               ", which provider '" + wish_.name.provider + "' does not have any more");
    } else {
        login_ = std::move(*login);
        find_login_endpoints(services_.discovery, wish_.config, *wish_.provider,
                             [self = shared_from_this()](Result<LoginEndpoints> endpoints) {
                                 self->located(std::move(endpoints));
                             });
    }
}

void Logout::located(Result<LoginEndpoints> endpoints) {
    const std::string& configured = provider().revocation_endpoint;
    if (configured.empty() && (!endpoints || endpoints->undiscovered)) {
        forget("not revoked: " +
               (endpoints ? *endpoints->undiscovered : endpoints.error()).context);
        return;
    }
    revocation_.endpoint = endpoints ? endpoints->revocation : configured;
    if (!revocation_.endpoint.empty()) {
        revoked_generation_ = login_->generation;
        revoke(std::move(*login_),
               [self = shared_from_this()](std::string note) { self->forget(std::move(note)); });
    } else if (provider().type == ProviderType::Microsoft) {
        forget(
            "Microsoft has no way to revoke a single login. What this one consented to stays until "
            "it is removed at myapps.microsoft.com, or until an admin runs: "
            "Revoke-MgUserSignInSession -UserId " +
            printable(wish_.name.account, 120));
    } else {
        forget("provider '" + provider().name +
               "' has no revocation endpoint; end the access in the account's settings there");
    }
}

void Logout::revoke(StoredLogin login, std::function<void(std::string)> then) {
    services_.client.send(
        revocation_request(revocation_, login.refresh_token, login.public_client,
                           services_.clock.wall()),
        [self = shared_from_this(), then = std::move(then)](const Result<http::Response>& answer) {
            then(why_not_revoked(answer, self->provider()));
        });
}

/// A renewal may have replaced the token meanwhile, so it is read again in the same job.
void Logout::forget(std::string note) {
    login_.reset();
    note_ = std::move(note);
    ask_store<Forgotten>(
        services_.store,
        [name = wish_.name](TokenStore& store) -> Result<Forgotten> {
            auto last = store.find_login(name);
            const auto there = store.forget(name);
            if (!there) {
                return tl::unexpected(there.error());
            }
            return Forgotten{*there, last ? std::move(*last) : std::nullopt};
        },
        [self = shared_from_this()](Result<Forgotten> forgotten) {
            self->forgotten(std::move(forgotten));
        });
}

void Logout::forgotten(Result<Forgotten> forgotten) {
    if (!forgotten) {
        done_(tl::unexpected(forgotten.error()));
        return;
    }
    outcome_.forgotten = forgotten->there;
    std::optional<StoredLogin>& last = forgotten->last;
    if (revoked_generation_ != 0 && last && last->generation != revoked_generation_) {
        revoke(std::move(*last),
               [self = shared_from_this()](std::string note) { self->finish(std::move(note)); });
        return;
    }
    finish(std::move(note_));
}

}  // namespace

void log_out(const LogoutServices& services, LogoutWish wish,
             std::function<void(Result<LogoutOutcome>)> done) {
    std::make_shared<Logout>(services, std::move(wish), std::move(done))->start();
}

}  // namespace postbearer::agent
