// SPDX-License-Identifier: Apache-2.0
//
// LD_PRELOAD before libfaketime: timerfd_settime(2) as the kernel has it. libfaketime 0.9.10 moves
// every absolute time by the offset of the wall clock, also of clocks that it does not fake.
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

int timerfd_settime(int fd, int flags, const struct itimerspec* value, struct itimerspec* old) {
    return (int)(syscall(SYS_timerfd_settime, fd, flags, value, old));
}
