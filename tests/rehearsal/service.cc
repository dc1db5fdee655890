// SPDX-License-Identifier: Apache-2.0
#include "service.hh"

#include "entra.hh"
#include "google.hh"
#include "log.hh"
#include "misbehaviour.hh"
#include "oidc.hh"
#include "user_grants.hh"

namespace postbearer::rehearsal {
namespace {

HttpAnswer not_found() {
    HttpAnswer answer;
    answer.status = 404;
    answer.body = "nothing here";
    answer.set_header("Content-Type", "text/plain");
    return answer;
}

bool hands_out_tokens(const std::string& endpoint) {
    return endpoint == "token" || endpoint == "google_token" || endpoint == "imds" ||
           endpoint == "arc";
}

void log_unknown_parameters(const RequestRecord& record) {
    for (const std::string& name : record.unknown_parameters) {
        log_line("unknown_parameter", {{"endpoint", record.endpoint}, {"name", name}});
    }
}

}  // namespace

Service::Service(std::string base_url, const std::string& directory, SigningKey own,
                 SigningKey foreign)
    : base_url_(std::move(base_url)),
      own_(std::move(own)),
      foreign_(std::move(foreign)),
      mint_(own_, foreign_, records_),
      login_tokens_(own_, foreign_, mint_),
      verifier_(own_),
      graph_(base_url_, directory + "/graph"),
      graph_room_(graph_, verifier_, clients_) {
    rooms_.push_back(std::make_unique<OidcRoom>(
        base_url_,
        OidcRoom::Parts{clients_, own_, mint_, records_, logins_, login_tokens_, verifier_}));
    rooms_.push_back(std::make_unique<GoogleRoom>(
        base_url_, GoogleRoom::Parts{clients_, own_, mint_, records_, logins_, login_tokens_,
                                     verifier_, google_accounts_}));
    rooms_.push_back(
        std::make_unique<ManagedIdentityRoom>(base_url_, identities_, mint_, records_));
    rooms_.push_back(std::make_unique<EntraRoom>(base_url_, clients_, own_, mint_, records_,
                                                 logins_, login_tokens_));
}

Room* Service::find_room(const HttpRequest& request, RequestRecord& record) const {
    for (const auto& room : rooms_) {
        if (room->claim(request, record)) {
            return room.get();
        }
    }
    return nullptr;
}

Service::Exchange Service::begin(const HttpRequest& head, WallTime now) {
    Exchange exchange;
    exchange.record = records_.open_request(head, now);
    RequestRecord& record = *exchange.record;
    exchange.visit = graph_room_.enter(head, record, now);
    if (!exchange.visit) {
        return exchange;
    }
    exchange.plan = exchange.visit->plan();
    exchange.behaviour =
        behaviours_.take({record.room, record.endpoint, record.client_id, record.mailbox});
    for (const Step& step : exchange.behaviour->steps) {
        if (step.kind == Step::Kind::ResetWhileReading) {
            exchange.plan.reset_after_bytes = static_cast<std::size_t>(step.bytes);
            record.behaviours.push_back(step.kind_name);
        }
    }
    return exchange;
}

HttpAnswer Service::finish(Exchange& exchange, const HttpRequest& request, WallTime now) {
    RequestRecord& record = *exchange.record;
    record.body_bytes = request.body_bytes;
    if (exchange.visit) {
        const auto normal = [&](const Twists&) {
            return exchange.visit->serve(request, record, now);
        };
        return misbehave(*exchange.behaviour, request, record, base_url_, normal, now);
    }
    Room* const room = find_room(request, record);
    if (room == nullptr) {
        return not_found();
    }
    if (hands_out_tokens(record.endpoint)) {
        records_.count_token_request(record);
        notice_user_grant(parse_token_request(request), record, logins_, now);
    }
    log_unknown_parameters(record);
    const auto normal = [&](const Twists& twists) {
        return room->serve(request, record, twists, now);
    };
    return misbehave(
        behaviours_.take({record.room, record.endpoint, record.client_id, "", record.grant_type}),
        request, record, base_url_, normal, now);
}

}  // namespace postbearer::rehearsal
