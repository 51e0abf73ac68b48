// Several actors propose random events: plausible ones with mostly, but not always, the right versions, tokens and
// attempts, alone and in groups, while boots come and go, time passes and settings change. After every record all
// invariants are checked, and every group is replayed (tests/unit/engine/rules.h).
//
// A run's number determines it: to repeat one, run with PAWL_SEED=number.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <set>

#include "tests/unit/engine/rules.h"
#include "tests/world/dice.h"

namespace pawl {
namespace {

using hostile::Dice;

/// Coverage over all runs, so that a generator that proposes nothing interesting is noticed.
using Seen = std::map<std::string, std::set<std::string>>;  // outcomes by event

class RandomStory : public Rules {
 public:
  RandomStory(std::uint64_t seed, Seen& seen) : dice_(seed), seen_(seen) {
    set("queue.max_concurrency", std::int64_t{3});
    set("queue.serial_per_repo", dice_.one_in(2));
    if (dice_.one_in(2)) set("job.retry_delay_s", std::int64_t{20});
    boots_ = {"daemon-1", "worker-1"};
  }

  void TestBody() override {}

  void act() {
    if (dice_.one_in(4)) pass_s(static_cast<std::int64_t>(dice_.roll(40)));
    Group group;
    const std::uint64_t size = dice_.one_in(8) ? 1 + dice_.roll(4) : 1;
    while (group.size() < size) group.push_back(dice_.one_in(3) ? purposeful() : something());
    note(ask(std::move(group)));
  }

  void end() { TearDown(); }

 private:
  void note(const Decided& decided) {
    for (std::size_t i = 0; i < decided.records.size(); ++i) {
      seen_[fb::EnumNameEvent(decided.records[i].record().event_type())].insert(
          std::string(name(decided.applied[i].outcome)));
    }
  }

  // Choices among existing things; occasionally among missing ones.

  Who someone() {
    Who who{.boot = dice_.one_in(20) ? dice_.pick(boots_) : current_boot(), .actor = dice_.pick(actors_)};
    if (dice_.one_in(100)) who.boot = "nobody";
    return who;
  }
  std::string current_boot() {
    const Boot* boot = state.boot_named(dice_.pick(boot_names_));
    return boot ? boot->boot_id : dice_.pick(boots_);
  }
  const Task* some_task() {
    std::vector<const Task*> tasks;
    for (const auto& [id, row] : state.tasks.rows()) tasks.push_back(&row);
    return tasks.empty() ? nullptr : dice_.pick(tasks);
  }
  const Job* some_job() {
    std::vector<const Job*> jobs;
    for (const auto& [id, row] : state.jobs.rows()) {
      if (row.status == JobStatus::running || row.status == JobStatus::queued || dice_.one_in(4)) jobs.push_back(&row);
    }
    return jobs.empty() ? nullptr : dice_.pick(jobs);
  }
  TaskId task_id() {
    const Task* task = some_task();
    if (task && !dice_.one_in(30)) return task->id;
    return TaskId{1 + dice_.roll(raw(state.ids.find(0)->next_task) + 1)};
  }
  JobId job_id() {
    const Job* job = some_job();
    if (job && !dice_.one_in(30)) return job->id;
    return JobId{1 + dice_.roll(raw(state.ids.find(0)->next_job) + 1)};
  }
  std::uint64_t version_of(TaskId id) {
    const Task* task = state.tasks.find(id);
    const std::uint64_t version = task ? raw(task->version) : 1;
    return dice_.one_in(12) ? version + dice_.roll(3) - 1 : version;
  }
  std::uint64_t attempt_of(JobId id) {
    const Job* job = state.jobs.find(id);
    const std::uint64_t attempts = job ? job->attempts : 1;
    return dice_.one_in(12) ? attempts + 1 : attempts;
  }
  std::optional<Token> token_of(const std::string& key) {
    const Lease* lease = state.lease(key);
    if (dice_.one_in(10)) return Token{1 + dice_.roll(raw(state.last_seq))};
    if (!lease || dice_.one_in(6)) return std::nullopt;
    return lease->token;
  }
  std::string some_key() {
    if (dice_.one_in(5)) return "any";
    const Task* task = some_task();
    if (!task || dice_.one_in(30)) return "task:77";
    return dice_.one_in(3) ? repo_key(task->repo) : task_key(task->id);
  }
  std::string to_of(TaskId id) {
    const Task* task = state.tasks.find(id);
    const Stage* stage = task && !is_terminal(task->stage) ? state.stage_of(*task) : nullptr;
    if (!stage || dice_.one_in(12)) return dice_.pick(stages_);
    return stage->rollback.empty() || !dice_.one_in(4) ? stage->to : stage->rollback;
  }
  std::string step_to(const std::string& to) {
    if (dice_.one_in(20)) return "launch";
    return to == "done" ? "deploy" : (dice_.one_in(2) ? "retest" : "merge");
  }

