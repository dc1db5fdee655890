// SPDX-License-Identifier: Apache-2.0
#pragma once

// An agent's login service with everything around it scripted: verbs go in as JSON, documents and
// refusals come out, and no secret may stand in what was logged or answered.

#include <json/reader.h>
#include <json/value.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/agent_protocol.hh"
#include "tests/support/capture_log.hh"
#include "tests/support/manual_time.hh"
#include "tests/support/memory_store.hh"
#include "tests/support/scripted_http.hh"
#include "token-agent/discovery.hh"
#include "token-agent/login/login_service.hh"
#include "token-agent/login/pkce.hh"
#include "token-agent/token_exchange.hh"

namespace postbearer::agent {

using namespace std::chrono_literals;

inline constexpr const char* kAlice = "alice@contoso.com";
inline constexpr const char* kTenant = "11111111-2222-3333-4444-555555555555";
inline constexpr const char* kClient = "client-1";
/// All secrets of a script begin so.
inline constexpr const char* kMark = "S3ntinel";

inline std::string jwt(const std::string& claims) {
    return "e30." + std::string(view(base64url(claims))) + ".c2ln";
}

inline std::string id_token_for(const std::string& name, const std::string& extra = "",
                                const std::string& subject = "sub-alice") {
    return jwt(R"({"iss":"https://login.microsoftonline.com/)" + std::string(kTenant) +
               R"(/v2.0","tid":")" + kTenant + R"(","aud":")" + kClient + R"(","sub":")" + subject +
               R"(","exp":1800003600,"preferred_username":")" + name + "\"" + extra + "}");
}

/// A token endpoint's answer; empty parts are left out.
inline std::string tokens(const std::string& access, const std::string& refresh,
                          const std::string& id_token = "", const std::string& scope = "") {
    std::string text =
        R"({"token_type":"Bearer","expires_in":3600,"access_token":")" + access + "\"";
    text += refresh.empty() ? "" : R"(,"refresh_token":")" + refresh + "\"";
    text += id_token.empty() ? "" : R"(,"id_token":")" + id_token + "\"";
    text += scope.empty() ? "" : R"(,"scope":")" + scope + "\"";
    return text + "}";
}

inline constexpr const char* kDeviceAnswer =
    R"({"device_code":"S3ntinel-device","user_code":"ABCD-EFGH","expires_in":"900","interval":5,)"
    R"("verification_uri":"https://microsoft.com/devicelogin","message":"To sign in, open it"})";
inline constexpr const char* kPending = R"({"error":"authorization_pending"})";

class LoginRoom {
public:
    struct Answer {
        bool here = false;
        std::string status, failure_class, code, message;
        Json::Value json;
    };
    using Shown = std::shared_ptr<Answer>;

    LoginRoom() {
        peer.uid = 4242;
        peer.pid = 77;
        provider.name = "contoso";
        provider.type = ProviderType::Microsoft;
        provider.tenant = "contoso.example";
        provider.client_id = kClient;
        rule.match = kAlice;
        rule.grant = Grant::Delegated;
        rule.line = 12;
        access.uid = 1;
        access.accounts = {"*"};
        access.resources = {true, false, false, false};
    }
    LoginRoom(const LoginRoom&) = delete;
    LoginRoom& operator=(const LoginRoom&) = delete;
    LoginRoom(LoginRoom&&) = delete;
    LoginRoom& operator=(LoginRoom&&) = delete;
    ~LoginRoom() {
        for (const std::string& line : log.lines()) {
            BOOST_TEST(line.find(kMark) == std::string::npos);
            BOOST_TEST(line.find("code_challenge") == std::string::npos);
        }
    }

    [[nodiscard]] std::shared_ptr<const Policy> policy() const {
        auto config = std::make_shared<AgentConfig>();
        config->files = {"/etc/postbearer/agent.toml"};
        config->providers = {provider};
        config->accounts = {rule};
        config->access = {access};
        config->store_access_tokens = store_access_tokens;
        config->allow_http_loopback = true;
        return std::make_shared<const Policy>(config);
    }
    LoginService& service() {
        if (service_ == nullptr) {
            LoginService::Services services{
                client,
                discovery,
                exchange,
                has_store ? &queue : nullptr,
                time,
                time,
                log,
                [this](const std::string& of, const std::string& login) {
                    changed.push_back(of + "/" + login);
                }};
            service_ = std::make_unique<LoginService>(services, policy());
        }
        return *service_;
    }
    void drop_service() { service_.reset(); }

