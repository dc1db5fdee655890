// SPDX-License-Identifier: Apache-2.0

// A SASL client plugin of somebody else, in several builds: OTHER_MECHANISM, OTHER_SSF,
// OTHER_FLAGS, and OTHER_LATE where the table is made when the plugin is loaded. It never answers:
// who starts its mechanism gets SASL_UNAVAIL, which nobody else returns there.

#include <sasl/sasl.h>
#include <sasl/saslplug.h>

namespace {

int start(void* /*context*/, sasl_client_params_t* /*params*/, void** /*conn_context*/) {
    return SASL_UNAVAIL;
}

int step(void* /*context*/, sasl_client_params_t* /*params*/, const char* /*challenge*/,
         unsigned /*bytes*/, sasl_interact_t** /*prompts*/, const char** /*output*/,
         unsigned* /*output_bytes*/, sasl_out_params_t* /*out*/) {
    return SASL_FAIL;
}

#ifdef OTHER_LATE
const char* volatile names[] = {OTHER_MECHANISM};
sasl_client_plug_t table;
#else
sasl_client_plug_t table = {OTHER_MECHANISM, OTHER_SSF, OTHER_FLAGS, 0,       nullptr,
                            nullptr,         start,     step,        nullptr, nullptr,
                            nullptr,         nullptr,   nullptr};
#endif

}  // namespace

extern "C" __attribute__((visibility("default"))) int sasl_client_plug_init(
    const sasl_utils_t* /*utils*/, int /*max_version*/, int* out_version,
    sasl_client_plug_t** plug_list, int* plug_count) {
#ifdef OTHER_LATE
    table.mech_name = names[0];
    table.max_ssf = OTHER_SSF;
    table.security_flags = OTHER_FLAGS;
    table.mech_new = start;
    table.mech_step = step;
#endif
    *out_version = SASL_CLIENT_PLUG_VERSION;
    *plug_list = &table;
    *plug_count = 1;
    return SASL_OK;
}
