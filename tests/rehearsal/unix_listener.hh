// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <optional>
#include <string>

namespace postbearer::rehearsal {

using LocalAcceptor = boost::asio::local::stream_protocol::acceptor;
using LocalSocket = boost::asio::local::stream_protocol::socket;

/// Binds `path`, whatever stale socket is there, with `mode`; empty, or why not.
[[nodiscard]] std::string bind_unix(LocalAcceptor& acceptor, const std::string& path,
                                    unsigned mode);
/// Gives the socket to a user of the system; empty, or why not.
[[nodiscard]] std::string give_to(const std::string& path, const std::string& owner);

}  // namespace postbearer::rehearsal
