// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE postbearer_milter_front
#include <boost/test/unit_test.hpp>
