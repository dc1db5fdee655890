// SPDX-License-Identifier: Apache-2.0
#pragma once

// What has become of whom: asked before anything is sent, told before anything is answered. The
// journal on disk will stand behind the same face.

#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "common/clock.hh"
#include "milter/lmtp/transaction.hh"

namespace postbearer::milter {

/// One message at every retry: queue id and Message-ID (design 4.6).
struct MessageIdentity {
    std::string queue_id;
    std::string message_id;
};

/// Recipients are address_key()s. Every call is on the loop's thread.
class Ledger {
public:
    enum class State : std::uint8_t { Unknown, InFlight, Done };
    struct Entry {
        State state = State::Unknown;
        LmtpReply reply;  // of Done: what was answered
    };
    virtual ~Ledger() = default;
    [[nodiscard]] virtual Entry find(const MessageIdentity& message,
                                     const std::string& recipient) const = 0;
    /// They are about to be sent.
    virtual void begin(const MessageIdentity& message,
                       const std::vector<std::string>& recipients) = 0;
    /// They were not sent, or it is not known.
    virtual void forget(const MessageIdentity& message,
                        const std::vector<std::string>& recipients) = 0;
    /// They were sent; `reply` is the answer of the next transaction that asks for them.
    virtual void done(const MessageIdentity& message, const std::vector<std::string>& recipients,
                      const LmtpReply& reply) = 0;
    /// Postfix has read the answers, so it never asks again.
    virtual void answered(const MessageIdentity& message,
                          const std::vector<std::string>& recipients) = 0;
};

/// In memory: it knows two transactions of one message at a time, and an answer that found nobody
/// there any more. It ends with the process.
class MemoryLedger final : public Ledger {
public:
    explicit MemoryLedger(const Clock& clock) : clock_(clock) {}

    [[nodiscard]] Entry find(const MessageIdentity& message,
                             const std::string& recipient) const override;
    void begin(const MessageIdentity& message, const std::vector<std::string>& recipients) override;
    void forget(const MessageIdentity& message,
                const std::vector<std::string>& recipients) override;
    void done(const MessageIdentity& message, const std::vector<std::string>& recipients,
              const LmtpReply& reply) override;
    void answered(const MessageIdentity& message,
                  const std::vector<std::string>& recipients) override;
    [[nodiscard]] std::size_t size() const noexcept { return messages_.size(); }

private:
    struct Message {
        std::unordered_map<std::string, Entry> recipients;
        BootTime since;
    };
    static std::string key_of(const MessageIdentity& message);
    void drop_old();

    const Clock& clock_;
    std::unordered_map<std::string, Message> messages_;
    std::size_t drop_at_ = 1024;
};

}  // namespace postbearer::milter
