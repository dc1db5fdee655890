// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>

#include "milter/lmtp/transaction.hh"

namespace postbearer::test {

/// A transaction whose message has this header and body, as the spool would hold it.
inline std::shared_ptr<milter::Transaction> spooled(const std::string& header,
                                                    std::string_view body) {
    auto made = std::make_shared<milter::Transaction>();
    made->mail_from = "svc@contoso.com";
    made->recipients = {"someone@example.com"};
    made->message.header = header;
    made->message.file = UniqueFd(memfd_create("spooled", MFD_CLOEXEC));
    std::string all = header;
    all += body;
    (void)!::write(made->message.file.get(), all.data(), all.size());
    made->message.body_offset = header.size();
    made->message.size = all.size();
    return made;
}

}  // namespace postbearer::test
