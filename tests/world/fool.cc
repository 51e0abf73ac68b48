// An actor that gets everything wrong.
#include <algorithm>

#include "engine/rules/claim.h"
#include "schema/proposal.h"
#include "tests/world/daemon.h"

namespace pawl::hostile {
namespace {

/// Requests everything that HTTP lets through and that must not succeed.
class Fool {
 public:
  explicit Fool(Story& story) : story_(story) {}

  void live() {
    while (story_.is_hostile()) {
      story_.scheduler.sleep(story_.dice.between(1, 20) * second);
      if (!story_.strikes(Hostility::nonsense, 60)) continue;
      const std::uint64_t times = story_.dice.one_in(40) ? 40 : 1;  // In a tight loop refusals are folded.
      // What no route accepts is proposed as if the daemon itself were wrong.
      const bool is_daemon = story_.dice.one_in(2);
      const Requester requester{.boot = some_boot(),
                                .actor = "operator",
                                .key = {},
                                .request = {},
                                .principal = is_daemon ? std::string() : operators};
      const std::uint64_t what = story_.dice.roll(34);
      const std::uint64_t dice = story_.dice.roll(1000);
      for (std::uint64_t i = 0; i < times; ++i) {
        if (!story_.ask(nonsense(requester, what, dice))) break;
      }
    }
  }

 private:
  /// The daemon's boot; sometimes an earlier one's, or an unknown one.
  std::string some_boot() {
    const std::uint64_t kind = story_.dice.roll(20);
    Daemon& daemon = story_.daemon_that_serves();
    if (kind == 0) return "nobody";
    return kind == 1 ? stale_boot().value_or(daemon.boot_id()) : daemon.boot_id();
  }
  std::optional<std::string> stale_boot() {
    std::optional<std::string> found;
    for (const auto& [id, row] : story_.daemon_that_serves().decided().boots.rows()) {
      if (row.stale) found = id;
    }
    return found;
  }
  /// The principal that registered the boot: a boot's wrong request comes with its own principal.
  std::string principal_of(const std::string& boot) {
    const Boot* row = story_.daemon_that_serves().decided().boots.find(boot);
    if (row && row->name == daemon_name) return operators;
    return row ? row->principal.value_or("") : std::string();
  }
  /// A job that cannot be claimed now, preferably a queued one.
  std::optional<JobId> job_to_be_refused(std::uint64_t dice) {
    const State& state = story_.daemon_that_serves().decided();
    std::vector<JobId> in_vain;
    std::vector<JobId> paused;
    for (const JobId id : state.indexes.queued) {
      const Outcome outcome = claim_outcome(state, id, story_.daemon().now());
      if (outcome != Outcome::accepted) in_vain.push_back(id);
      if (outcome == Outcome::retry_delay) paused.push_back(id);
    }
    if (!paused.empty() && dice % 3 == 0) return paused[dice % paused.size()];
    if (!in_vain.empty()) return in_vain[dice % in_vain.size()];
    const JobId job{some_job(dice)};
    return claim_outcome(state, job, story_.daemon().now()) == Outcome::accepted ? std::nullopt : std::optional(job);
  }
  /// A running job, with a recorded exit or without; null if there is none.
  const Job* some_running(std::uint64_t dice, bool has_exited) {
    const State& state = story_.daemon_that_serves().decided();
    std::vector<const Job*> found;
    for (const JobId id : state.indexes.running) {
      const Job* job = state.jobs.find(id);
      if (job->run->exit_code.has_value() == has_exited) found.push_back(job);
    }
    return found.empty() ? nullptr : found[dice % found.size()];
  }
  /// A live boot that is neither the daemon's nor the owner of the attempt.
  std::string stranger_to(const Job& job, std::uint64_t dice) {
    std::vector<std::string> found{"nobody"};
    for (const auto& [id, row] : story_.daemon_that_serves().decided().boots.rows()) {
      if (!row.stale && row.name != daemon_name && id != job.run->owner.boot_id) found.push_back(id);
    }
    return found[dice % found.size()];
  }
  /// A task that must wait for another one to end; null if there is none.
  const Task* some_dependent(std::uint64_t dice) {
    const State& state = story_.daemon_that_serves().decided();
    std::vector<const Task*> found;
    for (const auto& [id, each] : state.tasks.rows()) {
      if (!is_terminal(each.stage) && waits_for_dependency(state, each)) found.push_back(&each);
    }
    return found.empty() ? nullptr : found[dice % found.size()];
  }
  std::uint64_t some_task(std::uint64_t dice) {
    const State& state = story_.daemon_that_serves().decided();
    const std::uint64_t next = raw(state.ids.find(0)->next_task);
    return dice % 8 == 0 ? next + 5 : 1 + dice % (next + (next == 1 ? 1 : 0));
  }
  std::uint64_t some_job(std::uint64_t dice) {
    const State& state = story_.daemon_that_serves().decided();
    const std::uint64_t next = raw(state.ids.find(0)->next_job);
    if (dice % 8 == 0 || next == 1) return next + 5;
    const std::uint64_t recent = std::min<std::uint64_t>(next - 1, 12);
    return next - 1 - dice % recent;
  }
  /// Live, and under the rule of leases: no one may take it from its owner.
  bool is_leased(const Task& task) {
    const State& state = story_.daemon_that_serves().decided();
    const Lease* lease = state.lease(task_key(task.id));
    return lease && state.is_live(*lease, state.last_time) && !lease->ttl_s &&
           state.settings().ownership_checked(task.repo);
  }
  const Task* row(std::uint64_t task) { return story_.daemon_that_serves().decided().tasks.find(TaskId{task}); }

