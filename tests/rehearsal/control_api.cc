// SPDX-License-Identifier: Apache-2.0
#include "control_api.hh"

#include "form.hh"
#include "json.hh"
#include "token_request.hh"

namespace postbearer::rehearsal {
ControlAnswer ControlApi::handle(const HttpRequest& request, WallTime now) {
    const std::vector<std::string> path = path_segments(request.path);
    if (path.size() > 1 && path[0] == "graph") {
        return graph_.handle(request, {path.begin() + 1, path.end()}, now);
    }
    if (const auto answer = logins_.handle(request, path, now)) {
        return *answer;
    }
    if (request.method == "GET" && path.size() == 1) {
        return read(path[0]);
    }
    if (request.method == "DELETE") {
        return remove(path);
    }
    if (request.method == "PUT" || request.method == "POST") {
        return write(request, path, now);
    }
    return nothing_there();
}

ControlAnswer ControlApi::read(const std::string& what) const {
    ControlAnswer answer;
    if (what == "requests") {
        answer.body = service_.records().requests_json();
    } else if (what == "tokens") {
        answer.body = service_.records().tokens_json();
    } else if (what == "auth") {
        answer.body = service_.records().auth_json();
    } else if (what == "counters") {
        for (const auto& [name, value] : counters()) {
            answer.body[name] = static_cast<Json::UInt64>(value);
        }
    } else if (what == "behaviour") {
        answer.body = service_.behaviours().list();
    } else if (what == "clients") {
        answer.body = Json::Value(Json::arrayValue);
        for (const auto& [id, client] : service_.clients().all()) {
            answer.body.append(to_json(client));
        }
    } else {
        return nothing_there();
    }
    return answer;
}

ControlAnswer ControlApi::remove(const std::vector<std::string>& path) {
    if (path.size() == 1 && path[0] == "behaviour") {
        service_.behaviours().clear();
        return {};
    }
    if (path.size() == 1 && path[0] == "records") {
        service_.records().reset();
        service_.logins().counters = {};
        graph_.reset();
        return {};
    }
    if (path.size() == 2 && path[0] == "behaviour") {
        const auto id = parse_number(path[1]);
        return id && service_.behaviours().remove(*id) ? ControlAnswer{} : nothing_there();
    }
    if (path.size() == 2 && path[0] == "clients") {
        const auto id = form_decode(path[1]);
        return id && service_.clients().remove(*id) ? ControlAnswer{} : nothing_there();
    }
    return nothing_there();
}

ControlAnswer ControlApi::write(const HttpRequest& request, const std::vector<std::string>& path,
                                WallTime now) {
    const auto json = parse_json(request.body);
    if (!json) {
        return control_fault(400, "the body is not JSON");
    }
    if (path.size() == 2 && path[0] == "clients") {
        const auto id = form_decode(path[1]);
        return id && !id->empty() ? put_client(*id, *json) : control_fault(400, "bad client id");
    }
    if (path.size() == 1 && path[0] == "behaviour") {
        const auto added = service_.behaviours().add(*json);
        if (const auto* problem = std::get_if<std::string>(&added)) {
            return control_fault(400, *problem);
        }
        ControlAnswer answer;
        answer.status = 201;
        answer.body["id"] = static_cast<Json::UInt64>(std::get<std::uint64_t>(added));
        return answer;
    }
    if (path.size() == 1 && path[0] == "mint") {
        return mint(*json, now);
    }
    if (path.size() == 2 && path[0] == "auth" && path[1] == "policy") {
        auto policy = parse_auth_policy(*json);
        if (const auto* problem = std::get_if<std::string>(&policy)) {
            return control_fault(400, *problem);
        }
        service_.auth_policy() = std::get<AuthPolicy>(std::move(policy));
        return {};
    }
    return nothing_there();
}

ControlAnswer ControlApi::put_client(const std::string& id, const Json::Value& json) {
    auto client = parse_client(id, json);
    if (const auto* problem = std::get_if<std::string>(&client)) {
        return control_fault(400, *problem);
    }
    service_.clients().put(std::get<Client>(std::move(client)));
    ControlAnswer answer;
    const std::string tenant = service_.clients().find(id)->tenant;
    answer.body["issuer"] = tenant == "oidc"
                                ? service_.base_url() + "/oidc"
                                : service_.base_url() + "/" + tenant_guid(tenant) + "/v2.0";
    answer.body["kid"] = service_.key().kid();
    return answer;
}

ControlAnswer ControlApi::mint(const Json::Value& json, WallTime now) {
    ObjectReader reader(json);
    MintOrder order;
    order.client_id = reader.text("client_id", "00000000-0000-0000-0000-00000000mint");
    order.tenant = reader.text("tenant", "mint.test");
    order.issuer =
        reader.text("issuer", service_.base_url() + "/" + tenant_guid(order.tenant) + "/v2.0");
    order.audience = reader.text("audience", "https://outlook.office365.com");
    order.lifetime_seconds = reader.integer("lifetime", 3600);
    order.roles = reader.texts("roles", {"SMTP.SendAsApp"});
    order.user = reader.optional_text("user");
    order.scope = reader.text("scope", "");
    order.foreign_key = reader.boolean("foreign_key", false);
    order.extra_claims = reader.object("extra_claims");
    order.header = reader.object("header");
    if (!reader.problem().empty()) {
        return control_fault(400, reader.problem());
    }
    ControlAnswer answer;
    answer.body["token"] = service_.mint().mint(order, now);
    return answer;
}

std::map<std::string, std::uint64_t> ControlApi::counters() const {
    auto all = service_.records().counters();
    graph_.add_counters(all);
    service_.logins().counters.add_to(all);
    return all;
}

std::optional<Waiting> ControlApi::waiting(const HttpRequest& request) const {
    if (request.method != "GET" || request.path != "/wait") {
        return std::nullopt;
    }
    const Form query = parse_form(request.query);
    Waiting waiting;
    waiting.counter = query.get("counter");
    waiting.at_least = parse_number(query.get("at_least")).value_or(1);
    const std::uint64_t timeout_ms = parse_number(query.get("timeout_ms")).value_or(10000);
    waiting.timeout = std::chrono::milliseconds(std::min<std::uint64_t>(timeout_ms, 600000));
    return waiting;
}

bool ControlApi::reached(const Waiting& waiting) const {
    const auto all = counters();
    const auto found = all.find(waiting.counter);
    return found != all.end() && found->second >= waiting.at_least;
}

}  // namespace postbearer::rehearsal
