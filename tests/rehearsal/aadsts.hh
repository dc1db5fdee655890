// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "http_message.hh"

namespace postbearer::rehearsal {

/// An error of Entra's token service. Numbers, names and texts follow Microsoft's error code
/// reference; unknown numbers become invalid_request.
struct EntraError {
    std::int64_t code = 0;    // the n of AADSTSn
    unsigned status = 400;    // HTTP
    std::string error;        // RFC 6749 section 5.2 name
    std::string description;  // one or more sentences, without the AADSTSn prefix
    std::string suberror;     // empty: left out
    std::string claims;       // empty: left out
};

/// `subject` fills the one placeholder most texts have (a parameter, client, tenant or scope).
[[nodiscard]] EntraError entra_error(std::int64_t code, const std::string& subject);

/// error, error_description with trace, correlation and timestamp lines, error_codes, ...
[[nodiscard]] HttpAnswer entra_error_answer(const EntraError& error, const HttpRequest& request,
                                            const std::string& error_uri_base, WallTime now);

/// A 200 or an error document with the headers Entra sends around it.
[[nodiscard]] HttpAnswer entra_json(unsigned status, std::string body, const HttpRequest& request);

}  // namespace postbearer::rehearsal