    /// The verb with its arguments as JSON text; what comes is there at once or after turn().
    Shown ask(const std::string& verb, const std::string& arguments) {
        auto shown = std::make_shared<Answer>();
        Json::Value json;
        std::string errors;
        const std::unique_ptr<Json::CharReader> reader(Json::CharReaderBuilder().newCharReader());
        BOOST_REQUIRE(
            reader->parse(arguments.data(), arguments.data() + arguments.size(), &json, &errors));
        last_arguments = json;
        BOOST_REQUIRE(service().handle(verb, last_arguments, peer,
                                       [shown](const Secret& answer) { read(*shown, answer); }));
        return shown;
    }
    Shown start(const std::string& more = "") {
        const Shown shown =
            ask("login_start", R"({"account":"Alice@Contoso.com","flow":"device")" + more + "}");
        turn();
        if (shown->here && shown->json.isMember("session")) {
            session = shown->json["session"].asString();
        }
        return shown;
    }
    Shown start_code(const std::string& more = "") {
        const Shown shown = ask("login_start", R"({"account":"alice@contoso.com","flow":"code",)"
                                               R"("redirect_uri":"http://localhost:4711")" +
                                                   more + "}");
        turn();
        if (shown->here && shown->json.isMember("session")) {
            session = shown->json["session"].asString();
        }
        return shown;
    }
    Shown wait() {
        const Shown shown = ask("login_wait", R"({"session":")" + session + "\"}");
        turn();
        return shown;
    }
    Shown paste(const std::string& url) {
        const Shown shown =
            ask("login_answer", R"({"session":")" + session + R"(","url":")" + url + "\"}");
        turn();
        return shown;
    }
    /// Until nothing moves any more.
    void turn() {
        for (int i = 0; i < 12; ++i) {
            time.run_due();
            client.run();
        }
    }
    /// As a CLI does: somebody always waits.
    Shown pass(std::chrono::seconds by) {
        Shown shown = wait();
        for (std::chrono::seconds done{0}; done < by; done += 1s) {
            time.advance(1s);
            turn();
            if (shown->here) {
                last = shown;
                if (shown->json["state"].asString() != "waiting") {
                    return shown;
                }
                shown = wait();
            }
        }
        return shown->here ? shown : last;
    }
    void be_confidential() {
        ClientCredential credential;
        credential.secret = std::make_shared<const Secret>("S3ntinel-secret");
        provider.credentials = {credential};
        drop_service();
    }
    void store_breaks() {
        store.write_error = Error{Errc::Unavailable, "token store: the disk is full"};
    }
    [[nodiscard]] std::size_t requests_to(const std::string& part) const {
        const auto& seen = client.seen();
        return static_cast<std::size_t>(std::count_if(
            seen.begin(), seen.end(),
            [&](const auto& each) { return each.url.find(part) != std::string::npos; }));
    }
    [[nodiscard]] const test::ScriptedHttp::Seen& sent() const {
        BOOST_REQUIRE(!client.seen().empty());
        return client.seen().back();
    }
    [[nodiscard]] bool sent_field(const std::string& field) const {
        return ("&" + sent().body + "&").find("&" + field + "&") != std::string::npos;
    }
    /// Of a URL in `answer`, still encoded.
    static std::string parameter(const Answer& answer, const std::string& name) {
        const std::string url = "&" + answer.json["authorize_url"].asString() + "&";
        std::size_t at = url.find("&" + name + "=");
        at = at == std::string::npos ? url.find("?" + name + "=") : at;
        BOOST_REQUIRE(at != std::string::npos);
        at += name.size() + 2;
        return url.substr(at, url.find('&', at) - at);
    }
    [[nodiscard]] const test::MemoryStore::Login* stored() const {
        const auto found = store.logins.find({provider.name, kAlice});
        return found == store.logins.end() ? nullptr : &found->second;
    }
    static std::string list(const Json::Value& values) {
        std::string text;
        for (const Json::Value& each : values) {
            text += (text.empty() ? "" : ",") + each.asString();
        }
        return text;
    }

    ProviderConfig provider;
    AccountRule rule;
    AccessRule access;
    bool has_store = true;
    bool store_access_tokens = true;
    service::Peer peer;
    std::string session;
    Shown last = std::make_shared<Answer>();
    Json::Value last_arguments;
    std::vector<std::string> changed;
    test::ScriptedHttp client;
    test::ManualTime time;
    test::CaptureLog log;
    test::MemoryStore store;
    test::ManualQueue queue{store, time};
    Discovery discovery{client, time};
    TokenExchange exchange{TokenExchange::Services{client, discovery, time, time}};

private:
    static void read(Answer& out, const Secret& answer) {
        BOOST_TEST(!out.here);  // once
        out.here = true;
        const std::string_view text = answer.reveal();
        BOOST_TEST(text.find(kMark) == std::string_view::npos);
        const auto attributes = protocol::Attributes::parse(text);
        BOOST_REQUIRE(attributes.has_value());
        out.status = attributes->value_or("status", "");
        out.failure_class = attributes->value_or("class", "");
        out.code = attributes->value_or("code", "");
        out.message = attributes->value_or("message", "");
        const std::string_view json = attributes->value_or("json", "{}");
        std::string errors;
        const std::unique_ptr<Json::CharReader> reader(Json::CharReaderBuilder().newCharReader());
        BOOST_REQUIRE(reader->parse(json.data(), json.data() + json.size(), &out.json, &errors));
    }

    std::unique_ptr<LoginService> service_;
};

}  // namespace postbearer::agent
