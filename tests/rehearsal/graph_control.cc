// SPDX-License-Identifier: Apache-2.0
#include "graph_control.hh"

#include "graph_route.hh"
#include "graph_submission.hh"
#include "json.hh"

namespace postbearer::rehearsal {
namespace {

/// From an assignment's outcome: empty is good.
ControlAnswer outcome(const std::string& problem) {
    return problem.empty() ? ControlAnswer() : control_fault(400, problem);
}

template <typename T>
std::string take(std::variant<T, std::string> parsed, T& target) {
    if (auto* problem = std::get_if<std::string>(&parsed)) {
        return *problem;
    }
    target = std::get<T>(std::move(parsed));
    return {};
}

}  // namespace

ControlAnswer GraphControl::handle(const HttpRequest& request, const std::vector<std::string>& path,
                                   WallTime now) {
    if (request.method == "GET" && path.size() == 1) {
        return read(request, path[0]);
    }
    if (request.method == "GET" && path.size() == 2 && path[0] == "messages") {
        return message(request, path[1]);
    }
    if (request.method == "DELETE" && path.size() == 1 && path[0] == "items") {
        state_.store.clear();
        return {};
    }
    if ((request.method == "PUT" || request.method == "POST") && path.size() == 1) {
        const auto json = parse_json(request.body);
        return json ? write(path[0], *json, now) : control_fault(400, "the body is not JSON");
    }
    return nothing_there();
}

ControlAnswer GraphControl::read(const HttpRequest& request, const std::string& what) const {
    ControlAnswer answer;
    auto query = query_parameters(request.query);
    if (what == "behaviour") {
        answer.body = to_json(state_.settings);
    } else if (what == "limits") {
        answer.body = to_json(state_.limits);
    } else if (what == "mailboxes") {
        answer.body = state_.mailboxes.to_json();
    } else if (what == "messages") {
        answer.body =
            state_.records.messages_json({query["mailbox"], query["message_id"], query["subject"],
                                          parse_number(query["after"]).value_or(0)});
    } else if (what == "deliveries") {
        answer.body = state_.records.deliveries_json(parse_number(query["at_least"]).value_or(1));
    } else {
        return nothing_there();
    }
    return answer;
}

ControlAnswer GraphControl::message(const HttpRequest& request, const std::string& number) const {
    const auto parsed = parse_number(number);
    const AcceptedMail* const mail = parsed ? state_.records.find(*parsed) : nullptr;
    if (mail == nullptr) {
        return nothing_there();
    }
    ControlAnswer answer;
    answer.body = GraphRecords::describe(*mail);
    if (query_parameters(request.query)["file"] == "1") {
        answer.body["file"] = file_of(state_, *mail);
    } else if (const auto bytes = mail->raw->read()) {
        answer.body["raw"] = base64(*bytes);
    }
    return answer;
}

ControlAnswer GraphControl::write(const std::string& what, const Json::Value& json, WallTime now) {
    if (what == "behaviour") {
        return outcome(take(parse_graph_settings(json), state_.settings));
    }
    if (what == "limits") {
        const ControlAnswer answer = outcome(take(parse_graph_limits(json), state_.limits));
        state_.throttle.forget();
        return answer;
    }
    if (what == "mailboxes") {
        return outcome(state_.mailboxes.replace(json));
    }
    return what == "inbox" ? put_in_inbox(json, now) : nothing_there();
}

ControlAnswer GraphControl::put_in_inbox(const Json::Value& json, WallTime now) {
    ObjectReader reader(json);
    const std::string address = reader.text("mailbox", "");
    std::string mime = reader.text("mime", "");
    if (!reader.problem().empty()) {
        return control_fault(400, reader.problem());
    }
    const auto mailbox = state_.mailboxes.find(address);
    MimeFacts facts = read_mime(mime);
    if (!mailbox || !facts.readable) {
        return control_fault(400, "'mailbox' is not there, or 'mime' has no header");
    }
    GraphItem item = make_item(state_, *mailbox, std::move(mime), std::move(facts), now);
    item.is_draft = false;
    item.folder = "inbox";
    item.sent = now;
    item.refusals = 0;
    ControlAnswer answer;
    answer.status = 201;
    answer.body["id"] = state_.store.add(std::move(item))->id;
    return answer;
}

void GraphControl::add_counters(std::map<std::string, std::uint64_t>& counters) const {
    state_.records.add_counters(counters);
    counters["graph_in_flight"] = state_.throttle.in_flight();
    counters["graph_max_in_flight_per_mailbox"] = state_.throttle.max_in_flight_per_mailbox();
}

void GraphControl::reset() {
    state_.records.reset();
    state_.throttle.forget();
}

}  // namespace postbearer::rehearsal
