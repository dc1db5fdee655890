// SPDX-License-Identifier: Apache-2.0
#pragma once

// The recipients of one send.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <unordered_map>
#include <vector>

#include "milter/envelope/header_editor.hh"

namespace postbearer::milter {

struct Recipient {
    std::string key;
    std::string written;  // what goes into a header; the domain as A-labels
    bool visible = false;
};

class RecipientSet {
public:
    /// Refused: an address that could not stand in a header without doubt.
    [[nodiscard]] static tl::expected<RecipientSet, HeaderRefusal> make(
        const std::vector<std::string>& addresses);

    /// nullptr: gets no mail from this send.
    [[nodiscard]] Recipient* find(const std::string& key);

    [[nodiscard]] const std::vector<Recipient>& all() const { return recipients_; }

private:
    std::vector<Recipient> recipients_;
    std::unordered_map<std::string, std::size_t> index_;  // of keys
};

}  // namespace postbearer::milter
