#include "daemon/preflight.h"

#include <gtest/gtest.h>

#include "schema/limits.h"

namespace pawl {
namespace {

TEST(Preflight, many_descriptors_are_enough_for_all_connections) {
  EXPECT_EQ(connections_for(limits::descriptors_wanted).value(), limits::connections_max);
}

TEST(Preflight, fewer_descriptors_are_shared_with_the_log) {
  const std::size_t kept = connections_for(1024).value();
  EXPECT_GT(kept, 256U);
  EXPECT_LT(kept, 512U);
}

TEST(Preflight, too_few_descriptors_are_an_error_that_names_the_limit) {
  for (const std::size_t few : {std::size_t{0}, std::size_t{16}, std::size_t{127}}) {
    const auto refused = connections_for(few);
    ASSERT_FALSE(refused) << few;
    EXPECT_NE(refused.error().message.find("ulimit -n"), std::string::npos);
    EXPECT_NE(refused.error().message.find(std::to_string(few)), std::string::npos);
  }
  EXPECT_TRUE(connections_for(128));
}

TEST(Preflight, threads_that_are_needed_can_be_started) {
  EXPECT_TRUE(check_threads(8));
}

}  // namespace
}  // namespace pawl
