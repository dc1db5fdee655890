// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/import_login.hh"

#include <memory>
#include <utility>

namespace postbearer::agent {

void import_login(StoreQueue& store, const LoginOrder& order, Secret refresh_token,
                  const std::string& user, WallTime now,
                  std::function<void(Result<ImportedLogin>)> done) {
    struct Record {
        RecordName name;
        NewLogin login;
    };
    const ProviderConfig& provider = order.provider_config();
    auto record = std::make_shared<Record>();
    record->name = {provider.name, order.login, provider.client_id};
    record->login.refresh_token = std::move(refresh_token);
    record->login.user = user;
    record->login.now = now;
    ask_store<ImportedLogin>(
        store,
        [record](TokenStore& tokens) -> Result<ImportedLogin> {
            const auto before = tokens.find_login(record->name);
            const auto generation = tokens.put_login(record->name, record->login);
            if (!generation) {
                return tl::unexpected(generation.error());
            }
            // One that cannot be read, or is another client's, was there all the same.
            return ImportedLogin{*generation, !before || before->has_value()};
        },
        std::move(done));
}

}  // namespace postbearer::agent
