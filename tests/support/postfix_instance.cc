// SPDX-License-Identifier: Apache-2.0
#include "tests/support/postfix_instance.hh"

#include <json/reader.h>
#include <json/value.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <csignal>
#include <cstdio>
#include <sstream>

#include "tests/support/failure.hh"
#include "tests/support/temp_dir.hh"

namespace postbearer::test {

using namespace std::chrono_literals;

PostfixInstance::PostfixInstance(PostfixSettings settings) : settings_(std::move(settings)) {
    make_directory(queue_directory());
    make_directory(configuration());
    make_directory(log_path().parent_path());
    make_directory(settings_.directory / "data", 0700, "postfix", "postfix");
    fill_jail();
    write_configuration();
}

PostfixInstance::~PostfixInstance() {
    if (test_failed()) {
        std::fprintf(stderr, "---- %s\n%s", log_path().c_str(), tail(log_path(), 40).c_str());
    }
    // TERM to the master ends its children; Process's destructor sees to the rest of the group.
    (void)master_.stop(10s, SIGTERM);
}

void PostfixInstance::postfix(const std::string& verb) const {
    (void)run_ok({.argv = {"postfix", "-c", configuration(), verb}});
}

void PostfixInstance::start() {
    postfix("check");
    // In the foreground, so that it is our child and dies with us.
    master_ = Process({.argv = {"/usr/lib/postfix/sbin/master", "-c", configuration(), "-s"},
                       .output_file = settings_.directory / "log" / "master.err",
                       .guarded = true});
    wait_until("Postfix " + settings_.name + " to start", [&] {
        if (!master_.running()) {
            fail("Postfix " + settings_.name + " did not start:\n" + tail(log_path()) +
                 tail(settings_.directory / "log" / "master.err"));
        }
        return log().count("daemon started -- version") > 0 &&
               std::filesystem::exists(queue_directory() / "public" / "qmgr") &&
               std::filesystem::exists(queue_directory() / "public" / "pickup");
    });
}

void PostfixInstance::stop() {
    const ExitStatus status = master_.stop(30s, SIGTERM);
    if (status.signal == SIGKILL) {
        fail("Postfix " + settings_.name + " had to be killed");
    }
}

void PostfixInstance::reload() {
    LogWatch watch = log();
    watch.mark();
    postfix("reload");
    (void)watch.wait_for("reload -- version");
}

void PostfixInstance::flush() const { postfix("flush"); }

void PostfixInstance::set(const std::string& name, const std::string& value) {
    settings_.main[name] = value;
    write_configuration();
}

void PostfixInstance::add_service(const std::string& line) {
    settings_.services.push_back(line);
    write_configuration();
}

std::string PostfixInstance::get(const std::string& name) const {
    std::string value = run_ok({.argv = {"postconf", "-c", configuration(), "-hx", name}});
    while (!value.empty() && value.back() == '\n') {
        value.pop_back();
    }
    return value;
}

void PostfixInstance::send(const Mail& mail) const {
    std::string text = "From: <" + mail.sender + ">\nTo: ";
    for (std::size_t i = 0; i < mail.recipients.size(); ++i) {
        text += (i == 0 ? "<" : ",\n <") + mail.recipients[i] + ">";
    }
    text += "\nSubject: " + mail.subject + "\n\n" + mail.body;
    Command command{.argv = {"sendmail", "-C", configuration(), "-f", mail.sender, "-i", "--"},
                    .input = text};
    command.argv.insert(command.argv.end(), mail.recipients.begin(), mail.recipients.end());
    (void)run_ok(std::move(command));
}

std::vector<QueuedMail> PostfixInstance::queue() const {
    std::istringstream lines(run_ok({.argv = {"postqueue", "-c", configuration(), "-j"}}));
    std::vector<QueuedMail> queue;
    for (std::string line; std::getline(lines, line);) {
        Json::Value json;
        std::istringstream in(line);
        std::string errors;
        if (!Json::parseFromStream(Json::CharReaderBuilder(), in, &json, &errors)) {
            fail("postqueue -j wrote: " + line);
        }
        QueuedMail mail{json["queue_name"].asString(),
                        json["queue_id"].asString(),
                        json["sender"].asString(),
                        {}};
        for (const Json::Value& recipient : json["recipients"]) {
            mail.recipients[recipient["address"].asString()] = recipient["delay_reason"].asString();
        }
        queue.push_back(std::move(mail));
    }
    return queue;
}

void PostfixInstance::wait_until_empty(std::chrono::milliseconds patience) const {
    wait_until(
        "an empty queue of " + settings_.name, [&] { return queue().empty(); }, patience,
        [&] {
            std::string left;
            for (const QueuedMail& mail : queue()) {
                for (const auto& [recipient, reason] : mail.recipients) {
                    left += "\n" + mail.queue_id + " " + mail.queue_name + " " + mail.sender +
                            " -> " + recipient + ": " + reason;
                }
            }
            return "left:" + left;
        });
}

}  // namespace postbearer::test
