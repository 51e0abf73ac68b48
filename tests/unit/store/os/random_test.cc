#include "store/os/random.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace pawl {
namespace {

TEST(RandomIds, are_fresh_uuids_of_version_4) {
  std::set<std::string> ids;
  for (int i = 0; i < 100; ++i) {
    const std::string id = random_uuid();
    ASSERT_EQ(id.size(), 36u);
    EXPECT_EQ(id[14], '4');
    EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 100u);
}

}  // namespace
}  // namespace pawl
