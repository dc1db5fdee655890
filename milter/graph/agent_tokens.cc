// SPDX-License-Identifier: Apache-2.0
#include "milter/graph/agent_tokens.hh"

#include <algorithm>
#include <utility>

#include "common/text.hh"

namespace postbearer::milter {
namespace {

using protocol::FailureClass;
using protocol::FailureCode;

constexpr std::chrono::milliseconds kDeadline{10'000};
constexpr std::chrono::milliseconds kWait{8'000};

}  // namespace

AgentTokens::AgentTokens(boost::asio::io_context& loop, std::string socket_path, std::string host,
                         const Clock& clock, Scheduler& scheduler)
    : loop_(loop),
      path_(std::move(socket_path)),
      host_(std::move(host)),
      clock_(clock),
      scheduler_(scheduler) {}

AgentTokens::~AgentTokens() {
    for (const auto& link : links_) {
        link->close();
    }
}

AgentLink& AgentTokens::least_busy() {
    const auto least = std::min_element(
        links_.begin(), links_.end(),
        [](const auto& a, const auto& b) { return a->outstanding() < b->outstanding(); });
    const bool none_idle = least == links_.end() || (*least)->outstanding() != 0;
    if (none_idle && links_.size() < kMaxLinks) {
        links_.push_back(std::make_shared<AgentLink>(loop_, path_, clock_, scheduler_));
        return *links_.back();
    }
    return **least;
}

protocol::TokenAnswer AgentTokens::unreachable(const std::string& mailbox,
                                               const std::string& why) const {
    protocol::AgentFailure failed;
    failed.failure_class = FailureClass::Transient;
    failed.code = FailureCode::Timeout;
    failed.message = printable("no token for " + mailbox + " from the agent at " + path_ + " (" +
                                   why + "); is postbearer-agent running?",
                               protocol::kMaxSentenceBytes);
    return tl::unexpected(std::move(failed));
}

void AgentTokens::ask(const std::string& mailbox, Done done) {
    protocol::TokenRequest request;
    request.account = mailbox;
    request.resource = protocol::Resource::Graph;
    request.host = host_;
    request.wait = kWait;
    least_busy().ask(encode(request), clock_.boot() + kDeadline,
                     [this, mailbox, done = std::move(done)](Result<std::string_view> block) {
                         if (!block) {
                             done(unreachable(mailbox, block.error().context));
                             return;
                         }
                         done(protocol::decode_token_answer(*block));
                     });
}

void AgentTokens::rejected(const std::string& mailbox, const std::string& fingerprint,
                           const std::string& detail, const std::string& claims,
                           std::function<void()> done) {
    protocol::RejectedReport report;
    report.account = mailbox;
    report.resource = protocol::Resource::Graph;
    report.fingerprint = fingerprint;
    report.detail = printable(detail, protocol::kMaxSentenceBytes);
    report.claims = claims;
    least_busy().ask(
        encode(report), clock_.boot() + kDeadline,
        [done = std::move(done)](const Result<std::string_view>& /*answer*/) { done(); });
}

}  // namespace postbearer::milter