  /// The next move of a task's driver on its guarded edge; another actor's if there is no such task.
  Proposal purposeful() {
    if (!state.boot_named("pawld")) return boot_of("pawld", {});
    const Who who = someone();
    const Requester by = requester(who);
    if (!state.indexes.blocked.empty() && dice_.one_in(3)) {
      return propose(by, task_unblocked(*state.indexes.blocked.begin()));
    }
    std::vector<const Task*> guarded;
    for (const auto& [id, row] : state.tasks.rows()) {
      const Stage* stage = state.stage_of(row);
      if (stage && stage->guarded()) guarded.push_back(&row);
    }
    if (guarded.empty()) return something();
    const Task& task = *dice_.pick(guarded);
    const Stage& stage = *state.stage_of(task);
    const std::string repo = repo_key(task.repo);
    if (!state.lease(task_key(task.id))) return propose(by, lease_acquired(task_key(task.id), who));
    if (!state.lease(repo)) return propose(by, lease_acquired(repo, who));
    const Token token = state.lease(task_key(task.id))->token;
    if (const StepRow* open = open_step(task)) {
      return propose(by, step_finished(task.id, raw(open->version), open->step, open->started));
    }
    for (const PipelineStep& step : stage.steps) {
      const bool done = std::any_of(task.steps.begin(), task.steps.end(), [&](const StepRow& row) {
        return row.version == task.version && row.step == step.name && row.state == StepState::done;
      });
      if (done) continue;
      return propose(by,
                     step_started(task.id, raw(task.version), stage.to, step.name, token, state.lease(repo)->token));
    }
    if (dice_.one_in(4)) return propose(by, lease_released(task_key(task.id), token));
    return propose(
        by, transition(task.id, stage.to, raw(task.version), dice_.one_in(4) ? std::nullopt : std::optional(token)));
  }

  Proposal something() {
    const Who who = someone();
    const Requester by = requester(who);
    switch (dice_.roll(34)) {
      case 0:
        return boot_event(who);
      case 1:
        return setting(by);
      case 2:
      case 3:
        return new_task(by);
      case 4:
      case 5:
      case 6:
      case 7: {
        const TaskId id = task_id();
        return propose(by, transition(id, to_of(id), version_of(id), token_of(task_key(id))));
      }
      case 8:
      case 9:
      case 10:
        return lease_wanted(by, who);
      case 11: {
        const std::string key = some_key();
        return propose(by, lease_released(key, token_of(key)));
      }
      case 12: {
        const std::string key = some_key();
        return propose(by, lease_reclaimed(key, token_of(key)));
      }
      case 13:
        return propose(by, job_queued(task_id()));
      case 14:
      case 15:
      case 16:
        return propose(by, job_claimed(job_id(), who));
      case 17: {
        const JobId id = job_id();
        return propose(by, run_started(id, attempt_of(id)));
      }
      case 18: {
        const JobId id = job_id();
        return propose(by, run_exited(id, attempt_of(id), static_cast<std::int64_t>(dice_.roll(2))));
      }
      case 19:
      case 20: {
        const JobId id = job_id();
        return propose(by, job_finished(id, attempt_of(id), static_cast<fb::JobResult>(dice_.roll(4))));
      }
      case 21:
        return reaping(by);
      case 22: {
        const JobId id = job_id();
        return dice_.one_in(2) ? propose(by, finalizer_marked(id)) : propose(by, finalizer_cleared(id));
      }
      case 23: {
        const TaskId id = task_id();
        return propose(by, gate_evaluated(id, version_of(id), dice_.one_in(2)));
      }
      case 24:
      case 25:
      case 26:
        return step_begun(by);
      case 27:
      case 28:
        return step_ended(by);
      case 29:
        return blocking(by);
      case 30:
        return propose(by, task_unblocked(task_id()));
      case 31:
      case 32:
        return turn_changed(by);
      default:
        return ending(by);
    }
  }

  Proposal boot_event(const Who& who) {
    if (dice_.one_in(4)) return propose(requester(who), boot_ended(dice_.one_in(4) ? "nobody" : current_boot()));
    return boot_of(dice_.pick(boot_names_), who);
  }

  Proposal boot_of(const std::string& boot_name, const Who& who) {
    const bool used = dice_.one_in(6);
    const std::string boot_id = used ? dice_.pick(boots_) : "boot-" + std::to_string(boots_.size());
    if (!used) boots_.push_back(boot_id);
    // A daemon registers itself; one that another actor announces is refused.
    const bool itself = boot_name == daemon_name && !dice_.one_in(4);
    return propose(requester(itself ? Who{.boot = boot_id} : who), boot_started(boot_id, boot_name));
  }

