// SPDX-License-Identifier: Apache-2.0
#include "common/service/standard_descriptors.hh"

#include <fcntl.h>
#include <unistd.h>

namespace postbearer::service {

void fill_standard_descriptors() noexcept {
    int fd = 0;
    do {
        // NOLINTNEXTLINE(android-cloexec-open): they are for children too
        fd = ::open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        (void)::close(fd);
    }
}

}  // namespace postbearer::service
