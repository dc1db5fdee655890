// SPDX-License-Identifier: Apache-2.0

// postbearer import sasl-xoauth2: reads the files, says all that is wrong with them, and only then
// writes secrets and agent.d/sasl-xoauth2.toml, has the agent reload and hands it the tokens.

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/config/text_file.hh"
#include "token-agent/admin_json.hh"
#include "token-agent/cli/admin_arguments.hh"
#include "token-agent/cli/import.hh"
#include "token-agent/cli/new_file.hh"
#include "token-agent/cli/sasl_xoauth2/import_plan.hh"
#include "token-agent/config_loader.hh"
#include "token-agent/socket_paths.hh"

namespace postbearer::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kVerb = "postbearer import: ";

int refuse(const Console& console, std::string_view text, int code = kFailed) {
    console.warn(std::string(kVerb) + std::string(text));
    return code;
}

constexpr std::size_t kMasterKeyBytes = 32;

/// Lets every name, file and secret pass: what the generated file says is judged, not this host.
class AnyHost final : public agent::ConfigHost {
public:
    [[nodiscard]] Result<Secret> read_secret(
        const config::SecretReference& /*reference*/) const override {
        return Secret(std::string(kMasterKeyBytes, 'x'));
    }
    [[nodiscard]] std::optional<uid_t> user_id(const std::string& /*name*/) const override {
        return 0;
    }
    [[nodiscard]] std::optional<gid_t> group_id(const std::string& /*name*/) const override {
        return 0;
    }
    [[nodiscard]] Result<void> can_read(const std::string& /*path*/) const override { return {}; }
};

/// A secret file that we wrote, and what was there before.
struct WrittenSecret {
    std::string path;
    std::optional<Secret> before;
    uid_t owner = 0;
    mode_t mode = 0;
};

class SaslXoauth2Import {
public:
    SaslXoauth2Import(const Options& options, const Console& console)
        : options_(options), console_(console) {}

    int run();

private:
    [[nodiscard]] bool read_addresses();
    [[nodiscard]] std::optional<PeerSource> read_source(const std::string& path);
    void warn_of_mode(const std::string& path);
    [[nodiscard]] bool make_plan();
    void check_against_configuration();
    [[nodiscard]] std::optional<uid_t> find_agent_user() const;
    [[nodiscard]] int write_and_import();
    [[nodiscard]] Result<void> write_secrets();
    [[nodiscard]] Result<void> write_text(const std::string& text, Existing existing) const;
    [[nodiscard]] Result<void> reload();
    void take_back();
    [[nodiscard]] bool import_logins();
    int finish(bool good);

    const Options& options_;
    const Console& console_;
    fs::path directory_;                            // of agent.toml
    std::string target_;                            // the file to write
    std::string secrets_;                           // directory
    std::map<std::string, std::string> addresses_;  // by token file
    ImportPlan plan_;
    std::string text_;
    std::optional<std::string> replaced_;  // what was in target_ before
    bool wrote_text_ = false;
    std::vector<WrittenSecret> written_;
    std::string store_path_;
    std::optional<uid_t> agent_user_;
    Json::Value results_{Json::arrayValue};
};

/// ADDRESS=FILE; each FILE must be one of the arguments.
bool SaslXoauth2Import::read_addresses() {
    for (const std::string& pair : options_.address_of) {
        const std::size_t equals = pair.find('=');
        const std::string file = equals == std::string::npos ? "" : pair.substr(equals + 1);
        const auto& files = options_.arguments;
        if (file.empty() || std::find(files.begin() + 1, files.end(), file) == files.end()) {
            (void)refuse(console_,
                         "--account " + pair + " is not ADDRESS=FILE with one of the files given");
            return false;
        }
        addresses_[file] = pair.substr(0, equals);
    }
    return true;
}

void SaslXoauth2Import::warn_of_mode(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0 && (status.st_mode & (S_IRGRP | S_IROTH)) != 0) {
        plan_.warnings.push_back(mistake_line(path, {},
                                              (status.st_mode & S_IROTH) != 0
                                                  ? "every local user could read its secrets"
                                                  : "its group could read its secrets"));
    }
}

std::optional<PeerSource> SaslXoauth2Import::read_source(const std::string& path) {
    const auto bytes = read_whole_file(path, kMaxPeerFileBytes);
    if (!bytes) {
        plan_.mistakes.push_back(bytes.error().context);
        return std::nullopt;
    }
    auto file = parse_peer_file(bytes->reveal());
    if (!file) {
        plan_.mistakes.push_back(mistake_line(path, file.error().at, file.error().text));
        return std::nullopt;
    }
    if ((file->client_secret && !file->client_secret->value.empty()) || file->refresh_token) {
        warn_of_mode(path);
    }
    return PeerSource{path, std::move(*file), ""};
}

