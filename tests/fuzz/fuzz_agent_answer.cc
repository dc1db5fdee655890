// SPDX-License-Identifier: Apache-2.0

// Whatever answers on agent.sock: it decodes to a token that cannot break out of its message, or
// to a failure that fits a log line.

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "common/agent_messages.hh"
#include "common/agent_protocol.hh"
#include "common/bearer_message.hh"
#include "common/text.hh"

namespace {

using postbearer::BearerServer;
using postbearer::view;
namespace protocol = postbearer::protocol;

/// Reading in two parts must find the same end as reading at once.
void check_framing(std::string_view text) {
    const auto whole = protocol::message_length(text);
    for (const std::size_t cut : {text.size() / 3, text.size() / 2, text.size()}) {
        if (!protocol::message_length(text.substr(0, cut))) {
            assert(protocol::message_length(text, cut) == whole);
        }
    }
}

void check_message(std::string_view message, std::string_view token, long separators) {
    assert(std::count(message.begin(), message.end(), '\x01') == separators);
    assert(message.ends_with("\x01\x01"));
    message.remove_suffix(2);
    assert(message.ends_with(token));
    assert(message.find('\n') == std::string_view::npos);
}

void check_grant(const protocol::TokenGrant& grant) {
    const std::string_view token = grant.token.reveal();
    assert(!token.empty());
    if (const auto message = postbearer::xoauth2_message(grant.user, grant.token)) {
        check_message(view(*message), token, 3);
    } else {
        assert(grant.user.empty());
    }
    if (const auto message =
            postbearer::oauthbearer_message(grant.user, {"host.test", 587}, grant.token)) {
        check_message(view(*message), token, 5);
    }
    // What we encode, we decode to the same.
    const postbearer::Secret encoded = protocol::encode(protocol::TokenGrantView{
        token, grant.user, grant.expires_at, grant.fingerprint, grant.token_type});
    const protocol::TokenAnswer again = protocol::decode_token_answer(encoded.reveal());
    assert(again && again->token.reveal() == token && again->user == grant.user);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(static_cast<const char*>(static_cast<const void*>(data)), size);
    check_framing(text);
    const protocol::TokenAnswer answer = protocol::decode_token_answer(text);
    if (answer) {
        check_grant(*answer);
    } else {
        const protocol::AgentFailure& failure = answer.error();
        assert(failure.message.size() <= protocol::kMaxSentenceBytes);
        assert(postbearer::is_plain_utf8(failure.message));
        assert(postbearer::is_plain_utf8(failure.hint));
    }
    return 0;
}
