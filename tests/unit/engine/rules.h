// The fixture of the engine's tests: a log with a daemon and a worker, the default pipeline, and verbs for telling a
// story.
//
// Everything a test proposes goes through decide(). Each group is then applied twice more, to separate states: by
// reapply(), which must give the same digests, and by check_group(), which checks every invariant of SPEC §14 after
// every record. At the end the rows are loaded into a fresh state, which must have the same digest and the same
// indexes. And if a group makes a job claimable, one of its records says so. So each test also proves replay, the
// invariants, the derived indexes and the wake-ups.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "engine/forensics/invariants.h"
#include "engine/rules/group.h"

namespace pawl {

/// Who proposes.
struct Who {
  std::string boot = "daemon-1";
  std::string actor = "monitor";
  std::string principal = {};  // empty: the daemon itself
};

class Rules : public testing::Test {
 protected:
  static constexpr std::int64_t start_s = 1'767'225'600;  // 2026-01-01T00:00:00Z

  /// A daemon and a worker have started, `delivery` is defined, and the queue is wide: it limits only tests that ask
  /// for it.
  Rules();
  void TearDown() override;

  // A proposal and its result.

  /// Decides a group. The answer lives as long as the test.
  const Decided& ask(Group group);
  template <class EventT>
  const Decided& ask(const EventT& event, const Who& who = {}) {
    return ask(propose_group(requester(who), event));
  }
  /// Like ask(), but it must be accepted.
  template <class EventT>
  const Decided& must(const EventT& event, const Who& who = {}) {
    const Decided& decided = ask(event, who);
    EXPECT_EQ(name(decided.outcome), name(Outcome::accepted)) << decided.applied[decided.deciding].detail;
    return decided;
  }
  /// Like ask(), but it must be refused with `outcome`, without changes or effects.
  template <class EventT>
  const Decided& refuses(Outcome outcome, const EventT& event, const Who& who = {}) {
    const std::uint64_t digest = state.digest();
    const Decided& decided = ask(event, who);
    EXPECT_EQ(name(decided.outcome), name(outcome)) << decided.applied[decided.deciding].detail;
    EXPECT_EQ(state.digest(), digest);
    EXPECT_TRUE(effects_of(decided).empty());
    return decided;
  }
  static Requester requester(const Who& who) {
    return {.boot = who.boot, .actor = who.actor, .key = {}, .request = {}, .principal = who.principal};
  }
  /// All effects of a group, in order.
  static Effects effects_of(const Decided& decided);
  /// "TaskCancelled", …: the types of a group's records, in order.
  static std::vector<std::string> types_of(const Decided& decided);
  bool has_effect(const Decided& decided, EffectKind kind) const;

  // Verbs: each is accepted.

  void pass_s(std::int64_t seconds) { now = plus_s(now, seconds); }
  void boot(const std::string& boot_id, const std::string& boot_name);
  void set(const std::string& key, const SettingValue& value);
  /// A task with its own work item.
  TaskId create(const std::string& stage = "analysis", const std::string& repo = "shop");
  /// The queued or running job of the task's version.
  JobId job_of(TaskId id) const;
  /// Claims the task's job for the worker; returns it.
  JobId claim(TaskId id);
  void move(TaskId id, const std::string& to, std::optional<Token> token = std::nullopt);
  Token lease(const std::string& key, const Who& who = {}, std::optional<std::int64_t> ttl_s = std::nullopt);
  Token lease(TaskId task, const Who& who = {}) { return lease(task_key(task), who); }
  void release(const std::string& key, Token token);
  /// Starts a step of the edge from where the task stands; returns the seq of its start.
  Seq start_step(TaskId id, const std::string& step, std::optional<Token> token,
                 std::optional<Token> repo_token = std::nullopt, const Who& who = {});
  void finish_step(TaskId id, const std::string& step, Seq started, fb::StepOutcome outcome = fb::StepOutcome::done);
  /// A whole step, done.
  void do_step(TaskId id, const std::string& step, std::optional<Token> token,
               std::optional<Token> repo_token = std::nullopt);
  void block(TaskId id);
  void request_cancel(TaskId id);
  /// A finished task, in memory as long as its lease is held.
  TaskId create_done();
  /// A task on deploy-staging whose merge has begun, with everything that requires.
  struct Crossing {
    TaskId task;
    Token token;
    Token repo_token;
    Seq started;
  };
  Crossing create_committed();

