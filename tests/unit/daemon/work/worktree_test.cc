// Real git on small real repositories.
#include "daemon/work/worktree.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <sstream>

#include "daemon/work/path_component.h"
#include "daemon/work/real_system.h"
#include "daemon/work/run_lock.h"
#include "tests/unit/daemon/work/worktree_stage.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

TEST_F(WorktreesTest, worktree_is_on_the_branch_as_origin_has_it) {
  fs::create_directory(folder_ / "data");
  Tried all = worktrees();
  const Result<Worktree> made = all.prepare({TaskId{1}, "shop", "feature"});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->folder, all.folder_of(TaskId{1}));
  EXPECT_EQ(made->remark, "");
  EXPECT_EQ(text_of(work(1, "file")), "feature\n");
  sh("cd '" + folder_of_task().string() +
     "' && test $(git symbolic-ref HEAD) = refs/heads/feature && "
     "test $(git rev-parse --abbrev-ref '@{upstream}') = origin/feature");
  EXPECT_EQ(all.present(), std::vector<TaskId>{TaskId{1}});
}

TEST_F(WorktreesTest, existing_one_keeps_its_work_and_follows_origin_only_forward) {
  fs::create_directory(folder_ / "data");
  Tried all = worktrees();
  ASSERT_TRUE(all.prepare({TaskId{1}, "shop", "feature"}));
  std::ofstream(work(1, "untracked")) << "mine";
  sh("cd seed && git checkout -q side && echo newer > file && git commit -qam newer && git push -q origin "
     "side:feature");
  ASSERT_TRUE(all.existing({TaskId{1}, "shop", "feature"}));
  EXPECT_EQ(text_of(work(1, "file")), "feature\n") << "a gate must see what the agent left";
  ASSERT_TRUE(all.prepare({TaskId{1}, "shop", "feature"}));
  EXPECT_EQ(text_of(work(1, "file")), "newer\n");
  EXPECT_EQ(text_of(work(1, "untracked")), "mine");

  sh("cd '" + folder_of_task().string() + "' && echo local > file && git commit -qam local");
  branch("feature", "rewritten");
  const Result<Worktree> apart = all.prepare({TaskId{1}, "shop", "feature"});
  ASSERT_TRUE(apart);
  EXPECT_EQ(apart->barred, "diverged: ours " + apart->head + ", origin " + apart->origin_head);
  EXPECT_EQ(text_of(work(1, "file")), "local\n");
}

TEST_F(WorktreesTest, branch_that_origin_lacks_begins_at_its_default_branch) {
  fs::create_directory(folder_ / "data");
  Tried all = worktrees();
  const Result<Worktree> made = all.prepare({TaskId{1}, "shop", "new"});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_NE(made->remark.find("'new'"), std::string::npos);
  EXPECT_EQ(text_of(work(1, "file")), "1\n");
  ASSERT_TRUE(all.prepare({TaskId{2}, "shop", ""}));
  EXPECT_EQ(text_of(work(2, "file")), "1\n");
}

TEST_F(WorktreesTest, names_that_are_no_branches_are_refused) {
  fs::create_directory(folder_ / "data");
  Tried all = worktrees();
  const std::string nul("a\0b", 3);
  for (const std::string& name : {std::string("--upload-pack=touch owned"), std::string("-f"), std::string("HEAD"),
                                  std::string("a..b"), std::string("a b"), std::string("a:b"), std::string("@{-1}"),
                                  std::string("../../x"), std::string("a~1"), std::string("x.lock"), nul}) {
    const Result<Worktree> made = all.prepare({TaskId{1}, "shop", name});
    ASSERT_FALSE(made) << name;
    EXPECT_EQ(made.error().code, ErrorCode::malformed);
  }
  EXPECT_TRUE(all.present().empty());
  EXPECT_FALSE(fs::exists(folder_ / "owned"));
}

