// SPDX-License-Identifier: Apache-2.0
#include "token-agent/token_service.hh"

#include <algorithm>
#include <chrono>
#include <utility>

#include "common/text.hh"

namespace postbearer::agent {
namespace {

using namespace std::chrono_literals;
using protocol::AgentFailure;
using protocol::FailureClass;
using protocol::FailureCode;

/// Any local user can make us refuse; the log of refusals must not become a way to fill the disk.
constexpr std::uint32_t kRefusalsPerInterval = 50;
constexpr std::uint32_t kStrangerRefusalsPerInterval = 10;
constexpr milliseconds kRefusalInterval = 10s;
constexpr std::size_t kLoggedAccountBytes = 254;  // the longest mail address, RFC 5321

AgentFailure make_failure(FailureClass failure_class, FailureCode code, std::string message) {
    return AgentFailure{failure_class, code, std::move(message), std::nullopt, {}};
}

LogLine peer_line(LogLevel level, std::string_view event, const service::Peer& peer,
                  std::string_view account, Resource resource) {
    LogLine line(level, event);
    line.add("uid", static_cast<std::int64_t>(peer.uid));
    line.add("pid", static_cast<std::int64_t>(peer.pid));
    line.add("account", account.substr(0, kLoggedAccountBytes));
    line.add("resource", name_of(resource));
    return line;
}

/// Provider and keeper do not know for whom they work.
std::string with_account(const std::string& account, std::string_view message) {
    return "account " + printable(account, kLoggedAccountBytes) + ": " + std::string(message);
}

}  // namespace

TokenService::TokenService(TokenKeeper& keeper, const Clock& clock, Log& log,
                           std::shared_ptr<const Policy> policy)
    : keeper_(keeper), clock_(clock), log_(log), policy_(std::move(policy)) {
    known_refusals_.lines = kRefusalsPerInterval;
    stranger_refusals_.lines = kStrangerRefusalsPerInterval;
}

void TokenService::handle(const service::Peer& peer, std::string_view block, Reply reply) {
    auto request = protocol::decode_request(block);
    if (!request) {
        ++counters_.malformed;
        log_refusal(peer, "", Resource::Smtp, request.error());
        reply(encode(request.error()));
        return;
    }
    if (const auto* token = std::get_if<protocol::TokenRequest>(&*request)) {
        handle_token(peer, *token, std::move(reply));
    } else if (const auto* report = std::get_if<protocol::RejectedReport>(&*request)) {
        handle_rejected(peer, *report, reply);
    } else {
        reply(protocol::encode_pong(POSTBEARER_VERSION));
    }
}

tl::expected<const AccountRule*, AgentFailure> TokenService::find_rule(const service::Peer& peer,
                                                                       Verb verb,
                                                                       const std::string& account,
                                                                       Resource resource) {
    // Access comes first: who may not ask learns nothing about which accounts exist.
    if (!policy_->access.allows(peer.uid, peer.groups, verb, resource, account)) {
        return tl::unexpected(make_failure(
            FailureClass::Denied, FailureCode::AccessDenied,
            "uid " + std::to_string(peer.uid) + " may not use the " +
                std::string(name_of(resource)) + " token of " + printable(account, 254) +
                "; add an [[access]] rule for this uid to the agent's configuration and reload"));
    }
    const AccountRule* rule = policy_->accounts.find(account);
    if (rule == nullptr) {
        return tl::unexpected(make_failure(
            FailureClass::UnknownAccount, FailureCode::NoAccount,
            "no [[account]] rule matches " + printable(account, 254) +
                "; add one to the agent's configuration and reload, or mend the name in "
                "smtp_sasl_password_maps"));
    }
    return rule;
}

void TokenService::handle_token(const service::Peer& peer, const protocol::TokenRequest& request,
                                Reply reply) {
    const auto rule = find_rule(peer, Verb::Token, request.account, request.resource);
    if (!rule) {
        answer_failure(peer, request.account, request.resource, rule.error(), reply);
        return;
    }
    TokenWish wish;
    wish.provider = (*rule)->provider;
    wish.grant = (*rule)->grant;
    wish.account = token_account(**rule, request.account);
    wish.resource = request.resource;
    wish.min_valid_explicit = request.min_valid.has_value();
    wish.min_valid = request.min_valid.value_or(default_min_valid(request.host));
    wish.wait = std::min(request.wait.value_or(protocol::kDefaultWait), protocol::kMaxWait);
    const std::string& user = (*rule)->user.empty() ? request.account : (*rule)->user;
    // Nearly always: nothing to wait for, so nothing to carry along.
    if (const auto at_hand = keeper_.take(wish)) {
        hand_out(peer, request.account, request.resource, user, *at_hand, reply);
        return;
    }
    keeper_.get(wish, [this, peer, account = request.account, resource = request.resource, user,
                       reply = std::move(reply)](KeeperAnswer answer) {
        if (!answer) {
            AgentFailure failure = std::move(answer.error().answer);
            failure.message = with_account(account, failure.message);
            answer_failure(peer, account, resource, failure, reply);
            return;
        }
        hand_out(peer, account, resource, user, *answer, reply);
    });
}

void TokenService::hand_out(const service::Peer& peer, const std::string& account,
                            Resource resource, const std::string& user, const HandOut& out,
                            const Reply& reply) {
    ++counters_.handed_out;
    LogLine line = peer_line(LogLevel::Info, "token_handed_out", peer, account, resource);
    line.add("fingerprint", out.token->fingerprint);
    line.add("seconds_left", std::chrono::floor<seconds>(out.left).count());
    log_.write(line);
    reply(encode(protocol::TokenGrantView{out.token->token.reveal(), user, out.expires_at,
                                          out.token->fingerprint, out.token->token_type}));
}

void TokenService::handle_rejected(const service::Peer& peer,
                                   const protocol::RejectedReport& report, Reply& reply) {
    const auto rule = find_rule(peer, Verb::Rejected, report.account, report.resource);
    if (!rule) {
        answer_failure(peer, report.account, report.resource, rule.error(), reply);
        return;
    }
    TokenOwner owner;
    owner.provider = (*rule)->provider;
    owner.grant = (*rule)->grant;
    owner.account = token_account(**rule, report.account);
    owner.resource = report.resource;
    const protocol::RejectedAction action = keeper_.rejected(owner, report.fingerprint);
    LogLine line =
        peer_line(LogLevel::Warning, "token_rejected", peer, report.account, report.resource);
    line.add("fingerprint", report.fingerprint).add("action", name_of(action));
    line.add_if("detail", printable(report.detail, 500));
    log_.write(line);
    reply(encode(action));
}

void TokenService::answer_failure(const service::Peer& peer, const std::string& account,
                                  Resource resource, const AgentFailure& failure,
                                  const Reply& reply) {
    const bool denied = failure.failure_class == FailureClass::Denied;
    ++(denied ? counters_.denied : counters_.failed);
    log_refusal(peer, account, resource, failure);
    reply(encode(failure));
}

bool TokenService::spend(Budget& budget) {
    const BootTime now = clock_.boot();
    if (now - budget.since > kRefusalInterval) {
        if (budget.silent > 0) {
            log_.write(LogLine(LogLevel::Warning, "refusals_not_logged")
                           .add("count", static_cast<std::int64_t>(budget.silent)));
        }
        budget.since = now;
        budget.logged = 0;
        budget.silent = 0;
    }
    if (budget.logged >= budget.lines) {
        ++budget.silent;
        return false;
    }
    ++budget.logged;
    return true;
}

void TokenService::log_refusal(const service::Peer& peer, const std::string& account,
                               Resource resource, const AgentFailure& failure) {
    const bool known = policy_->access.knows_uid(peer.uid, peer.groups);
    if (!spend(known ? known_refusals_ : stranger_refusals_)) {
        return;
    }
    const std::string_view event =
        failure.failure_class == FailureClass::Denied ? "token_denied" : "token_refused";
    LogLine line = peer_line(LogLevel::Warning, event, peer, account, resource);
    line.add("class", name_of(failure.failure_class)).add("code", name_of(failure.code));
    line.add_if("hint", failure.hint).add("message", failure.message);
    log_.write(line);
}

}  // namespace postbearer::agent
