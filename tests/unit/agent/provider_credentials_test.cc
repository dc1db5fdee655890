// SPDX-License-Identifier: Apache-2.0
// How a provider's app proves itself, as the configuration says it: keys that are good, and every
// mistake with the exact line that the admin reads.

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <map>
#include <ostream>
#include <string>

#include "tests/support/test_keys.hh"
#include "tests/unit/agent/config_texts.hh"
#include "token-agent/credentials/service_account.hh"
#include "token-agent/credentials/signing_key.hh"

namespace postbearer::agent {
namespace {

constexpr const char* kPassphrase = "sentinel-secret passphrase";
constexpr std::chrono::sys_days kToday = std::chrono::year(2026) / 11 / 20;

std::string json_of_key(EVP_PKEY* key, const std::string& uri = "https://g.example/token") {
    std::string pem = test::pem_of(key);
    for (std::size_t at = pem.find('\n'); at != std::string::npos; at = pem.find('\n', at)) {
        pem.replace(at, 1, "\\n");
    }
    return R"({"type":"service_account","client_email":"robot@p.iam.gserviceaccount.com",)"
           R"("client_id":"1234","private_key_id":"abc","token_uri":")" +
           uri + R"(","private_key":")" + pem + "\"}";
}

std::string certificate_ending(std::chrono::sys_days end) {
    test::CertificateWish wish;
    wish.not_after = end;
    return test::pem_of(test::make_certificate(test::rsa_key(), wish));
}

/// Files by name; those of secrets have been checked for their mode by the real host.
class FileHost final : public ConfigHost {
public:
    FileHost() {
        const auto certificate = test::make_certificate(test::rsa_key());
        files["/c.pem"] = test::pem_of(certificate);
        files["/both.pem"] = test::pem_of(certificate) + test::pem_of(test::rsa_key());
        files["/loose.pem"] = files["/both.pem"];
        files["/box.p12"] = test::pkcs12_of(test::rsa_key(), certificate, kPassphrase);
        files["/ec.pem"] = test::pem_of(test::make_certificate(test::ec_key()));
        files["/weak.pem"] = test::pem_of(test::make_certificate(test::rsa_key(1024)));
        files["/old.pem"] =
            certificate_ending(std::chrono::sys_days(kToday) - std::chrono::days(1));
        files["/soon.pem"] =
            certificate_ending(std::chrono::sys_days(kToday) + std::chrono::days(30));
        files["/later.pem"] =
            certificate_ending(std::chrono::sys_days(kToday) + std::chrono::days(31));
        files["key"] = test::pem_of(test::rsa_key());
        files["other"] = test::pem_of(test::other_rsa_key());
        files["ec"] = test::pem_of(test::ec_key());
        files["weak"] = test::pem_of(test::rsa_key(1024));
        files["sealed"] = test::pem_of(test::rsa_key(), kPassphrase);
        files["pass"] = kPassphrase;
        files["secret"] = std::string(kSentinel);
        files["google"] = json_of_key(test::rsa_key());
        files["google-weak"] = json_of_key(test::rsa_key(1024));
        files["google-http"] = json_of_key(test::rsa_key(), "http://g.example/token");
        files["google-loopback"] = json_of_key(test::rsa_key(), "http://127.0.0.1:1/token");
    }

    [[nodiscard]] Result<Secret> read_secret(const SecretReference& reference) const override {
        if (reference.raw) {  // the key of the store
            return Secret("0123456789abcdef0123456789abcdef");
        }
        const auto found = files.find(reference.name);
        if (found == files.end()) {
            return failure(Errc::Config, reference.name + " cannot be opened");
        }
        if (reference.name == "/loose.pem") {
            return failure(Errc::Config, reference.name + " has mode 0644");
        }
        return Secret(found->second);
    }
    [[nodiscard]] Result<std::string> read_public(const std::string& path) const override {
        const auto found = files.find(path);
        if (found == files.end()) {
            return failure(Errc::Config, "cannot be opened");
        }
        return found->second;
    }
    [[nodiscard]] std::optional<uid_t> user_id(const std::string&) const override { return 1; }
    [[nodiscard]] std::optional<gid_t> group_id(const std::string&) const override { return 1; }
    [[nodiscard]] Result<void> can_read(const std::string&) const override { return {}; }
    [[nodiscard]] WallTime now() const override { return kToday; }