  Group nonsense(const Requester& requester, std::uint64_t what, std::uint64_t dice) {
    const std::uint64_t task = some_task(dice);
    const std::uint64_t job = some_job(dice);
    const Task* live = row(task);
    const std::uint64_t version = live ? raw(live->version) : 1;
    const Job* at = story_.daemon_that_serves().decided().jobs.find(JobId{job});
    const std::uint64_t attempt = at ? at->attempts : 1;
    switch (what) {
      case 0: {
        fb::StageTransitionT event;
        event.task = task;
        event.to = dice % 3 == 0 ? "nowhere" : dice % 3 == 1 ? "deploy" : "build";
        event.expected_version = version + (dice % 5 == 0 ? 1 : 0);
        if (dice % 7 == 0) event.token = 1;
        return propose_group(requester, event);
      }
      case 1: {
        fb::LeaseAcquiredT event;
        event.key = dice % 3 == 0   ? task_key(TaskId{task})
                    : dice % 3 == 1 ? "repo:" + story_.repos.front()
                                    : "shelf-" + std::to_string(dice % 20);
        event.owner = owner(dice % 6 == 0 ? "nobody" : requester.boot);
        event.ttl = 1 + static_cast<std::int64_t>(dice % 60);
        if (dice % 5 == 0) event.token = 1;
        return propose_group(requester, event);
      }
      case 2: {
        fb::LeaseReleasedT event;
        event.key = task_key(TaskId{task});
        event.token = 1;
        return propose_group(requester, event);
      }
      case 3: {
        fb::LeaseReclaimedT event;
        event.key = task_key(TaskId{task});
        event.token = 1;
        event.reason = fb::ReclaimReason::forced;
        return propose_group(requester, event);
      }
      case 4: {
        fb::JobQueuedT event;
        event.task = task;
        return propose_group(requester, event);
      }
      case 5: {
        fb::JobClaimedT event;
        event.job = job;
        const std::optional<JobId> in_vain = job_to_be_refused(dice);
        if (in_vain) event.job = raw(*in_vain);
        event.owner = owner(dice % 6 == 0 ? "nobody" : in_vain && dice % 2 == 0 ? requester.boot : "stale");
        return propose_group(requester, event);
      }
      case 6: {
        fb::RunStartedT event;
        event.job = job;
        event.attempt = attempt + attempts_ahead;
        return propose_group(requester, event);
      }
      case 7: {
        fb::RunExitedT event;
        event.job = job;
        event.attempt = attempt + attempts_ahead;
        return propose_group(requester, event);
      }
      case 8: {
        fb::JobFinishedT event;
        event.job = job;
        event.attempt = attempt + attempts_ahead;
        event.result = fb::JobResult::failed;
        return propose_group(requester, event);
      }
      case 9: {
        fb::GateEvaluatedT event;
        event.task = task;
        event.version = version + dice % 2;
        event.gate = "build";
        event.passed = dice % 3 != 0;
        return propose_group(requester, event);
      }
      case 10: {
        fb::StepStartedT event;
        event.task = task;
        event.version = version + (dice % 7 == 0 ? 1 : 0);
        event.to = "deploy";
        event.step = dice % 5 == 0 ? "nothing" : dice % 2 == 0 ? "merge" : "retest";
        if (dice % 3 == 0) event.token = 1;
        if (dice % 3 == 0) event.repo_token = 1;
        event.run = "fool";
        return propose_group(requester, event);
      }
      case 11: {
        fb::StepFinishedT event;
        event.task = task;
        event.version = version;
        event.step = "merge";
        event.started = 1;
        event.outcome = fb::StepOutcome::done;
        return propose_group(requester, event);
      }
      case 12: {
        fb::StepFinishedT event;  // For a settled start: it must change nothing.
        event.task = task;
        event.version = version;
        event.step = "merge";
        event.started = 1;
        event.outcome = fb::StepOutcome::done;
        if (live) {
          for (const StepRow& step : live->steps) {
            if (step.state == StepState::started || step.is_in_doubt()) continue;
            event.version = raw(step.version);
            event.step = step.step;
            event.started = raw(step.started);
          }
        }
        Requester stranger = requester;  // The daemon itself would be believed.
        stranger.principal = operators;
        return propose_group(stranger, event);
      }
      case 13: {
        fb::TaskUnblockedT event;
        event.task = task;
        return propose_group(requester, event);
      }
      case 14: {
        fb::TaskNoteT event;
        event.task = task;
        event.text = "nonsense";
        return propose_group(requester, event);
      }
      case 15: {
        fb::BootStartedT event;
        event.name = dice % 2 == 0 ? "pawld" : "fool";
        event.boot_id = dice % 3 == 0 ? requester.boot : "fool-" + std::to_string(dice);
        event.host = "gamma kernel-1 ns-1";
        event.version = "0";
        // An unregistered boot cannot send requests; the daemon sends this one, so it cannot get another's name.
        const Requester by_daemon{.boot = story_.daemon_that_serves().boot_id(),
                                  .actor = requester.actor,
                                  .key = {},
                                  .request = {},
                                  .principal = operators};
        return propose_group(by_daemon, event);
      }
      case 16: {
        fb::BootEndedT event;
        event.boot_id = dice % 2 == 0 ? "nobody" : "fool-" + std::to_string(dice);
        return propose_group(requester, event);
      }
      case 17: {
        fb::SettingChangedT event;
        event.key = dice % 2 == 0 ? "no.such" : "job.max_attempts";
        event.value = std::make_unique<fb::SettingValueT>(setting_value_event(std::int64_t{0}));
        return propose_group(requester, event);
      }
      case 18: {
        Pipeline pipeline = default_pipeline();
        pipeline.name = "broken";
        pipeline.stages.front().to = "nowhere";
        return propose_group(requester, pipeline_event(pipeline));
      }
      case 19: {
        fb::TaskCreatedT event;
        event.work_item = live ? live->work_item : "W-x";
        event.repo = live ? live->repo : story_.repos.front();
        if (dice % 4 == 0) event.pipeline = "no such";
        if (dice % 4 == 1) event.stage = "no such";
        if (dice % 4 == 2) event.depends_on.push_back(task + 1000);
        // A valid one would add a task to the world that is not counted.
        if (!live && dice % 4 == 3) event.pipeline = "no such";
        return propose_group(requester, event);
      }
      case 20: {
        fb::TaskBlockedT event;
        event.task = task;
        event.version = version + 1;
        return propose_group(requester, event);
      }
      case 21: {
        fb::TaskBlockedT event;
        event.task = task;
        event.version = version;
        event.token = 1;
        return propose_group(requester, event);
      }
      case 22: {
        fb::TaskCancelledT event;  // Out of turn: pawl never proposes it while something stands in the way.
        event.task = live && (is_committed(*live) || story_.daemon_that_serves().decided().lease(task_key(live->id)))
                         ? task
                         : task + 1000;
        return propose_group(requester, event);
      }
      case 23: {
        fb::FinalizerMarkedT event;
        event.job = at && at->status == JobStatus::running ? job + 1000 : job;
        return propose_group(requester, event);
      }
      case 24: {
        fb::JobReapedT event;
        event.job = job;
        event.attempt = attempt + attempts_ahead;
        event.tier = fb::Tier::pid_dead;
        event.outcome = fb::JobResult::retry;
        return propose_group(requester, event);
      }
      case 25: {
        fb::CancelRequestedT event;  // Too late, or for a task that does not exist.
        event.task = live ? task + 1000 : task;
        return propose_group(requester, event);
      }
      case 26: {
        fb::TaskBlockedT event;  // Past the owner of the task's lease.
        event.task = live && is_leased(*live) ? task : task + 1000;
        event.version = version;
        return propose_group(requester, event);
      }
      case 27: {
        fb::JobReapedT event;  // Based on what was seen before the lease was taken.
        event.job = at && row(raw(at->task)) && is_leased(*row(raw(at->task))) ? job : job + 1000;
        event.attempt = attempt;
        event.lease_token = 1;
        event.tier = fb::Tier::pid_dead;
        event.outcome = fb::JobResult::retry;
        return propose_group(requester, event);
      }
      case 28: {
        const Job* running = some_running(dice, false);
        return running ? report_of_a_stranger(*running, dice) : clearing_of_nothing(requester, job);
      }
      case 29: {
        const Job* exited = some_running(dice, true);
        return exited ? report_against_the_exit(*exited, dice) : clearing_of_nothing(requester, job);
      }
      case 30: {
        const Task* dependent = some_dependent(dice);
        return dependent ? too_early(requester, *dependent, dice) : clearing_of_nothing(requester, job);
      }
      case 31: {
        const Job* exited = some_running(dice, true);
        return exited ? report_of_a_stranger(*exited, dice) : clearing_of_nothing(requester, job);
      }
      case 32: {
        fb::StageTransitionT transition;  // As a party that has finished a task which another has moved on.
        transition.task = task;
        transition.to = "deploy";
        transition.expected_version = version + 1;
        fb::JobReapedT event;
        event.job = live && is_leased(*live) ? job : job + 1000;
        event.attempt = attempt + attempts_ahead;
        event.tier = fb::Tier::finalizer_dead;
        event.outcome = fb::JobResult::done;
        return propose_group(requester, transition, event);
      }
      default:
        return clearing_of_nothing(requester, job);
    }
  }

