// SPDX-License-Identifier: Apache-2.0
// Applications without a client secret: by certificate, through a rotation of certificates, by a
// federated token, by the identity of the machine. The rehearsal judges what was sent, as Entra,
// Azure's metadata service and Azure Arc do.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/provider_rig.hh"
#include "tests/support/test_keys.hh"

using namespace postbearer::test;

namespace {

using namespace std::chrono_literals;

constexpr const char* kRelay = "relay@contoso.test";
constexpr const char* kOutlook = "https://outlook.office365.com";
constexpr const char* kIssuer = "https://kubernetes.test";
constexpr const char* kExchangeAudience = "api://AzureADTokenExchange";
constexpr const char* kOutsideKey = "0123456789abcdef-of-a-file-elsewhere";
constexpr const char* kPassphrase = "a passphrase of twenty letters";

std::string in_quotes(const std::string& text) { return "\"" + text + "\""; }

/// A certificate with its key, as files that the configuration can name.
struct Identity {
    EVP_PKEY* key;
    TestCertificate certificate;

    explicit Identity(EVP_PKEY* of, const CertificateWish& wish = {})
        : key(of), certificate(make_certificate(of, wish)) {}

    /// The members of a credential; its files begin with `name`.
    [[nodiscard]] std::string toml(const ProviderRig& rig, const std::string& name) const {
        return "certificate = " +
               in_quotes(rig.put_file(name + ".crt", pem_of(certificate), 0644)) +
               ", private_key = " +
               in_quotes("file:" + rig.put_file(name + ".key", pem_of(key)).string());
    }
};

/// A client that the rehearsal knows by these certificates.
void register_certificates(const ProviderRig& rig, const std::vector<std::string>& pems,
                           const std::vector<std::string>& algorithms) {
    Json::Value client;
    for (const std::string& pem : pems) {
        client["certificates"].append(pem);
    }
    for (const std::string& algorithm : algorithms) {
        client["assertion_algorithms"].append(algorithm);
    }
    rig.register_client(client);
}

std::vector<std::string> assertions(const ProviderRig& rig) {
    std::vector<std::string> out;
    for (const Json::Value& request : rig.seen("token")) {
        BOOST_TEST(request["client_auth"].asString() == "assertion");
        out.push_back(request["login"]["assertion"].asString() + " " +
                      std::to_string(request["status"].asUInt()));
    }
    return out;
}

void check_assertions(const ProviderRig& rig, const std::vector<std::string>& expected) {
    const std::vector<std::string> found = assertions(rig);
    BOOST_TEST(found == expected, boost::test_tools::per_element());
}

/// What a cluster writes for a workload; RS256.
std::string federated_token(const std::string& subject, EVP_PKEY* key) {
    Json::Value claims;
    claims["iss"] = kIssuer;
    claims["sub"] = subject;
    claims["aud"] = kExchangeAudience;
    claims["exp"] = Json::Int64{2'000'000'000};
    static int number = 0;
    claims["jti"] = "federated-" + std::to_string(++number);
    return rs256_jwt(claims.toStyledString(), key);
}

void trust_subject(const ProviderRig& rig, const std::string& subject) {
    Json::Value trusted;
    trusted["issuer"] = kIssuer;
    trusted["subject"] = subject;
    trusted["public_key"] = public_pem_of(rsa_key());
    Json::Value client;
    client["federated"].append(trusted);
    rig.register_client(client);
}

/// NAME@contoso.test by a provider NAME: an application's token is its provider's, whoever asks,
/// and one that failed waits before it asks again.
void add_providers(ProviderRig& rig, const std::vector<std::string>& names,
                   const std::string& managed_identity) {
    for (const std::string& name : names) {
        rig.add_provider(name, "managed_identity = " + managed_identity + "\n");
        rig.add_account(name + "@contoso.test", name);
    }
}

/// An agent on a machine of Azure's, with two identities.
struct AzureRig : ProviderRig {
    explicit AzureRig(const std::string& managed_identity) {
        add_providers(*this, {"relay", "throttled", "absent", "unknown"}, managed_identity);
        (void)rehearsal().order("PUT", "/imds", R"({"identities":[
            {"client_id":"msi-a","mailboxes":["*"]},
            {"client_id":"msi-b","mailboxes":["*"],"lifetime":7200}]})");
        settings().environment = {{"AZURE_POD_IDENTITY_AUTHORITY_HOST", rehearsal().plain_url()}};
    }

