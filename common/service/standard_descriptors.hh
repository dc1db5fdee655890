// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace postbearer::service {

/// Started with 0, 1 or 2 closed, a later socket would take that number, and a client our log
/// lines: /dev/null takes them instead.
void fill_standard_descriptors() noexcept;

}  // namespace postbearer::service
