// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/login_session.hh"

#include <algorithm>
#include <utility>

#include "token-agent/admin_answer.hh"
#include "token-agent/admin_json.hh"
#include "token-agent/login/login_plan.hh"

namespace postbearer::agent {

using protocol::FailureClass;
using protocol::FailureCode;
using std::chrono::seconds;

namespace {

std::string_view name_of_state(LoginSession::State state) {
    switch (state) {
        case LoginSession::State::Done:
            return "done";
        case LoginSession::State::Failed:
            return "failed";
        case LoginSession::State::Waiting:
        case LoginSession::State::Storing:
            break;
    }
    return "waiting";
}

}  // namespace

LoginSession::LoginSession(Services services, std::string id, LoginOrder order)
    : services_(std::move(services)), id_(std::move(id)), order_(std::move(order)) {
    resource_ = order_.resources.front();
}

LoginSession::~LoginSession() { services_.consents.scheduler.cancel(timer_); }

void LoginSession::start(Reply reply) {
    asked_after_ = services_.consents.clock.boot();
    add_waiter({std::move(reply), asked_after_ + kLongestStart, false, 0});
    LoginConsents::Callbacks callbacks;
    callbacks.changed = [weak = weak_from_this()] {
        if (const auto self = weak.lock()) {
            self->changed();
        }
    };
    callbacks.ended = [weak = weak_from_this()](LoginConsents::Outcome outcome) {
        if (const auto self = weak.lock()) {
            self->consents_ended(std::move(outcome));
        }
    };
    consents_ = std::make_shared<LoginConsents>(services_.consents, order_, std::move(callbacks));
    arm();
    const auto consents = consents_;
    consents->start();
}

void LoginSession::wait(Reply reply) {
    const BootTime now = services_.consents.clock.boot();
    asked_after_ = now;
    if (has_ended() || version_ != told_) {
        answer_now(reply);
        return;
    }
    add_waiter({std::move(reply), now + kLongestWait, true, 0});
    arm();
}

void LoginSession::answer(std::string_view url, Reply reply) {
    const BootTime now = services_.consents.clock.boot();
    asked_after_ = now;
    if (has_ended()) {
        answer_now(reply);
        return;
    }
    const auto taken =
        consents_ != nullptr
            ? consents_->take(url)
            : tl::unexpected(Error{Errc::Denied, "This login waits for no address now"});
    if (!taken) {
        refuse(reply, FailureClass::BadRequest, FailureCode::Syntax, taken.error().context);
        return;
    }
    ++version_;
    add_waiter({std::move(reply), now + kLongestStart, false, step_});
    arm();
}

void LoginSession::answer_now(const Reply& reply) {
    told_ = version_;
    answer_json(reply, document());
}

void LoginSession::end(protocol::AgentFailure failure) {
    if (has_ended()) {
        return;
    }
    failure_ = std::move(failure);
    finish(State::Failed);
}

void LoginSession::call_off(const Reply& reply) {
    if (state_ == State::Storing) {
        // A write may be under way, and ours is the only copy of the refresh token.
        called_off_late_ = true;
    } else {
        end(login_failure(FailureClass::NeedsUser, FailureCode::NotLoggedIn,
                          "the login was called off"));
    }
    answer_now(reply);
}

void LoginSession::note_progress() {
    if (consents_ == nullptr) {
        return;
    }
    resource_ = consents_->resource();
    step_ = consents_->step();
    consented_ = consents_->consented();
    warnings_ = consents_->warnings();
    ++version_;
}

void LoginSession::changed() {
    note_progress();
    answer_waiters();
    arm();
}

void LoginSession::consents_ended(LoginConsents::Outcome outcome) {
    note_progress();
    if (!outcome) {
        end(std::move(outcome.error()));
        return;
    }
    state_ = State::Storing;
    user_ = outcome->user;
    consents_.reset();
    LoginWriter::Callbacks callbacks;
    callbacks.trouble = [weak = weak_from_this()](const Error& error) {
        if (const auto self = weak.lock()) {
            self->store_warning_ = "the login is complete and cannot be stored yet (" +
                                   error.context + "); it is kept in memory and tried again";
            ++self->version_;
            self->answer_waiters();
        }
    };
    callbacks.ended = [weak = weak_from_this()](const Result<LoginWriter::Written>& written) {
        if (const auto self = weak.lock()) {
            self->writer_ended(written);
        }
    };
    const ProviderConfig& provider = order_.provider_config();
    writer_ = std::make_shared<LoginWriter>(
        services_.store, services_.consents.clock, services_.consents.scheduler,
        RecordName{provider.name, order_.login, provider.client_id}, std::move(*outcome),
        order_.config->store_access_tokens, std::move(callbacks));
    writer_->start();
    arm();
}

void LoginSession::writer_ended(const Result<LoginWriter::Written>& outcome) {
    store_warning_.clear();
    if (!outcome) {
        failure_ = login_failure(
            FailureClass::Transient, FailureCode::StoreUnwritable,
            "the login is complete and could not be stored: " + outcome.error().context +
                ". Mend the store, then log in again");
        finish(State::Failed);
        return;
    }
    generation_ = outcome->generation;
    if (!outcome->access_note.empty()) {
        warnings_.push_back("the login is stored, its first tokens are not: " +
                            outcome->access_note);
    }
    finish(State::Done);
}

void LoginSession::finish(State state) {
    const auto self = shared_from_this();
    state_ = state;
    if (consents_ != nullptr) {
        consents_->stop();
        consents_.reset();
    }
    writer_.reset();
    services_.consents.scheduler.cancel(std::exchange(timer_, 0));
    ++version_;
    answer_waiters();
    services_.ended(*this);
}

void LoginSession::add_waiter(Waiter waiter) {
    if (waiters_.size() == kMaxWaiters) {
        const Reply oldest = std::move(waiters_.front().reply);
        waiters_.erase(waiters_.begin());
        answer_now(oldest);
    }
    waiters_.push_back(std::move(waiter));
}

bool LoginSession::has_news(const Waiter& waiter) const {
    if (has_ended()) {
        return true;
    }
    if (waiter.any_news) {
        return version_ != told_;
    }
    const bool shown =
        consents_ != nullptr && (consents_->device() != nullptr || consents_->code() != nullptr);
    return shown && step_ > waiter.step;
}

void LoginSession::answer_waiters() {
    const BootTime now = services_.consents.clock.boot();
    const auto served = std::stable_partition(
        waiters_.begin(), waiters_.end(),
        [&](const Waiter& each) { return each.until > now && !has_news(each); });
    std::vector<Reply> replies;
    for (auto each = served; each != waiters_.end(); ++each) {
        replies.push_back(std::move(each->reply));
        if (!each->any_news) {  // it could not ask sooner
            asked_after_ = now;
        }
    }
    waiters_.erase(served, waiters_.end());
    for (const Reply& reply : replies) {
        answer_now(reply);
    }
}

bool LoginSession::may_be_abandoned() const {
    // The user of a browser may be away as long as the state lives, and the flow sees to that.
    const bool by_browser = consents_ != nullptr && consents_->code() != nullptr;
    return waiters_.empty() && state_ == State::Waiting && !by_browser;
}

/// One timer, for whatever comes first: a waiter's time, or that nobody waits any more.
void LoginSession::arm() {
    Scheduler& scheduler = services_.consents.scheduler;
    scheduler.cancel(std::exchange(timer_, 0));
    if (has_ended()) {
        return;
    }
    std::optional<BootTime> due;
    for (const Waiter& each : waiters_) {
        due = due ? std::min(*due, each.until) : each.until;
    }
    if (may_be_abandoned()) {
        due = asked_after_ + kAbandoned;
    }
    if (due) {
        timer_ = scheduler.at(*due, [weak = weak_from_this()] {
            if (const auto self = weak.lock()) {
                self->timer_ = 0;
                self->timer_ran();
            }
        });
    }
}

void LoginSession::timer_ran() {
    const BootTime now = services_.consents.clock.boot();
    const bool overdue = std::any_of(waiters_.begin(), waiters_.end(), [now](const Waiter& each) {
        return !each.any_news && each.step == 0 && each.until <= now;
    });
    if (overdue && step_ == 0) {
        end(login_failure(FailureClass::Transient, FailureCode::Timeout,
                          "provider '" + order_.provider_config().name +
                              "' did not answer in time. Start the login again"));
        return;
    }
    if (may_be_abandoned() && now >= asked_after_ + kAbandoned) {
        end(login_failure(FailureClass::NeedsUser, FailureCode::NotLoggedIn,
                          "nobody waits for this login any more. Start it again"));
        return;
    }
    answer_waiters();
    arm();
}

Json::Value LoginSession::document() const {
    const ProviderConfig& provider = order_.provider_config();
    Json::Value json = agent::document("login");
    json["session"] = id_;
    json["state"] = std::string(name_of_state(state_));
    json["account"] = order_.account;
    json["login"] = order_.login;
    json["provider"] = provider.name;
    json["client_id"] = provider.client_id;
    json["tenant"] = provider.tenant;
    json["resource"] = std::string(name_of(resource_));
    json["resources"] = resources_json(order_.resources);
    json["consented"] = resources_json(consented_);
    json["step"] = step_;
    json["flow"] = order_.flow == LoginFlow::Device ? "device" : "code";
    describe_step(json);
    json["warnings"] = Json::Value(Json::arrayValue);
    for (const std::string& warning : warnings_) {
        json["warnings"].append(warning);
    }
    if (state_ == State::Storing) {
        json["storing"] = true;
        if (!store_warning_.empty()) {
            json["warnings"].append(store_warning_);
        }
        if (called_off_late_) {
            json["warnings"].append(
                "the login is complete and cannot be called off any more; end "
                "it with postbearer logout once it is stored");
        }
    }
    if (state_ == State::Done) {
        json["user"] = user_.user;
        json["user_confirmed_by"] = std::string(name_of(user_.by));
    }
    if (state_ == State::Failed) {
        Json::Value& error = json["error"];
        error["class"] = std::string(name_of(failure_.failure_class));
        error["code"] = std::string(name_of(failure_.code));
        error["message"] = failure_.message;
        if (!failure_.hint.empty()) {
            error["hint"] = failure_.hint;
        }
    }
    return json;
}

void LoginSession::describe_step(Json::Value& json) const {
    const BootTime now = services_.consents.clock.boot();
    const auto left = [now](BootTime until) {
        return static_cast<Json::Int64>(
            std::max(std::chrono::floor<seconds>(until - now), seconds(0)).count());
    };
    json["expires_in"] = 0;
    if (writer_ != nullptr) {
        json["expires_in"] = left(writer_->gives_up_at());
    } else if (consents_ != nullptr && consents_->device() != nullptr) {
        const DeviceFlow& device = *consents_->device();
        const DeviceGrant& grant = *device.grant();
        json["expires_in"] = left(device.expires_at());
        json["user_code"] = grant.user_code;
        json["verification_uri"] = grant.verification_uri;
        if (!grant.verification_uri_complete.empty()) {
            json["verification_uri_complete"] = grant.verification_uri_complete;
        }
        if (!grant.message.empty()) {
            json["message"] = grant.message;
        }
        json["interval"] = static_cast<Json::Int64>(device.interval().count());
    } else if (consents_ != nullptr && consents_->code() != nullptr) {
        json["expires_in"] = left(consents_->code()->expires_at());
        json["authorize_url"] = consents_->code()->url();
        json["redirect_uri"] = order_.redirect_uri;
    }
}

}  // namespace postbearer::agent
