// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/export.hh"

#include <errno.h>
#include <unistd.h>

#include <string>
#include <utility>
#include <vector>

#include "common/base64.hh"
#include "common/config/text_file.hh"
#include "common/unique_fd.hh"
#include "token-agent/admin_json.hh"
#include "token-agent/cli/admin_arguments.hh"
#include "token-agent/cli/new_file.hh"
#include "token-agent/cli/passphrase.hh"

namespace postbearer::cli {
namespace {

int refuse(const Console& console, std::string_view verb, std::string_view text) {
    console.warn("postbearer " + std::string(verb) + ": " + std::string(text));
    return kFailed;
}

std::string logins_text(std::uint64_t count) {
    return std::to_string(count) + (count == 1 ? " login" : " logins");
}

std::uint64_t count_of(const Json::Value& json, const char* name) {
    return json[name].isUInt64() ? json[name].asUInt64() : 0;
}

std::string text_of(const Json::Value& json, const char* name) {
    return json[name].isString() ? json[name].asString() : std::string();
}

/// Adds the sentences of a list to those that were said before, and says them.
void warn_of(const Console& console, const Json::Value& list, Json::Value& all) {
    if (!list.isArray()) {
        return;
    }
    for (const Json::Value& each : list) {
        if (each.isString()) {
            console.warn("left out: " + shown(each));
            all.append(each);
        }
    }
}

struct Written {
    std::uint64_t logins = 0;
    Json::Value skipped{Json::arrayValue};
};

Result<Written> write_chunks(const Options& options, const Console& console,
                             const Secret& passphrase, NewFile& file) {
    Written written;
    std::string cursor;
    do {
        if (console.interrupt != nullptr && console.interrupt->seen()) {
            return failure(Errc::Timeout, "called off; nothing has been written");
        }
        const auto page = call_admin(
            options, "export",
            std::move(AdminArguments().add("passphrase", passphrase.reveal()).add("cursor", cursor))
                .finish());
        if (!page) {
            return tl::unexpected(page.error());
        }
        const auto chunk = base64_decode(text_of(*page, "chunk"));
        const std::string next = text_of(*page, "next");
        if (!chunk || (!next.empty() && next == cursor)) {
            return failure(Errc::Protocol, "garbled answer: no part of an export");
        }
        if (auto appended = file.append(view(*chunk)); !appended) {
            return tl::unexpected(appended.error());
        }
        written.logins += count_of(*page, "logins");
        for (const char* const list : {"skipped", "unreadable"}) {
            warn_of(console, (*page)[list], written.skipped);
        }
        cursor = next;
    } while (!cursor.empty());
    return written;
}

Result<Written> write_export(const Options& options, const Console& console,
                             const std::string& path, const Secret& passphrase) {
    constexpr mode_t kOwnerOnly = 0600;
    auto file = NewFile::create(path, kOwnerOnly);
    if (!file) {
        return tl::unexpected(file.error());
    }
    auto written = write_chunks(options, console, passphrase, *file);
    if (!written) {
        return written;
    }
    if (auto kept = file->commit(Existing::Keep); !kept) {
        return tl::unexpected(kept.error());
    }
    return written;
}

/// An export file from front to back, a piece at a time: there may be hundreds of megabytes.
class ExportPieces {
public:
    /// Error: a sentence that names the file.
    [[nodiscard]] static Result<ExportPieces> open(const std::string& path) {
        auto file = config::open_regular_file(path);
        if (!file) {
            return failure(Errc::Config, path + " " + file.error().context);
        }
        ExportPieces pieces(path, std::move(file->fd));
        const auto begin = pieces.next();
        if (!begin) {
            return tl::unexpected(begin.error());
        }
        if (!begin->starts_with(kExportMagic)) {
            return failure(Errc::Config,
                           path +
                               " is no file of \"postbearer export\"; for token files of "
                               "sasl-xoauth2 say: postbearer import sasl-xoauth2 FILE...");
        }
        if (auto again = pieces.rewind(); !again) {
            return tl::unexpected(again.error());
        }
        return pieces;
    }

    [[nodiscard]] Result<void> rewind() {
        last_ = false;
        return ::lseek(fd_.get(), 0, SEEK_SET) == 0 ? Result<void>() : trouble(errno);
    }
    /// Valid until the next call.
    [[nodiscard]] Result<std::string_view> next() {
        std::size_t used = 0;
        while (used < buffer_.size()) {
            const ssize_t got = ::read(fd_.get(), buffer_.data() + used, buffer_.size() - used);
            if (got < 0 && errno == EINTR) {
                continue;
            }
            if (got < 0) {
                return trouble(errno);
            }
            if (got == 0) {
                last_ = true;
                break;
            }
            used += static_cast<std::size_t>(got);
        }
        return std::string_view(buffer_.data(), used);
    }
    /// Nothing follows what next() gave last.
    [[nodiscard]] bool last() const noexcept { return last_; }

private:
    ExportPieces(std::string path, UniqueFd fd)
        : path_(std::move(path)), fd_(std::move(fd)), buffer_(kPieceBytes) {}

