// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two halves of an addr-spec.

#include <optional>
#include <string>
#include <string_view>

namespace postbearer::milter {

struct AddressParts {
    std::string_view local;   // as written, with its quotes
    std::string_view domain;  // with the brackets of a literal
};

/// Longer addresses could not stand on a line of 998 bytes.
inline constexpr std::size_t kMaxAddressBytes = 900;

/// nullopt: no addr-spec (RFC 5321 4.1.2, RFC 6531).
[[nodiscard]] std::optional<AddressParts> split_address(std::string_view addr_spec);

/// `local` without quotes and escapes.
[[nodiscard]] std::string unquoted(std::string_view local);

/// Letters, digits and the marks of RFC 5322 atext, and what is not ASCII.
[[nodiscard]] bool is_atext(char byte) noexcept;

/// Atoms with single dots between them.
[[nodiscard]] bool is_dot_atom(std::string_view text) noexcept;

[[nodiscard]] bool is_ascii(std::string_view text) noexcept;

/// '@' or one of its full-width and small forms, which best-fit conversions turn into it.
[[nodiscard]] bool has_at(std::string_view text) noexcept;

/// Full-width and small forms of ASCII characters.
[[nodiscard]] bool has_ascii_forms(std::string_view text) noexcept;

/// A-labels in lower case; a name that IDNA refuses stays as it is, in lower case.
[[nodiscard]] std::string domain_key(std::string_view domain);

/// What is not ASCII, or says it is A-labels, can be turned into A-labels.
[[nodiscard]] bool is_sound_domain(std::string_view domain);

/// As written, but without needless quotes and escapes, and a domain that is not ASCII as
/// domain_key() says.
[[nodiscard]] std::string written_address(const AddressParts& parts);

/// Every implementation of IDNA reads this domain the same way: it is sound ASCII, or it is the
/// U-label of its A-label and has no character that IDNA 2003 maps elsewhere (sharp s, final
/// sigma).
[[nodiscard]] bool reads_one_way(std::string_view domain);

}  // namespace postbearer::milter
