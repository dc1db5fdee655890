// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/service/peer.hh"
#include "milter/lmtp/spooled_message.hh"

namespace postbearer::milter {

/// What XFORWARD said (Postfix's XFORWARD_README), decoded from xtext; "[UNAVAILABLE]" is empty.
struct Forwarded {
    std::string name;
    std::string address;
    std::string port;
    std::string protocol;
    std::string helo;
    std::string ident;   // the queue id
    std::string source;  // LOCAL or REMOTE
};

/// One answer line: `250 2.0.0 text`. The text is printable, without CR and LF; whoever writes it
/// wraps and cuts it.
struct LmtpReply {
    int code = 451;
    std::string enhanced = "4.3.0";
    std::string text;
};

/// One message with its envelope, ready to be delivered.
struct Transaction {
    std::string mail_from;  // without brackets; empty: the null sender
    bool smtputf8 = false;
    bool eight_bit_mime = false;
    std::vector<std::string> recipients;  // without brackets, in order, as given; at least one
    Forwarded forwarded;
    service::Peer peer;
    SpooledMessage message;
};

/// Takes a transaction and answers each recipient, in order. Called and answering on the loop's
/// thread; `done` is called exactly once, later or at once. A session that has gone meanwhile
/// ignores the answer, but tells the deliverer by the returned value of `done`: true, the client
/// was still there to be answered.
class Deliverer {
public:
    using Done = std::function<bool(std::vector<LmtpReply>)>;
    virtual ~Deliverer() = default;
    virtual void deliver(std::shared_ptr<Transaction> transaction, Done done) = 0;
};

}  // namespace postbearer::milter
