// SPDX-License-Identifier: Apache-2.0
#include "graph_records.hh"

#include "json.hh"

namespace postbearer::rehearsal {
namespace {

/// Above this the oldest messages' bytes are let go.
constexpr std::size_t kMostBytes = 512ULL * 1024 * 1024;

}  // namespace

const AcceptedMail& GraphRecords::add(AcceptedMail mail) {
    mail.number = mails_.size() + 1;
    kept_bytes_ += mail.raw->bytes.size();
    const AcceptedMail& kept = mails_.emplace_back(std::move(mail));
    for (const auto* recipients : {&kept.to, &kept.cc, &kept.bcc}) {
        deliver(kept, *recipients);
    }
    trim();
    return kept;
}

void GraphRecords::deliver(const AcceptedMail& mail, const std::vector<std::string>& recipients) {
    for (const std::string& recipient : recipients) {
        std::string key = recipient;
        key.append("\n").append(mail.message_id).append("\n").append(mail.mailbox);
        const auto [slot, fresh] = delivery_of_.emplace(std::move(key), deliveries_.size());
        if (fresh) {
            deliveries_.push_back({recipient, mail.message_id, mail.mailbox, 0});
        }
        ++deliveries_[slot->second].count;
        ++delivered_;
    }
}

void GraphRecords::trim() {
    while (kept_bytes_ > kMostBytes && untrimmed_ + 1 < mails_.size()) {
        RawMail& raw = *mails_[untrimmed_++].raw;
        kept_bytes_ -= raw.bytes.size();
        raw.bytes = std::string();
    }
}

const AcceptedMail* GraphRecords::find(std::uint64_t number) const {
    return number >= 1 && number <= mails_.size() ? &mails_[number - 1] : nullptr;
}

void GraphRecords::reset() { *this = GraphRecords(); }

Json::Value GraphRecords::describe(const AcceptedMail& mail) {
    Json::Value json;
    json["number"] = static_cast<Json::UInt64>(mail.number);
    json["time"] = unix_fraction(mail.time);
    json["mailbox"] = mail.mailbox;
    json["client_id"] = mail.client_id;
    json["endpoint"] = mail.endpoint;
    json["request_id"] = mail.request_id;
    json["client_request_id"] = mail.client_request_id;
    json["message_id"] = mail.message_id;
    json["kept_message_id"] = mail.kept_message_id;
    json["subject"] = mail.subject;
    json["from"] = mail.from;
    json["to"] = to_json(mail.to);
    json["cc"] = to_json(mail.cc);
    json["bcc"] = to_json(mail.bcc);
    json["seen"] = Json::Value(Json::arrayValue);
    for (const auto& [name, value] : mail.seen) {
        json["seen"].append(name + ": " + value);
    }
    json["size"] = static_cast<Json::UInt64>(mail.raw->size);
    json["sha256"] = mail.sha256;
    json["body_sha256"] = mail.body_sha256;
    json["file"] = mail.raw->file;
    return json;
}

Json::Value GraphRecords::messages_json(const Filter& filter) const {
    Json::Value list(Json::arrayValue);
    const auto fits = [](const std::string& wanted, const std::string& value) {
        return wanted.empty() || wanted == value;
    };
    for (const AcceptedMail& mail : mails_) {
        if (mail.number > filter.after && fits(lower(filter.mailbox), mail.mailbox) &&
            fits(filter.message_id, mail.message_id) && fits(filter.subject, mail.subject)) {
            list.append(describe(mail));
        }
    }
    return list;
}

Json::Value GraphRecords::deliveries_json(std::uint64_t at_least) const {
    Json::Value list(Json::arrayValue);
    for (const Delivery& delivery : deliveries_) {
        if (delivery.count >= at_least) {
            Json::Value json;
            json["recipient"] = delivery.recipient;
            json["message_id"] = delivery.message_id;
            json["mailbox"] = delivery.mailbox;
            json["count"] = static_cast<Json::UInt64>(delivery.count);
            list.append(std::move(json));
        }
    }
    return list;
}

void GraphRecords::add_counters(std::map<std::string, std::uint64_t>& counters) const {
    counters["graph_requests"] = requests_;
    counters["graph_accepted"] = mails_.size();
    counters["graph_deliveries"] = delivered_;
    counters["graph_refused"] = refused_;
}

}  // namespace postbearer::rehearsal
