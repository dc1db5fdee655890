// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <json/value.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/support/files.hh"

namespace postbearer::test {

/// One request as a browser or a script sends it; redirects are not followed.
struct HttpCall {
    std::string url{};
    std::string method = "GET";
    std::string type{};  // of the body; without one it is a form
    std::string body{};  // not with GET
    Path ca_file{};
    Path unix_socket{};  // in place of the URL's host; empty: TCP
    Path cookies{};      // the file they are kept in; empty: none
    std::string bearer{};
    std::string credentials{};  // "ID:SECRET" for HTTP Basic
};

/// An answer as it came, whatever its status.
struct HttpReply {
    long status = 0;
    std::string location{};  // where it redirects to
    std::string body{};
    /// The body, which is JSON; null if there is none.
    [[nodiscard]] Json::Value json() const;
};

/// No answer at all fails the test.
HttpReply http_call(const HttpCall& call);

using FormFields = std::vector<std::pair<std::string, std::string>>;

/// application/x-www-form-urlencoded.
[[nodiscard]] std::string form_of(const FormFields& fields);
/// `text` with what means something in a URL or form encoded (RFC 3986).
[[nodiscard]] std::string percent_encoded(const std::string& text);

}  // namespace postbearer::test
