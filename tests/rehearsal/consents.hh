// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "login_scopes.hh"

namespace postbearer::rehearsal {

/// What a code, a device code or a refresh token stands for.
struct UserGrant {
    std::string realm;   // entra, oidc, google: no token of one is good at another
    std::string tenant;  // as in the path
    std::string client_id;
    std::string user;                 // LoginUser::name
    std::vector<std::string> scopes;  // all that was granted, identity scopes too
    std::string nonce;                // OpenID Connect; only codes have it
    bool offline = false;             // a refresh token is due
};

/// Which permissions a user has given to an app; a directory remembers that for good.
class Consents {
public:
    void add(const UserGrant& grant) {
        auto& known = given_[{grant.client_id, grant.user}];
        for (const std::string& scope : grant.scopes) {
            if (!contains_scope(known, scope)) {
                known.push_back(scope);
            }
        }
    }
    /// Empty where the user has never been asked.
    [[nodiscard]] std::vector<std::string> of(const std::string& client_id,
                                              const std::string& user) const {
        const auto found = given_.find({client_id, user});
        return found == given_.end() ? std::vector<std::string>() : found->second;
    }
    void clear() { given_.clear(); }

private:
    std::map<std::pair<std::string, std::string>, std::vector<std::string>> given_;
};

}  // namespace postbearer::rehearsal
