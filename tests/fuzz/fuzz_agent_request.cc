// SPDX-License-Identifier: Apache-2.0

// What any local user may send to agent.sock: framing finds the same messages however the bytes are
// cut, and whatever decodes is within the contract's bounds.

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/agent_messages.hh"
#include "common/agent_protocol.hh"
#include "common/text.hh"

namespace {

using postbearer::Secret;
namespace protocol = postbearer::protocol;

/// The lengths of all messages in `text`, read in pieces of `step` bytes as Session does.
std::vector<std::size_t> message_lengths(std::string_view text, std::size_t step) {
    std::vector<std::size_t> lengths;
    std::size_t begin = 0;
    std::size_t scanned = 0;
    for (std::size_t end = 0; end < text.size();) {
        end = std::min(end + step, text.size());
        for (;;) {
            const std::string_view held = text.substr(begin, end - begin);
            const auto length = protocol::message_length(held, scanned);
            if (!length) {
                scanned = held.size();
                break;
            }
            assert(*length > 0 && *length <= held.size());
            lengths.push_back(*length);
            begin += *length;
            scanned = 0;
        }
    }
    return lengths;
}

void check_attributes(std::string_view block) {
    const auto attributes = protocol::Attributes::parse(block);
    if (!attributes) {
        assert(!attributes.error().context.empty());
        return;
    }
    protocol::MessageWriter writer;
    for (const protocol::Attribute& attribute : attributes->all()) {
        assert(!attribute.name.empty() && attribute.name.size() <= protocol::kMaxNameBytes);
        assert(postbearer::is_plain_utf8(attribute.value));
        const auto found = attributes->find(attribute.name);
        assert(found && found->data() == attribute.value.data());  // each name stands once
        writer.add(attribute.name, attribute.value);
    }
    // What was taken apart goes together again.
    assert(std::move(writer).finish().reveal() == block);
}

Secret encoded(const protocol::Request& request) {
    return std::visit([](const auto& each) { return protocol::encode(each); }, request);
}

void check_request(std::string_view block) {
    const auto request = protocol::decode_request(block);
    if (!request) {
        assert(request.error().failure_class == protocol::FailureClass::BadRequest);
        assert(request.error().message.size() <= protocol::kMaxSentenceBytes);
        const Secret answer = protocol::encode(request.error());
        assert(protocol::message_length(answer.reveal()) == answer.size());
        return;
    }
    if (const auto* token = std::get_if<protocol::TokenRequest>(&*request)) {
        assert(!token->account.empty());
        assert(!token->wait || (token->wait->count() >= 0 && *token->wait <= protocol::kMaxWait));
        assert(!token->min_valid || token->min_valid->count() >= 0);
    } else if (const auto* report = std::get_if<protocol::RejectedReport>(&*request)) {
        assert(report->fingerprint.size() == 8);
    }
    const Secret once = encoded(*request);
    const auto again = protocol::decode_request(once.reveal());
    assert(again && encoded(*again).reveal() == once.reveal());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(static_cast<const char*>(static_cast<const void*>(data)), size);
    const std::vector<std::size_t> lengths = message_lengths(text, text.size() + 1);
    for (const std::size_t step : {std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
        assert(message_lengths(text, step) == lengths);
    }
    std::string_view rest = text;
    for (const std::size_t length : lengths) {
        check_attributes(rest.substr(0, length));
        check_request(rest.substr(0, length));
        rest.remove_prefix(length);
    }
    check_attributes(text);
    check_request(text);
    return 0;
}
