// SPDX-License-Identifier: Apache-2.0
#include "token-agent/store/export_file.hh"

#include <boost/test/unit_test.hpp>

#include "tests/unit/agent/store/store_room.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;
using namespace postbearer::test;
using namespace std::chrono_literals;

constexpr ScryptCost kCheap{1, 1, 1};
const Secret kPassphrase("correct horse battery staple");

DumpedLogin login_of(const std::string& account, const std::string& token) {
    DumpedLogin out;
    out.name = {"contoso", account, "client-1"};
    out.refresh_token = Secret(token);
    out.user = "User." + account;
    out.public_client = true;
    out.logged_in_at = WallTime(1'800'000'000s);
    out.used_at = WallTime(1'800'000'500s);
    return out;
}

std::string export_of(int logins, std::size_t token_bytes = 100, ScryptCost cost = kCheap) {
    ExportWriter writer = must(ExportWriter::make(kPassphrase, cost));
    std::string out;
    for (int i = 0; i < logins; ++i) {
        must(writer.add(
            login_of("user" + std::to_string(i), std::to_string(i) + std::string(token_bytes, 't')),
            out));
    }
    must(writer.finish(out));
    return out;
}

Result<std::vector<DumpedLogin>> read(std::string_view file, std::size_t piece = SIZE_MAX,
                                      const Secret& passphrase = kPassphrase) {
    ExportReader reader(passphrase.clone());
    std::vector<DumpedLogin> all;
    while (!file.empty()) {
        const std::string_view part = file.substr(0, piece);
        file.remove_prefix(part.size());
        auto some = reader.feed(part);
        if (!some) {
            return tl::unexpected(std::move(some.error()));
        }
        for (DumpedLogin& login : *some) {
            all.push_back(std::move(login));
        }
    }
    if (auto done = reader.finish(); !done) {
        return tl::unexpected(std::move(done.error()));
    }
    return all;
}

/// Where the frames begin, and the end.
std::vector<std::size_t> frames_of(const std::string& file) {
    std::vector<std::size_t> out{50};
    while (out.back() < file.size()) {
        FieldReader reader(std::string_view(file).substr(out.back()));
        out.push_back(out.back() + 17 + reader.u32());
    }
    return out;
}

BOOST_AUTO_TEST_SUITE(export_file_test)

BOOST_AUTO_TEST_CASE(what_is_exported_is_imported_in_pieces_of_any_size) {
    const std::string file = export_of(300, 1000);
    BOOST_TEST(frames_of(file).size() > 4U);
    for (const std::size_t piece :
         {SIZE_MAX, std::size_t{1}, std::size_t{17}, std::size_t{4096}, std::size_t{70'000}}) {
        const auto logins = must(read(file, piece));
        BOOST_REQUIRE(logins.size() == 300U);
        for (int i = 0; i < 300; ++i) {
            const DumpedLogin& login = logins[static_cast<std::size_t>(i)];
            BOOST_TEST(login.name.provider == "contoso");
            BOOST_TEST(login.name.account == "user" + std::to_string(i));
            BOOST_TEST(login.name.client_id == "client-1");
            BOOST_TEST(login.user == "User.user" + std::to_string(i));
            BOOST_TEST(login.refresh_token.reveal() == std::to_string(i) + std::string(1000, 't'));
            BOOST_TEST(login.public_client);
            BOOST_TEST(!login.rotates);
            BOOST_CHECK(login.logged_in_at == WallTime(1'800'000'000s));
            BOOST_CHECK(login.used_at == WallTime(1'800'000'500s));
        }
    }
    BOOST_TEST(must(read(export_of(0))).empty());
}

BOOST_AUTO_TEST_CASE(a_file_names_nobody_and_holds_no_token) {
    const std::string file = export_of(20, 200);
    for (const char* word : {"contoso", "user", "client-1", "tttt", "correct", "horse"}) {
        BOOST_TEST(!contains(file, word), word);
    }
    BOOST_TEST(export_of(20, 200).substr(20) != file.substr(20));
}

BOOST_AUTO_TEST_CASE(a_wrong_passphrase_is_one_clear_sentence) {
    for (const char* words : {"", "correct horse battery staplf", "Correct horse battery staple"}) {
        const Error error = refusal(read(export_of(3), SIZE_MAX, Secret(words)));
        BOOST_CHECK(error.code == Errc::Denied);
        BOOST_TEST(error.context ==
                   "does not open: the passphrase is wrong, or the file is damaged "
                   "at its beginning");
    }
}

BOOST_AUTO_TEST_CASE(every_cut_is_noticed) {
    const std::string file = export_of(2);
    for (std::size_t size = 0; size < file.size(); ++size) {
        BOOST_REQUIRE_MESSAGE(!read(file.substr(0, size)), "cut at " << size);
    }
    const std::string large = export_of(300, 1000);
    for (const std::size_t border : frames_of(large)) {
        if (border < large.size()) {
            const Error error = refusal(read(large.substr(0, border)));
            BOOST_CHECK(error.code == Errc::Protocol);
            BOOST_TEST(contains(error.context, "its end is missing"));
        }
    }
    BOOST_TEST(contains(refusal(read(file + "x")).context, "goes on after its end"));
    BOOST_TEST(!read(file + file).has_value());
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_is_noticed) {
    const std::string file = export_of(2);
    for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
        std::string damaged = file;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
        // A reader with cheap limits: a flipped bit of the cost is no reason to work for a second.
        ExportReader reader(kPassphrase.clone(), {4, 4, 4});
        const auto logins = reader.feed(damaged);
        BOOST_REQUIRE_MESSAGE(!logins || !reader.finish(), "bit " << bit);
    }
}

BOOST_AUTO_TEST_CASE(frames_in_another_order_or_of_another_file_do_not_open) {
    const std::string file = export_of(200, 1000);
    const std::string other = export_of(200, 1000);
    const auto at = frames_of(file);
    BOOST_REQUIRE(at.size() >= 5U);
    BOOST_REQUIRE(frames_of(other) == at);
    const auto frame = [&](const std::string& of, std::size_t i) {
        return of.substr(at[i], at[i + 1] - at[i]);
    };
    const std::string header = file.substr(0, at[0]);
    const std::string rest = file.substr(at[2]);
    BOOST_TEST(read(header + frame(file, 0) + frame(file, 1) + rest).has_value());
    BOOST_TEST(!read(header + frame(file, 1) + frame(file, 0) + rest).has_value());
    BOOST_TEST(!read(header + frame(file, 0) + frame(file, 0) + rest).has_value());
    BOOST_TEST(!read(header + frame(file, 0) + rest).has_value());
    BOOST_TEST(!read(header + frame(file, 0) + frame(other, 1) + rest).has_value());
    BOOST_TEST(!read(other.substr(0, at[0]) + file.substr(at[0])).has_value());
    // A frame that calls itself the last one.
    std::string cut = file.substr(0, at[2]);
    cut[at[1] + 4] = 1;
    BOOST_TEST(!read(cut).has_value());
}

BOOST_AUTO_TEST_CASE(a_file_that_asks_for_too_much_is_refused_before_any_work) {
    const std::string good = export_of(1);
    const auto with = [&good](std::uint8_t log2_n, std::uint32_t r, std::uint32_t p) {
        FieldWriter cost;
        cost.u8(log2_n).u32(r).u32(p);
        std::string out = good;
        return out.replace(9, 9, std::string(cost.bytes()));
    };
    BOOST_TEST(read(with(1, 1, 1)).has_value());
    for (const auto& file :
         {with(21, 1, 1), with(0, 1, 1), with(255, 1, 1), with(1, 17, 1), with(1, 0, 1),
          with(1, 1, 5), with(1, 1, 0), with(20, 16, 1), with(1, 0xFFFFFFFF, 1)}) {
        const Error error = refusal(read(file));
        BOOST_CHECK(error.code == Errc::Protocol);
        BOOST_TEST(contains(error.context, "asks for more work"), error.context);
    }
    BOOST_TEST(
        contains(refusal(read("no export, but long enough to have a header of one ....")).context,
                 "is not an export"));
    std::string newer = good;
    newer[8] = 2;
    BOOST_TEST(contains(refusal(read(newer)).context, "another version"));
    // A frame of 4 GiB is not waited for.
    std::string huge = good;
    huge.replace(50, 4, "\xff\xff\xff\xff");
    BOOST_TEST(contains(refusal(read(huge)).context, "damaged"));
}

BOOST_AUTO_TEST_CASE(the_default_cost_is_the_one_that_is_documented) {
    const std::string file = export_of(1, 100, ScryptCost{});
    FieldReader reader(std::string_view(file).substr(9));
    BOOST_TEST(reader.u8() == 17);
    BOOST_TEST(reader.u32() == 8U);
    BOOST_TEST(reader.u32() == 1U);
    BOOST_TEST(must(read(file)).size() == 1U);
}

BOOST_AUTO_TEST_CASE(what_a_reader_would_not_take_is_not_written) {
    ExportWriter writer = must(ExportWriter::make(kPassphrase, kCheap));
    std::string out;
    DumpedLogin odd = login_of(std::string(kMostExportedNameBytes + 1, 'a'), "token");
    BOOST_TEST(!writer.add(odd, out).has_value());
    BOOST_TEST(
        !writer.add(login_of("a", std::string(kMostExportedTokenBytes + 1, 't')), out).has_value());
    BOOST_TEST(!writer.add(login_of("a", ""), out).has_value());
    const std::string name(kMostExportedNameBytes - 5, 'a');  // the user is five longer
    must(writer.add(login_of(name, std::string(60'000, 't')), out));
    must(writer.add(login_of(name, std::string(kMostExportedTokenBytes, 't')), out));
    must(writer.finish(out));
    BOOST_TEST(must(read(out)).size() == 2U);
}

/// Whoever knows the passphrase can make such a file; its names go to a terminal and into a log.
BOOST_AUTO_TEST_CASE(names_with_control_characters_are_refused) {
    for (std::string RecordName::*const field :
         {&RecordName::provider, &RecordName::account, &RecordName::client_id}) {
        ExportWriter writer = must(ExportWriter::make(kPassphrase, kCheap));
        std::string out;
        DumpedLogin odd = login_of("alice", "token");
        odd.name.*field = "a\x1B]0;owned\x07";
        must(writer.add(odd, out));
        must(writer.finish(out));
        BOOST_TEST((refusal(read(out)).code == Errc::Protocol));
    }
    ExportWriter writer = must(ExportWriter::make(kPassphrase, kCheap));
    std::string out;
    DumpedLogin odd = login_of("alice", "token");
    odd.user = "no UTF-8 \xFF";
    must(writer.add(odd, out));
    must(writer.finish(out));
    BOOST_TEST((refusal(read(out)).code == Errc::Protocol));
}

BOOST_FIXTURE_TEST_CASE(a_store_goes_to_another_host, StoreRoom) {
    std::string file;
    {
        auto store = open("A");
        (void)must(store->put_login(alice(), new_login("refresh of alice", time.wall())));
        (void)must(store->put_login(bob(), new_login("refresh of bob", time.wall())));
        ExportWriter writer = must(ExportWriter::make(kPassphrase, kCheap));
        LoginDump page;
        do {
            page = must(store->read_logins(page.next, 1));
            for (const DumpedLogin& login : page.logins) {
                must(writer.add(login, file));
            }
        } while (!page.next.empty());
        must(writer.finish(file));
    }
    std::filesystem::remove(path());
    auto store = open("B");
    for (const DumpedLogin& login : must(read(file))) {
        (void)must(store->put_login(login.name, {login.refresh_token.clone(), login.user,
                                                 login.public_client, login.logged_in_at}));
    }
    BOOST_TEST(token_of(*store, alice()) == "refresh of alice");
    BOOST_TEST(token_of(*store, bob()) == "refresh of bob");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
