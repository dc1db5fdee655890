// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/login_writer.hh"

#include <utility>

namespace postbearer::agent {

struct LoginWriter::Record {
    RecordName name;
    NewLogin login;
    std::vector<std::pair<Resource, StoredAccess>> access;

    [[nodiscard]] Result<Written> put(TokenStore& store) const {
        const auto generation = store.put_login(name, login);
        if (!generation) {
            return tl::unexpected(generation.error());
        }
        Written written;
        written.generation = *generation;
        for (const auto& [resource, token] : access) {
            if (const auto kept = store.put_access(name, resource, token); !kept) {
                written.access_note = kept.error().context;
            }
        }
        return written;
    }
};

LoginWriter::LoginWriter(StoreQueue& queue, const Clock& clock, Scheduler& scheduler,
                         RecordName name, ConsentedTokens tokens, bool keep_access,
                         Callbacks callbacks)
    : queue_(queue), clock_(clock), scheduler_(scheduler), callbacks_(std::move(callbacks)) {
    auto record = std::make_shared<Record>();
    record->name = std::move(name);
    record->login.refresh_token = std::move(tokens.refresh_token);
    record->login.user = tokens.user.user;
    record->login.public_client = tokens.public_client;
    record->login.now = clock.wall();
    if (keep_access) {
        record->access = std::move(tokens.access);
    }
    record_ = std::move(record);
}

LoginWriter::~LoginWriter() { stop(); }

void LoginWriter::start() {
    gives_up_at_ = clock_.boot() + kPatience;
    write();
}

void LoginWriter::stop() {
    over_ = true;
    scheduler_.cancel(std::exchange(timer_, 0));
}

void LoginWriter::write() {
    ask_store<Written>(
        queue_, [record = record_](TokenStore& store) { return record->put(store); },
        [weak = weak_from_this()](Result<Written> outcome) {
            const auto self = weak.lock();
            if (self != nullptr && !self->over_) {
                self->written(std::move(outcome));
            }
        });
}

void LoginWriter::written(Result<Written> outcome) {
    const auto self = shared_from_this();  // the owner may let go of us in a callback
    if (outcome || clock_.boot() + kInterval > gives_up_at_) {
        stop();
        callbacks_.ended(std::move(outcome));
        return;
    }
    timer_ = scheduler_.at(clock_.boot() + kInterval, [weak = weak_from_this()] {
        const auto mine = weak.lock();
        if (mine != nullptr && !mine->over_) {
            mine->timer_ = 0;
            mine->write();
        }
    });
    callbacks_.trouble(outcome.error());
}

}  // namespace postbearer::agent
