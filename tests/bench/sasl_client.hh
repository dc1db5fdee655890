// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sasl/sasl.h>

#include <array>
#include <string>
#include <vector>

#include "tests/support/files.hh"

namespace postbearer::bench {

/// libsasl2 as smtp(8) uses it: one sasl_client_init per process, then sessions.
class SaslClient {
public:
    /// `modules` is where libsasl2 looks for plugins.
    explicit SaslClient(const test::Path& modules);
    ~SaslClient();
    SaslClient(const SaslClient&) = delete;
    SaslClient& operator=(const SaslClient&) = delete;
    SaslClient(SaslClient&&) = delete;
    SaslClient& operator=(SaslClient&&) = delete;

    struct Times {
        double start_to_response_us = 0;
        double whole_session_us = 0;  // sasl_client_new and sasl_dispose, too
    };
    /// One session up to the response, which must have at least `least_bytes`.
    Times session(std::size_t least_bytes);

private:
    static int name(void* context, int id, const char** result, unsigned* length);
    static int password(sasl_conn_t* conn, void* context, int id, sasl_secret_t** result);

    std::vector<unsigned char> password_;
    std::array<sasl_callback_t, 4> callbacks_{};
};

/// Makes the working directory one that the plugin takes for Postfix's queue directory, as in
/// smtp(8). Returns where the agent must listen.
[[nodiscard]] test::Path enter_queue_directory(const test::Path& directory);

}  // namespace postbearer::bench
