// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include "client_registry.hh"
#include "control_answer.hh"
#include "managed_identity.hh"

namespace postbearer::rehearsal {

/// `PUT /imds` and `PUT /arc`: who this machine is. Each replaces what was there.
[[nodiscard]] ControlAnswer put_imds(const Json::Value& json, ManagedIdentities& state,
                                     ClientRegistry& clients);
[[nodiscard]] ControlAnswer put_arc(const Json::Value& json, ManagedIdentities& state,
                                    ClientRegistry& clients);

}  // namespace postbearer::rehearsal
