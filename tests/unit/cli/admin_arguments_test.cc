// SPDX-License-Identifier: Apache-2.0
#include "token-agent/cli/admin_arguments.hh"

#include <json/reader.h>
#include <json/value.h>

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <utility>

using postbearer::Secret;
using postbearer::cli::AdminArguments;

namespace {

Json::Value parsed(const Secret& document) {
    Json::CharReaderBuilder builder;
    Json::CharReaderBuilder::strictMode(&builder.settings_);
    const std::unique_ptr<Json::CharReader> reader(builder.newCharReader());
    const std::string_view text = document.reveal();
    Json::Value json;
    std::string errors;
    BOOST_REQUIRE_MESSAGE(reader->parse(text.data(), text.data() + text.size(), &json, &errors),
                          errors);
    return json;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(admin_arguments_test)

BOOST_AUTO_TEST_CASE(all_that_json_needs_is_escaped) {
    const std::string odd = "a\"b\\c\nd\x01\x7F\xC3\xA4/'";
    const Json::Value json = parsed(std::move(AdminArguments()
                                                  .add("refresh_token", odd)
                                                  .add("word", "literal")
                                                  .add_flag("flag", true)
                                                  .add_document("list", "[1,2]"))
                                        .finish());
    BOOST_TEST(json["refresh_token"].asString() == odd);
    BOOST_TEST(json["flag"].asBool());
    BOOST_TEST(json["word"].asString() == "literal");
    BOOST_TEST(json["list"].size() == 2U);
}

BOOST_AUTO_TEST_CASE(nothing_is_an_empty_object) {
    BOOST_TEST(AdminArguments().finish().reveal() == "{}");
}

BOOST_AUTO_TEST_CASE(no_control_character_is_left_for_the_framing) {
    const Secret document = std::move(AdminArguments().add("a", "\n\r\t\x7F")).finish();
    for (const char c : document.reveal()) {
        BOOST_TEST((c >= ' ' && c != '\x7F'));
    }
}

BOOST_AUTO_TEST_SUITE_END()
