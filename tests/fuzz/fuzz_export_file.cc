// SPDX-License-Identifier: Apache-2.0
// What an export file may hold. Byte 0, bit 0: the rest is the file (read with the passphrase
// "fuzz", in pieces as large as byte 1 says); else it is what a frame holds once it is opened,
// which no fuzzer gets to behind AES-GCM.
#include <stddef.h>
#include <stdint.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "token-agent/store/export_file.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

constexpr ScryptCost kMost{4, 2, 2};  // of a reader that is run a million times

void require(bool condition) {
    if (!condition) {
        std::abort();
    }
}

void check(const std::vector<DumpedLogin>& logins) {
    for (const DumpedLogin& login : logins) {
        require(!login.refresh_token.empty());
        require(login.refresh_token.size() <= kMostExportedTokenBytes);
        for (const std::string* name :
             {&login.name.provider, &login.name.account, &login.name.client_id, &login.user}) {
            require(name->size() <= kMostExportedNameBytes);
        }
        require(login.used_at.time_since_epoch().count() >= 0);
    }
}

void read_file(std::string_view file, size_t piece) {
    ExportReader reader(Secret("fuzz"), kMost);
    while (!file.empty()) {
        const std::string_view part = file.substr(0, piece);
        file.remove_prefix(part.size());
        const auto logins = reader.feed(part);
        if (!logins) {
            require(!reader.feed(file) && !reader.finish());
            return;
        }
        check(*logins);
    }
    (void)reader.finish();
}

/// What is read is written as it was.
void read_frame(std::string_view bytes) {
    const auto logins = read_batch(bytes);
    if (!logins) {
        return;
    }
    check(*logins);
    FieldWriter again;
    for (const DumpedLogin& login : *logins) {
        require(add_login(again, login).has_value());
    }
    require(again.bytes() == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
    if ((data[0] & 1U) != 0) {
        read_file(rest, std::max<size_t>(data[1], 1) + size / 256);  // a long file is not for ever
    } else {
        read_frame(rest);
    }
    return 0;
}
