// SPDX-License-Identifier: Apache-2.0
#include "milter/routing/network.hh"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <ostream>
#include <vector>

namespace postbearer::milter {
namespace {

BOOST_AUTO_TEST_SUITE(network_test)

struct Row {
    const char* network;
    const char* address;
    bool inside;
};
std::ostream& operator<<(std::ostream& out, const Row& row) {
    return out << row.address << (row.inside ? " in " : " not in ") << row.network;
}

constexpr Row kRows[] = {
    {"192.0.2.0/24", "192.0.2.0", true},
    {"192.0.2.0/24", "192.0.2.255", true},
    {"192.0.2.0/24", "192.0.3.0", false},
    {"192.0.2.1", "192.0.2.1", true},
    {"192.0.2.1", "192.0.2.2", false},
    {"192.0.2.128/25", "192.0.2.127", false},
    {"192.0.2.128/25", "192.0.2.128", true},
    {"10.0.0.0/9", "10.127.255.255", true},
    {"10.0.0.0/9", "10.128.0.0", false},
    {"0.0.0.0/0", "203.0.113.9", true},
    {"0.0.0.0/0", "2001:db8::1", false},
    {"::/0", "2001:db8::1", true},
    {"::/0", "192.0.2.1", false},
    {"2001:db8::/32", "2001:db8:ffff::1", true},
    {"2001:db8::/32", "2001:db9::1", false},
    {"[2001:db8::]/32", "2001:db8::1", true},
    {"[::1]", "::1", true},
    {"2001:db8::/33", "2001:db8:8000::", false},
    {"127.0.0.0/8", "::ffff:127.0.0.1", true},
    {"::ffff:192.0.2.0/120", "192.0.2.77", true},
    {"::ffff:192.0.2.0/120", "192.0.3.77", false},
    {"::ffff:192.0.2.1", "192.0.2.1", true},
    {"::ffff:0.0.0.0/96", "198.51.100.1", true},
};

BOOST_DATA_TEST_CASE(an_address_lies_in_its_network_only, boost::unit_test::data::make(kRows),
                     row) {
    const auto network = Network::parse(row.network);
    const auto address = IpAddress::parse(row.address);
    BOOST_REQUIRE(network.has_value());
    BOOST_REQUIRE(address.has_value());
    BOOST_TEST(network->contains(*address) == row.inside);
    const std::vector<Network> networks{*network};
    BOOST_TEST(any_contains(networks, address) == row.inside);
}

BOOST_DATA_TEST_CASE(what_is_no_network_is_refused,
                     boost::unit_test::data::make({"",
                                                   "/",
                                                   "/8",
                                                   "192.0.2.0/33",
                                                   "192.0.2.1/24",
                                                   "192.0.2.0/-1",
                                                   "192.0.2.0/+8",
                                                   "192.0.2.0/ 8",
                                                   "192.0.2.0/",
                                                   "192.0.2/24",
                                                   "192.0.2.0/8/8",
                                                   "2001:db8::/129",
                                                   "2001:db8::1/64",
                                                   "::ffff:10.0.0.0/8",
                                                   "::ffff:10.0.0.0/95",
                                                   "[192.0.2.0",
                                                   "localhost",
                                                   "192.0.2.0 ",
                                                   "0x7f.1",
                                                   "192.0.2.0/99999999999999999999"}),
                     text) {
    BOOST_TEST(!Network::parse(text).has_value());
}

BOOST_AUTO_TEST_CASE(bytes_behind_a_nul_do_not_count_as_an_address) {
    using namespace std::string_view_literals;
    BOOST_TEST(!IpAddress::parse("192.0.2.1\0.example"sv).has_value());
    BOOST_TEST(!Network::parse("192.0.2.0\0x/24"sv).has_value());
}

BOOST_AUTO_TEST_CASE(no_address_lies_nowhere) {
    const std::vector<Network> all{*Network::parse("0.0.0.0/0"), *Network::parse("::/0")};
    BOOST_TEST(!any_contains(all, std::nullopt));
    BOOST_TEST(!any_contains({}, IpAddress::parse("192.0.2.1")));
}

BOOST_AUTO_TEST_CASE(a_socket_address_is_the_address_of_its_family) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_addr.s_addr = htonl(0xC0000201);
    BOOST_TEST(IpAddress::of(reinterpret_cast<const sockaddr&>(v4))->text() == "192.0.2.1");
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    BOOST_REQUIRE(::inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr) == 1);
    BOOST_TEST(IpAddress::of(reinterpret_cast<const sockaddr&>(v6))->text() == "2001:db8::1");
    BOOST_REQUIRE(::inet_pton(AF_INET6, "::ffff:192.0.2.1", &v6.sin6_addr) == 1);
    BOOST_TEST(IpAddress::of(reinterpret_cast<const sockaddr&>(v6))->text() == "192.0.2.1");
    sockaddr_un local{};
    local.sun_family = AF_UNIX;
    BOOST_TEST(!IpAddress::of(reinterpret_cast<const sockaddr&>(local)).has_value());
}

BOOST_AUTO_TEST_CASE(a_network_holds_the_narrower_ones) {
    const auto wide = *Network::parse("10.0.0.0/8");
    BOOST_TEST(wide.contains(*Network::parse("10.1.0.0/16")));
    BOOST_TEST(wide.contains(wide));
    BOOST_TEST(!wide.contains(*Network::parse("0.0.0.0/0")));
    BOOST_TEST(!wide.contains(*Network::parse("11.0.0.0/16")));
    BOOST_TEST(!Network::parse("::/0")->contains(wide));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace postbearer::milter
