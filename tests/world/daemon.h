// The daemon without its sockets: the real decisions, batches and log, and the real driver of jobs, paths and passes
// (pawl_work), with fibers as threads and a system that the seed makes up.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "daemon/work/executor.h"
#include "daemon/work/freeze_planner.h"
#include "daemon/work/reaper_loop.h"
#include "store/commit/clock.h"
#include "store/commit/desk.h"
#include "store/open.h"
#include "tests/world/story.h"
#include "tests/world/system.h"

namespace pawl::hostile {

/// So few that the administrator's limit is usually higher.
constexpr std::size_t jobs_at_once = 5;

class Daemon final : public Desk {
 public:
  Daemon(Story& story, std::unique_ptr<MemoryLog> log, Opened opened, std::string boot_id);
  ~Daemon() override;
  void begin();
  /// As on SIGTERM: stops serving, and ends what runs in order. Called once.
  void begin_end();
  /// It has ended, and everything it decided is durable.
  bool has_ended() const { return has_ended_ && inbox_.empty() && !in_flight_ && decider_.batch().empty(); }
  /// It is killed: its fibers are about to be ended where they are.
  void abandon() { system_.abandon(); }

  // Desk, for the daemon's own fibers
  Decision propose(Group group) override;
  std::optional<TaskView> view(TaskId task) override;
  TimeUs now() const override;
  void look(const std::function<void(const State&)>& look) override;
  std::optional<Decision> propose_if(Group group, std::function<bool(const State&)> holds) override;
  std::uint64_t subscribe(std::function<void(std::span<const Published>)> listener) override;
  void unsubscribe(std::uint64_t id) override { listeners_.erase(id); }

  // The turns of its sequencer.
  bool can_decide() const { return !inbox_.empty(); }
  void decide_some();
  bool can_hand_over() const { return !in_flight_ && !decider_.batch().empty(); }
  void hand_over() { in_flight_ = decider_.hand_over(); }
  bool can_sync() const { return in_flight_.has_value(); }
  /// `io`: the log could not be written, and the daemon must end.
  Result<void> sync();
  void checkpoint();

  /// No fiber can go on, and the daemon serves.
  void check_idle() {
    system_.check_idle({.passes = reaper_->totals().passes,
                        .jobs_at_work = executor_->jobs_at_work(),
                        .jobs_at_once = jobs_at_once,
                        .waiting_for_lease = executor_->waiting_for_lease(),
                        .driven = executor_->driven(),
                        .being_prepared = executor_->being_prepared()});
  }

  MemoryLog& log() { return *log_; }
  const std::string& boot_id() const { return boot_id_; }
  bool serves() const { return serves_; }

  // For outside actors, once it serves.

  void submit(WriteRequest write) { inbox_.push_back({std::move(write), std::nullopt}); }
  void read(ReadRequest read) { inbox_.push_back({std::nullopt, std::move(read)}); }
  void advance(AdvanceRequest request, std::function<void(AdvanceAnswer)> done) {
    executor_->advance(std::move(request), std::move(done));
  }
  void lock_step(StepKey place, std::string run, std::function<void(std::shared_ptr<StepLock>)> done) {
    executor_->lock_step(std::move(place), std::move(run), std::move(done));
  }
  void take_side(TaskId task, Side side, std::function<void(Result<Worktree>)> done) {
    executor_->take_side(task, side, std::move(done));
  }
  void pass_now() {
    reaper_->pass_now([this, before = system_.running_attempts()](const ReaperPass& pass) {
      system_.check_pass(before, pass);
      story_.mark(Mark::pass_on_request);
    });
  }
  /// As in the production sequencer.
  std::optional<TimeUs> told_until() const {
    const LogTime now = clock_.read();
    return now.asleep_us - asleep_told_us_ < shortest_gap_us ? std::optional(now.time) : std::nullopt;
  }
  bool is_skipped(JobId job) const { return executor_ && executor_->is_skipped(job); }
  /// The state as decided so far: only for what does not depend on anyone's report.
  const State& decided() const { return decider_.state(); }

 private:
  struct Item {
    std::optional<WriteRequest> write;
    std::optional<ReadRequest> read;
  };
  void start_up();
  void hurry();
  std::optional<Decision> decide(WriteRequest write);

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
  std::int64_t asleep_told_us_ = 0;  // durably
  std::uint64_t records_since_checkpoint_;
  std::uint64_t checkpoints_ = 1;
  std::map<std::uint64_t, std::function<void(std::span<const Published>)>> listeners_;
  std::uint64_t next_listener_ = 1;
  bool serves_ = false;
  bool is_finishing_ = false;  // running work may finish
  bool is_draining_ = false;
  bool has_ended_ = false;

  HostileSystem system_;
  std::unique_ptr<Executor> executor_;
  std::unique_ptr<ReaperLoop> reaper_;
  std::unique_ptr<FreezePlanner> planner_;
};

/// Waits for an answer on behalf of the current actor.
template <class Value>
struct Slot {
  std::optional<Value> value;
  bool answered = false;
  ActorId actor = 0;
};

}  // namespace pawl::hostile
