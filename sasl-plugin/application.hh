// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the application that loaded us says through its SASL callbacks, and what we tell it.

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/agent_messages.hh"

namespace postbearer::sasl {

/// SASL_OK with a name, SASL_INTERACT if only a prompt can tell it, else a SASL error.
struct NameAnswer {
    int code = SASL_FAIL;
    std::string name;
};

/// Calls the callback `id` (SASL_CB_AUTHNAME or SASL_CB_USER) if the application gave a function.
[[nodiscard]] NameAnswer call_for_name(const sasl_utils_t& utils, unsigned long id);

/// The password, if it names a socket ("unix:..."); else empty. Never causes a prompt of SASL's: an
/// application without a callback function is not asked.
[[nodiscard]] std::string password_naming_socket(const sasl_utils_t& utils);

/// smtp, submission, lmtp; imap, imaps; pop, pop3, pop3s.
[[nodiscard]] std::optional<protocol::Resource> resource_of_service(std::string_view service);

/// The port behind the ';' of a SASL address such as "192.0.2.1;587".
[[nodiscard]] std::optional<std::uint16_t> port_of(const char* address) noexcept;

/// A pointer from libsasl2 as a view; null is empty.
[[nodiscard]] inline std::string_view text_of(const char* text) noexcept {
    return text == nullptr ? std::string_view() : std::string_view(text);
}

/// Flags 0: Postfix logs it as "warning: SASL authentication failure: SENTENCE".
void say(const sasl_utils_t& utils, const std::string& sentence);

}  // namespace postbearer::sasl
