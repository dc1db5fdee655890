// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "common/config/text_file.hh"
#include "common/config/values.hh"
#include "common/text.hh"
#include "milter/config_options.hh"
#include "milter/config_sections.hh"
#include "milter/envelope/mailbox_name.hh"

namespace postbearer::milter {
namespace {

using config::Table;
using config::Value;

constexpr std::pair<std::string_view, Action> kActions[] = {{"graph", Action::Graph},
                                                            {"relay", Action::Relay},
                                                            {"reject", Action::Reject},
                                                            {"discard", Action::Discard}};
constexpr std::string_view kMapPrefix = "map:";
constexpr std::size_t kMaxNameBytes = 40;
constexpr std::size_t kMaxReasonBytes = 300;
constexpr std::size_t kMaxMapMistakes = 20;

bool is_route_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxNameBytes &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
           });
}

void read_name(const Table& table, Loading& loading, Route& route) {
    const auto value = table.find("name");
    if (!value) {
        table.error("a [[route]] needs a name; it stands in logs and answers");
        return;
    }
    route.name = config::line_value(*value).value_or("");
    if (!is_route_name(route.name)) {
        value->error("expected letters, digits, '-', '_' and '.', at most 40");
        return;
    }
    const auto& routes = loading.out.routes;
    const auto same = std::find_if(routes.begin(), routes.end(),
                                   [&](const Route& other) { return other.name == route.name; });
    if (same != routes.end()) {
        value->error("\"" + route.name + "\" is taken by the route at " + same->where);
    }
}

MailboxRule read_map(const Value& value, const std::string& path) {
    MailboxRule rule;
    rule.kind = MailboxRule::Kind::Map;
    const auto file = config::read_text_file(path);
    if (!file) {
        value.error(path + " " + file.error().context);
        return rule;
    }
    if (file->writable_by_all) {
        value.error("every local user may write " + path + ": chmod o-w " + path);
    }
    std::vector<MailboxMap::Mistake> mistakes;
    rule.map = std::make_shared<const MailboxMap>(MailboxMap::parse(file->text, mistakes));
    mistakes.resize(std::min(mistakes.size(), kMaxMapMistakes));
    for (const MailboxMap::Mistake& mistake : mistakes) {
        value.error(path + ":" + std::to_string(mistake.line) + ": " + mistake.text);
    }
    if (mistakes.empty() && rule.map->size() == 0) {
        value.error(path + " holds no entry, so the route could never divert");
    }
    return rule;
}

MailboxRule read_mailbox(const Value& value) {
    MailboxRule rule;
    const auto text = config::line_value(value);
    if (!text || *text == "sender") {
        return rule;
    }
    if (*text == "from") {
        rule.kind = MailboxRule::Kind::From;
        return rule;
    }
    if (text->starts_with(kMapPrefix)) {
        const std::string path = text->substr(kMapPrefix.size());
        if (path.empty() || path.front() != '/') {
            value.error("expected an absolute path after map:");
            return rule;
        }
        return read_map(value, path);
    }
    rule.kind = MailboxRule::Kind::Fixed;
    if (is_mailbox_name(*text)) {
        rule.address = ascii_lower(*text);
    } else {
        constexpr std::string_view kWords[] = {"sender", "from"};
        value.error("expected sender, from, an address, an object id or map:FILE, found \"" +
                    printable(*text, 80) + '"' + config::suggestion(*text, kWords));
    }
    return rule;
}

void read_conditions(const Table& table, Route& route) {
    for (const std::string_view key :
         {"sender", "from", "recipient", "allow_from", "client", "sasl_user"}) {
        const auto value = table.find(key);
        if (value && value->kind() == config::Kind::List && value->as_list()->empty()) {
            value->error("an empty list matches nothing; leave the key out to match all");
        }
    }
    const auto read = [&](std::string_view key, AddressPatterns& out) {
        if (const auto value = table.find(key)) {
            out = patterns_value(*value);
        }
    };
    read("sender", route.sender);
    read("from", route.from);
    read("recipient", route.recipient);
    read("allow_from", route.allow_from);
    if (const auto client = table.find("client")) {
        route.client = networks_value(*client);
    }
    if (const auto users = table.find("sasl_user")) {
        for (const Value& each : users->as_string_list().value_or(std::vector<Value>())) {
            route.sasl_user.push_back(ascii_lower(config::line_value(each).value_or("")));
        }
    }
}

/// What a key needs of the action beside it.
void check_action(const Table& table, const Route& route) {
    const bool sends = route.action == Action::Graph || route.action == Action::Discard;
    for (const std::string_view key : {"mailbox", "allow_from"}) {
        if (const auto value = table.find(key); value && !sends) {
            value->error("belongs to action = \"graph\"; this route has \"" +
                         std::string(name_of(route.action)) + '"');
        }
    }
    const auto reason = table.find("reason");
    if (reason && route.action != Action::Reject) {
        reason->error("belongs to action = \"reject\"");
    } else if (!reason && route.action == Action::Reject) {
        table.error("action = \"reject\" needs a reason: the client reads it");
    }
}

