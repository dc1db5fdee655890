// SPDX-License-Identifier: Apache-2.0
#include "token-agent/discovery.hh"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "common/http/url.hh"
#include "common/text.hh"
#include "token-agent/json.hh"

namespace postbearer::agent {
namespace {

constexpr std::size_t kMaxUrlBytes = 2048;
constexpr std::size_t kMaxScopes = 500;

std::string without_slash(std::string text) {
    while (!text.empty() && text.back() == '/') {
        text.pop_back();
    }
    return text;
}

std::string about(const std::string& issuer) {
    return "discovery at " + http::host_of(issuer) + ": ";
}

/// Adds what was looked for to an error that names only the host.
Error in_discovery(Error error) {
    error.context.insert(0, "discovery: ");
    return error;
}

Result<std::string> endpoint(const JsonObject& json, const char* key, const std::string& issuer,
                             bool allow_http_loopback) {
    std::string url(json.text_or_empty(key));
    if (url.empty()) {
        return url;
    }
    // Visible ASCII: people compare addresses by eye.
    const bool visible =
        std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < '\x7f'; });
    if (url.size() > kMaxUrlBytes || !visible) {
        return failure(Errc::Config, about(issuer) + key + " is not a usable URL");
    }
    if (const auto checked = http::check_url(url, allow_http_loopback); !checked) {
        return failure(Errc::Config, about(issuer) + key + ": " + checked.error().context);
    }
    return url;
}

Error issuer_differs(const std::string& issuer, std::string_view found) {
    std::string text = about(issuer) + "the server calls itself '" + printable(found, 120) + "'";
    text += without_slash(std::string(found)) == without_slash(issuer)
                ? "; write issuer with the same slash at its end"
                : ", which is not the configured issuer";
    return {Errc::Config, std::move(text)};
}

/// An answer that says "not here", as opposed to "not now".
bool is_absent(const http::Response& response) {
    return response.status >= 300 && response.status < 500 && response.status != 408 &&
           response.status != 429;
}

Result<ServerMetadata> read_answer(const http::Response& response, const std::string& issuer,
                                   bool allow_http_loopback) {
    constexpr long kOk = 200;
    if (response.status == kOk) {
        return read_metadata(response.body.reveal(), issuer, allow_http_loopback);
    }
    const std::string text = about(issuer) + "HTTP " + std::to_string(response.status);
    if (is_absent(response)) {
        return failure(Errc::Config, text +
                                         "; the issuer publishes no metadata there. Check issuer "
                                         "or set token_endpoint");
    }
    return failure(Errc::Unavailable, text);
}

}  // namespace

Result<ServerMetadata> read_metadata(std::string_view document, const std::string& issuer,
                                     bool allow_http_loopback) {
    const auto json = JsonObject::parse(document);
    if (!json) {
        return failure(Errc::Protocol, about(issuer) + json.error().context);
    }
    const std::string_view found = json->text_or_empty("issuer");
    if (found != issuer) {
        return tl::unexpected(issuer_differs(issuer, found));
    }
    ServerMetadata metadata;
    metadata.issuer = issuer;
    const std::pair<const char*, std::string*> endpoints[] = {
        {"token_endpoint", &metadata.token_endpoint},
        {"authorization_endpoint", &metadata.authorization_endpoint},
        {"device_authorization_endpoint", &metadata.device_authorization_endpoint},
        {"revocation_endpoint", &metadata.revocation_endpoint},
    };
    for (const auto& [key, target] : endpoints) {
        auto url = endpoint(*json, key, issuer, allow_http_loopback);
        if (!url) {
            return tl::unexpected(std::move(url.error()));
        }
        *target = std::move(*url);
    }
    if (metadata.token_endpoint.empty()) {
        return failure(Errc::Config, about(issuer) + "the metadata name no token_endpoint");
    }
    for (const std::string_view method : json->texts("token_endpoint_auth_methods_supported")) {
        metadata.token_auth_methods.push_back(printable(method, 64));
    }
    for (const std::string_view scope : json->texts("scopes_supported")) {
        if (metadata.scopes.size() < kMaxScopes) {
            metadata.scopes.push_back(printable(scope, 256));
        }
    }
    metadata.sends_issuer =
        json->truth("authorization_response_iss_parameter_supported").value_or(false);
    if (json->has("code_challenge_methods_supported")) {
        const auto methods = json->texts("code_challenge_methods_supported");
        metadata.checks_s256 = std::find(methods.begin(), methods.end(), "S256") != methods.end();
    }
    for (const std::string_view algorithm :
         json->texts("token_endpoint_auth_signing_alg_values_supported")) {
        metadata.token_auth_algorithms.push_back(printable(algorithm, 64));
    }
    return metadata;
}

