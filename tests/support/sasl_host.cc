// SPDX-License-Identifier: Apache-2.0
#include "tests/support/sasl_host.hh"

#include <stdarg.h>
#include <string.h>

#include <cstdio>

namespace postbearer::test {
namespace {

template <typename Function>
sasl_callback_ft generic(Function* function) {
    return reinterpret_cast<sasl_callback_ft>(reinterpret_cast<void*>(function));
}

SaslHost::Offer give(SaslHost::Offer offer, bool present) {
    return present ? offer : SaslHost::Offer::None;
}

}  // namespace

SaslHost::SaslHost() {
    utils_.version = SASL_UTILS_VERSION;
    utils_.conn = static_cast<sasl_conn_t*>(static_cast<void*>(this));
    utils_.getcallback = getcallback;
    utils_.seterror = seterror;
}

sasl_client_params_t& SaslHost::params() {
    params_.service = service.c_str();
    params_.servicelen = static_cast<unsigned>(service.size());
    params_.serverFQDN = server.c_str();
    params_.slen = static_cast<unsigned>(server.size());
    params_.ipremoteport = remote_address.empty() ? nullptr : remote_address.c_str();
    params_.utils = &utils_;
    params_.canon_user = canon_user;
    return params_;
}

std::string SaslHost::said() const {
    std::string all;
    for (const std::string& sentence : sentences) {
        all += sentence + "\n";
    }
    return all;
}

void SaslHost::seterror(sasl_conn_t* conn, unsigned flags, const char* format, ...) {
    char text[4096];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if ((flags & SASL_NOLOG) == 0) {
        from(conn).sentences.emplace_back(text);
    }
}

int SaslHost::getcallback(sasl_conn_t* conn, unsigned long id, sasl_callback_ft* function,
                          void** context) {
    SaslHost& host = from(conn);
    *function = nullptr;
    *context = conn;
    Offer offer = Offer::None;
    if (id == SASL_CB_AUTHNAME) {
        offer = host.name_offer;
        *function = generic(simple);
    } else if (id == SASL_CB_USER) {
        offer = give(Offer::Function, host.acting_as.has_value());
        *function = generic(simple);
    } else if (id == SASL_CB_PASS) {
        offer = host.password_offer;
        *function = generic(secret);
    }
    if (offer != Offer::Function) {
        *function = nullptr;
    }
    return offer == Offer::None ? SASL_FAIL : offer == Offer::Prompt ? SASL_INTERACT : SASL_OK;
}

int SaslHost::simple(void* context, int id, const char** result, unsigned* length) {
    const SaslHost& host = from(context);
    const auto& value = id == SASL_CB_USER ? host.acting_as : host.name;
    *result = value ? value->c_str() : nullptr;
    if (length != nullptr) {
        *length = value ? static_cast<unsigned>(value->size()) : 0;
    }
    return SASL_OK;
}

int SaslHost::secret(sasl_conn_t* /*conn*/, void* context, int /*id*/, sasl_secret_t** result) {
    SaslHost& host = from(context);
    ++host.password_calls;
    if (!host.password) {
        return SASL_FAIL;
    }
    host.secret_memory_.assign(sizeof(sasl_secret_t) + host.password->size() + 1, 0);
    auto* const made = static_cast<sasl_secret_t*>(static_cast<void*>(host.secret_memory_.data()));
    made->len = host.password->size();
    memcpy(host.secret_memory_.data() + offsetof(sasl_secret_t, data), host.password->data(),
           host.password->size());
    *result = made;
    return SASL_OK;
}

int SaslHost::canon_user(sasl_conn_t* conn, const char* in, unsigned length, unsigned flags,
                         sasl_out_params_t* out) {
    SaslHost& host = from(conn);
    if (host.canon_result != SASL_OK) {
        return host.canon_result;
    }
    const std::string name = length != 0 ? std::string(in, length) : std::string(in);
    if ((flags & SASL_CU_AUTHID) != 0) {
        host.canonical_name_ = name;
        out->authid = host.canonical_name_.c_str();
        out->alen = static_cast<unsigned>(name.size());
    }
    if ((flags & SASL_CU_AUTHZID) != 0) {
        host.canonical_user_ = name;
        out->user = host.canonical_user_.c_str();
        out->ulen = static_cast<unsigned>(name.size());
    }
    return SASL_OK;
}

}  // namespace postbearer::test