  Proposal setting(const Requester& by) {
    switch (dice_.roll(10)) {
      case 9:
        return propose(by, setting_changed("queue.priority_s", static_cast<std::int64_t>(dice_.roll(3) * 30)));
      case 7:
        return propose(
            by, setting_changed("queue.cancelled_dependency", std::string(dice_.one_in(2) ? "hold" : "release")));
      case 8:
        return propose(by, setting_changed("job.retry_delay_s", static_cast<std::int64_t>(dice_.roll(2) * 30)));
      case 0:
        return propose(by, setting_changed("ownership.enabled", !dice_.one_in(3)));
      case 1:
        return propose(by, setting_changed("ownership.repos", dice_.one_in(2) ? std::vector<std::string>{}
                                                                              : std::vector<std::string>{"shop"}));
      case 2:
        return propose(by, setting_changed("pipeline.max_rollbacks", static_cast<std::int64_t>(dice_.roll(4))));
      case 3:
        return propose(by, setting_changed("job.max_attempts", static_cast<std::int64_t>(dice_.roll(4))));
      case 4:
        return propose(by, setting_changed("reaper.max_running_s",
                                           std::int64_t{3'000} + static_cast<std::int64_t>(dice_.roll(1'000))));
      case 5:
        return propose(by, setting_changed("no.such", true));
      default: {
        Pipeline pipeline = default_pipeline();
        if (dice_.one_in(2)) pipeline.stages[2].rollback = "analysis";
        if (dice_.one_in(3)) pipeline.stages[2].to = "qa";
        return propose(by, pipeline_event(pipeline));
      }
    }
  }

  Proposal new_task(const Requester& by) {
    fb::TaskCreatedT event = task_created("W-" + std::to_string(dice_.roll(5)));
    event.repo = dice_.one_in(2) ? "shop" : "other";
    event.stage = dice_.one_in(3) ? "" : dice_.pick(stages_);
    if (dice_.one_in(15)) event.pipeline = "express";
    if (dice_.one_in(4)) event.depends_on = {raw(task_id())};
    if (dice_.one_in(3)) event.priority = some_priority();
    if (dice_.one_in(6)) event.not_before = soon();
    return propose(by, event);
  }

  std::int64_t some_priority() { return static_cast<std::int64_t>(dice_.roll(205)) - 102; }
  std::int64_t soon() { return plus_s(state.last_time, static_cast<std::int64_t>(dice_.roll(100)) - 10).us; }

  Proposal turn_changed(const Requester& by) {
    fb::TaskPrioritizedT event;
    event.task = raw(task_id());
    if (dice_.one_in(2)) event.priority = some_priority();
    if (dice_.one_in(2)) event.not_before = soon();
    event.clear_not_before = dice_.one_in(4);
    return propose(by, event);
  }

  Proposal lease_wanted(const Requester& by, const Who& who) {
    const std::string key = some_key();
    fb::LeaseAcquiredT event = lease_acquired(key, who, dice_.one_in(5) ? token_of(key) : std::nullopt);
    if (dice_.one_in(3)) event.ttl = static_cast<std::int64_t>(1 + dice_.roll(60));
    return propose(by, event);
  }

  Proposal reaping(const Requester& by) {
    const JobId id = job_id();
    const Job* job = state.jobs.find(id);
    // Only the machine itself uses `restart`.
    fb::JobReapedT event = job_reaped(id, attempt_of(id), static_cast<fb::Tier>(dice_.roll(3)),
                                      job ? token_of(task_key(job->task)) : std::nullopt,
                                      dice_.one_in(3) ? fb::JobResult::done : fb::JobResult::retry);
    event.evidence->lease_owner_alive = dice_.one_in(2);
    return propose(by, event);
  }

  Proposal step_begun(const Requester& by) {
    const TaskId id = task_id();
    const Task* task = state.tasks.find(id);
    const std::string to = to_of(id);
    return propose(by, step_started(id, version_of(id), to, step_to(to), token_of(task_key(id)),
                                    token_of(repo_key(task ? task->repo : "shop"))));
  }

  Proposal step_ended(const Requester& by) {
    const TaskId id = task_id();
    const Task* task = state.tasks.find(id);
    const auto outcome = dice_.one_in(2) ? fb::StepOutcome::done : static_cast<fb::StepOutcome>(dice_.roll(3));
    if (!task || task->steps.empty()) return propose(by, step_finished(id, version_of(id), "merge", Seq{1}, outcome));
    const StepRow* open = open_step(*task);
    const StepRow& step = open && !dice_.one_in(4) ? *open : dice_.pick(task->steps);
    return propose(by, step_finished(id, raw(step.version), step.step, step.started, outcome));
  }

  Proposal blocking(const Requester& by) {
    const TaskId id = task_id();
    return propose(by, task_blocked(id, version_of(id), token_of(task_key(id))));
  }

