// SPDX-License-Identifier: Apache-2.0
// What comes to the loopback redirect of a login, and the addresses that say what to expect. The
// first line may be a redirect_uri; what follows is a request.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "common/text.hh"
#include "token-agent/cli/redirect_request.hh"

namespace {

using namespace postbearer;
using namespace postbearer::cli;

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

void judge(std::string_view bytes, const ExpectedRedirect& expected) {
    const auto length = request_head_length(bytes);
    require(!length || *length <= bytes.size());
    const std::string_view head = bytes.substr(0, length.value_or(bytes.size()));
    const RequestVerdict verdict = judge_request(head, expected);
    if (verdict.status != 200) {
        require(verdict.status >= 400 && verdict.status <= 505 && verdict.query.empty());
        return;
    }
    // What is taken is a part of the request, has this login's state once, and was meant for us.
    require(verdict.query.data() >= head.data() &&
            verdict.query.data() + verdict.query.size() <= head.data() + head.size());
    require(!verdict.query.empty() && is_plain_utf8(verdict.query));
    require(!expected.state.empty() &&
            query_parameter(verdict.query, "state") == std::string_view(expected.state));
    require(ascii_lower(head).find(expected.authority) != std::string::npos);
    require(head.starts_with("GET " + expected.path + "?"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view input(reinterpret_cast<const char*>(data), size);
    judge(input, {"localhost:4321", "/", "s1"});
    judge(input, {"127.0.0.1:8400", "/callback", ""});

    const std::size_t end = input.find('\n');
    const auto uri = parse_redirect_uri(input.substr(0, end));
    if (!uri) {
        require(is_plain_utf8(uri.error().context));
        return 0;
    }
    require(uri->host == "localhost" || uri->host == "127.0.0.1");
    const auto again = parse_redirect_uri(uri->with_port(4321));
    require(again && again->port == 4321 && again->path == uri->path);
    if (end != std::string_view::npos) {
        const std::string_view rest = input.substr(end + 1);
        for (const auto& expected : {expect_redirect(*uri, 4321, "https://login.example/?state=s1"),
                                     expect_redirect(*uri, 80, rest)}) {
            if (expected) {
                judge(rest, *expected);
            }
        }
    }
    return 0;
}
