// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace postbearer {

/// What the caller decides on, not what happened in detail.
/// Unavailable and Timeout may be retried, Denied needs a human, Protocol means the peer is wrong.
enum class Errc { Internal, Config, Unavailable, Timeout, Denied, Protocol };

/// `context` is what the operator reads; it never holds a secret.
struct Error {
    Errc code = Errc::Internal;
    std::string context;
};

template <typename T>
using Result = tl::expected<T, Error>;  // std::expected once C++23 is the floor

[[nodiscard]] inline tl::unexpected<Error> failure(Errc code, std::string context) {
    return tl::unexpected<Error>(Error{code, std::move(context)});
}

}  // namespace postbearer
