// SPDX-License-Identifier: Apache-2.0
#include "tests/support/glewlwyd_instance.hh"

#include <json/writer.h>

#include <csignal>
#include <cstdio>

#include "tests/support/failure.hh"
#include "tests/support/rehearsal_process.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/wait.hh"

namespace postbearer::test {
namespace {

using namespace std::chrono_literals;

/// Of the package's configuration only the module paths and names count.
constexpr const char* kConfiguration = R"(bind_address = "127.0.0.1"
login_url = "login.html"
api_prefix = "api"
allow_origin = "*"
log_mode = "file"
log_level = "INFO"
cookie_secure = 0
session_expiration = 2419200
session_key = "GLEWLWYD2_SESSION_ID"
admin_session_authentication = "cookie"
profile_session_authentication = "cookie"
admin_scope = "g_admin"
profile_scope = "g_profile"
user_module_path = "/usr/lib/glewlwyd/user"
client_module_path = "/usr/lib/glewlwyd/client"
user_auth_scheme_module_path = "/usr/lib/glewlwyd/scheme"
plugin_module_path = "/usr/lib/glewlwyd/plugin"
use_secure_connection = true
hash_algorithm = "SHA512"
)";

/// One signing key for access and id tokens; single-use refresh tokens, whose chain is revoked
/// when one comes back; PKCE with S256 only.
constexpr const char* kOidcParameters = R"({
  "jwt-type": "rsa", "jwt-key-size": "256",
  "refresh-token-duration": 1209600, "code-duration": 600,
  "refresh-token-rolling": true, "refresh-token-one-use": "always",
  "allow-non-oidc": true, "auth-type-client-enabled": true, "auth-type-code-enabled": true,
  "auth-type-token-enabled": true, "auth-type-implicit-enabled": true,
  "auth-type-password-enabled": true, "auth-type-refresh-enabled": true,
  "auth-type-device-enabled": true, "device-authorization-expiration": 600,
  "auth-type-code-revoke-replayed": true, "allowed-scope": ["openid"],
  "pkce-allowed": true, "pkce-method-plain-allowed": false, "pkce-required-public-client": true,
  "introspection-revocation-allowed": true, "introspection-revocation-allow-target-client": true,
  "introspection-revocation-auth-scope": ["audit"],
  "client-pubkey-parameter": "pubkey", "request-parameter-allow": true,
  "request-maximum-exp": 3600,
  "name-claim": "mandatory", "email-claim": "mandatory",
  "claims": [{"name": "preferred_username", "user-property": "email", "type": "string",
              "mandatory": true, "on-demand": false, "scope": []}]})";

constexpr const char* kAuditor = "auditor";
constexpr const char* kPassword = "correct horse battery staple";

Json::Value list_of(const std::vector<std::string>& words) {
    Json::Value list(Json::arrayValue);
    for (const std::string& word : words) {
        list.append(word);
    }
    return list;
}

std::string text_of(const Json::Value& document) {
    Json::StreamWriterBuilder writer;
    writer["indentation"] = "";
    return Json::writeString(writer, document);
}

}  // namespace

GlewlwydInstance::GlewlwydInstance(GlewlwydSettings settings) : settings_(std::move(settings)) {
    make_directory(settings_.directory);
}

GlewlwydInstance::~GlewlwydInstance() {
    if (test_failed()) {
        std::fprintf(stderr, "---- %s\n%s", log_path().c_str(), tail(log_path(), 15).c_str());
    }
    stop();
}

std::string GlewlwydInstance::base_url() const {
    return "https://localhost:" + std::to_string(port_.number());
}

void GlewlwydInstance::write_configuration() const {
    const std::string directory = settings_.directory;
    const auto setting = [](const std::string& name, const std::string& value) {
        return name + " = \"" + value + "\"\n";
    };
    write_file(settings_.directory / "glewlwyd.conf",
               kConfiguration + ("port = " + std::to_string(port_.number()) + "\n") +
                   setting("external_url", base_url()) + setting("log_file", log_path()) +
                   setting("secure_connection_key_file", settings_.key) +
                   setting("secure_connection_pem_file", settings_.certificate) +
                   "database = {\n type = \"sqlite3\"\n path = \"" + directory + "/db\"\n}\n");
}

