// What a cancelled task leaves: its folder, and the branch at origin, with a real git repository.
#include "tests/unit/daemon/work/cancel_stage.h"

namespace pawl {
namespace {

class ExecutorCleanupTest : public CancelStage {
 protected:
  /// A task whose agent has created the branch `fresh` at origin, where pawl has seen it, and now waits for a cancel.
  TaskId begin_branch() {
    make_origin();
    define(R"(name: test
branch: create
agents:
  beginner:
    run: 'git -c user.name=a -c user.email=a@a commit -q --allow-empty -m work && git push -q origin HEAD:fresh'
    timeout_s: 600
  waiter: {run: 'echo $$ > $1/pid; until [ -e $1/go ]; do sleep 0.02; done', timeout_s: 600}
stages:
  - {name: begin, agent: beginner, to: wait}
  - {name: wait, agent: waiter, to: done}
)");
    execute();
    const TaskId id = submit("W-1", "fresh");
    EXPECT_TRUE(agent_is_up());
    EXPECT_TRUE(has_branch("fresh"));
    return id;
  }
  std::string head_of(const std::string& branch) {
    sh("git -C origin.git rev-parse 'refs/heads/" + branch + "' > head");
    const std::string line = contents(at("head"));
    return line.substr(0, line.find('\n'));
  }
  std::vector<std::string> notes() {
    std::vector<std::string> texts;
    EXPECT_TRUE(log_->read(Seq{1}, [&](RecordBytes bytes) {
      if (const auto* note = fb::GetRecord(bytes.data())->event_as_TaskNote()) texts.push_back(note->text()->str());
      return true;
    }));
    return texts;
  }
  void is_cancelled_and_gone(TaskId id) {
    ASSERT_TRUE(reaches(id, "cancelled"));
    ASSERT_TRUE(folder_goes(raw(id)));
  }
};

TEST_F(ExecutorCleanupTest, branch_that_the_task_began_goes_and_the_note_has_what_brings_it_back) {
  const TaskId id = begin_branch();
  const std::string was_at = head_of("fresh");
  cancel(id);
  is_cancelled_and_gone(id);
  EXPECT_FALSE(has_branch("fresh"));
  ASSERT_EQ(notes().size(), 1u);
  const std::string note = notes().front();
  EXPECT_TRUE(note.starts_with("branch 'fresh' was deleted at origin, at " + was_at + "; ")) << note;
  const std::string before_command = "this brings it back: ";
  ASSERT_NE(note.find(before_command), std::string::npos) << note;
  sh(note.substr(note.find(before_command) + before_command.size()));
  EXPECT_EQ(head_of("fresh"), was_at);
}

TEST_F(ExecutorCleanupTest, branch_that_the_task_began_stays_where_the_cancel_asks_for_it) {
  set("stop.delete_branch", std::string("always"));
  const TaskId id = begin_branch();
  fb::CancelRequestedT event;
  event.task = raw(id);
  event.keep_branch = true;
  ASSERT_EQ(tell(event).outcome, Outcome::accepted);
  is_cancelled_and_gone(id);
  EXPECT_TRUE(has_branch("fresh"));
  EXPECT_EQ(notes(), std::vector<std::string>{"branch 'fresh' stays at origin: the cancel asked for it"});
}

TEST_F(ExecutorCleanupTest, branch_that_the_task_began_stays_where_none_is_to_be_deleted) {
  set("stop.delete_branch", std::string("never"));
  const TaskId id = begin_branch();
  cancel(id);
  is_cancelled_and_gone(id);
  EXPECT_TRUE(has_branch("fresh"));
  EXPECT_EQ(notes(), std::vector<std::string>{"branch 'fresh' stays at origin: stop.delete_branch is never"});
}

TEST_F(ExecutorCleanupTest, branch_that_has_moved_since_it_was_seen_stays_and_the_note_says_where) {
  const TaskId id = begin_branch();
  sh("cd seed && git fetch -q && git checkout -q fresh && git commit -q --allow-empty -m late && git push -q origin "
     "fresh");
  cancel(id);
  is_cancelled_and_gone(id);
  EXPECT_EQ(notes(), std::vector<std::string>{"branch 'fresh' stays at origin: it stands at " + head_of("fresh") +
                                              ", where pawl has not seen it"});
}

TEST_F(ExecutorCleanupTest, branch_that_was_there_before_the_task_stays_unless_it_is_said_to_go) {
  make_origin();
  define(waiting_pipeline);
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(agent_is_up());
  cancel(id);
  ASSERT_TRUE(reaches(id, "cancelled"));
  ASSERT_TRUE(folder_goes(1));
  EXPECT_TRUE(has_branch("feature"));
  EXPECT_EQ(notes(), std::vector<std::string>{"branch 'feature' stays at origin: it was there before the task"});
}

TEST_F(ExecutorCleanupTest, branch_of_a_cancelled_task_is_deleted_at_origin_and_others_are_not) {
  make_origin();
  define(waiting_pipeline);
  set("stop.delete_branch", std::string("always"));
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(agent_is_up());
  cancel(id);
  ASSERT_TRUE(reaches(id, "cancelled"));
  ASSERT_TRUE(folder_goes(1));
  EXPECT_FALSE(has_branch("feature"));
  EXPECT_TRUE(has_branch("trunk") && has_branch("other"));
  EXPECT_EQ(count(fb::Event::TaskNote), 1u) << "and its history says so";
  EXPECT_TRUE(warnings().empty());
}

TEST_F(ExecutorCleanupTest, branch_of_a_task_that_is_done_stays) {
  make_origin();
  set("stop.delete_branch", std::string("always"));
  define(waiting_pipeline);
  std::ofstream(at("go")) << "";
  execute();
  ASSERT_TRUE(reaches(submit(), "done"));
  ASSERT_TRUE(folder_goes(1));
  EXPECT_TRUE(has_branch("feature"));
}

TEST_F(ExecutorCleanupTest, task_on_the_default_branch_keeps_it) {
  make_origin();
  set("stop.delete_branch", std::string("always"));
  define(std::string("branch: create\n") + waiting_pipeline);  // origin does not have this spelling
  execute();
  std::uint64_t number = 0;
  for (const std::string& spelled : {std::string("trunk"), std::string("refs/heads/trunk"), std::string("Trunk")}) {
    fs::remove(at("pid"));
    const TaskId id = submit("W-" + spelled, spelled);
    ASSERT_TRUE(agent_is_up());
    cancel(id);
    ASSERT_TRUE(reaches(id, "cancelled"));
    ASSERT_TRUE(folder_goes(++number));
  }
  EXPECT_TRUE(has_branch("trunk"));
  const std::string why = " stays at origin: its name is that of the default branch";
  EXPECT_EQ(notes(), (std::vector<std::string>{"branch 'trunk'" + why, "branch 'refs/heads/trunk'" + why,
                                               "branch 'Trunk'" + why}));
}

TEST_F(ExecutorCleanupTest, branch_that_a_live_task_works_on_stays) {
  make_origin();
  set("stop.delete_branch", std::string("always"));
  define(waiting_pipeline);
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(agent_is_up());
  submit("W-2");
  cancel(id);
  ASSERT_TRUE(reaches(id, "cancelled"));
  ASSERT_TRUE(folder_goes(1));
  EXPECT_TRUE(has_branch("feature"));
  EXPECT_EQ(notes(), std::vector<std::string>{"branch 'feature' stays at origin: another task works on it"});
}

TEST_F(ExecutorCleanupTest, deletion_that_fails_is_told_and_tried_again_by_the_next_start) {
  make_origin();
  set("stop.delete_branch", std::string("always"));
  sh("git -C origin.git config receive.denyDeletes true");
  define(waiting_pipeline);
  execute();
  const TaskId id = submit();
  ASSERT_TRUE(agent_is_up());
  cancel(id);
  ASSERT_TRUE(reaches(id, "cancelled"));
  ASSERT_TRUE(comes_true([&] { return !warnings().empty(); }));
  const std::string warning = warnings().front();
  EXPECT_NE(warning.find("task 1 "), std::string::npos) << warning;
  EXPECT_NE(warning.find("'feature'"), std::string::npos) << warning;
  EXPECT_NE(warning.find("deletion prohibited"), std::string::npos) << warning;
  EXPECT_TRUE(has_branch("feature"));
  EXPECT_TRUE(fs::is_empty(worktree(1))) << "an empty folder marks the pending clean-up";

  shut_down();
  sh("git -C origin.git config receive.denyDeletes false");
  boot();
  execute();
  ASSERT_TRUE(folder_goes(1));
  EXPECT_FALSE(has_branch("feature"));
}

TEST_F(ExecutorCleanupTest, task_cancelled_before_it_had_a_folder_loses_its_branch_too) {
  make_origin();
  set("stop.delete_branch", std::string("always"));
  define(waiting_pipeline);
  execute();
  const TaskId first = submit("W-1", "other");
  ASSERT_TRUE(agent_is_up());
  const TaskId queued = submit("W-2");
  cancel(queued);
  ASSERT_TRUE(reaches(queued, "cancelled"));
  ASSERT_TRUE(comes_true([&] { return !has_branch("feature"); }));
  EXPECT_TRUE(folder_goes(raw(queued)));
  EXPECT_EQ(task(first)->stage, "work");
}

}  // namespace
}  // namespace pawl
