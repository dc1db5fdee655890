// SPDX-License-Identifier: Apache-2.0
#include "graph_room.hh"

#include <fstream>

#include "files.hh"
#include "graph_lookup.hh"
#include "graph_mail.hh"
#include "graph_me.hh"
#include "graph_uploads.hh"
#include "json.hh"
#include "log.hh"

namespace postbearer::rehearsal {
namespace {

using Call = GraphRoute::Call;

std::initializer_list<const char*> permissions_for(Call call) {
    static constexpr std::initializer_list<const char*> kSend = {"Mail.Send"};
    static constexpr std::initializer_list<const char*> kWrite = {"Mail.ReadWrite"};
    static constexpr std::initializer_list<const char*> kRead = {
        "Mail.ReadBasic.All", "Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite"};
    static constexpr std::initializer_list<const char*> kReadAll = {"Mail.Read", "Mail.ReadWrite"};
    switch (call) {
        case Call::SendMail:
        case Call::Send:
            return kSend;
        case Call::List:
        case Call::Get:
            return kRead;
        case Call::GetMime:
            return kReadAll;
        default:
            return kWrite;
    }
}

bool stores_something(Call call) {
    return call == Call::SendMail || call == Call::Send || call == Call::Create ||
           call == Call::Attach || call == Call::OpenSession;
}

GraphReply dispatch(const GraphCall& call) {
    switch (call.route.call) {
        case Call::SendMail:
            return send_mail(call);
        case Call::Create:
            return create_draft(call);
        case Call::List:
            return list_messages(call);
        case Call::Get:
            return get_message(call);
        case Call::GetMime:
            return get_mime(call);
        case Call::Patch:
            return patch_item(call);
        case Call::Delete:
            return delete_item(call);
        case Call::Send:
            return send_draft(call);
        case Call::Attach:
            return add_attachment(call);
        case Call::OpenSession:
            return open_session(call);
        case Call::Me:  // no mailbox is needed: answered before
        case Call::Upload:
        case Call::Unknown:
            break;
    }
    return bad_request("BadRequest", "Resource not found for the segment.");
}

/// A line of D/graph/requests.jsonl, without anything that proves identity.
void write_down(const GraphState& state, const HttpRequest& request) {
    Json::Value json;
    json["method"] = request.method;
    json["path"] = request.path;
    json["query"] = request.query;
    json["content_type"] = request.header("Content-Type");
    json["body"] = request.body;
    const bool there = make_private_directory(state.directory);
    std::ofstream out(state.directory + "/requests.jsonl", std::ios::app);
    out << to_text(json) << "\n";
    if (!there || !out.flush()) {
        log_line("requests.jsonl", {{"error", "cannot be written"}});
    }
}

class GraphVisit : public Visit {
public:
    GraphVisit(GraphState& state, const ClientRegistry& clients, GraphRoute route)
        : state_(state), clients_(clients), route_(std::move(route)) {}

    void enter(const HttpRequest& head, RequestRecord& record, TokenVerifier& verifier,
               WallTime now);
    [[nodiscard]] BodyPlan plan() const override;
    [[nodiscard]] HttpAnswer serve(const HttpRequest& request, RequestRecord& record,
                                   WallTime now) override;

private:
    [[nodiscard]] GraphReply judge(const HttpRequest& request, RequestRecord& record, WallTime now);

    GraphState& state_;
    const ClientRegistry& clients_;
    GraphRoute route_;
    GraphAccess access_;
    std::optional<GraphMailbox> mailbox_;
    GraphThrottle::Entry entry_;
};

void GraphVisit::enter(const HttpRequest& head, RequestRecord& record, TokenVerifier& verifier,
                       WallTime now) {
    state_.records.count_request();
    record.room = "graph";
    record.endpoint = endpoint_name(route_.call);
    if (route_.call == Call::Upload) {  // the query holds its secret
        const UploadSession* const session = state_.store.session(route_.session);
        record.mailbox = session == nullptr ? "" : session->item->mailbox;
        record.client_id = session == nullptr ? "" : session->client_id;
        return;
    }
    record.query = head.query;
    access_ = read_access(head.header("Authorization"), state_, verifier, now);
    record.client_id = access_.client_id;
    record.token_fingerprint = access_.token ? access_.token->fingerprint : "";
    mailbox_ = state_.mailboxes.find(route_.user == "me" ? access_.user : route_.user);
    record.mailbox = mailbox_ ? mailbox_->address : lower(route_.user);
    if (!access_.refusal) {
        entry_ = state_.throttle.enter(access_.client_id, record.mailbox, now);
    }
}

BodyPlan GraphVisit::plan() const {
    BodyPlan plan;
    plan.read_bytes = static_cast<std::size_t>(state_.limits.read_bytes);
    const std::int64_t limit =
        route_.call == Call::Upload ? state_.limits.chunk_bytes : state_.limits.body_bytes;
    plan.keep_bytes = limit == 0 ? plan.read_bytes : static_cast<std::size_t>(limit);
    return plan;
}

GraphReply GraphVisit::judge(const HttpRequest& request, RequestRecord& record, WallTime now) {
    if (route_.call == Call::Upload) {
        return use_session(state_, route_, request, now);
    }
    if (access_.refusal) {
        return *access_.refusal;
    }
    if (entry_.refusal) {
        return *entry_.refusal;
    }
    if (request.body_bytes > 0) {
        if (auto error = state_.throttle.count_upload(access_.client_id, record.mailbox,
                                                      request.body_bytes, now)) {
            return *error;
        }
    }
    if (route_.call == Call::Unknown) {
        return bad_request("BadRequest", "Resource not found for the segment.");
    }
    if (route_.call == Call::Me) {
        return who_is_me(access_, state_, clients_, request);
    }
    if (!mailbox_ || mailbox_->state == "missing") {
        return no_such_user(route_.user);
    }
    if (!may(access_, state_, clients_, mailbox_->address, permissions_for(route_.call))) {
        return access_denied();
    }
    const bool storage_only = mailbox_->state == "quota" && !stores_something(route_.call);
    if (auto error = GraphMailboxes::refusal(*mailbox_); error && !storage_only) {
        return *error;
    }
    return dispatch({state_, route_, request, record, access_, *mailbox_, now});
}

HttpAnswer GraphVisit::serve(const HttpRequest& request, RequestRecord& record, WallTime now) {
    if (record.request_id.empty()) {
        record.request_id = guid();
    }
    if (state_.settings.record_requests == "yes" && route_.call != Call::Upload) {
        write_down(state_, request);
    }
    GraphReply reply = judge(request, record, now);
    HttpAnswer answer;
    if (const auto* error = std::get_if<GraphError>(&reply)) {
        answer = graph_error_answer(*error, request, record, now);
    } else {
        answer = std::get<HttpAnswer>(std::move(reply));
        add_graph_headers(answer, request, record);
    }
    if (answer.status >= 400) {
        state_.records.count_refusal();
    }
    return answer;
}

}  // namespace

std::shared_ptr<Visit> GraphRoom::enter(const HttpRequest& head, RequestRecord& record,
                                        WallTime now) {
    auto route = graph_route(head);
    if (!route) {
        return nullptr;
    }
    auto visit = std::make_shared<GraphVisit>(state_, clients_, std::move(*route));
    visit->enter(head, record, verifier_, now);
    return visit;
}

}  // namespace postbearer::rehearsal
