// SPDX-License-Identifier: Apache-2.0
#pragma once

// sendMail on the wire: the request, and what of the answer's headers matters.

#include <memory>
#include <string>
#include <string_view>

#include "common/http/http_client.hh"
#include "common/secret.hh"
#include "milter/graph/base64_source.hh"
#include "milter/graph/graph_client.hh"
#include "milter/graph/graph_fault.hh"

namespace postbearer::milter {

/// A random GUID, version 4 (RFC 9562).
[[nodiscard]] std::string random_guid();

struct SendMailParts {
    std::string mailbox;
    Secret token;
    std::string client_request_id;
    std::shared_ptr<Base64Source> body;
    std::chrono::milliseconds time_for_body{0};  // connecting and sending
    bool fresh_connection = false;
};
[[nodiscard]] http::Request send_mail_request(const GraphSettings& settings, SendMailParts parts);

/// The fault in an answer, its request-id from the header where it has one.
[[nodiscard]] GraphFault fault_in(const http::Response& response);

/// `name` of the wanted headers, printable; may be empty.
[[nodiscard]] std::string header_in(const http::Response& response, const std::string& name);

/// The claims challenge of a WWW-Authenticate header (base64 as it came), empty: none.
[[nodiscard]] std::string claims_in(std::string_view www_authenticate);

/// "graph.microsoft.com" of an endpoint.
[[nodiscard]] std::string graph_host(const std::string& endpoint);

}  // namespace postbearer::milter
