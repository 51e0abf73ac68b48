// A log with one task under way, and verbs for telling a story about it: the real engine, in virtual time.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "engine/policies/advance.h"
#include "engine/policies/reaper.h"
#include "engine/policies/reconciler.h"
#include "tools/simulation/direct_machine.h"
#include "tools/simulation/scripted_world.h"

namespace pawl {

using Names = std::vector<std::string>;

/// A log with one task on deploy-staging whose job is running, and verbs for telling a story about it.
class Story : public testing::Test {
 protected:
  Story() {
    machine.set_now(TimeUs{1'767'225'600 * us_per_s});
    world.pass_time = [this](std::int64_t us) { machine.set_now(TimeUs{machine.now().us + us}); };
    boot("boot-1");
    machine.propose(propose_group(requester("pawld"), pipeline_event(pipeline_with_probe())));
    stand_on("deploy-staging");
  }

  void TearDown() override { EXPECT_TRUE(machine.replay()) << "the records do not lead to the same digests"; }

  static Pipeline pipeline_with_probe() {
    Pipeline pipeline = default_pipeline();
    for (Stage& stage : pipeline.stages) {
      for (PipelineStep& step : stage.steps) {
        if (step.name == "merge") {
          step.probe = {"probe"};
          step.not_done_exit_codes = {3};
          step.timeout_s = 60;
          step.settle_s = 30;
        }
      }
    }
    return pipeline;
  }

  Requester requester(const std::string& actor) const {
    return {.boot = boot_id, .actor = actor, .key = {}, .request = {}};
  }

  void boot(const std::string& id) {
    boot_id = id;
    fb::BootStartedT event;
    event.name = "pawld";
    event.boot_id = id;
    event.pid = 1;
    event.host = "host";
    event.version = "test";
    machine.propose(propose_group(requester("pawld"), event));
  }

  void stand_on(const std::string& stage) {
    fb::TaskCreatedT event;
    event.work_item = "W-" + std::to_string(machine.lines().size());
    event.repo = "shop";
    event.branch = "w";
    event.stage = stage;
    const Decision decision = machine.propose(propose_group(requester("operator"), event));
    ASSERT_EQ(decision.outcome, Outcome::accepted);
    task = TaskId{decision.effects.front().id};
    if (decision.effects.size() < 2) return;
    job = JobId{decision.effects.back().id};
    fb::JobClaimedT claim;
    claim.job = raw(job);
    claim.owner = owner("executor");
    ASSERT_EQ(machine.propose(propose_group(requester("executor"), claim)).outcome, Outcome::accepted);
  }

  std::unique_ptr<fb::OwnerT> owner(const std::string& actor) const {
    auto owner = std::make_unique<fb::OwnerT>();
    owner->boot_id = boot_id;
    owner->pid = 1;
    owner->actor = actor;
    return owner;
  }

  AdvanceAnswer go(AdvanceRequest::OnRed on_red = AdvanceRequest::OnRed::roll_back_or_retry,
                   const std::string& actor = "monitor") {
    return advance(machine, world,
                   {.task = task, .version = version(), .requester = requester(actor), .pid = 1, .on_red = on_red});
  }

  /// The job's agent has exited.
  void exited(std::int64_t code = 0) {
    fb::RunExitedT event;
    event.job = raw(job);
    event.attempt = 1;
    event.exit_code = code;
    ASSERT_EQ(machine.propose(propose_group(requester("monitor"), event)).outcome, Outcome::accepted);
  }

  Decision acquire(const std::string& key, const std::string& actor) {
    fb::LeaseAcquiredT event;
    event.key = key;
    event.owner = owner(actor);
    return machine.propose(propose_group(requester(actor), event));
  }

  void set(const std::string& key, const SettingValue& value) {
    fb::SettingChangedT event;
    event.key = key;
    event.value = std::make_unique<fb::SettingValueT>(setting_value_event(value));
    ASSERT_EQ(machine.propose(propose_group(requester("operator"), event)).outcome, Outcome::accepted);
  }

  /// Lets the pause between two tries of a job go by.
  void wait_for_retry() { machine.set_now(plus_s(machine.now(), machine.state().settings().job.retry_delay_max_s)); }

  void request_cancel() {
    fb::CancelRequestedT event;
    event.task = raw(task);
    machine.propose(propose_group(requester("operator"), event));
  }

  const Task* row() const { return machine.state().tasks.find(task); }
  Version version() const { return row() ? row()->version : Version{0}; }
  std::string stage() const { return row() ? row()->stage : "archived"; }
  JobStatus job_status() const { return machine.state().jobs.find(job)->status; }
  bool held(const std::string& key) const { return machine.state().lease(key) != nullptr; }
  std::size_t count(const std::string& what) const {
    return static_cast<std::size_t>(std::count(world.ran.begin(), world.ran.end(), what));
  }
  /// "Type:outcome" of the last `n` records.
  std::vector<std::string> last_records(std::size_t n) const {
    std::vector<std::string> names;
    for (std::size_t i = machine.lines().size() - n; i < machine.lines().size(); ++i) {
      const auto& line = machine.lines()[i];
      names.push_back(std::string(fb::EnumNameEvent(line.record.record().event_type())) + ":" +
                      std::string(name(line.applied.outcome)));
    }
    return names;
  }

  DirectMachine machine;
  ScriptedWorld world;
  std::string boot_id;
  TaskId task{};
  JobId job{};
};

}  // namespace pawl
