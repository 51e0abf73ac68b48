#include "daemon/drift_watch.h"

#include <gtest/gtest.h>

#include <vector>

#include "schema/time.h"

namespace pawl {
namespace {

TEST(DriftWatch, tells_once_that_the_clocks_are_apart_and_once_that_they_are_together) {
  std::vector<std::string> told;
  DriftWatch watch([&](const std::string& message) { told.push_back(message); });
  watch.look(60 * us_per_s);
  EXPECT_TRUE(told.empty()) << "exactly a minute is not more than a minute";
  watch.look(7200 * us_per_s);
  watch.look(7199 * us_per_s);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0].find("7200 s ahead"), std::string::npos) << told[0];
  watch.look(45 * us_per_s);
  ASSERT_EQ(told.size(), 1u) << "not yet: otherwise the alert would repeat";
  watch.look(30 * us_per_s);
  ASSERT_EQ(told.size(), 2u);
  watch.look(-61 * us_per_s);
  ASSERT_EQ(told.size(), 3u);
  EXPECT_NE(told[2].find("61 s behind"), std::string::npos) << told[2];
}

TEST(DriftWatch, up_to_a_minute_is_not_worth_telling) {
  EXPECT_FALSE(drift_to_tell(60 * us_per_s));
  EXPECT_FALSE(drift_to_tell(-60 * us_per_s));
  EXPECT_EQ(drift_to_tell(61 * us_per_s), 61);
  EXPECT_EQ(drift_to_tell(-7200 * us_per_s), -7200);
}

}  // namespace
}  // namespace pawl
