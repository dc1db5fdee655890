// SPDX-License-Identifier: Apache-2.0

// A fresh process that loads the plugin and gets a first token: bench-fresh-child ACCOUNT HOST
// LEAST_BYTES, with SASL_PATH in the environment. LEAST_BYTES 0: there is no plugin, it ends after
// sasl_client_init. Written without libstdc++, so that the caller decides (LD_PRELOAD) whether the
// process has it before the plugin comes, as smtp(8) has. Prints
//   init_us first_us objects private_kb

#include <fcntl.h>
#include <sasl/sasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

namespace {

const char* account = "";
char text[256 * 1024];

int name(void* /*context*/, int /*id*/, const char** result, unsigned* length) {
    *result = account;
    if (length != nullptr) {
        *length = static_cast<unsigned>(strlen(account));
    }
    return SASL_OK;
}

double now_us() {
    timespec now{};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

/// The file in `text`, NUL at the end.
void read_whole(const char* path) {
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t held = 0;
    ssize_t got = 0;
    while (held + 1 < sizeof text && (got = read(fd, text + held, sizeof text - 1 - held)) > 0) {
        held += static_cast<size_t>(got);
    }
    text[held] = '\0';
    (void)close(fd);
}

/// Each shared object has one executable mapping.
int shared_objects() {
    read_whole("/proc/self/maps");
    int count = 0;
    for (char* line = strtok(text, "\n"); line != nullptr; line = strtok(nullptr, "\n")) {
        count += strstr(line, "r-xp") != nullptr && strstr(line, ".so") != nullptr ? 1 : 0;
    }
    return count;
}

long private_kb() {
    read_whole("/proc/self/smaps_rollup");
    const char* const keys[] = {"Private_Clean:", "Private_Dirty:"};
    long sum = 0;
    for (const char* key : keys) {
        const char* found = strstr(text, key);
        sum += found != nullptr ? strtol(found + strlen(key), nullptr, 10) : 0;
    }
    return sum;
}

/// Start to response; negative when there is none.
double first_token_us(sasl_conn_t* conn, unsigned least_bytes) {
    const char* output = nullptr;
    const char* mechanism = nullptr;
    unsigned length = 0;
    const double begin = now_us();
    int code = sasl_client_start(conn, "XOAUTH2", nullptr, &output, &length, &mechanism);
    if (code == SASL_CONTINUE && length == 0) {
        code = sasl_client_step(conn, "", 0, nullptr, &output, &length);
    }
    const double end = now_us();
    if (code != SASL_CONTINUE || length < least_bytes) {
        (void)fprintf(stderr, "no response, %d: %s\n", code, sasl_errdetail(conn));
        return -1;
    }
    return end - begin;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        return 2;
    }
    account = argv[1];
    const auto least_bytes = static_cast<unsigned>(strtoul(argv[3], nullptr, 10));
    const auto name_callback = reinterpret_cast<int (*)()>(reinterpret_cast<void*>(&name));
    const sasl_callback_t callbacks[] = {{SASL_CB_USER, name_callback, nullptr},
                                         {SASL_CB_AUTHNAME, name_callback, nullptr},
                                         {SASL_CB_LIST_END, nullptr, nullptr}};
    const double begin = now_us();
    if (sasl_client_init(callbacks) != SASL_OK) {
        return 1;
    }
    const double init = now_us() - begin;
    sasl_conn_t* conn = nullptr;
    if (sasl_client_new("smtp", argv[2], nullptr, nullptr, callbacks, 0, &conn) != SASL_OK) {
        return 1;
    }
    const double first = least_bytes > 0 ? first_token_us(conn, least_bytes) : 0;
    if (first < 0) {
        return 1;
    }
    const long memory = private_kb();  // before shared_objects: reading costs memory, too
    return printf("%.1f %.1f %d %ld\n", init, first, shared_objects(), memory) > 0 ? 0 : 1;
}
