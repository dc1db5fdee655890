// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "graph_store.hh"

namespace postbearer::rehearsal {

/// A message that Graph has taken over, with its envelope as Exchange derives it.
struct AcceptedMail {
    std::uint64_t number = 0;  // from 1
    WallTime time;
    std::string mailbox;
    std::string client_id;
    std::string endpoint;  // sendmail or send
    std::string request_id;
    std::string client_request_id;
    std::string message_id;       // as submitted
    std::string kept_message_id;  // as the item in the mailbox has it
    std::string subject;
    std::string from;
    std::vector<std::string> to, cc, bcc;  // each recipient once, lower case
    HttpHeaders seen;                      // what recipients get to see of the header
    std::shared_ptr<RawMail> raw;
    std::string sha256;       // of all
    std::string body_sha256;  // after the header's empty line
};

/// What the tests count. Cheap for tens of thousands of messages.
class GraphRecords {
public:
    void count_request() { ++requests_; }
    void count_refusal() { ++refused_; }
    const AcceptedMail& add(AcceptedMail mail);
    [[nodiscard]] const AcceptedMail* find(std::uint64_t number) const;
    [[nodiscard]] std::uint64_t accepted() const { return mails_.size(); }
    void reset();

    struct Filter {
        std::string mailbox, message_id, subject;
        std::uint64_t after = 0;  // numbers above
    };
    [[nodiscard]] Json::Value messages_json(const Filter& filter) const;
    [[nodiscard]] static Json::Value describe(const AcceptedMail& mail);
    /// One entry per (recipient, Message-ID, mailbox); those counted less are left out.
    [[nodiscard]] Json::Value deliveries_json(std::uint64_t at_least) const;
    void add_counters(std::map<std::string, std::uint64_t>& counters) const;

private:
    struct Delivery {
        std::string recipient, message_id, mailbox;
        std::uint64_t count = 0;
    };
    void deliver(const AcceptedMail& mail, const std::vector<std::string>& recipients);
    void trim();

    std::vector<AcceptedMail> mails_;
    std::size_t untrimmed_ = 0;  // first mail whose bytes may still be in memory
    std::size_t kept_bytes_ = 0;
    std::vector<Delivery> deliveries_;
    std::unordered_map<std::string, std::size_t> delivery_of_;
    std::uint64_t delivered_ = 0;
    std::uint64_t requests_ = 0;
    std::uint64_t refused_ = 0;
};

}  // namespace postbearer::rehearsal
