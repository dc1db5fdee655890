// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace postbearer::test {

/// A made-up application and libsasl2 in one, for calls straight into the plugin.
class SaslHost {
public:
    /// How a callback is offered; None: the application has not registered it.
    enum class Offer { Function, Prompt, None };

    SaslHost();
    ~SaslHost() = default;
    SaslHost(const SaslHost&) = delete;
    SaslHost& operator=(const SaslHost&) = delete;
    SaslHost(SaslHost&&) = delete;
    SaslHost& operator=(SaslHost&&) = delete;

    Offer name_offer = Offer::Function;
    Offer password_offer = Offer::Function;
    std::optional<std::string> name = "alice@example.test";
    std::optional<std::string> acting_as;  // nullopt: SASL_CB_USER is not registered
    std::optional<std::string> password;
    std::string service = "smtp";
    std::string server = "smtp.example.test";
    std::string remote_address;
    int canon_result = SASL_OK;

    std::vector<std::string> sentences;  // through seterror
    int password_calls = 0;

    [[nodiscard]] const sasl_utils_t* utils() const noexcept { return &utils_; }
    [[nodiscard]] sasl_client_params_t& params();
    [[nodiscard]] sasl_out_params_t& out_params() noexcept { return out_; }
    [[nodiscard]] const std::string& canonical_name() const noexcept { return canonical_name_; }
    [[nodiscard]] const std::string& canonical_user() const noexcept { return canonical_user_; }
    /// All sentences in one text.
    [[nodiscard]] std::string said() const;

    static void seterror(sasl_conn_t* conn, unsigned flags, const char* format, ...)
        __attribute__((format(printf, 3, 4)));

private:
    static int getcallback(sasl_conn_t* conn, unsigned long id, sasl_callback_ft* function,
                           void** context);
    static int simple(void* context, int id, const char** result, unsigned* length);
    static int secret(sasl_conn_t* conn, void* context, int id, sasl_secret_t** result);
    static int canon_user(sasl_conn_t* conn, const char* in, unsigned length, unsigned flags,
                          sasl_out_params_t* out);
    static SaslHost& from(void* pointer) { return *static_cast<SaslHost*>(pointer); }

    sasl_utils_t utils_{};
    sasl_client_params_t params_{};
    sasl_out_params_t out_{};
    std::string canonical_name_;
    std::string canonical_user_;
    std::vector<unsigned char> secret_memory_;
};

}  // namespace postbearer::test
