// What happens to a task's clone when origin, the mirror or an agent does something unexpected.
#include "daemon/work/task_clone.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <future>

#include "daemon/work/origin_url.h"
#include "tests/unit/daemon/work/worktree_stage.h"

namespace pawl {
namespace {

namespace fs = std::filesystem;

class TaskClone : public WorktreesTest {
 protected:
  void SetUp() override {
    WorktreesTest::SetUp();
    fs::create_directory(folder_ / "data");
  }
  WorkRequest request(const std::string& branch = "feature", std::uint64_t task = 1, const std::string& boot = "b") {
    return {.task = TaskId{task}, .repo = "shop", .branch = branch, .boot = boot};
  }
  Worktree prepared(Tried& all, const WorkRequest& request) {
    const Result<Worktree> tree = all.prepare(request);
    EXPECT_TRUE(tree) << tree.error().message;
    return tree ? *tree : Worktree();
  }
  /// What a command prints, in the test's folder.
  std::string said(const std::string& script) {
    sh("( " + script + " ) > said");
    std::string text = text_of(folder_ / "said");
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }
  std::string in_task(const std::string& script, std::uint64_t task = 1) {
    return "cd '" + folder_of_task(task).string() + "' && " + script;
  }
};

TEST_F(TaskClone, branch_below_the_name_of_a_gone_one_is_fetched) {
  branch("release", "old");
  sh("git -C origin.git tag v1 trunk");
  Tried all = worktrees();
  prepared(all, request("release"));
  sh("git -C origin.git branch -D release -q && git -C origin.git tag -d v1 > /dev/null && git -C origin.git tag v1/0 "
     "trunk");
  branch("release/1.0", "new");
  EXPECT_EQ(prepared(all, request("release/1.0", 2)).barred, "");
  EXPECT_EQ(text_of(work(2, "file")), "new\n");
}

TEST_F(TaskClone, a_bare_push_of_a_new_branch_works) {
  Tried all = worktrees();
  const Worktree tree = prepared(all, request("new"));
  EXPECT_TRUE(tree.is_begun_here);
  EXPECT_EQ(tree.origin_head, "");
  sh(in_task("echo n > file && git commit -qam n && git push -q"));
  const Worktree pushed = prepared(all, request("new"));
  EXPECT_EQ(pushed.barred + pushed.remark, "");
  EXPECT_EQ(pushed.head, pushed.origin_head);
  EXPECT_TRUE(pushed.is_begun_here) << "created by this task";
}

TEST_F(TaskClone, branch_that_was_rewritten_is_followed_where_nothing_is_its_own) {
  Tried all = worktrees();
  const std::string old = prepared(all, request()).head;
  std::ofstream(work(1, "untracked")) << "mine";
  branch("feature", "rewritten");
  const Worktree tree = prepared(all, request());
  EXPECT_EQ(tree.barred, "");
  EXPECT_NE(tree.remark.find(old), std::string::npos) << tree.remark;
  EXPECT_EQ(text_of(work(1, "file")), "rewritten\n");
  EXPECT_EQ(text_of(work(1, "untracked")), "mine");
  // And back: the withdrawn commit is not its own either.
  sh("git -C origin.git update-ref refs/heads/feature trunk");
  EXPECT_EQ(prepared(all, request()).barred, "");
  EXPECT_EQ(text_of(work(1, "file")), "1\n");
}

TEST_F(TaskClone, what_its_agents_pushed_and_fetched_is_not_its_own) {
  Tried all = worktrees();
  prepared(all, request());
  sh(in_task("echo p > file && git commit -qam pushed && git push -q"));
  branch("feature", "rewritten");
  EXPECT_EQ(prepared(all, request()).barred, "") << "what it pushed was withdrawn";
  EXPECT_EQ(text_of(work(1, "file")), "rewritten\n");
  branch("feature", "fetched");
  sh(in_task("git fetch -q origin && git reset -q --hard origin/feature"));
  branch("feature", "last");
  EXPECT_EQ(prepared(all, request()).barred, "");
  EXPECT_EQ(text_of(work(1, "file")), "last\n");
}

TEST_F(TaskClone, uncommitted_work_stays_or_is_kept_in_a_ref) {
  Tried all = worktrees();
  prepared(all, request());
  std::ofstream(work(1, "file")) << "not committed\n";
  EXPECT_EQ(prepared(all, request()).remark, "");
  EXPECT_EQ(text_of(work(1, "file")), "not committed\n");
  branch("feature", "rewritten");
  const Worktree tree = prepared(all, request());
  EXPECT_NE(tree.remark.find("not committed"), std::string::npos) << tree.remark;
  EXPECT_EQ(text_of(work(1, "file")), "rewritten\n");
  EXPECT_EQ(said(in_task("git show $(git for-each-ref --format='%(objectname)' refs/pawl/left):file")),
            "not committed");
}

TEST_F(TaskClone, commits_on_both_sides_bar_it_until_a_side_is_taken) {
  Tried all = worktrees();
  prepared(all, request());
  sh(in_task("echo ours > file && git commit -qam ours"));
  EXPECT_EQ(prepared(all, request()).barred, "") << "origin has not moved";
  branch("feature", "theirs");
  const Worktree apart = prepared(all, request());
  EXPECT_EQ(apart.barred, "diverged: ours " + apart.head + ", origin " + apart.origin_head);
  EXPECT_FALSE(apart.is_of_boot) << "the worktree must not be used";
  ASSERT_TRUE(all.take(request(), Side::ours));
  EXPECT_EQ(prepared(all, request()).barred, "");
  EXPECT_EQ(text_of(work(1, "file")), "ours\n");
  branch("feature", "theirs again");
  EXPECT_NE(prepared(all, request()).barred, "");
  const Result<Worktree> taken = all.take(request(), Side::origin);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_EQ(taken->head, taken->origin_head);
  EXPECT_EQ(text_of(work(1, "file")), "theirs again\n");
  EXPECT_NE(said(in_task("git for-each-ref refs/pawl/left/" + apart.head)), "") << "our commits are kept";
}

TEST_F(TaskClone, own_work_on_a_commit_that_was_withdrawn_has_diverged) {
  Tried all = worktrees();
  prepared(all, request());
  sh(in_task("echo ours > more && git add more && git commit -qm ours"));
  sh("git -C origin.git update-ref refs/heads/feature trunk");  // an ancestor of it
  EXPECT_TRUE(prepared(all, request()).barred.starts_with("diverged: ours "));
}

TEST_F(TaskClone, stays_diverged_until_a_side_is_taken) {
  Tried all = worktrees();
  prepared(all, request());
  sh(in_task("echo ours > more && git add more && git commit -qm ours"));
  branch("feature", "theirs");
  for (int look = 1; look <= 3; ++look) {
    EXPECT_TRUE(prepared(all, request()).barred.starts_with("diverged: ours ")) << "look " << look;
  }
}

TEST_F(TaskClone, fetch_by_an_agent_takes_no_side) {
  Tried all = worktrees();
  prepared(all, request());
  sh(in_task("echo ours > more && git add more && git commit -qm ours"));
  branch("feature", "theirs");
  sh(in_task("git fetch -q"));
  EXPECT_TRUE(prepared(all, request()).barred.starts_with("diverged: ours "));
}

TEST_F(TaskClone, push_by_an_agent_that_was_withdrawn_is_not_built_on) {
  Tried all = worktrees();
  const Worktree begun = prepared(all, request());
  sh(in_task("echo pushed > more && git add more && git commit -qm pushed && git push -q"));
  prepared(all, request());
  sh(in_task("echo ours > more && git commit -qam ours"));
  sh("git -C origin.git update-ref refs/heads/feature " + begun.head);
  EXPECT_TRUE(prepared(all, request()).barred.starts_with("diverged: ours "));
}

TEST_F(TaskClone, last_push_by_an_agent_that_was_withdrawn_is_not_built_on) {
  Tried all = worktrees();
  prepared(all, request());
  sh(in_task("for n in 1 2; do echo $n > more && git add more && git commit -qm $n && git push -q; done"));
  sh(in_task("echo ours > more && git commit -qam ours"));
  sh("git -C origin.git update-ref refs/heads/feature feature~");  // before pawl has seen either
  EXPECT_TRUE(prepared(all, request()).barred.starts_with("diverged: ours "));
}

TEST_F(TaskClone, own_work_that_its_agent_moved_onto_a_rewritten_branch_has_not_diverged) {
  Tried all = worktrees();
  prepared(all, request());
  sh(in_task("echo ours > more && git add more && git commit -qm ours"));
  branch("feature", "theirs");
  sh(in_task("git fetch -q && git merge -q -X ours -m both origin/feature"));
  EXPECT_TRUE(prepared(all, request()).barred.starts_with("diverged: ours ")) << "a merge still has what was withdrawn";
  sh(in_task("git reset -q --hard HEAD~ && git rebase -q -X theirs --onto origin/feature HEAD~"));
  EXPECT_EQ(prepared(all, request()).barred, "");
  EXPECT_EQ(text_of(work(1, "more")), "ours\n");
  EXPECT_EQ(text_of(work(1, "file")), "theirs\n");
}

TEST_F(TaskClone, branch_that_its_agent_rewrote_has_not_diverged) {
  Tried all = worktrees();
  prepared(all, request());
  sh(in_task("echo anew > file && git commit -q --amend -am anew && git push -q --force"));
  sh(in_task("echo ours > more && git add more && git commit -qm ours"));
  EXPECT_EQ(prepared(all, request()).barred, "");
  EXPECT_EQ(text_of(work(1, "more")), "ours\n");
}

TEST_F(TaskClone, links_and_pipes_in_its_git_folder_are_not_followed_nor_waited_for) {
  Tried all = worktrees();
  prepared(all, request());
  std::ofstream(folder_ / "precious") << "precious\n";
  const fs::path git = folder_of_task(1) / ".git";
  // In place of a file that pawld writes there, and of one that it reads.
  fs::create_symlink(folder_ / "precious", git / "pawl.part");
  fs::remove(git / "objects/info/alternates");
  fs::create_symlink(folder_ / "precious", git / "objects/info/alternates");
  EXPECT_EQ(prepared(all, request()).barred, "");
  EXPECT_FALSE(fs::is_symlink(git / "objects/info/alternates"));
  fs::remove(git / "logs/refs/remotes/origin/feature");
  ASSERT_EQ(::mkfifo((git / "logs/refs/remotes/origin/feature").c_str(), 0600), 0);
  EXPECT_EQ(prepared(all, request()).barred, "");
  EXPECT_EQ(text_of(folder_ / "precious"), "precious\n");
}

TEST_F(TaskClone, folders_that_cannot_be_written_to_are_removed) {
  Tried all = worktrees();
  prepared(all, request());
  sh(in_task("mkdir -p mod/cache && touch mod/cache/f && chmod -R a-w mod"));
  EXPECT_TRUE(all.remove(TaskId{1}));
  EXPECT_TRUE(all.present().empty());
}

TEST_F(TaskClone, default_branch_of_today_is_where_a_new_one_begins) {
  Tried all = worktrees();
  prepared(all, request("one"));
  sh("git -C origin.git symbolic-ref HEAD refs/heads/feature");
  prepared(all, request("two", 2));
  EXPECT_EQ(text_of(work(2, "file")), "feature\n");
  prepared(all, request("one"));
  EXPECT_EQ(text_of(work(1, "file")), "feature\n") << "as long as it has no commits of its own";
}

TEST_F(TaskClone, head_that_names_no_branch_hinders_only_who_needs_it) {
  sh("git -C origin.git symbolic-ref HEAD refs/heads/nowhere");
  Tried all = worktrees();
  prepared(all, request());
  EXPECT_EQ(text_of(work(1, "file")), "feature\n");
  const Result<Worktree> made = all.prepare(request("new", 2));
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().message.find("HEAD names no branch"), std::string::npos) << made.error().message;
  sh("git -C origin.git update-ref --no-deref HEAD trunk");  // detached
  prepared(all, request("new", 2));
  EXPECT_EQ(text_of(work(2, "file")), "1\n");
}

TEST_F(TaskClone, origin_without_a_commit_is_begun_by_the_first_task) {
  sh("rm -rf origin.git && git init -q --bare -b trunk origin.git");
  Tried all = worktrees();
  EXPECT_EQ(prepared(all, request("first")).head, "");
  sh(in_task("echo 1 > file && git add file && git commit -qm first && git push -q"));
  EXPECT_EQ(prepared(all, request("first")).barred, "");
}

TEST_F(TaskClone, repository_with_long_object_names_works) {
  sh("rm -rf origin.git seed && git init -q --bare --object-format=sha256 -b trunk origin.git && "
     "git init -q --object-format=sha256 -b trunk seed && cd seed && git remote add origin ../origin.git && "
     "echo s > file && git add file && git commit -qm one && git push -q origin trunk trunk:feature");
  Tried all = worktrees();
  EXPECT_EQ(prepared(all, request()).head.size(), 64U);
  EXPECT_EQ(text_of(work(1, "file")), "s\n");
  sh(in_task("echo p > file && git commit -qam p && git push -q"));
  EXPECT_EQ(prepared(all, request()).barred, "");
}

TEST_F(TaskClone, damaged_mirror_is_put_aside_and_heads_are_carried_over) {
  Tried all = worktrees();
  prepared(all, request());
  sh(in_task("echo ours > file && git commit -qam ours"));
  std::ofstream(folder_ / "data/repos/shop.git/refs/remotes/origin/feature") << "";  // as a power loss leaves it
  const Worktree tree = prepared(all, request());
  EXPECT_EQ(tree.barred, "");
  EXPECT_EQ(text_of(work(1, "file")), "ours\n");
  EXPECT_EQ(said("git -C data/repos/shop.git rev-parse refs/pawl/task-1/head"), tree.head);
  EXPECT_NE(said("ls -d data/repos/shop.git.damaged-*"), "");
  sh(in_task("git fsck --connectivity-only > /dev/null 2>&1"));
}

TEST_F(TaskClone, clone_whose_head_is_lost_bars_its_task_and_is_kept) {
  Tried all = worktrees();
  prepared(all, request());
  std::ofstream(work(1, ".git/refs/heads/feature")) << "";
  const Worktree tree = prepared(all, request());
  EXPECT_TRUE(tree.barred.starts_with("clone_damaged: ")) << tree.barred;
  EXPECT_NE(said("ls -d data/work/task-1.damaged-*"), "");
  EXPECT_EQ(prepared(all, request()).barred, "") << "after an operator's decision it goes on from origin";
  EXPECT_EQ(text_of(work(1, "file")), "feature\n");
}

TEST_F(TaskClone, folder_that_has_lost_its_clone_bars_its_task_and_is_kept) {
  Tried all = worktrees();
  for (const char* lost : {"rm -rf .git", "rm .git/pawl"}) {
    prepared(all, request());
    std::ofstream(work(1, "more")) << "not committed\n";
    sh(in_task(lost));
    const Worktree tree = prepared(all, request());
    EXPECT_TRUE(tree.barred.starts_with("clone_damaged: ")) << lost << ": " << tree.barred;
    EXPECT_EQ(said("cat data/work/task-1.damaged-*/more && rm -rf data/work/task-1.damaged-*"), "not committed");
    EXPECT_EQ(prepared(all, request()).barred, "") << lost;
  }
}

TEST_F(TaskClone, branch_that_a_cancel_deleted_can_be_restored_from_a_new_mirror) {
  branch("other", "other");
  Tried all = worktrees();
  prepared(all, request());
  const Result<BranchDeletion> deletion = all.delete_branch(request(), [] { return false; });
  const Result<BranchDeletion> lost = all.delete_branch(request("other", 2), [] { return false; });
  ASSERT_TRUE(deletion && lost);
  // A mirror whose refs are damaged, and one of pawl's own too.
  std::ofstream(folder_ / "data/repos/shop.git/refs/remotes/origin/trunk") << "";
  sh("cd data/repos/shop.git && o=$(git rev-parse refs/pawl/deleted/task-2^{tree}) && rm -rf objects/pack/*.keep && "
     "mkdir -p p && mv objects/pack/* p/ && for p in p/*.pack; do git unpack-objects -q < $p; done && rm -r p && "
     "rm -f objects/$(echo $o | cut -c1-2)/$(echo $o | cut -c3-)");
  branch("third", "third");
  prepared(all, request("third", 3));
  EXPECT_NE(said("ls -d data/repos/shop.git.damaged-*"), "");
  sh(deletion->brings_back);
  EXPECT_EQ(said("git -C origin.git rev-parse refs/heads/feature"), deletion->head);
}

TEST_F(TaskClone, worktree_of_an_earlier_version_becomes_a_clone_with_all_that_is_in_it) {
  sh("git init -q --bare data/repos/shop.git && cd data/repos/shop.git && git remote add origin ../../../origin.git && "
     "git config remote.origin.fetch '+refs/heads/*:refs/remotes/origin/*' && git fetch -q origin && "
     "mkdir -p ../../work && git worktree add -q -B feature -- ../../work/task-1 refs/remotes/origin/feature && "
     "git update-ref refs/pawl/tested/1-2 refs/remotes/origin/trunk && cd ../../work/task-1 && "
     "echo ours > file && git commit -qam ours && echo more > file && touch untracked");
  Tried all = worktrees();
  const Worktree tree = prepared(all, request());
  EXPECT_EQ(tree.barred, "");
  EXPECT_EQ(text_of(work(1, "file")), "more\n");
  EXPECT_TRUE(fs::exists(work(1, "untracked")));
  EXPECT_EQ(said(in_task("git status --porcelain file")), " M file");
  EXPECT_EQ(said(in_task("git branch --show-current")), "feature");
  EXPECT_EQ(said(in_task("git show HEAD:file")), "ours");
  EXPECT_NE(said(in_task("git for-each-ref refs/pawl/tested/1-2")), "");
  EXPECT_EQ(said("git -C data/repos/shop.git rev-parse refs/pawl/task-1/head"), tree.head);
}

TEST_F(TaskClone, bears_the_boot_that_prepared_it) {
  Tried all = worktrees();
  prepared(all, request("feature", 1, "first"));
  EXPECT_TRUE(all.existing(request("feature", 1, "first"))->is_of_boot);
  EXPECT_FALSE(all.existing(request("feature", 1, "second"))->is_of_boot);
  prepared(all, request("feature", 1, "second"));
  EXPECT_TRUE(all.existing(request("feature", 1, "second"))->is_of_boot);
}

TEST_F(TaskClone, hooks_and_habits_of_the_user_cost_nothing) {
  sh("mkdir hooks home && printf '#!/bin/sh\\nexit 1\\n' > hooks/post-checkout && chmod +x hooks/post-checkout && "
     "cp hooks/post-checkout hooks/reference-transaction && HOME=$PWD/home git config --global core.hooksPath "
     "$PWD/hooks && "
     "HOME=$PWD/home git config --global fetch.prune false && HOME=$PWD/home git config --global commit.gpgsign true "
     "&& "
     "HOME=$PWD/home git config --global core.autocrlf true && "
     "HOME=$PWD/home git config --global url.$PWD/origin.git.insteadOf elsewhere:");
  const std::string home = std::getenv("HOME") ? std::getenv("HOME") : "";
  ::setenv("HOME", (folder_ / "home").c_str(), 1);
  Tried all(system(), (folder_ / "data").string(), {{"shop", "elsewhere:"}});
  prepared(all, request());
  EXPECT_EQ(text_of(work(1, "file")), "feature\n");
  ::setenv("HOME", home.c_str(), 1);
  branch("feature", "newer");
  ::setenv("HOME", (folder_ / "home").c_str(), 1);
  EXPECT_EQ(prepared(all, request()).barred, "");
  ::setenv("HOME", home.c_str(), 1);
}

TEST(OriginUrl, credentials_are_apart) {
  const OriginUrl token = parse_origin("https://abcdefghijklmnop@git.example.org/a/b.git");
  EXPECT_EQ(token.plain, "https://git.example.org/a/b.git");
  EXPECT_EQ(token.username, "abcdefghijklmnop");
  EXPECT_FALSE(token.password);
  const OriginUrl both = parse_origin("http://git:s%40cret@host:81/x@y");
  EXPECT_EQ(both.plain, "http://host:81/x@y");
  EXPECT_EQ(both.password, "s@cret");
  EXPECT_EQ(masked("git: http://git:s%40cret@host s@cret", both.secrets), "git: http://***@host ***");
  for (const char* plain : {"ssh://git@host/x", "git@host:x", "/a/b@c", "file:///a", "https://host/a@b"}) {
    EXPECT_EQ(parse_origin(plain).plain, plain);
    EXPECT_TRUE(parse_origin(plain).secrets.empty());
  }
}

TEST(OriginUrl, gits_words_are_weather_or_a_refusal) {
  for (const char* words : {"fatal: Authentication failed for 'https://h/x/'", "ERROR: Repository not found.",
                            "git@h: Permission denied (publickey).", "The requested URL returned error: 403",
                            "fatal: repository 'https://h/x/' not found"}) {
    EXPECT_EQ(trouble_of(words), FetchEnd::refused) << words;
  }
  for (const char* words : {"fatal: Could not resolve host: h", "ssh: connect to host h port 22: Connection refused",
                            "fatal: '/mnt/x.git' does not appear to be a git repository", "early EOF",
                            "The requested URL returned error: 503", "Connection timed out", "something new"}) {
    EXPECT_EQ(trouble_of(words), FetchEnd::unreachable) << words;
  }
  EXPECT_TRUE(is_damage("fatal: bad object refs/remotes/origin/x"));
  EXPECT_FALSE(is_damage("remote: fatal: bad object 123"));
  EXPECT_FALSE(is_damage("fatal: Could not read from remote repository."));
}

/// A server that demands a password, and records the one it gets.
TEST_F(TaskClone, token_in_a_url_is_on_no_command_line_and_in_no_message) {
  const Listener server;
  const std::string token = "token0123456789abcdef";
  std::string lines;
  auto asked = std::async(std::launch::async, [&]() -> std::string {
    for (;;) {
      const int called = ::accept(server.fd, nullptr, nullptr);
      if (called < 0) return "";
      std::string request(4096, '\0');
      request.resize(static_cast<std::size_t>(std::max<ssize_t>(::read(called, request.data(), request.size()), 0)));
      lines = said("cat /proc/[0-9]*/cmdline 2> /dev/null | tr '\\0' ' ' || true");
      const std::string answer =
          "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
      const bool is_given = request.find("Authorization: ") != std::string::npos;
      EXPECT_EQ(::write(called, answer.data(), answer.size()), static_cast<ssize_t>(answer.size()));
      ::close(called);
      if (is_given) return request.substr(request.find("Authorization: "));
    }
  });
  Tried all(system(), (folder_ / "data").string(),
            {{"shop", "http://" + token + "@127.0.0.1:" + server.port + "/shop"}});
  const Fetched fetched = all.fetch("shop", no_deadline, nullptr);
  EXPECT_EQ(fetched.end, FetchEnd::refused) << fetched.words;
  EXPECT_EQ(fetched.words.find(token), std::string::npos) << fetched.words;
  const std::string given = asked.get();
  EXPECT_TRUE(given.starts_with("Authorization: Basic dG9rZW4wMTIzNDU2Nzg5YWJjZGVmOg==")) << given;
  EXPECT_NE(lines.find("git"), std::string::npos);
  EXPECT_EQ(lines.find(token), std::string::npos);
  EXPECT_EQ(said("find data -name '*.credential' -perm 600 | wc -l"), "1");
}

TEST_F(TaskClone, credentials_reach_a_clone_but_not_its_configuration_file) {
  const auto origins = std::make_shared<Origins>();
  origins->declare("shop", (folder_ / "origin.git").string());
  Tried all(system(), (folder_ / "data").string(), origins);
  prepared(all, request());
  for (const std::string& user : {std::string("token0123456789abcdef"), std::string("ann:pass0123456789abcdef")}) {
    origins->declare("shop", "http://" + user + "@127.0.0.1:1/" + std::to_string(user.size()));
    EXPECT_EQ(all.fetch("shop", no_deadline, nullptr).end, FetchEnd::unreachable);
    ASSERT_TRUE(all.Worktrees::prepare(request()));
    EXPECT_EQ(said(in_task("cat .git/config | grep -c 0123456789abcdef || true")), "0");
    const std::string filled =
        said(in_task("printf 'protocol=http\nhost=127.0.0.1:1\npath=" + std::to_string(user.size()) +
                     "\n\n' | git credential fill"));
    EXPECT_NE(filled.find("username=" + user.substr(0, user.find(':')) + "\n"), std::string::npos) << filled;
    EXPECT_EQ(filled.find("pass0123456789abcdef") != std::string::npos, user.starts_with("ann:")) << filled;
  }
  EXPECT_EQ(said("find data -name '*.gitconfig' -perm 600 | wc -l"), "1");
}

TEST_F(TaskClone, what_git_says_of_an_origin_is_one_line_without_blank_ones) {
  Tried all(system(), (folder_ / "data").string(), {{"shop", (folder_ / "nowhere.git").string()}});
  const std::string words = all.fetch("shop", no_deadline, nullptr).words;
  EXPECT_NE(words.find("remote repository.; Please make sure"), std::string::npos) << words;
  EXPECT_EQ(words.find('\n'), std::string::npos) << words;
}

TEST_F(TaskClone, what_ssh_says_of_an_origin_has_no_invisible_line_ends) {
  ::setenv("GIT_SSH_COMMAND", "printf 'ssh: Connection refused\\r\\n' >&2; false", 1);
  Tried all(system(), (folder_ / "data").string(), {{"shop", "ssh://nowhere/shop.git"}});
  const std::string words = all.fetch("shop", no_deadline, nullptr).words;
  ::unsetenv("GIT_SSH_COMMAND");
  EXPECT_NE(words.find("ssh: Connection refused; fatal: "), std::string::npos) << words;
}

TEST_F(TaskClone, one_fetch_is_shared_and_a_called_off_wait_ends_only_its_own) {
  const Listener silent;
  Tried all(system(), (folder_ / "data").string(), {{"shop", "git://127.0.0.1:" + silent.port + "/shop"}});
  EventCancelToken off;
  auto first = std::async(std::launch::async, [&] { return all.fetch("shop", no_deadline, nullptr); });
  const int called = ::accept(silent.fd, nullptr, nullptr);
  ASSERT_GE(called, 0);
  auto second = std::async(std::launch::async, [&] { return all.fetch("shop", no_deadline, &off); });
  off.call();
  EXPECT_EQ(second.get().end, FetchEnd::called_off);
  EXPECT_EQ(all.fetch("shop", system().now() + std::chrono::milliseconds(50), nullptr).end, FetchEnd::unreachable)
      << "this caller gives up at its deadline";
  EXPECT_EQ(first.wait_for(std::chrono::seconds(0)), std::future_status::timeout)
      << "the fetch goes on for the first caller";
  all.stop();
  EXPECT_EQ(first.get().end, FetchEnd::called_off);
  ::close(called);
}

}  // namespace
}  // namespace pawl
