#include "schema/outcome.h"

#include <gtest/gtest.h>

namespace pawl {
namespace {

TEST(Outcome, numbers_on_disk_do_not_change) {
  EXPECT_EQ(static_cast<int>(Outcome::accepted), 0);
  EXPECT_EQ(static_cast<int>(Outcome::skipped), 1);
  EXPECT_EQ(static_cast<int>(Outcome::version_conflict), 16);
  EXPECT_EQ(static_cast<int>(Outcome::not_blocked), 39);
}

TEST(Outcome, each_is_found_by_its_name_and_its_number) {
  for (std::uint16_t number = 0; number < 40; ++number) {
    const auto outcome = outcome_numbered(number);
    ASSERT_TRUE(outcome) << number;
    EXPECT_EQ(outcome_named(name(*outcome)), outcome);
  }
  EXPECT_EQ(outcome_numbered(40), std::nullopt);
  EXPECT_EQ(outcome_numbered(65535), std::nullopt);
  EXPECT_EQ(outcome_named("?"), std::nullopt);
  EXPECT_EQ(outcome_named(""), std::nullopt);
}

}  // namespace
}  // namespace pawl
