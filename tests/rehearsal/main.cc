// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <optional>

#include "auth_server.hh"
#include "control_server.hh"
#include "files.hh"
#include "graph_mime.hh"
#include "https_server.hh"
#include "json.hh"
#include "log.hh"
#include "options.hh"
#include "service.hh"

namespace postbearer::rehearsal {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

int fail(const std::string& what) {
    log_line("failed", {{"error", what}});
    return kFailed;
}

/// Hundreds of connections, two descriptors each in the worst case.
void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);  // the old limit will do for most tests
    }
}

/// Writes both authorities' files; the identity of the one that clients shall trust.
std::optional<ServerIdentity> write_certificates(const std::string& directory) {
    std::optional<ServerIdentity> trusted;
    for (const bool other : {false, true}) {
        const auto ca = Authority::make(other ? "Rehearsal CA that nobody trusts" : "Rehearsal CA");
        const auto identity = ca ? ca->issue_server() : std::nullopt;
        const std::string stem = directory + (other ? "/other" : "/server");
        const bool good = identity &&
                          write_file(directory + (other ? "/other-ca.pem" : "/ca.pem"),
                                     ca->certificate_pem(), 0644) &&
                          write_file(stem + ".pem", identity->certificate_pem, 0644) &&
                          write_file(stem + ".key", identity->key_pem, 0600);
        if (!good) {
            return std::nullopt;
        }
        if (!other) {
            trusted = identity;
        }
    }
    return trusted;
}

bool write_ready(const Options& options, const Service& service, std::uint16_t port,
                 std::uint16_t http_port) {
    Json::Value json;
    json["https_port"] = port;
    if (http_port != 0) {
        json["http_port"] = http_port;
    }
    json["base_url"] = service.base_url();
    json["control_socket"] = options.directory + "/control.sock";
    json["auth_socket"] = options.auth_socket;
    json["kid"] = service.key().kid();
    json["pid"] = getpid();
    return write_file(options.directory + "/ready.json", to_text(json) + "\n", 0644);
}

int run(const Options& options) {
    if (!make_private_directory(options.directory)) {
        return fail(options.directory + ": cannot be made");
    }
    const std::string ready = options.directory + "/ready.json";
    (void)unlink(ready.c_str());  // of a former life; usually there is none
    const auto identity = write_certificates(options.directory);
    auto own = SigningKey::make();
    auto foreign = SigningKey::make();
    if (!identity || !own || !foreign ||
        !write_file(options.directory + "/jwt-public.pem", own->spki_pem(), 0644)) {
        return fail("keys and certificates could not be made in " + options.directory);
    }
    boost::asio::io_context loop(1);
    HttpsServer https(loop);
    std::string problem = https.bind(options.address, options.port, &*identity);
    HttpsServer http(loop);
    if (problem.empty() && options.http_port) {
        problem = http.bind(options.address, *options.http_port, nullptr);
    }
    if (!problem.empty()) {
        return fail(problem);
    }
    Service service("https://localhost:" + std::to_string(https.port()), options.directory,
                    std::move(*own), std::move(*foreign));
    https.serve(service);
    if (options.http_port) {
        http.serve(service);
    }
    ControlServer control(loop, service);
    problem = control.listen(options.directory + "/control.sock");
    AuthServer auth(loop, service);
    if (problem.empty() && !options.auth_socket.empty()) {
        problem = auth.listen(options.auth_socket, options.auth_socket_owner);
    }
    if (!problem.empty()) {
        return fail(problem);
    }
    boost::asio::signal_set signals(loop, SIGTERM, SIGINT);
    signals.async_wait([&loop](const auto&, int) { loop.stop(); });
    if (!write_ready(options, service, https.port(), http.port())) {
        return fail(ready + ": cannot be written");
    }
    log_line("ready", {{"url", service.base_url()}});
    loop.run();
    (void)unlink(ready.c_str());  // nobody shall find us any more
    // Connections hanging on a behaviour are kept alive by it and refer to the servers.
    service.behaviours().clear();
    log_line("stopped", {});
    return EXIT_SUCCESS;
}

}  // namespace
}  // namespace postbearer::rehearsal

int main(int argc, char** argv) {
    namespace rehearsal = postbearer::rehearsal;
    try {
        const auto options =
            rehearsal::parse_options(std::vector<std::string>(argv + 1, argv + argc));
        if (const auto* problem = std::get_if<std::string>(&options)) {
            rehearsal::log_line("usage", {{"error", *problem}});
            return rehearsal::kUsage;
        }
        std::signal(SIGPIPE, SIG_IGN);
        rehearsal::raise_descriptor_limit();
        rehearsal::start_mime();
        return rehearsal::run(std::get<rehearsal::Options>(options));
    } catch (const std::exception& error) {
        return rehearsal::fail(error.what());
    }
}