void GlewlwydInstance::start() {
    write_configuration();
    const std::string schema =
        run_ok({.argv = {"zcat", "/usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz"}});
    (void)run_ok({.argv = {"sqlite3", settings_.directory / "db"},
                  .input = "PRAGMA synchronous = OFF; BEGIN;" + schema + "COMMIT;"});
    process_ = Process(
        {.argv = {"glewlwyd", "--config=" + (settings_.directory / "glewlwyd.conf").string()},
         .output_file = settings_.directory / "glewlwyd.err"});
    wait_until("glewlwyd to start", [&] {
        if (!process_.running()) {
            fail("glewlwyd did not start:\n" + tail(log_path()) +
                 tail(settings_.directory / "glewlwyd.err"));
        }
        return takes_connections(port_.number());
    });
    Json::Value administrator;
    administrator["username"] = "admin";
    administrator["password"] = "password";
    administer("/api/auth/", administrator);
    administer("/api/mod/plugin/", plugin());
    add_client(kAuditor, kPassword, "audit");
}

void GlewlwydInstance::set_device_interval(int seconds) {
    settings_.device_interval_seconds = seconds;
    const Json::Value document = plugin();
    for (const char* path : {"", "/disable", "/enable"}) {
        (void)send_ok({.url = base_url() + "/api/mod/plugin/oidc" + path,
                       .method = "PUT",
                       .body = text_of(document),
                       .session = "admin"});
    }
}

Json::Value GlewlwydInstance::plugin() {
    Json::Value plugin;
    plugin["module"] = plugin["name"] = plugin["display_name"] = "oidc";
    plugin["enabled"] = true;
    Json::Value& parameters = plugin["parameters"] = json_of(kOidcParameters);
    parameters["iss"] = issuer();
    parameters["access-token-duration"] = settings_.access_token_seconds;
    parameters["device-authorization-interval"] = settings_.device_interval_seconds;
    if (signing_key_.empty()) {
        signing_key_ = run_ok({.argv = {"openssl", "genpkey", "-algorithm", "RSA"}});
    }
    parameters["key"] = signing_key_;
    parameters["cert"] = run_ok({.argv = {"openssl", "pkey", "-pubout"}, .input = signing_key_});
    return plugin;
}

// It would wait for idle clients; nothing of it is kept, so it may be killed.
void GlewlwydInstance::stop() { (void)process_.stop(1s, SIGKILL); }

void GlewlwydInstance::add_scope(const std::string& name) {
    if (!scopes_.insert(name).second) {
        return;
    }
    Json::Value scope;
    scope["name"] = scope["display_name"] = name;
    scope["description"] = "mail";
    scope["password_required"] = true;
    scope["scheme"] = Json::objectValue;
    administer("/api/scope/", scope);
}

void GlewlwydInstance::add_client(const std::string& id, const std::string& secret,
                                  const std::string& scope) {
    add_client({.id = id,
                .secret = secret,
                .grants = {"client_credentials"},
                .scopes = {scope},
                .redirect_uris = {},
                .authentication = "client_secret_basic"});
}

void GlewlwydInstance::add_client(const GlewlwydClient& client) {
    for (const std::string& scope : client.scopes) {
        add_scope(scope);
    }
    Json::Value document;
    document["client_id"] = document["name"] = client.id;
    document["enabled"] = true;
    document["confidential"] = client.authentication != "none";
    if (!client.secret.empty()) {
        document["client_secret"] = document["password"] = client.secret;
    }
    if (!client.public_key.empty()) {
        document["pubkey"] = client.public_key;
    }
    document["authorization_type"] = list_of(client.grants);
    document["scope"] = list_of(client.scopes);
    document["redirect_uri"] = list_of(client.redirect_uris);
    document["token_endpoint_auth_method"] = list_of({client.authentication});
    administer("/api/client/", document);
}

