// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/sasl_client.hh"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>

#include "tests/bench/rig.hh"
#include "tests/support/failure.hh"

namespace postbearer::bench {
namespace {

using Clock = std::chrono::steady_clock;

/// libsasl2 takes every callback as int(*)(void).
template <typename Function>
int (*generic(Function* function))() {
    return reinterpret_cast<int (*)()>(reinterpret_cast<void*>(function));
}

double microseconds(Clock::duration time) {
    return std::chrono::duration<double, std::micro>(time).count();
}

}  // namespace

SaslClient::SaslClient(const test::Path& modules) {
    // As in smtp_sasl_password_maps: a user, and a password that names no socket.
    constexpr const char* kPassword = "unused";
    password_.resize(sizeof(sasl_secret_t) + strlen(kPassword) + 1);
    auto* const secret = static_cast<sasl_secret_t*>(static_cast<void*>(password_.data()));
    secret->len = strlen(kPassword);
    memcpy(password_.data() + offsetof(sasl_secret_t, data), kPassword, strlen(kPassword));
    callbacks_ = {{{SASL_CB_USER, generic(name), nullptr},
                   {SASL_CB_AUTHNAME, generic(name), nullptr},
                   {SASL_CB_PASS, generic(password), this},
                   {SASL_CB_LIST_END, nullptr, nullptr}}};
    (void)::setenv("SASL_PATH", modules.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    if (::sasl_client_init(callbacks_.data()) != SASL_OK) {
        test::fail("sasl_client_init");
    }
}

SaslClient::~SaslClient() { ::sasl_done(); }

int SaslClient::name(void* /*context*/, int /*id*/, const char** result, unsigned* length) {
    *result = kAccount;
    if (length != nullptr) {
        *length = static_cast<unsigned>(strlen(kAccount));
    }
    return SASL_OK;
}

int SaslClient::password(sasl_conn_t* /*conn*/, void* context, int /*id*/, sasl_secret_t** result) {
    auto* const self = static_cast<SaslClient*>(context);
    *result = static_cast<sasl_secret_t*>(static_cast<void*>(self->password_.data()));
    return SASL_OK;
}

SaslClient::Times SaslClient::session(std::size_t least_bytes) {
    const Clock::time_point begin = Clock::now();
    sasl_conn_t* conn = nullptr;
    if (::sasl_client_new("smtp", kHost, nullptr, nullptr, callbacks_.data(), 0, &conn) !=
        SASL_OK) {
        test::fail("sasl_client_new");
    }
    sasl_security_properties_t properties{};
    properties.max_ssf = 1;
    properties.security_flags = SASL_SEC_NOANONYMOUS;
    (void)::sasl_setprop(conn, SASL_SEC_PROPS, &properties);
    const char* output = nullptr;
    unsigned length = 0;
    const char* mechanism = nullptr;
    const Clock::time_point start = Clock::now();
    int code = ::sasl_client_start(conn, "XOAUTH2", nullptr, &output, &length, &mechanism);
    // SASL_FEAT_SERVER_FIRST: the response comes with the step on the server's empty challenge.
    if (code == SASL_CONTINUE && length == 0) {
        code = ::sasl_client_step(conn, "", 0, nullptr, &output, &length);
    }
    const Clock::time_point response = Clock::now();
    if (code != SASL_CONTINUE || length < least_bytes) {
        test::fail("no response, " + std::to_string(code) + ": " + ::sasl_errdetail(conn));
    }
    ::sasl_dispose(&conn);
    const Clock::time_point end = Clock::now();
    return {microseconds(response - start), microseconds(end - begin)};
}

test::Path enter_queue_directory(const test::Path& directory) {
    test::write_file(directory / "pid/master.pid", "1\n");
    if (::chdir(directory.c_str()) != 0) {
        test::fail_errno("cannot enter " + directory.string());
    }
    test::Path socket = directory / "run/postbearer/agent.sock";
    if (std::filesystem::exists("/run/postbearer/agent.sock")) {
        // An agent of this host would be asked first.
        (void)::setenv("POSTBEARER_SOCKET", socket.c_str(), 1);  // NOLINT(concurrency-mt-unsafe)
    }
    return socket;
}

}  // namespace postbearer::bench
