// What a path asks people, when it asks again, and what it does with their words.
#include <gtest/gtest.h>

#include "engine/policies/advance.h"
#include "tests/unit/engine/story.h"

namespace pawl {
namespace {

/// A worktree at a commit that the test chooses.
class HeadWorld : public ScriptedWorld {
 public:
  TreeAnswer ready_tree(const CommandContext&, TreeNeed) override { return at(); }
  TreeAnswer look_at_tree(const CommandContext&) override { return at(); }
  bool can_run(const PipelineStep&) override { return has_commands; }
  TreeAnswer at() const { return {.head = head, .origin_head = head}; }
  std::string head = "c1";
  bool has_commands = true;
};

class AdvanceApproval : public Story {
 protected:
  AdvanceApproval() {
    set("queue.max_concurrency", std::int64_t{9});
    set("queue.serial_per_repo", false);
    define({.by = {"token:ann"}, .timeout_s = 3600});
    arrive("deploy-staging");
  }

  void define(const Approval& approval) {
    Pipeline pipeline = pipeline_with_probe();
    for (Stage& stage : pipeline.stages) {
      if (stage.name != "deploy-staging" && stage.name != "testing") continue;
      stage.gate->approve = approval;
      if (stage.name == "testing") continue;
      stage.rollback.clear();
      stage.gate->approve->on_timeout = ApprovalTimeout::block;
    }
    machine.propose(propose_group(requester("operator"), pipeline_event(pipeline)));
  }

  /// A task whose job is done: as a monitor leaves it that has asked people.
  void arrive(const std::string& stage) {
    stand_on(stage);
    fb::JobFinishedT done;
    done.job = raw(job);
    done.attempt = 1;
    done.result = fb::JobResult::done;
    ASSERT_EQ(machine.propose(propose_group(requester("monitor"), done)).outcome, Outcome::accepted);
  }

  AdvanceAnswer walk() {
    return advance(machine, heads,
                   {.task = task,
                    .version = version(),
                    .requester = requester("monitor"),
                    .pid = 1,
                    .on_red = AdvanceRequest::OnRed::report});
  }
  Outcome says(bool approved, const std::string& reason = "so be it") {
    fb::ApprovalGivenT event;
    event.task = raw(task);
    event.version = raw(version());
    event.head = heads.head;
    event.approved = approved;
    event.reason = reason;
    Requester ann = requester("operator");
    ann.principal = "token:ann";
    return machine.propose(propose_group(ann, event)).outcome;
  }
  void hold(const std::string& place, std::optional<TimeUs> until = {}) {
    fb::HoldPlacedT event;
    event.place = place;
    if (until) event.until = until->us;
    ASSERT_EQ(machine.propose(propose_group(requester("operator"), event)).outcome, Outcome::accepted);
  }
  void lift(const std::string& place) {
    fb::HoldLiftedT event;
    event.place = place;
    ASSERT_EQ(machine.propose(propose_group(requester("operator"), event)).outcome, Outcome::accepted);
  }
  std::size_t records() { return machine.lines().size(); }

  HeadWorld heads;
};

TEST_F(AdvanceApproval, people_are_asked_once_and_only_when_the_gate_is_green) {
  heads.gate_green[task] = false;
  EXPECT_EQ(walk().result, AdvanceResult::gate_red);
  EXPECT_FALSE(row()->approval);

  heads.gate_green[task] = true;
  AdvanceAnswer answer = walk();
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.awaited, Awaited::approval);
  EXPECT_EQ(row()->approval->head, "c1");
  EXPECT_FALSE(held(task_key(task))) << "an answer may take days";

  const std::size_t before = records();
  heads.ran.clear();
  answer = walk();
  EXPECT_EQ(answer.reason, "approval: 0 of 1 approval for version 1 at c1; token:ann may");
  EXPECT_EQ(records(), before) << "waiting leaves no record";
  EXPECT_TRUE(heads.ran.empty());

