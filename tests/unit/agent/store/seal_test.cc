// SPDX-License-Identifier: Apache-2.0
#include "token-agent/store/seal.hh"

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>
#include <functional>
#include <ostream>
#include <set>

#include "tests/unit/agent/store/store_room.hh"
#include "token-agent/store/aead.hh"
#include "token-agent/store/framing.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace postbearer::test;

constexpr SealPlace kPlace{"contoso", "alice@contoso.test", "client-1", "token:refresh", 7};
constexpr std::string_view kPlain = "a refresh token";

std::string from_hex(std::string_view digits) {
    std::string out;
    for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
        out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
    }
    return out;
}

BOOST_AUTO_TEST_SUITE(seal_test)

BOOST_AUTO_TEST_CASE(what_is_sealed_opens_in_its_place) {
    const KeyRing ring = ring_of("A");
    const std::string sealed = must(ring.seal(kPlace, kPlain));
    BOOST_TEST(must(ring.open(kPlace, sealed)).reveal() == kPlain);
    BOOST_TEST(!contains(sealed, kPlain));
    BOOST_TEST(!contains(sealed, "alice"));
    BOOST_TEST(must(ring.open(kPlace, must(ring.seal(kPlace, "")))).empty());
    const std::string large(1U << 20U, 'x');
    BOOST_TEST(must(ring.open(kPlace, must(ring.seal(kPlace, large)))).reveal() == large);
}

BOOST_AUTO_TEST_CASE(two_seals_of_one_text_have_nothing_in_common) {
    const KeyRing ring = ring_of("A");
    const std::string one = must(ring.seal(kPlace, kPlain));
    const std::string other = must(ring.seal(kPlace, kPlain));
    constexpr std::size_t kAfterKeyId = 12;  // magic, version and key id are the same
    BOOST_TEST(one.substr(0, kAfterKeyId) == other.substr(0, kAfterKeyId));
    BOOST_TEST(one.substr(kAfterKeyId, 16) != other.substr(kAfterKeyId, 16));
    BOOST_TEST(one.substr(one.size() - 16) != other.substr(other.size() - 16));
}

struct Move {
    const char* name;
    SealPlace to;
};
std::ostream& operator<<(std::ostream& out, const Move& move) { return out << move.name; }
const Move kMoves[] = {
    {"provider", {"fabrikam", "alice@contoso.test", "client-1", "token:refresh", 7}},
    {"account", {"contoso", "bob@contoso.test", "client-1", "token:refresh", 7}},
    {"client", {"contoso", "alice@contoso.test", "client-2", "token:refresh", 7}},
    {"kind", {"contoso", "alice@contoso.test", "client-1", "token:access:smtp", 7}},
    {"resource", {"contoso", "alice@contoso.test", "client-1", "token:access:imap", 7}},
    {"generation", {"contoso", "alice@contoso.test", "client-1", "token:refresh", 6}},
    {"border of two fields", {"contosoa", "lice@contoso.test", "client-1", "token:refresh", 7}},
    {"empty field", {"contoso", "alice@contoso.testclient-1", "", "token:refresh", 7}},
};

BOOST_DATA_TEST_CASE(what_is_moved_does_not_open, boost::unit_test::data::make(kMoves), move) {
    const KeyRing ring = ring_of("A");
    const Error error = refusal(ring.open(move.to, must(ring.seal(kPlace, kPlain))));
    BOOST_CHECK(error.code == Errc::Protocol);
    BOOST_TEST(error.context == "is damaged or not where it was written");
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_and_every_cut_is_noticed) {
    const KeyRing ring = ring_of("A");
    const std::string sealed = must(ring.seal(kPlace, kPlain));
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
        std::string damaged = sealed;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
        const auto opened = ring.open(kPlace, damaged);
        // In the key id it is the id of a key that we do not have.
        const bool in_key_id = bit / 8 >= 4 && bit / 8 < 4 + kKeyIdBytes;
        BOOST_REQUIRE_MESSAGE(
            !opened && opened.error().code == (in_key_id ? Errc::Config : Errc::Protocol),
            "bit " << bit);
    }
    for (std::size_t size = 0; size < sealed.size(); ++size) {
        BOOST_REQUIRE_MESSAGE(!ring.open(kPlace, sealed.substr(0, size)), "cut at " << size);
    }
    BOOST_TEST(!ring.open(kPlace, sealed + '\0').has_value());
}

