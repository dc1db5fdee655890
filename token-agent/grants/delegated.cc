// SPDX-License-Identifier: Apache-2.0
#include "token-agent/grants/delegated.hh"

#include <algorithm>
#include <utility>

#include "common/text.hh"
#include "token-agent/providers.hh"
#include "token-agent/stored_tokens.hh"

namespace postbearer::agent {
namespace {

using protocol::FailureClass;
using protocol::FailureCode;

FetchFailure local_failure(FailureClass failure_class, FailureCode code, std::string message) {
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
        case Errc::Denied:
            return local_failure(FailureClass::NeedsUser, FailureCode::NotLoggedIn,
                                 "provider '" + provider + "': " + error.context +
                                     ". Run: postbearer login " + account);
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

/// One fetch, from the look into the store to the answer. It owns what it needs; the source may be
/// gone when something comes back, and then it ends without a word.
class Delegated::Job : public std::enable_shared_from_this<Delegated::Job> {
public:
    Job(Delegated& owner, FetchWish wish, std::function<void(FetchResult)> done)
        : owner_(owner),
          alive_(owner.alive_),
          wish_(std::move(wish)),
          provider_(wish_.config->providers.at(wish_.provider)),
          place_(provider_.name, wish_.account),
          name_{provider_.name, wish_.account, provider_.client_id},
          done_(std::move(done)) {}

    void start();
    [[nodiscard]] const Place& place() const noexcept { return place_; }

private:
    void look_up();
    void saved_first(const Result<std::uint64_t>& result);
    void have_login(Result<std::optional<StoredLogin>> found);
    void begin();
    void begun(const Result<void>& outcome);
    void ask();
    void answered(ExchangeResult result);
    void renewed(ExchangeAnswer answer);
    void stored(const std::shared_ptr<ExchangeAnswer>& answer,
                const Result<std::uint64_t>& outcome);
    void refused(FetchFailure failure);
    void end(FetchResult result);
    [[nodiscard]] Renewal renewal_of(const ExchangeAnswer& answer, bool changed) const;
    [[nodiscard]] std::string who() const { return "provider '" + provider_.name + "': "; }

    Delegated& owner_;
    std::shared_ptr<bool> alive_;
    FetchWish wish_;
    const ProviderConfig& provider_;  // in *wish_.config
    Place place_;
    RecordName name_;
    std::function<void(FetchResult)> done_;
    StoredLogin login_;
    bool in_memory_ = false;  // login_ is newer than the store's
    bool attempt_noted_ = false;
    WallTime asked_at_;
};

void Delegated::Job::start() {
    const Lane& lane = owner_.lanes_[place_];
    if (lane.unsaved == nullptr || lane.unsaved->client_id != provider_.client_id) {
        look_up();
        return;
    }
    owner_.save_now(place_, *lane.unsaved,
                    [self = shared_from_this()](const Result<std::uint64_t>& result) {
                        if (*self->alive_) {
                            self->saved_first(result);
                        }
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
            if (*self->alive_) {
                self->have_login(std::move(found));
            }
        });
}

void Delegated::Job::have_login(Result<std::optional<StoredLogin>> found) {
    if (!found) {
        end(tl::unexpected(unreadable(found.error(), provider_.name, wish_.account)));
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
            if (*self->alive_) {
                self->begun(noted ? Result<void>() : tl::unexpected(noted.error()));
            }
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
    if (const auto scopes = scopes_of(provider_, wish_.resource, Grant::Delegated); !scopes) {
        end(tl::unexpected(local_failure(FailureClass::NeedsAdmin, FailureCode::InvalidScope,
                                         who() + scopes.error().context)));
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
    owner_.services_.exchange.send(std::move(request),
                                   [self = shared_from_this()](ExchangeResult result) {
                                       if (*self->alive_) {
                                           self->answered(std::move(result));
                                       }
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
        access.scope = scope_words(provider_, wish_.resource, Grant::Delegated);
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
    const auto shared = std::make_shared<ExchangeAnswer>(std::move(answer));
    // The job is copied by std::function, a secret is not: it goes along by pointer.
    const auto renewal = std::make_shared<const Renewal>(renewal_of(*shared, changed));
    ask_store<std::uint64_t>(
        owner_.services_.store,
        [name = name_, renewal](TokenStore& store) { return store.put_renewal(name, *renewal); },
        [self = shared_from_this(), shared](const Result<std::uint64_t>& outcome) {
            if (*self->alive_) {
                self->stored(shared, outcome);
            }
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
        owner_.keep_unsaved(place_, provider_.client_id, std::move(login_), *answer,
                            outcome.error());
    }
    end(std::move(answer->token));
}

void Delegated::Job::refused(FetchFailure failure) {
    const bool grant_refused = failure.answer.code == FailureCode::InvalidGrant;
    // 4xx with a reason: the provider has judged, so the refresh token is as it was.
    const bool judged = failure.http_status >= 400 && failure.http_status < 500;
    if (grant_refused && login_.attempt_at) {
        failure.answer.message = printable(
            who() + "the agent was stopped, or an answer was lost, in the middle of a renewal (" +
                utc(*login_.attempt_at) +
                "), and this provider takes each refresh token once: the new one is gone. "
                "Run: postbearer login " +
                wish_.account,
            protocol::kMaxSentenceBytes);
    }
    if (attempt_noted_ && judged && !login_.attempt_at) {
        owner_.services_.store.post(
            [name = name_](TokenStore& store) { (void)store.end_attempt(name); }, [] {});
    }
    if (failure.answer.failure_class == FailureClass::NeedsUser) {
        owner_.tell_needs_user(place_, failure);
    }
    end(tl::unexpected(std::move(failure)));
}

void Delegated::Job::end(FetchResult result) {
    // Twice through the loop is not needed: every way here has come from it.
    const auto self = shared_from_this();
    owner_.finished(place_);
    done_(std::move(result));
}

Delegated::Delegated(const Services& services)
    : services_(services), alive_(std::make_shared<bool>(true)) {}

Delegated::~Delegated() {
    *alive_ = false;
    for (auto& [place, lane] : lanes_) {
        if (lane.unsaved != nullptr) {
            services_.scheduler.cancel(lane.unsaved->timer);
            // The store's thread finishes what it was given.
            save_now(place, *lane.unsaved, [](const Result<std::uint64_t>&) {});
        }
    }
}

void Delegated::fetch(FetchWish wish, std::function<void(FetchResult)> done) {
    auto job = std::make_shared<Job>(*this, std::move(wish), std::move(done));
    const Place place = job->place();
    Lane& lane = lanes_[place];
    lane.jobs.push_back(std::move(job));
    if (lane.jobs.size() == 1 && !lane.saving) {
        lane.jobs.front()->start();
    }
}

void Delegated::finished(const Place& place) {
    Lane& lane = lanes_[place];
    lane.jobs.pop_front();
    if (!lane.jobs.empty()) {
        const auto next = lane.jobs.front();
        next->start();
        return;
    }
    drop_if_idle(place);
}

void Delegated::drop_if_idle(const Place& place) {
    const auto found = lanes_.find(place);
    if (found != lanes_.end() && found->second.jobs.empty() && !found->second.saving &&
        found->second.unsaved == nullptr && !found->second.told) {
        lanes_.erase(found);
    }
}

void Delegated::note_store(const Result<void>& outcome) {
    if (outcome) {
        if (!store_trouble_.empty()) {
            services_.log.write(LogLine(LogLevel::Notice, "store_writable_again"));
            store_trouble_.clear();
        }
        return;
    }
    if (outcome.error().code == Errc::Denied) {
        return;
    }
    if (store_trouble_ != outcome.error().context) {
        services_.log.write(
            LogLine(LogLevel::Error, "store_unwritable")
                .add("message", outcome.error().context)
                .add("action", "tokens are served from memory; free or repair the disk"));
        store_trouble_ = outcome.error().context;
    }
}

void Delegated::keep_unsaved(const Place& place, const std::string& client_id, StoredLogin login,
                             const ExchangeAnswer& answer, const Error& why) {
    Lane& lane = lanes_[place];
    if (lane.unsaved == nullptr) {
        lane.unsaved = std::make_unique<Unsaved>();
    }
    Unsaved& unsaved = *lane.unsaved;
    unsaved.login = std::move(login);
    unsaved.login.refresh_token = answer.refresh_token->clone();
    unsaved.login.rotates = true;
    unsaved.login.attempt_at.reset();
    unsaved.client_id = client_id;
    unsaved.renewed_at = services_.clock.wall();
    services_.log.write(
        LogLine(LogLevel::Error, "refresh_token_not_saved")
            .add("account", place.second)
            .add("provider", place.first)
            .add("message", why.context)
            .add("action",
                 "the new refresh token is in memory only: do not stop the agent; free or "
                 "repair the disk. Retried every 10 s"));
    plan_save(place, unsaved);
}

void Delegated::drop_unsaved(Lane& lane) {
    if (lane.unsaved != nullptr) {
        services_.scheduler.cancel(lane.unsaved->timer);
        lane.unsaved.reset();
    }
}

void Delegated::plan_save(const Place& place, Unsaved& unsaved) {
    services_.scheduler.cancel(unsaved.timer);
    unsaved.timer = services_.scheduler.at(services_.clock.boot() + kSaveInterval,
                                           [this, place] { save_timer(place); });
}

void Delegated::save_now(const Place& place, const Unsaved& unsaved,
                         std::function<void(Result<std::uint64_t>)> done) {
    auto renewal = std::make_shared<Renewal>();
    renewal->generation = unsaved.login.generation;
    renewal->refresh_token = unsaved.login.refresh_token.clone();
    renewal->now = unsaved.renewed_at;
    ask_store<std::uint64_t>(
        services_.store,
        [name = RecordName{place.first, place.second, unsaved.client_id},
         renewal](TokenStore& store) { return store.put_renewal(name, *renewal); },
        std::move(done));
}

void Delegated::save_timer(const Place& place) {
    Lane& lane = lanes_[place];
    if (lane.unsaved == nullptr) {
        return;
    }
    lane.unsaved->timer = 0;
    if (!lane.jobs.empty()) {  // its job begins with a save of its own
        plan_save(place, *lane.unsaved);
        return;
    }
    lane.saving = true;
    save_now(place, *lane.unsaved,
             [this, alive = alive_, place](const Result<std::uint64_t>& result) {
                 if (!*alive) {
                     return;
                 }
                 Lane& saved_lane = lanes_[place];
                 saved_lane.saving = false;
                 (void)note_saved(place, result);
                 if (!saved_lane.jobs.empty()) {
                     const auto next = saved_lane.jobs.front();
                     next->start();
                     return;
                 }
                 drop_if_idle(place);
             });
}

bool Delegated::note_saved(const Place& place, const Result<std::uint64_t>& result) {
    Lane& lane = lanes_[place];
    const bool replaced = !result && result.error().code == Errc::Denied;
    if (!result && !replaced) {
        note_store(tl::unexpected(result.error()));
        if (lane.unsaved != nullptr) {
            plan_save(place, *lane.unsaved);
        }
        return false;
    }
    if (result) {
        note_store({});
        services_.log.write(LogLine(LogLevel::Notice, "refresh_token_saved")
                                .add("account", place.second)
                                .add("provider", place.first));
    }
    drop_unsaved(lane);
    return true;
}

void Delegated::account_changed(std::string_view provider_name, std::string_view account) {
    const auto found = lanes_.find(Place(provider_name, account));
    if (found == lanes_.end()) {
        return;
    }
    found->second.told = false;
    drop_unsaved(found->second);
    drop_if_idle(found->first);
}

std::size_t Delegated::unsaved() const noexcept {
    return static_cast<std::size_t>(
        std::count_if(lanes_.begin(), lanes_.end(),
                      [](const auto& lane) { return lane.second.unsaved != nullptr; }));
}

/// Once for each time that an account falls into this state, however many resources find out.
void Delegated::tell_needs_user(const Place& place, const FetchFailure& failure) {
    Lane& lane = lanes_[place];
    if (std::exchange(lane.told, true)) {
        return;
    }
    LogLine line(LogLevel::Error, "account_needs_user");
    line.add("account", place.second).add("provider", place.first);
    line.add("code", name_of(failure.answer.code)).add_if("hint", failure.answer.hint);
    line.add("message", failure.answer.message);
    line.add("action", "postbearer login " + place.second);
    services_.log.write(line);
}

}  // namespace postbearer::agent
