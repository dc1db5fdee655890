// SPDX-License-Identifier: Apache-2.0
#include "milter/routing/route_header.hh"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "common/config/text_file.hh"
#include "common/text.hh"
#include "common/unique_fd.hh"

namespace postbearer::milter {
namespace {

constexpr std::string_view kFirstWord = "graph";
constexpr std::string_view kMacField = "; mac=";
constexpr std::size_t kDerivedMacDigits = 24;

tl::unexpected<Error> key_error(const std::string& path, std::string_view what, int number) {
    std::string text = "route key " + path + ": ";
    text += what;
    if (number != 0) {
        text += ": " + config::system_error_text(number);
    }
    return failure(Errc::Config, std::move(text));
}

/// Nothing: there is no such file.
Result<std::optional<Secret>> read_key(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!fd.valid()) {
        if (errno == ENOENT) {
            return std::optional<Secret>();
        }
        return key_error(path, "cannot be opened", errno);
    }
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) {
        return key_error(path, "is not a regular file", 0);
    }
    if ((status.st_mode & 077U) != 0) {
        return key_error(path, "others may read it: remove it, the daemon makes a new one", 0);
    }
    WipedBytes bytes(RouteKey::kBytes + 1);
    const ssize_t count = ::read(fd.get(), bytes.data(), bytes.size());
    if (count != static_cast<ssize_t>(RouteKey::kBytes)) {
        return key_error(path, "does not hold 32 bytes: remove it, the daemon makes a new one", 0);
    }
    bytes.resize(RouteKey::kBytes);
    return std::optional<Secret>(Secret(std::move(bytes)));
}

Result<void> write_key(const std::string& directory, const std::string& path,
                       const WipedBytes& bytes) {
    const std::string draft = path + ".new";
    const UniqueFd fd(
        ::open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.valid()) {
        return key_error(draft, "cannot be made", errno);
    }
    if (::fchmod(fd.get(), 0600) != 0) {  // a draft that was there already keeps its mode
        return key_error(draft, "cannot be made", errno);
    }
    const ssize_t written = ::write(fd.get(), bytes.data(), bytes.size());
    if (written != static_cast<ssize_t>(bytes.size()) || ::fsync(fd.get()) != 0) {
        return key_error(draft, "cannot be written", written < 0 ? errno : ENOSPC);
    }
    if (::rename(draft.c_str(), path.c_str()) != 0) {
        return key_error(path, "cannot be made", errno);
    }
    const UniqueFd parent(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!parent.valid() || ::fsync(parent.get()) != 0) {
        return key_error(path, "its directory cannot be written", errno);
    }
    return {};
}

/// The value with every run of blanks as one: it may have been folded on its way.
std::string one_line(std::string_view value) {
    std::string text;
    for (const char c : trimmed(value)) {
        const bool blank = c == ' ' || c == '\t' || c == '\r' || c == '\n';
        if (!blank) {
            text += c;
        } else if (!text.empty() && text.back() != ' ') {
            text += ' ';
        }
    }
    return text;
}

/// What is signed: the value up to the mac, and the Message-ID, apart by a byte neither holds.
std::string signed_text(std::string_view fields, std::string_view message_id) {
    std::string text(fields);
    text += '\n';
    text += one_line(message_id);  // folding may change on the way
    return text;
}

/// Safe between `; ` and `=`.
bool is_field_value(std::string_view text) noexcept {
    for (const char c : text) {
        if (c <= ' ' || c >= 0x7f || c == ';' || c == ',') {
            return false;
        }
    }
    return true;
}

std::string fields_of(const RouteStamp& stamp) {
    std::string text(kFirstWord);
    text += "; id=" + stamp.id + "; route=" + stamp.route + "; mailbox=" + stamp.mailbox;
    if (stamp.action == Action::Discard) {
        text += "; action=discard";
    }
    return text;
}

bool set_field(RouteStamp& stamp, std::string_view name, std::string_view value) {
    if (name == "id") {
        stamp.id = value;
    } else if (name == "route") {
        stamp.route = value;
    } else if (name == "mailbox") {
        stamp.mailbox = value;
    } else if (name == "action" && value == "discard") {
        stamp.action = Action::Discard;
    } else {
        return false;
    }
    return true;
}

