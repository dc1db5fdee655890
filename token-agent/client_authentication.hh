// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "common/http/http_client.hh"
#include "token-agent/config.hh"
#include "token-agent/form.hh"

namespace postbearer::agent {

/// The provider's credentials in the order of the configuration; empty: a public client.
[[nodiscard]] std::vector<ClientCredential> credentials_of(const ProviderConfig& provider);

/// For messages: "client_secret 1 of 2". Empty for a single client_secret, which needs no name.
[[nodiscard]] std::string name_of_credential(const std::vector<ClientCredential>& credentials,
                                             std::size_t index);

/// Puts client_id and secret where the provider wants them (RFC 6749 section 2.3.1): into the form,
/// or into an Authorization header with both form-encoded first. Without a credential the client
/// sends its id only.
void authenticate_client(const ProviderConfig& provider, const ClientCredential* credential,
                         FormBody& form, http::Request& request);

/// Headers for every token request. Microsoft gets an id to find the request by, and the word that
/// we understand 429 (what its own libraries send).
[[nodiscard]] std::vector<std::string> token_request_headers(const ProviderConfig& provider);

/// RFC 9562 version 4.
[[nodiscard]] std::string random_guid();

}  // namespace postbearer::agent