    std::map<std::string, std::string> files;
};

const FileHost& host() {
    static const FileHost made;
    return made;
}

/// `keys` begin in line 2.
ConfigResult load(const std::string& keys, const char* type = "microsoft") {
    const std::string base = std::string("[provider.p]\n") + keys + "\ntype = \"" + type +
                             "\"\nclient_id = \"x\"\n" +
                             (type == std::string("microsoft") ? "tenant = \"t.example\"\n"
                              : type == std::string("oidc")    ? "issuer = \"https://x.example\"\n"
                                                               : "") +
                             "[[account]]\nmatch = \"*\"\nprovider = \"p\"\ngrant = \"delegated\"\n"
                             "[[access]]\nuid = 1\naccounts = [\"*\"]\n"
                             "[agent]\nmaster_key = \"file:/seal\"\n";
    const ConfigText texts[] = {{"a.toml", base}};
    auto loaded = load_config_texts(texts, host());
    for (const std::string& line : loaded ? loaded->warnings : loaded.error()) {
        BOOST_TEST(line.find(kSentinel) == std::string::npos);
    }
    return loaded;
}

std::vector<ClientCredential> credentials_of(const std::string& keys,
                                             const char* type = "microsoft") {
    const auto loaded = load(keys, type);
    if (!loaded) {
        BOOST_FAIL(loaded.error().front());
    }
    const Lines none;
    BOOST_TEST(loaded->warnings == none, boost::test_tools::per_element());
    return loaded->config->providers.at(0).credentials;
}

BOOST_AUTO_TEST_SUITE(provider_credentials_test)

struct KeyRow {
    const char* name;
    const char* keys;
    const char* type;
};
std::ostream& operator<<(std::ostream& out, const KeyRow& row) { return out << row.name; }
constexpr KeyRow kKeys[] = {
    {"two files", "certificate = \"/c.pem\"\nprivate_key = \"file:/key\"", "microsoft"},
    {"one file", "certificate = \"/both.pem\"", "microsoft"},
    {"one file as a secret", "certificate = \"file:/both.pem\"", "microsoft"},
    {"PKCS#12", "certificate = \"/box.p12\"\nprivate_key_passphrase = \"credential:pass\"",
     "microsoft"},
    {"encrypted key",
     "certificate = \"/c.pem\"\nprivate_key = \"credential:sealed\"\nprivate_key_passphrase = "
     "\"credential:pass\"",
     "microsoft"},
    {"a month and a day are enough",
     "certificate = \"/later.pem\"\nprivate_key = \"credential:key\"", "microsoft"},
    {"P-256", "certificate = \"/ec.pem\"\nprivate_key = \"credential:ec\"", "oidc"},
};
BOOST_DATA_TEST_CASE(a_certificate_and_its_key, boost::unit_test::data::make(kKeys), row) {
    std::string keys = row.keys;
    const std::size_t at = keys.find("file:/key");
    keys = at == std::string::npos ? keys : keys.replace(at, 9, "credential:key");
    const auto credentials = credentials_of(keys, row.type);
    BOOST_REQUIRE(credentials.size() == 1U);
    BOOST_TEST((credentials[0].kind == CredentialKind::Certificate));
    BOOST_REQUIRE(credentials[0].key != nullptr);
    BOOST_TEST(credentials[0].key->certificate()->subject == "CN=postbearer");
}

BOOST_AUTO_TEST_CASE(other_kinds_in_place_of_a_secret) {
    auto made = credentials_of("federated_token_file = \"/not/there/yet\"");
    BOOST_REQUIRE(made.size() == 1U);
    BOOST_TEST((made[0].kind == CredentialKind::FederatedToken));
    BOOST_TEST(made[0].federated_token_file == "/not/there/yet");
    for (const char* system : {"true", "\"system\""}) {
        made = credentials_of(std::string("managed_identity = ") + system);
        BOOST_REQUIRE(made.size() == 1U);
        BOOST_TEST((made[0].kind == CredentialKind::ManagedIdentity));
        BOOST_TEST(made[0].identity.empty());
    }
    made = credentials_of("managed_identity = \"1111-2222\"");
    BOOST_TEST(made.at(0).identity == "1111-2222");
    BOOST_TEST(credentials_of("managed_identity = false").empty());
}

BOOST_AUTO_TEST_CASE(a_managed_identity_needs_neither_tenant_nor_client_id) {
    const ConfigText texts[] = {
        {"a.toml",
         "[provider.p]\ntype = \"microsoft\"\nmanaged_identity = true\n[[account]]\nmatch = "
         "\"*\"\nprovider = \"p\"\ngrant = \"client_credentials\"\n"}};
    BOOST_TEST(load_config_texts(texts, host()).has_value());
}

BOOST_AUTO_TEST_CASE(a_login_needs_them_all_the_same) {
    const auto errors = [](const std::string& keys) {
        const std::string text = "[provider.p]\ntype = \"microsoft\"\n" + keys +
                                 "\n[[account]]\nmatch = \"*\"\nprovider = \"p\"\ngrant = "
                                 "\"delegated\"\n";
        const ConfigText texts[] = {{"a.toml", text}};
        const auto loaded = load_config_texts(texts, host());
        return loaded ? Lines() : loaded.error();
    };
    const Lines both{
        "a.toml:1:1: [provider.p] needs client_id for grant \"delegated\" at a.toml:7:9",
        "a.toml:1:1: [provider.p] needs tenant for grant \"delegated\" at a.toml:7:9"};
    BOOST_TEST(errors("managed_identity = true") == both, boost::test_tools::per_element());
    const Lines once{"a.toml:1:1: [provider.p] needs client_id",
                     "a.toml:1:1: [provider.p] needs tenant"};
    BOOST_TEST(errors("managed_identity = false") == once, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_list_keeps_its_order) {
    const auto made = credentials_of(
        "credentials = [{certificate = \"/c.pem\", private_key = \"credential:key\"}, "
        "{client_secret = \"credential:secret\", secret_expires = 2027-05-01}, {managed_identity = "
        "\"system\"}]");
    BOOST_REQUIRE(made.size() == 3U);
    BOOST_TEST((made[0].kind == CredentialKind::Certificate));
    BOOST_TEST((made[1].kind == CredentialKind::Secret));
    BOOST_TEST(made[1].secret_expires.has_value());
    BOOST_TEST((made[2].kind == CredentialKind::ManagedIdentity));
}

BOOST_AUTO_TEST_CASE(a_service_account) {
    const auto loaded = load("service_account_key = \"credential:google\"", "google");
    BOOST_REQUIRE(loaded.has_value());
    const ServiceAccount& account = *loaded->config->providers.at(0).service_account;
    BOOST_TEST(account.facts().client_email == "robot@p.iam.gserviceaccount.com");
    BOOST_TEST(account.facts().token_uri == "https://g.example/token");
}

struct WarnRow {
    const char* name;
    const char* keys;
    const char* begins;
    const char* ends;
};
std::ostream& operator<<(std::ostream& out, const WarnRow& row) { return out << row.name; }
constexpr WarnRow kWarnings[] = {
    {"expired", "certificate = \"/old.pem\"\nprivate_key = \"credential:key\"",
     "a.toml:2:15: certificate: CN=postbearer (thumbprint ",
     ") ended on 2026-11-19: make a new certificate and upload it to the app registration"},
    {"expires soon", "certificate = \"/soon.pem\"\nprivate_key = \"credential:key\"",
     "a.toml:2:15: certificate: CN=postbearer (thumbprint ",
     ") ends in 30 days, on 2026-12-20: make a new certificate and upload it to the app "
     "registration"},
    {"secret expires soon", "client_secret = \"credential:secret\"\nsecret_expires = 2026-11-21",
     "a.toml:3:18: secret_expires: the client secret ends in 1 day, on 2026-11-21",
     ": make a new one at the provider"},
    {"secret expired",
     "credentials = [{client_secret = \"credential:secret\", secret_expires = 2026-11-20}]",
     "a.toml:2:71: secret_expires: the client secret ended on 2026-11-20",
     ": make a new one at the provider"},
    {"date without a secret", "secret_expires = 2027-05-01",
     "a.toml:2:18: secret_expires: has no effect without client_secret", ""},
};
BOOST_DATA_TEST_CASE(what_is_a_warning_only, boost::unit_test::data::make(kWarnings), row) {
    const auto loaded = load(row.keys);
    BOOST_REQUIRE(loaded.has_value());
    BOOST_REQUIRE(loaded->warnings.size() == 1U);
    BOOST_TEST(loaded->warnings[0].starts_with(row.begins));
    BOOST_TEST(loaded->warnings[0].ends_with(row.ends));
}

struct MistakeRow {
    const char* name;
    const char* keys;
    const char* error;  // what the line begins with
    const char* type = "microsoft";
};
std::ostream& operator<<(std::ostream& out, const MistakeRow& row) { return out << row.name; }
constexpr MistakeRow kMistakes[] = {
    {"secret and certificate", "client_secret = \"credential:secret\"\ncertificate = \"/both.pem\"",
     "a.toml:3:15: certificate: stands beside client_secret: put them into credentials = [{...}, "
     "{...}], in the order in which they are to be tried"},
    {"secret and list",
     "client_secret = \"credential:secret\"\ncredentials = [{managed_identity = true}]",
     "a.toml:2:17: client_secret: stands beside credentials: put it into that list too"},
    {"key of another certificate", "certificate = \"/c.pem\"\nprivate_key = \"credential:other\"",
     "a.toml:3:15: private_key: does not belong to the certificate: CN=postbearer (thumbprint "},
    {"weak key", "certificate = \"/weak.pem\"\nprivate_key = \"credential:weak\"",
     "a.toml:3:15: private_key: the key is RSA with 1024 bits; make one of at least 2048 bits"},
    {"EC key for Entra", "certificate = \"/ec.pem\"\nprivate_key = \"credential:ec\"",
     "a.toml:2:15: certificate: Entra takes RSA keys only, and this is an EC key"},
    {"passphrase is missing", "certificate = \"/c.pem\"\nprivate_key = \"credential:sealed\"",
     "a.toml:3:15: private_key: the key is encrypted: set private_key_passphrase"},
    {"passphrase is wrong",
     "certificate = \"/c.pem\"\nprivate_key = \"credential:sealed\"\nprivate_key_passphrase = "
     "\"credential:secret\"",
     "a.toml:4:26: private_key_passphrase: it does not open private_key"},
    {"PKCS#12 without passphrase", "certificate = \"/box.p12\"",
     "a.toml:2:15: certificate: the PKCS#12 file is encrypted: set private_key_passphrase"},
    {"no key", "certificate = \"file:/c.pem\"",
     "a.toml:2:15: certificate: its private key is not in the same file; set private_key"},
    {"no certificate", "private_key = \"credential:key\"",
     "a.toml:2:15: private_key: has no effect without certificate"},
    {"certificate that is not there",
     "certificate = \"/gone.pem\"\nprivate_key = \"credential:key\"",
     "a.toml:2:15: certificate: /gone.pem cannot be opened"},
    {"certificate with its key that is not there", "certificate = \"/gone.pem\"",
     "a.toml:2:15: certificate: /gone.pem cannot be opened"},
    {"certificate and key in a file that others may read", "certificate = \"/loose.pem\"",
     "a.toml:2:15: certificate: /loose.pem has mode 0644"},
    {"a second key in a file that others may read",
     "certificate = \"/loose.pem\"\nprivate_key = \"credential:key\"",
     "a.toml:2:15: certificate: /loose.pem has mode 0644"},
    {"certificate by a relative path", "certificate = \"c.pem\"",
     "a.toml:2:15: certificate: expected an absolute path, or file:, credential: or env: where the "
     "private key is in it too"},
    {"key in the file itself", "certificate = \"/c.pem\"\nprivate_key = \"sentinel-secret\"",
     "a.toml:3:15: private_key: a secret written in the file itself is refused: "},
    {"federated token by a relative path", "federated_token_file = \"token\"",
     "a.toml:2:24: federated_token_file: expected an absolute path"},
    {"identity that is a URL", "managed_identity = \"/subscriptions/1\"",
     "a.toml:2:20: managed_identity: expected true, \"system\", or the client id of a "
     "user-assigned "
     "identity"},
    {"identity that is a number", "managed_identity = 7",
     "a.toml:2:20: managed_identity: expected true, \"system\", or the client id of a "
     "user-assigned "
     "identity"},
    {"identity elsewhere", "managed_identity = true",
     "a.toml:2:20: managed_identity: belongs to type = \"microsoft\"", "oidc"},
    {"empty list", "credentials = []",
     "a.toml:2:15: credentials: is empty; leave the key out for a public client"},
    {"entry without a kind", "credentials = [{secret_expires = 2027-05-01}]",
     "a.toml:2:16: each of credentials has exactly one of client_secret, certificate, "
     "federated_token_file and managed_identity"},
    {"entry with two kinds",
     "credentials = [{client_secret = \"credential:secret\", managed_identity = true}]",
     "a.toml:2:16: each of credentials has exactly one of client_secret, certificate, "
     "federated_token_file and managed_identity"},
    {"entry with an unknown key",
     "credentials = [{client_secret = \"credential:secret\", secret_expire = 1}]",
     "a.toml:2:54: unknown key 'secret_expire' in credentials of [provider.p]; did you mean "
     "'secret_expires'?"},
    {"list of strings", "credentials = [\"credential:secret\"]",
     "a.toml:2:16: credentials: expected a table, found a string"},
    {"service account elsewhere", "service_account_key = \"credential:google\"",
     "a.toml:2:23: service_account_key: belongs to type = \"google\""},
    {"service account that is no JSON", "service_account_key = \"credential:secret\"",
     "a.toml:2:23: service_account_key: expected the JSON key file of a Google service account (",
     "google"},
    {"weak key of a service account", "service_account_key = \"credential:google-weak\"",
     "a.toml:2:23: service_account_key: private_key: the key is RSA with 1024 bits", "google"},
    {"service account with an http endpoint", "service_account_key = \"credential:google-http\"",
     "a.toml:2:23: service_account_key: token_uri in it: g.example: plain http is refused",
     "google"},
    {"service account with a loopback endpoint",
     "service_account_key = \"credential:google-loopback\"",
     "a.toml:2:23: service_account_key: token_uri in it: 127.0.0.1: plain http on loopback is "
     "refused",
     "google"},
};
BOOST_DATA_TEST_CASE(mistake_is_named_with_its_place, boost::unit_test::data::make(kMistakes),
                     row) {
    const auto loaded = load(row.keys, row.type);
    BOOST_REQUIRE(!loaded.has_value());
    BOOST_TEST(loaded.error().front().substr(0, std::string_view(row.error).size()) == row.error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::agent
