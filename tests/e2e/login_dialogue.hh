// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "tests/support/process.hh"

namespace postbearer::test {

/// postbearer login, as somebody at a terminal sees it.
class LoginDialogue {
public:
    /// `words` follow the verb. One at a time in a directory: its files are in there.
    LoginDialogue(const Path& directory, const std::vector<std::string>& words,
                  const Path& configuration);

    /// The first part in parentheses of what it has said by then (ECMAScript).
    std::string says(const std::string& expression);
    void type(const std::string& line) { keys_ << line << "\n" << std::flush; }
    ExitStatus end();
    [[nodiscard]] std::string said() const;

private:
    Path output_;
    Path keys_path_;
    std::fstream keys_;
    Process process_;
};

}  // namespace postbearer::test
