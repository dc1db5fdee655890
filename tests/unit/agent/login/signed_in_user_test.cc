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
    const auto user = judge_names({{"a17@corp.example", "Alice@Contoso.COM"}, {}},
                                  "alice@contoso.com", ConfirmedBy::IdToken);
    BOOST_TEST(user.wanted);
    BOOST_TEST(user.user == "Alice@Contoso.COM");
    BOOST_TEST(name_of(user.by) == "id_token");
}

BOOST_AUTO_TEST_CASE(another_is_named_by_the_most_telling_name) {
    const auto user =
        judge_names({{"bob@contoso.com", "b2"}, {}}, "alice@contoso.com", ConfirmedBy::GraphMe);
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

BOOST_AUTO_TEST_CASE(a_doubtful_name_confirms_nobody) {
    const auto same =
        judge_names({{}, {"Alice@contoso.com"}}, "alice@contoso.com", ConfirmedBy::IdToken);
    BOOST_TEST(same.wanted);
    BOOST_TEST(same.user == "Alice@contoso.com");
    BOOST_TEST(name_of(same.by) == "unconfirmed");
    const auto other = judge_names({{}, {"bob@x"}}, "alice@contoso.com", ConfirmedBy::IdToken);
    BOOST_TEST(!other.wanted);
    BOOST_TEST(other.user == "bob@x");
    BOOST_TEST(name_of(other.by) == "unconfirmed");
    const auto outdone =
        judge_names({{"bob@x"}, {"alice@contoso.com"}}, "alice@contoso.com", ConfirmedBy::IdToken);
    BOOST_TEST(!outdone.wanted);
    BOOST_TEST(outdone.user == "bob@x");
}

BOOST_AUTO_TEST_CASE(me_is_read_with_suspicion) {
    for (const bool vouched : {false, true}) {
        for (const char* body : {"<html>", "{}", R"({"mail":7,"userPrincipalName":"a\nb"})"}) {
            const auto names = names_in_me(body, vouched);
            BOOST_TEST(names.sure.empty());
            BOOST_TEST(names.doubtful.empty());
        }
    }
    const auto names = names_in_me(R"({"mail":" m@x ","userPrincipalName":"u@x"})", true);
    BOOST_REQUIRE(names.sure.size() == 2U);
    BOOST_TEST(names.sure[0] == "m@x");
    BOOST_TEST(names.sure[1] == "u@x");
    const auto foreign = names_in_me(R"({"mail":"m@x","userPrincipalName":"u@x"})", false);
    BOOST_REQUIRE(foreign.sure.size() == 1U);
    BOOST_TEST(foreign.sure[0] == "u@x");
    BOOST_REQUIRE(foreign.doubtful.size() == 1U);
    BOOST_TEST(foreign.doubtful[0] == "m@x");
}

BOOST_AUTO_TEST_CASE(whose_directory_may_be_believed) {
    ProviderConfig provider = of(ProviderType::Microsoft);
    for (const char* many :
         {"", "common", "Organizations", "consumers", "9188040d-6c67-4c5b-b112-36a304b66dad"}) {
        provider.tenant = many;
        BOOST_TEST(!vouches_for_mail(provider));
    }
    provider.tenant = "contoso.onmicrosoft.com";
    BOOST_TEST(vouches_for_mail(provider));
    provider.token_endpoint = "https://login.example/common/token";  // who knows whose it is
    BOOST_TEST(!vouches_for_mail(provider));
    provider.tenant = "11111111-2222-3333-4444-555555555555";  // compared with the token's tid
    BOOST_TEST(vouches_for_mail(provider));
    provider.type = ProviderType::Oidc;
    BOOST_TEST(!vouches_for_mail(provider));
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
    ClaimedNames names;
    ask_me(client, {}, "https://graph.microsoft.com/v1.0/me", Secret("token"), true,
           [&](ClaimedNames got) { names = std::move(got); });
    BOOST_TEST(names.sure.empty());
    client.run();
    BOOST_REQUIRE(names.sure.size() == 1U);
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
