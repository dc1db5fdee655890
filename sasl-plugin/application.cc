// SPDX-License-Identifier: Apache-2.0
#include "sasl-plugin/application.hh"

#include <limits>

#include "common/text.hh"
#include "sasl-plugin/agent_link.hh"

namespace postbearer::sasl {
namespace {

struct Callback {
    int code = SASL_FAIL;
    sasl_callback_ft function = nullptr;
    void* context = nullptr;
};

Callback callback(const sasl_utils_t& utils, unsigned long id) {
    Callback found;
    found.code = utils.getcallback(utils.conn, id, &found.function, &found.context);
    return found;
}

/// libsasl2 hands all callbacks out as int(*)(void); saslplug.h says to cast them back.
template <typename Function>
Function* as(sasl_callback_ft function) noexcept {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the API's own way
    return reinterpret_cast<Function*>(reinterpret_cast<void*>(function));
}

}  // namespace

NameAnswer call_for_name(const sasl_utils_t& utils, unsigned long id) {
    const Callback found = callback(utils, id);
    if (found.code != SASL_OK || found.function == nullptr) {
        return {found.code == SASL_OK ? SASL_INTERACT : found.code, {}};
    }
    const char* name = nullptr;
    unsigned length = 0;
    const int code =
        as<sasl_getsimple_t>(found.function)(found.context, static_cast<int>(id), &name, &length);
    if (code != SASL_OK) {
        return {code, {}};
    }
    if (name == nullptr) {
        return {SASL_OK, {}};
    }
    // Postfix and others leave the length alone; the name ends with its NUL.
    return {SASL_OK, length != 0 ? std::string(name, length) : std::string(name)};
}

std::string password_naming_socket(const sasl_utils_t& utils) {
    const Callback found = callback(utils, SASL_CB_PASS);
    if (found.code != SASL_OK || found.function == nullptr) {
        return {};
    }
    sasl_secret_t* secret = nullptr;
    const int code =
        as<sasl_getsecret_t>(found.function)(utils.conn, found.context, SASL_CB_PASS, &secret);
    if (code != SASL_OK || secret == nullptr) {
        return {};
    }
    // The memory stays the application's. A real password is not copied.
    const char* const bytes = static_cast<const char*>(static_cast<const void*>(secret->data));
    const std::string_view password(bytes, secret->len);
    return password.starts_with(kSocketPrefix) ? std::string(password) : std::string();
}

std::optional<protocol::Resource> resource_of_service(std::string_view service) {
    struct Row {
        std::string_view service;
        protocol::Resource resource;
    };
    constexpr Row kRows[] = {
        {"smtp", protocol::Resource::Smtp},  {"submission", protocol::Resource::Smtp},
        {"lmtp", protocol::Resource::Smtp},  {"imap", protocol::Resource::Imap},
        {"imaps", protocol::Resource::Imap}, {"pop", protocol::Resource::Pop},
        {"pop3", protocol::Resource::Pop},   {"pop3s", protocol::Resource::Pop},
    };
    const std::string wanted = ascii_lower(service);
    for (const Row& row : kRows) {
        if (row.service == wanted) {
            return row.resource;
        }
    }
    return std::nullopt;
}

std::optional<std::uint16_t> port_of(const char* address) noexcept {
    const std::string_view text = text_of(address);
    const std::size_t semicolon = text.rfind(';');
    if (semicolon == std::string_view::npos) {
        return std::nullopt;
    }
    const auto port = parse_decimal(text.substr(semicolon + 1));
    if (!port || *port == 0 || *port > std::numeric_limits<std::uint16_t>::max()) {
        return std::nullopt;
    }
    return static_cast<std::uint16_t>(*port);
}

void say(const sasl_utils_t& utils, const std::string& sentence) {
    utils.seterror(utils.conn, 0, "%s", sentence.c_str());
}

}  // namespace postbearer::sasl
