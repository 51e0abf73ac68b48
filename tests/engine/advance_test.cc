// The one path, through the real engine: what it asks of the world, what it
// leaves in the log, who wins.
#include "engine/advance.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/reconciler.h"
#include "tools/direct_machine.h"
#include "tools/scripted_world.h"

namespace pawl {
namespace {

/// A log with one task on deploy-staging, whose job runs; and verbs to tell a
/// story about it.
class Advance : public testing::Test {
protected:
  Advance() {
    machine.set_now(TimeUs{1'767'225'600 * us_per_s});
    boot("boot-1");
    machine.propose(
        propose_group(asker("pawld"), pipeline_event(pipeline_with_probe())));
    stand_on("deploy-staging");
  }

  void TearDown() override {
    EXPECT_TRUE(machine.replay())
        << "the records do not lead to the same digests";
  }

  static Pipeline pipeline_with_probe() {
    Pipeline pipeline = default_pipeline();
    for (Stage &stage : pipeline.stages) {
      for (PipelineStep &step : stage.steps) {
        if (step.name == "merge") {
          step.probe = {"probe"};
          step.not_done_exit_codes = {3};
          step.timeout_s = 60;
        }
      }
    }
    return pipeline;
  }

  Asker asker(const std::string &actor) const {
    return {.boot = boot_id, .actor = actor, .key = {}, .request = {}};
  }

  void boot(const std::string &id) {
    boot_id = id;
    fb::BootStartedT event;
    event.name = "pawld";
    event.boot_id = id;
    event.pid = 1;
    event.host = "host";
    event.version = "test";
    machine.propose(propose_group(asker("pawld"), event));
  }

  void stand_on(const std::string &stage) {
    fb::TaskCreatedT event;
    event.work_item = "W-" + std::to_string(machine.lines().size());
    event.repo = "shop";
    event.branch = "w";
    event.stage = stage;
    const Decision decision =
        machine.propose(propose_group(asker("operator"), event));
    ASSERT_EQ(decision.outcome, Outcome::accepted);
    task = TaskId{decision.effects.front().id};
    if (decision.effects.size() < 2)
      return;
    job = JobId{decision.effects.back().id};
    fb::JobClaimedT claim;
    claim.job = raw(job);
    claim.owner = owner("executor");
    ASSERT_EQ(machine.propose(propose_group(asker("executor"), claim)).outcome,
              Outcome::accepted);
  }

  std::unique_ptr<fb::OwnerT> owner(const std::string &actor) const {
    auto owner = std::make_unique<fb::OwnerT>();
    owner->boot_id = boot_id;
    owner->pid = 1;
    owner->actor = actor;
    return owner;
  }

  AdvanceAnswer
  go(AdvanceOrder::OnRed on_red = AdvanceOrder::OnRed::roll_back_or_retry,
     const std::string &actor = "monitor") {
    return advance(machine, world,
                   {.task = task,
                    .version = version(),
                    .asker = asker(actor),
                    .pid = 1,
                    .on_red = on_red});
  }

  Decision acquire(const std::string &key, const std::string &actor) {
    fb::LeaseAcquiredT event;
    event.key = key;
    event.owner = owner(actor);
    return machine.propose(propose_group(asker(actor), event));
  }

  void set(const std::string &key, SettingValue value) {
    fb::SettingChangedT event;
    event.key = key;
    event.value =
        std::make_unique<fb::SettingValueT>(setting_value_event(value));
    ASSERT_EQ(machine.propose(propose_group(asker("operator"), event)).outcome,
              Outcome::accepted);
  }

  void request_cancel() {
    fb::CancelRequestedT event;
    event.task = raw(task);
    machine.propose(propose_group(asker("operator"), event));
  }

  const Task *row() const { return machine.state().tasks.find(task); }
  Version version() const { return row() ? row()->version : Version{0}; }
  std::string stage() const { return row() ? row()->stage : "archived"; }
  JobStatus job_status() const {
    return machine.state().jobs.find(job)->status;
  }
  bool held(const std::string &key) const {
    return machine.state().lease(key) != nullptr;
  }
  std::size_t count(const std::string &what) const {
    return static_cast<std::size_t>(
        std::count(world.ran.begin(), world.ran.end(), what));
  }
  /// "Type:outcome" of the last `n` records.
  std::vector<std::string> last_records(std::size_t n) const {
    std::vector<std::string> names;
    for (std::size_t i = machine.lines().size() - n; i < machine.lines().size();
         ++i) {
      const auto &line = machine.lines()[i];
      names.push_back(
          std::string(fb::EnumNameEvent(line.record.record().event_type())) +
          ":" + std::string(name(line.applied.outcome)));
    }
    return names;
  }

  DirectMachine machine;
  ScriptedWorld world;
  std::string boot_id;
  TaskId task{};
  JobId job{};
};

using Names = std::vector<std::string>;

TEST_F(Advance, guarded_edge_runs_lease_gate_steps_and_one_group) {
  const AdvanceAnswer answer = go();
  EXPECT_EQ(answer.result, AdvanceResult::advanced);
  EXPECT_EQ(stage(), "deploy");
  EXPECT_EQ(world.ran,
            (Names{"gate deploy-staging", "step retest", "step merge"}));
  EXPECT_EQ(last_records(4),
            (Names{"StageTransition:accepted", "JobFinished:accepted",
                   "LeaseReleased:accepted", "LeaseReleased:accepted"}));
  EXPECT_EQ(job_status(), JobStatus::done);
  EXPECT_FALSE(held(task_key(task)));
  EXPECT_FALSE(held("repo:shop"));
}

TEST_F(Advance, final_edge_ends_in_the_archive) {
  go();
  EXPECT_EQ(go(AdvanceOrder::OnRed::report, "finalizer").result,
            AdvanceResult::advanced);
  EXPECT_EQ(stage(), "archived");
  EXPECT_EQ(machine.archive().at(0).task.stage, "done");
}

TEST_F(Advance, unguarded_edge_takes_no_lease) {
  set("queue.max_concurrency", std::int64_t{2});
  set("queue.serial_per_repo", false);
  stand_on("development");
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  EXPECT_EQ(last_records(3),
            (Names{"GateEvaluated:accepted", "StageTransition:accepted",
                   "JobFinished:accepted"}));
}

TEST_F(Advance, live_owner_defers_before_the_gate_is_asked) {
  ASSERT_EQ(acquire(task_key(task), "webhook").outcome, Outcome::accepted);
  EXPECT_EQ(go().result, AdvanceResult::deferred);
  EXPECT_TRUE(world.ran.empty());
}

TEST_F(Advance, held_repository_waits_and_takes_neither_lease) {
  ASSERT_EQ(acquire("repo:shop", "webhook").outcome, Outcome::accepted);
  const AdvanceAnswer answer = go();
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.reason, "lease");
  EXPECT_FALSE(held(task_key(task)));
  EXPECT_TRUE(world.ran.empty());
}

TEST_F(Advance, second_actor_in_mid_flight_runs_nothing) {
  world.meanwhile = [&](const std::string &what) {
    if (what != "step merge")
      return;
    world.meanwhile = nullptr;
    EXPECT_EQ(go(AdvanceOrder::OnRed::report, "webhook").result,
              AdvanceResult::deferred);
  };
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  EXPECT_EQ(count("step merge"), 1u);
}

TEST_F(Advance, red_gate_rolls_back_for_the_monitor_only) {
  world.gate_green[task] = false;
  EXPECT_EQ(go(AdvanceOrder::OnRed::report).result, AdvanceResult::gate_red);
  EXPECT_EQ(stage(), "deploy-staging");
  EXPECT_FALSE(held(task_key(task)));
  EXPECT_EQ(go().result, AdvanceResult::rolled_back);
  EXPECT_EQ(stage(), "development");
  EXPECT_EQ(count("step retest"), 0u);
}

TEST_F(Advance, gate_in_error_retries_and_never_rolls_back) {
  world.gate_green[task] = std::nullopt;
  EXPECT_EQ(go().result, AdvanceResult::waiting);
  EXPECT_EQ(stage(), "deploy-staging");
  EXPECT_EQ(job_status(), JobStatus::queued);
  EXPECT_FALSE(held("repo:shop"));
}

TEST_F(Advance, failed_reversible_step_rolls_back) {
  world.step_exit["retest"] = {.how = CommandExit::How::exited, .code = 1};
  EXPECT_EQ(go().result, AdvanceResult::rolled_back);
  EXPECT_EQ(stage(), "development");
  EXPECT_EQ(count("step merge"), 0u);
}

TEST_F(Advance, vouched_exit_code_of_an_irreversible_step_rolls_back) {
  world.step_exit["merge"] = {.how = CommandExit::How::exited, .code = 3};
  EXPECT_EQ(go().result, AdvanceResult::rolled_back);
  EXPECT_EQ(count("probe merge"), 0u);
}

TEST_F(Advance, timed_out_merge_is_unknown_and_the_probe_says_yes) {
  world.step_exit["merge"] = {.how = CommandExit::How::timed_out};
  world.probe_exit["merge"] = 0;
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  EXPECT_EQ(stage(), "deploy");
  EXPECT_EQ(count("end merge run-2"), 1u)
      << "the process is shown to be gone before the probe is asked";
}

TEST_F(Advance, unknown_merge_that_did_not_happen_rolls_back) {
  world.step_exit["merge"] = {.how = CommandExit::How::signalled, .code = 9};
  world.probe_exit["merge"] = 1;
  EXPECT_EQ(go().result, AdvanceResult::rolled_back);
}

TEST_F(Advance,
       unknown_merge_without_an_answer_blocks_and_frees_slot_and_leases) {
  world.step_exit["merge"] = {.how = CommandExit::How::exited, .code = 1};
  world.probe_exit["merge"] = 2;
  const AdvanceAnswer answer = go();
  EXPECT_EQ(answer.result, AdvanceResult::blocked);
  EXPECT_EQ(row()->blocked, "outcome_unknown");
  EXPECT_EQ(stage(), "deploy-staging");
  EXPECT_EQ(job_status(), JobStatus::done);
  EXPECT_FALSE(held(task_key(task)));
  EXPECT_FALSE(held("repo:shop"));
}

TEST_F(Advance, crash_in_mid_merge_is_settled_before_anything_runs_again) {
  struct Crash {};
  world.meanwhile = [&](const std::string &what) {
    if (what == "step merge")
      throw Crash{};
  };
  EXPECT_THROW(go(), Crash);
  world.meanwhile = nullptr;
  world.ran.clear();
  boot("boot-2");
  EXPECT_TRUE(is_committed(*row()));
  EXPECT_FALSE(held(task_key(task)))
      << "a stale boot's leases are reclaimed with its end";
  EXPECT_EQ(job_status(), JobStatus::done)
      << "a committed crossing is re-entered, not requeued";

  world.probe_exit["merge"] = 1;
  const Reconciled done =
      reconcile(machine, world, task, asker("reconciler"), 1);
  EXPECT_EQ(done.move, ReconcileMove::reenter);
  EXPECT_EQ(done.answer->result, AdvanceResult::advanced);
  EXPECT_EQ(world.ran, (Names{"end merge run-2", "probe merge", "step merge"}))
      << "no gate, no second retest; the probe before the merge";
}

TEST_F(Advance, crash_after_merge_skips_it) {
  struct Crash {};
  world.meanwhile = [&](const std::string &what) {
    if (what == "step merge")
      throw Crash{};
  };
  EXPECT_THROW(go(), Crash);
  world.meanwhile = nullptr;
  world.ran.clear();
  boot("boot-2");
  EXPECT_EQ(
      reconcile(machine, world, task, asker("reconciler"), 1).answer->result,
      AdvanceResult::advanced);
  EXPECT_EQ(world.ran, (Names{"end merge run-2", "probe merge"}));
}

TEST_F(Advance, orphan_that_cannot_be_ended_blocks) {
  struct Crash {};
  world.meanwhile = [&](const std::string &what) {
    if (what == "step merge")
      throw Crash{};
  };
  EXPECT_THROW(go(), Crash);
  world.meanwhile = nullptr;
  world.ran.clear();
  world.previous_alive["merge"] = true;
  boot("boot-2");
  EXPECT_EQ(
      reconcile(machine, world, task, asker("reconciler"), 1).answer->result,
      AdvanceResult::blocked);
  EXPECT_TRUE(world.ran.empty())
      << "nothing is probed while the old process may still act";
}

TEST_F(Advance, reaped_owner_is_fenced_at_its_next_step) {
  world.meanwhile = [&](const std::string &what) {
    if (what != "step retest")
      return;
    fb::LeaseReclaimedT event;
    event.key = task_key(task);
    event.token = raw(machine.state().lease(event.key)->token);
    event.reason = fb::ReclaimReason::forced;
    ASSERT_EQ(machine.propose(propose_group(asker("operator"), event)).outcome,
              Outcome::accepted);
  };
  EXPECT_EQ(go().result, AdvanceResult::deferred);
  EXPECT_EQ(count("step merge"), 0u);
  EXPECT_FALSE(held("repo:shop")) << "what it still held is given back";
}

TEST_F(Advance, cancel_in_mid_crossing_stops_before_the_merge) {
  world.meanwhile = [&](const std::string &what) {
    if (what == "step retest")
      request_cancel();
  };
  go();
  EXPECT_EQ(count("step merge"), 0u);
  EXPECT_NE(stage(), "deploy");
}

TEST_F(Advance, cancel_during_the_merge_finishes_it_honestly) {
  world.meanwhile = [&](const std::string &what) {
    if (what == "step merge")
      request_cancel();
  };
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  ASSERT_EQ(stage(), "archived");
  EXPECT_EQ(machine.archive().at(0).task.stage, "cancelled")
      << "deploy is not terminal, so the cancel is carried out";
}

TEST_F(Advance, ownership_switched_on_in_mid_flight_makes_the_token_stale) {
  set("ownership.enabled", false);
  world.meanwhile = [&](const std::string &what) {
    if (what == "step retest")
      set("ownership.enabled", true);
  };
  EXPECT_EQ(go().result, AdvanceResult::deferred);
  EXPECT_EQ(count("step merge"), 0u);
}

TEST_F(Advance, ownership_off_marks_what_was_not_checked) {
  set("ownership.enabled", false);
  EXPECT_EQ(go().result, AdvanceResult::advanced);
  const auto &transition = machine.lines()[machine.lines().size() - 2];
  EXPECT_EQ(transition.record.record().event_type(),
            fb::Event::StageTransition);
  EXPECT_TRUE(transition.applied.unchecked);
}

TEST_F(Advance, reconciler_asks_the_gate_then_queues_then_blocks) {
  fb::JobFinishedT finished;
  finished.job = raw(job);
  finished.attempt = 1;
  finished.result = fb::JobResult::done;
  machine.propose(propose_group(asker("monitor"), finished));
  world.gate_green[task] = false;
  EXPECT_EQ(reconcile(machine, world, task, asker("reconciler"), 1).move,
            ReconcileMove::ask_gate);
  EXPECT_EQ(last_records(1), (Names{"JobQueued:accepted"}));
  EXPECT_EQ(reconcile(machine, world, task, asker("reconciler"), 1).move,
            ReconcileMove::none);
}

TEST_F(Advance, old_version_drives_nothing) {
  const Version old = version();
  go();
  world.ran.clear();
  const AdvanceAnswer answer =
      advance(machine, world,
              {.task = task, .version = old, .asker = asker("monitor")});
  EXPECT_EQ(answer.result, AdvanceResult::waiting);
  EXPECT_EQ(answer.reason, "moved_on");
  EXPECT_TRUE(world.ran.empty());
}

} // namespace
} // namespace pawl
