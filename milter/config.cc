// SPDX-License-Identifier: Apache-2.0
#include "milter/config.hh"

namespace postbearer::milter {

std::string_view name_of(Action action) noexcept {
    switch (action) {
        case Action::Graph:
            return "graph";
        case Action::Relay:
            return "relay";
        case Action::Reject:
            return "reject";
        case Action::Discard:
            return "discard";
    }
    return "relay";
}

}  // namespace postbearer::milter
