// SPDX-License-Identifier: Apache-2.0

// What a client of the LMTP socket may send: the first byte says how the rest is cut. However that
// is, replies are well-formed, messages are what a plain unstuffing of the same bytes gives, and
// what is kept is bounded.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/text.hh"
#include "milter/lmtp/lmtp_protocol.hh"
#include "milter/lmtp/reply_text.hh"

namespace {

using namespace postbearer;
using namespace postbearer::milter;

constexpr std::uint64_t kMaxMessage = 2000;
constexpr std::size_t kMaxHeader = 300;
constexpr std::size_t kMaxRecipients = 10;
constexpr std::size_t kMuchOutput = 64 * 1024 + 10'000;

class SilentLog final : public Log {
public:
    void write(const LogLine& line) override { assert(is_plain_utf8(line.text())); }
};

std::shared_ptr<const LmtpSettings> settings() {
    LmtpSettings result;
    result.host = "mail.test";
    result.spool_dir = "/spool";
    result.limits.max_message_bytes = kMaxMessage;
    result.limits.max_header_bytes = kMaxHeader;
    result.limits.max_recipients = kMaxRecipients;
    return std::make_shared<const LmtpSettings>(result);
}

std::string content_of(const SpooledMessage& message) {
    std::string content(message.size + 1, '\0');
    const ssize_t got = ::pread(message.file.get(), content.data(), content.size(), 0);
    assert(got == static_cast<ssize_t>(message.size));  // and not a byte more
    content.resize(message.size);
    return content;
}

struct Unstuffed {
    std::string message;
    bool bare_line_feed = false;
    std::size_t taken = 0;  // 0: there is no end
};

/// RFC 5321 section 4.5.2 by the letter, on the whole text at once.
Unstuffed unstuff(std::string_view wire) {
    Unstuffed result;
    std::size_t end = wire.starts_with(".\r\n") ? 0 : wire.find("\r\n.\r\n");
    if (end == std::string_view::npos) {
        return result;
    }
    result.taken = end + (wire.starts_with(".\r\n") ? 3 : 5);
    const std::string_view stuffed = wire.substr(0, result.taken - 3);
    for (std::size_t i = 0; i < stuffed.size(); ++i) {
        const bool line_start = i == 0 || (i >= 2 && stuffed.substr(i - 2, 2) == "\r\n");
        if (!(line_start && stuffed[i] == '.')) {
            result.message += stuffed[i];
        }
        if (stuffed[i] == '\n' && (i == 0 || stuffed[i - 1] != '\r')) {
            result.bare_line_feed = true;
        }
    }
    return result;
}

std::string header_of(const std::string& message) {
    if (message.starts_with("\r\n")) {
        return "\r\n";
    }
    const std::size_t end = message.find("\r\n\r\n");
    return end == std::string::npos ? message : message.substr(0, end + 4);
}

void check_replies(std::string_view output) {
    while (!output.empty()) {
        const std::size_t end = output.find("\r\n");
        assert(end != std::string_view::npos);
        const std::string_view line = output.substr(0, end);
        output.remove_prefix(end + 2);
        assert(line.size() + 2 <= kMaxReplyLineBytes && line.size() >= 4);
        assert(line[0] >= '2' && line[0] <= '5' && (line[3] == ' ' || line[3] == '-'));
        assert(is_plain_utf8(line));
        // A line that goes on is followed by one of the same code.
        assert(line[3] == ' ' || output.substr(0, 3) == line.substr(0, 3));
    }
}

void check_transaction(const Transaction& transaction) {
    assert(!transaction.recipients.empty() && transaction.recipients.size() <= kMaxRecipients);
    std::vector<std::string> addresses = transaction.recipients;
    addresses.push_back(transaction.mail_from);
    for (const std::string& address : addresses) {
        assert(address.size() <= kMaxAddressBytes && is_plain_utf8(address));
        const bool ascii = std::all_of(address.begin(), address.end(), [](char c) {
            return static_cast<unsigned char>(c) < 0x80U;
        });
        assert(ascii || transaction.smtputf8);
    }
    const Forwarded& forwarded = transaction.forwarded;
    for (const std::string* each :
         {&forwarded.name, &forwarded.address, &forwarded.port, &forwarded.protocol,
          &forwarded.helo, &forwarded.ident, &forwarded.source}) {
        assert(is_plain_utf8(*each));
    }
    assert(transaction.message.header.size() <= kMaxHeader);
    assert(transaction.message.size <= kMaxMessage);
}

/// One conversation; the size of each piece comes from `cuts`.
class Conversation {
public:
    Conversation(std::string_view wire, std::vector<std::size_t> cuts)
        : wire_(wire),
          cuts_(std::move(cuts)),
          protocol_(
              settings(),
              []() -> Result<UniqueFd> { return UniqueFd(::memfd_create("spool", MFD_CLOEXEC)); },
              service::Peer{}, log_) {}

