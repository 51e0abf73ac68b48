// What a path asks its worktree and origin, and what it does with the answers.
#include <gtest/gtest.h>

#include <utility>

#include "engine/policies/advance.h"
#include "engine/policies/reconciler.h"
#include "tests/unit/engine/story.h"

namespace pawl {
namespace {

class TreeWorld : public ScriptedWorld {
 public:
  TreeAnswer ask_origin(const CommandContext&, TreeNeed need) override {
    needs.push_back(need);
    if (on_ask) on_ask();
    return origin;
  }
  TreeAnswer ready_tree(const CommandContext&, TreeNeed need) override {
    if (need == TreeNeed::any) return tree;
    if (tree.state == TreeAnswer::State::ready) tree.head = tree.origin_head = branch;
    return tree;
  }
  TreeAnswer look_at_tree(const CommandContext&) override { return {.head = tree.head, .origin_head = branch}; }

  std::vector<TreeNeed> needs;
  std::function<void()> on_ask;
  TreeAnswer origin;
  TreeAnswer tree{.head = "1", .origin_head = "1"};
  std::string branch = "1";  // at origin
};

class AdvanceTree : public Story {
 protected:
  AdvanceAnswer cross(AdvanceRequest::Gate gate = AdvanceRequest::Gate::ask) {
    return advance(machine, trees,
                   {.task = task,
                    .version = version(),
                    .requester = requester("monitor"),
                    .pid = 1,
                    .gate = gate,
                    .on_red = AdvanceRequest::OnRed::roll_back_or_retry});
  }
  std::size_t ran(const std::string& what) const {
    return static_cast<std::size_t>(std::count(trees.ran.begin(), trees.ran.end(), what));
  }

  TreeWorld trees;
};

TEST_F(AdvanceTree, origin_that_is_away_is_waited_for_with_nothing_held) {
  trees.origin = {.state = TreeAnswer::State::waits, .reason = "origin_unreachable"};
  bool was_held = false;
  trees.on_ask = [&] { was_held = held(task_key(task)) || held("repo:shop"); };
  const std::size_t records = machine.lines().size();
  const AdvanceAnswer answer = cross();
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.reason, "origin_unreachable");
  EXPECT_EQ(answer.awaited, Awaited::origin);
  EXPECT_FALSE(was_held);
  EXPECT_EQ(machine.lines().size(), records);
  EXPECT_TRUE(trees.ran.empty());
  EXPECT_EQ(trees.needs, std::vector{TreeNeed::compared_by_all_means}) << "merge is exclusive on the repository";
}

TEST_F(AdvanceTree, where_nothing_changes_the_repository_origin_need_not_answer) {
  stand_on("deploy");
  cross();
  EXPECT_EQ(trees.needs.front(), TreeNeed::compared);
}

TEST_F(AdvanceTree, gate_of_a_stage_without_agent_judges_the_branch_at_origin) {
  set("queue.max_concurrency", std::int64_t{2});
  set("queue.serial_per_repo", false);
  Pipeline pipeline = pipeline_with_probe();
  for (Stage& each : pipeline.stages) {
    each.gate->run = {"make", "test"};
    if (each.name == "review") each.agent.clear();
  }
  machine.propose(propose_group(requester("operator"), pipeline_event(pipeline)));
  stand_on("review");
  EXPECT_EQ(cross().result, AdvanceResult::advanced);
  EXPECT_EQ(trees.needs, std::vector{TreeNeed::compared});

  trees.needs.clear();
  stand_on("development");
  EXPECT_EQ(cross().result, AdvanceResult::advanced);
  EXPECT_EQ(trees.needs, std::vector{TreeNeed::of_today}) << "the agent's work is judged, pushed or not";
}

TEST_F(AdvanceTree, worktree_that_needs_a_word_blocks_the_task) {
  trees.tree = {.state = TreeAnswer::State::barred, .reason = "diverged: ours 1, origin 2"};
  EXPECT_EQ(cross().result, AdvanceResult::blocked);
  EXPECT_EQ(row()->blocked, "diverged: ours 1, origin 2");
  EXPECT_TRUE(trees.ran.empty());
  EXPECT_FALSE(held(task_key(task)));
}

TEST_F(AdvanceTree, head_that_moves_while_the_gate_runs_leads_back_to_it) {
  trees.meanwhile = [&](const std::string& what) {
    if (what.starts_with("gate")) trees.branch = "2";
  };
  const AdvanceAnswer answer = cross();
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.reason, "head_moved");
  EXPECT_EQ(ran("step retest"), 0U);
  EXPECT_FALSE(held("repo:shop"));
  trees.meanwhile = nullptr;
  EXPECT_EQ(cross().result, AdvanceResult::advanced);
  EXPECT_EQ(ran("gate deploy-staging"), 2U);
}

TEST_F(AdvanceTree, head_that_moves_after_a_step_rolls_back) {
  trees.meanwhile = [&](const std::string& what) {
    if (what == "step retest") trees.branch = "2";
  };
  const AdvanceAnswer answer = cross();
  EXPECT_EQ(answer.result, AdvanceResult::rolled_back);
  EXPECT_EQ(answer.reason, "head_moved");
  EXPECT_EQ(ran("step merge"), 0U);
}