    [[nodiscard]] tl::unexpected<Error> trouble(int number) const {
        return failure(Errc::Config,
                       path_ + " cannot be read: " + config::system_error_text(number));
    }

    std::string path_;
    UniqueFd fd_;
    std::vector<char> buffer_;
    bool last_ = false;
};

struct Taken {
    std::uint64_t logins = 0;
    Json::Value skipped{Json::arrayValue};
};

enum class Pass : std::uint8_t { Check, Take };

/// Each piece goes to the agent with the state that it gave back for the one before.
Result<void> send_pieces(const Options& options, const Console& console, const Secret& passphrase,
                         ExportPieces& file, Pass pass, Taken& taken) {
    if (auto begun = file.rewind(); !begun) {
        return begun;
    }
    std::string state = "null";
    while (!file.last()) {
        if (console.interrupt != nullptr && console.interrupt->seen()) {
            return failure(Errc::Timeout, "called off");
        }
        const auto piece = file.next();
        if (!piece) {
            return tl::unexpected(piece.error());
        }
        const WipedBytes chunk = base64_encode(*piece);
        const auto answer = call_admin(options, "import_export",
                                       std::move(AdminArguments()
                                                     .add("passphrase", passphrase.reveal())
                                                     .add("chunk", view(chunk))
                                                     .add_flag("last", file.last())
                                                     .add_flag("check", pass == Pass::Check)
                                                     .add_document("state", state))
                                           .finish());
        if (!answer) {
            return tl::unexpected(answer.error());
        }
        if (pass == Pass::Take) {
            taken.logins += count_of(*answer, "logins");
            warn_of(console, (*answer)["skipped"], taken.skipped);
        }
        state = agent::compact((*answer)["state"]);
    }
    return {};
}

}  // namespace

int export_logins(const Options& options, const Console& console) {
    const std::string& path = options.arguments.front();
    if (::access(path.c_str(), F_OK) == 0) {
        return refuse(console, "export", path + " is there already and is not overwritten");
    }
    const auto passphrase = obtain_passphrase(console, options.passphrase_file, Asking::Twice);
    if (!passphrase) {
        return refuse(console, "export", passphrase.error().context);
    }
    const auto written = write_export(options, console, path, *passphrase);
    if (!written) {
        return refuse(console, "export", written.error().context);
    }
    if (console.json) {
        Json::Value json = agent::document("export");
        json["file"] = path;
        json["logins"] = static_cast<Json::UInt64>(written->logins);
        json["skipped"] = written->skipped;
        console.document(agent::compact(json));
    }
    console.line(logins_text(written->logins) + " written to " + path +
                 ", sealed to the passphrase.\nWhoever has both can send mail as these accounts: "
                 "keep them apart.\nWhere the provider gives a new refresh token at each use, the "
                 "file is out of date soon.");
    return kDone;
}

int import_logins(const Options& options, const Console& console, const std::string& file) {
    auto pieces = ExportPieces::open(file);
    if (!pieces) {
        return refuse(console, "import", pieces.error().context);
    }
    const auto passphrase = obtain_passphrase(console, options.passphrase_file, Asking::Once);
    if (!passphrase) {
        return refuse(console, "import", passphrase.error().context);
    }
    Taken taken;
    Result<void> done = send_pieces(options, console, *passphrase, *pieces, Pass::Check, taken);
    if (done) {
        done = send_pieces(options, console, *passphrase, *pieces, Pass::Take, taken);
    }
    if (console.json) {
        Json::Value json = agent::document("import");
        json["file"] = file;
        json["logins"] = static_cast<Json::UInt64>(taken.logins);
        json["skipped"] = taken.skipped;
        json["complete"] = done.has_value();
        console.document(agent::compact(json));
    }
    if (!done) {
        const std::string so_far =
            taken.logins > 0 ? "; " + logins_text(taken.logins) + " taken over already" : "";
        return refuse(console, "import", done.error().context + so_far);
    }
    console.line(logins_text(taken.logins) + " taken over.");
    if (taken.logins > 0) {
        const std::string them = taken.logins == 1 ? "it" : "them";
        console.line("An agent elsewhere that still uses " + them +
                     " must be switched off, or lose " + them +
                     ": where the provider\ngives a new refresh token at each use, only one of the "
                     "two can go on.");
    }
    return taken.skipped.empty() ? kDone : kFailed;
}

int run_export(const Options& options) {
    const Interrupt interrupt;
    Console console;
    console.json = options.json;
    console.interrupt = &interrupt;
    return export_logins(options, console);
}

}  // namespace postbearer::cli
