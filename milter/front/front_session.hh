// SPDX-License-Identifier: Apache-2.0
#pragma once

// One milter connection, without libmilter: gathers what an MTA says of a message and decides at
// its end. Local work only, never a wait.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "milter/envelope/header_facts.hh"
#include "milter/routing/route_header.hh"
#include "milter/routing/router.hh"
#include "milter/shared.hh"

namespace postbearer::milter {

/// What every connection uses; lives as long as the front.
struct FrontServices {
    const ConfigHolder& config;
    const RouteKey& key;
    Log& log;
};

/// What the MTA is asked to do at the end of a message.
struct FrontVerdict {
    enum class Kind : std::uint8_t { Accept, Reject, TempFail };
    Kind kind = Kind::TempFail;
    std::string header_value;           // of X-Postbearer-Route, to add; empty: none
    std::size_t headers_to_remove = 0;  // of that name, as they came in
    LmtpReply reply;                    // Reject and TempFail
};

/// MAIL, as the MTA tells it.
struct FrontSender {
    std::string_view path;       // as typed for SMTP mail, without angle brackets for sendmail(1)
    std::string_view address{};  // {mail_addr}: what the MTA has made of it; empty: not said
    std::string_view sasl_user{};
    std::string_view queue_id{};  // {i} by then: said of sendmail(1) mail only
};

class FrontSession {
public:
    explicit FrontSession(const FrontServices& services) : services_(services) {}

    void connected(std::optional<IpAddress> client) { client_ = client; }
    void mail(const FrontSender& sender);
    void recipient(std::string_view path, std::string_view transport);
    void header(std::string_view name, std::string_view value);
    void body(std::size_t bytes) { body_size_ += bytes; }
    [[nodiscard]] FrontVerdict end(std::string_view queue_id);
    /// The message is over, whatever became of it; the connection stays.
    void reset();
    /// Something of this message went past us; its end answers TempFail.
    void spoil() noexcept { spoilt_ = true; }

private:
    [[nodiscard]] MessageContext context() &&;
    void write_log(std::string_view queue_id, const MessageContext& message, std::uint64_t size,
                   const Decision& decision) const;
    [[nodiscard]] FrontVerdict verdict_of(const Decision& decision, std::string_view queue_id,
                                          const MessageContext& message) const;

    const FrontServices& services_;
    std::optional<IpAddress> client_;
    MessageContext message_;
    HeaderFactsCollector headers_;
    std::uint64_t header_size_ = 0;
    std::uint64_t body_size_ = 0;
    bool from_pickup_ = false;  // beyond doubt: {i} was there at MAIL
    std::string last_id_;       // of the message before: libmilter may still remember its {i}
    bool spoilt_ = false;
};

}  // namespace postbearer::milter