TEST_F(WorktreesTest, odd_branch_names_are_only_names) {
  fs::create_directory(folder_ / "data");
  Tried all = worktrees();
  std::uint64_t task = 1;
  // Each is a valid branch, and would mean something else to a shell, to revision parsing, or as an option's value.
  for (const std::string& name :
       {std::string("refs/heads/feature"), std::string("a/--force"), std::string("a;touch$IFS/owned"),
        std::string("$(touch${IFS}owned)"), std::string("origin/feature"), std::string("\xC3\xA9")}) {
    branch("plain", name);
    std::ofstream(folder_ / "name") << name;
    sh("cd seed && git push -q origin \"HEAD:refs/heads/$(cat ../name)\"");
    const Result<Worktree> made = all.prepare({TaskId{task}, "shop", name});
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made->remark, "");
    EXPECT_EQ(text_of(work(task, "file")), name + "\n");
    ++task;
  }
  EXPECT_FALSE(fs::exists(folder_ / "owned") || fs::exists(folder_ / "data/owned"));
}

TEST_F(WorktreesTest, repos_of_any_name_have_a_folder_of_their_own) {
  fs::create_directory(folder_ / "data");
  for (const std::string& repo : {std::string("../../escape"), std::string("-c"), std::string("a/b"), std::string("."),
                                  std::string(".."), std::string(200, '/')}) {
    Tried all = worktrees(repo);
    const Result<Worktree> made = all.prepare({TaskId{1}, repo, "feature"});
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_TRUE(fs::exists(folder_ / "data/repos" / (path_component_of(repo) + ".git/HEAD")));
    ASSERT_TRUE(all.remove(TaskId{1}));
  }
  EXPECT_FALSE(fs::exists(folder_.parent_path() / "escape.git"));
}

TEST(WorktreePath, component_is_injective_and_short) {
  EXPECT_EQ(path_component_of("shop-2.x_y"), "shop-2.x_y");
  EXPECT_EQ(path_component_of("a/b"), "a%2Fb");
  EXPECT_EQ(path_component_of(".."), "%2E.");
  EXPECT_EQ(path_component_of("-rf"), "%2Drf");
  EXPECT_NE(path_component_of("a%2Fb"), path_component_of("a/b"));
  EXPECT_NE(path_component_of(std::string(199, '/') + "a"), path_component_of(std::string(199, '/') + "b"));
  EXPECT_LE(path_component_of(std::string(200, '/')).size(), 200u);
  EXPECT_FALSE(path_component_of("").empty());
}

TEST_F(WorktreesTest, worktree_that_was_cut_short_is_made_anew) {
  fs::create_directory(folder_ / "data");
  ASSERT_TRUE(worktrees().prepare({TaskId{1}, "shop", "feature"}));
  fs::rename(work(1, ".git/pawl"), work(1, ".git/pawl.part"));  // which is renamed last
  fs::remove(work(1, "file"));
  const Result<Worktree> made = worktrees().prepare({TaskId{1}, "shop", "feature"});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(text_of(work(1, "file")), "feature\n");
}

TEST_F(WorktreesTest, locks_of_a_git_that_was_killed_are_in_nobodys_way) {
  fs::create_directory(folder_ / "data");
  ASSERT_TRUE(worktrees().prepare({TaskId{1}, "shop", "feature"}));
  const fs::path repo = folder_ / "data/repos/shop.git";
  for (const char* lock : {"config.lock", "packed-refs.lock", "refs/remotes/origin/feature.lock"}) {
    std::ofstream(repo / lock) << "";
  }
  branch("feature", "newer");
  Tried next = worktrees();
  ASSERT_TRUE(next.existing({TaskId{1}, "shop", "feature"}));
  EXPECT_FALSE(fs::exists(repo / "config.lock"));
  EXPECT_FALSE(fs::exists(repo / "refs/remotes/origin/feature.lock"));
  // A lock that an agent left in its worktree is removed before the next agent works there.
  std::ofstream(work(1, ".git/index.lock")) << "";
  ASSERT_TRUE(next.existing({TaskId{1}, "shop", "feature"}));
  EXPECT_TRUE(fs::exists(work(1, ".git/index.lock")));
  const Result<Worktree> made = next.prepare({TaskId{1}, "shop", "feature"});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_FALSE(fs::exists(work(1, ".git/index.lock")));
}

