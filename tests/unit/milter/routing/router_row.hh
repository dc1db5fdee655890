// SPDX-License-Identifier: Apache-2.0
#pragma once

// A message and what must become of it, in one row. What a row leaves out is a mail that goes to
// Graph: alice has signed in and writes to bob.

#include <algorithm>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "milter/routing/router.hh"
#include "tests/unit/milter/routing/config_texts.hh"

namespace postbearer::milter {

struct RouterRow {
    const char* name;
    Action action;
    const char* reason;

    const char* graph = "";   // lines of [graph]
    const char* milter = "";  // lines of [milter]
    const char* routes = "[[route]]\nname = \"contoso\"\nsender = [\"@contoso.com\"]\n";

    Submission via = Submission::Smtp;
    const char* mail_from = "alice@contoso.com";
    const char* recipients = "bob@example.org";  // apart by blanks
    const char* transports = "smtp";             // the last one stands for the rest
    const char* sasl_user = "alice";
    const char* client = "198.51.100.7";
    const char* headers = "From: alice@contoso.com\r\nTo: bob@example.org\r\n";
    std::uint64_t size = 2000;

    const char* mailbox = "";
    int code = 0;             // of a Reject
    const char* detail = "";  // a part of it
};
inline std::ostream& operator<<(std::ostream& out, const RouterRow& row) { return out << row.name; }

inline std::vector<std::string> words_of(std::string_view text) {
    std::vector<std::string> words;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        words.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return words;
}

inline MessageContext message_of(const RouterRow& row) {
    MessageContext message;
    message.via = row.via;
    message.mail_from = row.mail_from;
    message.recipients = words_of(row.recipients);
    message.transports = words_of(row.transports);
    while (!message.transports.empty() && message.transports.size() < message.recipients.size()) {
        message.transports.push_back(message.transports.back());
    }
    message.sasl_user = row.sasl_user;
    message.client = IpAddress::parse(row.client);
    message.size = row.size;
    message.headers = facts_of(std::string(row.headers) + "\r\n");
    return message;
}

inline std::string config_text(const RouterRow& row) {
    return std::string("[milter]\ntrusted_clients = [\"192.0.2.0/24\"]\n") +
           "local_domains = [\"Local.example\", \"b\xc3\xbc"
           "cher.example\"]\n" +
           row.milter + "\n[graph]\n" + row.graph + "\n" + row.routes;
}

inline Decision decision_of(const RouterRow& row) {
    return decide(*config_of(config_text(row)), message_of(row));
}

}  // namespace postbearer::milter
