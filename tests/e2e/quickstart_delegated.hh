// SPDX-License-Identifier: Apache-2.0
#pragma once

// Logins of users against the rehearsal: tests/quickstart --delegated.

namespace postbearer::test {

/// Two logins, by device code and by browser; mail with a user's token; an agent that is killed;
/// a logout. Each command with what it really writes; what a browser would do is done here.
void run_delegated_demo();

/// Starts it all, says what to type and to open, and ends it at Enter or ctrl-C.
void run_by_hand();

}  // namespace postbearer::test
