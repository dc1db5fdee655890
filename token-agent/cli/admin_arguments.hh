// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "common/secret.hh"

namespace postbearer::cli {

/// The argument document of an admin request that holds a secret: JSON in memory that is wiped.
class AdminArguments {
public:
    AdminArguments& add(std::string_view name, std::string_view value);
    /// Not an overload: a string literal would rather become a bool than a string_view.
    AdminArguments& add_flag(std::string_view name, bool value);
    /// `json` is one document already, such as a state that the agent gave us.
    AdminArguments& add_document(std::string_view name, std::string_view json);
    [[nodiscard]] Secret finish() &&;

private:
    void begin_member(std::string_view name);
    void append_string(std::string_view text);

    WipedBytes bytes_{'{'};
};

}  // namespace postbearer::cli