void GlewlwydInstance::add_user(const std::string& name) {
    Json::Value user;
    user["username"] = user["name"] = name;
    user["email"] = name;
    user["password"] = kPassword;
    user["enabled"] = true;
    const std::vector<std::string> scopes{"openid", "profile", "smtp", "imap", "graph"};
    for (const std::string& scope : scopes) {
        add_scope(scope);
    }
    user["scope"] = list_of(scopes);
    administer("/api/user/", user);
    Json::Value session;
    session["username"] = name;
    session["password"] = kPassword;
    (void)send_ok({.url = base_url() + "/api/auth/", .body = text_of(session), .session = name});
}

void GlewlwydInstance::consent(const std::string& user, const std::string& client,
                               const std::string& scopes) {
    Json::Value grant;
    grant["scope"] = scopes;
    (void)send_ok({.url = base_url() + "/api/auth/grant/" + client,
                   .method = "PUT",
                   .body = text_of(grant),
                   .session = user});
}

void GlewlwydInstance::approve_device(const std::string& user, const std::string& user_code) {
    const GlewlwydAnswer answer =
        send({.url = issuer() + "/device?code=" + percent_encoded(user_code) + "&g_continue",
              .method = "GET",
              .session = user});
    if (answer.location.find("prompt=deviceComplete") == std::string::npos) {
        fail("glewlwyd took no user code: " + std::to_string(answer.status) + " " +
             answer.location + answer.body);
    }
}

std::string GlewlwydInstance::authorize(const std::string& user, const std::string& url) {
    const GlewlwydAnswer answer =
        send({.url = url + "&g_continue=1", .method = "GET", .session = user});
    if (answer.location.empty()) {
        fail("glewlwyd sends the browser nowhere: " + std::to_string(answer.status) + " " +
             answer.body);
    }
    return answer.location;
}

Json::Value GlewlwydInstance::introspect(const std::string& token, const std::string& client,
                                         const std::string& secret) {
    return json_of(send_ok({.url = issuer() + "/introspect",
                            .type = "application/x-www-form-urlencoded",
                            .body = "token=" + percent_encoded(token),
                            .credentials = client + ":" + secret}));
}

Json::Value GlewlwydInstance::audit(const std::string& token) {
    const Json::Value pass =
        form("token", {{"grant_type", "client_credentials"}, {"scope", "audit"}},
             kAuditor + (":" + std::string(kPassword)))
            .json();
    return json_of(send_ok({.url = issuer() + "/introspect",
                            .type = "application/x-www-form-urlencoded",
                            .body = "token=" + percent_encoded(token),
                            .bearer = pass["access_token"].asString()}));
}

GlewlwydAnswer GlewlwydInstance::form(const std::string& endpoint, const FormFields& fields,
                                      const std::string& credentials) {
    return send({.url = issuer() + "/" + endpoint,
                 .type = "application/x-www-form-urlencoded",
                 .body = form_of(fields),
                 .credentials = credentials});
}

void GlewlwydInstance::administer(const std::string& path, const Json::Value& document) const {
    (void)send_ok({.url = base_url() + path, .body = text_of(document), .session = "admin"});
}

std::string GlewlwydInstance::send_ok(const Call& call) const {
    const GlewlwydAnswer answer = send(call);
    if (answer.status != 200) {
        fail("glewlwyd " + call.url + ": " + std::to_string(answer.status) + " " + answer.body);
    }
    return answer.body;
}

GlewlwydAnswer GlewlwydInstance::send(const Call& call) const {
    return http_call({.url = call.url,
                      .method = call.method,
                      .type = call.type,
                      .body = call.body,
                      .ca_file = settings_.ca_file,
                      .cookies = call.session.empty()
                                     ? Path()
                                     : settings_.directory / ("cookies-" + call.session),
                      .bearer = call.bearer,
                      .credentials = call.credentials});
}

}  // namespace postbearer::test
