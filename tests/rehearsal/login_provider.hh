// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace postbearer::rehearsal {

/// In what the issuers differ when a person signs in; made anew for each request.
struct LoginProvider {
    std::string realm;         // entra, oidc, google
    std::string issuer;        // of the tokens made for this request
    std::string tenant;        // as in the path; "oidc" and "google" have one of that name
    std::string device_page;   // verification_uri
    std::string token_prefix;  // of refresh tokens
    std::string code_prefix;   // of authorization codes
    bool entra = false;        // scopes with resources, AADSTS numbers, session_state
    bool google = false;       // offline by access_type, no rotation
    bool pkce_needed = true;
};

}  // namespace postbearer::rehearsal
