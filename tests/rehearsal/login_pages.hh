// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "aadsts.hh"
#include "http_message.hh"

namespace postbearer::rehearsal {

/// The pages a person meets: plain HTML, no script.
struct SignInPage {
    std::string title;
    std::string action;  // where the form goes, with the query as it came
    std::string client_id;
    std::vector<std::string> scopes;
    std::string user;  // filled in
    bool asks_user_code = false;
    std::string user_code;
    std::string notice;
};
/// A form with `user`, `user_code` where it is asked for, and the buttons `decision` =
/// approve|decline.
[[nodiscard]] HttpAnswer sign_in_page(const SignInPage& page);
/// A page that ends here: no redirect, no form.
[[nodiscard]] HttpAnswer message_page(unsigned status, const std::string& title,
                                      const std::string& text);
[[nodiscard]] HttpAnswer error_page(unsigned status, const EntraError& error);

/// 302 to `target` with these parameters behind it, percent-encoded.
[[nodiscard]] HttpAnswer redirect_to(
    const std::string& target, const std::vector<std::pair<std::string, std::string>>& parameters);

/// What a browser's form or a hand-made `curl -d` says: decoded leniently, query and body.
[[nodiscard]] std::map<std::string, std::string> page_parameters(const HttpRequest& request);

}  // namespace postbearer::rehearsal
