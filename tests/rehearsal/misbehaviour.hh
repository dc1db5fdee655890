// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include "behaviour.hh"
#include "room.hh"

namespace postbearer::rehearsal {

/// Makes the answer a behaviour asks for. `normal` is called at most once, and not at all where
/// the request shall go unserved (so that no token is minted behind a hang or a refusal).
[[nodiscard]] HttpAnswer misbehave(const Behaviours::Taken& behaviour, const HttpRequest& request,
                                   RequestRecord& record, const std::string& base_url,
                                   const std::function<HttpAnswer(const Twists&)>& normal,
                                   WallTime now);

}  // namespace postbearer::rehearsal