    void run() {
        std::size_t at = 0;
        for (std::size_t turn = 0; at < wire_.size(); ++turn) {
            const std::size_t size = std::max<std::size_t>(1, cuts_[turn % cuts_.size()]);
            const std::size_t end = at + std::min(size, wire_.size() - at);
            while (at < end) {
                at = step(at, end);
                if (protocol_.state() == LmtpProtocol::State::Closing) {
                    collect();
                    return;
                }
            }
        }
        collect();
    }

    [[nodiscard]] LmtpProtocol::State state() const noexcept { return protocol_.state(); }

    std::string output;
    std::vector<std::string> events;

private:
    std::size_t step(std::size_t at, std::size_t end) {
        const std::size_t taken = protocol_.receive(wire_.substr(at, end - at));
        assert(taken <= end - at);
        collect();
        if (auto transaction = protocol_.take_transaction()) {
            check_transaction(*transaction);
            SpooledMessage& message = transaction->message;
            const std::string content = content_of(message);
            assert(message.header == header_of(content));
            assert(message.body_offset == message.header.size());
            events.push_back(transaction->mail_from + ' ' + transaction->recipients.front() + ' ' +
                             transaction->forwarded.ident + '\n' + content +
                             (message.bare_line_feed ? "bare" : ""));
            protocol_.answer({LmtpReply{250, "2.0.0", content}});
            collect();
        } else {
            assert(taken > 0 || protocol_.state() == LmtpProtocol::State::Closing);
        }
        return at + taken;
    }

    void collect() {
        const std::string more = protocol_.take_output();
        assert(more.size() < kMuchOutput);
        output += more;
    }

    std::string_view wire_;
    std::vector<std::size_t> cuts_;
    SilentLog log_;
    LmtpProtocol protocol_;
};

/// The reader against the plain unstuffing, cut in the same way.
void check_reader(std::string_view wire, const std::vector<std::size_t>& cuts) {
    const Unstuffed expected = unstuff(wire);
    std::string message;
    DataReader reader(kMaxHeader, [&](std::string_view piece) { message.append(piece); });
    std::size_t at = 0;
    for (std::size_t turn = 0; at < wire.size() && !reader.done(); ++turn) {
        at += reader.feed(wire.substr(at, std::max<std::size_t>(1, cuts[turn % cuts.size()])));
    }
    assert(reader.done() == (expected.taken != 0));
    assert(reader.size() == message.size());
    if (!reader.done()) {
        assert(at == wire.size());
        return;
    }
    assert(at == expected.taken);
    assert(message == expected.message);
    assert(reader.bare_line_feed() == expected.bare_line_feed);
    const std::string header = header_of(message);
    assert(reader.header_too_large() == (header.size() > kMaxHeader));
    assert(reader.take_header() == (header.size() > kMaxHeader ? "" : header));
}

LmtpProtocol::State state_after(std::string_view wire, bool& delivered) {
    Conversation conversation(wire, {wire.size()});
    conversation.run();
    delivered = !conversation.events.empty();
    return conversation.state();
}

/// The first message of a conversation by the plain unstuffing: where reader and commands meet.
void check_first_message(std::string_view wire, const Conversation& whole) {
    constexpr std::string_view kData = "\r\nDATA\r\n";
    const std::size_t data = wire.find(kData);
    if (data == std::string_view::npos) {
        return;
    }
    bool delivered = false;
    const std::string_view before = wire.substr(0, data + 2);
    const std::string_view through = wire.substr(0, data + kData.size());
    if (state_after(before, delivered) != LmtpProtocol::State::Command || delivered ||
        state_after(through, delivered) != LmtpProtocol::State::Data) {
        return;  // it was refused, or is itself part of a message
    }
    const Unstuffed first = unstuff(wire.substr(through.size()));
    if (first.taken != 0 && first.message.size() <= kMaxMessage &&
        header_of(first.message).size() <= kMaxHeader) {
        assert(!whole.events.empty());
        const std::string& event = whole.events.front();
        assert(event.substr(event.find('\n') + 1) ==
               first.message + (first.bare_line_feed ? "bare" : ""));
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) {
        return 0;
    }
    const std::size_t shape = data[0];
    const std::string_view wire(static_cast<const char*>(static_cast<const void*>(data + 1)),
                                size - 1);
    const std::vector<std::size_t> whole_cuts{wire.size()};
    const std::vector<std::size_t> byte_cuts{1};
    const std::vector<std::size_t> shape_cuts{shape % 7 + 1, shape / 7 % 5 + 1, shape + 1};
    Conversation whole(wire, whole_cuts);
    whole.run();
    check_replies(whole.output);
    check_first_message(wire, whole);
    check_reader(wire, whole_cuts);
    for (const auto& cuts : {byte_cuts, shape_cuts}) {
        Conversation other(wire, cuts);
        other.run();
        assert(other.output == whole.output);
        assert(other.events == whole.events);
        check_reader(wire, cuts);
    }
    return 0;
}
