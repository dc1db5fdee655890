// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "common/secret.hh"

namespace postbearer::agent {

/// Percent-encodes all but ASCII letters, digits, '-', '.' and '_': what RFC 3986 and the WHATWG
/// form rules both leave alone, so that every server decodes it back, whichever it follows.
void append_form_encoded(WipedBytes& out, std::string_view value);

/// An application/x-www-form-urlencoded body in memory that is wiped.
class FormBody {
public:
    FormBody& add(std::string_view name, std::string_view value);
    /// Leaves the field out where there is nothing to say: an empty client_secret is an error to
    /// servers (AADSTS700025), not an absent one.
    FormBody& add_if(std::string_view name, std::string_view value);
    [[nodiscard]] Secret finish() &&;

private:
    WipedBytes bytes_;
};

}  // namespace postbearer::agent