bool SaslXoauth2Import::make_plan() {
    const auto config = read_source(options_.peer_config);
    std::vector<PeerSource> tokens;
    for (auto path = options_.arguments.begin() + 1; path != options_.arguments.end(); ++path) {
        if (auto source = read_source(*path)) {
            source->address = addresses_[*path];
            tokens.push_back(std::move(*source));
        }
    }
    if (config) {
        ImportPlan made = plan_import(*config, std::move(tokens));
        made.warnings.insert(made.warnings.begin(), plan_.warnings.begin(), plan_.warnings.end());
        made.mistakes.insert(made.mistakes.begin(), plan_.mistakes.begin(), plan_.mistakes.end());
        plan_ = std::move(made);
    }
    if (plan_.mistakes.empty()) {
        text_ = config_text(plan_, secrets_);
        check_against_configuration();
    }
    for (const std::string& line : plan_.warnings) {
        console_.warn("warning: " + line);
    }
    for (const std::string& line : plan_.mistakes) {
        console_.warn(line);
    }
    return plan_.mistakes.empty();
}

/// The new file beside those that are there: an account that exists already shows now, not when
/// the agent starts next.
void SaslXoauth2Import::check_against_configuration() {
    std::vector<std::string> names{options_.config};
    std::error_code error;
    for (fs::directory_iterator entry(directory_ / "agent.d", error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        if (name.ends_with(".toml") && name.front() != '.' && entry->path().string() != target_) {
            names.push_back(entry->path().string());
        }
    }
    std::vector<std::string> contents;
    for (const std::string& name : names) {
        auto file = config::read_text_file(name);
        contents.push_back(file ? std::move(file->text) : std::string());
    }
    std::vector<agent::ConfigText> texts;
    for (std::size_t i = 0; i < names.size(); ++i) {
        texts.push_back({names[i], contents[i]});
    }
    texts.push_back({target_, text_});
    const auto loaded = agent::load_config_texts(texts, AnyHost());
    store_path_ = loaded ? loaded->config->store_path : "";
    for (const std::string& line : loaded ? std::vector<std::string>() : loaded.error()) {
        if (line.starts_with(target_ + ":")) {  // the others need the real host to be judged
            plan_.mistakes.push_back(line);
        }
    }
}

Result<void> SaslXoauth2Import::write_text(const std::string& text, Existing existing) const {
    constexpr mode_t kMode = 0644;
    auto file = NewFile::create(target_, kMode);
    if (!file) {
        return tl::unexpected(file.error());
    }
    if (auto appended = file->append(text); !appended) {
        return appended;
    }
    return file->commit(existing);
}

/// What a file was, or is to be again.
Result<WrittenSecret> secret_before(const std::string& path) {
    WrittenSecret out;
    out.path = path;
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) {
        return out;
    }
    auto bytes = read_whole_file(path, config::kMaxSecretBytes);
    if (!bytes) {
        return tl::unexpected(bytes.error());
    }
    out.before = std::move(*bytes);
    out.owner = status.st_uid;
    out.mode = status.st_mode & 07777U;
    return out;
}

Result<void> put_back(const WrittenSecret& written) {
    if (!written.before) {
        (void)::unlink(written.path.c_str());
        return {};
    }
    auto file = NewFile::create(written.path, written.mode, written.owner);
    if (!file) {
        return tl::unexpected(file.error());
    }
    if (auto appended = file->append(written.before->reveal()); !appended) {
        return appended;
    }
    return file->commit(Existing::Replace);
}

Result<void> SaslXoauth2Import::write_secrets() {
    constexpr mode_t kDirectoryMode = 0700;
    constexpr mode_t kMode = 0600;
    for (const PlannedProvider& provider : plan_.providers) {
        if (!provider.client_secret) {
            continue;
        }
        if (auto made = make_directory(secrets_, kDirectoryMode, agent_user_); !made) {
            return made;
        }
        const std::string path = provider.secret_file(secrets_);
        auto before = secret_before(path);
        if (!before) {
            return tl::unexpected(before.error());
        }
        auto file = NewFile::create(path, kMode, agent_user_);
        if (!file) {
            return tl::unexpected(file.error());
        }
        for (const std::string_view part :
             {provider.client_secret->reveal(), std::string_view("\n")}) {
            if (auto appended = file->append(part); !appended) {
                return appended;
            }
        }
        // Replacing may fail when it has been done (the directory cannot be synced); where a file
        // is to be kept, one that somebody made meanwhile is not ours to remove.
        if (options_.force) {
            written_.push_back(std::move(*before));
        }
        if (auto kept = file->commit(options_.force ? Existing::Replace : Existing::Keep); !kept) {
            return kept;
        }
        if (!options_.force) {
            written_.push_back(std::move(*before));
        }
    }
    return {};
}

Result<void> SaslXoauth2Import::reload() {
    const auto json = call_admin(options_, "reload", Json::Value(Json::objectValue));
    if (!json) {
        return tl::unexpected(json.error());
    }
    if ((*json)["ok"].isBool() && (*json)["ok"].asBool()) {
        return {};
    }
    for (const Json::Value& line : (*json)["errors"]) {
        console_.warn(shown(line));
    }
    return failure(Errc::Config,
                   "the agent does not take the new configuration; it is as it was before");
}

