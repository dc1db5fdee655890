// SPDX-License-Identifier: Apache-2.0
#include <iterator>

#include "tests/unit/milter/envelope/envelope_table.hh"

namespace postbearer::milter::test {
namespace {

/// b@x.example is in the envelope; s@y.example must be nowhere.
constexpr EnvelopeRow kHostile[] = {
    // Fields under another name.
    {"blank before the colon", "To : b@x.example\n", "b@x.example", "To: b@x.example\n"},
    {"tab before the colon", "Bcc\t: s@y.example\nCc \t: s@y.example\n", "b@x.example",
     "Bcc: b@x.example\n"},
    {"blank in the name", "T o: s@y.example\n", "b@x.example", "Bcc: b@x.example\n"},
    {"byte in the name", "To\xa0: s@y.example\nTo\x0b: s@y.example\n", "b@x.example",
     "Bcc: b@x.example\n"},
    {"Apparently-To", "Apparently-To: s@y.example\n", "b@x.example", "Bcc: b@x.example\n"},
    {"recipients of pickup directories",
     "X-Receiver: s@y.example\nX-MS-Exchange-Organization-BCC: s@y.example\n", "b@x.example",
     "Bcc: b@x.example\n"},
    {"two colons", "To:: s@y.example\n", "b@x.example", "Bcc: b@x.example\n"},
    {"To in the folding of another field", "Subject: x\n To: s@y.example\n", "b@x.example",
     "Subject: x\n To: s@y.example\nBcc: b@x.example\n"},
    // Lines that end the header for somebody.
    {"mbox line first", "From s@y.example Sat Nov 21 08:11:26 2026\nTo: b@x.example\n",
     "b@x.example", "To: b@x.example\n"},
    {"junk between fields", "Subject: x\njunk\n more: junk\nTo: b@x.example\n", "b@x.example",
     "Subject: x\nTo: b@x.example\n"},
    {"blank line in a field", "Subject: x\n \t\nTo: b@x.example,\n  \n c@x.example\n",
     "b@x.example c@x.example", "Subject: x\nTo: b@x.example,\n c@x.example\n"},
    {"form feed in folding", "Subject: x\n \x0c\x0b\n y\nTo: b@x.example\n", "b@x.example",
     "Subject: x\n y\nTo: b@x.example\n"},
    {"only a colon", ": x\n:s@y.example\nTo: b@x.example\n", "b@x.example", "To: b@x.example\n"},
    // Two readings of one list.
    {"address before an angle address", "To: s@y.example <b@x.example>\n", "b@x.example",
     "To: b@x.example\n"},
    {"missing comma", "To: b@x.example s@y.example\n", "b@x.example", "To: b@x.example\n"},
    {"semicolon as separator", "To: b@x.example; s@y.example\n", "b@x.example",
     "To: b@x.example\n"},
    {"both of the envelope, semicolon", "To: b@x.example; c@x.example\n", "b@x.example c@x.example",
     "To: b@x.example, c@x.example\n"},
    {"empty elements", "To: ,b@x.example,,\n", "b@x.example", "To: b@x.example\n"},
    {"name of a neighbour of an empty element", "To: Bob <b@x.example>,\n", "b@x.example",
     "To: Bob <b@x.example>\n"},
    {"source route", "To: Bob <@s.example,@y.example:b@x.example>\n", "b@x.example",
     "To: b@x.example\n"},
    {"two in one pair of angles", "To: <b@x.example,s@y.example>\n", "b@x.example",
     "To: b@x.example\n"},
    {"nested angles", "To: <<b@x.example>>\n", "b@x.example", "To: b@x.example\n"},
    {"angle without its end", "To: <b@x.example, <s@y.example\n", "b@x.example",
     "To: b@x.example\n"},
    {"text after the angle", "To: <b@x.example> <s@y.example>\n", "b@x.example",
     "To: b@x.example\n"},
    {"address in a comment", "To: b@x.example (, s@y.example ,)\n", "b@x.example",
     "To: b@x.example\n"},
    {"quote in a comment", "To: b@x.example (\"), s@y.example (\")\n", "b@x.example",
     "To: b@x.example\n"},
    {"escape in a comment", "To: b@x.example (\\), s@y.example)\n", "b@x.example",
     "To: b@x.example\n"},
    {"address behind an escaped quote", "To: \"\\\", s@y.example, \\\"\" <b@x.example>\n",
     "b@x.example", "To: b@x.example\n"},
    {"quote without its end", "To: \"Bob <b@x.example>\n", "b@x.example", "To: b@x.example\n"},
    {"quote around the list", "To: \"b@x.example, s@y.example\"\n", "b@x.example",
     "Bcc: b@x.example\n"},
    {"comment without its end", "To: b@x.example (Bob, s@y.example\n", "b@x.example",
     "To: b@x.example\n"},
    {"comment around the '@'", "To: b(s@y.example)@x.example\n", "b@x.example",
     "To: b@x.example\n"},
    {"blanks around the '@'", "To: Bob <b @ x.example>\n", "b@x.example", "To: b@x.example\n"},
    {"fold within the address", "To: <b\n @x.example>\n", "b@x.example", "To: b@x.example\n"},
    {"obsolete local part", "To: s . b@x.example\n", "s.b@x.example", "Bcc: s.b@x.example\n"},
    {"stray backslash and bracket", "To: b@x.example\\, ]c@x.example, )\n",
     "b@x.example c@x.example", "To: b@x.example, c@x.example\n"},
    {"mailto", "To: mailto:b@x.example\n", "b@x.example", "To: b@x.example\n"},
    {"address as group name", "To: s@y.example: b@x.example;\n", "b@x.example",
     "To: b@x.example\n"},
    {"text after a group", "To: g: b@x.example; s@y.example\n", "b@x.example", "To: b@x.example\n"},
    {"encoded address in a name", "To: =?utf-8?Q?s=40y.example=2C?= <b@x.example>\n", "b@x.example",
     "To: b@x.example\n"},
    {"encoded angle in a comment", "To: b@x.example (=?utf-8?B?PHM+?=)\n", "b@x.example",
     "To: b@x.example\n"},
    {"encoded line end", "To: =?utf-8?Q?=0D=0ABcc=3As?= <b@x.example>\n", "b@x.example",
     "To: b@x.example\n"},
    {"encoded word of an unknown charset", "To: =?utf-7?Q?s+AEA-y.example?= <b@x.example>\n",
     "b@x.example", "To: b@x.example\n"},
    {"encoded word as local part", "To: =?utf-8?Q?s=40y.example=3E?=@x.example\n", "b@x.example",
     "Bcc: b@x.example\n"},
    {"raw Latin-1 in To", "To: B\xe4r <b@x.example>\n", "b@x.example", "To: b@x.example\n"},
    {"C1 control in To", "To: B\xc2\x85 <b@x.example>\n", "b@x.example", "To: b@x.example\n"},
    {"escape sequence in To", "To: \x1b$B <b@x.example>\n", "b@x.example", "To: b@x.example\n"},
    {"full-width comma in the domain", "To: b@x.example\xef\xbc\x8cs@y.example\n", "b@x.example",
     "Bcc: b@x.example\n"},
    {"ideographic full stop",
     "To: b@x\xe3\x80\x82"
     "example\n",
     "b@x.example", "To: b@x.example\n"},
    {"trailing dot", "To: b@x.example.\n", "b@x.example", "Bcc: b@x.example\n"},
};

}  // namespace

std::vector<EnvelopeRow> hostile_rows() { return {std::begin(kHostile), std::end(kHostile)}; }

}  // namespace postbearer::milter::test
