// SPDX-License-Identifier: Apache-2.0
#include "milter/lmtp/lmtp_parser.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <string>

#include "milter/lmtp/limits.hh"

namespace {

using namespace postbearer::milter;

std::string code_of(const LmtpReply& reply) {
    return std::to_string(reply.code) + ' ' + reply.enhanced;
}

BOOST_AUTO_TEST_SUITE(lmtp_parser_test)

struct VerbRow {
    const char* line;
    LmtpVerb verb;
    const char* argument;
};
std::ostream& operator<<(std::ostream& out, const VerbRow& row) { return out << row.line; }
constexpr VerbRow kVerbRows[] = {
    {"LHLO host", LmtpVerb::Lhlo, "host"},
    {"lhlo  host ", LmtpVerb::Lhlo, "host"},
    {"Mail FROM:<a@b> SIZE=1", LmtpVerb::Mail, "FROM:<a@b> SIZE=1"},
    {"RCPT TO:<a@b>", LmtpVerb::Rcpt, "TO:<a@b>"},
    {"DATA", LmtpVerb::Data, ""},
    {" RSET ", LmtpVerb::Rset, ""},
    {"NOOP what ever", LmtpVerb::Noop, "what ever"},
    {"QUIT", LmtpVerb::Quit, ""},
    {"VRFY a", LmtpVerb::Vrfy, "a"},
    {"XFORWARD NAME=a", LmtpVerb::Xforward, "NAME=a"},
    {"HELO a", LmtpVerb::Helo, "a"},
    {"ehlo a", LmtpVerb::Helo, "a"},
};
BOOST_DATA_TEST_CASE(verbs, boost::unit_test::data::make(kVerbRows), row) {
    const auto command = parse_command(row.line);
    BOOST_REQUIRE(command.has_value());
    BOOST_TEST((command->verb == row.verb));
    BOOST_TEST(command->argument == row.argument);
}

struct BadLine {
    std::string line;
    const char* code;
};
std::ostream& operator<<(std::ostream& out, const BadLine& row) { return out << row.line; }
const BadLine kBadLines[] = {
    {"", "500 5.5.2"},       {"   ", "500 5.5.2"},       {"STARTTLS", "500 5.5.1"},
    {"DATAX", "500 5.5.1"},  {"NOOP\tx", "500 5.5.2"},   {std::string("NO\0P", 4), "500 5.5.2"},
    {"NOOP\r", "500 5.5.2"}, {"NOOP \x7F", "500 5.5.2"}, {"GET / HTTP/1.1", "500 5.5.1"},
};
BOOST_DATA_TEST_CASE(bad_lines, boost::unit_test::data::make(kBadLines), row) {
    const auto command = parse_command(row.line);
    BOOST_REQUIRE(!command.has_value());
    BOOST_TEST(code_of(command.error()) == row.code);
}

const std::string kLongLocal(kMaxAddressBytes - 7, 'l');

struct AddressRow {
    std::string path;
    std::string address;  // or the code of the refusal
};
std::ostream& operator<<(std::ostream& out, const AddressRow& row) { return out << row.path; }
const AddressRow kBoth[] = {
    {"<a@b.test>", "a@b.test"},
    {"<A.B+c=d@B-2.Test>", "A.B+c=d@B-2.Test"},
    {"<!#$%&'*+-/=?^_`{|}~@b_c.test>", "!#$%&'*+-/=?^_`{|}~@b_c.test"},
    {"<\"a b\"@c.test>", "\"a b\"@c.test"},
    {"<\"a>b\\\"\\\\<@\"@c.test>", "\"a>b\\\"\\\\<@\"@c.test"},
    {"<\"\"@c.test>", "\"\"@c.test"},
    {"<a@[192.0.2.1]>", "a@[192.0.2.1]"},
    {"<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]"},
    {"<@one.test,@two.test:a@b.test>", "a@b.test"},
    {"<@one.test:a@b.test>", "a@b.test"},
    {"<" + kLongLocal + "@b.test>", kLongLocal + "@b.test"},
    {"<l" + kLongLocal + "@b.test>", "501"},
    {"<a@b.test", "501"},
    {"a@b.test", "501"},
    {" <a@b.test>", "501"},
    {"<a@b.test>x", "501"},
    {"<a>", "501"},
    {"<a@>", "501"},
    {"<@b.test>", "501"},
    {"<@b.test:>", "501"},
    {"<@one.test,a@b.test>", "501"},
    {"<@one.test", "501"},
    {"<a..b@c.test>", "501"},
    {"<.a@b.test>", "501"},
    {"<a.@b.test>", "501"},
    {"<a@b..test>", "501"},
    {"<a@b.test.>", "501"},
    {"<a b@c.test>", "501"},
    {"<a@b c.test>", "501"},
    {"<a@b@c.test>", "501"},
    {"<\"a@b.test>", "501"},
    {"<\"a\"b@c.test>", "501"},
    {"<\"a\\", "501"},
    {"<a@[]>", "501"},
    {"<a@[1>", "501"},
    {"<a@[1 2]>", "501"},
    {"<<a@b.test>>", "501"},
    {"<j\xC3\xBCrgen@b.test>", "553 5.6.7"},
    {"<a@b\xC3\xBC.test>", "553 5.6.7"},
    {"<\"j\xC3\xBC\"@b.test>", "553 5.6.7"},
    {"<j\xFFrgen@b.test>", "501"},
    {"<\"\xC2\x85\"@b.test>", "501"},
};

BOOST_DATA_TEST_CASE(senders, boost::unit_test::data::make(kBoth), row) {
    const auto command = parse_mail("FROM:" + row.path);
    const std::string expected = row.address == "501" ? "501 5.1.7" : row.address;
    BOOST_TEST((command ? command->address : code_of(command.error())) == expected);
}

BOOST_DATA_TEST_CASE(recipients, boost::unit_test::data::make(kBoth), row) {
    const auto address = parse_rcpt("to:" + row.path, false);
    const std::string expected = row.address == "501" ? "501 5.1.3" : row.address;
    BOOST_TEST((address ? *address : code_of(address.error())) == expected);
}

BOOST_AUTO_TEST_CASE(null_sender_and_postmaster) {
    BOOST_TEST(parse_mail("FROM:<>").value().address.empty());
    BOOST_TEST(code_of(parse_mail("FROM:<postmaster>").error()) == "501 5.1.7");
    BOOST_TEST(code_of(parse_mail("FROM:<@a.test:>").error()) == "501 5.1.7");
    BOOST_TEST(parse_rcpt("TO:<PostMaster>", false).value() == "PostMaster");
    BOOST_TEST(code_of(parse_rcpt("TO:<>", false).error()) == "501 5.1.3");
    BOOST_TEST(code_of(parse_rcpt("TO:<postmasters>", false).error()) == "501 5.1.3");
}

BOOST_AUTO_TEST_CASE(smtputf8_addresses) {
    const auto command = parse_mail("FROM:<j\xC3\xBCrgen@b.test> SMTPUTF8");
    BOOST_TEST(command.value().smtputf8);
    BOOST_TEST(command->address == "j\xC3\xBCrgen@b.test");
    BOOST_TEST(parse_rcpt("TO:<a@b\xC3\xBC.test>", true).value() == "a@b\xC3\xBC.test");
}

BOOST_AUTO_TEST_CASE(parameters_of_mail) {
    const auto command = parse_mail("from:<a@b> size=12345  body=8bitmime ");
    BOOST_REQUIRE(command.has_value());
    BOOST_TEST(command->size.value() == 12345U);
    BOOST_TEST(command->eight_bit_mime);
    BOOST_TEST(!command->smtputf8);
    BOOST_TEST(!parse_mail("FROM:<a@b> BODY=7BIT").value().eight_bit_mime);
    BOOST_TEST(!parse_mail("FROM:<a@b>").value().size.has_value());
}

struct BadParameter {
    const char* argument;
    const char* code;
};
std::ostream& operator<<(std::ostream& out, const BadParameter& row) { return out << row.argument; }
constexpr BadParameter kBadParameters[] = {
    {"FROM:<a@b> SIZE=", "501 5.5.4"},
    {"FROM:<a@b> SIZE", "501 5.5.4"},
    {"FROM:<a@b> SIZE=-1", "501 5.5.4"},
    {"FROM:<a@b> SIZE=99999999999999999999999", "501 5.5.4"},
    {"FROM:<a@b> SIZE=1 SIZE=1", "501 5.5.4"},
    {"FROM:<a@b> BODY=BINARYMIME", "501 5.5.4"},
    {"FROM:<a@b> BODY=7BIT BODY=7BIT", "501 5.5.4"},
    {"FROM:<a@b> SMTPUTF8=1", "501 5.5.4"},
    {"FROM:<a@b> SMTPUTF8 SMTPUTF8", "501 5.5.4"},
    {"FROM:<a@b> RET=FULL", "555 5.5.4"},
    {"FROM:<a@b> =", "555 5.5.4"},
    {"FROM <a@b>", "501 5.5.4"},
    {"FROM", "501 5.5.4"},
    {"", "501 5.5.4"},
    {"TO:<a@b>", "501 5.5.4"},
};
BOOST_DATA_TEST_CASE(bad_parameters, boost::unit_test::data::make(kBadParameters), row) {
    const auto command = parse_mail(row.argument);
    BOOST_REQUIRE(!command.has_value());
    BOOST_TEST(code_of(command.error()) == row.code);
}

BOOST_AUTO_TEST_CASE(dsn_was_not_offered) {
    BOOST_TEST(code_of(parse_rcpt("TO:<a@b> NOTIFY=NEVER", true).error()) == "555 5.5.4");
    BOOST_TEST(code_of(parse_rcpt("FROM:<a@b>", true).error()) == "501 5.5.4");
}

BOOST_AUTO_TEST_CASE(xforward_adds_up) {
    auto known = parse_xforward("NAME=spike.example ADDR=192.0.2.7 PORT=1234", {});
    BOOST_REQUIRE(known.has_value());
    known = parse_xforward(
        "proto=ESMTP helo=a+2Bb+3Dc+20d ident=4XyZ source=REMOTE PORT=[UNAVAILABLE]", *known);
    BOOST_REQUIRE(known.has_value());
    BOOST_TEST(known->name == "spike.example");
    BOOST_TEST(known->address == "192.0.2.7");
    BOOST_TEST(known->port.empty());
    BOOST_TEST(known->protocol == "ESMTP");
    BOOST_TEST(known->helo == "a+b=c d");
    BOOST_TEST(known->ident == "4XyZ");
    BOOST_TEST(known->source == "REMOTE");
    BOOST_TEST(parse_xforward("HELO=+0D+0Ax+FF", {}).value().helo == "??x?");
    BOOST_TEST(parse_xforward("HELO=", {}).value().helo.empty());
}

constexpr const char* kBadForwards[] = {"",          "NAME",          "LOGIN=x",   "NAME=a+",
                                        "NAME=a+4",  "NAME=a+zz",     "NAME=a+4g", "=",
                                        "NAME=a+2b", "NAME=a LOGIN=x"};
BOOST_DATA_TEST_CASE(bad_xforward, boost::unit_test::data::make(kBadForwards), argument) {
    const auto known = parse_xforward(argument, {});
    BOOST_REQUIRE(!known.has_value());
    BOOST_TEST(code_of(known.error()) == "501 5.5.4");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
