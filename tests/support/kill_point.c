// SPDX-License-Identifier: Apache-2.0
//
// LD_PRELOAD for the crash tests: ends the agent by SIGKILL at one exact call, before it, in the
// middle of its bytes, or right after it. It acts only in the program that is named; in all others
// (and without KILL_POINT and KILL_TRACE) each call goes through untouched.
//
//   KILL_POINT_COMM=NAME   the program's file name; default postbearer-agent
//   KILL_TRIGGER=FILE      calls count from when FILE exists; unset: from the start
//   KILL_POINT=CALL[:PART]:N[:before|half|after]
//                          the N-th counted call (from 1) of that class whose object has PART in
//                          its name; default before. half: half of the bytes are written first.
//   KILL_TRACE=FILE        appends "CALL OBJECT BYTES NANOSECONDS" for each counted call, so that a
//                          test can learn how many points there are and how long they take (the
//                          monotonic clock, before the call); the last line is where it died
//
// CALL                what                                          OBJECT
//   pwrite, write     pwrite(2), write(2) to anything but sockets   the file's path
//   sync              fsync(2), fdatasync(2)                        the file's path
//   truncate          ftruncate(2)                                  the file's path
//   unlink, rename    unlink(2), rename(2)                          the (old) path
//   ssl_write         SSL_write(3), SSL_write_ex(3)                 "tls"
//   ssl_read          SSL_read(3), SSL_read_ex(3) that got bytes; always after     "tls"
//   send, recv        on sockets, write(2) too; recv that got bytes, always after  the path of
//                     the Unix socket, "unix" if it has none, or "inet"
//   disk              any of pwrite, write, sync, truncate, unlink, rename
#undef _FILE_OFFSET_BITS  // it would make one name of ftruncate and ftruncate64
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { kNameSize = 512 };

typedef enum { kBefore, kHalf, kAfter } Moment;

static int active;  // whether this is the program
static const char* trigger;
static int trace_fd = -1;
static char wanted_call[32];
static char wanted_part[256];
static long wanted_number;
static Moment wanted_moment;
static atomic_long seen;
static atomic_int triggered;

