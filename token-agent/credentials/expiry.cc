// SPDX-License-Identifier: Apache-2.0
#include "token-agent/credentials/expiry.hh"

#include <algorithm>
#include <optional>
#include <utility>

#include "token-agent/credentials/client_proof.hh"
#include "token-agent/credentials/signing_key.hh"

namespace postbearer::agent {
namespace {

using std::chrono::days;

constexpr int kThresholds[] = {1, 7, 14, 30};

std::optional<WallTime> end_of(const ClientCredential& credential) {
    if (credential.key != nullptr && credential.key->certificate()) {
        return credential.key->certificate()->not_after;
    }
    if (credential.secret_expires) {
        return WallTime(*credential.secret_expires);
    }
    return std::nullopt;
}

/// nullopt: not soon.
std::optional<int> threshold_of(WallTime end, WallTime now) {
    if (end <= now) {
        return 0;
    }
    for (const int threshold : kThresholds) {
        if (end - now <= days(threshold)) {
            return threshold;
        }
    }
    return std::nullopt;
}

}  // namespace

std::vector<EndingCredential> ending_credentials(const AgentConfig& config, WallTime now) {
    std::vector<EndingCredential> out;
    for (const ProviderConfig& provider : config.providers) {
        for (std::size_t i = 0; i < provider.credentials.size(); ++i) {
            const auto end = end_of(provider.credentials[i]);
            const auto threshold = end ? threshold_of(*end, now) : std::nullopt;
            if (!threshold) {
                continue;
            }
            std::string what = name_of_credential(provider.credentials, i);
            const bool successor =
                std::any_of(provider.credentials.begin(), provider.credentials.end(),
                            [&end](const ClientCredential& other) {
                                const auto its_end = end_of(other);
                                return !its_end || *its_end > *end;
                            });
            out.push_back({provider.name, what.empty() ? "client_secret" : std::move(what), *end,
                           std::chrono::floor<days>(*end - now).count(), *threshold, successor});
        }
    }
    return out;
}

std::vector<EndingCredential> ExpiryWatch::due(const AgentConfig& config, WallTime now) {
    std::vector<EndingCredential> out;
    std::map<Key, int> told;  // without those that are no longer configured
    for (EndingCredential& ending : ending_credentials(config, now)) {
        const Key key{ending.provider, ending.what, ending.end};
        const auto before = told_.find(key);
        told.emplace(key, ending.threshold);
        if (before == told_.end() || before->second != ending.threshold) {
            out.push_back(std::move(ending));
        }
    }
    told_ = std::move(told);
    return out;
}

}  // namespace postbearer::agent