    /// What the account's token is refused with while the service answers so.
    AttributeMap refused(const std::string& account, const std::string& answer) {
        (void)rehearsal().behave(R"({"endpoint":"imds","times":-1,"do":)" + answer + "}");
        AttributeMap said = token(account);
        rehearsal().forget_behaviours();
        return said;
    }
};

struct ArcRig : ProviderRig {
    ArcRig() {
        make_directory(tokens(), 0755);
        add_providers(*this, {"relay", "a", "b", "c", "d", "e"}, "true");
        settings().environment = {
            {"IDENTITY_ENDPOINT", rehearsal().plain_url() + "/metadata/identity/oauth2/token"},
            {"IMDS_ENDPOINT", rehearsal().plain_url()},
            {"POSTBEARER_ARC_TOKEN_DIR", tokens()}};
    }
    [[nodiscard]] Path tokens() const { return directory() / "himds"; }
    /// `realm`: the file that the challenge names; empty: the one it has written.
    void set_arc(const std::string& realm) {
        Json::Value order;
        order["directory"] = tokens().string();
        if (!realm.empty()) {
            order["realm_override"] = realm;
        }
        order["identity"]["client_id"] = "arc-1";
        order["identity"]["mailboxes"].append("*");
        (void)rehearsal().order("PUT", "/arc", order.toStyledString());
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(secretless_test)

BOOST_AUTO_TEST_CASE(certificate_signs_with_ps256) {
    ProviderRig rig;
    const Identity identity(rsa_key());
    register_certificates(rig, {pem_of(identity.certificate)}, {"PS256"});
    rig.add_provider("contoso", "credentials = [{ " + identity.toml(rig, "app") + " }]\n");
    rig.add_account(kRelay, "contoso");
    rig.start();
    const Json::Value origin = rig.origin_of(rig.good_token(kRelay));
    BOOST_TEST(origin["client_id"].asString() == kClientId);
    BOOST_TEST(rig.cli({"refresh", kRelay}).ok());
    check_assertions(rig, {"certificate PS256 200", "certificate PS256 200"});
    rig.agent().stop();
}

/// It is tried once; then the agent knows, until it is started again.
BOOST_AUTO_TEST_CASE(rs256_where_ps256_is_refused) {
    ProviderRig rig;
    const Identity identity(rsa_key());
    register_certificates(rig, {pem_of(identity.certificate)}, {"RS256"});
    rig.add_provider("contoso", "credentials = [{ " + identity.toml(rig, "app") + " }]\n");
    rig.add_account(kRelay, "contoso");
    rig.start();
    (void)rig.good_token(kRelay);
    check_assertions(rig, {"certificate PS256 401", "certificate RS256 200"});
    rig.rehearsal().forget_records();
    BOOST_TEST(rig.cli({"refresh", kRelay}).ok());
    check_assertions(rig, {"certificate RS256 200"});
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(encrypted_pem_and_pkcs12) {
    ProviderRig rig;
    const Identity identity(rsa_key());
    register_certificates(rig, {pem_of(identity.certificate)}, {"PS256"});
    const auto file = [&rig](const std::string& name, const std::string& content) {
        return in_quotes("file:" + rig.put_file(name, content).string());
    };
    const std::string passphrase =
        "private_key_passphrase = " + file("passphrase", std::string(kPassphrase) + "\n") + "\n";
    const std::string crt = pem_of(identity.certificate);
    rig.add_provider(
        "pem", "certificate = " + in_quotes(rig.put_file("app.crt", crt, 0644)) +
                   "\nprivate_key = " + file("app.key", pem_of(identity.key, kPassphrase)) + "\n" +
                   passphrase);
    rig.add_provider("together",
                     "certificate = " + file("app.pem", crt + pem_of(identity.key, kPassphrase)) +
                         "\n" + passphrase);
    const auto archive = [&](const char* name, bool legacy) {
        return "certificate = " +
               file(name, pkcs12_of(identity.key, identity.certificate, kPassphrase, legacy)) +
               "\n" + passphrase;
    };
    rig.add_provider("p12", archive("app.p12", false));
    for (const char* provider : {"pem", "together", "p12"}) {
        rig.add_account(std::string(provider) + "@contoso.test", provider);
    }
    rig.start();
    for (const char* provider : {"pem", "together", "p12"}) {
        const Json::Value origin =
            rig.origin_of(rig.good_token(std::string(provider) + "@contoso.test"));
        BOOST_TEST(origin["client_id"].asString() == kClientId, provider);
    }
    rig.agent().stop();
    BOOST_TEST(!contains(read_file(rig.agent().log_path()), kPassphrase));

    (void)rig.put_file("passphrase", "not this one\n");
    const Finished refused = rig.check_config();
    BOOST_TEST(refused.status.code == 78);
    BOOST_TEST(contains(refused.error, "private_key_passphrase"), refused.error);
    // As OpenSSL 1.0 wrote them; what it takes to make a new one is told.
    (void)rig.put_file("passphrase", kPassphrase);
    rig.add_provider("old", archive("old.p12", true));
    const Finished legacy = rig.check_config();
    BOOST_TEST(legacy.status.code == 78);
    BOOST_TEST(contains(legacy.error, "openssl pkcs12 -legacy"), legacy.error);
}

/// The new certificate is in the configuration, the old one is gone from the app registration (or
/// the other way round): whichever the provider knows is found, and kept to.
BOOST_AUTO_TEST_CASE(rotation_of_certificates) {
    ProviderRig rig;
    const Identity old_one(rsa_key(), {.common_name = "old"});
    const Identity new_one(other_rsa_key(), {.common_name = "new"});
    register_certificates(rig, {pem_of(new_one.certificate)}, {});
    rig.add_provider("contoso", "credentials = [{ " + old_one.toml(rig, "old") + " }, { " +
                                    new_one.toml(rig, "new") + " }]\n");
    rig.add_account(kRelay, "contoso");
    rig.start();
    (void)rig.good_token(kRelay);
    // The refused one twice: it might have been PS256 that was refused.
    check_assertions(rig,
                     {"certificate PS256 401", "certificate RS256 401", "certificate PS256 200"});
    const std::string line = rig.agent().log().wait_for("event=credential_refused ");
    BOOST_TEST(contains(line, "provider=contoso"), line);
    BOOST_TEST(contains(line, "AADSTS700027"), line);
    BOOST_TEST(line.find("old") < line.find("new"), line);
    rig.rehearsal().forget_records();
    BOOST_TEST(rig.cli({"refresh", kRelay}).ok());
    check_assertions(rig, {"certificate PS256 200"});

    // The other way round: it is the new one that is taken away.
    register_certificates(rig, {pem_of(old_one.certificate)}, {});
    BOOST_TEST(rig.cli({"refresh", kRelay}).ok());
    BOOST_TEST(assertions(rig).back() == "certificate PS256 200");
    BOOST_TEST(rig.agent().log().count("event=credential_refused ") == 2U);
    rig.agent().stop();
}

/// Nothing is signed with it, and it is told before anybody asks for a token.
BOOST_AUTO_TEST_CASE(expired_certificate_is_passed_over) {
    ProviderRig rig;
    const CertificateWish ended{.common_name = "ended",
                                .not_after = postbearer::WallTime(1'750'000'000s)};
    const Identity expired(other_rsa_key(), ended);
    const Identity good(rsa_key());
    register_certificates(rig, {pem_of(expired.certificate), pem_of(good.certificate)}, {});
    rig.add_provider("two", "credentials = [{ " + expired.toml(rig, "ended") + " }, { " +
                                good.toml(rig, "good") + " }]\n");
    rig.add_provider("alone", "credentials = [{ " + expired.toml(rig, "ended") + " }]\n");
    rig.add_account(kRelay, "two");
    rig.add_account("alone@contoso.test", "alone");
    const Finished checked = rig.check_config();
    BOOST_TEST(checked.ok(), checked.error);
    BOOST_TEST(contains(checked.output + checked.error, "ended on 2025-06-15"),
               checked.output + checked.error);
    rig.start();
    (void)rig.good_token(kRelay);
    check_assertions(rig, {"certificate PS256 200"});
    const std::string line = rig.agent().log().wait_for("event=credential_refused ");
    BOOST_TEST(contains(line, "ended"), line);

    AttributeMap refused = rig.token("alone@contoso.test");
    BOOST_TEST(refused["class"] == "needs_admin");
    BOOST_TEST(refused["code"] == "cert_expired");
    BOOST_TEST(contains(refused["message"], "ended"), refused["message"]);
    BOOST_TEST(rig.seen("token").size() == 1U);
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(federated_token_is_read_each_time) {
    ProviderRig rig;
    const std::string file = rig.put_file("federated", federated_token("pod:first", rsa_key()));
    trust_subject(rig, "pod:first");
    rig.add_provider("contoso", "federated_token_file = " + in_quotes(file) + "\n");
    rig.add_account(kRelay, "contoso");
    rig.start();
    (void)rig.good_token(kRelay);
    // The old file would be refused now, the new one would have been before.
    trust_subject(rig, "pod:second");
    (void)rig.put_file("federated", federated_token("pod:second", rsa_key()));
    BOOST_TEST(rig.cli({"refresh", kRelay}).ok());
    check_assertions(rig, {"federated RS256 200", "federated RS256 200"});

    (void)rig.put_file("federated", federated_token("pod:Second", rsa_key()));  // case matters
    const Finished refused = rig.cli({"refresh", kRelay});
    const std::string told = refused.output + refused.error;
    BOOST_TEST(!refused.ok());
    for (const std::string& claim : {std::string("iss '") + kIssuer, std::string("sub 'pod:Second"),
                                     std::string("aud '") + kExchangeAudience}) {
        BOOST_TEST(contains(told, claim), told);
    }
    BOOST_TEST(contains(told, "AADSTS700213"), told);
    BOOST_TEST(!contains(told + read_file(rig.agent().log_path()), "eyJ"));  // of a JWT

    // Whoever writes it is away for a while: that costs a renewal, no more.
    std::filesystem::remove(file);
    const Finished missing = rig.cli({"refresh", kRelay});
    BOOST_TEST(!missing.ok());
    BOOST_TEST(contains(missing.output + missing.error, file), missing.output + missing.error);
    (void)rig.put_file("federated", federated_token("pod:second", rsa_key()));
    BOOST_TEST(rig.cli({"refresh", kRelay}).ok());
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(identity_of_an_azure_machine) {
    AzureRig rig("\"msi-b\"");
    rig.start();
    const std::string token = rig.good_token(kRelay);
    BOOST_TEST(rig.origin_of(token)["client_id"].asString() == "msi-b");
    const std::vector<Json::Value> asked = rig.seen("imds");
    BOOST_REQUIRE(asked.size() == 1U);
    BOOST_TEST(asked[0]["login"]["client_id"].asString() == "msi-b");
    BOOST_TEST(asked[0]["login"]["api-version"].asString() == "2018-02-01");
    BOOST_TEST(asked[0]["login"]["resource"].asString() == kOutlook);
    BOOST_TEST(asked[0]["client_auth"].asString() == "none");
    // An hour is left when half of the two are gone: that is when the next one is fetched.
    AttributeMap answer = rig.token(kRelay);
    BOOST_TEST(answer["token"] == token);
    BOOST_TEST(rig.seen("token").empty());  // no client of its own was needed
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(trouble_of_an_azure_machine) {
    AzureRig rig("\"msi-a\"");
    rig.start();
    AttributeMap throttled =
        rig.refused("throttled@contoso.test",
                    R"({"kind":"respond","status":429,"headers":{"Retry-After":"7"}})");
    BOOST_TEST(throttled["class"] == "transient");
    BOOST_TEST(throttled["code"] == "throttled");
    BOOST_TEST(throttled["retry_after"] != "");
    AttributeMap absent =
        rig.refused("absent@contoso.test", R"({"kind":"respond","status":404,"body":""})");
    BOOST_TEST(absent["class"] == "transient");
    // Both pass: the same question is answered now.
    for (const char* account : {"throttled@contoso.test", "absent@contoso.test"}) {
        BOOST_TEST(rig.cli({"refresh", account}).ok(), account);
        (void)rig.good_token(account);
    }
    (void)rig.rehearsal().order("PUT", "/imds", R"({"identities":[{"client_id":"msi-z"}]})");
    AttributeMap unknown = rig.token("unknown@contoso.test");
    BOOST_TEST(unknown["class"] == "needs_admin");
    BOOST_TEST(contains(unknown["message"], "Identity not found"), unknown["message"]);
    BOOST_TEST(contains(unknown["message"], "managed_identity"), unknown["message"]);
    rig.agent().stop();
}

BOOST_AUTO_TEST_CASE(identity_by_azure_arc) {
    ArcRig rig;
    rig.set_arc("");
    rig.start();
    BOOST_TEST(rig.origin_of(rig.good_token(kRelay))["client_id"].asString() == "arc-1");
    const std::vector<Json::Value> asked = rig.seen("arc");
    BOOST_REQUIRE(asked.size() == 2U);
    BOOST_TEST(asked[0]["client_auth"].asString() == "none");
    BOOST_TEST(asked[0]["status"].asUInt() == 401U);
    BOOST_TEST(asked[1]["client_auth"].asString() == "basic");
    BOOST_TEST(asked[1]["status"].asUInt() == 200U);
    BOOST_TEST(asked[1]["login"]["resource"].asString() == kOutlook);
    rig.agent().stop();
}

/// Whoever sits on Arc's port must not get files of the agent's out of it.
BOOST_AUTO_TEST_CASE(arc_gets_no_file_from_elsewhere) {
    ArcRig rig;
    rig.start();
    // Each is there, and holds what could be a key: only where they lie speaks against them.
    const Path outside = rig.put_file("outside.key", kOutsideKey);
    const Path secret = rig.put_file("client.secret", kOutsideKey);
    const Path beside = rig.tokens().string() + "-other/x.key";
    write_file(beside, kOutsideKey);
    std::filesystem::create_symlink(outside, rig.tokens() / "link.key");
    const std::vector<std::pair<std::string, std::string>> realms{
        {"a@contoso.test", outside},
        {"b@contoso.test", rig.tokens() / "../agent/outside.key"},
        {"c@contoso.test", beside},
        {"d@contoso.test", rig.tokens() / "link.key"},
        {"e@contoso.test", secret}};
    for (const auto& [account, realm] : realms) {
        rig.set_arc(realm);
        rig.rehearsal().forget_records();
        AttributeMap refused = rig.token(account);
        BOOST_TEST(refused["class"] == "needs_admin", realm);
        BOOST_TEST(contains(refused["message"], rig.tokens()), refused["message"]);
        const std::vector<Json::Value> asked = rig.seen("arc");
        BOOST_TEST(asked.size() == 1U, realm);
        for (const Json::Value& request : asked) {
            BOOST_TEST(request["client_auth"].asString() == "none", realm);
        }
    }
    BOOST_TEST(!contains(read_file(rig.agent().log_path()), kOutsideKey));
    rig.agent().stop();
}

BOOST_AUTO_TEST_SUITE_END()
