// Jobs and their runs. For each time a job is claimed, exactly one record takes it out of `running`.
#include <algorithm>

#include "engine/rules/claim.h"
#include "engine/rules/retry.h"
#include "engine/rules/rules.h"
#include "engine/state/holds.h"

namespace pawl {
namespace {

/// The running job that a run reports on, or why there is none.
Outcome running_outcome(const State& state, JobId id, std::uint64_t attempt) {
  const Job* job = state.jobs.find(id);
  if (!job || job->status != JobStatus::running) return Outcome::not_running;
  return job->attempts == attempt ? Outcome::accepted : Outcome::stale_attempt;
}

/// Whether the proposer may report on the attempt: the boot that owns it may, and the daemon's boot, which proposes for
/// its own threads.
bool is_reporter(const RuleContext& context, const Run& run) {
  if (context.rules < 2 || is_daemon(context)) return true;
  return context.boot == run.owner.boot_id && !is_guest(context);
}

/// The running job that a run reports on, if the proposer may report on it; otherwise why not.
Outcome report_outcome(const RuleContext& context, JobId id, std::uint64_t attempt) {
  const Outcome outcome = running_outcome(context.state, id, attempt);
  if (outcome != Outcome::accepted) return outcome;
  return is_reporter(context, *context.state.jobs.find(id)->run) ? Outcome::accepted : Outcome::not_owner;
}

/// The same for the end of a job, which people may also report: they take the job back and know nothing about its
/// process.
Outcome end_outcome(const RuleContext& context, JobId id, std::uint64_t attempt) {
  return is_guest(context) ? running_outcome(context.state, id, attempt) : report_outcome(context, id, attempt);
}

/// Whether the reported end of the job contradicts its recorded exit. Once a run has exited, only a finalizer may end
/// the job: the daemon, a person, or an outside holder of the task's lease that crosses an edge whose steps have no
/// command.
bool contradicts_exit(const RuleContext& context, const Job& job, fb::JobResult result) {
  if (context.rules < 2 || !job.run->exit_code) return false;
  if (is_daemon(context) || is_guest(context)) return false;
  const Task* task = live_task(context.state, job.task);
  if (moved_on(task, job)) return false;
  if (result == fb::JobResult::cancelled && !task->cancel_requested.empty()) return false;
  const Lease* lease = context.state.lease(task_key(job.task));
  if (lease && lease->owner.boot_id == context.boot) return false;
  return (*job.run->exit_code == 0) != (result == fb::JobResult::done);
}

JobStatus status_of(const RuleContext& context, const Job& job, fb::JobResult result, fb::Tier tier) {
  switch (result) {
    case fb::JobResult::done:
      return JobStatus::done;
    case fb::JobResult::retry:
      return retry_status(context.state, job, tier, context.rules);
    case fb::JobResult::failed:
      return JobStatus::failed;
    case fb::JobResult::cancelled:
      return JobStatus::cancelled;
  }
  return JobStatus::failed;
}

enum class Charge { charged, free };

/// The pause before a job's next attempt: it doubles after each attempt that counted against the budget.
std::int64_t retry_delay_s(const Settings& settings, const Job& job) {
  std::int64_t delay = settings.job.retry_delay_s;
  for (std::uint64_t tries = job.charged_tries(); tries > 1 && delay < settings.job.retry_delay_max_s; --tries) {
    delay *= 2;
  }
  return std::min(delay, settings.job.retry_delay_max_s);
}

/// The only way out of `running`.
void leave_running(RuleContext& context, JobId id, JobStatus status, Charge charge, const std::string& reason) {
  Job& job = context.state.jobs.edit(id);
  job.status = status;
  job.reason = reason;
  if (status == JobStatus::queued) {
    job.run.reset();
    job.queued = context.now;
    const std::int64_t delay_s = retry_delay_s(context.state.settings(), job);
    if (context.rules >= 2 && charge == Charge::charged && delay_s > 0) job.not_before = plus_s(context.now, delay_s);
    context.effect({.kind = EffectKind::job_queued, .id = raw(id)});
  }
  if (status == JobStatus::failed) {
    const Task* task = live_task(context.state, job.task);
    if (task && !moved_on(task, job) && task->blocked.empty()) {
      block_task(context, task->id, "job_failed");
    } else {
      context.effect({.kind = EffectKind::alert, .text = "job_failed"});
    }
  }
}

/// A worker's agent on the daemon's host that is not known to have ended blocks the next claim. The daemon's own runs
/// are identified by their locks (SPEC §8).
std::optional<Previous> left_behind(const RuleContext& context, const Job& job) {
  const Run& run = *job.run;
  if (context.rules < 2 || !run.pid || run.exit_code) return std::nullopt;
  const Boot* owner = context.state.boots.find(run.owner.boot_id);
  const Boot* daemon = context.state.boot_named(daemon_name);
  if (!daemon || owner->name == daemon_name || owner->host != daemon->host) return std::nullopt;
  Previous previous{
      .attempt = job.attempts, .pid = *run.pid, .pid_start = run.pid_start.value_or(0), .host = owner->host};
  if (owner->principal) {
    previous.worker_pid = owner->pid;
    previous.worker_pid_start = owner->pid_start;
  }
  return previous;
}

/// Until its process is gone, no job of the task can be claimed.
void leave_behind(RuleContext& context, JobId id) {
  if (auto previous = left_behind(context, *context.state.jobs.find(id))) {
    context.state.jobs.edit(id).previous = std::move(previous);
  }
}

/// Whether the pid cannot be an agent's: it is the reporter's own, the daemon's, or 1.
bool is_bad_pid(const RuleContext& context, const Run& run, std::int64_t pid) {
  if (context.rules < 2) return false;
  const Boot* owner = context.state.boots.find(run.owner.boot_id);
  const Boot* daemon = context.state.boot_named(daemon_name);
  const bool is_daemons = daemon && owner->host == daemon->host && pid == daemon->pid;
  return pid <= 1 || pid == run.owner.pid || pid == owner->pid || is_daemons;
}

/// Whether reaping `job` frees the lease on its task.
bool reap_frees(const RuleContext& context, const Job& job, const Lease& lease, const fb::JobReaped& event) {
  const State& state = context.state;
  const Task* task = live_task(state, job.task);
  switch (event.tier()) {
    case fb::Tier::pid_dead:
    case fb::Tier::finalizer_dead: {
      if (raw(lease.token) != event.lease_token()) return false;
      const bool own = lease.owner.boot_id == context.boot && lease.owner.actor == context.actor;
      if (own) {
        // A reaper that ends the job as done then moves the task under the same lease, and releases it afterwards.
        if (context.rules >= 2) return event.outcome() != fb::JobResult::done;
        const Stage* stage = task ? state.stage_of(*task) : nullptr;
        const bool advance_follows = event.outcome() == fb::JobResult::done && stage && stage->guarded();
        return !advance_follows;
      }
      const auto alive = event.evidence() ? event.evidence()->lease_owner_alive() : flatbuffers::nullopt;
      return (alive && !*alive) || !state.is_live(lease, context.now);
    }
    case fb::Tier::ceiling:
      return !moved_on(task, job);
    case fb::Tier::restart:
      return !moved_on(task, job) && state.boots.find(lease.owner.boot_id)->stale;
  }
  return false;
}

}  // namespace

Outcome apply_event(RuleContext& context, const fb::JobQueued& event) {
  const Task* task = live_task(context.state, TaskId{event.task()});
  if (!task) return Outcome::terminal;
  if (!task->blocked.empty()) return Outcome::blocked;
  if (!task->cancel_requested.empty()) return Outcome::cancel_requested;
  if (context.state.stage_of(*task)->agent.empty()) return Outcome::no_agent;
  if (context.state.open_job(*task)) return Outcome::already_queued;

  queue_job(context, *task, text_or_empty(event.reason()));
  return Outcome::accepted;
}

bool retry_queues(const State& state, const Task& blocked) {
  return !state.stage_of(blocked)->agent.empty() && blocked.cancel_requested.empty() && !state.open_job(blocked);
}

std::optional<TimeUs> next_pause_end(const State& state, std::span<const std::string> agents, TimeUs now) {
  std::optional<TimeUs> next;
  for (const std::string& agent : agents) {
    const auto paused = state.indexes.paused.find(agent);
    if (paused == state.indexes.paused.end()) continue;
    const auto end = paused->second.lower_bound({TimeUs{now.us + 1}, JobId{0}});
    if (end != paused->second.end() && (!next || end->first < *next)) next = end->first;
  }
  const auto freed = next_hold_end(state, now);
  return freed && (!next || *freed < *next) ? freed : next;
}

std::optional<TimeUs> next_claim_end(const State& state) {
  const auto next = state.indexes.claim_ends.begin();
  return next == state.indexes.claim_ends.end() ? std::nullopt : std::optional(next->first);
}

Outcome claim_outcome(const State& state, JobId id, TimeUs now, std::uint32_t rules) {
  const Job* job = state.jobs.find(id);
  if (!job) return Outcome::not_queued;
  if (const Outcome obstacle = claim_obstacle(state, *job); obstacle != Outcome::accepted) return obstacle;
  if (rules >= 2 && job->not_before && now < *job->not_before) return Outcome::retry_delay;
  const Task& task = *state.tasks.find(job->task);
  if (is_early(task, now)) return Outcome::not_yet;
  if (held_by(state, task, now, job->agent)) return Outcome::held;
  const Settings& settings = state.settings();
  const std::string& repo = task.repo;
  if (settings.queue.serial_per_repo && state.indexes.running_by_repo.contains(repo)) return Outcome::serial_gate;
  if (state.indexes.running.size() >= static_cast<std::size_t>(settings.queue.max_concurrency)) return Outcome::limit;
  return Outcome::accepted;
}

ClaimTurn turn_of(const State& state, const Job& job) {
  return turn_of(*state.tasks.find(job.task), job, state.settings().queue.priority_s);
}

JobId first_claimable(const State& state, std::span<const std::string> agents, ClaimTurn from, TimeUs now,
                      const std::function<ClaimableJobs::Look(JobId)>& look) {
  now = std::max(now, state.last_time);  // as the record of a claim will have it: a freeze may begin in between
  if (state.indexes.running.size() >= static_cast<std::size_t>(state.settings().queue.max_concurrency)) return JobId{0};
  return state.indexes.claimable.first(agents, from, [&](JobId id) {
    const bool is_free = claim_outcome(state, id, now) == Outcome::accepted;
    return is_free ? look(id) : ClaimableJobs::Look::pass_over;
  });
}

Outcome apply_event(RuleContext& context, const fb::JobClaimed& event) {
  State& state = context.state;
  const JobId id{event.job()};
  const Outcome outcome = claim_outcome(state, id, context.now, context.rules);
  if (outcome == Outcome::held) {
    const Job& job = *state.jobs.find(id);
    context.applied.detail = in_words(*held_by(state, *state.tasks.find(job.task), context.now, job.agent));
  }
  if (outcome == Outcome::not_yet) {
    context.applied.detail = early_in_words(*state.tasks.find(state.jobs.find(id)->task));
  }
  if (outcome != Outcome::accepted) return outcome;

  Ids& ids = state.ids.edit(0);
  Job& claimed = state.jobs.edit(id);
  note_begun(context, claimed.task);
  claimed.status = JobStatus::running;
  claimed.not_before.reset();
  ++claimed.attempts;
  claimed.run = Run{.id = ids.next_run, .owner = owner_from(*event.owner()), .claimed = context.now};
  if (const auto ttl = event.ttl()) claimed.run->ttl_s = *ttl;
  ids.next_run = next(ids.next_run);
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::RunStarted& event) {
  const JobId id{event.job()};
  const Outcome outcome = report_outcome(context, id, event.attempt());
  if (outcome != Outcome::accepted) return outcome;
  if (is_bad_pid(context, *context.state.jobs.find(id)->run, event.pid())) return Outcome::bad_pid;

  Run& run = *context.state.jobs.edit(id).run;
  run.pid = event.pid();
  run.pid_start = event.pid_start();
  run.started = context.now;
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::RunExited& event) {
  const JobId id{event.job()};
  const Outcome outcome = report_outcome(context, id, event.attempt());
  if (outcome != Outcome::accepted) return outcome;

  // A process exits once: a repeated report changes neither the exit code nor the exit time that the reaper uses.
  if (const auto known = context.state.jobs.find(id)->run->exit_code) {
    return context.rules < 2 || *known == event.exit_code() ? Outcome::accepted : Outcome::already_exited;
  }
  Run& run = *context.state.jobs.edit(id).run;
  run.exit_code = event.exit_code();
  run.exited = context.now;
  if (context.rules >= 2) run.exit_seq = context.seq;
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::JobFinished& event) {
  const JobId id{event.job()};
  const Outcome outcome = end_outcome(context, id, event.attempt());
  if (outcome != Outcome::accepted) return outcome;

  const Job& job = *context.state.jobs.find(id);
  if (contradicts_exit(context, job, event.result())) return Outcome::already_exited;
  const JobStatus status = status_of(context, job, event.result(), fb::Tier::pid_dead);
  // The owner has seen its process end. Anyone else who takes the job back knows nothing about the process.
  const bool is_taken_back =
      (context.boot != job.run->owner.boot_id || is_guest(context)) && event.result() != fb::JobResult::done;
  if (is_taken_back) leave_behind(context, id);
  leave_running(context, id, status, Charge::charged, fb::EnumNameJobResult(event.result()));
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::JobReaped& event) {
  State& state = context.state;
  const JobId id{event.job()};
  const Outcome outcome = running_outcome(state, id, event.attempt());
  if (outcome != Outcome::accepted) return outcome;
  const TaskId task_id = state.jobs.find(id)->task;
  const Task& task = *state.tasks.find(task_id);
  const std::string key = task_key(task_id);
  const bool claim_of_the_dead = event.tier() == fb::Tier::pid_dead || event.tier() == fb::Tier::finalizer_dead;
  if (claim_of_the_dead && is_checked(context, task.repo)) {
    const Lease* lease = state.lease(key);
    if (lease && raw(lease->token) != event.lease_token()) return Outcome::lease_held;
  }
  // The owner may have renewed the claim between the reaper's check and this record.
  if (event.reason() && event.reason()->string_view() == reaped_for_ttl) {
    const auto end = state.jobs.find(id)->run->claim_end();
    if (!end || context.now < *end) return Outcome::claim_renewed;
  }

  // A restart is not the job's fault, unless its agent had already ended by itself.
  const bool has_exited = state.jobs.find(id)->run->exit_code.has_value();
  const bool is_free = event.tier() == fb::Tier::restart && (context.rules < 2 || !has_exited);
  if (is_free) ++state.jobs.edit(id).interruptions;
  const bool was_seen_dead = event.evidence() && event.evidence()->first_dead();
  if (!was_seen_dead) leave_behind(context, id);
  const Job& job = *state.jobs.find(id);
  context.effect(
      {.kind = EffectKind::end_group, .id = raw(id), .pid = job.run->pid.value_or(0), .task = raw(job.task)});
  if (const Lease* lease = state.lease(key); lease && reap_frees(context, job, *lease, event)) free_lease(context, key);
  leave_running(context, id, status_of(context, job, event.outcome(), event.tier()),
                is_free ? Charge::free : Charge::charged, text_or_empty(event.reason()));
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::FinalizerMarked& event) {
  const JobId id{event.job()};
  const Job* job = context.state.jobs.find(id);
  if (!job || job->status != JobStatus::running) return Outcome::not_running;

  context.state.jobs.edit(id).run->marked = true;
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::FinalizerCleared& event) {
  const JobId id{event.job()};
  const Job* job = context.state.jobs.find(id);
  if (job && job->run && job->run->marked) context.state.jobs.edit(id).run->marked = false;
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::PreviousGone& event) {
  if (!is_daemon(context)) return Outcome::not_daemon;
  const JobId id{event.job()};
  const Job* job = context.state.jobs.find(id);
  if (!job || !job->previous || job->previous->pid != event.pid()) return Outcome::no_previous;

  context.state.jobs.edit(id).previous.reset();
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::ClaimRenewed& event) {
  const JobId id{event.job()};
  const Outcome outcome = report_outcome(context, id, event.attempt());
  if (outcome != Outcome::accepted) return outcome;
  if (context.state.jobs.find(id)->run->exit_code) return Outcome::already_exited;

  context.state.jobs.edit(id).run->renewed = context.now;
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::ClaimReturned& event) {
  const JobId id{event.job()};
  const Outcome outcome = report_outcome(context, id, event.attempt());
  if (outcome != Outcome::accepted) return outcome;
  const Run& run = *context.state.jobs.find(id)->run;
  if (run.pid || run.exit_code) return Outcome::already_started;

  Job& job = context.state.jobs.edit(id);
  job.returned = job.returned.value_or(0) + 1;
  const JobStatus status = retry_status(context.state, job, fb::Tier::pid_dead, context.rules);
  leave_running(context, id, status, Charge::free, "returned");
  return Outcome::accepted;
}

}  // namespace pawl
