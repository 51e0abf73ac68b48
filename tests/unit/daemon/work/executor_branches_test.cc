// Repositories that are added, moved and queried while the executor runs: real git, on real repositories.
#include <condition_variable>
#include <cstdlib>
#include <future>

#include "tests/unit/daemon/work/executor_stage.h"

namespace pawl {
namespace {

class ExecutorBranches : public ExecutorTest {
 protected:
  void SetUp() override {
    ExecutorTest::SetUp();
    sh("git init -q --bare -b trunk origin.git && git clone -q origin.git seed 2>&1 && cd seed && "
       "git checkout -q -b trunk && echo 1 > file && git add file && git commit -qm one && "
       "git push -q origin trunk trunk:feature/receipt");
  }
  void sh(const std::string& script) {
    const std::string line = "cd '" + folder_.string() +
                             "' && export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a "
                             "GIT_COMMITTER_EMAIL=a@a GIT_CONFIG_NOSYSTEM=1 && " +
                             script;
    ASSERT_EQ(std::system(line.c_str()), 0) << script;  // NOLINT(cert-env33-c): a script
  }
  void declare(const std::string& repo, const std::string& url) {
    fb::RepoDeclaredT event;
    event.repo = repo;
    event.url = url;
    ASSERT_EQ(tell(event).outcome, Outcome::accepted);
  }
  FoundBranch find(const std::string& repo, const std::string& branch) {
    std::promise<FoundBranch> found;
    executor_->find_branch(repo, branch, [&](const FoundBranch& answer) { found.set_value(answer); });
    return found.get_future().get();
  }
  bool is_blocked(TaskId id, const std::string& reason) {
    return comes_true([&] { return task(id)->blocked.starts_with(reason); });
  }
};

constexpr const char* begins = R"(name: test
branch: create
agents:
  worker: {run: 'cp file $1/found'}
stages:
  - {name: work, agent: worker, to: done}
)";
constexpr const char* begins_none = R"(name: test
agents:
  worker: {run: 'cp file $1/found'}
stages:
  - {name: work, agent: worker, to: done}
)";

TEST_F(ExecutorBranches, a_branch_is_there_or_not_and_then_the_nearest_is_told) {
  declare("shop", at("origin.git").string());
  execute();
  EXPECT_EQ(find("shop", "feature/receipt").is, FoundBranch::Is::there);
  const FoundBranch absent = find("shop", "feature/recipt");
  EXPECT_EQ(absent.is, FoundBranch::Is::absent);
  EXPECT_EQ(absent.nearest, "feature/receipt");
  EXPECT_EQ(find("shop", "something else").nearest, "");
}

TEST_F(ExecutorBranches, what_cannot_be_asked_is_unknown) {
  declare("shop", "");
  declare("away", at("nothing.git").string());
  execute();
  EXPECT_EQ(find("shop", "trunk").is, FoundBranch::Is::unknown) << "it has no origin";
  EXPECT_EQ(find("other", "trunk").is, FoundBranch::Is::unknown);
  EXPECT_EQ(find("away", "trunk").is, FoundBranch::Is::unknown);
}

TEST_F(ExecutorBranches, many_who_ask_at_once_are_all_answered) {
  declare("shop", at("origin.git").string());
  execute();
  std::vector<std::promise<FoundBranch>> found(100);
  for (std::size_t i = 0; i < found.size(); ++i) {
    executor_->find_branch("shop", i % 2 == 0 ? "trunk" : "trnuk",
                           [&found, i](const FoundBranch& answer) { found[i].set_value(answer); });
  }
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].get_future().get().is, i % 2 == 0 ? FoundBranch::Is::there : FoundBranch::Is::absent) << i;
  }
}

/// Each query hangs until the test releases all of them; the test also sets the time.
class SilentOrigins : public RealSystem {
 public:
  using RealSystem::RealSystem;
  Deadline now() const override { return RealSystem::now() + seconds(ahead_s.load()); }
  Result<std::vector<std::string>> origin_branches(const std::string&, seconds within) override {
    std::unique_lock lock(mutex);
    asked_within.push_back(within);
    changed.notify_all();
    changed.wait(lock, [this] { return is_let_go; });
    return Error{ErrorCode::io, "exceeded its time limit"};
  }

  std::atomic<std::int64_t> ahead_s{0};
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<seconds> asked_within;
  bool is_let_go = false;
};

class BranchesOfSilentOrigins : public ExecutorBranches {
 protected:
  std::unique_ptr<RealSystem> make_system(const RealSystem::Options& options) override {
    auto made = std::make_unique<SilentOrigins>(options);
    origins = made.get();
    return made;
  }
  SilentOrigins* origins = nullptr;
};