TEST_F(WorktreesTest, tasks_on_one_branch_do_not_know_of_each_other) {
  fs::create_directory(folder_ / "data");
  Tried all = worktrees();
  ASSERT_TRUE(all.prepare({TaskId{1}, "shop", "feature"}));
  ASSERT_TRUE(all.prepare({TaskId{2}, "shop", "feature"}));
  sh("cd '" + folder_of_task(1).string() +
     "' && test $(git branch --show-current) = feature && echo 2 > file && "
     "git commit -qam two && git push -q && cd '" +
     folder_of_task(2).string() +
     "' && test $(git branch --show-current) = feature && test $(git log --oneline | wc -l) = 2");
  ASSERT_TRUE(all.prepare({TaskId{2}, "shop", "feature"}));
  EXPECT_EQ(text_of(work(2, "file")), "2\n") << "the other task's push";
  ASSERT_TRUE(all.remove(TaskId{1}));
  ASSERT_TRUE(all.remove(TaskId{1}));
  EXPECT_EQ(all.present(), std::vector<TaskId>{TaskId{2}});
}

BranchEnd end_of(Result<BranchDeletion> deletion) {
  EXPECT_TRUE(deletion) << deletion.error().message;
  return deletion ? deletion->end : BranchEnd::absent;
}

bool nobody() {
  return false;
}

TEST_F(WorktreesTest, deleted_branch_is_gone_at_origin_and_no_other) {
  fs::create_directory(folder_ / "data");
  branch("x/feature", "longer");
  sh("cd seed && git push -q origin trunk:refs/tags/feature");
  Tried all = worktrees();
  EXPECT_EQ(end_of(all.delete_branch({TaskId{1}, "shop", "feature"}, nobody)), BranchEnd::moved) << "pawl never saw it";
  all.fetch("shop", no_deadline, nullptr);
  const Result<BranchDeletion> deletion = all.delete_branch({TaskId{1}, "shop", "feature"}, nobody);
  EXPECT_EQ(end_of(deletion), BranchEnd::deleted);
  sh("git -C origin.git for-each-ref --format='%(refname)' > refs");
  EXPECT_EQ(text_of(folder_ / "refs"), "refs/heads/trunk\nrefs/heads/x/feature\nrefs/tags/feature\n");
  EXPECT_EQ(end_of(all.delete_branch({TaskId{1}, "shop", "feature"}, nobody)), BranchEnd::absent);
  // What was taken can be restored.
  sh(deletion->brings_back);
  sh("git -C origin.git rev-parse refs/heads/feature > head");
  EXPECT_EQ(text_of(folder_ / "head"), deletion->head + "\n");
}

TEST_F(WorktreesTest, command_that_restores_a_branch_is_words_whatever_its_name_is) {
  fs::create_directory(folder_ / "data");
  const std::string name = "a;{touch,pwned};'$(touch${IFS}pwned)'";
  sh("git -C origin.git branch \"a;{touch,pwned};'\\$(touch\\${IFS}pwned)'\" trunk");
  Tried all = worktrees();
  all.fetch("shop", no_deadline, nullptr);
  const Result<BranchDeletion> deletion = all.delete_branch({TaskId{1}, "shop", name}, nobody);
  ASSERT_EQ(end_of(deletion), BranchEnd::deleted);
  sh(deletion->brings_back);
  EXPECT_FALSE(fs::exists(folder_ / "pwned"));
  sh("git -C origin.git for-each-ref --format='%(refname:short)' 'refs/heads/a*' > refs");
  EXPECT_EQ(text_of(folder_ / "refs"), name + "\n");
}

