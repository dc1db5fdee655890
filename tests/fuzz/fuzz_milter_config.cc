// SPDX-License-Identifier: Apache-2.0
// milter.toml: the loader, and the router with whatever it lets through. A form feed, which TOML
// forbids, parts the file from a mailbox map.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "common/text.hh"
#include "milter/config_loader.hh"
#include "milter/envelope/mailbox_name.hh"
#include "milter/routing/router.hh"

namespace {

using namespace postbearer;
using namespace postbearer::milter;

/// Touches nothing of the real host.
class NoHost final : public config::ConfigHost {
public:
    [[nodiscard]] Result<Secret> read_secret(const config::SecretReference&) const override {
        std::abort();  // the milter has none
    }
    [[nodiscard]] std::optional<uid_t> user_id(const std::string& name) const override {
        return name.size() % 2 == 0 ? std::nullopt : std::optional<uid_t>(1);
    }
    [[nodiscard]] std::optional<gid_t> group_id(const std::string& name) const override {
        return name.size() % 2 == 0 ? std::nullopt : std::optional<gid_t>(1);
    }
    [[nodiscard]] Result<void> can_read(const std::string&) const override { return {}; }
};

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void check_lines(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
        require(is_plain_utf8(line));  // one line each, fit for the log
    }
}

void check_decision(const Decision& decision, Submission via) {
    require(!decision.reason.empty() && !decision.detail.empty());
    if (decision.action == Action::Graph) {
        require(is_mailbox_name(decision.mailbox) && !decision.route.empty());
    } else {
        require(decision.mailbox.empty());
    }
    if (decision.action == Action::Reject) {
        require(decision.reply.code >= 500 && !decision.reply.text.empty());
    } else if (via == Submission::Queue) {
        require(queue_reply(decision, QueuedBy::Milter, "4cQ").code == 451);
    }
}

void check_routes(const MilterConfig& config) {
    MessageContext message;
    message.recipients = {"bob@example.org", "carol@example.net"};
    message.transports = {"smtp", "smtp"};
    message.size = 1000;
    message.headers = facts_of("From: alice@contoso.com\r\nTo: bob@example.org\r\n\r\n");
    for (const Submission via : {Submission::Smtp, Submission::Local, Submission::Queue}) {
        for (const char* from : {"alice@contoso.com", "", "sasl:x"}) {
            message.via = via;
            message.mail_from = from;
            message.sasl_user = via == Submission::Smtp ? "alice" : "";
            message.client = IpAddress::parse("192.0.2.1");
            check_decision(decide(config, message), via);
        }
    }
    message.via = Submission::Smtp;
    message.sasl_user.clear();
    message.client.reset();
    const Decision forged = decide(config, message);
    require(forged.action == Action::Relay || forged.action == Action::Reject);
}

void check_map(std::string_view text) {
    std::vector<MailboxMap::Mistake> mistakes;
    const MailboxMap map = MailboxMap::parse(text, mistakes);
    for (const MailboxMap::Mistake& mistake : mistakes) {
        require(is_plain_utf8(mistake.text) && mistake.line > 0);
    }
    for (const char* from : {"alice@contoso.com", "", "sasl:x", "@contoso.com"}) {
        const std::string mailbox = map.find(from, "alice");
        require(mailbox.empty() || is_mailbox_name(mailbox));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t end = text.find('\f');
    if (end != std::string_view::npos) {
        check_map(text.substr(end + 1));
    }
    // A map would be a file of the real host.
    const std::string_view file = text.substr(0, end);
    if (file.find("map:") != std::string_view::npos || file.find('\\') != std::string_view::npos) {
        return 0;
    }
    const ConfigResult loaded = load_config_text("milter.toml", file, NoHost());
    if (!loaded) {
        require(!loaded.error().empty());
        check_lines(loaded.error());
        return 0;
    }
    check_lines(loaded->warnings);
    check_routes(*loaded->config);
    return 0;
}
