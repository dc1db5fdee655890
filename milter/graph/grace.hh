// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "common/clock.hh"

namespace postbearer::milter {

/// Since when each mailbox has met each error: what is deferred at first is refused once its grace
/// time has passed. Kept in memory; a restart begins anew, in the sender's favour.
class GraceTimes {
public:
    /// Notes the error and says whether it was first seen at least `grace` ago. One that was not
    /// seen for a day begins anew. The first sighting never counts as passed.
    [[nodiscard]] bool has_passed(const std::string& mailbox, std::string_view error,
                                  std::chrono::seconds grace, BootTime now);
    /// A message of this mailbox went out.
    void clear(const std::string& mailbox);
    [[nodiscard]] std::size_t size() const noexcept { return seen_.size(); }

private:
    struct Times {
        BootTime first;
        BootTime last;
    };
    void forget_old(BootTime now);

    std::map<std::pair<std::string, std::string>, Times, std::less<>> seen_;
};

}  // namespace postbearer::milter