TEST_F(WorktreesTest, branch_on_which_somebody_has_put_work_since_it_was_seen_is_not_deleted) {
  fs::create_directory(folder_ / "data");
  Tried all = worktrees();
  all.fetch("shop", no_deadline, nullptr);
  sh("cd seed && git checkout -q feature && git commit -q --allow-empty -m late && git push -q origin feature");
  EXPECT_EQ(end_of(all.delete_branch({TaskId{1}, "shop", "feature"}, nobody)), BranchEnd::moved);
  sh("git -C origin.git rev-parse -q --verify refs/heads/feature > /dev/null");
}

TEST_F(WorktreesTest, branch_on_which_somebody_puts_work_while_it_is_being_deleted_stays) {
  fs::create_directory(folder_ / "data");
  Tried all = worktrees();
  all.fetch("shop", no_deadline, nullptr);
  // The last question before the push, after origin has reported the branch's head.
  const auto pushes = [&] {
    sh("cd seed && git checkout -q feature && git commit -q --allow-empty -m late && git push -q origin feature");
    return false;
  };
  EXPECT_FALSE(all.delete_branch({TaskId{1}, "shop", "feature"}, pushes)) << "so it will be retried";
  sh("test $(git -C origin.git log -1 --format=%s feature) = late");
}

TEST_F(WorktreesTest, branch_that_origin_does_not_have_bars_the_work_unless_it_may_begin_there) {
  Tried all = worktrees();
  all.fetch("shop", no_deadline, nullptr);
  WorkRequest request{.task = TaskId{1}, .repo = "shop", .branch = "featrue", .boot = "boot", .begins_branch = false};
  const Result<Worktree> barred = all.prepare(request);
  ASSERT_TRUE(barred) << barred.error().message;
  EXPECT_EQ(barred->barred, "no_branch: origin has no branch 'featrue'");
  EXPECT_FALSE(fs::exists(all.folder_of(TaskId{1}) + "/.git"));
  request.begins_branch = true;
  EXPECT_TRUE(all.prepare(request)->is_begun_here);
}

TEST_F(WorktreesTest, default_branch_is_never_deleted_however_it_is_spelled) {
  fs::create_directory(folder_ / "data");
  Tried all = worktrees();
  for (const std::string& spelled : {std::string("trunk"), std::string("TRUNK"), std::string("heads/trunk"),
                                     std::string("refs/heads/trunk"), std::string("origin/trunk")}) {
    EXPECT_EQ(end_of(all.delete_branch({TaskId{1}, "shop", spelled}, nobody)), BranchEnd::is_default) << spelled;
  }
  // Origin says which branch it is: a former default branch may be deleted.
  sh("git -C origin.git symbolic-ref HEAD refs/heads/feature");
  all.fetch("shop", no_deadline, nullptr);
  EXPECT_EQ(end_of(all.delete_branch({TaskId{1}, "shop", "feature"}, nobody)), BranchEnd::is_default);
  EXPECT_EQ(end_of(all.delete_branch({TaskId{1}, "shop", "trunk"}, nobody)), BranchEnd::deleted);
}

TEST_F(WorktreesTest, no_branch_is_deleted_where_origin_does_not_say_its_default_one) {
  fs::create_directory(folder_ / "data");
  sh("git -C origin.git update-ref --no-deref HEAD trunk");
  const Result<BranchDeletion> end = worktrees().delete_branch({TaskId{1}, "shop", "feature"}, nobody);
  ASSERT_FALSE(end);
  EXPECT_NE(end.error().message.find("default branch"), std::string::npos) << end.error().message;
  sh("git -C origin.git rev-parse -q --verify refs/heads/feature > /dev/null");
}

