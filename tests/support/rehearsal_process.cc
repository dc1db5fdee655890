// SPDX-License-Identifier: Apache-2.0
#include "tests/support/rehearsal_process.hh"

#include <cstdio>

#include "tests/support/failure.hh"
#include "tests/support/temp_dir.hh"
#include "tests/support/wait.hh"

namespace postbearer::test {

using namespace std::chrono_literals;

Rehearsal::Rehearsal(const Path& program, Path directory, Path auth_socket)
    : program_(program), directory_(std::move(directory)), auth_socket_(std::move(auth_socket)) {}

Rehearsal::~Rehearsal() {
    if (test_failed()) {
        std::fprintf(stderr, "---- %s\n%s", log_path().c_str(), tail(log_path(), 15).c_str());
    }
    (void)process_.stop(10s);
}

void Rehearsal::start() {
    make_directory(directory_.parent_path());
    const Path ready = directory_ / "ready.json";
    std::filesystem::remove(ready);
    process_ = Process({.argv = {program_, "--directory", directory_, "--auth-socket", auth_socket_,
                                 "--auth-socket-owner", "postfix", "--http-port", "0"},
                        .output_file = log_path()});
    wait_until("the rehearsal to be ready", [&] {
        if (!process_.running()) {
            fail("the rehearsal did not start:\n" + tail(log_path()));
        }
        return std::filesystem::exists(ready);
    });
    const Json::Value about = json_of(read_file(ready));
    base_url_ = about["base_url"].asString();
    plain_url_ = "http://127.0.0.1:" + about["http_port"].asString();
}

void Rehearsal::stop() { (void)process_.stop(10s); }

std::string Rehearsal::token_endpoint(const std::string& tenant) const {
    return base_url_ + "/" + tenant + "/oauth2/v2.0/token";
}

Json::Value Rehearsal::control(const std::string& method, const std::string& path,
                               const Json::Value& body) const {
    return http_over_unix(directory_ / "control.sock", method, path, body);
}

Json::Value Rehearsal::put_client(const std::string& id, const Json::Value& client) const {
    return control("PUT", "/clients/" + id, client);
}

std::uint64_t Rehearsal::behave(const std::string& json) const {
    return control("POST", "/behaviour", json_of(json))["id"].asUInt64();
}

void Rehearsal::forget_behaviours() const { (void)control("DELETE", "/behaviour"); }

void Rehearsal::forget_records() const { (void)control("DELETE", "/records"); }

void Rehearsal::set_auth_policy(const std::string& json) const {
    (void)control("PUT", "/auth/policy", json_of(json));
}

std::string Rehearsal::mint(const Json::Value& order) const {
    return control("POST", "/mint", order)["token"].asString();
}

std::string Rehearsal::mint_refresh(const std::string& client, const std::string& user,
                                    const std::string& scope, const std::string& tenant) const {
    Json::Value wish;
    wish["client_id"] = client;
    wish["user"] = user;
    wish["scope"] = scope;
    wish["tenant"] = tenant;
    return control("POST", "/mint_refresh", wish)["refresh_token"].asString();
}

void Rehearsal::approve_device(const std::string& user_code, const std::string& user) const {
    Json::Value wish;
    wish["user_code"] = user_code;
    wish["user"] = user;
    (void)control("POST", "/device/approve", wish);
}

Json::Value Rehearsal::order(const std::string& method, const std::string& path,
                             const std::string& json) const {
    return control(method, path, json.empty() ? Json::Value() : json_of(json));
}

std::uint64_t Rehearsal::counter(const std::string& name) const {
    const Json::Value counters = control("GET", "/counters");
    if (!counters.isMember(name)) {
        fail("the rehearsal does not count " + name);
    }
    return counters[name].asUInt64();
}

Json::Value Rehearsal::requests() const { return control("GET", "/requests"); }

Json::Value Rehearsal::tokens() const { return control("GET", "/tokens"); }

Json::Value Rehearsal::auth() const { return control("GET", "/auth"); }

void Rehearsal::set_mailboxes(const std::string& json) const {
    (void)control("PUT", "/graph/mailboxes", json_of(json));
}

void Rehearsal::set_graph_behaviour(const std::string& json) const {
    (void)control("PUT", "/graph/behaviour", json_of(json));
}

void Rehearsal::set_graph_limits(const std::string& json) const {
    (void)control("PUT", "/graph/limits", json_of(json));
}

void Rehearsal::wait_for_accepted(std::uint64_t at_least, std::chrono::milliseconds timeout) const {
    (void)control("GET", "/wait?counter=graph_accepted&at_least=" + std::to_string(at_least) +
                             "&timeout_ms=" + std::to_string(timeout.count()));
}

Json::Value Rehearsal::graph_messages(const std::string& query) const {
    return control("GET", "/graph/messages" + query);
}

std::string Rehearsal::raw_message(std::uint64_t number) const {
    const Json::Value message =
        control("GET", "/graph/messages/" + std::to_string(number) + "?file=1");
    return read_file(message["file"].asString());
}

Json::Value Rehearsal::deliveries(std::uint64_t at_least) const {
    return control("GET", "/graph/deliveries?at_least=" + std::to_string(at_least));
}

void Rehearsal::put_in_inbox(const std::string& mailbox, const std::string& mime) const {
    Json::Value order;
    order["mailbox"] = mailbox;
    order["mime"] = mime;
    (void)control("POST", "/graph/inbox", order);
}

}  // namespace postbearer::test
