// SPDX-License-Identifier: Apache-2.0
#include "login_pages.hh"

#include "graph_route.hh"

namespace postbearer::rehearsal {
namespace {

std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                out += c;
        }
    }
    return out;
}

std::string percent_encoded(const std::string& text) {
    std::string out;
    for (const char c : text) {
        const bool bare = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') ||
                          std::string_view("-._~").find(c) != std::string_view::npos;
        out += bare ? std::string(1, c) : "%" + hex(std::string(1, c));
    }
    return out;
}

HttpAnswer html(unsigned status, const std::string& title, const std::string& body) {
    HttpAnswer answer;
    answer.status = status;
    answer.body = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>" +
                  escaped(title) + "</title></head>\n<body><h1>" + escaped(title) + "</h1>\n" +
                  body + "</body></html>\n";
    answer.headers = {{"Content-Type", "text/html; charset=utf-8"},
                      {"Cache-Control", "no-store"},
                      {"Referrer-Policy", "no-referrer"}};
    return answer;
}

std::string field(const char* name, const char* label, const std::string& value) {
    return std::string("<p><label>") + label + " <input name=\"" + name + "\" value=\"" +
           escaped(value) + "\" required></label></p>\n";
}

}  // namespace

HttpAnswer sign_in_page(const SignInPage& page) {
    std::string body;
    if (!page.notice.empty()) {
        body += "<p><strong>" + escaped(page.notice) + "</strong></p>\n";
    }
    if (!page.client_id.empty()) {
        body += "<p>The application <b>" + escaped(page.client_id) + "</b> asks for:</p>\n<ul>\n";
        for (const std::string& scope : page.scopes) {
            body += "<li>" + escaped(scope) + "</li>\n";
        }
        body += "</ul>\n";
    }
    body += "<form method=\"post\" action=\"" + escaped(page.action) + "\">\n";
    if (page.asks_user_code) {
        body += field("user_code", "Code shown by the device", page.user_code);
    }
    body += field("user", "Sign in as", page.user) +
            "<p><button name=\"decision\" value=\"approve\">Accept</button>\n"
            "<button name=\"decision\" value=\"decline\">Cancel</button></p>\n</form>\n";
    return html(200, page.title, body);
}

HttpAnswer message_page(unsigned status, const std::string& title, const std::string& text) {
    return html(status, title, "<p>" + escaped(text) + "</p>\n");
}

HttpAnswer error_page(unsigned status, const EntraError& error) {
    return message_page(status, "Sorry, but we're having trouble signing you in",
                        "AADSTS" + std::to_string(error.code) + ": " + error.description);
}

HttpAnswer redirect_to(const std::string& target,
                       const std::vector<std::pair<std::string, std::string>>& parameters) {
    std::string location = target;
    char separator = target.find('?') == std::string::npos ? '?' : '&';
    for (const auto& [name, value] : parameters) {
        location += separator + name + "=" + percent_encoded(value);
        separator = '&';
    }
    HttpAnswer answer;
    answer.status = 302;
    answer.headers = {{"Location", location}, {"Cache-Control", "no-store"}};
    return answer;
}

std::map<std::string, std::string> page_parameters(const HttpRequest& request) {
    std::map<std::string, std::string> parameters = query_parameters(request.query);
    if (request.media_type() == "application/x-www-form-urlencoded") {
        for (auto& [name, value] : query_parameters(request.body)) {
            parameters[name] = value;
        }
    }
    return parameters;
}

}  // namespace postbearer::rehearsal
