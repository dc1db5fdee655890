// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE postbearer_agent_login
#include <boost/test/unit_test.hpp>