std::optional<RouteStamp> parse_fields(std::string_view fields) {
    if (!fields.starts_with(kFirstWord)) {
        return std::nullopt;
    }
    fields.remove_prefix(kFirstWord.size());
    RouteStamp stamp;
    while (!fields.empty()) {
        if (!fields.starts_with("; ")) {
            return std::nullopt;
        }
        fields.remove_prefix(2);
        const std::size_t end = std::min(fields.find(';'), fields.size());
        const std::string_view field = fields.substr(0, end);
        const std::size_t equals = field.find('=');
        if (equals == std::string_view::npos ||
            !set_field(stamp, field.substr(0, equals), field.substr(equals + 1))) {
            return std::nullopt;
        }
        fields.remove_prefix(end);
    }
    return stamp;
}

}  // namespace

Result<RouteKey> RouteKey::load_or_make(const std::string& state_dir) {
    const std::string path = state_dir + "/route.key";
    auto known = read_key(path);
    if (!known) {
        return tl::unexpected(std::move(known.error()));
    }
    if (*known) {
        return RouteKey(std::move(**known));
    }
    WipedBytes bytes(kBytes);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's bytes are unsigned
    if (::RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), kBytes) != 1) {
        return key_error(path, "OpenSSL has no random bytes", 0);
    }
    if (auto written = write_key(state_dir, path, bytes); !written) {
        return tl::unexpected(std::move(written.error()));
    }
    return RouteKey(Secret(std::move(bytes)));
}

std::string RouteKey::mac(std::string_view text) const {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    const std::string_view key = key_.reveal();
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's bytes are unsigned
    const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
    if (::HMAC(::EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes, text.size(),
               digest.data(), &length) == nullptr) {
        return {};
    }
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string hex;
    for (unsigned i = 0; i < length; ++i) {
        hex += kDigits[digest[i] >> 4U];
        hex += kDigits[digest[i] & 15U];
    }
    return hex;
}

Result<std::string> sign(const RouteKey& key, const RouteStamp& stamp,
                         std::string_view message_id) {
    if (stamp.id.empty() || !is_field_value(stamp.id) || !is_field_value(stamp.route) ||
        !is_field_value(stamp.mailbox)) {
        return failure(Errc::Internal, "queue id, route or mailbox cannot stand in a header");
    }
    std::string value = fields_of(stamp);
    const std::string mac = key.mac(signed_text(value, message_id));
    if (mac.empty()) {
        return failure(Errc::Internal, "HMAC-SHA256 failed");
    }
    return value.append(kMacField).append(mac);
}

std::optional<RouteStamp> verify(const RouteKey& key, std::string_view value,
                                 std::string_view message_id, std::string_view queue_id) {
    const std::string line = one_line(value);
    const std::size_t at = line.rfind(kMacField);
    if (at == std::string::npos) {
        return std::nullopt;
    }
    const std::string_view fields = std::string_view(line).substr(0, at);
    const std::string_view given = std::string_view(line).substr(at + kMacField.size());
    const std::string expected = key.mac(signed_text(fields, message_id));
    if (expected.empty() || given.size() != expected.size() ||
        ::CRYPTO_memcmp(given.data(), expected.data(), expected.size()) != 0) {
        return std::nullopt;
    }
    auto stamp = parse_fields(fields);
    if (!stamp || stamp->id.empty() || stamp->id != queue_id) {
        return std::nullopt;
    }
    return stamp;
}

std::string derived_message_id(const RouteKey& key, std::string_view queue_id,
                               std::string_view mailbox) {
    const std::size_t at = mailbox.rfind('@');
    const std::string_view domain = at == std::string_view::npos
                                        ? std::string_view("postbearer.invalid")
                                        : mailbox.substr(at + 1);
    const std::string mac = key.mac(signed_text("message-id", queue_id));
    std::string id = "<";
    id.append(queue_id).append(".").append(mac, 0, kDerivedMacDigits);
    return id.append("@").append(domain).append(">");
}

}  // namespace postbearer::milter
