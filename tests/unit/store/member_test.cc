#include "store/member.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace pawl {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class MemberTest : public testing::Test {
 protected:
  MemberTest() {
    std::string name = testing::TempDir() + "/pawl-member-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    root_ = name;
    fs::create_directory(folder());
  }
  ~MemberTest() override { fs::remove_all(root_); }
  std::string folder(const std::string& name = "data") const { return (root_ / name).string(); }

 private:
  fs::path root_;
};

TEST_F(MemberTest, is_drawn_once_for_a_folder) {
  const auto first = member_of(folder());
  ASSERT_TRUE(first);
  EXPECT_EQ(first->id.size(), 32u);
  EXPECT_EQ(first->copied_of, "");
  EXPECT_EQ(member_of(folder())->id, first->id);
}

TEST_F(MemberTest, is_drawn_anew_for_a_copy_which_is_told) {
  const std::string id = member_of(folder())->id;
  fs::copy(folder(), folder("copy"), fs::copy_options::recursive);
  const auto copy = member_of(folder("copy"));
  ASSERT_TRUE(copy);
  EXPECT_NE(copy->id, id);
  EXPECT_EQ(copy->copied_of, id);
  EXPECT_EQ(member_of(folder("copy"))->copied_of, "") << "from its second start on it is an independent folder";
  EXPECT_EQ(member_of(folder())->id, id);
}

TEST_F(MemberTest, stays_with_a_folder_that_is_moved) {
  const std::string id = member_of(folder())->id;
  fs::rename(folder(), folder("moved"));
  EXPECT_EQ(member_of(folder("moved"))->id, id);
}

TEST_F(MemberTest, is_drawn_anew_where_its_file_makes_no_sense) {
  for (const std::string bad : {"", "x", "0123456789abcdef0123456789abcdeg\n", "0123456789abcdef0123456789abcdef"}) {
    std::ofstream(fs::path(folder()) / "member") << bad;
    const auto member = member_of(folder());
    ASSERT_TRUE(member);
    EXPECT_EQ(member->id.size(), 32u);
    EXPECT_EQ(member->copied_of, "");
    EXPECT_EQ(text_of(fs::path(folder()) / "member").substr(0, 32), member->id);
  }
}

TEST_F(MemberTest, is_refused_where_no_file_can_be_made) {
  EXPECT_FALSE(member_of(folder("none")));
}

}  // namespace
}  // namespace pawl
