// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>

namespace postbearer::rehearsal {

class Service;

/// HTTP/1.1 without TLS on DIR/control.sock; the owner of DIR alone gets there.
class ControlServer {
public:
    ControlServer(boost::asio::io_context& loop, Service& service);
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;
    ControlServer(ControlServer&&) = delete;
    ControlServer& operator=(ControlServer&&) = delete;
    ~ControlServer();

    /// Empty, or why not.
    [[nodiscard]] std::string listen(const std::string& path);

private:
    class Session;
    struct Parts;
    void accept();

    std::unique_ptr<Parts> parts_;
};

}  // namespace postbearer::rehearsal
