// SPDX-License-Identifier: Apache-2.0
//   entry point                    caller: libmilter, on any thread of its pool, one at a time for
//                                  one connection; a connection hops between threads
//   on_negotiate .. on_close       after drop of privileges, signals blocked by libmilter
//
// Each takes its arguments over, calls the session, and survives whatever is thrown below: the
// message is then spoilt and its end answers SMFIS_TEMPFAIL.
#include "milter/front/callbacks.hh"

#include <libmilter/mfapi.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>

#include "common/text.hh"

namespace postbearer::milter {
namespace {

/// libmilter's callbacks carry no user pointer of the process's own.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
const FrontServices* front_services = nullptr;

constexpr unsigned long kActions = SMFIF_ADDHDRS | SMFIF_CHGHDRS;
/// What we have no use for, and what needs no answer of ours.
constexpr unsigned long kSteps = SMFIP_NOHELO | SMFIP_NOUNKNOWN | SMFIP_NODATA | SMFIP_NOEOH |
                                 SMFIP_NR_CONN | SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_HDR |
                                 SMFIP_NR_BODY;
constexpr int kConnectionTimeoutSeconds = 3600;
constexpr std::size_t kMostReplyBytes = 480;  // one line of SMTP, with its codes
constexpr std::chrono::seconds kStopWait{10};

/// Callbacks that are running, so that a stop does not end the process under them.
class Running {
public:
    /// False: the front has ended, and what its callbacks use is going.
    [[nodiscard]] bool enter() {
        const std::lock_guard guard(mutex_);
        if (closed_) {
            return false;
        }
        ++count_;
        return true;
    }
    void leave() {
        const std::lock_guard guard(mutex_);
        if (--count_ == 0) {
            idle_.notify_all();
        }
    }
    void open() {
        const std::lock_guard guard(mutex_);
        closed_ = false;
    }
    void close(std::chrono::seconds most) {
        std::unique_lock lock(mutex_);
        closed_ = true;
        (void)idle_.wait_for(lock, most, [this] { return count_ == 0; });
    }

private:
    std::mutex mutex_;
    std::condition_variable idle_;
    std::size_t count_ = 0;
    bool closed_ = false;
};

Running& running() {
    static Running instance;
    return instance;
}

/// One callback. libmilter's threads go on while the process ends, so it may come too late.
struct Inside {
    const bool open = running().enter();
    Inside() = default;
    ~Inside() {
        if (open) {
            running().leave();
        }
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    Inside(Inside&&) = delete;
    Inside& operator=(Inside&&) = delete;
};

struct Connection {
    explicit Connection(const FrontServices& services) : session(services) {}
    FrontSession session;
    unsigned long steps = 0;  // SMFIP_*, as agreed
};

/// libmilter hands out `char*` for what it only reads.
char* mutable_text(const char* text) noexcept {
    return const_cast<char*>(text);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

std::string_view symbol(SMFICTX* context, const char* name) {
    const char* value = ::smfi_getsymval(context, mutable_text(name));
    return value == nullptr ? std::string_view() : std::string_view(value);
}

Connection* connection_of(SMFICTX* context) {
    return static_cast<Connection*>(::smfi_getpriv(context));
}

/// The connection, made at its first callback; libmilter frees nothing, on_close does.
Connection& need_connection(SMFICTX* context) {
    if (Connection* known = connection_of(context); known != nullptr) {
        return *known;
    }
    auto made = std::make_unique<Connection>(*front_services);
    Connection* raw = made.get();
    if (::smfi_setpriv(context, raw) == MI_SUCCESS) {
        (void)made.release();
        return *raw;
    }
    std::terminate();  // libmilter's own context is broken; it cannot fail otherwise
}

sfsistat go_on(const Connection& connection, unsigned long no_reply) noexcept {
    return (connection.steps & no_reply) != 0 ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

void report(const char* what) noexcept {
    try {
        front_services->log.write(LogLine(LogLevel::Error, "internal_error")
                                      .add("what", what)
                                      .add("action", "the message is answered 451"));
    } catch (...) {  // nothing is left to say it with
        return;
    }
}

/// Runs `body(connection)`; a failure spoils the message and is told at its end.
template <typename Body>
sfsistat boundary(SMFICTX* context, unsigned long no_reply, Body&& body) noexcept {
    const Inside inside;
    if (!inside.open) {
        return SMFIS_TEMPFAIL;
    }
    Connection* connection = nullptr;
    try {
        connection = &need_connection(context);
        std::forward<Body>(body)(*connection);
        return go_on(*connection, no_reply);
    } catch (const std::exception& error) {
        report(error.what());
    } catch (...) {
        report("an exception of unknown type");
    }
    if (connection == nullptr) {
        return SMFIS_TEMPFAIL;
    }
    connection->session.spoil();
    return go_on(*connection, no_reply);
}

sfsistat on_negotiate(SMFICTX* context, unsigned long offered_actions, unsigned long offered_steps,
                      unsigned long /*f2*/, unsigned long /*f3*/, unsigned long* actions,
                      unsigned long* steps, unsigned long* f2, unsigned long* f3) noexcept {
    const Inside inside;
    if (!inside.open) {
        return SMFIS_REJECT;
    }
    try {
        if ((offered_actions & kActions) != kActions) {
            report("the MTA lets a milter neither add nor remove headers");
            return SMFIS_REJECT;
        }
        *actions = kActions;
        *steps = offered_steps & kSteps;
        *f2 = 0;
        *f3 = 0;
        if ((offered_actions & SMFIF_SETSYMLIST) != 0) {
            *actions |= SMFIF_SETSYMLIST;
            (void)::smfi_setsymlist(context, SMFIM_ENVFROM,
                                    mutable_text("i {auth_authen} {mail_addr}"));
            (void)::smfi_setsymlist(context, SMFIM_ENVRCPT, mutable_text("{rcpt_mailer}"));
            (void)::smfi_setsymlist(context, SMFIM_EOM, mutable_text("i"));
        }
        need_connection(context).steps = *steps;
        return SMFIS_CONTINUE;
    } catch (const std::exception& error) {
        report(error.what());
    } catch (...) {
        report("an exception of unknown type");
    }
    return SMFIS_REJECT;  // this connection only; the MTA then does its default action
}

sfsistat on_connect(SMFICTX* context, char* /*host*/, _SOCK_ADDR* address) noexcept {
    return boundary(context, SMFIP_NR_CONN, [&](Connection& connection) {
        connection.session.connected(address == nullptr ? std::nullopt : IpAddress::of(*address));
    });
}

sfsistat on_mail(SMFICTX* context, char** arguments) noexcept {
    return boundary(context, SMFIP_NR_MAIL, [&](Connection& connection) {
        connection.session.mail({arguments[0], symbol(context, "{mail_addr}"),
                                 symbol(context, "{auth_authen}"), symbol(context, "i")});
    });
}

sfsistat on_recipient(SMFICTX* context, char** arguments) noexcept {
    return boundary(context, SMFIP_NR_RCPT, [&](Connection& connection) {
        connection.session.recipient(arguments[0], symbol(context, "{rcpt_mailer}"));
    });
}

sfsistat on_header(SMFICTX* context, char* name, char* value) noexcept {
    return boundary(context, SMFIP_NR_HDR,
                    [&](Connection& connection) { connection.session.header(name, value); });
}

sfsistat on_body(SMFICTX* context, unsigned char* /*bytes*/, std::size_t count) noexcept {
    return boundary(context, SMFIP_NR_BODY,
                    [&](Connection& connection) { connection.session.body(count); });
}

/// `%` begins a conversion of smfi_setreply(3)'s.
std::string reply_text(std::string_view text) {
    std::string out;
    for (const char c : printable(text, kMostReplyBytes)) {
        out += c;
        if (c == '%') {
            out += c;
        }
    }
    return out;
}

sfsistat refuse(SMFICTX* context, const LmtpReply& reply) {
    const std::string code = std::to_string(reply.code);
    const std::string text = reply_text(reply.text);
    (void)::smfi_setreply(context, mutable_text(code.c_str()), mutable_text(reply.enhanced.c_str()),
                          mutable_text(text.c_str()));
    return reply.code >= 500 ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

bool apply_headers(SMFICTX* context, const FrontVerdict& verdict) {
    const std::string name(kRouteHeader);
    for (std::size_t left = verdict.headers_to_remove; left > 0; --left) {
        // From the last one up, so that the numbers of the others stay.
        if (::smfi_chgheader(context, mutable_text(name.c_str()), static_cast<int>(left),
                             nullptr) != MI_SUCCESS) {
            return false;
        }
    }
    return verdict.header_value.empty() ||
           ::smfi_addheader(context, mutable_text(name.c_str()),
                            mutable_text(verdict.header_value.c_str())) == MI_SUCCESS;
}

sfsistat on_end(SMFICTX* context) noexcept {
    const Inside inside;
    if (!inside.open) {
        return SMFIS_TEMPFAIL;
    }
    try {
        Connection& connection = need_connection(context);
        const FrontVerdict verdict = connection.session.end(symbol(context, "i"));
        if (verdict.kind != FrontVerdict::Kind::Accept) {
            return refuse(context, verdict.reply);
        }
        if (apply_headers(context, verdict)) {
            return SMFIS_ACCEPT;
        }
        report("the MTA does not take a change of headers");
    } catch (const std::exception& error) {
        report(error.what());
    } catch (...) {
        report("an exception of unknown type");
    }
    return SMFIS_TEMPFAIL;
}

sfsistat on_abort(SMFICTX* context) noexcept {
    return boundary(context, 0, [](Connection& connection) { connection.session.reset(); });
}

sfsistat on_close(SMFICTX* context) noexcept {
    const Inside inside;
    if (!inside.open) {
        return SMFIS_CONTINUE;
    }
    const std::unique_ptr<Connection> ended(connection_of(context));
    (void)::smfi_setpriv(context, nullptr);
    return SMFIS_CONTINUE;
}

}  // namespace

MilterFront::MilterFront(const FrontServices& services) { front_services = &services; }

MilterFront::~MilterFront() { front_services = nullptr; }

Result<void> MilterFront::open(const std::string& connection) {
    static char name[] = "postbearer-milter";  // libmilter keeps the pointer
    smfiDesc description{};
    description.xxfi_name = name;
    description.xxfi_version = SMFI_VERSION;
    description.xxfi_flags = kActions | SMFIF_SETSYMLIST;
    description.xxfi_connect = on_connect;
    description.xxfi_envfrom = on_mail;
    description.xxfi_envrcpt = on_recipient;
    description.xxfi_header = on_header;
    description.xxfi_body = on_body;
    description.xxfi_eom = on_end;
    description.xxfi_abort = on_abort;
    description.xxfi_close = on_close;
    description.xxfi_negotiate = on_negotiate;
    if (::smfi_register(description) != MI_SUCCESS ||
        ::smfi_settimeout(kConnectionTimeoutSeconds) != MI_SUCCESS ||
        ::smfi_setconn(mutable_text(connection.c_str())) != MI_SUCCESS) {
        return failure(Errc::Config, "milter front: libmilter refuses " + connection);
    }
    if (::smfi_opensocket(false) != MI_SUCCESS) {
        return failure(Errc::Config,
                       "milter front: cannot listen on " + connection + "; is the port taken?");
    }
    return {};
}

Result<void> MilterFront::run() {
    running().open();
    const int ended = ::smfi_main();
    running().close(kStopWait);
    if (ended != MI_SUCCESS) {
        return failure(Errc::Internal, "milter front: libmilter ended by an error");
    }
    return {};
}

void MilterFront::stop() noexcept { (void)::smfi_stop(); }

}  // namespace postbearer::milter
