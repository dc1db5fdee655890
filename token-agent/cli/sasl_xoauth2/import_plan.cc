// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/sasl_xoauth2/import_plan.hh"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "common/http/url.hh"
#include "common/text.hh"
#include "token-agent/cli/sasl_xoauth2/peer_endpoint.hh"

namespace postbearer::cli {
namespace {

/// One setting as it counts for an account, and the file that says so.
template <typename T>
struct Setting {
    const T* value = nullptr;
    const std::string* file = nullptr;

    [[nodiscard]] bool given() const noexcept { return value != nullptr; }
};

bool looks_like_address(std::string_view text) {
    const std::size_t at = text.find('@');
    return at != std::string_view::npos && at > 0 && at + 1 < text.size() &&
           text.find('@', at + 1) == std::string_view::npos && text[at + 1] != '.' &&
           text.back() != '.' && std::all_of(text.begin(), text.end(), [](char c) {
               return c > ' ' && c < '\x7F' && c != '"' && c != '\\';
           });
}

/// 8-4-4-4-12 hexadecimal digits: how Microsoft names applications.
bool is_guid(std::string_view text) {
    constexpr std::string_view kForm = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    return text.size() == kForm.size() &&
           std::equal(text.begin(), text.end(), kForm.begin(), [](char c, char form) {
               const bool digit =
                   (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
               return form == '-' ? c == '-' : digit;
           });
}

bool is_placeholder(std::string_view text) {
    const std::string lower = ascii_lower(text);
    return lower.ends_with("_goes_here") || lower.starts_with("your_") || lower == "client_id" ||
           lower == "my_client_id" || lower == "client_secret" ||
           lower == "00000000-0000-0000-0000-000000000000";
}

bool is_word(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7F'; });
}

class Planner {
public:
    explicit Planner(const PeerSource& config) : config_(config) {}

    void add(PeerSource token);
    [[nodiscard]] ImportPlan finish() && { return std::move(plan_); }

private:
    template <typename T>
    [[nodiscard]] Setting<T> setting(const PeerSource& token,
                                     std::optional<T> PeerFile::*member) const {
        if (const auto& own = token.file.*member) {
            return {&*own, &token.name};
        }
        const auto& common = config_.file.*member;
        return common ? Setting<T>{&*common, &config_.name} : Setting<T>{};
    }
    template <typename T>
    void mistake(const Setting<T>& setting, std::string_view text) {
        complain(plan_.mistakes, mistake_line(*setting.file, setting.value->at, text));
    }
    template <typename T>
    void warn(const Setting<T>& setting, std::string_view text) {
        complain(plan_.warnings, mistake_line(*setting.file, setting.value->at, text));
    }
    /// Many accounts share a configuration: its faults are said once.
    static void complain(std::vector<std::string>& list, std::string line) {
        if (std::find(list.begin(), list.end(), line) == list.end()) {
            list.push_back(std::move(line));
        }
    }

    [[nodiscard]] std::string find_address(const PeerSource& token);
    [[nodiscard]] PlannedProvider provider_of(const PeerSource& token, bool app_only);
    void read_client(const PeerSource& token, PlannedProvider& out);
    void read_endpoint(const PeerSource& token, PlannedProvider& out);
    void read_transport(const PeerSource& token, PlannedProvider& out);
    [[nodiscard]] std::size_t shared(PlannedProvider provider);

    const PeerSource& config_;
    ImportPlan plan_;
};

std::string Planner::find_address(const PeerSource& token) {
    std::string address = token.address;
    if (address.empty()) {
        address = address_in_name(token.name).value_or("");
    }
    if (address.empty() && token.file.user && looks_like_address(token.file.user->value)) {
        address = token.file.user->value;
    }
    address = ascii_lower(address);
    if (address.empty()) {
        complain(
            plan_.mistakes,
            mistake_line(token.name, {}, "whose token is it? Say --account ADDRESS=" + token.name));
    } else if (!looks_like_address(address)) {
        complain(plan_.mistakes, mistake_line(token.name, {}, "its account is no mail address"));
    }
    for (const PlannedAccount& other : plan_.accounts) {
        if (other.address == address && !address.empty()) {
            complain(plan_.mistakes, mistake_line(token.name, {},
                                                  address + " has a token file already: " +
                                                      other.origin + "; leave one out"));
        }
    }
    return address;
}

void Planner::read_client(const PeerSource& token, PlannedProvider& out) {
    const auto id = setting(token, &PeerFile::client_id);
    if (!id.given()) {
        complain(plan_.mistakes, mistake_line(config_.name, {}, "client_id is missing"));
    } else if (is_placeholder(id.value->value)) {
        mistake(id, "client_id is still the placeholder of the sample");
    } else if (!is_word(id.value->value)) {
        mistake(id, "client_id is empty or holds blanks");
    } else {
        out.client_id = id.value->value;
    }
    const auto secret = setting(token, &PeerFile::client_secret);
    if (!secret.given()) {
        return;
    }
    const std::string_view text = secret.value->value.reveal();
    if (text.empty()) {
        warn(secret, "client_secret is empty: left out, a public client must not send one");
    } else if (is_placeholder(text)) {
        warn(secret, "client_secret is still the placeholder of the sample: left out");
    } else {
        out.client_secret = secret.value->value.clone();
    }
}

void Planner::read_endpoint(const PeerSource& token, PlannedProvider& out) {
    const auto endpoint = setting(token, &PeerFile::token_endpoint);
    const std::string url(endpoint.given() && !endpoint.value->value.empty()
                              ? std::string_view(endpoint.value->value)
                              : kPeerDefaultEndpoint);
    const auto known = read_peer_endpoint(url);
    if (!known) {
        mistake(endpoint, known.error().context);
        return;
    }
    out.type = known->type;
    out.cloud = known->cloud == "global" ? "" : known->cloud;
    out.tenant = known->tenant;
    out.token_endpoint = known->token_endpoint;
    if (known->national_cloud_guess) {
        warn(endpoint,
             "taken for cloud = \"gcc-high\"; a DoD tenant has the same host: write \"dod\" then");
    }
    const auto id = setting(token, &PeerFile::client_id);
    if (out.type == "google" && id.given() && is_guid(id.value->value)) {
        const std::string_view cause =
            endpoint.given() ? "token_endpoint is Google's"
                             : "there is no token_endpoint, so sasl-xoauth2 asks Google";
        mistake(id, std::string(cause) +
                        ", but this client_id is one of Microsoft's: set token_endpoint to "
                        "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token");
    }
    if (out.type == "microsoft" && id.given() &&
        id.value->value.ends_with(".apps.googleusercontent.com")) {
        mistake(id, "client_id is one of Google's, but token_endpoint is Microsoft's");
    }
}

void Planner::read_transport(const PeerSource& token, PlannedProvider& out) {
    if (const auto proxy = setting(token, &PeerFile::proxy);
        proxy.given() && !proxy.value->value.empty()) {
        std::string url = proxy.value->value;
        if (url.find("://") == std::string::npos) {
            url.insert(0, "http://");  // what libcurl takes it for
        }
        if (url.find('@') != std::string::npos) {
            mistake(proxy, "proxy has a user and password, which the agent does not take");
        } else if (const auto parts = http::check_proxy(url); !parts) {
            mistake(proxy, "proxy is none such as http://proxy.example.com:3128");
        } else {
            out.proxy = parts->origin;
        }
    }
    if (const auto file = setting(token, &PeerFile::ca_bundle_file);
        file.given() && !file.value->value.empty()) {
        if (file.value->value.front() != '/') {
            mistake(file, "ca_bundle_file is no absolute path");
        } else {
            out.ca_file = file.value->value;
        }
    }
    if (const auto directory = setting(token, &PeerFile::ca_certs_dir);
        directory.given() && !directory.value->value.empty()) {
        warn(directory,
             "ca_certs_dir is left out; the agent uses the system's certificates, or one file: "
             "ca_file");
    }
}

PlannedProvider Planner::provider_of(const PeerSource& token, bool app_only) {
    PlannedProvider out;
    read_client(token, out);
    read_endpoint(token, out);
    read_transport(token, out);
    const auto scope = setting(token, &PeerFile::scope);
    if (app_only && scope.given() && !scope.value->value.empty()) {
        if (is_word(scope.value->value)) {
            out.scope = scope.value->value;
        } else {
            warn(scope, "scope is left out: it is more than one word");
        }
    }
    out.origin = token.file.client_id || token.file.token_endpoint ? token.name : config_.name;
    return out;
}

bool same_secret(const std::optional<Secret>& a, const std::optional<Secret>& b) {
    return a.has_value() == b.has_value() && (!a || a->reveal() == b->reveal());
}

std::size_t Planner::shared(PlannedProvider provider) {
    auto& list = plan_.providers;
    const auto found = std::find_if(list.begin(), list.end(), [&](const PlannedProvider& each) {
        return each.type == provider.type && each.cloud == provider.cloud &&
               each.tenant == provider.tenant && each.token_endpoint == provider.token_endpoint &&
               each.client_id == provider.client_id &&
               same_secret(each.client_secret, provider.client_secret) &&
               each.proxy == provider.proxy && each.ca_file == provider.ca_file &&
               each.scope == provider.scope;
    });
    if (found != list.end()) {
        return static_cast<std::size_t>(found - list.begin());
    }
    provider.name = "sasl-xoauth2";
    if (!list.empty()) {
        provider.name += "-" + std::to_string(list.size() + 1);
    }
    list.push_back(std::move(provider));
    return list.size() - 1;
}

bool is_on(const std::optional<bool>& own, const std::optional<bool>& common) {
    return own.value_or(common.value_or(false));
}

void Planner::add(PeerSource token) {
    if (is_on(token.file.manage_token_externally, config_.file.manage_token_externally)) {
        complain(plan_.mistakes,
                 mistake_line(token.name, {},
                              "another program renews this token (manage_token_externally): there "
                              "is nothing to take over, leave it out"));
        return;
    }
    PlannedAccount account;
    account.app_only =
        is_on(token.file.use_client_credentials, config_.file.use_client_credentials);
    account.address = find_address(token);
    account.origin = token.name;
    PlannedProvider provider = provider_of(token, account.app_only);
    if (account.app_only && !provider.client_secret) {
        complain(plan_.mistakes,
                 mistake_line(token.name, {}, "use_client_credentials needs a client_secret"));
    }
    const std::string tenant = ascii_lower(provider.tenant);
    const bool single_tenant = provider.type == "microsoft" && tenant != "common" &&
                               tenant != "organizations" && tenant != "consumers";
    if (account.app_only && provider.type != "oidc" && !single_tenant) {
        complain(plan_.mistakes,
                 mistake_line(token.name, {},
                              "use_client_credentials works with one Microsoft tenant, or another "
                              "server that has it"));
    }
    if (!account.app_only) {
        if (!token.file.refresh_token || token.file.refresh_token->value.empty()) {
            complain(plan_.mistakes,
                     mistake_line(token.name, {},
                                  "there is no refresh_token: leave it out, and log in with "
                                  "postbearer login"));
        } else {
            account.refresh_token = std::move(token.file.refresh_token->value);
        }
    }
    if (token.file.user && ascii_lower(token.file.user->value) != account.address) {
        account.user = token.file.user->value;
    }
    account.provider = shared(std::move(provider));
    plan_.accounts.push_back(std::move(account));
}

/// A TOML basic string.
std::string toml_string(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {  // PeerFile has no control characters
        if (c == '"' || c == '\\') {
            out += '\\';
        }
        out += c;
    }
    return out + '"';
}

void append_provider(std::string& out, const PlannedProvider& provider,
                     std::string_view secrets_directory) {
    const auto line = [&out](std::string_view key, const std::string& value) {
        if (!value.empty()) {
            out += std::string(key) + " = " + toml_string(value) + "\n";
        }
    };
    out += "\n# " + printable(provider.origin, 300) + "\n[provider." + provider.name + "]\n";
    line("type", provider.type);
    line("cloud", provider.cloud);
    line("tenant", provider.tenant);
    line("token_endpoint", provider.token_endpoint);
    line("client_id", provider.client_id);
    if (provider.client_secret) {
        line("client_secret", "file:" + provider.secret_file(secrets_directory));
    }
    line("proxy", provider.proxy);
    line("ca_file", provider.ca_file);
    if (!provider.scope.empty()) {
        out += "scopes.smtp = [" + toml_string(provider.scope) + "]\n";
    }
}

}  // namespace

std::string PlannedProvider::secret_file(std::string_view directory) const {
    return std::string(directory) + "/" + name + ".client_secret";
}

std::string mistake_line(std::string_view file, Place at, std::string_view text) {
    std::string line = printable(file, 4096);
    if (at.line > 0) {
        line += ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
    }
    return line + ": " + printable(text, 1024);
}

std::optional<std::string> address_in_name(std::string_view path) {
    std::string name = std::filesystem::path(path).filename().string();
    for (const std::string_view ending : {".json", ".tokens", ".token"}) {
        if (name.ends_with(ending)) {
            name.resize(name.size() - ending.size());
        }
    }
    return looks_like_address(name) ? std::optional(name) : std::nullopt;
}

ImportPlan plan_import(const PeerSource& config, std::vector<PeerSource> tokens) {
    Planner planner(config);
    for (PeerSource& token : tokens) {
        planner.add(std::move(token));
    }
    return std::move(planner).finish();
}

std::string config_text(const ImportPlan& plan, std::string_view secrets_directory) {
    std::string out =
        "# Taken over from sasl-xoauth2 by \"postbearer import sasl-xoauth2\".\n"
        "# Once this works, rename the file if you like; nothing overwrites it unasked.\n";
    for (const PlannedProvider& provider : plan.providers) {
        append_provider(out, provider, secrets_directory);
    }
    for (const PlannedAccount& account : plan.accounts) {
        out += "\n# " + printable(account.origin, 300) +
               "\n[[account]]\nmatch = " + toml_string(account.address) +
               "\nprovider = " + toml_string(plan.providers[account.provider].name) +
               "\ngrant = " + (account.app_only ? "\"client_credentials\"" : "\"delegated\"") +
               "\n";
        if (!account.user.empty()) {
            out += "user = " + toml_string(account.user) + "\n";
        }
    }
    return out;
}

}  // namespace postbearer::cli
