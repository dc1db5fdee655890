// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent/store/disk_faults.hh"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/kdf.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <exception>

#include "tests/support/failure.hh"

namespace {

std::atomic<int> sync_count{0};
std::atomic<bool> no_keys{false};
int write_error = 0;
int open_error = 0;

ssize_t failing_write(int /*fd*/, const void* /*data*/, size_t /*size*/) {
    errno = write_error;
    return -1;
}

ssize_t failing_pwrite(int /*fd*/, const void* /*data*/, size_t /*size*/, off_t /*offset*/) {
    errno = write_error;
    return -1;
}

ssize_t failing_pread(int /*fd*/, void* /*data*/, size_t /*size*/, off_t /*offset*/) {
    errno = write_error;
    return -1;
}

int reads_left = 0;
bool read_garbage = false;

ssize_t single_pread(int fd, void* data, size_t size, off_t offset) {
    const bool chosen = --reads_left == 0;
    if (chosen && !read_garbage) {
        errno = EIO;
        return -1;
    }
    const ssize_t got = ::pread(fd, data, size, offset);
    if (chosen && got > 0) {
        (void)::memset(data, 0x7f, static_cast<size_t>(got));
    }
    return got;
}

int failing_open(const char* path, int flags, int mode) {
    if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) != 0) {
        errno = open_error;
        return -1;
    }
    return ::open(path, flags, mode);
}

int writes_left = 0;
bool kill_before = false;

ssize_t deadly_pwrite(int fd, const void* data, size_t size, off_t offset) {
    const bool last = --writes_left == 0;
    if (last && kill_before) {
        (void)::kill(::getpid(), SIGKILL);
    }
    const ssize_t written = ::pwrite(fd, data, size, offset);
    if (last) {
        (void)::kill(::getpid(), SIGKILL);
    }
    return written;
}

template <typename Function>
void replace(const char* name, Function* function) {
    sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
    const auto code = vfs->xSetSystemCall(
        vfs, name, reinterpret_cast<sqlite3_syscall_ptr>(reinterpret_cast<void*>(function)));
    if (code != SQLITE_OK && code != SQLITE_NOTFOUND) {
        postbearer::test::fail("cannot replace a system call of SQLite");
    }
}

void restore() {
    sqlite3_vfs* vfs = sqlite3_vfs_find(nullptr);
    (void)vfs->xSetSystemCall(vfs, nullptr, nullptr);  // all of them back
}

}  // namespace

// The C library's, for every library of this program.
extern "C" int fsync(int /*fd*/) {
    ++sync_count;
    return 0;
}
extern "C" int fdatasync(int /*fd*/) {
    ++sync_count;
    return 0;
}

// OpenSSL's, for our own calls.
extern "C" EVP_KDF* EVP_KDF_fetch(OSSL_LIB_CTX* context, const char* name, const char* properties) {
    using Fetch = EVP_KDF*(OSSL_LIB_CTX*, const char*, const char*);
    if (no_keys) {
        return nullptr;
    }
    auto* const real = reinterpret_cast<Fetch*>(::dlsym(RTLD_NEXT, "EVP_KDF_fetch"));
    return real == nullptr ? nullptr : real(context, name, properties);
}

namespace postbearer::test {

KeyFault::KeyFault() noexcept { no_keys = true; }

KeyFault::~KeyFault() { no_keys = false; }

int syncs() noexcept { return sync_count; }

DiskFault::DiskFault(Fault fault) {
    write_error = fault == Fault::Full ? ENOSPC : fault == Fault::ReadOnly ? EROFS : EIO;
    replace("write", failing_write);
    replace("pwrite", failing_pwrite);
    replace("pwrite64", failing_pwrite);
    if (fault == Fault::ReadOnly) {
        open_error = EROFS;
        replace("open", failing_open);
    }
    if (fault == Fault::Broken) {
        replace("pread", failing_pread);
        replace("pread64", failing_pread);
    }
}

bool killed_at_write(int writes, const std::function<void()>& work) {
    const pid_t child = ::fork();
    if (child < 0) {
        fail_errno("fork");
    }
    if (child == 0) {
        kill_before = writes % 2 == 0;
        writes_left = writes / 2 + 1;
        replace("pwrite", deadly_pwrite);
        replace("pwrite64", deadly_pwrite);
        try {
            work();
        } catch (const std::exception& error) {
            (void)::fprintf(stderr, "in the child: %s\n", error.what());
            ::_exit(1);
        }
        ::_exit(0);
    }
    int status = 0;
    if (::waitpid(child, &status, 0) != child) {
        fail_errno("waitpid");
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        return true;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail("the child has failed");
    }
    return false;
}

DiskFault::~DiskFault() { restore(); }

ReadFault::ReadFault(int reads, Harm harm) {
    reads_left = reads;
    read_garbage = harm == Harm::Garbage;
    replace("pread", single_pread);
    replace("pread64", single_pread);
}

ReadFault::~ReadFault() { restore(); }

bool ReadFault::met() noexcept { return reads_left <= 0; }

}  // namespace postbearer::test
