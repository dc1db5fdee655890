// SPDX-License-Identifier: Apache-2.0
// libcurl asks us to watch descriptors that are its own: sockets, and the wake-up pair of its
// resolver threads, any of which it may close and the kernel may number again at once. So they are
// registered in an epoll instance of ours, and Asio watches only that one descriptor, which we own.
//
//   entry point            caller
//   on_socket, on_timer    libcurl, from inside curl_multi_* on the loop's thread
//   Transfer::on_body      the same
#include "common/http/curl_http.hh"

#include <sys/epoll.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <unordered_map>
#include <utility>

#include "common/http/curl_transfer.hh"
#include "common/unique_fd.hh"

namespace postbearer::http {
namespace {

using CurlMulti = Owned<CURLM, curl_multi_cleanup>;

/// Once per process and never undone: other threads may still be inside a resolver.
bool global_init() {
    static const CURLcode result = curl_global_init(CURL_GLOBAL_DEFAULT);
    return result == CURLE_OK;
}

std::uint32_t epoll_events(int what) noexcept {
    const auto bits = static_cast<unsigned>(what);
    return ((bits & CURL_POLL_IN) != 0 ? std::uint32_t{EPOLLIN} : 0U) |
           ((bits & CURL_POLL_OUT) != 0 ? std::uint32_t{EPOLLOUT} : 0U);
}

int curl_events(std::uint32_t events) noexcept {
    unsigned bits = 0;
    if ((events & (EPOLLIN | EPOLLHUP)) != 0) {
        bits |= CURL_CSELECT_IN;
    }
    if ((events & EPOLLOUT) != 0) {
        bits |= CURL_CSELECT_OUT;
    }
    if ((events & EPOLLERR) != 0) {
        bits |= CURL_CSELECT_ERR;
    }
    return static_cast<int>(bits);
}

}  // namespace

class CurlHttp::Engine : public std::enable_shared_from_this<Engine> {
public:
    using Done = Completion<Result<Response>>;

    explicit Engine(boost::asio::io_context& loop) : loop_(loop), ready_(loop), timer_(loop) {}

    [[nodiscard]] Result<void> start(ConnectionLimits limits);
    void stop();
    void send(Request request, Done done);

private:
    struct Running {
        std::unique_ptr<Transfer> transfer;
        Done done;
        std::uint64_t number;  // a handle's address comes again
        std::unique_ptr<boost::asio::steady_timer> answer_timer;
    };

    static int on_socket(CURL* easy, curl_socket_t socket, int what, void* user,
                         void* known) noexcept;
    static int on_timer(CURLM* multi, long timeout_ms, void* user) noexcept;
    int watch(int fd, int what);
    void set_timer(long timeout_ms);

    void drive(curl_socket_t socket, int events);
    void on_ready();
    void collect();
    void finish(CURL* easy, CURLcode code);
    void arm();
    void complete(Done done, Result<Response> result);
    void await_answer(CURL* easy, std::uint64_t number);
    void answer_overdue(CURL* easy, std::uint64_t number);

    boost::asio::io_context& loop_;
    boost::asio::posix::stream_descriptor ready_;  // owns the epoll descriptor
    boost::asio::steady_timer timer_;
    bool waiting_ = false;
    bool stopped_ = false;
    // The multi handle is declared before the transfers only to be said last: stop() takes every
    // handle out of it before either is destroyed.
    CurlMulti multi_;
    std::unordered_map<CURL*, Running> running_;
    std::uint64_t last_number_ = 0;
};

Result<void> CurlHttp::Engine::start(ConnectionLimits limits) {
    UniqueFd events(epoll_create1(EPOLL_CLOEXEC));
    multi_.reset(curl_multi_init());
    boost::system::error_code error;
    if (!events.valid() || multi_ == nullptr || ready_.assign(events.get(), error)) {
        return failure(Errc::Internal, "HTTP client: no descriptor or memory");
    }
    (void)events.release();
    CURLM* multi = multi_.get();
    const bool set =
        curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &on_socket) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &on_timer) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, limits.kept) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, limits.open) == CURLM_OK &&
        curl_multi_setopt(multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_MULTIPLEX)) ==
            CURLM_OK;
    if (!set) {
        return failure(Errc::Internal, "HTTP client: libcurl refused a setting");
    }
    return {};
}

void CurlHttp::Engine::stop() {
    stopped_ = true;
    for (auto& [easy, running] : running_) {
        (void)curl_multi_remove_handle(multi_.get(), easy);
    }
    running_.clear();
    // Closing kept connections calls on_socket, so this happens while we are whole.
    multi_.reset();
    boost::system::error_code ignored;  // nothing is left that could be told
    ready_.close(ignored);
    timer_.cancel();
}

void CurlHttp::Engine::send(Request request, Done done) {
    auto transfer = Transfer::make(std::move(request));
    if (!transfer) {
        complete(std::move(done), tl::unexpected(std::move(transfer.error())));
        return;
    }
    CURL* easy = (*transfer)->handle();
    const std::uint64_t number = ++last_number_;
    // Called by the transfer, which we own.
    (*transfer)->when_body_is_taken([this, easy, number] { await_answer(easy, number); });
    const auto where =
        running_.emplace(easy, Running{std::move(*transfer), std::move(done), number, nullptr})
            .first;
    // This calls on_timer with 0, so the work begins on the loop's next turn.
    if (curl_multi_add_handle(multi_.get(), easy) != CURLM_OK) {
        Running refused = std::move(where->second);
        running_.erase(where);
        complete(std::move(refused.done), failure(Errc::Internal, "libcurl took no request"));
    }
}