  /// Changes rows behind the rules' back, for refusals that no sequence of events can reach. From then on, invariants
  /// are not checked: such rows break them.
  void tamper(const std::function<void(State&)>& change);

  const Task& task(TaskId id) const { return *state.tasks.find(id); }
  const Job& job(JobId id) const { return *state.jobs.find(id); }
  std::uint64_t version(TaskId id) const { return raw(task(id).version); }

  const Who worker{.boot = "worker-1", .actor = "worker"};

  State state;
  TimeUs now{start_s * us_per_s};
  std::uint32_t rules_in_force = rules_version;  // that decide

 private:
  /// Each group that makes a job claimable wakes those who wait for one.
  void expect_told(const std::set<JobId>& claimable_before, const Decided& decided) const;

  std::deque<Decided> history_;
  State replayed_;
  State checked_;
  std::uint64_t work_items_ = 0;
  bool tampered_ = false;
};

// Events as tests write them.

std::unique_ptr<fb::OwnerT> owner_of(const Who& who);
fb::BootStartedT boot_started(const std::string& boot_id, const std::string& boot_name);
fb::BootEndedT boot_ended(const std::string& boot_id);
fb::SettingChangedT setting_changed(const std::string& key, const SettingValue& value);
fb::TaskCreatedT task_created(const std::string& work_item, const std::string& stage = "");
fb::StageTransitionT transition(TaskId task, const std::string& to, std::optional<std::uint64_t> expected_version,
                                std::optional<Token> token = std::nullopt);
fb::LeaseAcquiredT lease_acquired(const std::string& key, const Who& who = {},
                                  std::optional<Token> token = std::nullopt);
fb::LeaseReleasedT lease_released(const std::string& key, std::optional<Token> token);
fb::LeaseReclaimedT lease_reclaimed(const std::string& key, std::optional<Token> token,
                                    fb::ReclaimReason reason = fb::ReclaimReason::forced);
fb::JobQueuedT job_queued(TaskId task);
fb::JobClaimedT job_claimed(JobId job, const Who& who);
fb::RunStartedT run_started(JobId job, std::uint64_t attempt, std::int64_t pid = 4242);
fb::RunExitedT run_exited(JobId job, std::uint64_t attempt, std::int64_t exit_code = 0);
fb::JobFinishedT job_finished(JobId job, std::uint64_t attempt, fb::JobResult result);
fb::PreviousGoneT previous_gone(JobId job, std::int64_t pid);
fb::JobReapedT job_reaped(JobId job, std::uint64_t attempt, fb::Tier tier, std::optional<Token> lease_seen,
                          fb::JobResult outcome = fb::JobResult::retry);
fb::FinalizerMarkedT finalizer_marked(JobId job);
fb::FinalizerClearedT finalizer_cleared(JobId job);
fb::GateEvaluatedT gate_evaluated(TaskId task, std::uint64_t version, std::optional<bool> passed);
fb::StepStartedT step_started(TaskId task, std::uint64_t version, const std::string& to, const std::string& step,
                              std::optional<Token> token, std::optional<Token> repo_token = std::nullopt);
fb::StepFinishedT step_finished(TaskId task, std::uint64_t version, const std::string& step, Seq started,
                                fb::StepOutcome outcome = fb::StepOutcome::done);
fb::TaskBlockedT task_blocked(TaskId task, std::uint64_t version, std::optional<Token> token = std::nullopt);
fb::TaskUnblockedT task_unblocked(TaskId task);
fb::CancelRequestedT cancel_requested(TaskId task);
fb::TaskCancelledT task_cancelled(TaskId task);
fb::TaskNoteT task_note(TaskId task);

}  // namespace pawl
