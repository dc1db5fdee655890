// SPDX-License-Identifier: Apache-2.0
// For builds without milter/graph's library, which has this.
#include "milter/graph/graph_client.hh"

namespace postbearer::milter {

std::string_view name_of(SendClass send_class) noexcept {
    return send_class == SendClass::InDoubt ? "in_doubt" : "other";
}

}  // namespace postbearer::milter
