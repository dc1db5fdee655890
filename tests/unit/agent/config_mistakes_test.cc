// SPDX-License-Identifier: Apache-2.0
// Every mistake that the loader knows, with the exact line that the admin reads.

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>

#include "tests/unit/agent/config_texts.hh"
#include "token-agent/config_loader.hh"

namespace postbearer::agent {
namespace {

BOOST_AUTO_TEST_SUITE(config_mistakes_test)

struct Mistake {
    const char* name;
    const char* text;
    const char* error;
};
std::ostream& operator<<(std::ostream& out, const Mistake& row) { return out << row.name; }

constexpr Mistake kAdded[] = {
    {"unknown section", "[agnt]\nuser = \"postfix\"",
     "agent.toml:14:2: unknown key 'agnt' in the top level of the file; did you mean 'agent'?"},
    {"unknown key", "[agent]\nsocket = []",
     "agent.toml:15:1: unknown key 'socket' in [agent]; did you mean 'sockets'?"},
    {"wrong type", "[agent]\nuser = 7",
     "agent.toml:15:8: user: expected a string, found an integer"},
    {"unknown user", "[agent]\nuser = \"nobody-here\"",
     "agent.toml:15:8: user: there is no user \"nobody-here\" on this host"},
    {"unknown admin group", "[agent]\nadmin_group = \"wheel\"",
     "agent.toml:15:15: admin_group: there is no group \"wheel\" on this host"},
    {"socket as a string", "[agent]\nsockets = \"/a\"",
     "agent.toml:15:11: sockets: expected a list of paths, found a string"},
    {"no socket", "[agent]\nsockets = []", "agent.toml:15:11: sockets: needs one path at least"},
    {"relative socket", "[agent]\nsockets = [\"/a\", \"b\"]",
     "agent.toml:15:18: sockets: expected an absolute path, found \"b\""},
    {"the same socket twice", "[agent]\nsockets = [\"/a\", \"/a\"]",
     "agent.toml:15:18: sockets: \"/a\" stands here twice"},
    {"socket that is the admin socket", "[agent]\nsockets = [\"/a\"]\nadmin_socket = \"/a\"",
     "agent.toml:16:16: admin_socket: is one of sockets too"},
    {"socket table without path", "[agent]\nsockets = [{mode = \"0600\"}]",
     "agent.toml:15:12: a socket needs a path"},
    {"socket path too long",
     "[agent]\nadmin_socket = \"/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/"
     "0123456789/0123456789/0123456789/0123456789\"",
     "agent.toml:15:16: admin_socket: a socket's path has at most 107 bytes, this one 110"},
    {"mode as a number", "[agent]\nsocket_mode = 0o660",
     "agent.toml:15:15: socket_mode: expected a string, found an integer"},
    {"mode with an 8", "[agent]\nsocket_mode = \"0680\"",
     "agent.toml:15:15: socket_mode: expected an octal mode such as \"0660\""},
    {"duration without unit", "[agent]\nidle_after = \"5\"",
     "agent.toml:15:14: idle_after: expected a duration such as \"30s\", \"5m\", \"2h\" or \"1d\", "
     "found \"5\""},
    {"no connection", "[agent]\nmax_connections_per_uid = 0",
     "agent.toml:15:27: max_connections_per_uid: expected 1 to 65536, found 0"},
    {"store of another kind", "[agent]\nstore = \"postgresql://db\"\nmaster_key = \"file:/key\"",
     "agent.toml:15:9: store: expected \"sqlite:\" and an absolute path"},
    {"master key in the file", "[agent]\nmaster_key = \"sentinel-secret\"",
     "agent.toml:15:14: master_key: a secret written in the file itself is refused: put it into a "
     "file and write master_key = \"file:/etc/postbearer/...\""},
    {"store without a key", "[agent]\nstore = \"sqlite:/x/tokens.db\"",
     "agent.toml:15:9: store: needs master_key, 32 random bytes that seal it, such as master_key = "
     "\"file:/etc/postbearer/master-key\""},
    {"old keys without a new one", "[agent]\nprevious_master_keys = [\"file:/old\"]",
     "agent.toml:15:24: previous_master_keys: needs master_key, the new one"},
    {"logins without a key",
     "[[account]]\nmatch = \"a@b.example\"\nprovider = \"contoso\"\ngrant = \"delegated\"",
     "agent.toml:17:9: grant: \"delegated\" needs [agent] master_key, 32 random bytes that seal "
     "the "
     "refresh tokens; make it with: (umask 077; head -c 32 /dev/urandom "
     ">/etc/postbearer/master-key), and set master_key = \"file:/etc/postbearer/master-key\""},
    {"proxy with password", "[agent]\nhttp_proxy = \"http://u:sentinel-secret@proxy:3128\"",
     "agent.toml:15:14: http_proxy: a proxy with user and password is not supported by this "
     "version"},
    {"proxy without scheme", "[agent]\nhttp_proxy = \"proxy:3128\"",
     "agent.toml:15:14: http_proxy: expected a proxy such as \"http://proxy.example.com:3128\""},
    {"missing CA file", "[agent]\nca_file = \"/missing\"",
     "agent.toml:15:11: ca_file: /missing cannot be opened: No such file or directory"},
    {"key of a later version", "[agent]\nmetrics_listen = \"/m\"",
     "agent.toml:15:18: metrics_listen is not supported by this version"},

    {"account without match", "[[account]]\nprovider = \"contoso\"\ngrant = \"client_credentials\"",
     "agent.toml:14:1: [[account]] needs match"},
    {"domain without @",
     "[[account]]\nmatch = \"fabrikam.com\"\nprovider = \"contoso\"\ngrant = "
     "\"client_credentials\"",
     "agent.toml:15:9: match: expected an address, @domain or *, found \"fabrikam.com\"; did you "
     "mean \"@fabrikam.com\"?"},
    {"star in an address",
     "[[account]]\nmatch = \"*@fabrikam.com\"\nprovider = \"contoso\"\ngrant = "
     "\"client_credentials\"",
     "agent.toml:15:9: match: patterns within an address are not known; did you mean "
     "\"@fabrikam.com\"?"},
    {"sub-domains",
     "[[account]]\nmatch = \"@*.fabrikam.com\"\nprovider = \"contoso\"\ngrant = "
     "\"client_credentials\"",
     "agent.toml:15:9: match: \"@*.fabrikam.com\": sub-domains take a rule each, @domain matches "
     "that domain only"},
    {"domain in U-labels",
     "[[account]]\nmatch = \"@b\xc3\xbc"
     "cher.example\"\nprovider = \"contoso\"\ngrant = \"client_credentials\"",
     "agent.toml:15:9: match: write the domain of \"@b\xc3\xbc"
     "cher.example\" in its ASCII form (xn--...)"},
    {"no domain",
     "[[account]]\nmatch = \"a@b..c\"\nprovider = \"contoso\"\ngrant = \"client_credentials\"",
     "agent.toml:15:9: match: \"b..c\" is not a mail domain"},
    {"two addresses",
     "[[account]]\nmatch = \"a@b.example, c@d.example\"\nprovider = \"contoso\"\ngrant = "
     "\"client_credentials\"",
     "agent.toml:15:9: match: \"a@b.example, c@d.example\" is not one address"},
    {"same match in another case",
     "[[account]]\nmatch = \"@CONTOSO.com\"\nprovider = \"contoso\"\ngrant = "
     "\"client_credentials\"",
     "agent.toml:15:9: match: \"@contoso.com\" stands here twice, first at agent.toml:7:9"},
    {"unknown provider",
     "[[account]]\nmatch = \"*\"\nprovider = \"contso\"\ngrant = \"client_credentials\"",
     "agent.toml:16:12: provider: there is no [provider.contso]; did you mean 'contoso'?"},
    {"grant with a slip",
     "[[account]]\nmatch = \"*\"\nprovider = \"contoso\"\ngrant = \"client_credential\"",
     "agent.toml:17:9: grant: unknown word \"client_credential\", expected client_credentials, "
     "delegated or service_account; did you mean 'client_credentials'?"},
    {"grant by its OAuth name",
     "[[account]]\nmatch = \"*\"\nprovider = \"contoso\"\ngrant = \"device_code\"",
     "agent.toml:17:9: grant: unknown word \"device_code\"; did you mean 'delegated'?"},
    {"password grant", "[[account]]\nmatch = \"*\"\nprovider = \"contoso\"\ngrant = \"ropc\"",
     "agent.toml:17:9: grant: \"ropc\" is refused: it would keep the mailbox's password here, "
     "cannot pass a second factor, and providers are switching it off; use \"client_credentials\" "
     "or \"delegated\""},
    {"control character in user",
     "[[account]]\nmatch = \"*\"\nprovider = \"contoso\"\ngrant = \"client_credentials\"\nuser = "
     "\"a\\u0001b\"",
     "agent.toml:18:8: user: holds control characters"},

    {"access without subject", "[[access]]\naccounts = [\"*\"]",
     "agent.toml:14:1: [[access]] needs exactly one of user, uid, group; found none"},
    {"access with two subjects", "[[access]]\nuser = \"postfix\"\nuid = 0\naccounts = [\"*\"]",
     "agent.toml:14:1: [[access]] needs exactly one of user, uid, group; found 2"},
    {"access without accounts", "[[access]]\nuid = 0",
     "agent.toml:14:1: [[access]] needs accounts"},
    {"access to nothing", "[[access]]\nuid = 0\naccounts = []",
     "agent.toml:16:12: accounts: is empty, so the rule can never match"},
    {"access to an account that cannot be", "[[access]]\nuid = 0\naccounts = [\"@contso.com\"]",
     "agent.toml:16:13: accounts: no [[account]] covers \"@contso.com\", so this can never match; "
     "did you mean '@contoso.com'?"},
    {"unknown resource", "[[access]]\nuid = 0\naccounts = [\"*\"]\nresources = [\"smpt\"]",
     "agent.toml:17:14: resources: unknown word \"smpt\", expected smtp, imap, pop or graph; did "
     "you mean 'smtp'?"},
    {"no verb", "[[access]]\nuid = 0\naccounts = [\"*\"]\nverbs = []",
     "agent.toml:17:9: verbs: is empty, so the rule can never match"},
    {"negative uid", "[[access]]\nuid = -1\naccounts = [\"*\"]",
     "agent.toml:15:7: uid: expected 0 to 4294967294, found -1"},

    {"provider without type", "[provider.b]\nclient_id = \"x\"",
     "agent.toml:14:1: [provider.b] needs type"},
    {"unknown provider type", "[provider.b]\ntype = \"microsft\"",
     "agent.toml:15:8: type: unknown word \"microsft\", expected microsoft, google, yahoo, aol, "
     "fastmail or oidc; did you mean 'microsoft'?"},
    {"microsoft without tenant", "[provider.b]\ntype = \"microsoft\"\nclient_id = \"x\"",
     "agent.toml:14:1: [provider.b] needs tenant"},
    {"tenant that is a URL",
     "[provider.b]\ntype = \"microsoft\"\nclient_id = \"x\"\ntenant = \"https://x/\"",
     "agent.toml:17:10: tenant: expected a directory id or a domain of the tenant"},
    {"oidc without endpoint", "[provider.b]\ntype = \"oidc\"\nclient_id = \"x\"",
     "agent.toml:14:1: [provider.b] needs issuer or token_endpoint"},
    {"placeholder of the sample",
     "[provider.b]\ntype = \"oidc\"\nissuer = \"https://x\"\nclient_id = "
     "\"00000000-0000-0000-0000-000000000000\"",
     "agent.toml:17:13: client_id: is the placeholder of the sample: put in the id of your app "
     "registration"},
    {"secret in the file",
     "[provider.b]\ntype = \"oidc\"\nissuer = \"https://x\"\nclient_id = \"x\"\nclient_secret = "
     "\"sentinel-secret\"",
     "agent.toml:18:17: client_secret: a secret written in the file itself is refused: put it into "
     "a file and write client_secret = \"file:/etc/postbearer/...\""},
    {"secret that is not there",
     "[provider.b]\ntype = \"oidc\"\nissuer = \"https://x\"\nclient_id = \"x\"\nclient_secret = "
     "\"credential:missing\"",
     "agent.toml:18:17: client_secret: missing cannot be opened: No such file or directory"},
    {"http endpoint",
     "[provider.b]\ntype = \"oidc\"\nclient_id = \"x\"\ntoken_endpoint = \"http://x.example/t\"",
     "agent.toml:17:18: token_endpoint: must be https: a secret would go over the wire in clear"},
    {"http endpoint on this host",
     "[provider.b]\ntype = \"oidc\"\nclient_id = \"x\"\ntoken_endpoint = \"http://[::1]:8080/t\"",
     "agent.toml:17:18: token_endpoint: http on this host needs allow_http_loopback = true in "
     "[agent]"},
    {"host that only looks like loopback",
     "[provider.b]\ntype = \"oidc\"\nclient_id = \"x\"\ntoken_endpoint = "
     "\"http://127.evil.example/\"",
     "agent.toml:17:18: token_endpoint: must be https: a secret would go over the wire in clear"},
    {"endpoint with password",
     "[provider.b]\ntype = \"oidc\"\nclient_id = \"x\"\nissuer = \"https://u:p@x.example\"",
     "agent.toml:17:10: issuer: a user or password in a URL is refused"},
    {"endpoint without scheme",
     "[provider.b]\ntype = \"oidc\"\nclient_id = \"x\"\nissuer = \"x.example\"",
     "agent.toml:17:10: issuer: expected an https:// URL"},
    {"scopes in one string",
     "[provider.b]\ntype = \"oidc\"\nclient_id = \"x\"\nissuer = \"https://x\"\nscopes.smtp = [\"a "
     "b\"]",
     "agent.toml:18:16: smtp: expected one scope in each string"},
    {"scopes of an unknown resource",
     "[provider.b]\ntype = \"oidc\"\nclient_id = \"x\"\nissuer = \"https://x\"\nscopes.smpt = "
     "[\"a\"]",
     "agent.toml:18:8: unknown key 'smpt' in scopes of [provider.b]; did you mean 'smtp'?"},
    {"date in quotes",
     "[provider.b]\ntype = \"oidc\"\nclient_id = \"x\"\nissuer = \"https://x\"\nclient_secret = "
     "\"env:S\"\nsecret_expires = \"2027-05-01\"",
     "agent.toml:19:18: secret_expires: expected a date such as 2027-05-01, without quotes, found "
     "a "
     "string"},
    {"app-only without secret",
     "[provider.b]\ntype = \"oidc\"\nclient_id = \"x\"\nissuer = \"https://x\"\n[[account]]\nmatch "
     "= "
     "\"*\"\nprovider = \"b\"\ngrant = \"client_credentials\"",
     "agent.toml:14:1: [provider.b] needs client_secret, certificate, federated_token_file or "
     "managed_identity for grant \"client_credentials\" at agent.toml:21:9"},
    {"app-only without a tenant of its own",
     "[provider.b]\ntype = \"microsoft\"\ntenant = \"common\"\nclient_id = \"x\"\nclient_secret = "
     "\"env:S\"\n[[account]]\nmatch = \"*\"\nprovider = \"b\"\ngrant = \"client_credentials\"",
     "agent.toml:16:10: tenant: \"common\" is no single tenant, and Entra refuses grant "
     "\"client_credentials\" (agent.toml:22:9) there with AADSTS9001023: put in the tenant's id or "
     "domain"},
    {"app-only from google",
     "[provider.b]\ntype = \"google\"\n[[account]]\nmatch = \"*\"\nprovider = \"b\"\ngrant = "
     "\"client_credentials\"",
     "agent.toml:19:9: grant: google gives no app-only tokens for mail; use \"service_account\""},
    {"service account without its key",
     "[provider.b]\ntype = \"google\"\n[[account]]\nmatch = \"*\"\nprovider = \"b\"\ngrant = "
     "\"service_account\"",
     "agent.toml:14:1: [provider.b] needs service_account_key for grant \"service_account\" at "
     "agent.toml:19:9"},
    {"service account of another provider",
     "[[account]]\nmatch = \"*\"\nprovider = \"contoso\"\ngrant = \"service_account\"",
     "agent.toml:17:9: grant: \"service_account\" belongs to google; use \"client_credentials\""},
    {"login at google without an app",
     "[provider.b]\ntype = \"google\"\n[[account]]\nmatch = \"*\"\nprovider = \"b\"\ngrant = "
     "\"delegated\"",
     "agent.toml:14:1: [provider.b] needs client_id for grant \"delegated\" at agent.toml:19:9"},
    {"redirect to another host",
     "[provider.b]\ntype = \"google\"\nredirect_uri = \"http://mail.example/cb\"",
     "agent.toml:16:16: redirect_uri: expected http://localhost or http://127.0.0.1, with or "
     "without "
     "port and path"},
    {"redirect by https", "[provider.b]\ntype = \"google\"\nredirect_uri = \"https://localhost/\"",
     "agent.toml:16:16: redirect_uri: expected http://localhost or http://127.0.0.1, with or "
     "without "
     "port and path"},
    {"redirect to another name of this host",
     "[provider.b]\ntype = \"google\"\nredirect_uri = \"http://[::1]/\"",
     "agent.toml:16:16: redirect_uri: expected http://localhost or http://127.0.0.1, with or "
     "without "
     "port and path"},
    {"redirect that is none",
     "[provider.b]\ntype = \"google\"\nredirect_uri = \"urn:ietf:wg:oauth:2.0:oob\"",
     "agent.toml:16:16: redirect_uri: expected http://localhost or http://127.0.0.1, with or "
     "without "
     "port and path"},
    {"http endpoint for logins",
     "[provider.b]\ntype = \"google\"\ndevice_authorization_endpoint = \"http://x.example/t\"",
     "agent.toml:16:33: device_authorization_endpoint: must be https: a secret would go over the "
     "wire "
     "in clear"},
};
BOOST_DATA_TEST_CASE(mistake_is_named_with_its_place, boost::unit_test::data::make(kAdded), row) {
    const Lines expected = row.error == nullptr ? Lines() : Lines{row.error};
    const Lines errors = errors_of(std::string(kBase) + row.text);
    BOOST_TEST(errors == expected, boost::test_tools::per_element());
    for (const std::string& line : errors) {
        BOOST_TEST(line.find(kSentinel) == std::string::npos);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::agent