  static Group clearing_of_nothing(const Requester& requester, std::uint64_t job) {
    fb::FinalizerClearedT event;
    event.job = job + 1000;
    return propose_group(requester, event);
  }

  /// For the running attempt, by a party that has nothing to do with it.
  Group report_of_a_stranger(const Job& job, std::uint64_t dice) {
    const std::string stranger = stranger_to(job, dice / 7);
    const Requester by{
        .boot = stranger, .actor = "worker", .key = {}, .request = {}, .principal = principal_of(stranger)};
    switch (dice % 3) {
      case 0: {
        fb::RunStartedT event;
        event.job = raw(job.id);
        event.attempt = job.attempts;
        event.pid = 1;
        return propose_group(by, event);
      }
      case 1: {
        fb::RunExitedT event;
        event.job = raw(job.id);
        event.attempt = job.attempts;
        event.exit_code = static_cast<std::int64_t>(dice / 3 % 2);
        return propose_group(by, event);
      }
      default: {
        fb::JobFinishedT event;
        event.job = raw(job.id);
        event.attempt = job.attempts;
        event.result = dice % 2 == 0 ? fb::JobResult::retry : fb::JobResult::failed;
        return propose_group(by, event);
      }
    }
  }

  /// By the owner, which has reported something else before.
  Group report_against_the_exit(const Job& job, std::uint64_t dice) {
    const std::string& boot = job.run->owner.boot_id;
    const Requester owner{.boot = boot, .actor = "worker", .key = {}, .request = {}, .principal = principal_of(boot)};
    if (dice % 2 == 0) {
      fb::RunExitedT event;
      event.job = raw(job.id);
      event.attempt = job.attempts;
      event.exit_code = *job.run->exit_code == 0 ? 1 : 0;
      return propose_group(owner, event);
    }
    fb::JobFinishedT event;
    event.job = raw(job.id);
    event.attempt = job.attempts;
    event.result = *job.run->exit_code == 0 ? fb::JobResult::retry : fb::JobResult::done;
    return propose_group(owner, event);
  }

