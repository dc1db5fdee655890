// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/export.hh"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

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
            console.warn("left out: " + each.asString());
            all.append(each);
        }
    }
}

bool is_base64(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '+' || c == '/' || c == '-' || c == '_' || c == '=';
    });
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
        const std::string chunk = text_of(*page, "chunk");
        const std::string next = text_of(*page, "next");
        if ((!chunk.empty() && !is_base64(chunk)) || chunk.size() > kMaxChunkBytes ||
            (!next.empty() && next == cursor)) {
            return failure(Errc::Protocol, "garbled answer: no chunk of an export");
        }
        if (!chunk.empty()) {
            if (auto appended = file.append(chunk + "\n"); !appended) {
                return tl::unexpected(appended.error());
            }
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
    if (auto begun = file->append(std::string(kExportHeader) + "\n"); !begun) {
        return tl::unexpected(begun.error());
    }
    auto written = write_chunks(options, console, passphrase, *file);
    if (!written) {
        return written;
    }
    auto ended = file->append(std::string(kExportEnd) + "\n");
    ended = ended ? file->commit(Existing::Keep) : ended;
    if (!ended) {
        return tl::unexpected(ended.error());
    }
    return written;
}

/// The lines of an export file, one at a time: there may be hundreds of megabytes.
class ExportReader {
public:
    /// Error: a sentence that names the file.
    [[nodiscard]] static Result<ExportReader> open(const std::string& path) {
        ExportReader reader(path);
        if (!reader.stream_) {
            return failure(Errc::Config, path + " cannot be opened for reading");
        }
        if (!reader.next_line() || reader.line() != kExportHeader) {
            return failure(Errc::Config,
                           path +
                               " is no file of \"postbearer export\"; for token files of "
                               "sasl-xoauth2 say: postbearer import sasl-xoauth2 FILE...");
        }
        return reader;
    }

    /// The next chunk; empty: the end. Error: cut short or damaged.
    [[nodiscard]] Result<std::string> chunk() {
        const bool more = next_line();
        if (more && line() == kExportEnd) {
            return std::string();
        }
        if (!more || !is_base64(line())) {
            return failure(Errc::Config, path_ + ":" + std::to_string(number_) +
                                             ": the file is cut short or damaged");
        }
        return std::string(line());
    }

private:
    explicit ExportReader(const std::string& path)
        : path_(path), stream_(path, std::ios::binary), buffer_(kMaxChunkBytes + 2) {}

    [[nodiscard]] bool next_line() {
        ++number_;
        stream_.getline(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
        size_ = stream_.gcount() > 0 ? static_cast<std::size_t>(stream_.gcount()) - 1 : 0;
        // A line without its newline is one that somebody cut.
        return stream_.good();
    }
    [[nodiscard]] std::string_view line() const { return {buffer_.data(), size_}; }

    std::string path_;
    std::ifstream stream_;
    std::vector<char> buffer_;
    std::size_t size_ = 0;
    std::uint64_t number_ = 0;
};

struct Taken {
    std::uint64_t logins = 0;
    Json::Value skipped{Json::arrayValue};
};

/// Each chunk goes to the agent with the state that it gave back for the one before.
Result<void> take_chunks(const Options& options, const Console& console, const Secret& passphrase,
                         ExportReader& reader, Taken& taken) {
    std::string state = "null";
    for (;;) {
        if (console.interrupt != nullptr && console.interrupt->seen()) {
            return failure(Errc::Timeout, "called off");
        }
        const auto chunk = reader.chunk();
        if (!chunk) {
            return tl::unexpected(chunk.error());
        }
        if (chunk->empty()) {
            return {};
        }
        const auto answer = call_admin(options, "import_export",
                                       std::move(AdminArguments()
                                                     .add("passphrase", passphrase.reveal())
                                                     .add("chunk", *chunk)
                                                     .add_document("state", state))
                                           .finish());
        if (!answer) {
            return tl::unexpected(answer.error());
        }
        taken.logins += count_of(*answer, "logins");
        warn_of(console, (*answer)["skipped"], taken.skipped);
        state = agent::compact((*answer)["state"]);
    }
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
    console.line(std::to_string(written->logins) + " logins written to " + path +
                 ", sealed to the passphrase.\nWhoever has both can send mail as these accounts: "
                 "keep them apart.\nWhere the provider gives a new refresh token at each use, the "
                 "file is out of date soon.");
    return kDone;
}

int import_logins(const Options& options, const Console& console, const std::string& file) {
    auto reader = ExportReader::open(file);
    if (!reader) {
        return refuse(console, "import", reader.error().context);
    }
    const auto passphrase = obtain_passphrase(console, options.passphrase_file, Asking::Once);
    if (!passphrase) {
        return refuse(console, "import", passphrase.error().context);
    }
    Taken taken;
    const Result<void> done = take_chunks(options, console, *passphrase, *reader, taken);
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
            taken.logins > 0 ? "; " + std::to_string(taken.logins) + " logins are taken over" : "";
        return refuse(console, "import", done.error().context + so_far);
    }
    console.line(std::to_string(taken.logins) +
                 " logins taken over.\nAn agent elsewhere that still uses them must be switched "
                 "off, or lose them: where the provider\ngives a new refresh token at each use, "
                 "only one of the two can go on.");
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
