// SPDX-License-Identifier: Apache-2.0
#include "token-agent/login/signed_in_user.hh"

#include <boost/test/unit_test.hpp>

#include "tests/support/scripted_http.hh"
#include "token-agent/login/login_scopes.hh"

namespace {

using namespace postbearer;
using namespace postbearer::agent;

ProviderConfig of(ProviderType type, Cloud cloud = Cloud::Global) {
    ProviderConfig provider;
    provider.name = "p";
    provider.type = type;
    provider.cloud = cloud;
    return provider;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(signed_in_user_test)

BOOST_AUTO_TEST_CASE(any_name_will_do_in_any_case_of_letters) {
    const auto user = judge_names({"a17@corp.example", "Alice@Contoso.COM"}, "alice@contoso.com",
                                  ConfirmedBy::IdToken);
    BOOST_TEST(user.wanted);
    BOOST_TEST(user.user == "Alice@Contoso.COM");
    BOOST_TEST(name_of(user.by) == "id_token");
}

BOOST_AUTO_TEST_CASE(another_is_named_by_the_most_telling_name) {
    const auto user =
        judge_names({"bob@contoso.com", "b2"}, "alice@contoso.com", ConfirmedBy::GraphMe);
    BOOST_TEST(!user.wanted);
    BOOST_TEST(user.user == "bob@contoso.com");
    BOOST_TEST(name_of(user.by) == "graph_me");
}

BOOST_AUTO_TEST_CASE(nobody_is_nobody) {
    const auto user = judge_names({}, "alice@contoso.com", ConfirmedBy::IdToken);
    BOOST_TEST(!user.wanted);
    BOOST_TEST(user.user == "");
    BOOST_TEST(name_of(user.by) == "unconfirmed");
}

BOOST_AUTO_TEST_CASE(me_is_read_with_suspicion) {
    BOOST_TEST(names_in_me("<html>").empty());
    BOOST_TEST(names_in_me("{}").empty());
    BOOST_TEST(names_in_me(R"({"mail":7,"userPrincipalName":"a\nb"})").empty());
    const auto names = names_in_me(R"({"mail":" m@x ","userPrincipalName":"u@x"})");
    BOOST_REQUIRE(names.size() == 2U);
    BOOST_TEST(names[0] == "m@x");
    BOOST_TEST(names[1] == "u@x");
}

BOOST_AUTO_TEST_CASE(me_is_on_the_host_of_the_cloud_or_of_the_scopes) {
    BOOST_TEST(graph_me_url(of(ProviderType::Microsoft, Cloud::Dod)).value_or("") ==
               "https://dod-graph.microsoft.us/v1.0/me?$select=mail,userPrincipalName,displayName");
    BOOST_TEST(user_read_scope(of(ProviderType::Microsoft, Cloud::China)).value_or("") ==
               "https://microsoftgraph.chinacloudapi.cn/User.Read");
    ProviderConfig own = of(ProviderType::Microsoft);
    own.scopes[static_cast<std::size_t>(Resource::Graph)] = {"offline_access",
                                                             "https://127.0.0.1:8443/Mail.Send"};
    BOOST_TEST(graph_me_url(own).value_or("") ==
               "https://127.0.0.1:8443/v1.0/me?$select=mail,userPrincipalName,displayName");
    BOOST_TEST(!graph_me_url(of(ProviderType::Google)).has_value());
}

BOOST_AUTO_TEST_CASE(the_token_travels_in_a_header) {
    test::ScriptedHttp client;
    client.answer(200, R"({"mail":"m@x"})");
    std::vector<std::string> names;
    ask_me(client, {}, "https://graph.microsoft.com/v1.0/me", Secret("token"),
           [&](std::vector<std::string> got) { names = std::move(got); });
    BOOST_TEST(names.empty());
    client.run();
    BOOST_REQUIRE(names.size() == 1U);
    BOOST_TEST((client.seen().front().method == http::Method::Get));
    BOOST_TEST(client.seen().front().authorization == "Bearer token");
    BOOST_TEST(client.seen().front().url.find("token") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(scopes_of_each_provider) {
    const auto all = std::vector<Resource>{Resource::Smtp, Resource::Graph};
    BOOST_TEST(step_scope(of(ProviderType::Microsoft), Resource::Graph, all, {}).value() ==
               "https://graph.microsoft.com/Mail.Send offline_access openid profile");
    BOOST_TEST(refresh_scope(of(ProviderType::Microsoft), Resource::Smtp).value() ==
               "https://outlook.office.com/SMTP.Send offline_access");
    BOOST_TEST(step_scope(of(ProviderType::Aol), Resource::Smtp, {Resource::Smtp}, {}).value() ==
               "mail-w");
    ProviderConfig oidc = of(ProviderType::Oidc);
    oidc.scopes[0] = {"smtp"};
    oidc.scopes[1] = {"imap", "smtp"};
    const auto both = std::vector<Resource>{Resource::Smtp, Resource::Imap};
    BOOST_TEST(step_scope(oidc, Resource::Smtp, both, {}).value() == "smtp imap openid profile");
    BOOST_TEST(step_scope(oidc, Resource::Smtp, both, {"openid", "offline_access"}).value() ==
               "smtp imap openid offline_access");
    BOOST_TEST(!offers_resource(of(ProviderType::Google), Resource::Graph));
    BOOST_TEST(!offers_resource(oidc, Resource::Graph));
    BOOST_TEST(offers_resource(oidc, Resource::Pop));
    BOOST_TEST(has_scope("a bc", "bc"));
    BOOST_TEST(!has_scope("a bcd", "bc"));
}

BOOST_AUTO_TEST_SUITE_END()
