// SPDX-License-Identifier: Apache-2.0
// What was written arrives: below the header section Graph and the relay get the same bytes that
// the client sent, and no message is lost between the two size limits.
#include <boost/test/unit_test.hpp>

#include "tests/e2e/graph_ends.hh"
#include "tests/support/failure.hh"

using namespace postbearer::test;

namespace {

constexpr const char* kViaGraph = "big@graph-only.test";
constexpr std::size_t kMostBytes = 2'925'000;  // 3.9 MB of base64

/// Printable, no two lines alike, CRLF lines of 76.
std::string filler(std::size_t bytes) {
    std::string text;
    text.reserve(bytes);
    for (std::size_t number = 0; text.size() + 78 < bytes; ++number) {
        const std::string count = std::to_string(number);
        text +=
            count + std::string(76 - count.size(), static_cast<char>('A' + number % 26)) + "\r\n";
    }
    const std::size_t left = bytes - text.size();
    return text + std::string(left < 2 ? 0 : left - 2, 'z') + "\r\n";
}

std::string without_cr(std::string text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '\r' || i + 1 == text.size() || text[i + 1] != '\n') {
            out += text[i];
        }
    }
    return out;
}

GraphChainSettings settings() {
    GraphChainSettings all;
    all.client_main = {
        {"message_size_limit", "50000000"},
        {"transport_maps", "inline:{graph-only.test=graph:unix:run/postbearer/graph.sock}"}};
    return all;
}

struct FidelityRoom {
    FidelityRoom() {
        chain.prepare();
        chain.relay().postfix().set("message_size_limit", "50000000");
        chain.relay().postfix().set("virtual_mailbox_limit", "0");
        start_prepared(chain);
    }

    /// CRLF or LF; the test fails unless Postfix takes it.
    void submit(const std::string& message, const std::vector<std::string>& to = {kAlice},
                const std::string& parameters = "") {
        const std::string answer = chain.trusted().send(kApp, to, message, parameters);
        BOOST_REQUIRE_MESSAGE(answer.starts_with("250"), answer);
    }
    /// What Graph got.
    std::string through_graph(const std::string& message,
                              const std::vector<std::string>& to = {kAlice},
                              const std::string& parameters = "") {
        const std::uint64_t before = chain.rehearsal().accepted();
        submit(message, to, parameters);
        chain.rehearsal().wait_for_accepted(before + 1, kPatience);
        return last_raw(chain.rehearsal());
    }
    [[nodiscard]] Path file(const std::string& name) const { return chain.directory() / name; }
    void make_certificate() const {
        (void)run_ok({.argv = {"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
                               "2", "-subj", "/CN=app/emailAddress=app@contoso.test", "-keyout",
                               file("key.pem"), "-out", file("cert.pem")}});
    }
    /// Sent with a hidden recipient, so that a Bcc is added.
    std::string with_hidden(const std::string& content) {
        const std::string raw = through_graph(
            std::string("From: ") + kApp + "\nTo: " + kAlice + "\nSubject: signed\n" + content,
            {kAlice, kBob});
        BOOST_TEST(raw.find("\r\nBcc: " + std::string(kBob) + "\r\n") < raw.find("\r\n\r\n"));
        return raw;
    }

