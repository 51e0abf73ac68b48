#include "store/commit/start.h"

#include <gtest/gtest.h>

namespace pawl {
namespace {

TEST(Startup, a_torn_tail_is_told_in_the_boots_version) {
  EXPECT_EQ(boot_version("0.1.0", std::nullopt), "0.1.0");
  EXPECT_EQ(boot_version("0.1.0", Seq{813}), "0.1.0+torn.813");
}

}  // namespace
}  // namespace pawl
