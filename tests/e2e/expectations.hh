// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "tests/support/chain.hh"

namespace postbearer::test {

/// The line that Postfix writes for a sentence of the plugin.
[[nodiscard]] std::string sasl_warning(const std::string& sentence);

/// "Jun 1 ... QUEUEID: to=<..>, ... status=deferred (...)": how long the session took to set up,
/// TLS and SASL included (the third of delays=a/b/c/d).
[[nodiscard]] std::chrono::milliseconds session_setup(const std::string& line);

/// Fails unless each of "PREFIX 1" ... "PREFIX COUNT" is there exactly once and nothing else is.
void check_each_once(const Mailboxes& mailboxes, const std::string& recipient,
                     const std::string& prefix, std::size_t count);

/// No token came to the judge. (After a plugin's refusal Postfix says QUIT where the server waits
/// for base64: that attempt is in the judge's records, without any token.)
void check_no_token_came(const Rehearsal& rehearsal);

/// The agent's failure sentences and our own must never bring smtp(8) down.
void check_no_crash(const LogWatch& log);

}  // namespace postbearer::test
