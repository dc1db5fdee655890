// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <string>

#include "tests/support/port.hh"
#include "tests/support/process.hh"

namespace postbearer::test {

struct GlewlwydSettings {
    Path directory{};
    Path certificate{};  // for localhost
    Path key{};
    Path ca_file{};
};

/// A real OAuth2 and OpenID Connect server that nobody here wrote (Debian's glewlwyd), on
/// 127.0.0.1 with TLS and a fresh SQLite database. reference/oauth-servers.md 2.
class GlewlwydInstance {
public:
    explicit GlewlwydInstance(GlewlwydSettings settings);
    ~GlewlwydInstance();
    GlewlwydInstance(GlewlwydInstance&&) = delete;
    GlewlwydInstance& operator=(GlewlwydInstance&&) = delete;
    GlewlwydInstance(const GlewlwydInstance&) = delete;
    GlewlwydInstance& operator=(const GlewlwydInstance&) = delete;

    /// Returns with the OpenID Connect plugin in place.
    void start();
    void stop();
    /// A confidential client for client_credentials with that one scope.
    void add_client(const std::string& id, const std::string& secret, const std::string& scope);

    [[nodiscard]] std::string issuer() const { return base_url() + "/api/oidc"; }
    /// RFC 7662, as that client.
    [[nodiscard]] Json::Value introspect(const std::string& token, const std::string& client,
                                         const std::string& secret);
    [[nodiscard]] Path log_path() const { return settings_.directory / "glewlwyd.log"; }

private:
    struct Call {
        std::string path;
        std::string type;
        std::string body;
        std::string credentials{};
    };
    [[nodiscard]] std::string base_url() const;
    void write_configuration() const;
    std::string post(const Call& call);
    void post_json(const std::string& path, const std::string& json);

    GlewlwydSettings settings_;
    ReservedPort port_;
    Process process_;
};

}  // namespace postbearer::test
