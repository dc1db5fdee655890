// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/http/http_client.hh"
#include "token-agent/config.hh"
#include "token-agent/credentials/client_proof.hh"
#include "token-agent/form.hh"

namespace postbearer::agent {

/// Puts client_id and proof where the provider wants them: a secret into the form, or into an
/// Authorization header with both form-encoded first (RFC 6749 section 2.3.1); an assertion into
/// the form (RFC 7523 section 2.2). Without a proof the client sends its id only.
void authenticate_client(const ProviderConfig& provider, const ClientProof* proof, FormBody& form,
                         http::Request& request);

/// Headers for every token request. Microsoft gets an id to find the request by, and the word that
/// we understand 429 (what its own libraries send).
[[nodiscard]] std::vector<std::string> token_request_headers(const ProviderConfig& provider);

/// RFC 9562 version 4.
[[nodiscard]] std::string random_guid();

}  // namespace postbearer::agent