  Group too_early(const Requester& requester, const Task& task, std::uint64_t dice) {
    const Stage& stage = *story_.daemon_that_serves().decided().stage_of(task);
    if (dice % 3 == 0) {
      fb::LeaseAcquiredT event;
      event.key = task_key(task.id);
      event.owner = owner(requester.boot);
      event.ttl = 30;
      return propose_group(requester, event);
    }
    if (dice % 3 == 1 && stage.guarded()) {
      fb::StepStartedT event;
      event.task = raw(task.id);
      event.version = raw(task.version);
      event.to = stage.to;
      event.step = stage.steps.front().name;
      event.run = "fool";
      return propose_group(requester, event);
    }
    fb::StageTransitionT event;
    event.task = raw(task.id);
    event.to = stage.to;
    event.expected_version = raw(task.version);
    return propose_group(requester, event);
  }

  std::unique_ptr<fb::OwnerT> owner(const std::string& boot) {
    auto owner = std::make_unique<fb::OwnerT>();
    owner->boot_id = boot;
    if (boot == "stale") owner->boot_id = stale_boot().value_or(boot);
    owner->actor = "operator";
    return owner;
  }

  Story& story_;
};

}  // namespace

void send_fool(Story& story) {
  story.send([fool = std::make_shared<Fool>(story)] { fool->live(); });
}

}  // namespace pawl::hostile
