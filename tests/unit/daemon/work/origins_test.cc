// The table of origins, and the components that follow it: real git, on real repositories.
#include "daemon/work/origins.h"

#include <sys/socket.h>

#include <algorithm>
#include <future>

#include "tests/unit/daemon/work/origins_of.h"
#include "tests/unit/daemon/work/worktree_stage.h"

namespace pawl {
namespace {

constexpr const char* token_url = "https://token0123456789@host/shop.git";

TEST(Origins, credentials_that_the_start_gave_go_with_the_url_that_they_came_with) {
  const std::map<std::string, std::string> given{{"shop", token_url}};
  Origins origins(given);
  EXPECT_FALSE(origins.has("shop")) << "the log has not declared it";
  origins.declare("shop", "https://host/shop.git");
  EXPECT_EQ(origins.of("shop")->username, "token0123456789");
  origins.declare("shop", "https://elsewhere/shop.git");
  EXPECT_FALSE(origins.of("shop")->username) << "that host gets no credentials";
  origins.declare("shop", "https://host/shop.git");
  EXPECT_EQ(origins.of("shop")->username, "token0123456789");
  origins.remove("shop");
  EXPECT_FALSE(origins.has("shop"));
  EXPECT_EQ(masked("with token0123456789", origins.secrets()), "with ***") << "the old password stays secret";
}

TEST(Origins, the_same_url_is_the_same_origin_and_none_is_none) {
  Origins origins;
  origins.declare("shop", "/a");
  const auto first = origins.of("shop");
  origins.declare("shop", "/a");
  EXPECT_EQ(origins.of("shop"), first);
  origins.declare("shop", "/b");
  EXPECT_NE(origins.of("shop"), first);
  EXPECT_EQ(first->plain, "/a") << "requests in progress may finish";
  origins.declare("shop", "");
  EXPECT_FALSE(origins.has("shop"));
  EXPECT_TRUE(origins.all().empty());
}

class FollowedOrigins : public WorktreesTest {
 protected:
  std::string url(const std::string& name) const { return (folder_ / name).string(); }
  /// Like origin.git, with one more commit on `feature`.
  void make_other() {
    sh("git clone -q --bare origin.git other.git 2>&1 && git clone -q other.git more 2>&1 && cd more && "
       "git checkout -q feature && git commit -q --allow-empty -m more && git push -q origin feature");
  }
  std::string head_in(const std::string& repository) {
    sh("git -C " + repository + " rev-parse refs/heads/feature > head");
    std::string head = text_of(folder_ / "head");
    head.pop_back();
    return head;
  }
  std::string remote_of(const std::string& folder) {
    sh("git -C " + folder + " config remote.origin.url > remote");
    std::string remote = text_of(folder_ / "remote");
    remote.pop_back();
    return remote;
  }
  WorkRequest request() { return {.task = TaskId{1}, .repo = "shop", .branch = "feature", .boot = "boot"}; }

  std::shared_ptr<Origins> origins_ = std::make_shared<Origins>();
};

TEST_F(FollowedOrigins, one_that_is_declared_meanwhile_is_fetched) {
  Tried all(system(), url("data"), origins_);
  EXPECT_EQ(all.prepare(request())->head, "") << "a task without a known repository gets an empty folder";
  ASSERT_TRUE(all.remove(TaskId{1}));
  origins_->declare("shop", url("origin.git"));
  EXPECT_EQ(all.prepare(request())->head, head_in("origin.git"));
}

TEST_F(FollowedOrigins, one_that_moves_is_fetched_from_there_and_what_is_cloned_pushes_there) {
  make_other();
  origins_->declare("shop", url("origin.git"));
  Tried all(system(), url("data"), origins_);
  EXPECT_EQ(all.prepare(request())->head, head_in("origin.git"));
  origins_->declare("shop", url("other.git"));
  const Result<Worktree> moved = all.prepare(request());
  ASSERT_TRUE(moved) << moved.error().message;
  EXPECT_EQ(moved->head, head_in("other.git"));
  EXPECT_EQ(remote_of("data/work/task-1"), url("other.git"));
  EXPECT_EQ(remote_of("data/repos/shop.git"), url("other.git"));

  // The agents' own settings stay as long as origin does.
  sh("git -C data/work/task-1 config remote.origin.url elsewhere");
  ASSERT_TRUE(all.prepare(request()));
  EXPECT_EQ(remote_of("data/work/task-1"), "elsewhere");
}

TEST_F(FollowedOrigins, a_fetch_that_hangs_where_it_was_is_left) {
  const Listener silent;
  origins_->declare("shop", "git://127.0.0.1:" + silent.port + "/shop");
  Tried all(system(), url("data"), origins_);
  auto fetched = std::async(std::launch::async, [&] { return all.fetch("shop", no_deadline, nullptr); });
  const int called = ::accept(silent.fd, nullptr, nullptr);
  ASSERT_GE(called, 0);
  origins_->declare("shop", url("origin.git"));
  EXPECT_EQ(fetched.get().end, FetchEnd::fetched);
  ::close(called);
}

TEST_F(FollowedOrigins, its_branches_can_be_asked_for_without_a_fetch) {
  Tried all(system(), url("data"), origins_);
  EXPECT_EQ(all.branches("shop", std::chrono::seconds(60)).error().code, ErrorCode::missing);
  origins_->declare("shop", url("origin.git"));
  auto branches = all.branches("shop", std::chrono::seconds(60));
  ASSERT_TRUE(branches) << branches.error().message;
  std::sort(branches->begin(), branches->end());
  EXPECT_EQ(*branches, (std::vector<std::string>{"feature", "trunk"}));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "data/repos/shop.git"));
  origins_->declare("shop", url("nothing"));
  EXPECT_EQ(all.branches("shop", std::chrono::seconds(60)).error().code, ErrorCode::io);
}

}  // namespace
}  // namespace pawl
