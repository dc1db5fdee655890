// SPDX-License-Identifier: Apache-2.0

// Whatever a server says: the plugin's state machine answers with what the mechanism allows, never
// repeats the token, and says only what fits a log line. The input is the mechanism (lowest bit of
// the first byte) and the challenges, each ended by byte 0xFF.

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/text.hh"
#include "sasl-plugin/client.hh"
#include "tests/support/sasl_host.hh"

namespace {

using postbearer::BootTime;
using postbearer::Result;
using postbearer::sasl::Agent;
using postbearer::sasl::Client;
using postbearer::sasl::Limits;
using postbearer::sasl::Mechanism;
using postbearer::test::SaslHost;
namespace protocol = postbearer::protocol;

constexpr std::string_view kToken = "eyJ0eXAi.c2VjcmV0.c2ln";

class GivingAgent final : public Agent {
public:
    std::vector<protocol::RejectedReport> reports;

    Result<protocol::TokenAnswer> token(const std::vector<std::string>& /*sockets*/,
                                        protocol::TokenRequest request,
                                        BootTime /*deadline*/) override {
        protocol::TokenGrant grant;
        grant.token = postbearer::Secret(kToken);
        grant.user = request.account;
        grant.fingerprint = "9f1c22ab";
        return protocol::TokenAnswer(std::move(grant));
    }
    void report_rejected(const std::vector<std::string>& /*sockets*/,
                         const protocol::RejectedReport& report, BootTime /*deadline*/) override {
        reports.push_back(report);
    }
};

struct Dialogue {
    SaslHost host;
    GivingAgent agent;
    Mechanism mechanism;
    Client client;
    int refusals = 0;

    explicit Dialogue(bool oauthbearer)
        : mechanism(oauthbearer ? Mechanism::Oauthbearer : Mechanism::Xoauth2),
          client(mechanism, Limits{}, agent) {}

    void step(std::string_view challenge, bool first) {
        std::string_view output;
        const int code = client.step(host.params(), challenge, nullptr, output, host.out_params());
        assert(host.out_params().doneflag == 0);
        if (first) {
            assert(code == SASL_CONTINUE && output.find(kToken) != std::string_view::npos);
            return;
        }
        assert(output.find(kToken) == std::string_view::npos);
        if (challenge.empty()) {
            assert(code == SASL_OK && output.empty());
            return;
        }
        ++refusals;
        assert(code == (refusals == 1 ? SASL_OK : SASL_BADPROT));
        const bool separator = refusals == 1 && mechanism == Mechanism::Oauthbearer;
        assert(output == (separator ? "\x01" : ""));
    }
};

void check_words(const Dialogue& dialogue) {
    assert(dialogue.host.sentences.size() == static_cast<std::size_t>(dialogue.refusals));
    for (const std::string& sentence : dialogue.host.sentences) {
        assert(postbearer::is_plain_utf8(sentence) && sentence.size() < 800);
        assert(sentence.find(kToken) == std::string::npos);
    }
    assert(dialogue.agent.reports.size() == (dialogue.refusals > 0 ? 1U : 0U));
    for (const protocol::RejectedReport& report : dialogue.agent.reports) {
        const postbearer::Secret request = protocol::encode(report);
        assert(request.size() <= protocol::kMaxRequestBytes);
        assert(protocol::decode_request(request.reveal()).has_value());
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    std::string_view rest(static_cast<const char*>(static_cast<const void*>(data)), size);
    Dialogue dialogue((rest.front() & 1) != 0);
    rest.remove_prefix(1);
    for (bool first = true; !rest.empty(); first = false) {
        const std::size_t end = rest.find('\xFF');
        dialogue.step(rest.substr(0, end), first);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    check_words(dialogue);
    return 0;
}
