// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/files.hh"
#include "tests/support/wait.hh"

namespace postbearer::test {

struct MailMessage {
    std::string raw;
    std::vector<std::pair<std::string, std::string>> headers;  // unfolded, in order
    std::string body;

    /// First header of that name (any case), or empty.
    [[nodiscard]] std::string header(const std::string& name) const;
};

[[nodiscard]] MailMessage parse_message(std::string raw);

/// The far end: one maildir in which virtual(8) writes a file for each recipient of each message,
/// whose Delivered-To says for whom. (virtual(8) allows no pattern in a path.)
class Mailboxes {
public:
    explicit Mailboxes(Path maildir) : maildir_(std::move(maildir)) {}

    [[nodiscard]] std::size_t count(const std::string& recipient) const;
    [[nodiscard]] std::vector<MailMessage> messages(const std::string& recipient) const;
    /// How often each Subject came.
    [[nodiscard]] std::map<std::string, std::size_t> subjects(const std::string& recipient) const;
    /// All messages of all recipients.
    [[nodiscard]] std::size_t total() const;
    /// At least `count`; what came is in the failure message.
    void wait_for(const std::string& recipient, std::size_t count,
                  std::chrono::milliseconds patience = kPatience) const;

private:
    void read_new() const;

    Path maildir_;
    mutable std::map<std::string, MailMessage> seen_;  // by file name; files never change
};

}  // namespace postbearer::test