TEST_F(WorktreesTest, branch_in_use_is_not_deleted_and_names_that_are_none_are_absent) {
  fs::create_directory(folder_ / "data");
  Tried all = worktrees();
  all.fetch("shop", no_deadline, nullptr);
  EXPECT_EQ(end_of(all.delete_branch({TaskId{1}, "shop", "feature"}, [] { return true; })), BranchEnd::in_use);
  for (const std::string& name : {std::string(), std::string("--all"), std::string("HEAD"), std::string("a:trunk"),
                                  std::string("*"), std::string("+feature"), std::string(" feature")}) {
    EXPECT_EQ(end_of(all.delete_branch({TaskId{1}, "shop", name}, nobody)), BranchEnd::absent) << name;
  }
  EXPECT_EQ(end_of(all.delete_branch({TaskId{1}, "other", "feature"}, nobody)), BranchEnd::absent);
  sh("git -C origin.git rev-parse -q --verify refs/heads/feature > /dev/null");
}

TEST_F(WorktreesTest, origin_that_hangs_keeps_nobody_from_the_repository) {
  fs::create_directory(folder_ / "data");
  ASSERT_TRUE(worktrees().prepare({TaskId{1}, "shop", "feature"}));
  // A peer whose connections only the kernel accepts, and which never sends a byte.
  const Listener silent;
  const std::string origin = "git://127.0.0.1:" + silent.port + "/shop";

  Tried all(system(), (folder_ / "data").string(), {{"shop", origin}});
  auto deletion = std::async(std::launch::async, [&] {
    return all.delete_branch({TaskId{2}, "shop", "feature"}, nobody);
  });
  const int called = ::accept(silent.fd, nullptr, nullptr);
  ASSERT_GE(called, 0);
  EXPECT_TRUE(all.existing({TaskId{1}, "shop", "feature"}));
  all.stop();
  EXPECT_FALSE(deletion.get()) << "and the daemon's shutdown does not wait for it";
  ::close(called);
}

/// Its clock is behind the commands' clock by the longest time that a command may take.
class LateSystem : public RealSystem {
 public:
  using RealSystem::RealSystem;
  Deadline now() const override { return RealSystem::now() - std::chrono::seconds(5); }
};

TEST_F(WorktreesTest, origin_that_hangs_is_asked_for_its_branches_for_as_long_as_it_is_said) {
  fs::create_directory(folder_ / "data");
  LateSystem late({.data_folder = (folder_ / "data").string()});
  const Listener silent;
  Tried all(late, (folder_ / "data").string(), {{"shop", "git://127.0.0.1:" + silent.port + "/shop"}});
  auto asked = std::async(std::launch::async, [&] { return all.branches("shop", std::chrono::seconds(5)); });
  EXPECT_EQ(asked.wait_for(std::chrono::seconds(30)), std::future_status::ready);
  all.stop();
  const Result<std::vector<std::string>> branches = asked.get();
  ASSERT_FALSE(branches);
  EXPECT_NE(branches.error().message.find("exceeded its time limit"), std::string::npos) << branches.error().message;
}

TEST_F(WorktreesTest, emptied_folder_stays_and_its_branch_is_free) {
  fs::create_directory(folder_ / "data");
  Tried all = worktrees();
  ASSERT_TRUE(all.prepare({TaskId{1}, "shop", "feature"}));
  ASSERT_TRUE(all.empty(TaskId{1}));
  ASSERT_TRUE(all.empty(TaskId{7}));
  EXPECT_TRUE(fs::is_empty(folder_of_task()));
  EXPECT_EQ(all.present(), (std::vector<TaskId>{TaskId{1}, TaskId{7}}));
  EXPECT_TRUE(all.prepare({TaskId{2}, "shop", "feature"}));
}

