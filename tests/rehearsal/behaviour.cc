// SPDX-License-Identifier: Apache-2.0
#include "behaviour.hh"

#include <algorithm>
#include <iterator>

#include "codec.hh"
#include "json.hh"

namespace postbearer::rehearsal {
namespace {

struct KindName {
    const char* name;
    Step::Kind kind;
};
constexpr KindName kKinds[] = {
    {"respond", Step::Kind::Respond},
    {"error", Step::Kind::Error},
    {"hang", Step::Kind::Hang},
    {"hang_accept", Step::Kind::HangAccept},
    {"reset_before", Step::Kind::ResetBefore},
    {"reset_in_body", Step::Kind::ResetInBody},
    {"drip", Step::Kind::Drip},
    {"huge", Step::Kind::Huge},
    {"redirect", Step::Kind::Redirect},
    {"latency", Step::Kind::Latency},
    {"patch", Step::Kind::Patch},
    {"sign_with_foreign_key", Step::Kind::SignWithForeignKey},
    {"date_header", Step::Kind::DateHeader},
    {"html", Step::Kind::Html},
    {"expired_token", Step::Kind::ExpiredToken},
    {"graph_error", Step::Kind::GraphError},
    {"cae_challenge", Step::Kind::CaeChallenge},
    {"reset_while_reading", Step::Kind::ResetWhileReading},
    {"add_headers", Step::Kind::AddHeaders},
};
constexpr std::int64_t kMaxHugeBytes = 1'000'000'000;

const KindName* find_kind(const std::string& name) {
    const auto* const found = std::find_if(std::begin(kKinds), std::end(kKinds),
                                           [&name](const KindName& k) { return name == k.name; });
    return found == std::end(kKinds) ? nullptr : found;
}

/// Kinds that answer instead of the room; they may let it serve first.
bool replaces(Step::Kind kind) {
    using Kind = Step::Kind;
    return kind == Kind::Respond || kind == Kind::Error || kind == Kind::Hang ||
           kind == Kind::ResetBefore || kind == Kind::Redirect || kind == Kind::Html ||
           kind == Kind::GraphError || kind == Kind::CaeChallenge;
}

/// By its whole name or by what stands behind the last colon: device_code, jwt-bearer.
bool names_grant(const std::string& order, const std::string& grant) {
    return order == grant || order == grant.substr(grant.rfind(':') + 1);
}

void read_graph_members(Step& step, ObjectReader& reader) {
    using Kind = Step::Kind;
    if (replaces(step.kind)) {
        step.delivered = reader.boolean("delivered", false);
    }
    if (step.kind == Kind::GraphError) {
        step.code = reader.text("code", "");
        step.message = reader.text("message", "");
        step.inner_code = reader.text("inner", "");
    } else if (step.kind == Kind::CaeChallenge) {
        step.claims = reader.text(
            "claims", R"({"access_token":{"nbf":{"essential":true,"value":"1700000000"}}})");
    } else if (step.kind == Kind::ResetWhileReading) {
        step.bytes = std::max<std::int64_t>(reader.integer("after_bytes", 0), 0);
    }
}

/// The members of the kinds that answer with words of their own.
void read_answer_members(Step& step, ObjectReader& reader) {
    using Kind = Step::Kind;
    if (step.kind == Kind::Respond || step.kind == Kind::Redirect || step.kind == Kind::Error ||
        step.kind == Kind::GraphError || step.kind == Kind::AddHeaders || step.kind == Kind::Html) {
        step.status =
            static_cast<unsigned>(std::clamp<std::int64_t>(reader.integer("status", 0), 0, 999));
        const Json::Value headers = reader.object("headers");
        for (const std::string& name : headers.getMemberNames()) {
            const Json::Value& value = headers[name];
            step.headers.emplace_back(name, value.isString() ? value.asString() : to_text(value));
        }
    }
    if (step.kind == Kind::Respond) {
        const Json::Value& body = reader.any("body");
        step.body = body.isNull() ? "" : body.isString() ? body.asString() : to_text(body);
        step.content_type = reader.text("content_type", "application/json; charset=utf-8");
        step.framing = reader.text("framing", "length");
    } else if (step.kind == Kind::Redirect) {
        step.location = reader.text("location", "");
    } else if (step.kind == Kind::Error) {
        step.aadsts = reader.integer("aadsts", 0);
        step.error = reader.text("error", "");
        step.suberror = reader.text("suberror", "");
        step.description = reader.text("description", "");
        step.claims = reader.text("claims", "");
    } else if (step.kind == Kind::Huge) {
        step.bytes = std::clamp<std::int64_t>(reader.integer("bytes", 10485760), 0, kMaxHugeBytes);
        step.framing = reader.text("framing", "length");
    }
}

/// The members of the kinds that change a normal answer.
void read_change_members(Step& step, ObjectReader& reader) {
    using Kind = Step::Kind;
    if (step.kind == Kind::Drip) {
        step.bytes = std::max<std::int64_t>(reader.integer("bytes", 1), 1);
        step.interval_ms = std::max<std::int64_t>(reader.integer("interval_ms", 500), 0);
    } else if (step.kind == Kind::Latency) {
        step.ms = std::max<std::int64_t>(reader.integer("ms", 0), 0);
    } else if (step.kind == Kind::Patch) {
        step.set = reader.object("set");
        step.remove = reader.texts("remove", {});
    } else if (step.kind == Kind::DateHeader) {
        step.skew_seconds = reader.integer("skew_seconds", 0);
    } else if (step.kind == Kind::SignWithForeignKey) {
        step.kid = reader.text("kid", "");
    }
}

}  // namespace

std::variant<Step, std::string> parse_step(const Json::Value& json) {
    ObjectReader reader(json);
    Step step;
    step.kind_name = reader.text("kind", "");
    const KindName* kind = find_kind(step.kind_name);
    if (kind == nullptr) {
        return "unknown kind '" + step.kind_name + "'";
    }
    step.kind = kind->kind;
    read_answer_members(step, reader);
    read_change_members(step, reader);
    read_graph_members(step, reader);
    if (!reader.problem().empty()) {
        return step.kind_name + ": " + reader.problem();
    }
    const bool known_framing = step.framing.empty() || step.framing == "length" ||
                               step.framing == "chunked" || step.framing == "close";
    if (!known_framing) {
        return step.kind_name + ": 'framing' must be length, chunked or close";
    }
    return step;
}

bool Behaviours::Entry::accepts() const {
    return !steps.empty() && steps.front().kind == Step::Kind::HangAccept;
}

bool Behaviours::Entry::matches(const Occasion& occasion) const {
    return !accepts() &&
           (endpoint == "*" || endpoint == occasion.endpoint ||
            (endpoint == "graph" && occasion.room == "graph")) &&
           (client_id == "*" || client_id == occasion.client_id) &&
           (mailbox == "*" || iequals(mailbox, occasion.mailbox)) &&
           (grant == "*" || names_grant(grant, occasion.grant));
}

bool Behaviours::Entry::use() {
    if (times >= 0 && used >= times) {
        return false;
    }
    if (after > 0) {
        --after;
        return false;
    }
    ++used;
    return true;
}

std::variant<std::uint64_t, std::string> Behaviours::add(const Json::Value& json) {
    ObjectReader reader(json);
    Entry entry;
    entry.source = json;
    entry.endpoint = reader.text("endpoint", "token");
    entry.client_id = reader.text("client_id", "*");
    entry.mailbox = reader.text("mailbox", "*");
    entry.grant = reader.text("grant", "*");
    entry.times = reader.integer("times", 1);
    entry.after = reader.integer("after", 0);
    const Json::Value& orders = reader.any("do");
    if (!reader.problem().empty()) {
        return reader.problem();
    }
    Json::Value list(Json::arrayValue);
    if (orders.isArray()) {
        list = orders;
    } else {
        list.append(orders);
    }
    for (const Json::Value& order : list) {
        auto step = parse_step(order);
        if (std::holds_alternative<std::string>(step)) {
            return std::get<std::string>(step);
        }
        entry.steps.push_back(std::get<Step>(std::move(step)));
        if (entry.steps.back().kind == Step::Kind::HangAccept && list.size() > 1) {
            return std::string("hang_accept stands alone: no request is known by then");
        }
    }
    if (entry.steps.empty()) {
        return std::string("'do' is empty");
    }
    entries_.emplace(++last_id_, std::move(entry));
    return last_id_;
}

Behaviours::Taken Behaviours::take(const Occasion& occasion) {
    for (auto& [id, entry] : entries_) {
        if (entry.matches(occasion) && entry.use()) {
            return {id, entry.steps};
        }
    }
    return {};
}

std::optional<std::uint64_t> Behaviours::take_accept() {
    for (auto& [id, entry] : entries_) {
        if (entry.accepts() && entry.use()) {
            return id;
        }
    }
    return std::nullopt;
}

bool Behaviours::remove(std::uint64_t id) {
    // Taken out first: a callback may close connections that look here again.
    auto node = entries_.extract(id);
    if (node.empty()) {
        return false;
    }
    for (const auto& callback : node.mapped().waiting) {
        callback();
    }
    return true;
}

void Behaviours::clear() {
    while (!entries_.empty()) {
        (void)remove(entries_.begin()->first);  // it exists
    }
}

Json::Value Behaviours::list() const {
    Json::Value all(Json::arrayValue);
    for (const auto& [id, entry] : entries_) {
        Json::Value json;
        json["id"] = static_cast<Json::UInt64>(id);
        json["used"] = static_cast<Json::Int64>(entry.used);
        json["entry"] = entry.source;
        all.append(json);
    }
    return all;
}

void Behaviours::on_release(std::uint64_t id, std::function<void()> callback) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) {
        callback();
    } else {
        found->second.waiting.push_back(std::move(callback));
    }
}

}  // namespace postbearer::rehearsal
