// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace postbearer::rehearsal {

/// A `scope` parameter taken apart (RFC 6749 section 3.3).
struct Scopes {
    std::vector<std::string> identity;     // openid, profile, email, offline_access
    std::vector<std::string> permissions;  // everything else

    [[nodiscard]] bool has_identity(std::string_view name) const;
    /// What stands before the last slash of each permission, each once.
    [[nodiscard]] std::vector<std::string> resources() const;
    [[nodiscard]] std::string text() const;
};

[[nodiscard]] Scopes parse_scopes(std::string_view text);
/// Entra's reading: a permission without a resource is one of Graph's.
[[nodiscard]] Scopes parse_entra_scopes(std::string_view text);

[[nodiscard]] std::string resource_of(std::string_view permission);
/// Names of permissions are compared without regard to case.
[[nodiscard]] bool contains_scope(const std::vector<std::string>& list, std::string_view scope);

}  // namespace postbearer::rehearsal
