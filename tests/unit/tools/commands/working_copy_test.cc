// Real git, in a temporary folder.
#include "tools/commands/working_copy.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace pawl {
namespace {

namespace fs = std::filesystem;

class WorkingCopy : public testing::Test {
 protected:
  WorkingCopy() {
    std::string name = (fs::temp_directory_path() / "pawl-working-copy-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    fs::current_path(folder_);
    // Repositories around the temporary folder must not count.
    setenv("GIT_CEILING_DIRECTORIES", folder_.parent_path().c_str(), 1);
  }
  ~WorkingCopy() override {
    fs::current_path(before_);
    fs::remove_all(folder_);
  }

  void git(const std::string& arguments) const {
    const std::string command = "git -c user.name=t -c user.email=t@t -c init.defaultBranch=main " + arguments;
    EXPECT_EQ(std::system((command + " >/dev/null 2>&1").c_str()), 0) << command;
  }

  static std::string error_of(const Result<std::string>& result) {
    EXPECT_FALSE(result.has_value());
    return result ? *result : result.error().message;
  }

  fs::path before_ = fs::current_path();
  fs::path folder_;
};

TEST(RepoName, is_the_last_part_of_the_url) {
  for (const char* url : {"git@git.example.org:acme/shop.git", "git@git.example.org:shop", "shop", "/srv/git/shop.git",
                          "https://git.example.org/acme/shop.git/", "https://git.example.org/acme/shop",
                          "ssh://git@git.example.org:2222/acme/shop.git", "../shop.git", "file:///srv/shop/"}) {
    EXPECT_EQ(repo_name_of(url), "shop") << url;
  }
  EXPECT_EQ(repo_name_of("https://git.example.org/acme/shop.github.io.git"), "shop.github.io");
  for (const char* url : {"", "/", ".git", "host:.git"}) EXPECT_EQ(repo_name_of(url), "") << url;
}

TEST(RepoName, urls_are_the_same_but_for_their_end) {
  EXPECT_TRUE(is_same_url("/srv/shop.git", "/srv/shop"));
  EXPECT_TRUE(is_same_url("https://git.example.org/acme/shop/", "https://git.example.org/acme/shop.git"));
  EXPECT_FALSE(is_same_url("/srv/a/shop.git", "/srv/b/shop.git"));
  EXPECT_TRUE(is_same_url("https://ann:token@git.example.org/acme/shop.git", "https://git.example.org/acme/shop"));
  EXPECT_FALSE(is_same_url("https://git.example.org@evil.example/acme/shop", "https://git.example.org/acme/shop"));
  EXPECT_FALSE(is_same_url("https://git.example.org/a@b/shop", "https://git.example.org/b/shop"));
}

TEST_F(WorkingCopy, origin_by_a_relative_path_is_where_git_looks_for_it) {
  git("init");
  git("remote add origin ../depot/shop.git");
  fs::create_directories("deep/down");
  fs::current_path("deep/down");
  const auto origin = working_copy_origin();
  ASSERT_TRUE(origin);
  EXPECT_EQ(*origin, (fs::canonical(folder_).parent_path() / "depot/shop.git").string());
}

TEST_F(WorkingCopy, names_origin_and_branch) {
  git("init");
  git("remote add origin git@git.example.org:acme/shop.git");
  git("checkout -b feature/shop-42");
  EXPECT_EQ(*working_copy_origin(), "git@git.example.org:acme/shop.git");
  EXPECT_EQ(*working_copy_branch(), "feature/shop-42") << "also before its first commit";
  fs::create_directory("deep");
  fs::current_path("deep");
  EXPECT_EQ(*working_copy_origin(), "git@git.example.org:acme/shop.git");
}

TEST_F(WorkingCopy, says_what_is_missing) {
  EXPECT_NE(error_of(working_copy_origin()).find("not in a git working copy"), std::string::npos);
  EXPECT_NE(error_of(working_copy_branch()).find("not in a git working copy"), std::string::npos);
  git("init");
  EXPECT_NE(error_of(working_copy_origin()).find("no remote named origin"), std::string::npos);
  git("commit --allow-empty -m one");
  git("checkout --detach");
  EXPECT_NE(error_of(working_copy_branch()).find("detached HEAD"), std::string::npos);
  git("remote add origin .git");
  EXPECT_NE(error_of(working_copy_origin()).find("does not end with a name"), std::string::npos);
}

}  // namespace
}  // namespace pawl
