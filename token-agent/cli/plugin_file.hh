// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a SASL client plugin would register, read from its file. Nothing of it is run: a plugin of
// others has no business in the process of an admin at the command line.

#include <string>
#include <string_view>
#include <vector>

namespace postbearer::cli {

/// What libsasl2 compares where two plugins offer one mechanism.
struct MechanismRank {
    unsigned max_ssf = 0;
    unsigned security_flags = 0;
    unsigned features = 0;
};

struct OfferedMechanism {
    std::string name;                  // XOAUTH2 or OAUTHBEARER
    std::vector<MechanismRank> ranks;  // as found in its tables; empty: made when it is loaded
};

/// `bytes` is a whole file. Empty where it is no plugin for SASL clients of this machine's kind, or
/// offers neither mechanism.
[[nodiscard]] std::vector<OfferedMechanism> offered_mechanisms(std::string_view bytes);

/// The order of libsasl2's mech_compare(): 1 `a` is taken, -1 `b`, 0 the order of loading decides.
[[nodiscard]] int compare_ranks(const MechanismRank& a, const MechanismRank& b) noexcept;

}  // namespace postbearer::cli