/// Completions are posted, not called: they may send again, or destroy us.
void CurlHttp::Engine::complete(Done done, Result<Response> result) {
    boost::asio::post(loop_, [weak = weak_from_this(), done = std::move(done),
                              result = std::move(result)]() mutable {
        const auto self = weak.lock();
        if (self != nullptr && !self->stopped_) {
            done(std::move(result));
        }
    });
}

/// From inside libcurl, so nothing is ended here.
void CurlHttp::Engine::await_answer(CURL* easy, std::uint64_t number) {
    const auto found = running_.find(easy);
    if (found == running_.end() || found->second.transfer->answer_timeout().count() == 0) {
        return;
    }
    auto timer = std::make_unique<boost::asio::steady_timer>(loop_);
    timer->expires_after(found->second.transfer->answer_timeout());
    timer->async_wait(
        [weak = weak_from_this(), easy, number](const boost::system::error_code& error) {
            const auto self = weak.lock();
            if (!error && self != nullptr && !self->stopped_) {
                self->answer_overdue(easy, number);
            }
        });
    found->second.answer_timer = std::move(timer);
}

void CurlHttp::Engine::answer_overdue(CURL* easy, std::uint64_t number) {
    const auto found = running_.find(easy);
    if (found != running_.end() && found->second.number == number) {
        found->second.transfer->answer_is_overdue();
        finish(easy, CURLE_OPERATION_TIMEDOUT);
        collect();
    }
}

int CurlHttp::Engine::on_socket(CURL* /*easy*/, curl_socket_t socket, int what, void* user,
                                void* /*known*/) noexcept {
    try {
        return static_cast<Engine*>(user)->watch(socket, what);
    } catch (...) {
        return -1;
    }
}

int CurlHttp::Engine::watch(int fd, int what) {
    if (stopped_) {
        return 0;
    }
    const int events_fd = ready_.native_handle();
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(events_fd, EPOLL_CTL_DEL, fd, nullptr);  // may be closed already
        return 0;
    }
    epoll_event event{};
    event.events = epoll_events(what);
    event.data.fd = fd;
    if (epoll_ctl(events_fd, EPOLL_CTL_MOD, fd, &event) != 0 &&
        epoll_ctl(events_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        return -1;
    }
    arm();
    return 0;
}

int CurlHttp::Engine::on_timer(CURLM* /*multi*/, long timeout_ms, void* user) noexcept {
    try {
        static_cast<Engine*>(user)->set_timer(timeout_ms);
        return 0;
    } catch (...) {
        return -1;
    }
}

void CurlHttp::Engine::set_timer(long timeout_ms) {
    if (stopped_) {
        return;
    }
    timer_.cancel();
    if (timeout_ms < 0) {
        return;
    }
    timer_.expires_after(std::chrono::milliseconds(timeout_ms));
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (!error && self != nullptr && !self->stopped_) {
            self->drive(CURL_SOCKET_TIMEOUT, 0);
            self->collect();
        }
    });
}

void CurlHttp::Engine::drive(curl_socket_t socket, int events) {
    int still_running = 0;
    (void)curl_multi_socket_action(multi_.get(), socket, events, &still_running);
}

/// Waits only while requests run, so that an idle client does not keep the loop from ending.
void CurlHttp::Engine::arm() {
    if (waiting_ || stopped_ || running_.empty()) {
        return;
    }
    waiting_ = true;
    ready_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [weak = weak_from_this()](const boost::system::error_code& error) {
                          const auto self = weak.lock();
                          if (self == nullptr || self->stopped_) {
                              return;
                          }
                          self->waiting_ = false;
                          if (!error) {
                              self->on_ready();
                          }
                          self->arm();
                      });
}

void CurlHttp::Engine::on_ready() {
    std::array<epoll_event, 32> events{};
    const int count =
        epoll_wait(ready_.native_handle(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        // libcurl ignores a descriptor that an earlier turn of this loop made it drop.
        drive(event.data.fd, curl_events(event.events));
    }
    collect();
}

void CurlHttp::Engine::collect() {
    int left = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
        if (message->msg == CURLMSG_DONE) {
            finish(message->easy_handle, message->data.result);
        }
    }
    if (running_.empty() && waiting_) {
        boost::system::error_code ignored;  // the wait ends either way
        ready_.cancel(ignored);
    }
}

void CurlHttp::Engine::finish(CURL* easy, CURLcode code) {
    (void)curl_multi_remove_handle(multi_.get(), easy);
    const auto found = running_.find(easy);
    if (found == running_.end()) {
        return;
    }
    Running ended = std::move(found->second);
    running_.erase(found);
    complete(std::move(ended.done), ended.transfer->outcome(code));
}

CurlHttp::CurlHttp(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}

CurlHttp::~CurlHttp() { engine_->stop(); }

Result<std::unique_ptr<CurlHttp>> CurlHttp::make(boost::asio::io_context& loop,
                                                 ConnectionLimits limits) {
    if (!global_init()) {
        return failure(Errc::Internal, "HTTP client: libcurl cannot start");
    }
    auto engine = std::make_shared<Engine>(loop);
    if (auto started = engine->start(limits); !started) {
        return tl::unexpected(std::move(started.error()));
    }
    return std::unique_ptr<CurlHttp>(new CurlHttp(std::move(engine)));
}

void CurlHttp::send(Request request, Completion<Result<Response>> done) {
    engine_->send(std::move(request), std::move(done));
}

}  // namespace postbearer::http
