// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/support/log_watch.hh"
#include "tests/support/process.hh"

namespace postbearer::test {

struct PostfixSettings {
    Path directory;                             // everything of this instance lies below it
    std::string name;                           // in the log's path and in myhostname
    bool chroot = true;                         // services in the jail as in Debian's master.cf
    Path sasl_path{};                           // plugins of smtp(8); empty: none
    std::map<std::string, std::string> main{};  // main.cf on top of the base
    std::vector<std::string> services{};        // lines for master.cf on top of Debian's
};

/// One mail in the queue, as postqueue -j tells it.
struct QueuedMail {
    std::string queue_name;
    std::string queue_id;
    std::string sender;
    std::map<std::string, std::string> recipients;  // address, delay reason
};

struct Mail {
    std::string sender;
    std::vector<std::string> recipients;
    std::string subject = "rehearsal";
    std::string body = "Hello from the rehearsal.\n";
};

/// A whole Postfix of its own: configuration, queue, data and log are private; of the host it
/// uses the programs and, read only, /etc/postfix's list of files.
class PostfixInstance {
public:
    explicit PostfixInstance(PostfixSettings settings);
    ~PostfixInstance();
    PostfixInstance(PostfixInstance&&) = delete;
    PostfixInstance& operator=(PostfixInstance&&) = delete;
    PostfixInstance(const PostfixInstance&) = delete;
    PostfixInstance& operator=(const PostfixInstance&) = delete;

    /// Returns when qmgr and pickup answer.
    void start();
    /// As `postfix stop`; afterwards no process of this instance lives.
    void stop();
    void reload();
    /// `postfix flush`: all deferred mail is tried now.
    void flush() const;

    /// Changes main.cf; reload() or start() makes it count.
    void set(const std::string& name, const std::string& value);
    void add_service(const std::string& line);
    [[nodiscard]] std::string get(const std::string& name) const;

    /// sendmail(1). The message goes into the queue before this returns.
    void send(const Mail& mail) const;
    [[nodiscard]] std::vector<QueuedMail> queue() const;
    /// Waits until the queue is empty.
    void wait_until_empty(std::chrono::milliseconds patience = kPatience) const;

    [[nodiscard]] bool running() { return master_.running(); }
    [[nodiscard]] pid_t master_pid() const noexcept { return master_.pid(); }
    [[nodiscard]] Path configuration() const { return settings_.directory / "etc"; }
    [[nodiscard]] Path queue_directory() const { return settings_.directory / "spool"; }
    [[nodiscard]] Path log_path() const { return settings_.directory / "log" / "mail.log"; }
    [[nodiscard]] LogWatch log() const { return LogWatch(log_path()); }
    [[nodiscard]] const PostfixSettings& settings() const noexcept { return settings_; }

private:
    void write_configuration() const;
    [[nodiscard]] std::string main_cf() const;
    [[nodiscard]] std::string master_cf() const;
    void fill_jail() const;
    void postfix(const std::string& verb) const;

    PostfixSettings settings_;
    Process master_;
};

}  // namespace postbearer::test
