// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace postbearer::agent {

/// What handles a token leaves bytes of it in dead stack frames: short pieces of parsers and
/// libraries, which no destructor of ours reaches. Whoever handles one says so ...
void note_secret_trail() noexcept;
/// ... and the loop, at the end of its turn, overwrites the stack below itself. Costs nothing
/// otherwise.
void wipe_secret_trail() noexcept;

}  // namespace postbearer::agent