/// Agents can create links wherever they can write.
class WorktreeLinks : public WorktreesTest {
 protected:
  void SetUp() override {
    WorktreesTest::SetUp();
    fs::create_directories(folder_ / "data/work");
    fs::create_directories(folder_ / "precious/deep");
    std::ofstream(folder_ / "precious/deep/file") << "kept";
  }
  bool is_kept() const { return text_of(folder_ / "precious/deep/file") == "kept"; }
};

TEST_F(WorktreeLinks, inside_a_worktree_go_and_what_they_point_to_stays) {
  for (const bool is_emptied : {true, false}) {
    fs::create_directories(folder_of_task() / "inside");
    fs::create_directory_symlink(folder_ / "precious", folder_of_task() / "link");
    fs::create_directory_symlink(folder_ / "precious", folder_of_task() / "inside/link");
    Tried all = worktrees();
    ASSERT_TRUE(is_emptied ? all.empty(TaskId{1}) : all.remove(TaskId{1}));
    EXPECT_FALSE(fs::exists(folder_of_task() / "inside"));
    EXPECT_TRUE(is_kept());
  }
}

TEST_F(WorktreeLinks, in_the_place_of_a_worktree_are_not_followed) {
  for (const bool is_emptied : {true, false}) {
    fs::create_directory_symlink(folder_ / "precious", folder_of_task());
    Tried all = worktrees();
    ASSERT_TRUE(is_emptied ? all.empty(TaskId{1}) : all.remove(TaskId{1}));
    EXPECT_FALSE(fs::is_symlink(folder_of_task()));
    EXPECT_EQ(fs::is_directory(folder_of_task()), is_emptied);
    EXPECT_TRUE(is_kept());
    fs::remove_all(folder_of_task());
  }
}

TEST_F(WorktreeLinks, in_the_place_of_a_worktree_are_no_place_to_work) {
  fs::create_directory_symlink(folder_ / "precious", folder_of_task());
  Tried all = worktrees();
  ASSERT_TRUE(all.prepare({TaskId{1}, "other", "any"}));
  EXPECT_FALSE(fs::is_symlink(folder_of_task()));

  ASSERT_TRUE(all.prepare({TaskId{1}, "shop", "feature"}));
  fs::rename(folder_of_task(), folder_ / "elsewhere");
  fs::create_directory_symlink(folder_ / "elsewhere", folder_of_task());
  ASSERT_TRUE(all.prepare({TaskId{1}, "shop", "feature"}));
  EXPECT_FALSE(fs::is_symlink(folder_of_task()));
  EXPECT_EQ(text_of(work(1, "file")), "feature\n");
}

TEST_F(WorktreeLinks, in_the_place_of_what_git_keeps_are_not_followed) {
  ASSERT_TRUE(worktrees().prepare({TaskId{1}, "shop", "feature"}));
  fs::create_directories(folder_ / "precious/task-1");
  std::ofstream(folder_ / "precious/task-1/HEAD") << "kept";
  fs::create_directory_symlink(folder_ / "precious", folder_ / "data/repos/shop.git/worktrees");
  ASSERT_TRUE(worktrees().existing({TaskId{1}, "shop", "feature"}));
  EXPECT_EQ(text_of(folder_ / "precious/task-1/HEAD"), "kept");
}

TEST_F(WorktreesTest, repo_without_an_origin_has_empty_folders) {
  fs::create_directory(folder_ / "data");
  Tried all = worktrees();
  const Result<Worktree> made = all.prepare({TaskId{1}, "other", "whatever; it is"});
  ASSERT_TRUE(made);
  EXPECT_TRUE(fs::is_empty(made->folder));
}

TEST_F(WorktreesTest, origin_that_is_not_there_is_an_error_with_gits_words) {
  fs::create_directory(folder_ / "data");
  Tried all(system(), (folder_ / "data").string(), {{"shop", (folder_ / "nothing").string()}});
  const Result<Worktree> made = all.prepare({TaskId{1}, "shop", "feature"});
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("nothing"), std::string::npos) << made.error().message;
}

}  // namespace
}  // namespace pawl