  Proposal ending(const Requester& by) {
    const TaskId id = task_id();
    if (dice_.one_in(3)) return propose(by, task_note(id));
    return dice_.one_in(2) ? propose(by, cancel_requested(id)) : propose(by, task_cancelled(id));
  }

  Dice dice_;
  Seen& seen_;
  std::vector<std::string> boots_;
  const std::vector<std::string> actors_{"monitor", "reaper", "reconciler", "webhook", "worker"};
  const std::vector<std::string> boot_names_{"pawld", "worker", "worker", "another"};
  const std::vector<std::string> stages_{"analysis", "development",    "review", "testing",
                                         "deploy",   "deploy-staging", "done",   "cancelled"};
};

constexpr std::uint64_t runs = 300;
constexpr std::uint64_t groups_per_run = 300;

TEST(Randomly, proposed_events_keep_every_invariant_and_replay) {
  const char* chosen = std::getenv("PAWL_SEED");
  const std::uint64_t first = chosen ? std::strtoull(chosen, nullptr, 10) : 1;
  const std::uint64_t last = chosen ? first : runs;
  Seen seen;
  for (std::uint64_t seed = first; seed <= last; ++seed) {
    RandomStory story(seed, seen);
    for (std::uint64_t i = 0; i < groups_per_run && !testing::Test::HasFailure(); ++i) story.act();
    story.end();
    ASSERT_FALSE(testing::Test::HasFailure()) << "PAWL_SEED=" << seed;
  }
  if (chosen) return;

  // Everything reachable by events was reached: every event was accepted, and every refusal occurred.
  const std::map<std::string, std::set<std::string>> expected = {
      {"BootStarted", {"reserved_name", "duplicate_boot_id", "stale_boot", "unknown_boot"}},
      {"BootEnded", {"unknown_boot"}},
      {"PipelineDefined", {"bad_pipeline"}},
      {"SettingChanged", {"unknown_setting", "bad_value"}},
      {"TaskCreated",
       {"unknown_task", "duplicate_work_item", "relaunch", "unknown_pipeline", "unknown_stage", "bad_priority"}},
      {"TaskPrioritized", {"unknown_task", "terminal", "bad_priority", "bad_time"}},
      {"StageTransition",
       {"unknown_task", "terminal", "version_conflict", "no_such_edge", "committed", "outcome_unknown",
        "steps_unfinished", "blocked", "dependency", "lease_required", "lease_held", "stale_token"}},
      {"LeaseAcquired",
       {"unknown_task", "unknown_boot", "stale_boot", "lease_held", "stale_token", "terminal", "blocked",
        "cancel_requested", "dependency"}},
      {"LeaseReleased", {"not_held", "stale_token"}},
      {"LeaseReclaimed", {"not_held", "stale_token"}},
      {"JobQueued", {"unknown_task", "terminal", "blocked", "cancel_requested", "no_agent", "already_queued"}},
      {"JobClaimed",
       {"unknown_job", "unknown_boot", "stale_boot", "not_queued", "blocked", "dependency", "retry_delay", "not_yet",
        "serial_gate", "limit"}},
      {"RunStarted", {"unknown_job", "not_running", "stale_attempt", "not_owner"}},
      {"RunExited", {"unknown_job", "not_running", "stale_attempt", "not_owner", "already_exited"}},
      {"JobFinished", {"unknown_job", "not_running", "stale_attempt", "not_owner", "already_exited"}},
      {"JobReaped", {"unknown_job", "not_running", "stale_attempt", "lease_held"}},
      {"FinalizerMarked", {"unknown_job", "not_running"}},
      {"FinalizerCleared", {"unknown_job"}},
      {"GateEvaluated", {"unknown_task", "version_conflict"}},
      {"StepStarted",
       {"unknown_task", "terminal", "version_conflict", "no_such_step", "blocked", "cancel_requested", "dependency",
        "lease_required", "stale_token", "already_done", "outcome_unknown"}},
      {"StepFinished", {"unknown_task", "not_started", "already_done"}},
      {"TaskBlocked", {"unknown_task", "terminal", "version_conflict", "lease_held", "stale_token"}},
      {"TaskUnblocked", {"unknown_task", "terminal", "not_blocked"}},
      {"CancelRequested", {"unknown_task", "terminal"}},
      {"TaskCancelled", {"unknown_task", "terminal", "lease_held", "committed"}},
      {"TaskNote", {"unknown_task"}},
  };
  for (const auto& [event, outcomes] : expected) {
    EXPECT_TRUE(seen[event].contains("accepted")) << event;
    for (const std::string& outcome : outcomes) EXPECT_TRUE(seen[event].contains(outcome)) << event << " " << outcome;
  }
}

}  // namespace
}  // namespace pawl
