// The daemon without its threads and sockets: the real decisions, batches and log, and a fiber for each of its threads.
// What the executor and the reaper's loop do around the policies is told again here, thread by thread; the policies,
// the way over an edge and the recovery are those of the engine.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "engine/policies/advance.h"
#include "engine/policies/reaper.h"
#include "engine/policies/reconciler.h"
#include "store/commit/batch.h"
#include "store/commit/clock.h"
#include "store/open.h"
#include "tests/world/story.h"

namespace pawl::hostile {

constexpr const char* daemon_machine = "alpha";

/// Calls off what somebody waits for.
struct CallOff {
  bool called = false;
  ActorId waiter = 0;
};

class Daemon final : public Machine {
 public:
  Daemon(Story& story, std::unique_ptr<MemoryLog> log, Opened opened, std::string boot_id);
  ~Daemon() override;
  void begin();

  // Machine, for the daemon's own actors
  Decision propose(Group group) override;
  std::optional<TaskView> view(TaskId task) override;
  TimeUs now() const override;

  // The turns of its sequencer.
  bool can_decide() const { return !inbox_.empty(); }
  void decide_some();
  bool can_hand_over() const { return !in_flight_ && !decider_.batch().empty(); }
  void hand_over() { in_flight_ = decider_.hand_over(); }
  bool can_sync() const { return in_flight_.has_value(); }
  /// `io`: the log could not be written, and the daemon has to end.
  Result<void> sync();
  void checkpoint();

  MemoryLog& log() { return *log_; }
  const std::string& boot_id() const { return boot_id_; }
  bool serves() const { return serves_; }

  // For those outside, once it serves.

  void submit(WriteRequest write) { inbox_.push_back({std::move(write), std::nullopt}); }
  void read(ReadRequest read) { inbox_.push_back({std::nullopt, std::move(read)}); }
  void advance(AdvanceOrder order, std::function<void(AdvanceAnswer)> done);
  void lock_step(StepPlace place, std::string run, std::function<void(std::shared_ptr<StepLock>)> done);
  bool is_passed_over(JobId job) const { return running_.contains(job) || leftovers_.contains(job); }
  /// The state as it was decided so far: only for what is asked of nobody's word.
  const State& decided() const { return decider_.state(); }

 private:
  struct Item {
    std::optional<WriteRequest> write;
    std::optional<ReadRequest> read;
  };
  struct RunningJob {
    std::uint64_t attempt = 0;
    CallOff off;
    bool ended = false;
  };
  struct OutsideRun {
    std::int64_t pid = 0;
    std::int64_t pid_start = 0;
    std::string boot;
  };
  struct Claim {
    JobId job{};
    std::uint64_t attempt = 0;
    TaskId task{};
    std::string stage;
    std::int64_t timeout_s = 0;
  };
  class Sight;  // the World: daemon_world.cc

  template <class Look>
  auto ask(Look look) -> decltype(look(std::declval<const State&>()));
  Asker asker(const std::string& actor) const;
  std::int64_t pid() const { return process_->pid; }
  void start_up();
  void post(std::function<void()> work);
  void listen(const fb::Record& record, const Applied& applied);
  void note(const fb::Record& record, const Applied& applied);
  void call_off(const Effect& end_group, const fb::Record& record);

  // The executor: executor.cc
  void run_executor();
  void claim_jobs();
  std::optional<JobId> claimable();
  std::optional<Claim> claim(JobId job);
  void run_job(JobId job, const Claim& claim);
  bool run_agent(const Claim& claim);
  bool record_exit(const Claim& claim, std::int64_t code);
  bool is_ours(JobId job, std::uint64_t attempt);
  bool monitor_waits(JobId job, std::uint64_t attempt);
  void monitor_once(JobId job, std::uint64_t attempt);
  void finish_job(JobId job, std::uint64_t attempt, fb::JobResult result);
  void drive(TaskId task);
  void post_drive(TaskId task, bool again);
  void retry_leftovers();
  void end_outside(const OutsideRun& run);
  void end_what_earlier_boots_left();

  // The reaper's loop: reaper_loop.cc
  void run_reaper();
  void reap_pass();
  void reclaim_leases();

  // What processes of its own it runs: daemon_world.cc
  std::string new_run(const ProcessPtr& process, std::optional<JobId> job);
  /// Lets a process meet its fate, until it is dead. `gone`: nothing that it started is left.
  CommandExit go(const ProcessPtr& process, const std::string& run, const Fate& fate, std::int64_t timeout_s,
                 const CallOff& off, bool& gone);
  bool end_run(const std::string& run, Us within);
  Us kill_after() const { return decider_.state().settings().stop.kill_after_s * second; }

  Story& story_;
  Scheduler& scheduler_;
  const std::string boot_id_;
  ProcessPtr process_;
  std::unique_ptr<MemoryLog> log_;
  Chain chain_;
  mutable Clock clock_;
  std::optional<Seq> torn_at_;
  Decider decider_;
  std::deque<Item> inbox_;
  std::optional<DecidedBatch> in_flight_;
  std::uint64_t records_since_checkpoint_;
  std::uint64_t checkpoints_ = 1;
  std::unique_ptr<Sight> world_;
  bool serves_ = false;

  ActorId executor_ = 0;
  ActorId reaper_ = 0;
  bool jobs_changed_ = true;
  bool settings_changed_ = true;
  std::set<TaskId> flagged_;
  std::set<JobId> flagged_jobs_;
  std::map<JobId, std::uint64_t> exited_;
  std::uint64_t leases_freed_ = 0;
  std::set<ActorId> lease_waiters_;
  std::map<JobId, RunningJob> running_;
  std::map<JobId, std::vector<std::string>> leftovers_;
  std::map<JobId, OutsideRun> outside_runs_;
  std::set<TaskId> driven_;
  std::set<TaskId> drive_again_;
  std::set<TaskId> waiting_for_lease_;
  std::map<JobId, std::uint64_t> exits_waiting_for_lease_;
  std::set<std::int64_t> children_;  // pids of agents that an actor of ours waits for
  std::map<std::uint64_t, std::pair<TaskId, CallOff*>> gates_;
  std::map<std::uint64_t, std::pair<TaskId, CallOff*>> steps_;  // and probes
  std::uint64_t next_listed_ = 1;
  bool stop_enabled_ = true;
  bool reconciler_enabled_ = true;
  Streaks streaks_;
  std::set<JobId> finishing_;
};

/// Waits for an answer on behalf of the actor at hand.
template <class Value>
struct Slot {
  std::optional<Value> value;
  bool answered = false;
  ActorId actor = 0;
};

template <class Look>
auto Daemon::ask(Look look) -> decltype(look(std::declval<const State&>())) {
  using Value = decltype(look(std::declval<const State&>()));
  auto slot = std::make_shared<Slot<Value>>();
  slot->actor = scheduler_.self();
  read({.look = [slot, look](const State& state) { slot->value.emplace(look(state)); },
        .done =
            [this, slot] {
              slot->answered = true;
              scheduler_.wake(slot->actor);
            }});
  while (!slot->answered) scheduler_.wait();
  return std::move(*slot->value);
}

}  // namespace pawl::hostile
