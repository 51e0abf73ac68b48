// Interference between any two looks of a path at the log, tried at every such moment. Whatever happens in between, an
// irreversible step takes effect once, a path that lost the lease ends no one's step, and the path leaves no lease
// held.
#include <algorithm>

#include "tests/unit/engine/story.h"

namespace pawl {
namespace {

/// A machine on which something happens at the n-th call, before it is answered.
class Meddled final : public Machine {
 public:
  Meddled(DirectMachine& machine, std::size_t at, std::function<void()> what)
      : machine_(machine), at_(at), what_(std::move(what)) {}

  Decision propose(Group group) override {
    count();
    return machine_.propose(std::move(group));
  }
  std::optional<TaskView> view(TaskId task) override {
    count();
    return machine_.view(task);
  }
  TimeUs now() const override { return machine_.now(); }

  bool has_happened() const { return calls_ > at_; }

 private:
  void count() {
    if (calls_++ == at_) what_();
  }

  DirectMachine& machine_;
  std::size_t at_;
  std::function<void()> what_;
  std::size_t calls_ = 0;
};

constexpr const char* workers_run = "run-of-the-worker";

/// One story, told once for every moment.
class Told final : public Story {
 public:
  void TestBody() override {}

  template <class Event>
  bool ask(const std::string& actor, const Event& event) {
    return machine.propose(propose_group(requester(actor), event)).outcome == Outcome::accepted;
  }
  void take_leases_by_force() {
    for (const std::string& key : {task_key(task), repo_key("shop")}) {
      const Lease* lease = machine.state().lease(key);
      if (!lease) continue;
      fb::LeaseReclaimedT event;
      event.key = key;
      event.token = raw(lease->token);
      event.reason = fb::ReclaimReason::forced;
      EXPECT_TRUE(ask("operator", event));
    }
  }
  void move_back() {
    fb::StageTransitionT event;
    event.task = raw(task);
    event.to = "development";
    event.expected_version = raw(version());
    ask("operator", event);
  }
  void block() {
    fb::TaskBlockedT event;
    event.task = raw(task);
    event.version = raw(version());
    event.reason = "an operator wants to look";
    ask("operator", event);
  }
  /// Another worker takes the leases and begins the first step that can begin; from then on the step stays in progress.
  void enter() {
    const Decision lease = acquire(task_key(task), "worker");
    const Decision repo = acquire(repo_key("shop"), "worker");
    const auto token = lease.granted(task_key(task));
    if (!token) return;
    fb::StepStartedT start;
    start.task = raw(task);
    start.version = raw(version());
    start.to = "deploy";
    start.token = raw(*token);
    start.run = workers_run;
    if (const auto granted = repo.granted(repo_key("shop"))) start.repo_token = raw(*granted);
    for (const char* step : {"retest", "merge"}) {
      start.step = step;
      const Decision started = machine.propose(propose_group(requester("worker"), start));
      if (started.outcome != Outcome::accepted) continue;
      begun = started.seq;
      return;
    }
  }
  void exit_with(std::int64_t code) {
    fb::RunExitedT event;
    event.job = raw(job);
    event.attempt = 1;
    event.exit_code = code;
    EXPECT_TRUE(ask("monitor", event));
    machine.set_now(plus_s(machine.now(), 300));
  }

  std::size_t merges() const { return count("step merge"); }
  bool merge_may_run_again() const {
    const auto probe = world.probe_exit.find("merge");
    return probe != world.probe_exit.end() && probe->second == 1;
  }
  /// Whether the worker's step is still as begun, and no one asked to end its process.
  bool is_left_alone() const {
    if (!row() || world.ended_runs.contains(workers_run)) return false;
    return std::any_of(row()->steps.begin(), row()->steps.end(), [this](const StepRow& step) {
      return step.started == begun && step.state == StepState::started;
    });
  }

  Seq begun{};  // the start of the worker's step

