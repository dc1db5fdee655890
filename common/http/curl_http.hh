// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "common/http/http_client.hh"

namespace boost::asio {
class io_context;
}

namespace postbearer::http {

/// Of one CurlHttp, all hosts together. Requests beyond `open` wait for a connection.
struct ConnectionLimits {
    long kept = 16;
    long open = 64;
};

/// HttpClient over libcurl's multi interface, driven by one Asio loop. Connections are kept and
/// shared by later requests; HTTP/2 is used where the server speaks it, and then requests with a
/// body_source share one connection.
///
/// libcurl sends a request again by itself when a kept connection dies before a byte of the answer
/// has come. That is fine for what may be repeated; a body_source decides by its rewind().
///
/// Safe by default: see HttpClient and Transport. Redirects, cookies, netrc, the proxy variables
/// of the environment and compressed answers are off, and no setting turns them on. A proxy is
/// used by CONNECT only, and never for loopback or 169.254.169.254.
///
/// All calls belong on the loop's thread. Destroying it ends every request: completions that have
/// not run yet never run. It may be destroyed from inside a completion. The loop itself must
/// outlive it. The process has to ignore SIGPIPE.
class CurlHttp final : public HttpClient {
public:
    /// Error: Internal, if libcurl or the kernel has nothing to give.
    [[nodiscard]] static Result<std::unique_ptr<CurlHttp>> make(boost::asio::io_context& loop,
                                                                ConnectionLimits limits = {});

    CurlHttp(const CurlHttp&) = delete;
    CurlHttp& operator=(const CurlHttp&) = delete;
    CurlHttp(CurlHttp&&) = delete;
    CurlHttp& operator=(CurlHttp&&) = delete;
    ~CurlHttp() override;

    void send(Request request, Completion<Result<Response>> done) override;

private:
    class Engine;
    explicit CurlHttp(std::shared_ptr<Engine> engine);

    std::shared_ptr<Engine> engine_;
};

}  // namespace postbearer::http