    GraphChain chain{settings()};
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(graph_fidelity_test, FidelityRoom)

BOOST_AUTO_TEST_CASE(smime_signed) {
    make_certificate();
    write_file(file("part"),
               "Content-Type: text/plain\r\n\r\nSigned text.  \r\n.dot\r\n\r\nFrom me\r\n");
    (void)run_ok({.argv = {"openssl", "smime", "-sign", "-in", file("part"), "-signer",
                           file("cert.pem"), "-inkey", file("key.pem"), "-out", file("signed")}});
    const std::string sent = read_file(file("signed"));
    const std::string raw = with_hidden(sent);
    BOOST_TEST(body_of(raw) == body_of(with_crlf(sent)));
    write_file(file("received"), raw);
    const Finished verified = run({.argv = {"openssl", "smime", "-verify", "-CAfile",
                                            file("cert.pem"), "-in", file("received")}});
    BOOST_TEST(verified.ok(), verified.error);
    // The proof proves something: one byte more, and it fails.
    std::string broken = raw;
    broken.insert(broken.find("Signed text."), "x");
    write_file(file("broken"), broken);
    BOOST_TEST(!run({.argv = {"openssl", "smime", "-verify", "-CAfile", file("cert.pem"), "-in",
                              file("broken")}})
                    .ok());
    check_ends(chain, {.graph = {{kAlice, 1}, {kBob, 1}}});
    chain.stop();
}

BOOST_AUTO_TEST_CASE(pgp_signed) {
    const Path home = file("pgp");
    make_directory(home, 0700);
    const auto gpg = [&](std::vector<std::string> arguments) {
        std::vector<std::string> all{"gpg", "--homedir", home, "--batch", "--passphrase", ""};
        all.insert(all.end(), arguments.begin(), arguments.end());
        return run({.argv = all});
    };
    BOOST_REQUIRE(gpg({"--quick-gen-key", kApp, "rsa2048", "sign", "1d"}).ok());
    const std::string part =
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable"
        "\r\n\r\nSigned=20\r\n-- =20\r\n.dot\r\nline=\r\n soft\r\n";
    write_file(file("part"), part);
    BOOST_REQUIRE(
        gpg({"--armor", "--detach-sign", "--output", file("part.asc"), file("part")}).ok());
    const std::string raw = with_hidden(
        "MIME-Version: 1.0\nContent-Type: multipart/signed; boundary=\"b1\";\n"
        "\tprotocol=\"application/pgp-signature\"; micalg=pgp-sha512\n\nPreamble\r\n--b1\r\n" +
        part + "\r\n--b1\r\nContent-Type: application/pgp-signature\r\n\r\n" +
        read_file(file("part.asc")) + "\r\n--b1--\r\n");
    const std::size_t begin = raw.find("\r\n--b1\r\n") + 8;
    write_file(file("received"), raw.substr(begin, raw.find("\r\n--b1\r\n", begin) - begin));
    const Finished verified = gpg({"--verify", file("part.asc"), file("received")});
    BOOST_TEST(verified.ok(), verified.error);
    (void)run({.argv = {"gpgconf", "--homedir", home, "--kill", "all"}});
    check_ends(chain, {.graph = {{kAlice, 1}, {kBob, 1}}});
    chain.stop();
}

BOOST_AUTO_TEST_CASE(encrypted_opaque) {
    make_certificate();
    write_file(file("part"), "Content-Type: text/plain\r\n\r\nNobody else.\r\n");
    (void)run_ok({.argv = {"openssl", "smime", "-encrypt", "-aes256", "-in", file("part"), "-out",
                           file("encrypted"), file("cert.pem")}});
    write_file(file("received"), with_hidden(read_file(file("encrypted"))));
    BOOST_TEST(run_ok({.argv = {"openssl", "smime", "-decrypt", "-in", file("received"), "-recip",
                                file("cert.pem"), "-inkey", file("key.pem")}}) ==
               read_file(file("part")));
    chain.stop();
}

struct Body {
    const char* name;
    std::string text;
    const char* headers = "";
    const char* parameters = "";
};

std::vector<Body> odd_bodies() {
    const char* utf8 = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n";
    const char* mixed = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n";
    return {
        {"empty", ""},
        {"long lines", std::string(999, 'a') + "\r\n" + std::string(5000, 'b') + "\r\n"},
        {"very long line", std::string(200'000, 'c') + "\r\n"},
        {"dots", ".\r\n..\r\n...\r\n.text\r\n . \r\n"},
        {"trailing blanks", "one \r\ntwo\t\r\n  \r\n\r\n\r\n"},
        {"eight bits", "gr\xC3\xBC\xC3\x9F\xE2\x82\xAC\r\n", utf8, " BODY=8BITMIME"},
        {"eight bits undeclared", "\x80\xFF\xFE latin \xE9\r\n"},
        {"from and header-like lines", "From here\r\nSubject: no\r\nBcc: x@example.test\r\n"},
        {"attachments",
         "--b\r\nContent-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64"
         "\r\n\r\nJVBERi0xLjQKJeLjz9MK\r\n--b\r\nContent-Type: text/html\r\n"
         "Content-Transfer-Encoding: quoted-printable\r\n\r\n<p>=E2=82=AC=20=\r\n</p>\r\n"
         "--b\r\nBcc: inner@example.test\r\n\r\nPart.\r\n--b--\r\nEpilogue\r\n",
         mixed},
        {"invitation",
         "--b\r\nContent-Type: text/calendar; method=REQUEST; charset=utf-8\r\n\r\n"
         "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Lab\r\n"
         "ATTENDEE:mailto:alice@example.test\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n--b--\r\n",
         mixed},
        {"nothing but line ends", "\r\n\r\n\r\n"},
        {"controls", "\x01\x02\x1B[0m\x7F\r\n\f\v\r\n"},
    };
}

BOOST_AUTO_TEST_CASE(odd_lines) {
    std::size_t sent = 0;
    for (const Body& body : odd_bodies()) {
        const std::string raw =
            through_graph(plain_message(kApp, {kAlice}, body.name, body.headers, body.text),
                          {kAlice}, body.parameters);
        BOOST_TEST((body_of(raw) == body.text), body.name << " has become " << body_of(raw));
        ++sent;
    }
    // Postfix makes a blank of a bare CR, which Exchange would refuse.
    BOOST_TEST(body_of(through_graph(plain_message(kApp, {kAlice}, "CR", "", "a\rb\n\rc\n"))) ==
               "a b\r\n c\r\n");
    // SMTP knows no line without an end.
    BOOST_TEST(body_of(through_graph(plain_message(kApp, {kAlice}, "open", "", "no end"))) ==
               "no end\r\n");
    check_ends(chain, {.graph = {{kAlice, sent + 2}}});
    chain.stop();
}

// ---- sizes --------------------------------------------------------------------------------------

BOOST_AUTO_TEST_CASE(nearly_three_megabytes_through_graph) {
    const std::string body = filler(2'900'000);
    const std::string raw = through_graph(plain_message(kApp, {kAlice}, "large", "", body));
    BOOST_TEST((body_of(raw) == body));
    check_ends(chain, {.graph = {{kAlice, 1}}});
    chain.stop();
}

BOOST_AUTO_TEST_CASE(larger_mail_relays) {
    std::size_t sent = 0;
    for (const std::size_t size : {5'000'000, 30'000'000}) {
        const std::string body = filler(size);
        submit(plain_message(kApp, {kAlice}, std::to_string(size), "", body));
        chain.relayed().wait_for(kAlice, ++sent);
        bool found = false;
        for (const MailMessage& message : chain.relayed().messages(kAlice)) {
            if (message.header("Subject") == std::to_string(size)) {
                found = true;
                BOOST_TEST((message.body == without_cr(body)));
            }
        }
        BOOST_TEST(found);
    }
    BOOST_TEST(chain.milter().log().count("event=routed .*reason=large") == 2U);
    check_ends(chain, {.relayed = {{kAlice, 2}}});
    BOOST_TEST(chain.rehearsal().counter("graph_requests") == 0U);
    chain.stop();
}

BOOST_AUTO_TEST_CASE(larger_mail_of_transport_maps_bounces) {
    submit(plain_message(kApp, {kViaGraph}, "too large", "", filler(5'000'000)), {kViaGraph});
    const std::string line = chain.client().log().wait_for("status=bounced");
    BOOST_TEST(Pattern("dsn=5\\.3\\.4.* 552 5\\.3\\.4 .*[6-7][0-9]{6} bytes in base64.*3900000")
                   .found_in(line),
               line);
    chain.relayed().wait_for(kApp, 1);  // the sender hears of it
    check_ends(chain, {.relayed = {{kApp, 1}}});
    BOOST_TEST(chain.rehearsal().counter("graph_requests") == 0U);
    chain.stop();
}

/// Each message goes one way or the other; none is refused after the milter has said graph.
BOOST_AUTO_TEST_CASE(around_the_limit) {
    std::vector<std::string> to{kAlice};
    for (int i = 0; i < 20; ++i) {  // hidden ones, who make the header grow
        to.push_back("hidden-recipient-" + std::to_string(i) + "@a-long-domain.example.test");
    }
    std::size_t sent = 0;
    for (std::size_t size = kMostBytes - 8000; size <= kMostBytes + 1000; size += 450) {
        const std::string headers = plain_message(kApp, {kAlice}, "border", "", "");
        submit(headers + filler(size - headers.size()), to);
        ++sent;
    }
    chain.client().wait_until_empty();
    chain.relay().postfix().wait_until_empty();
    const LogWatch log = chain.milter().log();
    BOOST_TEST(log.count("event=routed .*decision=graph") > 4U);
    BOOST_TEST(log.count("event=routed .*reason=large") > 4U);
    BOOST_TEST(log.count("event=(not_sent|refused|in_doubt)") == 0U);
    BOOST_TEST(chain.client().log().count("status=(bounced|deferred)") == 0U);
    for (const std::string& recipient : to) {
        BOOST_TEST(graph_copies(chain.rehearsal())[recipient] + chain.relayed().count(recipient) ==
                   sent);
    }
    chain.stop();
}

/// The same for header sections around what the LMTP front takes.
BOOST_AUTO_TEST_CASE(header_sections_around_the_limit) {
    std::size_t sent = 0;
    const std::string line = "X-Filler: " + std::string(990, 'x') + "\n";
    for (const std::size_t lines : {1000U, 1040U, 1045U, 1049U, 1100U, 2000U}) {
        std::string headers;
        for (std::size_t i = 0; i < lines; ++i) {
            headers += line;
        }
        submit(plain_message(kApp, {kAlice}, "headers", headers));
        ++sent;
    }
    chain.client().wait_until_empty();
    chain.relay().postfix().wait_until_empty();
    BOOST_TEST(chain.client().log().count("status=(bounced|deferred)") == 0U);
    BOOST_TEST(graph_copies(chain.rehearsal())[kAlice] + chain.relayed().count(kAlice) == sent);
    chain.stop();
}

BOOST_AUTO_TEST_SUITE_END()