BOOST_AUTO_TEST_CASE(the_current_key_seals_and_every_key_opens) {
    const std::string old = must(ring_of("A").seal(kPlace, kPlain));
    const KeyRing both = ring_of("BA");
    BOOST_TEST(must(both.open(kPlace, old)).reveal() == kPlain);
    const std::string sealed = must(both.seal(kPlace, kPlain));
    BOOST_TEST(*key_id_of(sealed) == both.current_id());
    BOOST_TEST(must(ring_of("B").open(kPlace, sealed)).reveal() == kPlain);
    BOOST_TEST(must(ring_of("AB").open(kPlace, sealed)).reveal() == kPlain);
    const Error error = refusal(ring_of("A").open(kPlace, sealed));
    BOOST_CHECK(error.code == Errc::Config);  // a key is missing, nothing is damaged
    BOOST_TEST(error.context == "is sealed with key " + hex(both.current_id()) +
                                    ", which is not in the ring (" + ring_of("A").describe() + ")");
}

BOOST_AUTO_TEST_CASE(an_id_is_of_its_key_and_says_nothing_of_it) {
    std::set<std::string> ids;
    for (const char key : std::string("ABCDEFGH")) {
        const std::string id = ring_of(std::string(1, key)).current_id();
        BOOST_TEST(id.size() == kKeyIdBytes);
        BOOST_TEST(id != std::string(kKeyIdBytes, key));
        ids.insert(id);
    }
    BOOST_TEST(ids.size() == 8U);
    BOOST_TEST(ring_of("A").current_id() == ring_of("A").current_id());
    BOOST_TEST(ring_of("AAB").describe() == ring_of("AB").describe());
}

BOOST_AUTO_TEST_CASE(a_key_has_exactly_32_bytes) {
    for (const std::size_t size : {0U, 16U, 31U, 33U, 64U}) {
        const Error error = refusal(KeyRing::make(Secret(std::string(size, 'k'))));
        BOOST_CHECK(error.code == Errc::Config);
        BOOST_TEST(contains(error.context, "32 random bytes"));
    }
    std::vector<Secret> previous;
    previous.push_back(Secret("short"));
    BOOST_TEST(!KeyRing::make(master_key('A'), std::move(previous)).has_value());
}

// RFC 5869 A.1, RFC 4231 4.3 and the GCM specification's case 16: the primitives are the ones
// named.
BOOST_AUTO_TEST_CASE(the_primitives_answer_their_published_vectors) {
    const auto derived =
        must(hkdf_sha256(std::string(22, '\x0b'), from_hex("000102030405060708090a0b0c"),
                         from_hex("f0f1f2f3f4f5f6f7f8f9"), 42));
    BOOST_TEST(
        hex(view(derived)) ==
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    BOOST_TEST(hex(must(hmac_sha256("Jefe", "what do ya want for nothing?"))) ==
               "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    const std::string key =
        from_hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    const std::string plain = from_hex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24"
        "49a6b525b16aedf5aa0de657ba637b39");
    const std::string aad = from_hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
    const std::string sealed =
        must(aead_seal(key, from_hex("cafebabefacedbaddecaf888"), aad, plain));
    BOOST_TEST(
        hex(sealed) ==
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b0"
        "8b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b");
}

BOOST_AUTO_TEST_CASE(a_reader_past_the_end_gives_nothing_and_says_so) {
    FieldWriter writer;
    writer.u8(1).u32(2).u64(3).text("four").raw("five");
    FieldReader reader(writer.bytes());
    BOOST_TEST(reader.u8() == 1);
    BOOST_TEST(reader.u32() == 2U);
    BOOST_TEST(reader.u64() == 3U);
    BOOST_TEST(reader.text() == "four");
    BOOST_TEST(!reader.complete());
    BOOST_TEST(reader.raw(4) == "five");
    BOOST_TEST(reader.complete());
    BOOST_TEST(reader.u8() == 0);
    BOOST_TEST(!reader.ok());
    FieldReader lying(
        std::string_view("\xff\xff\xff\xff"
                         "text",
                         8));
    BOOST_TEST(lying.text().empty());
    BOOST_TEST(!lying.ok());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
