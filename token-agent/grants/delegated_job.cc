// SPDX-License-Identifier: Apache-2.0
#include "token-agent/grants/delegated_job.hh"

#include <exception>
#include <utility>

#include "common/text.hh"
#include "token-agent/providers.hh"

namespace postbearer::agent {
namespace {

using protocol::FailureClass;
using protocol::FailureCode;

FetchFailure local_failure(FailureClass failure_class, FailureCode code,
                           const std::string& message) {
    FetchFailure failure;
    failure.answer.failure_class = failure_class;
    failure.answer.code = code;
    failure.answer.message = printable(message, protocol::kMaxSentenceBytes);
    return failure;
}

std::string utc(WallTime time) {
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    const auto two = [](auto number) {
        const std::string text = std::to_string(number);
        return text.size() < 2 ? "0" + text : text;
    };
    return std::to_string(static_cast<int>(date.year())) + "-" +
           two(static_cast<unsigned>(date.month())) + "-" + two(static_cast<unsigned>(date.day())) +
           " " + two(clock.hours().count()) + ":" + two(clock.minutes().count()) + " UTC";
}

/// What the store says, in the words of agent.sock.
FetchFailure unreadable(const Error& error, const std::string& provider,
                        const std::string& account) {
    switch (error.code) {
        case Errc::Denied:  // the store says what to run
            return local_failure(FailureClass::NeedsUser, FailureCode::NotLoggedIn,
                                 "provider '" + provider + "': " + error.context);
        case Errc::Protocol:
            return local_failure(FailureClass::NeedsUser, FailureCode::NotLoggedIn,
                                 "provider '" + provider +
                                     "': the stored login cannot be used: " + error.context +
                                     ". Put back a sound copy of the file, or run: "
                                     "postbearer login " +
                                     account);
        case Errc::Config:
            return local_failure(FailureClass::NeedsAdmin, FailureCode::StoreUnwritable,
                                 "provider '" + provider + "': " + error.context +
                                     ": give that key back in [agent] previous_master_keys, then "
                                     "restart the agent");
        case Errc::Internal:
        case Errc::Unavailable:
        case Errc::Timeout:
            break;
    }
    return local_failure(FailureClass::Transient, FailureCode::StoreUnwritable,
                         "provider '" + provider + "': " + error.context);
}

}  // namespace

template <typename Step>
void Delegated::Job::guarded(Step&& step) {
    if (!*alive_ || ended_) {
        return;
    }
    try {
        std::forward<Step>(step)();
    } catch (const std::exception&) {
        end(tl::unexpected(local_failure(FailureClass::Transient, FailureCode::ProviderError,
                                         who() + "out of memory or an internal error; retried "
                                                 "automatically")));
    }
}

void Delegated::Job::start() {
    guarded([this] { save_or_look_up(); });
}

void Delegated::Job::save_or_look_up() {
    const Lane& lane = owner_.lanes_[place_];
    if (lane.unsaved == nullptr || lane.unsaved->client_id != provider_.client_id) {
        look_up();
        return;
    }
    owner_.save_now(place_, *lane.unsaved,
                    [self = shared_from_this()](const Result<std::uint64_t>& result) {
                        self->guarded([&] { self->saved_first(result); });
                    });
}

void Delegated::Job::saved_first(const Result<std::uint64_t>& result) {
    const Lane& lane = owner_.lanes_[place_];
    if (owner_.note_saved(place_, result) || lane.unsaved == nullptr) {
        look_up();
        return;
    }
    const StoredLogin& kept = lane.unsaved->login;
    login_.refresh_token = kept.refresh_token.clone();
    login_.generation = kept.generation;
    login_.user = kept.user;
    login_.public_client = kept.public_client;
    login_.rotates = kept.rotates;
    in_memory_ = true;
    begin();
}

void Delegated::Job::look_up() {
    ask_store<std::optional<StoredLogin>>(
        owner_.services_.store,
        [name = name_](TokenStore& store) { return store.find_login(name); },
        [self = shared_from_this()](Result<std::optional<StoredLogin>> found) {
            self->guarded([&] { self->have_login(std::move(found)); });
        });
}

void Delegated::Job::have_login(Result<std::optional<StoredLogin>> found) {
    if (!found) {
        FetchFailure failure = unreadable(found.error(), provider_.name, wish_.account);
        if (failure.answer.failure_class != FailureClass::Transient) {
            owner_.tell_trouble(place_, failure);
        }
        end(tl::unexpected(std::move(failure)));
        return;
    }
    if (!*found) {
        end(tl::unexpected(
            local_failure(FailureClass::NeedsUser, FailureCode::NotLoggedIn,
                          who() + "nobody has logged in. Run: postbearer login " + wish_.account)));
        return;
    }
    login_ = std::move(**found);
    if (login_.previous) {
        owner_.services_.log.write(
            LogLine(LogLevel::Error, "login_damaged")
                .add("account", wish_.account)
                .add("provider", provider_.name)
                .add("action", "the refresh token before the newest one is used; check the disk"));
    }
    begin();
}

/// A provider that replaces the refresh token each time must not be asked while the answer could
/// not be written down, unless there is nothing left to hand out.
void Delegated::Job::begin() {
    if (!may_ask()) {
        return;
    }
    if (!login_.rotates) {
        ask();
        return;
    }
    ask_store<bool>(
        owner_.services_.store,
        [name = name_, generation = login_.generation,
         now = owner_.services_.clock.wall()](TokenStore& store) -> Result<bool> {
            // A mark that is there tells of an earlier end in the middle; it stays.
            if (auto noted = store.begin_attempt(name, generation, now); !noted) {
                return tl::unexpected(std::move(noted.error()));
            }
            return true;
        },
        [self = shared_from_this()](const Result<bool>& noted) {
            self->guarded(
                [&] { self->begun(noted ? Result<void>() : tl::unexpected(noted.error())); });
        });
}

void Delegated::Job::begun(const Result<void>& outcome) {
    owner_.note_store(outcome);
    attempt_noted_ = outcome.has_value();
    if (!outcome && outcome.error().code == Errc::Denied) {
        end(tl::unexpected(local_failure(FailureClass::Transient, FailureCode::ProviderError,
                                         who() + "another login was made just now; ask again")));
        return;
    }
    if (!outcome && wish_.can_wait) {
        end(tl::unexpected(local_failure(
            FailureClass::Transient, FailureCode::StoreUnwritable,
            who() + outcome.error().context +
                "; the token at hand is used until it expires, because a renewal would replace the "
                "refresh token and nothing could be written down. Free the disk; retried "
                "automatically")));
        return;
    }
    ask();
}

void Delegated::Job::ask() {
    if (!may_ask()) {
        if (attempt_noted_ && !login_.attempt_at) {  // nothing was sent
            forget_attempt();
        }
        return;
    }
    ExchangeRequest request;
    request.config = wish_.config;
    request.provider = wish_.provider;
    request.grant = Grant::Delegated;
    request.public_client = login_.public_client;
    request.fields = {{"grant_type", "refresh_token"}};
    request.secret_fields.emplace_back(
        "refresh_token", std::make_shared<const Secret>(login_.refresh_token.clone()));
    request.scope = scope_words(provider_, wish_.resource, Grant::Delegated);
    asked_at_ = owner_.services_.clock.wall();
    sent_ = true;
    owner_.services_.exchange.send(std::move(request),
                                   [self = shared_from_this()](ExchangeResult result) {
                                       self->guarded([&] { self->answered(std::move(result)); });
                                   });
}

void Delegated::Job::answered(ExchangeResult result) {
    if (result) {
        renewed(std::move(*result));
    } else {
        refused(std::move(result.error()));
    }
}

Renewal Delegated::Job::renewal_of(const ExchangeAnswer& answer, bool changed) const {
    Renewal renewal;
    renewal.generation = login_.generation;
    renewal.now = asked_at_;
    renewal.resource = wish_.resource;
    if (answer.public_client && !login_.public_client) {
        renewal.public_client = true;  // the server wants no proof of the client (AADSTS700025)
    }
    if (changed) {
        renewal.refresh_token = answer.refresh_token->clone();
    }
    if (wish_.config->store_access_tokens) {
        StoredAccess access;
        access.token = answer.token.access_token.clone();
        access.token_type = answer.token.token_type;
        access.issued_at = asked_at_;
        access.life = answer.token.expires_in;
        access.refresh_in = answer.token.refresh_in;
        access.scope = token_identity(provider_, wish_.resource, Grant::Delegated);
        renewal.access = std::move(access);
    }
    return renewal;
}

void Delegated::Job::renewed(ExchangeAnswer answer) {
    owner_.lanes_[place_].told = false;
    const bool changed =
        answer.refresh_token && answer.refresh_token->reveal() != login_.refresh_token.reveal();
    if (!changed) {
        answer.refresh_token.reset();  // RFC 6749 section 6: the old one goes on
    }
    if (answer.refresh_token_lost) {
        owner_.services_.log.write(
            LogLine(LogLevel::Error, "refresh_token_unusable")
                .add("account", wish_.account)
                .add("provider", provider_.name)
                .add("message",
                     "the provider sent a new refresh token that is none: empty, too "
                     "long, or with control characters")
                .add("action",
                     "the one before goes on; if that fails, look for a proxy in "
                     "between"));
    }
    const auto shared = std::make_shared<ExchangeAnswer>(std::move(answer));
    // The job is copied by std::function, a secret is not: it goes along by pointer.
    const auto renewal = std::make_shared<const Renewal>(renewal_of(*shared, changed));
    ask_store<std::uint64_t>(
        owner_.services_.store,
        [name = name_, renewal](TokenStore& store) { return store.put_renewal(name, *renewal); },
        [self = shared_from_this(), shared](const Result<std::uint64_t>& outcome) {
            self->guarded([&] { self->stored(shared, outcome); });
        });
}

void Delegated::Job::stored(const std::shared_ptr<ExchangeAnswer>& answer,
                            const Result<std::uint64_t>& outcome) {
    Lane& lane = owner_.lanes_[place_];
    if (!outcome && outcome.error().code == Errc::Denied) {
        if (in_memory_) {
            owner_.drop_unsaved(lane);
        }
        end(tl::unexpected(local_failure(FailureClass::Transient, FailureCode::ProviderError,
                                         who() + "another login was made just now; ask again")));
        return;
    }
    owner_.note_store(outcome ? Result<void>() : tl::unexpected(outcome.error()));
    if (outcome && answer->refresh_token) {
        owner_.drop_unsaved(lane);  // what was kept is older than what is on disk now
    } else if (answer->refresh_token) {
        owner_.keep_unsaved(place_, provider_.client_id, std::move(login_), *answer->refresh_token,
                            outcome.error());
    }
    end(std::move(answer->token));
}

void Delegated::Job::refused(FetchFailure failure) {
    judge_refusal(failure);
    if (failure.answer.failure_class == FailureClass::NeedsUser) {
        owner_.tell_trouble(place_, failure);
    }
    const bool has_token = failure.refresh_token != nullptr &&
                           failure.refresh_token->reveal() != login_.refresh_token.reveal();
    if (has_token) {
        keep_token_of(std::move(failure));
        return;
    }
    failure.refresh_token.reset();
    end(tl::unexpected(std::move(failure)));
}

/// Says what an earlier renewal without an end may have to do with it, and closes the mark of ours
/// where the end is known.
void Delegated::Job::judge_refusal(FetchFailure& failure) {
    if (failure.answer.code == FailureCode::InvalidGrant && login_.attempt_at) {
        const std::string note =
            "the agent was stopped, or an answer was lost, in the middle of a "
            "renewal (" +
            utc(*login_.attempt_at) +
            "): if this provider takes each refresh token once, the new one "
            "is gone. Run: postbearer login " +
            wish_.account;
        // Of these two it is known that they take older ones, so their own words come first.
        const bool takes_old_ones =
            provider_.type == ProviderType::Microsoft || provider_.type == ProviderType::Google;
        failure.answer.message =
            printable(takes_old_ones ? failure.answer.message + ". Also, " + note
                                     : who() + note + ". " + failure.answer.message,
                      protocol::kMaxSentenceBytes);
    }
    const bool end_is_known =
        !failure.answer_lost && failure.http_status < 500 && failure.refresh_token == nullptr;
    if (attempt_noted_ && end_is_known && !login_.attempt_at) {
        forget_attempt();
    }
}

void Delegated::Job::forget_attempt() {
    owner_.services_.store.post(
        [name = name_](TokenStore& store) { (void)store.end_attempt(name); }, [] {});
}

/// Ends the job and says false where there is nothing to ask, or no time for it.
bool Delegated::Job::may_ask() {
    if (owner_.stopping_) {
        end(tl::unexpected(local_failure(FailureClass::Transient, FailureCode::ProviderError,
                                         who() + "the agent is stopping; ask again")));
        return false;
    }
    if (const auto scopes = scopes_of(provider_, wish_.resource, Grant::Delegated); !scopes) {
        end(tl::unexpected(local_failure(FailureClass::NeedsAdmin, FailureCode::InvalidScope,
                                         who() + scopes.error().context)));
        return false;
    }
    return true;
}

/// The access token is of no use, but the provider may have given up the refresh token before.
void Delegated::Job::keep_token_of(FetchFailure failure) {
    const std::shared_ptr<const Secret> token = std::exchange(failure.refresh_token, nullptr);
    const auto renewal = std::make_shared<Renewal>();
    renewal->generation = login_.generation;
    renewal->refresh_token = token->clone();
    renewal->now = asked_at_;
    renewal->resource = wish_.resource;
    ask_store<std::uint64_t>(
        owner_.services_.store,
        [name = name_, renewal](TokenStore& store) { return store.put_renewal(name, *renewal); },
        [self = shared_from_this(), token,
         failure = std::move(failure)](const Result<std::uint64_t>& outcome) {
            self->guarded([&] {
                self->owner_.note_store(outcome ? Result<void>() : tl::unexpected(outcome.error()));
                if (outcome || outcome.error().code == Errc::Denied) {
                    self->owner_.drop_unsaved(self->owner_.lanes_[self->place_]);
                } else {
                    self->owner_.keep_unsaved(self->place_, self->provider_.client_id,
                                              std::move(self->login_), *token, outcome.error());
                }
                self->end(tl::unexpected(failure));
            });
        });
}

void Delegated::Job::end(FetchResult result) {
    if (std::exchange(ended_, true)) {
        return;
    }
    // Twice through the loop is not needed: every way here has come from it.
    const auto self = shared_from_this();
    owner_.finished(place_);  // guards the next one's start itself
    done_(std::move(result));
}

}  // namespace postbearer::agent
