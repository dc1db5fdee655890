// SPDX-License-Identifier: Apache-2.0
#include "service.hh"

#include "entra.hh"
#include "log.hh"
#include "misbehaviour.hh"
#include "oidc.hh"

namespace postbearer::rehearsal {
namespace {

HttpAnswer not_found() {
    HttpAnswer answer;
    answer.status = 404;
    answer.body = "nothing here";
    answer.set_header("Content-Type", "text/plain");
    return answer;
}

void log_unknown_parameters(const RequestRecord& record) {
    for (const std::string& name : record.unknown_parameters) {
        log_line("unknown_parameter", {{"endpoint", record.endpoint}, {"name", name}});
    }
}

}  // namespace

Service::Service(std::string base_url, SigningKey own, SigningKey foreign)
    : base_url_(std::move(base_url)),
      own_(std::move(own)),
      foreign_(std::move(foreign)),
      mint_(own_, foreign_, records_) {
    rooms_.push_back(std::make_unique<OidcRoom>(base_url_, clients_, own_, mint_, records_));
    rooms_.push_back(std::make_unique<EntraRoom>(base_url_, clients_, own_, mint_, records_));
}

Room* Service::find_room(const HttpRequest& request, RequestRecord& record) const {
    for (const auto& room : rooms_) {
        if (room->claim(request, record)) {
            return room.get();
        }
    }
    return nullptr;
}

Service::Handled Service::handle(const HttpRequest& request, WallTime now) {
    Handled handled;
    handled.record = records_.open_request(request, now);
    RequestRecord& record = *handled.record;
    Room* const room = find_room(request, record);
    if (room == nullptr) {
        handled.answer = not_found();
        return handled;
    }
    if (record.endpoint == "token") {
        records_.count_token_request();
    }
    log_unknown_parameters(record);
    const auto normal = [&](const Twists& twists) {
        return room->serve(request, record, twists, now);
    };
    handled.answer = misbehave(behaviours_.take(record.endpoint, record.client_id), request, record,
                               base_url_, normal, now);
    return handled;
}

}  // namespace postbearer::rehearsal