#define NEXT(name)                                           \
    static __typeof__(&name) next;                           \
    if (next == NULL) {                                      \
        next = (__typeof__(&name))(dlsym(RTLD_NEXT, #name)); \
    }

static void die(void) {
    for (;;) {
        (void)syscall(SYS_kill, getpid(), SIGKILL);
    }
}

static void refuse(const char* text) {
    (void)fprintf(stderr, "KILL_POINT is wrong: %s\n", text);
    _exit(99);
}

/// "CALL[:PART]:N[:MOMENT]"; nonsense ends the program, or a test would pass for nothing.
static void parse_point(const char* text) {
    char copy[512];
    (void)snprintf(copy, sizeof copy, "%s", text);
    char* fields[4] = {NULL};
    int count = 0;
    char* rest = copy;
    while (rest != NULL && count < 4) {
        fields[count++] = strsep(&rest, ":");
    }
    int number = 1;
    if (count > 1 && strspn(fields[1], "0123456789") != strlen(fields[1])) {
        (void)snprintf(wanted_part, sizeof wanted_part, "%s", fields[1]);
        number = 2;
    }
    if (count <= number || rest != NULL) {
        refuse(text);
    }
    (void)snprintf(wanted_call, sizeof wanted_call, "%s", fields[0]);
    wanted_number = strtol(fields[number], NULL, 10);
    const char* moment = count > number + 1 ? fields[number + 1] : "before";
    wanted_moment = strcmp(moment, "half") == 0    ? kHalf
                    : strcmp(moment, "after") == 0 ? kAfter
                                                   : kBefore;
    if (wanted_number <= 0 || (wanted_moment == kBefore && strcmp(moment, "before") != 0)) {
        refuse(text);
    }
}

__attribute__((constructor)) static void begin(void) {
    const char* name = getenv("KILL_POINT_COMM");
    const char* point = getenv("KILL_POINT");
    const char* trace = getenv("KILL_TRACE");
    if (strcmp(program_invocation_short_name, name == NULL ? "postbearer-agent" : name) != 0 ||
        (point == NULL && trace == NULL)) {
        return;
    }
    if (point != NULL) {
        parse_point(point);
    }
    if (trace != NULL) {
        // High, so that nobody who looks at low numbers meets it.
        const int fd = open(trace, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        trace_fd = fcntl(fd, F_DUPFD_CLOEXEC, 500);
        (void)syscall(SYS_close, fd);
    }
    trigger = getenv("KILL_TRIGGER");
    active = 1;
}

static int counting(void) {
    if (!active) {
        return 0;
    }
    if (trigger == NULL || atomic_load(&triggered)) {
        return 1;
    }
    if (syscall(SYS_faccessat, AT_FDCWD, trigger, F_OK) != 0) {
        return 0;
    }
    atomic_store(&triggered, 1);
    return 1;
}

static int is_disk(const char* call) {
    static const char* const kDisk[] = {"pwrite", "write", "sync", "truncate", "unlink", "rename"};
    for (size_t i = 0; i < sizeof kDisk / sizeof kDisk[0]; ++i) {
        if (strcmp(call, kDisk[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

/// Counts the call. True: it is the one. errno stays.
static int is_the_one(const char* call, const char* object, size_t bytes) {
    const int saved = errno;
    if (trace_fd >= 0) {
        struct timespec now;
        (void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
        char line[kNameSize + 96];
        const int length =
            snprintf(line, sizeof line, "%s %s %zu %lld%09ld\n", call,
                     object[0] == '\0' ? "-" : object, bytes, (long long)(now.tv_sec), now.tv_nsec);
        (void)syscall(SYS_write, trace_fd, line, (size_t)(length));
    }
    errno = saved;
    if (wanted_number == 0 ||
        (strcmp(wanted_call, call) != 0 && !(strcmp(wanted_call, "disk") == 0 && is_disk(call))) ||
        strstr(object, wanted_part) == NULL) {
        return 0;
    }
    return atomic_fetch_add(&seen, 1) + 1 == wanted_number;
}

static void path_of(int fd, char* name) {
    char link[64];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, name, kNameSize - 1);
    name[length < 0 ? 0 : length] = '\0';
}

/// False: no socket.
static int socket_name(int fd, char* name) {
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr*)(&address), &size) != 0) {
        return 0;
    }
    if (address.ss_family != AF_UNIX) {
        (void)snprintf(name, kNameSize, "inet");
        return 1;
    }
    const struct sockaddr_un* local = (const struct sockaddr_un*)(&address);
    const size_t begins = offsetof(struct sockaddr_un, sun_path);
    const int length = size > begins ? (int)(size - begins) : 0;
    (void)snprintf(name, kNameSize, "%.*s", length, local->sun_path);
    if (name[0] == '\0') {
        (void)snprintf(name, kNameSize, "unix");
    }
    return 1;
}

/// Whether `fd` takes part at all, its class and its name. errno stays.
static const char* class_of_write(int fd, char* name) {
    const int saved = errno;
    const char* call = "send";
    if (!socket_name(fd, name)) {
        path_of(fd, name);
        call = "write";
    }
    errno = saved;
    return call;
}

/// What is to be done at a call that writes `size` bytes: dies now (before), or shortens it.
static size_t bytes_until_death(int the_one, size_t size) {
    if (the_one && wanted_moment == kBefore) {
        die();
    }
    return the_one && wanted_moment == kHalf ? size / 2 : size;
}

ssize_t write(int fd, const void* data, size_t size) {
    NEXT(write)
    if (!counting()) {
        return next(fd, data, size);
    }
    char name[kNameSize];
    const char* call = class_of_write(fd, name);
    const int the_one = is_the_one(call, name, size);
    const ssize_t written = next(fd, data, bytes_until_death(the_one, size));
    if (the_one) {
        die();
    }
    return written;
}

ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) {
    NEXT(pwrite64)
    if (!counting()) {
        return next(fd, data, size, offset);
    }
    char name[kNameSize];
    path_of(fd, name);
    const int the_one = is_the_one("pwrite", name, size);
    const ssize_t written = next(fd, data, bytes_until_death(the_one, size), offset);
    if (the_one) {
        die();
    }
    return written;
}

ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
    return pwrite64(fd, data, size, offset);
}

/// What a call without bytes has in common: counted, and dead before or after it.
static int starts(const char* call, const char* object) {
    const int the_one = is_the_one(call, object, 0);
    if (the_one && wanted_moment != kAfter) {
        die();
    }
    return the_one;
}

static void ends(int the_one) {
    if (the_one) {
        die();
    }
}

#define ON_A_FILE(name, call, parameters, arguments) \
    int name parameters {                            \
        NEXT(name)                                   \
        if (!counting()) {                           \
            return next arguments;                   \
        }                                            \
        char path[kNameSize];                        \
        path_of(fd, path);                           \
        const int the_one = starts(call, path);      \
        const int result = next arguments;           \
        ends(the_one);                               \
        return result;                               \
    }

ON_A_FILE(fsync, "sync", (int fd), (fd))
ON_A_FILE(fdatasync, "sync", (int fd), (fd))
ON_A_FILE(ftruncate, "truncate", (int fd, off_t size), (fd, size))
ON_A_FILE(ftruncate64, "truncate", (int fd, off64_t size), (fd, size))

int unlink(const char* path) {
    NEXT(unlink)
    const int the_one = counting() && starts("unlink", path);
    const int result = next(path);
    ends(the_one);
    return result;
}

int rename(const char* from, const char* to) {
    NEXT(rename)
    const int the_one = counting() && starts("rename", from);
    const int result = next(from, to);
    ends(the_one);
    return result;
}

ssize_t sendto(int fd, const void* data, size_t size, int flags, const struct sockaddr* to,
               socklen_t to_size) {
    NEXT(sendto)
    if (!counting()) {
        return next(fd, data, size, flags, to, to_size);
    }
    char name[kNameSize];
    (void)class_of_write(fd, name);
    const int the_one = is_the_one("send", name, size);
    const ssize_t sent = next(fd, data, bytes_until_death(the_one, size), flags, to, to_size);
    ends(the_one);
    return sent;
}

ssize_t send(int fd, const void* data, size_t size, int flags) {
    return sendto(fd, data, size, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr* message, int flags) {
    NEXT(sendmsg)
    if (!counting()) {
        return next(fd, message, flags);
    }
    size_t size = 0;
    for (size_t i = 0; i < message->msg_iovlen; ++i) {
        size += message->msg_iov[i].iov_len;
    }
    char name[kNameSize];
    (void)class_of_write(fd, name);
    const int the_one = is_the_one("send", name, size);
    struct msghdr shorter = *message;
    struct iovec first;
    if (bytes_until_death(the_one, size) < size && message->msg_iovlen > 0) {
        first = message->msg_iov[0];  // half of its first part
        first.iov_len /= 2;
        shorter.msg_iov = &first;
        shorter.msg_iovlen = 1;
    }
    const ssize_t sent = next(fd, &shorter, flags);
    ends(the_one);
    return sent;
}

/// A call that got `size` bytes, after which the program may not see them.
static void got(const char* call, const char* object, ssize_t size) {
    if (size > 0 && counting()) {
        ends(is_the_one(call, object, (size_t)(size)));
    }
}

ssize_t recv(int fd, void* data, size_t size, int flags) {
    NEXT(recv)
    const ssize_t result = next(fd, data, size, flags);
    if (result > 0 && counting()) {
        char name[kNameSize];
        (void)class_of_write(fd, name);
        got("recv", name, result);
    }
    return result;
}

ssize_t recvmsg(int fd, struct msghdr* message, int flags) {
    NEXT(recvmsg)
    const ssize_t result = next(fd, message, flags);
    if (result > 0 && counting()) {
        char name[kNameSize];
        (void)class_of_write(fd, name);
        got("recv", name, result);
    }
    return result;
}

// libssl's own, whose headers a shim need not have.
int SSL_write(void* ssl, const void* data, int size);
int SSL_write_ex(void* ssl, const void* data, size_t size, size_t* written);
int SSL_read(void* ssl, void* data, int size);
int SSL_read_ex(void* ssl, void* data, size_t size, size_t* got_bytes);

int SSL_write(void* ssl, const void* data, int size) {
    NEXT(SSL_write)
    if (!counting()) {
        return next(ssl, data, size);
    }
    const int the_one = is_the_one("ssl_write", "tls", (size_t)(size));
    const int written = next(ssl, data, (int)(bytes_until_death(the_one, (size_t)(size))));
    ends(the_one);
    return written;
}

int SSL_write_ex(void* ssl, const void* data, size_t size, size_t* written) {
    NEXT(SSL_write_ex)
    if (!counting()) {
        return next(ssl, data, size, written);
    }
    const int the_one = is_the_one("ssl_write", "tls", size);
    const int result = next(ssl, data, bytes_until_death(the_one, size), written);
    ends(the_one);
    return result;
}

int SSL_read(void* ssl, void* data, int size) {
    NEXT(SSL_read)
    const int result = next(ssl, data, size);
    got("ssl_read", "tls", result);
    return result;
}

int SSL_read_ex(void* ssl, void* data, size_t size, size_t* got_bytes) {
    NEXT(SSL_read_ex)
    const int result = next(ssl, data, size, got_bytes);
    got("ssl_read", "tls", result == 1 ? (ssize_t)(*got_bytes) : 0);
    return result;
}
