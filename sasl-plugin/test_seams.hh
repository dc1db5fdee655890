// SPDX-License-Identifier: Apache-2.0
#pragma once

// Where unit tests reach into the entry points. Compiled into the tests' own build of the plugin
// only; in the installed one both functions are constants and nothing of this is left.

#include "sasl-plugin/agent_link.hh"

namespace postbearer::sasl {

#ifdef POSTBEARER_TEST_SEAMS
struct TestSeams {
    void (*at_entry)(const char* entry_point) = nullptr;  // may throw
    Limits limits;
};
TestSeams& test_seams() noexcept;

inline void at_entry(const char* entry_point) {
    if (test_seams().at_entry != nullptr) {
        test_seams().at_entry(entry_point);
    }
}
inline const Limits& limits() noexcept { return test_seams().limits; }
#else
inline void at_entry(const char* /*entry_point*/) noexcept {}
inline Limits limits() noexcept { return {}; }
#endif

}  // namespace postbearer::sasl
