// SPDX-License-Identifier: Apache-2.0
#include "milter/command.hh"

#include <errno.h>
#include <json/json.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <iterator>

#include "common/clock.hh"
#include "common/config/text_file.hh"
#include "common/text.hh"
#include "milter/envelope/address.hh"
#include "milter/explain.hh"
#include "milter/send_test.hh"
#include "milter/state_dir.hh"

namespace postbearer::milter {
namespace {

constexpr std::size_t kMaxMessageBytes = std::size_t{256} << 20U;

int usage_error(const std::string& text) {
    (void)std::fprintf(stderr, "postbearer-milter: %s\n", text.c_str());
    return kUsage;
}

/// Empty: all are addresses.
std::string no_address_among(const std::vector<std::string>& addresses) {
    for (const std::string& address : addresses) {
        if (!address_key(address)) {
            return '\'' + printable(address, 100) + "' is not an address";
        }
    }
    return {};
}

Result<std::string> read_stdin() {
    std::string text;
    std::array<char, 64 * 1024> bytes{};
    for (;;) {
        const std::size_t got = std::fread(bytes.data(), 1, bytes.size(), stdin);
        text.append(bytes.data(), got);
        if (got == 0) {
            break;
        }
        if (text.size() > kMaxMessageBytes) {
            return failure(Errc::Config, "standard input holds more than 256 MiB");
        }
    }
    return text;
}

Result<std::string> read_message(const Options& options) {
    if (options.arguments.empty()) {
        return "From: " + options.from + "\r\nTo: " + options.recipients.front() + "\r\n\r\n";
    }
    const std::string& path = options.arguments.front();
    if (path == "-") {
        return read_stdin();
    }
    auto file = config::read_text_file(path, kMaxMessageBytes);
    if (!file) {
        return failure(file.error().code, path + " " + file.error().context);
    }
    return std::move(file->text);
}

std::string json_line(const Json::Value& value) {
    Json::StreamWriterBuilder builder;
    builder["indentation"] = "";
    return Json::writeString(builder, value) + "\n";
}

}  // namespace

int run_explain(const Options& options, const MilterConfig& config) {
    if (!options.from_given || options.recipients.empty() || options.arguments.size() > 1) {
        return usage_error(
            "explain needs --from F (\"\" is the null sender), --rcpt R, and one "
            "message file at most");
    }
    Question question;
    MessageContext& message = question.message;
    message.mail_from = options.from == "<>" ? "" : options.from;
    message.recipients = options.recipients;
    const std::string fault = no_address_among(options.recipients);
    if (!fault.empty()) {
        return usage_error(fault);
    }
    message.via = Submission::Local;
    if (options.at_queue) {
        message.via = Submission::Queue;
    } else if (!options.sasl_user.empty() || !options.client.empty()) {
        message.via = Submission::Smtp;
        const std::string transport = options.transport.empty() ? "smtp" : options.transport;
        message.transports.assign(message.recipients.size(), transport);
        message.sasl_user = options.sasl_user;
        message.client = IpAddress::parse(options.client);
        if (!options.client.empty() && !message.client) {
            return usage_error("'" + printable(options.client, 60) + "' is not an IP address");
        }
    }
    auto content = read_message(options);
    if (!content) {
        (void)std::fprintf(stderr, "postbearer-milter: %s\n", content.error().context.c_str());
        return kFailed;
    }
    question.content = std::move(*content);
    question.json = options.json;
    (void)std::fputs(explain(config, std::move(question)).c_str(), stdout);
    return kDone;
}

int run_send_test(const Options& options, const MilterConfig& config) {
    if (options.arguments.size() != 1 || options.recipients.empty()) {
        return usage_error("send-test needs FROM and --to TO");
    }
    TestMessage message{options.arguments.front(), options.recipients};
    std::vector<std::string> addresses = message.to;
    addresses.push_back(message.from);
    if (const std::string fault = no_address_among(addresses); !fault.empty()) {
        return usage_error(fault);
    }
    if (config.lmtp.kind != Endpoint::Kind::Unix) {
        return usage_error("lmtp = \"fd:NAME\" in " + config.file +
                           " does not say where the socket lies; send-test needs unix:PATH");
    }
    const SystemClock clock;
    const auto answers = send_test(config.lmtp.socket.path, message, clock);
    if (!answers) {
        (void)std::fprintf(stderr, "postbearer-milter: %s\n", answers.error().context.c_str());
        return kFailed;
    }
    bool good = true;
    Json::Value json;
    json["version"] = 1;
    json["kind"] = "send_test";
    for (std::size_t i = 0; i < answers->size(); ++i) {
        const std::string& answer = (*answers)[i];
        good = good && answer.starts_with('2');
        Json::Value one;
        one["recipient"] = message.to[i];
        one["answer"] = answer;
        json["answers"].append(one);
        if (!options.json) {
            (void)std::printf("%s: %s\n", message.to[i].c_str(), answer.c_str());
        }
    }
    if (options.json) {
        (void)std::fputs(json_line(json).c_str(), stdout);
    }
    return good ? kDone : kFailed;
}

int run_reload(const MilterConfig& config) {
    const auto found = daemon_of(config.state_dir);
    if (!found) {
        (void)std::fprintf(stderr, "milter: %s\n", found.error().context.c_str());
        return kFailed;
    }
    const std::optional<pid_t>& pid = *found;
    if (!pid) {
        (void)std::printf("milter: no daemon runs over %s, so none has to read %s again\n",
                          config.state_dir.c_str(), config.file.c_str());
        return kDone;
    }
    if (::kill(*pid, SIGUSR1) != 0) {
        (void)std::fprintf(stderr, "milter: process %d cannot be signalled: %s\n",
                           static_cast<int>(*pid), config::system_error_text(errno).c_str());
        return kFailed;
    }
    (void)std::printf("milter: process %d reads %s again; its log tells the outcome\n",
                      static_cast<int>(*pid), config.file.c_str());
    return kDone;
}

}  // namespace postbearer::milter