  using Story::boot;
  using Story::held;
  using Story::job;
  using Story::machine;
  using Story::request_cancel;
  using Story::requester;
  using Story::set;
  using Story::stage;
  using Story::task;
  using Story::version;
  using Story::world;
};

struct Meddling {
  const char* name;
  std::function<void(Told&)> act;
};

const std::vector<Meddling>& meddlings() {
  static const std::vector<Meddling> all = {
      {"the leases are taken by force", [](Told& told) { told.take_leases_by_force(); }},
      {"and the task is moved on",
       [](Told& told) {
         told.take_leases_by_force();
         told.move_back();
       }},
      {"and another worker enters",
       [](Told& told) {
         told.take_leases_by_force();
         told.enter();
       }},
      {"and another worker enters, and is gone",
       [](Told& told) {
         told.take_leases_by_force();
         told.enter();
         told.take_leases_by_force();
         told.begun = Seq{0};  // the next path may settle it
       }},
      {"and the task is blocked",
       [](Told& told) {
         told.take_leases_by_force();
         told.block();
       }},
      {"it is cancelled", [](Told& told) { told.request_cancel(); }},
      {"ownership is switched off, and an operator moves it on",
       [](Told& told) {
         told.set("ownership.enabled", false);
         told.move_back();
       }},
      {"the owner's boot is over", [](Told& told) { told.boot("boot-2"); }},
  };
  return all;
}

struct Outside {
  const char* name;
  std::function<void(Told&)> is;
};

const std::vector<Outside>& outsides() {
  const auto ends = [](const char* step, CommandExit exit) {
    return [step, exit](Told& told) { told.world.step_exit[step] = exit; };
  };
  const auto unknown = [](std::int64_t probe) {
    return [probe](Told& told) {
      told.world.step_exit["merge"] = {.how = CommandExit::How::timed_out};
      told.world.probe_exit["merge"] = probe;
    };
  };
  static const std::vector<Outside> all = {
      {"all is well", [](Told&) {}},
      {"the gate is red", [](Told& told) { told.world.gate_green[told.task] = false; }},
      {"the gate is in error", [](Told& told) { told.world.gate_green[told.task] = std::nullopt; }},
      {"the retest fails", ends("retest", {.how = CommandExit::How::exited, .code = 1})},
      {"the merge vouches that it did nothing", ends("merge", {.how = CommandExit::How::exited, .code = 3})},
      {"the merge is unknown, and happened", unknown(0)},
      {"the merge is unknown, and did not happen", unknown(1)},
      {"the merge is unknown to all", unknown(2)},
      {"what ran before cannot be ended", [](Told& told) { told.world.previous_alive["merge"] = true; }},
  };
  return all;
}

/// Tells the story once for each moment at which `meddling` can strike, until the story ends before it.
void at_every_moment(const Outside& outside, const Meddling& meddling,
                     const std::function<void(Told&, Machine&)>& path) {
  for (std::size_t at = 0;; ++at) {
    Told told;
    SCOPED_TRACE(std::string(outside.name) + "; " + meddling.name + " at call " + std::to_string(at));
    outside.is(told);
    Meddled machine(told.machine, at, [&] { meddling.act(told); });
    path(told, machine);
    if (!machine.has_happened()) return;

    EXPECT_LE(told.merges(), told.merge_may_run_again() ? 2U : 1U);
    EXPECT_TRUE(told.stage() != "deploy" || told.merges() > 0) << "delivered without a merge";
    for (const auto& [key, lease] : told.machine.state().leases.rows()) EXPECT_EQ(lease.owner.actor, "worker") << key;
    EXPECT_TRUE(told.begun == Seq{0} || told.is_left_alone())
        << "a path that had lost the lease ended the next owner's step";
    EXPECT_TRUE(told.machine.replay()) << "the records do not lead to the same digests";
    if (testing::Test::HasFailure()) return;
  }
}

void with_everything(const std::function<void(Told&, Machine&)>& path) {
  for (const Outside& outside : outsides()) {
    for (const Meddling& meddling : meddlings()) {
      at_every_moment(outside, meddling, path);
      if (testing::Test::HasFailure()) return;
    }
  }
}

TEST(Meanwhile, the_one_path_is_met_at_every_moment) {
  with_everything([](Told& told, Machine& machine) {
    advance(machine, told.world,
            {.task = told.task,
             .version = told.version(),
             .requester = told.requester("monitor"),
             .pid = 1,
             .on_red = AdvanceRequest::OnRed::roll_back_or_retry});
  });
}

TEST(Meanwhile, the_exit_zero_rule_is_met_at_every_moment) {
  with_everything([](Told& told, Machine& machine) {
    told.exit_with(0);
    Streaks streaks;
    reap_job(machine, told.world, told.task, told.job, streaks, told.requester("reaper"), 1);
  });
}

TEST(Meanwhile, the_reconciler_is_met_at_every_moment) {
  with_everything([](Told& told, Machine& machine) {
    fb::JobFinishedT finished;
    finished.job = raw(told.job);
    finished.attempt = 1;
    finished.result = fb::JobResult::done;
    EXPECT_TRUE(told.ask("monitor", finished));
    reconcile(machine, told.world, told.task, told.requester("reconciler"), 1);
  });
}

}  // namespace
}  // namespace pawl
