// SPDX-License-Identifier: Apache-2.0
#include "token-agent/token_source_by_grant.hh"

#include <boost/test/unit_test.hpp>

namespace {

using namespace postbearer;
using namespace postbearer::agent;

struct CountingSource final : TokenSource {
    void fetch(FetchWish wish, std::function<void(FetchResult)> done) override {
        ++fetched;
        account = wish.account;
        done(tl::unexpected(FetchFailure()));
    }
    void refused(const FetchWish& wish) override {
        ++refusals;
        account = wish.account;
    }
    int fetched = 0;
    int refusals = 0;
    std::string account;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(token_source_by_grant_test)

BOOST_AUTO_TEST_CASE(each_grant_has_its_source) {
    CountingSource app_only;
    CountingSource delegated;
    CountingSource service_account;
    TokenSourceByGrant source({app_only, delegated, service_account});
    const std::pair<Grant, CountingSource*> pairs[] = {{Grant::ClientCredentials, &app_only},
                                                       {Grant::Delegated, &delegated},
                                                       {Grant::ServiceAccount, &service_account}};
    int answers = 0;
    for (const auto& [grant, target] : pairs) {
        FetchWish wish;
        wish.grant = grant;
        wish.account = "a@b.example";
        source.refused(wish);
        BOOST_TEST(target->refusals == 1);
        source.fetch(std::move(wish), [&](const FetchResult&) { ++answers; });
        BOOST_TEST(target->fetched == 1);
        BOOST_TEST(target->account == "a@b.example");
    }
    BOOST_TEST(answers == 3);
    BOOST_TEST(app_only.fetched + delegated.fetched + service_account.fetched == 3);
}

BOOST_AUTO_TEST_SUITE_END()
