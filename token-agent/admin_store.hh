// SPDX-License-Identifier: Apache-2.0
#pragma once

// The verbs of admin.sock that go over the whole store: rekey, export, import_export. Each call
// does a slice, so that renewals wait for none of them; what a passphrase costs is paid on the
// store's thread.

#include <json/value.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "common/clock.hh"
#include "common/log.hh"
#include "common/scheduler.hh"
#include "common/service/peer.hh"
#include "token-agent/store/store_queue.hh"
#include "token-agent/token_service.hh"

namespace postbearer::agent {

class AdminStore {
public:
    struct Services {
        StoreQueue* store = nullptr;  // null: none is configured, and the verbs say so
        const Clock& clock;
        Scheduler& scheduler;
        Log& log;
        std::function<void(const std::string& provider, const std::string& login)> changed;
    };
    /// Of exports and imports together; each may hold 128 MiB for a moment.
    static constexpr std::size_t kMaxTransfers = 4;
    /// A transfer whose other end went away is forgotten after this.
    static constexpr std::chrono::seconds kPatience{60};

    explicit AdminStore(Services services);
    ~AdminStore();
    AdminStore(const AdminStore&) = delete;
    AdminStore& operator=(const AdminStore&) = delete;
    AdminStore(AdminStore&&) = delete;
    AdminStore& operator=(AdminStore&&) = delete;

    /// False: the verb is none of ours. A passphrase in `arguments` is overwritten in place.
    bool handle(std::string_view verb, const Json::Value& arguments, const service::Peer& peer,
                const Reply& reply);

private:
    struct Export;
    struct Import;
    /// One of the two, and when it is forgotten.
    struct Transfer {
        std::shared_ptr<Export> out;
        std::shared_ptr<Import> in;
        Scheduler::Id timer = 0;
    };

    void rekey(const Reply& reply);
    void export_page(const Json::Value& arguments, const service::Peer& peer, const Reply& reply);
    void import_page(const Json::Value& arguments, const service::Peer& peer, const Reply& reply);
    [[nodiscard]] Transfer* open_transfer(const std::string& id, const Reply& reply);
    [[nodiscard]] std::string begin_transfer(std::string_view event, const service::Peer& peer,
                                             const Reply& reply);
    void exported(const std::string& id, Export& out, const Result<bool>& done, const Reply& reply);
    void imported(const std::string& id, Import& in, bool last, const Result<bool>& done,
                  const Reply& reply);
    void keep_for_a_while(const std::string& id);
    void end_transfer(const std::string& id);

    Services services_;
    std::map<std::string, Transfer> transfers_;  // by a random id
    std::shared_ptr<bool> alive_;
};

}  // namespace postbearer::agent
