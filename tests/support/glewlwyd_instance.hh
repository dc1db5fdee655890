// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <set>
#include <string>
#include <vector>

#include "tests/support/http_call.hh"
#include "tests/support/port.hh"
#include "tests/support/process.hh"

namespace postbearer::test {

struct GlewlwydSettings {
    Path directory{};
    Path certificate{};  // for localhost
    Path key{};
    Path ca_file{};
    int access_token_seconds = 3600;
    int device_interval_seconds = 5;
};

/// What may be asked of it; the defaults are a public client of RFC 8252.
struct GlewlwydClient {
    std::string id{};
    std::string secret{};      // empty: none
    std::string public_key{};  // PEM, for private_key_jwt; empty: none
    std::vector<std::string> grants{"code", "device_authorization", "refresh_token"};
    std::vector<std::string> scopes{"openid", "smtp"};
    std::vector<std::string> redirect_uris{"http://localhost"};
    /// client_secret_basic, client_secret_post, private_key_jwt, none.
    std::string authentication = "none";
};

using GlewlwydAnswer = HttpReply;

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
    void add_client(const GlewlwydClient& client);
    /// For codes that are given out already, too.
    void set_device_interval(int seconds);
    /// May use the scopes smtp, imap and graph, openid and profile. Its session begins at once.
    void add_user(const std::string& name);

    [[nodiscard]] std::string issuer() const { return base_url() + "/api/oidc"; }
    /// RFC 7662, as that client.
    [[nodiscard]] Json::Value introspect(const std::string& token, const std::string& client,
                                         const std::string& secret);
    /// RFC 7662 of anybody's token, by a client that may look at all of them.
    [[nodiscard]] Json::Value audit(const std::string& token);
    /// A form to ISSUER/`endpoint` ("token", "device_authorization", "revoke"), as any client may
    /// send it; `credentials` as "ID:SECRET" go into HTTP Basic.
    GlewlwydAnswer form(const std::string& endpoint, const FormFields& fields,
                        const std::string& credentials = "");

    /// What a user does in a browser.
    void consent(const std::string& user, const std::string& client, const std::string& scopes);
    void approve_device(const std::string& user, const std::string& user_code);
    /// Opens the client's authorize URL after consent() and says where the browser is sent.
    [[nodiscard]] std::string authorize(const std::string& user, const std::string& url);

    [[nodiscard]] Path log_path() const { return settings_.directory / "glewlwyd.log"; }

private:
    struct Call {
        std::string url;
        std::string method = "POST";
        std::string type = "application/json";
        std::string body{};
        std::string credentials{};
        std::string bearer{};
        std::string session{};  // of whom: a user's name, "admin", or nobody
    };
    [[nodiscard]] std::string base_url() const;
    void write_configuration() const;
    GlewlwydAnswer send(const Call& call) const;
    /// Anything but 200 fails the test.
    std::string send_ok(const Call& call) const;
    void administer(const std::string& path, const Json::Value& document) const;
    /// The plugin's whole configuration.
    [[nodiscard]] Json::Value plugin();
    void add_scope(const std::string& name);

    GlewlwydSettings settings_;
    ReservedPort port_;
    Process process_;
    std::string signing_key_;
    std::set<std::string> scopes_{"openid"};
};

}  // namespace postbearer::test