void SaslXoauth2Import::take_back() {
    if (wrote_text_ && replaced_) {
        (void)write_text(*replaced_, Existing::Replace);
    } else if (wrote_text_) {
        (void)::unlink(target_.c_str());
    }
    for (const WrittenSecret& each : written_) {
        if (auto done = put_back(each); !done) {
            console_.warn(done.error().context + "; it held another secret before");
        }
    }
}

bool SaslXoauth2Import::import_logins() {
    bool all_good = true;
    for (const PlannedAccount& account : plan_.accounts) {
        Json::Value row(Json::objectValue);
        row["account"] = account.address;
        row["provider"] = plan_.providers[account.provider].name;
        row["file"] = account.origin;
        row["grant"] = account.app_only ? "client_credentials" : "delegated";
        if (!account.app_only) {
            const auto json =
                call_admin(options_, "import_login",
                           std::move(AdminArguments()
                                         .add("account", account.address)
                                         .add("refresh_token", account.refresh_token.reveal())
                                         .add("user", std::string_view()))
                               .finish());
            row["imported"] = json.has_value();
            if (!json) {
                row["error"] = json.error().context;
                console_.warn(account.address + ": FAILED: " + json.error().context);
                all_good = false;
            } else {
                const bool replaced = (*json)["replaced"].isBool() && (*json)["replaced"].asBool();
                console_.line(account.address + ": login taken over" +
                              (replaced ? ", in place of the one that was there" : ""));
            }
        }
        results_.append(std::move(row));
    }
    return all_good;
}

/// Who has to read the secrets. The store is the agent's own; a socket may be systemd's.
std::optional<uid_t> SaslXoauth2Import::find_agent_user() const {
    for (const std::string& path : {store_path_, agent::load_socket_paths(options_.config).admin}) {
        struct stat status {};
        if (!path.empty() && ::stat(path.c_str(), &status) == 0) {
            return status.st_uid;
        }
    }
    return std::nullopt;
}

int SaslXoauth2Import::write_and_import() {
    // First of all: an agent that is away, or one that we may not talk to, must not leave files.
    if (const auto answer = call_admin(options_, "list", Json::Value(Json::objectValue)); !answer) {
        return refuse(console_, answer.error().context);
    }
    agent_user_ = find_agent_user();
    if (auto before = config::read_text_file(target_); before) {
        replaced_ = std::move(before->text);
    }
    Result<void> done = make_directory(fs::path(target_).parent_path().string(), 0755);
    done = done ? write_secrets() : done;
    done = done ? write_text(text_, options_.force ? Existing::Replace : Existing::Keep) : done;
    wrote_text_ = done.has_value();
    done = done ? reload() : done;
    if (!done) {
        take_back();
        return refuse(console_, done.error().context);
    }
    console_.line("Wrote " + target_);
    return finish(import_logins());
}

int SaslXoauth2Import::finish(bool good) {
    if (console_.json) {
        Json::Value json = agent::document("import_sasl_xoauth2");
        json["config"] = target_;
        json["accounts"] = results_;
        json["warnings"] = Json::Value(Json::arrayValue);
        for (const std::string& line : plan_.warnings) {
            json["warnings"].append(line);
        }
        console_.document(agent::compact(json));
    }
    console_.line(
        "\nThe files of sasl-xoauth2 are as they were, so the refresh tokens are now shared by "
        "two\n"
        "programs. Where the provider gives a new one at each use, only one of them can go on:\n"
        "switch the old plugin off now. Remove the package sasl-xoauth2, let sasl_passwd name the\n"
        "accounts without their token files, and run: postfix reload\n"
        "Then try each account: postbearer token ACCOUNT --test");
    return good ? kDone : kFailed;
}

int SaslXoauth2Import::run() {
    directory_ = fs::absolute(fs::path(options_.config)).parent_path();
    const fs::path usual = directory_ / "agent.d" / "sasl-xoauth2.toml";
    target_ = options_.write_config.empty() ? usual.string()
                                            : fs::absolute(options_.write_config).string();
    secrets_ = (directory_ / "secrets").string();
    if (options_.arguments.size() < 2) {
        return refuse(console_, "sasl-xoauth2 needs the token files, such as /etc/tokens/*",
                      kUsage);
    }
    if (!read_addresses()) {
        return kUsage;
    }
    const bool read_by_agent =
        fs::path(target_).parent_path() == directory_ / "agent.d" && target_.ends_with(".toml");
    if (!options_.dry_run && !read_by_agent) {
        return refuse(console_,
                      target_ + " is no *.toml file in " + (directory_ / "agent.d").string() +
                          ", where the agent reads; with --dry-run the file is printed",
                      kUsage);
    }
    if (!make_plan()) {
        return refuse(console_, "nothing has been written; correct this first");
    }
    if (options_.dry_run) {
        (void)std::fputs(text_.c_str(), console_.out);
        (void)std::fflush(console_.out);
        return kDone;
    }
    if (!options_.force && ::access(target_.c_str(), F_OK) == 0) {
        return refuse(console_, target_ + " is there already; --force overwrites it");
    }
    return write_and_import();
}

}  // namespace

int import_sasl_xoauth2(const Options& options, const Console& console) {
    return SaslXoauth2Import(options, console).run();
}

}  // namespace postbearer::cli