  EXPECT_EQ(says(true), Outcome::accepted);
  EXPECT_EQ(walk().result, AdvanceResult::advanced);
  EXPECT_EQ(heads.ran, (Names{"gate deploy-staging", "step retest", "step merge"})) << "the gate is asked again";
}

TEST_F(AdvanceApproval, another_commit_is_another_question) {
  walk();
  heads.head = "c2";
  EXPECT_EQ(walk().awaited, Awaited::approval);
  EXPECT_EQ(row()->approval->head, "c2");
  EXPECT_EQ(says(true), Outcome::accepted);
  heads.head = "c3";  // after the word, and before the path has looked
  EXPECT_EQ(walk().awaited, Awaited::approval);
  EXPECT_EQ(row()->approval->head, "c3");
  EXPECT_TRUE(row()->approval->said.empty());
}

TEST_F(AdvanceApproval, gate_that_is_red_after_the_word_stops_the_crossing) {
  walk();
  says(true);
  heads.gate_green[task] = false;
  EXPECT_EQ(walk().result, AdvanceResult::gate_red);
  heads.gate_green[task] = true;
  EXPECT_EQ(walk().result, AdvanceResult::advanced) << "the word still counts";
}

TEST_F(AdvanceApproval, rejected_task_is_rolled_back_where_its_stage_can_and_else_blocked) {
  walk();
  says(false, "the text is wrong");
  const AdvanceAnswer blocked = walk();
  EXPECT_EQ(blocked.result, AdvanceResult::blocked) << "deploy-staging has no rollback";
  EXPECT_EQ(row()->blocked, "rejected by token:ann: the text is wrong");

  arrive("testing");
  walk();
  says(false, "not now");
  const AdvanceAnswer back = walk();
  EXPECT_EQ(back.result, AdvanceResult::rolled_back);
  EXPECT_EQ(back.reason, "rejected by token:ann: not now");
  EXPECT_EQ(stage(), "development");
}

TEST_F(AdvanceApproval, silence_blocks_or_rolls_back_and_never_approves) {
  walk();
  machine.set_now(plus_s(machine.now(), 3600));
  EXPECT_EQ(walk().result, AdvanceResult::blocked);
  EXPECT_EQ(row()->blocked, "approval_timed_out");

  define({.by = {"token:ann"}, .timeout_s = 3600, .on_timeout = ApprovalTimeout::roll_back});
  arrive("testing");
  walk();
  machine.set_now(plus_s(machine.now(), 3600));
  EXPECT_EQ(walk().result, AdvanceResult::rolled_back);
  EXPECT_EQ(stage(), "development");
}

TEST_F(AdvanceApproval, no_hold_keeps_a_task_from_what_people_said_or_did_not_say) {
  define({.by = {"token:ann"}, .timeout_s = 3600, .on_timeout = ApprovalTimeout::roll_back});
  arrive("testing");
  EXPECT_EQ(walk().until, plus_s(machine.now(), 3600));
  hold("stage:testing");
  EXPECT_EQ(walk().awaited, Awaited::hold);
  machine.set_now(plus_s(machine.now(), 3600));
  EXPECT_EQ(walk().result, AdvanceResult::rolled_back);

  lift("stage:testing");
  arrive("testing");
  walk();
  hold("stage:testing");
  says(false);
  EXPECT_EQ(walk().result, AdvanceResult::rolled_back);
}

TEST_F(AdvanceApproval, what_time_ends_is_named) {
  EXPECT_EQ(walk().until, plus_s(machine.now(), 3600));
  const TimeUs end = plus_s(machine.now(), 60);
  hold("stage:deploy-staging", end);
  const AdvanceAnswer answer = walk();
  EXPECT_EQ(answer.awaited, Awaited::hold);
  EXPECT_EQ(answer.until, end);
}

TEST_F(AdvanceApproval, where_others_do_the_steps_people_are_asked_at_once) {
  heads.has_commands = false;
  arrive("deploy-staging");
  EXPECT_EQ(walk().awaited, Awaited::approval);
  EXPECT_EQ(row()->approval->head, "");
  const std::size_t before = records();
  EXPECT_EQ(walk().awaited, Awaited::approval);
  EXPECT_EQ(records(), before);
  heads.head.clear();
  EXPECT_EQ(says(true), Outcome::accepted);
  EXPECT_EQ(walk().awaited, Awaited::command);
}

}  // namespace
}  // namespace pawl