Result<std::vector<std::string>> metadata_urls(const std::string& issuer,
                                               bool allow_http_loopback) {
    const auto parts = http::check_url(issuer, allow_http_loopback);
    if (!parts) {
        return failure(Errc::Config, "issuer: " + parts.error().context);
    }
    return std::vector<std::string>{
        without_slash(issuer) + "/.well-known/openid-configuration",
        parts->origin + "/.well-known/oauth-authorization-server" + without_slash(parts->path)};
}

struct Discovery::Room : std::enable_shared_from_this<Discovery::Room> {
    struct Entry {
        std::string issuer;
        http::Transport transport;
        Metadata metadata;  // null: none yet
        BootTime read_at;
        std::optional<Error> failed;
        BootTime not_before;
        std::chrono::seconds pause{0};
        bool running = false;
        std::vector<std::string> places;  // still to be looked at
        std::vector<Done> waiting;
    };

    Room(http::HttpClient& http_client, const Clock& the_clock)
        : client(http_client), clock(the_clock) {}

    /// What can be said without asking: a copy that is good or has to do, or a fresh failure.
    [[nodiscard]] std::optional<Result<Metadata>> known(const Entry& entry) const;
    void start(Entry& entry);
    void ask_next(Entry& entry);
    void judge(Entry& entry, Result<http::Response> answer);
    void finish(Entry& entry, Result<ServerMetadata> result);

    http::HttpClient& client;
    const Clock& clock;
    std::map<std::string, Entry> entries;  // nodes stay where they are
};

std::optional<Result<Discovery::Metadata>> Discovery::Room::known(const Entry& entry) const {
    const BootTime now = clock.boot();
    if (entry.metadata != nullptr && (now - entry.read_at < kGoodFor || now < entry.not_before)) {
        return entry.metadata;
    }
    if (entry.failed && now < entry.not_before) {
        return tl::unexpected(*entry.failed);
    }
    return std::nullopt;
}

void Discovery::Room::start(Entry& entry) {
    auto places = metadata_urls(entry.issuer, entry.transport.allow_http_loopback);
    if (!places) {
        finish(entry, tl::unexpected(std::move(places.error())));
        return;
    }
    entry.places = std::move(*places);
    std::reverse(entry.places.begin(), entry.places.end());
    entry.running = true;
    ask_next(entry);
}

void Discovery::Room::ask_next(Entry& entry) {
    http::Request request;
    request.method = http::Method::Get;
    request.url = std::move(entry.places.back());
    entry.places.pop_back();
    request.headers = {"Accept: application/json"};
    request.transport = entry.transport;
    client.send(std::move(request),
                [weak = weak_from_this(), &entry](Result<http::Response> answer) {
                    if (const auto self = weak.lock()) {  // it owns the entry
                        self->judge(entry, std::move(answer));
                    }
                });
}

void Discovery::Room::judge(Entry& entry, Result<http::Response> answer) {
    if (!answer) {
        finish(entry, tl::unexpected(in_discovery(std::move(answer.error()))));
        return;
    }
    auto metadata = read_answer(*answer, entry.issuer, entry.transport.allow_http_loopback);
    const bool elsewhere =
        !metadata && (is_absent(*answer) || metadata.error().code == Errc::Protocol);
    if (elsewhere && !entry.places.empty()) {
        ask_next(entry);
        return;
    }
    finish(entry, std::move(metadata));
}

void Discovery::Room::finish(Entry& entry, Result<ServerMetadata> result) {
    entry.running = false;
    if (result) {
        entry.metadata = std::make_shared<const ServerMetadata>(std::move(*result));
        entry.read_at = clock.boot();
        entry.failed.reset();
        entry.pause = std::chrono::seconds(0);
    } else {
        entry.failed = std::move(result.error());
        entry.pause = std::clamp(entry.pause * 2, kFirstPause, kLongestPause);
        entry.not_before = clock.boot() + entry.pause;
    }
    // They may ask again at once, so they are taken out first.
    for (const Done& done : std::exchange(entry.waiting, {})) {
        done(entry.metadata != nullptr ? Result<Metadata>(entry.metadata)
                                       : tl::unexpected(*entry.failed));
    }
}

Discovery::Discovery(http::HttpClient& client, const Clock& clock)
    : room_(std::make_shared<Room>(client, clock)) {}

Discovery::~Discovery() = default;

void Discovery::find(const std::string& issuer, const http::Transport& transport, Done done) {
    const std::shared_ptr<Room> room = room_;  // `done` may destroy us
    const std::string key = issuer + '\n' + transport.ca_file + '\n' + transport.proxy +
                            (transport.allow_http_loopback ? "\n1" : "\n0");
    Room::Entry& entry = room->entries[key];
    entry.issuer = issuer;
    entry.transport = transport;
    if (auto known = room->known(entry)) {
        done(std::move(*known));
        return;
    }
    entry.waiting.push_back(std::move(done));
    if (!entry.running) {
        room->start(entry);
    }
}

}  // namespace postbearer::agent
