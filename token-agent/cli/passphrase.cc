// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/passphrase.hh"

#include <openssl/crypto.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "common/config/secret_reference.hh"
#include "common/text.hh"

namespace postbearer::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 10min;
constexpr int kTries = 3;
constexpr std::size_t kMaxBytes = 1024;

std::size_t characters_of(std::string_view utf8) {
    return static_cast<std::size_t>(std::count_if(utf8.begin(), utf8.end(), [](char c) {
        return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
    }));
}

Result<Secret> checked(Secret passphrase, Asking asking) {
    const std::string_view text = passphrase.reveal();
    if (!is_plain_utf8(text)) {
        return failure(Errc::Config, "the passphrase holds control characters, or is no UTF-8");
    }
    // A file that others made may have a shorter one: the agent tells whether it fits.
    if (asking == Asking::Twice && characters_of(text) < kMinPassphraseCharacters) {
        return failure(Errc::Config, "the passphrase needs " +
                                         std::to_string(kMinPassphraseCharacters) +
                                         " characters at least");
    }
    if (text.empty() || text.size() > kMaxBytes) {
        return failure(Errc::Config, text.empty() ? "the passphrase is empty"
                                                  : "the passphrase has more than 1024 bytes");
    }
    return passphrase;
}

Result<Secret> ask(const Console& console, std::string_view prompt) {
    (void)std::fprintf(console.err, "%.*s", static_cast<int>(prompt.size()), prompt.data());
    (void)std::fflush(console.err);
    auto line = read_line(console, Echo::Off, BootClock::now() + kPatience);
    if (console.json) {  // else the end of the line has been shown
        console.warn("");
    }
    return line;
}

bool same(const Secret& a, const Secret& b) {
    return a.size() == b.size() &&
           CRYPTO_memcmp(a.reveal().data(), b.reveal().data(), a.size()) == 0;
}

}  // namespace

Result<Secret> obtain_passphrase(const Console& console, const std::string& file, Asking asking) {
    if (!file.empty()) {
        auto read = config::read_secret(
            {config::SecretReference::Kind::File, std::filesystem::absolute(file).string()});
        return read ? checked(std::move(*read), asking) : std::move(read);
    }
    if (::isatty(console.in) == 0) {
        return failure(Errc::Config,
                       "there is no terminal to ask for the passphrase; use --passphrase-file");
    }
    Result<Secret> passphrase = failure(Errc::Config, "no passphrase");
    for (int turn = 0; turn < kTries; ++turn) {
        auto first = ask(console, "Passphrase: ");
        if (!first) {
            return first;
        }
        passphrase = checked(std::move(*first), asking);
        if (!passphrase) {
            console.warn(passphrase.error().context);
            continue;
        }
        if (asking == Asking::Once) {
            return passphrase;
        }
        const auto second = ask(console, "The same again: ");
        if (!second) {
            return tl::unexpected(second.error());
        }
        if (same(*passphrase, *second)) {
            return passphrase;
        }
        passphrase = failure(Errc::Config, "the two passphrases differ");
        console.warn(passphrase.error().context);
    }
    return passphrase;
}

}  // namespace postbearer::cli