TEST_F(AdvanceTree, green_of_another_head_is_asked_for_again) {
  trees.tree.head = "0";
  cross(AdvanceRequest::Gate::known_green);
  EXPECT_EQ(ran("gate deploy-staging"), 1U);
}

TEST_F(AdvanceTree, committed_crossing_asks_origin_for_nothing) {
  trees.step_exit["merge"] = {.how = CommandExit::How::timed_out};
  trees.probe_exit["merge"] = 2;
  EXPECT_EQ(cross().result, AdvanceResult::blocked) << "the probe does not know";
  trees.needs.clear();
  trees.origin = {.state = TreeAnswer::State::waits, .reason = "origin_unreachable"};
  trees.branch = "2";
  fb::StepFinishedT done;
  const StepRow step = *open_step(*row());
  done.task = raw(task);
  done.version = raw(step.version);
  done.step = "merge";
  done.started = raw(step.started);
  done.outcome = fb::StepOutcome::done;
  done.by = fb::StepBy::operator_;
  fb::TaskUnblockedT unblocked;
  unblocked.task = raw(task);
  ASSERT_EQ(machine.propose(propose_group(requester("operator"), done, unblocked)).outcome, Outcome::accepted);
  EXPECT_EQ(cross().result, AdvanceResult::advanced);
  for (const TreeNeed need : trees.needs) EXPECT_EQ(need, TreeNeed::any);
}

TEST_F(AdvanceTree, an_agent_at_work_is_waited_for_by_all_but_its_monitor) {
  const AdvanceRequest request{.task = task, .version = version(), .requester = requester("operator"), .pid = 1};
  const AdvanceAnswer answer = advance(machine, trees, request);
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.reason, "agent_at_work");
  EXPECT_EQ(answer.awaited, Awaited::agent);
  EXPECT_TRUE(trees.ran.empty());
  EXPECT_FALSE(held(task_key(task)));
  exited();
  EXPECT_EQ(advance(machine, trees, request).result, AdvanceResult::advanced);
}

TEST_F(AdvanceTree, an_agent_of_another_boot_works_elsewhere) {
  fb::BootStartedT worker;
  worker.name = "worker";
  worker.boot_id = "far";
  worker.pid = 7;
  worker.host = "elsewhere";
  worker.version = "test";
  ASSERT_EQ(machine.propose(propose_group(requester("pawld"), worker)).outcome, Outcome::accepted);
  set("queue.serial_per_repo", false);
  set("queue.max_concurrency", std::int64_t{2});
  const std::string ours = std::exchange(boot_id, "far");
  stand_on("deploy-staging");
  boot_id = ours;
  const AdvanceRequest request{.task = task, .version = version(), .requester = requester("operator"), .pid = 1};
  EXPECT_EQ(advance(machine, trees, request).result, AdvanceResult::advanced);
}

TEST_F(AdvanceTree, an_open_step_is_settled_where_it_began_and_what_follows_is_compared) {
  // Begun by a daemon that was killed in the middle of it.
  ASSERT_EQ(acquire(task_key(task), "monitor").outcome, Outcome::accepted);
  fb::StepStartedT start;
  start.task = raw(task);
  start.version = raw(version());
  start.to = "deploy";
  start.step = "retest";
  start.token = raw(machine.state().lease(task_key(task))->token);
  start.run = "run-1";
  ASSERT_EQ(machine.propose(propose_group(requester("monitor"), start)).outcome, Outcome::accepted);
  fb::LeaseReleasedT release;
  release.key = task_key(task);
  release.token = *start.token;
  ASSERT_EQ(machine.propose(propose_group(requester("monitor"), release)).outcome, Outcome::accepted);
  // While nothing ran, a person force-pushed the branch.
  trees.branch = "2";
  const AdvanceAnswer answer = cross();
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.reason, "head_moved");
  EXPECT_EQ(answer.awaited, Awaited::gate);
  EXPECT_EQ(ran("step merge"), 0U);
  EXPECT_EQ(trees.needs.front(), TreeNeed::any);
  EXPECT_EQ(trees.needs.back(), TreeNeed::compared_by_all_means);
  EXPECT_EQ(cross().result, AdvanceResult::advanced);
  EXPECT_EQ(ran("gate deploy-staging"), 2U);
}

TEST_F(AdvanceTree, a_queued_job_waits_behind_a_committed_crossing_which_is_ended_without_it) {
  trees.step_exit["merge"] = {.how = CommandExit::How::timed_out};
  trees.probe_exit["merge"] = 1;
  cross();
  ASSERT_TRUE(is_committed(*row()));
  ASSERT_TRUE(row()->blocked.empty());
  fb::JobQueuedT queued;
  queued.task = raw(task);
  if (!machine.view(task)->open_job) {
    ASSERT_EQ(machine.propose(propose_group(requester("operator"), queued)).outcome, Outcome::accepted);
  }
  const TaskView view = *machine.view(task);
  EXPECT_TRUE(waits_behind_crossing(*view.open_job, view.task));
  EXPECT_EQ(reconcile_move(view, false), ReconcileMove::reenter);
}

}  // namespace
}  // namespace pawl
