// SPDX-License-Identifier: Apache-2.0

// The C ABI of the plugin. libsasl2 calls:
//
//   entry point            when              state of a smtp(8) process
//   sasl_client_plug_init  sasl_client_init  root, before the chroot, in the queue directory
//   new_client             sasl_client_start postfix, perhaps in the chroot
//   step                   sasl_client_step  the same; may wait 10 s for the agent
//   dispose                sasl_dispose      the same
//   free_mechanism         sasl_client_done  the same; Postfix never calls it
//
// One connection belongs to one thread; several threads may have a connection each.

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include <memory>
#include <new>
#include <utility>

#include "sasl-plugin/agent_link.hh"
#include "sasl-plugin/client.hh"
#include "sasl-plugin/test_seams.hh"

namespace {

using postbearer::sasl::AgentLink;
using postbearer::sasl::at_entry;
using postbearer::sasl::Client;
using postbearer::sasl::Limits;
using postbearer::sasl::limits;
using postbearer::sasl::Mechanism;

/// What conn_context points to.
struct Session {
    Session(Mechanism mechanism, const Limits& session_limits)
        : link(session_limits), client(mechanism, session_limits, link) {}
    AgentLink link;
    Client client;
};

/// No exception may leave: it would end smtp(8) and with it the whole transport.
template <typename Body>
int sasl_boundary(const sasl_utils_t& utils, Body&& body) noexcept {
    try {
        return std::forward<Body>(body)();
    } catch (const std::bad_alloc&) {
        return SASL_NOMEM;
    } catch (...) {
        // Not SASL_NOLOG: it should be seen in Postfix's log.
        utils.seterror(utils.conn, 0, "internal error in libpostbearer");
        return SASL_FAIL;
    }
}

template <typename Body>
void silent_boundary(Body&& body) noexcept {
    try {
        std::forward<Body>(body)();
    } catch (...) {
        // libsasl2 takes no answer here, and what is left is freed with the process
        return;
    }
}

constinit Mechanism xoauth2 = Mechanism::Xoauth2;
constinit Mechanism oauthbearer = Mechanism::Oauthbearer;
/// The password is read if the application has one at hand, never required.
constinit const unsigned long kRequiredPrompts[] = {SASL_CB_AUTHNAME, SASL_CB_LIST_END};

extern "C" {

int new_client(void* glob_context, sasl_client_params_t* params, void** conn_context) noexcept {
    if (glob_context == nullptr || params == nullptr || params->utils == nullptr ||
        conn_context == nullptr) {
        return SASL_BADPARAM;
    }
    return sasl_boundary(*params->utils, [&] {
        at_entry("new_client");
        const Mechanism mechanism = *static_cast<const Mechanism*>(glob_context);
        *conn_context = std::make_unique<Session>(mechanism, limits()).release();
        return SASL_OK;
    });
}

int step(void* conn_context, sasl_client_params_t* params, const char* challenge,
         unsigned challenge_bytes, sasl_interact_t** prompts, const char** output,
         unsigned* output_bytes, sasl_out_params_t* out_params) noexcept {
    if (conn_context == nullptr || params == nullptr || params->utils == nullptr ||
        output == nullptr || output_bytes == nullptr || out_params == nullptr ||
        (challenge == nullptr && challenge_bytes != 0)) {
        return SASL_BADPARAM;
    }
    // A client that looks at the output of a failed step finds an empty one.
    *output = "";
    *output_bytes = 0;
    return sasl_boundary(*params->utils, [&] {
        at_entry("step");
        std::string_view bytes;
        const int code =
            static_cast<Session*>(conn_context)
                ->client.step(*params, {challenge, challenge_bytes}, prompts, bytes, *out_params);
        if (!bytes.empty()) {
            *output = bytes.data();
            *output_bytes = static_cast<unsigned>(bytes.size());
        }
        return code;
    });
}

void dispose(void* conn_context, const sasl_utils_t* /*utils*/) noexcept {
    const std::unique_ptr<Session> session(static_cast<Session*>(conn_context));
    silent_boundary([] { at_entry("dispose"); });
}

void free_mechanism(void* /*glob_context*/, const sasl_utils_t* /*utils*/) noexcept {
    silent_boundary([] {
        at_entry("free_mechanism");
        AgentLink::drop_kept_connection();
    });
}

}  // extern "C"

constexpr sasl_client_plug_t plug(const char* name, Mechanism& mechanism) {
    sasl_client_plug_t entry{};
    entry.mech_name = name;
    entry.max_ssf = 0;
    // Not NOPLAINTEXT: under Postfix's default options the token must not leave without TLS.
    entry.security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS;
    // Else clients put the token into the AUTH command line, which Postfix quotes in logs and
    // bounces, and mbsync on the terminal, when the server answers out of turn.
    entry.features = SASL_FEAT_SERVER_FIRST;
    entry.required_prompts = kRequiredPrompts;
    entry.glob_context = &mechanism;
    entry.mech_new = new_client;
    entry.mech_step = step;
    entry.mech_dispose = dispose;
    entry.mech_free = free_mechanism;
    return entry;
}

constinit sasl_client_plug_t plugs[] = {plug("XOAUTH2", xoauth2), plug("OAUTHBEARER", oauthbearer)};

}  // namespace

extern "C" [[gnu::visibility("default")]] int sasl_client_plug_init(const sasl_utils_t* utils,
                                                                    int max_version,
                                                                    int* out_version,
                                                                    sasl_client_plug_t** plug_list,
                                                                    int* plug_count) noexcept {
    if (utils == nullptr || out_version == nullptr || plug_list == nullptr ||
        plug_count == nullptr) {
        return SASL_BADPARAM;
    }
    return sasl_boundary(*utils, [&] {
        at_entry("sasl_client_plug_init");
        if (max_version < SASL_CLIENT_PLUG_VERSION) {
            utils->seterror(utils->conn, 0, "this libsasl2 is too old for libpostbearer");
            return SASL_BADVERS;
        }
        *out_version = SASL_CLIENT_PLUG_VERSION;
        *plug_list = std::data(plugs);
        *plug_count = static_cast<int>(std::size(plugs));
        return SASL_OK;
    });
}
