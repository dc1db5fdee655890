// SPDX-License-Identifier: Apache-2.0
#include "tests/support/glewlwyd_instance.hh"

#include <curl/curl.h>

#include <cstdio>

#include "common/owned.hh"
#include "tests/support/failure.hh"
#include "tests/support/rehearsal_process.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/wait.hh"

namespace postbearer::test {
namespace {

using namespace std::chrono_literals;
using CurlEasy = Owned<CURL, curl_easy_cleanup>;
using CurlList = Owned<curl_slist, curl_slist_free_all>;

std::size_t collect(char* data, std::size_t size, std::size_t count, void* target) noexcept {
    try {
        static_cast<std::string*>(target)->append(data, size * count);
        return size * count;
    } catch (...) {
        return 0;
    }
}

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

constexpr const char* kOidcPlugin =
    R"("jwt-type":"sha","jwt-key-size":"256","key":"thirty-two bytes of signing key..",)"
    R"("access-token-duration":3600,"refresh-token-duration":1209600,"code-duration":600,)"
    R"("allow-non-oidc":true,"auth-type-client-enabled":true,"auth-type-code-enabled":true,)"
    R"("auth-type-token-enabled":true,"auth-type-implicit-enabled":true,)"
    R"("auth-type-password-enabled":true,"auth-type-refresh-enabled":true,)"
    R"("introspection-revocation-allowed":true,)"
    R"("introspection-revocation-allow-target-client":true}})";

}  // namespace

GlewlwydInstance::GlewlwydInstance(GlewlwydSettings settings) : settings_(std::move(settings)) {
    make_directory(settings_.directory);
}

GlewlwydInstance::~GlewlwydInstance() {
    if (test_failed()) {
        std::fprintf(stderr, "---- %s\n%s", log_path().c_str(), tail(log_path(), 15).c_str());
    }
    (void)process_.stop(1s);
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
    (void)run_ok({.argv = {"sqlite3", settings_.directory / "db"}, .input = schema});
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
    post_json("/api/auth/", R"({"username":"admin","password":"password"})");
    post_json("/api/mod/plugin/",
              R"({"module":"oidc","name":"oidc","display_name":"oidc","enabled":true,)"
              R"("parameters":{"iss":")" +
                  issuer() + "\"," + kOidcPlugin);
}

// It waits for idle clients; nothing of it is kept, so it may be killed.
void GlewlwydInstance::stop() { (void)process_.stop(1s); }

void GlewlwydInstance::add_client(const std::string& id, const std::string& secret,
                                  const std::string& scope) {
    post_json("/api/scope/", R"({"name":")" + scope + R"(","display_name":")" + scope +
                                 R"(","description":"mail","password_required":true,"scheme":{}})");
    post_json("/api/client/", R"({"client_id":")" + id + R"(","name":")" + id +
                                  R"(","confidential":true,"enabled":true,"client_secret":")" +
                                  secret + R"(","password":")" + secret +
                                  R"(","authorization_type":["client_credentials"],"scope":[")" +
                                  scope +
                                  R"("],"token_endpoint_auth_method":["client_secret_basic"]})");
}

Json::Value GlewlwydInstance::introspect(const std::string& token, const std::string& client,
                                         const std::string& secret) {
    return json_of(post({.path = "/api/oidc/introspect",
                         .type = "application/x-www-form-urlencoded",
                         .body = "token=" + token,
                         .credentials = client + ":" + secret}));
}

void GlewlwydInstance::post_json(const std::string& path, const std::string& json) {
    (void)post({.path = path, .type = "application/json", .body = json});
}

std::string GlewlwydInstance::post(const Call& call) {
    const CurlEasy easy(curl_easy_init());
    const CurlList headers(curl_slist_append(nullptr, ("Content-Type: " + call.type).c_str()));
    const std::string jar = settings_.directory / "cookies";  // the administrator's session
    std::string answer;
    curl_easy_setopt(easy.get(), CURLOPT_URL, (base_url() + call.path).c_str());
    curl_easy_setopt(easy.get(), CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(easy.get(), CURLOPT_CAINFO, settings_.ca_file.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_COOKIEFILE, jar.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_COOKIEJAR, jar.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(easy.get(), CURLOPT_POSTFIELDS, call.body.c_str());
    curl_easy_setopt(easy.get(), CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy.get(), CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEFUNCTION, &collect);
    curl_easy_setopt(easy.get(), CURLOPT_WRITEDATA, &answer);
    if (!call.credentials.empty()) {
        curl_easy_setopt(easy.get(), CURLOPT_USERPWD, call.credentials.c_str());
    }
    const CURLcode code = curl_easy_perform(easy.get());
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status != 200) {
        fail("glewlwyd " + call.path + ": " +
             (code != CURLE_OK ? curl_easy_strerror(code) : std::to_string(status)) + " " + answer);
    }
    return answer;
}

}  // namespace postbearer::test
