// SPDX-License-Identifier: Apache-2.0
#pragma once

// A TokenStore in memory that can be told to fail, and a queue that runs on time turned by hand.

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/manual_time.hh"
#include "token-agent/store/store_queue.hh"

namespace postbearer::test {

class MemoryStore final : public agent::TokenStore {
public:
    struct Login {
        std::string client_id;
        std::string token;
        std::string previous_token;
        std::string user;
        std::uint64_t generation = 0;
        bool public_client = false;
        bool rotates = false;
        WallTime logged_in_at;
        WallTime used_at;
        std::optional<WallTime> attempt_at;
    };
    using Place = std::pair<std::string, std::string>;  // provider, account

    std::map<Place, Login> logins;
    std::map<std::pair<Place, protocol::Resource>, std::string> access;
    std::map<std::pair<Place, protocol::Resource>, std::pair<WallTime, std::chrono::seconds>> lives;
    std::map<std::pair<Place, protocol::Resource>, std::string> scopes;
    std::optional<Error> read_error;
    std::optional<Error> write_error;
    int writes = 0;
    const Clock* clock = nullptr;        // set: logins used in its future are unused ones
    std::uint64_t first_generation = 1;  // of a login that has none before it; forget() moves on

    Result<std::optional<agent::StoredLogin>> find_login(const agent::RecordName& name) override {
        if (read_error) {
            return tl::unexpected(*read_error);
        }
        const auto found = logins.find({name.provider, name.account});
        if (found == logins.end()) {
            return std::optional<agent::StoredLogin>();
        }
        const Login& login = found->second;
        if (login.client_id != name.client_id) {
            return failure(Errc::Denied, "the login was made with client_id " + login.client_id +
                                             ": run postbearer login " + name.account);
        }
        agent::StoredLogin out;
        out.refresh_token = Secret(login.token);
        out.generation = login.generation;
        out.user = login.user;
        out.public_client = login.public_client;
        out.rotates = login.rotates;
        out.logged_in_at = login.logged_in_at;
        out.used_at = login.used_at;
        out.attempt_at = login.attempt_at;
        return std::optional(std::move(out));
    }
    Result<std::uint64_t> put_login(const agent::RecordName& name,
                                    const agent::NewLogin& given) override {
        if (write_error) {
            return tl::unexpected(*write_error);
        }
        ++writes;
        Login& login = logins[{name.provider, name.account}];
        login.generation = login.generation == 0 ? first_generation : login.generation + 1;
        login.previous_token.clear();
        login.token = given.refresh_token.reveal();
        login.client_id = name.client_id;
        login.user = given.user;
        login.public_client = given.public_client;
        login.rotates = given.rotates;
        login.logged_in_at = given.logged_in_at.value_or(given.now);
        login.used_at = given.used_at.value_or(given.now);
        login.attempt_at.reset();
        drop_all_access(name);
        return login.generation;
    }
    Result<void> begin_attempt(const agent::RecordName& name, std::uint64_t generation,
                               WallTime now) override {
        if (write_error) {
            return tl::unexpected(*write_error);
        }
        const auto found = logins.find({name.provider, name.account});
        if (found == logins.end() || found->second.generation != generation) {
            return failure(Errc::Denied, "not the newest generation");
        }
        if (!found->second.attempt_at) {
            found->second.attempt_at = now;
        }
        return {};
    }
    Result<void> end_attempt(const agent::RecordName& name) override {
        if (write_error) {
            return tl::unexpected(*write_error);
        }
        if (const auto found = logins.find({name.provider, name.account}); found != logins.end()) {
            found->second.attempt_at.reset();
        }
        return {};
    }
    Result<std::uint64_t> put_renewal(const agent::RecordName& name,
                                      const agent::Renewal& renewal) override {
        if (write_error) {
            return tl::unexpected(*write_error);
        }
        const auto found = logins.find({name.provider, name.account});
        if (found == logins.end() || found->second.generation != renewal.generation) {
            return failure(Errc::Denied, "not the newest generation");
        }
        ++writes;
        Login& login = found->second;
        if (renewal.refresh_token) {
            login.previous_token =
                std::exchange(login.token, std::string(renewal.refresh_token->reveal()));
            ++login.generation;
            login.rotates = true;
        }
        if (!renewal.refresh_token) {
            login.rotates = false;
        }
        login.public_client = renewal.public_client.value_or(login.public_client);
        login.used_at = renewal.now;
        login.attempt_at.reset();
        if (renewal.access) {
            keep(name, renewal.resource, *renewal.access);
        }
        return login.generation;
    }
    Result<bool> forget(const agent::RecordName& name) override {
        if (write_error) {
            return tl::unexpected(*write_error);
        }
        drop_all_access(name);
        first_generation += 1000;  // no generation comes twice, as in a real store
        return logins.erase({name.provider, name.account}) > 0;
    }
    Result<std::optional<agent::StoredAccess>> find_access(const agent::RecordName& name,
                                                           protocol::Resource resource) override {
        if (read_error) {
            return tl::unexpected(*read_error);
        }
        const auto key = std::pair(Place(name.provider, name.account), resource);
        const auto found = access.find(key);
        if (found == access.end()) {
            return std::optional<agent::StoredAccess>();
        }
        agent::StoredAccess out;
        out.token = Secret(found->second);
        out.issued_at = lives[key].first;
        out.life = lives[key].second;
        out.scope = scopes[key];
        return std::optional(std::move(out));
    }
    Result<void> put_access(const agent::RecordName& name, protocol::Resource resource,
                            const agent::StoredAccess& given) override {
        if (write_error) {
            return tl::unexpected(*write_error);
        }
        ++writes;
        keep(name, resource, given);
        return {};
    }
    Result<void> drop_access(const agent::RecordName& name, protocol::Resource resource) override {
        if (write_error) {
            return tl::unexpected(*write_error);
        }
        access.erase({Place(name.provider, name.account), resource});
        return {};
    }
    Result<agent::LoginPage> list(const std::string& cursor, std::size_t limit) override {
        if (read_error) {
            return tl::unexpected(*read_error);
        }
        agent::LoginPage page;
        std::size_t index = cursor.empty() ? 0 : std::stoul(cursor);
        auto it = logins.begin();
        std::advance(it, static_cast<std::ptrdiff_t>(std::min(index, logins.size())));
        for (; it != logins.end() && page.logins.size() < limit; ++it, ++index) {
            page.logins.push_back(listed(it->first, it->second));
        }
        page.next = it == logins.end() ? "" : std::to_string(index);
        return page;
    }
    /// A cursor is the last row's time, in a width of its own, and place.
    Result<agent::LoginPage> unused_since(WallTime before, const std::string& cursor,
                                          std::size_t limit) override {
        if (read_error) {
            return tl::unexpected(*read_error);
        }
        std::vector<std::pair<WallTime, Place>> unused;
        for (const auto& [place, login] : logins) {
            const bool ahead =
                clock != nullptr && login.used_at > clock->wall() + std::chrono::hours(1);
            if (login.used_at < before || ahead) {
                unused.emplace_back(login.used_at, place);
            }
        }
        std::sort(unused.begin(), unused.end());
        agent::LoginPage page;
        for (const auto& [used_at, place] : unused) {
            std::string here = std::to_string(used_at.time_since_epoch().count()) + " " +
                               place.first + " " + place.second;
            here.insert(0, 20 - std::min<std::size_t>(20, here.find(' ')), '0');
            if (here <= cursor) {
                continue;
            }
            if (page.logins.size() == limit) {
                break;
            }
            page.logins.push_back(listed(place, logins.at(place)));
            page.next = std::move(here);
        }
        if (page.logins.size() < limit) {
            page.next.clear();
        }
        return page;
    }
    Result<std::uint64_t> count_logins() override { return logins.size(); }
    Result<agent::LoginDump> read_logins(const std::string& cursor, std::size_t limit) override {
        auto page = list(cursor, limit);
        if (!page) {
            return tl::unexpected(page.error());
        }
        agent::LoginDump dump;
        for (const agent::ListedLogin& row : page->logins) {
            const Login& login = logins.at({row.provider, row.account});
            dump.logins.push_back({{row.provider, row.account, row.client_id},
                                   Secret(login.token),
                                   login.user,
                                   login.public_client,
                                   login.rotates,
                                   login.logged_in_at,
                                   login.used_at});
        }
        dump.next = page->next;
        return dump;
    }
    Result<agent::RekeyProgress> rekey(std::size_t) override { return agent::RekeyProgress{}; }

private:
    static agent::ListedLogin listed(const Place& place, const Login& login) {
        agent::ListedLogin row;
        row.provider = place.first;
        row.account = place.second;
        row.client_id = login.client_id;
        row.user = login.user;
        row.generation = login.generation;
        row.logged_in_at = login.logged_in_at;
        row.used_at = login.used_at;
        return row;
    }
    void keep(const agent::RecordName& name, protocol::Resource resource,
              const agent::StoredAccess& given) {
        const auto key = std::pair(Place(name.provider, name.account), resource);
        access[key] = given.token.reveal();
        lives[key] = {given.issued_at, given.life};
        scopes[key] = given.scope;
    }
    void drop_all_access(const agent::RecordName& name) {
        for (const protocol::Resource resource : protocol::kResources) {
            access.erase({Place(name.provider, name.account), resource});
        }
    }
};

/// The job runs at once, what comes after it at the next turn of the loop.
class ManualQueue final : public agent::StoreQueue {
public:
    ManualQueue(agent::TokenStore& store, ManualTime& time) : store_(store), time_(time) {}
    void post(std::function<void(agent::TokenStore&)> job, std::function<void()> then) override {
        job(store_);
        (void)time_.at(time_.boot(), std::move(then));
    }

private:
    agent::TokenStore& store_;
    ManualTime& time_;
};

}  // namespace postbearer::test
