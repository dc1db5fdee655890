// SPDX-License-Identifier: Apache-2.0
#include "common/config/values.hh"
#include "common/http/url.hh"
#include "milter/config_options.hh"
#include "milter/config_sections.hh"

namespace postbearer::milter {
namespace {

using config::Table;
using config::Value;
using namespace std::chrono_literals;

constexpr std::pair<std::string_view, std::string_view> kClouds[] = {
    {"global", "https://graph.microsoft.com"},
    {"gcc", "https://graph.microsoft.com"},
    {"gcc-high", "https://graph.microsoft.us"},
    {"dod", "https://dod-graph.microsoft.us"},
    {"china", "https://microsoftgraph.chinacloudapi.cn"}};
constexpr std::pair<std::string_view, Strangers> kStrangers[] = {
    {"relay", Strangers::Relay}, {"trim", Strangers::Trim}, {"reject", Strangers::Reject}};
constexpr std::pair<std::string_view, LargeMail> kLarge[] = {{"relay", LargeMail::Relay},
                                                             {"reject", LargeMail::Reject}};
constexpr std::pair<std::string_view, NullSender> kNullSender[] = {
    {"relay", NullSender::Relay}, {"mailbox", NullSender::Mailbox}, {"reject", NullSender::Reject}};
constexpr std::pair<std::string_view, EnvelopeFrom> kEnvelopeFrom[] = {
    {"relay_if_different", EnvelopeFrom::RelayIfDifferent}, {"ignore", EnvelopeFrom::Ignore}};
constexpr std::pair<std::string_view, Fragile> kFragile[] = {{"relay", Fragile::Relay},
                                                             {"ignore", Fragile::Ignore}};
constexpr std::pair<std::string_view, bool> kDelivery[] = {{"sendmail", true}};
constexpr std::pair<std::string_view, bool> kInDoubt[] = {{"reconcile", true}, {"resend", true}};

constexpr std::int64_t kMostRecipients = 1000;  // Exchange's own limit
constexpr std::int64_t kMostConcurrency = 4;    // Microsoft's, for one app and mailbox

template <typename T, std::size_t N>
void read_choice(const Table& table, std::string_view key,
                 const std::pair<std::string_view, T> (&words)[N], T& out) {
    if (const auto value = table.find(key)) {
        out = config::choice_value(*value, words).value_or(out);
    }
}

void read_bool(const Table& table, std::string_view key, bool& out) {
    if (const auto value = table.find(key)) {
        out = value->as_bool().value_or(out);
    }
}

void read_seconds(const Table& table, std::string_view key, std::chrono::seconds most,
                  std::chrono::seconds& out) {
    if (const auto value = table.find(key)) {
        out = value->as_duration(1s, most).value_or(out);
    }
}

void read_number(const Table& table, std::string_view key, std::int64_t most, std::size_t& out) {
    if (const auto value = table.find(key)) {
        const auto number = value->as_integer(1, most);
        out = number ? static_cast<std::size_t>(*number) : out;
    }
}

void read_policy(const Table& table, GraphPolicy& out) {
    read_bool(table, "enabled", out.enabled);
    read_choice(table, "strangers", kStrangers, out.strangers);
    read_choice(table, "large", kLarge, out.large);
    read_choice(table, "null_sender", kNullSender, out.null_sender);
    read_choice(table, "envelope_from", kEnvelopeFrom, out.envelope_from);
    read_choice(table, "fragile_headers", kFragile, out.fragile_headers);
    read_choice(table, "smtputf8", kFragile, out.smtputf8);
    read_number(table, "max_recipients", kMostRecipients, out.max_recipients);
}

/// Known words of later versions that would change what happens are refused by name.
void read_unused(const Table& table) {
    bool ignored = false;
    read_choice(table, "delivery", kDelivery, ignored);
    read_choice(table, "in_doubt", kInDoubt, ignored);
    std::chrono::seconds unused{0};
    read_seconds(table, "journal_keep", std::chrono::hours(24 * 366), unused);
    if (const auto list = table.find("reconcile_at")) {
        for (const Value& each : list->as_list().value_or(std::vector<Value>())) {
            (void)each.as_duration(1s, 24h);
        }
    }
}

void read_sending(const Table& table, Loading& loading) {
    GraphSettings& out = loading.sending;
    std::string_view cloud = out.endpoint;
    read_choice(table, "cloud", kClouds, cloud);
    out.endpoint = cloud;
    read_bool(table, "allow_http_loopback", out.allow_http_loopback);
    if (const auto endpoint = table.find("endpoint")) {
        auto url =
            config::endpoint_value(*endpoint, out.allow_http_loopback ? config::PlainHttp::Loopback
                                                                      : config::PlainHttp::Never);
        while (url && url->ends_with('/')) {
            url->pop_back();
        }
        out.endpoint = url.value_or(out.endpoint);
    }
    if (const auto proxy = table.find("proxy")) {
        out.proxy = config::proxy_value(*proxy).value_or("");
    }
    if (const auto file = table.find("ca_file")) {
        out.ca_file = config::readable_path(*file, loading.host).value_or("");
    }
    read_number(table, "concurrency", kMostConcurrency, out.concurrency);
    read_seconds(table, "budget", 3600s, out.budget);
    read_seconds(table, "answer_timeout", 3600s, out.answer_timeout);
}

}  // namespace

void read_graph(const std::optional<Table>& section, Loading& loading) {
    loading.sending.endpoint = kClouds[0].second;
    loading.out.spool_dir = loading.out.state_dir + "/spool";
    if (!section) {
        return;
    }
    config::check_keys(*section, all_options(), Section::Graph, "[graph]");
    read_policy(*section, loading.out.graph);
    read_unused(*section);
    read_sending(*section, loading);
    if (const auto spool = section->find("spool_dir")) {
        loading.out.spool_dir = config::path_value(*spool).value_or(loading.out.spool_dir);
    }
    // lmtp(8) hangs up after lmtp_data_done_timeout (600s) and would then send the message again.
    constexpr std::chrono::seconds kPostfixWaits = 540s;
    const GraphSettings& sending = loading.sending;
    if (sending.budget + sending.answer_timeout > kPostfixWaits) {
        loading.problems.error(section->position_of("budget"),
                               "budget and answer_timeout together are above 540s, and Postfix "
                               "hangs up after 600s (lmtp_data_done_timeout)");
    }
}

}  // namespace postbearer::milter