/// Whether all that `later` matches is matched by `earlier` too.
template <typename Pattern, typename Covers>
bool covers(const std::vector<Pattern>& earlier, const std::vector<Pattern>& later,
            const Covers& one_covers) {
    if (earlier.empty()) {
        return true;
    }
    return !later.empty() && std::all_of(later.begin(), later.end(), [&](const Pattern& wanted) {
        return std::any_of(earlier.begin(), earlier.end(),
                           [&](const Pattern& each) { return one_covers(each, wanted); });
    });
}

bool pattern_covers(const std::string& wide, const std::string& narrow) {
    const std::size_t at = narrow.rfind('@');
    return wide == "*" || wide == narrow ||
           (at != std::string::npos && at > 0 && wide == narrow.substr(at));
}

bool shadows(const Route& earlier, const Route& later) {
    const auto needs_submission = [](const Route& route) {
        return route.action == Action::Graph || route.action == Action::Discard;
    };
    if (needs_submission(earlier) && !needs_submission(later)) {
        return false;  // mail that nobody submitted passes the first one by
    }
    return covers(earlier.sender, later.sender, pattern_covers) &&
           covers(earlier.from, later.from, pattern_covers) &&
           covers(earlier.recipient, later.recipient, pattern_covers) &&
           covers(earlier.sasl_user, later.sasl_user, pattern_covers) &&
           covers(earlier.client, later.client,
                  [](const Network& a, const Network& b) { return a.contains(b); });
}

/// A mailbox that no sender of the route can be, while the sender must be the mailbox.
bool can_never_divert(const Route& route, const GraphPolicy& policy) {
    if (route.action != Action::Graph || route.mailbox.kind != MailboxRule::Kind::Fixed ||
        route.mailbox.address.empty() || policy.envelope_from != EnvelopeFrom::RelayIfDifferent) {
        return false;
    }
    if (route.sender.empty() && policy.null_sender == NullSender::Mailbox) {
        return false;  // what has no sender is not compared
    }
    const bool is_address = route.mailbox.address.find('@') != std::string::npos;
    return !is_address ||
           (!route.sender.empty() &&
            std::none_of(route.sender.begin(), route.sender.end(), [&](const std::string& pattern) {
                return pattern_covers(pattern, route.mailbox.address);
            }));
}

}  // namespace

AddressPatterns patterns_value(const Value& value) {
    AddressPatterns out;
    for (const Value& each : value.as_string_list().value_or(std::vector<Value>())) {
        if (auto pattern = config::account_pattern(each)) {
            out.push_back(std::move(*pattern));
        }
    }
    return out;
}

void read_route(const Table& table, Loading& loading) {
    Route route;
    config::check_keys(table, all_options(), Section::Route, "[[route]]");
    route.where = loading.problems.describe(table.position());
    read_name(table, loading, route);
    if (const auto action = table.find("action")) {
        route.action = config::choice_value(*action, kActions).value_or(Action::Graph);
    }
    read_conditions(table, route);
    if (const auto mailbox = table.find("mailbox")) {
        route.mailbox = read_mailbox(*mailbox);
    }
    if (const auto reason = table.find("reason")) {
        route.reason = config::line_value(*reason).value_or("");
        if (route.reason.size() > kMaxReasonBytes) {
            reason->error("has more than 300 bytes");
        }
    }
    check_action(table, route);
    loading.out.routes.push_back(std::move(route));
    loading.route_positions.push_back(table.position());
}

void check_routes(Loading& loading) {
    const auto& routes = loading.out.routes;
    for (std::size_t i = 0; i < routes.size(); ++i) {
        const auto first = routes.begin();
        const auto end = first + static_cast<std::ptrdiff_t>(i);
        const auto earlier =
            std::find_if(first, end, [&](const Route& each) { return shadows(each, routes[i]); });
        if (earlier != end) {
            loading.problems.error(loading.route_positions[i],
                                   "route " + routes[i].name + " can never match: route " +
                                       earlier->name + " at " + earlier->where +
                                       " takes all of it; put the narrower one first");
        }
        if (can_never_divert(routes[i], loading.out.graph)) {
            loading.problems.error(
                loading.route_positions[i],
                "route " + routes[i].name + " can never divert: no sender of it is the mailbox " +
                    routes[i].mailbox.address +
                    ", and envelope_from = \"relay_if_different\" relays the others; set "
                    "envelope_from = \"ignore\" or mailbox = \"sender\"");
        }
    }
    if (routes.empty()) {
        loading.problems.warn({0, 0, 0}, "no [[route]]: everything relays");
    }
}

}  // namespace postbearer::milter
