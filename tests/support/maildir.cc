// SPDX-License-Identifier: Apache-2.0
#include "tests/support/maildir.hh"

#include <strings.h>

namespace postbearer::test {

std::string MailMessage::header(const std::string& name) const {
    for (const auto& [key, value] : headers) {
        if (::strcasecmp(key.c_str(), name.c_str()) == 0) {
            return value;
        }
    }
    return {};
}

MailMessage parse_message(std::string raw) {
    MailMessage message;
    std::size_t position = 0;
    while (position < raw.size()) {
        const std::size_t end = std::min(raw.find('\n', position), raw.size());
        const std::string line = raw.substr(position, end - position);
        position = std::min(end + 1, raw.size());
        if (line.empty()) {
            break;
        }
        const std::size_t colon = line.find(':');
        if ((line[0] == ' ' || line[0] == '\t') && !message.headers.empty()) {
            message.headers.back().second += line;
        } else if (colon != std::string::npos) {
            const std::size_t start = line.find_first_not_of(" \t", colon + 1);
            message.headers.emplace_back(line.substr(0, colon),
                                         start == std::string::npos ? "" : line.substr(start));
        }
    }
    message.body = raw.substr(position);
    message.raw = std::move(raw);
    return message;
}

void Mailboxes::read_new() const {
    std::error_code error;
    for (const auto& file : std::filesystem::directory_iterator(maildir_ / "new", error)) {
        const std::string name = file.path().filename();
        if (seen_.count(name) == 0) {
            seen_.emplace(name, parse_message(read_file(file.path())));
        }
    }
}

std::vector<MailMessage> Mailboxes::messages(const std::string& recipient) const {
    read_new();
    std::vector<MailMessage> found;
    for (const auto& [name, message] : seen_) {
        if (message.header("Delivered-To") == recipient) {
            found.push_back(message);
        }
    }
    return found;
}

std::size_t Mailboxes::count(const std::string& recipient) const {
    return messages(recipient).size();
}

std::map<std::string, std::size_t> Mailboxes::subjects(const std::string& recipient) const {
    std::map<std::string, std::size_t> counts;
    for (const MailMessage& message : messages(recipient)) {
        ++counts[message.header("Subject")];
    }
    return counts;
}

std::size_t Mailboxes::total() const {
    read_new();
    return seen_.size();
}

void Mailboxes::wait_for(const std::string& recipient, std::size_t count,
                         std::chrono::milliseconds patience) const {
    wait_until(
        std::to_string(count) + " messages for " + recipient,
        [&] { return this->count(recipient) >= count; }, patience,
        [&] {
            return std::to_string(this->count(recipient)) + " came, " + std::to_string(total()) +
                   " for everybody";
        });
}

}  // namespace postbearer::test
