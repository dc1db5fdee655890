// SPDX-License-Identifier: Apache-2.0
#include "misbehaviour.hh"

#include <algorithm>

#include "aadsts.hh"
#include "graph_answers.hh"
#include "json.hh"

namespace postbearer::rehearsal {
namespace {

using Kind = Step::Kind;

Delivery::Framing framing_of(const Step& step) {
    if (step.framing == "chunked") {
        return Delivery::Framing::Chunked;
    }
    return step.framing == "close" ? Delivery::Framing::Close : Delivery::Framing::Length;
}

HttpAnswer respond(const Step& step) {
    HttpAnswer answer;
    answer.status = step.status != 0 ? step.status : 200;
    answer.body = step.body;
    answer.delivery.framing = framing_of(step);
    if (!step.content_type.empty()) {
        answer.set_header("Content-Type", step.content_type);
    }
    return answer;
}

HttpAnswer error(const Step& step, const HttpRequest& request, RequestRecord& record,
                 const std::string& base_url, WallTime now) {
    EntraError entra = entra_error(step.aadsts, record.client_id);
    const auto replace = [](std::string& old, const std::string& text) {
        if (!text.empty()) {
            old = text;
        }
    };
    replace(entra.error, step.error);
    replace(entra.suberror, step.suberror);
    replace(entra.description, step.description);
    replace(entra.claims, step.claims);
    entra.status = step.status != 0 ? step.status : entra.status;
    record.aadsts = step.aadsts;
    return entra_error_answer(entra, request, base_url, now);
}

HttpAnswer html(const Step& step) {
    HttpAnswer answer;
    answer.status = step.status != 0 ? step.status : 200;
    answer.body =
        "<!DOCTYPE html><html><head><title>Sign in to your account</title></head>"
        "<body><h1>Welcome to the hotel network</h1></body></html>";
    answer.set_header("Content-Type", "text/html; charset=utf-8");
    return answer;
}

/// The answer of a kind that leaves the room out, or nothing.
std::optional<HttpAnswer> replacement(const Step& step, const HttpRequest& request,
                                      RequestRecord& record, const std::string& base_url,
                                      WallTime now) {
    std::optional<HttpAnswer> answer;
    if (step.kind == Kind::Respond) {
        answer = respond(step);
    } else if (step.kind == Kind::Error) {
        answer = error(step, request, record, base_url, now);
    } else if (step.kind == Kind::Html) {
        answer = html(step);
    } else if (step.kind == Kind::Redirect) {
        answer.emplace();
        answer->status = step.status != 0 ? step.status : 307;
        answer->set_header("Location", step.location);
    } else if (step.kind == Kind::GraphError) {
        const unsigned status = step.status != 0 ? step.status : 500;
        answer = graph_error_answer({status, step.code, step.message, step.inner_code}, request,
                                    record, now);
    } else if (step.kind == Kind::CaeChallenge) {
        answer = graph_error_answer(claims_challenge(step.claims), request, record, now);
    } else if (step.kind == Kind::Hang || step.kind == Kind::ResetBefore) {
        answer.emplace();
        answer->delivery.way =
            step.kind == Kind::Hang ? Delivery::Way::Hang : Delivery::Way::ResetBefore;
    }
    if (answer) {
        for (const auto& [name, value] : step.headers) {
            answer->set_header(name, value);
        }
    }
    return answer;
}

/// A JSON object in a 200 answer, or nothing.
std::optional<Json::Value> successful_object(const HttpAnswer& answer) {
    auto json = answer.status == 200 ? parse_json(answer.body) : std::nullopt;
    return json && json->isObject() ? json : std::nullopt;
}

void patch(const Step& step, HttpAnswer& answer) {
    auto json = successful_object(answer);
    if (!json) {
        return;
    }
    for (const std::string& name : step.set.getMemberNames()) {
        (*json)[name] = step.set[name];
    }
    for (const std::string& name : step.remove) {
        json->removeMember(name);
    }
    answer.body = to_text(*json);
}

/// Stays a valid token answer, so that only a limit on the size saves the client.
void bloat(const Step& step, HttpAnswer& answer) {
    auto json = successful_object(answer);
    Json::Value object = json ? *json : Json::Value(Json::objectValue);
    object["padding"] = std::string(static_cast<std::size_t>(step.bytes), 'x');
    answer.body = to_text(object);
    answer.delivery.framing = framing_of(step);
}

void change(const Step& step, HttpAnswer& answer) {
    switch (step.kind) {
        case Kind::Patch:
            patch(step, answer);
            break;
        case Kind::Huge:
            bloat(step, answer);
            break;
        case Kind::Drip:
            answer.delivery.way = Delivery::Way::Drip;
            answer.delivery.drip_bytes = static_cast<std::size_t>(step.bytes);
            answer.delivery.drip_interval = std::chrono::milliseconds(step.interval_ms);
            break;
        case Kind::ResetInBody:
            answer.delivery.way = Delivery::Way::ResetInBody;
            break;
        case Kind::Latency:
            answer.delivery.latency += std::chrono::milliseconds(step.ms);
            break;
        case Kind::AddHeaders:
            for (const auto& [name, value] : step.headers) {
                answer.set_header(name, value);
            }
            break;
        case Kind::DateHeader:
            answer.date_skew = std::chrono::seconds(step.skew_seconds);
            break;
        default:
            break;  // the others have had their turn
    }
}

Twists twists_of(const std::vector<Step>& steps) {
    Twists twists;
    for (const Step& step : steps) {
        if (step.kind == Kind::SignWithForeignKey) {
            twists.foreign_key = true;
            twists.kid = step.kid;
        }
        twists.expired = twists.expired || step.kind == Kind::ExpiredToken;
    }
    return twists;
}

}  // namespace

HttpAnswer misbehave(const Behaviours::Taken& behaviour, const HttpRequest& request,
                     RequestRecord& record, const std::string& base_url,
                     const std::function<HttpAnswer(const Twists&)>& normal, WallTime now) {
    std::optional<HttpAnswer> answer;
    if (std::any_of(behaviour.steps.begin(), behaviour.steps.end(),
                    [](const Step& step) { return step.delivered; })) {
        (void)normal(twists_of(behaviour.steps));  // done, and nobody is told
    }
    for (const Step& step : behaviour.steps) {
        record.behaviours.push_back(step.kind_name);
        if (!answer) {
            answer = replacement(step, request, record, base_url, now);
        }
    }
    if (!answer) {
        answer = normal(twists_of(behaviour.steps));
    }
    for (const Step& step : behaviour.steps) {
        change(step, *answer);
    }
    answer->delivery.behaviour_id = behaviour.id;
    return *answer;
}

}  // namespace postbearer::rehearsal
