// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace postbearer {

/// Makes libcurl and OpenSSL overwrite what they free: their buffers hold answers and requests with
/// tokens in them. C++ allocations of the whole process are overwritten by the operators that stand
/// beside this function (JsonCpp decodes strings into temporaries of its own). Call it first in
/// main(), before either library has allocated anything. Built with a sanitizer it does nothing,
/// because that checks the heap itself.
void wipe_freed_memory() noexcept;

}  // namespace postbearer