TEST_F(BranchesOfSilentOrigins, none_is_waited_for_longer_than_the_bound_however_many_there_are) {
  constexpr std::size_t many = 64;  // and fewer threads to ask with
  const auto name = [](std::size_t i) { return "silent-" + std::to_string(i); };
  for (std::size_t i = 0; i < many; ++i) declare(name(i), at("origin.git").string());
  execute();
  std::vector<std::promise<FoundBranch>> found(many);
  for (std::size_t i = 0; i < many; ++i) {
    executor_->find_branch(name(i), "trunk", [&found, i](const FoundBranch& answer) { found[i].set_value(answer); });
  }
  {
    std::unique_lock lock(origins->mutex);
    origins->changed.wait(lock, [this] { return !origins->asked_within.empty(); });
    origins->ahead_s += Executor::branch_within.count();
    origins->is_let_go = true;
    origins->changed.notify_all();
  }
  for (std::promise<FoundBranch>& answer : found) EXPECT_EQ(answer.get_future().get().is, FoundBranch::Is::unknown);
  EXPECT_LT(origins->asked_within.size(), many) << "a submission that waited in the queue has no time left to ask";
  for (const seconds within : origins->asked_within) {
    EXPECT_GT(within.count(), 0);
    EXPECT_LE(within, Executor::branch_within);
  }
}

TEST_F(ExecutorBranches, a_repository_that_is_declared_meanwhile_is_fetched) {
  define(begins_none);
  execute();
  declare("depot", at("origin.git").string());
  ASSERT_TRUE(reaches(submit("W-1", "feature/receipt", "depot"), "done"));
  EXPECT_EQ(contents(at("found")), "1\n");
}

/// The pause after a failed try applies to the old URL.
TEST_F(ExecutorBranches, one_that_was_not_where_it_was_said_to_be_goes_on_once_that_is_put_right) {
  declare("shop", at("nothing.git").string());
  define(begins_none);
  execute();
  const TaskId id = submit("W-1", "feature/receipt");
  ASSERT_TRUE(comes_true([&] { return executor_->origin_trouble("shop").has_value(); }));
  declare("shop", at("origin.git").string());
  EXPECT_FALSE(executor_->origin_trouble("shop")) << "at once";
  EXPECT_TRUE(reaches(id, "done"));
}

/// Neither a pass nor an event comes in time: only the end of the pause causes the retry.
TEST_F(ExecutorBranches, a_job_whose_origin_was_away_is_made_ready_again_at_its_time) {
  declare("shop", at("comes.git").string());
  set("reconciler.interval_s", 86400);
  define(begins_none);
  execute();
  const TaskId id = submit("W-1", "feature/receipt");
  ASSERT_TRUE(comes_true([&] { return executor_->origin_trouble("shop").has_value(); }));
  sh("mv origin.git comes.git");
  EXPECT_TRUE(reaches(id, "done"));
}

TEST_F(ExecutorBranches, a_path_that_gave_up_for_its_origin_is_tried_again_at_its_time) {
  declare("shop", at("comes.git").string());
  set("reconciler.interval_s", 86400);
  define(R"(name: test
agents: {}
stages:
  - {name: work, gate: {run: 'true'}, to: done}
)");
  execute();
  const TaskId id = submit("W-1", "feature/receipt");
  ASSERT_TRUE(comes_true([&] { return executor_->origin_trouble("shop").has_value(); }));
  sh("mv origin.git comes.git");
  EXPECT_TRUE(reaches(id, "done"));
}

/// Someone pushes while the agent works, in a file that it leaves uncommitted.
TEST_F(ExecutorBranches, a_worktree_that_moves_before_a_gate_is_told_in_the_gates_log) {
  declare("shop", at("origin.git").string());
  define(R"(name: test
agents:
  worker: {run: 'echo mine > file && cd $1/seed && echo 2 > file &&
    git -c user.name=a -c user.email=a@a commit -qam two && git push -q origin trunk:feature/receipt', timeout_s: 60}
stages:
  - {name: work, agent: worker, to: ship}
  - name: ship
    gate: {run: 'cat file', timeout_s: 60}
    to: done
    steps: [{name: push, run: 'true', exclusive: repo, timeout_s: 60}]
)");
  execute();
  ASSERT_TRUE(reaches(submit("W-1", "feature/receipt"), "done"));
  std::string told;
  for (const auto& entry : fs::directory_iterator(at("data/logs/task-1"))) {
    if (entry.path().filename().string().find("~gate~") != std::string::npos) told = contents(entry.path());
  }
  EXPECT_TRUE(told.starts_with("pawl: the worktree goes from ")) << told;
  EXPECT_NE(told.find("; what was not committed is kept as "), std::string::npos) << told;
  EXPECT_TRUE(told.ends_with("\n2\n")) << told;
}

TEST_F(ExecutorBranches, a_branch_that_is_missing_bars_the_work_where_the_pipeline_does_not_begin_it) {
  declare("shop", at("origin.git").string());
  define(begins_none);
  execute();
  const TaskId id = submit("W-1", "feature/recipt");
  EXPECT_TRUE(is_blocked(id, "no_branch: origin has no branch 'feature/recipt'"));
  EXPECT_EQ(count(fb::Event::BranchSeen), 0u);
}

TEST_F(ExecutorBranches, one_that_the_pipeline_begins_is_in_the_history) {
  declare("shop", at("origin.git").string());
  define(begins);
  execute();
  const TaskId id = submit("W-1", "feature/new");
  ASSERT_TRUE(reaches(id, "done"));
  EXPECT_EQ(count(fb::Event::BranchSeen), 1u);
}

}  // namespace
}  // namespace pawl
