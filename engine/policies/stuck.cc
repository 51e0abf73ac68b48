#include "engine/policies/stuck.h"

#include <algorithm>
#include <array>

#include "engine/policies/ahead.h"
#include "engine/policies/machine.h"
#include "engine/policies/reconciler.h"
#include "engine/rules/claim.h"
#include "engine/state/holds.h"

namespace pawl {
namespace {

template <class Id>
std::string id_text(Id id) {
  return std::to_string(raw(id));
}

/// For this long, a fetch or a job that the daemon is about to claim is no cause for concern.
constexpr std::int64_t soon_s = 10;

constexpr std::string_view ownership_enabled = "ownership.enabled";
constexpr std::string_view reaper_enabled = "reaper.enabled";
constexpr std::string_view reclaim_enabled = "lease.reclaim_enabled";
constexpr std::string_view reconciler_enabled = "reconciler.enabled";
constexpr std::string_view stop_enabled = "stop.enabled";

/// Quotes any text as one word of a shell command.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) c == '\'' ? out += "'\\''" : out += c;
  return out + "'";
}

/// The name of the owner's host.
std::string_view host_of(const Stuck& stuck) {
  if (!stuck.owner_boot) return "an unknown host";
  const std::string_view host = stuck.owner_boot->host;
  return host.substr(0, host.find(' '));
}

/// One look at a task.
class StuckSearch {
 public:
  StuckSearch(const State& state, const Task& task, TimeUs now) : state_(state), task_(task), now_(now) {
    found_.task = task.id;
    found_.work_item = task.work_item;
    found_.repo = task.repo;
    found_.stage = task.stage;
  }

  std::optional<Stuck> find(const StuckSources& sources) {
    if (is_terminal(task_.stage)) return std::nullopt;
    if (!task_.blocked.empty()) return blocked();
    if (const Job* running = state_.running_job(task_.id)) return running_job(*running, sources);
    const Lease* lease = state_.lease(task_key(task_.id));
    if (const StepRow* step = open_step(task_); step && !lease && !is_settled_here(*step)) return left_open(*step);
    if (!task_.cancel_requested.empty()) return critical_window(lease);
    const Job* queued = state_.open_job(task_);
    if (queued && !waits_behind_crossing(*queued, task_)) return queued_job(*queued, sources);
    if (lease) return leased(*lease);
    if (!is_committed(task_) && waits_for_dependency(state_, task_)) return dependent(task_.entered);
    if (!is_committed(task_)) {
      if (const auto kept = kept_from_starting("it", task_.entered)) return *kept;
    }
    if (!is_committed(task_) && is_barred(state_, task_.id)) return barred("it", task_.entered);
    if (needed_approval(task_, *state_.stage_of(task_))) {
      const ApprovalRow* question = question_of(task_);
      if (question && is_open(*question, now_)) return asked(*question);
    }
    if (const auto trouble = trouble_of_origin(sources); trouble && !is_committed(task_)) {
      return away(*trouble, "its worktree");
    }
    if (const auto missing = missing_variable(sources)) return lacking(*missing);
    if (const auto since = fetching(sources)) return fetched("its worktree", *since);
    if (gate_stands()) return gate_red();
    if (!state_.settings().reconciler.enabled) {
      found_.held_by = reconciler_enabled;
      return because(stuck_reason::reconciler_off, "nothing drives it, and the reconciler is switched off",
                     "pawl advance " + id_text(task_.id), task_.entered);
    }
    if (const Lease* repo = needed_repo()) return repo_leased(*repo, task_.entered);
    if (const PipelineStep* step = step_for_others()) return without_command(*step, task_.entered);
    return in_turn(stuck_reason::next_pass, "the reconciler advances it at its next pass", task_.entered);
  }

 private:
  Stuck because(std::string_view reason, std::string detail, std::string frees, std::optional<TimeUs> since) {
    found_.reason = reason;
    found_.detail = std::move(detail);
    found_.frees = std::move(frees);
    found_.since = since;
    return found_;
  }
  Stuck in_turn(std::string_view reason, std::string detail, std::optional<TimeUs> since) {
    found_.standing = Standing::waits;
    return because(reason, std::move(detail), "", since);
  }
  void waits_for(const Owner& owner) {
    found_.owner = owner;
    if (const Boot* boot = state_.boots.find(owner.boot_id)) found_.owner_boot = *boot;
  }
  std::string force() const {
    return "pawl release --work-item " + quoted(task_.work_item) + " --repo " + quoted(task_.repo);
  }
  std::string unblock() const { return "pawl unblock " + id_text(task_.id); }

  std::string resolve(const StepRow& step) const {
    std::string out = "pawl resolve " + id_text(task_.id) + " " + step.step + " --happened (or --did-not)";
    // For a restored task this states the step's result, but does not let the task go on.
    if (is_restored(task_)) out += ", then " + unblock();
    return out;
  }
  /// Whether the reconciler can find out the step's result: it drives the task's current crossing, by commands.
  bool is_settled_here(const StepRow& step) const {
    const PipelineStep* known = state_.pipeline_of(task_).step(step.to, step.step);
    return known && !known->run.empty() && step.version == task_.version && state_.stage_of(task_)->to == step.to;
  }
  /// Added to a wait for an operator if a cancel is waiting too.
  std::string and_cancel() const {
    return task_.cancel_requested.empty() ? "" : "; a cancel is requested, and waits for this answer too";
  }

  /// An outside worker started it and is gone, so nothing would ever block the task.
  Stuck left_open(const StepRow& step) {
    found_.since_record = {.record = StandsSince::Record::at, .after = step.started};
    return because(
        stuck_reason::outcome_unknown,
        "it is not known whether '" + step.step + "' happened: its starter no longer holds the lease" + and_cancel(),
        resolve(step), std::nullopt);
  }

  std::string blocked_words(const Job* failed) const {
    const std::string behind = words_behind_block(task_, failed);
    if (!behind.empty()) return task_.blocked + ": " + behind;
    const bool has_failed =
        task_.blocked == "job_failed" && failed && failed->run && failed->run->exit_code.value_or(0) != 0;
    return task_.blocked + (has_failed ? ": the agent exited with " + std::to_string(*failed->run->exit_code) : "");
  }
  const Job* failed_job() const {
    const Job* found = nullptr;
    const auto& jobs = state_.indexes.jobs_of_task;
    for (auto at = jobs.lower_bound({task_.id, JobId{0}}); at != jobs.end() && at->first == task_.id; ++at) {
      const Job* job = state_.jobs.find(at->second);
      if (job && job->status == JobStatus::failed && job->version == task_.version) found = job;
    }
    return found;
  }

  Stuck blocked() {
    const Job* failed = failed_job();
    found_.since_record = {.record = is_restored(task_) ? StandsSince::Record::restored : StandsSince::Record::blocked,
                           .after = task_.last.seq,
                           .job = failed ? failed->id : JobId{0}};
    const bool is_agents = words_behind_block(task_, failed).empty();
    if (failed && is_agents && task_.blocked == "job_failed") {
      found_.failed = {.job = failed->id, .attempt = failed->attempts};
    }
    // The record that rolled the task back also blocked it.
    std::optional<TimeUs> since;
    if (task_.blocked == "max_rollbacks") since = task_.entered;
    if (const StepRow* step = doubtful_step(task_)) {
      return because(
          stuck_reason::outcome_unknown,
          "'" + step->step + "' did not happen, but an attempt may still take effect: " + task_.blocked + and_cancel(),
          resolve(*step), step->ended);
    }
    if (const StepRow* step = open_step(task_)) {
      return because(stuck_reason::outcome_unknown,
                     "it is not known whether '" + step->step + "' happened: " + task_.blocked + and_cancel(),
                     resolve(*step), since);
    }
    if (is_restored(task_)) {
      return because(stuck_reason::blocked,
                     task_.blocked + ": check whether the steps ahead happened in the lost records (" +
                         in_words(irreversible_ahead(state_, task_)) + "), and that none of them is still running" +
                         and_cancel(),
                     unblock() + " (or pawl resolve " + id_text(task_.id) + " STEP --happened, before that)", since);
    }
    if (task_.blocked.starts_with("diverged")) {
      return because(stuck_reason::blocked, task_.blocked,
                     "pawl retry " + id_text(task_.id) + " --take origin (or --take ours)", since);
    }
    // A retry queues a job, which needs an agent.
    const bool is_worked_on = !state_.stage_of(task_)->agent.empty();
    return because(stuck_reason::blocked, blocked_words(failed),
                   is_worked_on ? "pawl retry " + id_text(task_.id) : unblock(), since);
  }

  Stuck running_job(const Job& job, const StuckSources& sources) {
    const Run& run = *job.run;
    const auto& settings = state_.settings();
    const std::string name = "job " + id_text(job.id);
    const Lease* lease = state_.lease(task_key(task_.id));
    if (!settings.reaper.enabled) found_.held_by_if_dead = reaper_enabled;
    if (run.exit_code && !lease) {
      // A job that has exited waits for its finalizer, and the finalizer for everything that a crossing needs.
      if (const Lease* repo = needed_repo()) return repo_leased(*repo, *run.exited);
      if (const auto trouble = trouble_of_origin(sources)) return away(*trouble, name + "'s worktree");
      if (const auto since = fetching(sources)) return fetched(name + "'s worktree", *since);
    }
    if (run.exit_code && age_s(*run.exited, now_) >= settings.reaper.finalize_grace_s) {
      waits_for(lease ? lease->owner : run.owner);
      return because(
          stuck_reason::owner_alive,
          name + " has exited, and " + found_.owner->actor +
              (lease ? ", which holds the lease " + lease->key + ", has not finished it" : " has not finished it"),
          lease ? force() : "pawl reap", run.exited);
    }
    if (run.exit_code && !lease) {
      if (const PipelineStep* step = step_for_others()) return without_command(*step, *run.exited);
      return in_turn(stuck_reason::running, name + " has exited and is about to be finished", *run.exited);
    }
    waits_for(run.exit_code ? lease->owner : run.owner);
    if (const auto end = run.claim_end(); end && *end <= now_) {
      found_.until.reset();
      if (!settings.reaper.enabled) found_.held_by = reaper_enabled;
      return because(stuck_reason::claim_expired,
                     "the claim of " + name + " has expired: " + run.owner.actor + " did not renew it", "pawl reap",
                     *end);
    }
    if (age_s(run.claimed, now_) >= settings.reaper.max_running_s) {
      if (!settings.reaper.enabled) found_.held_by = reaper_enabled;
      return because(stuck_reason::owner_alive, name + " has been running for longer than reaper.max_running_s",
                     "pawl reap", run.claimed);
    }
    if (!task_.cancel_requested.empty() && !settings.stop.enabled && !run.exit_code) {
      found_.held_by = stop_enabled;
      return because(stuck_reason::stop_off,
                     "it will be cancelled when " + name + " has ended, but nothing ends the job: stop.enabled is off",
                     "pawl settings stop.enabled=true", run.claimed);
    }
    found_.only_if_owner_is_dead = true;
    found_.standing = Standing::waits;
    found_.until = run.claim_end();
    const std::string does = run.exit_code ? " has exited, and " + lease->owner.actor + " is finishing it"
                             : task_.cancel_requested.empty() ? " is running within its time"
                                                              : " is being ended, and the task is then cancelled";
    return because(stuck_reason::running, name + does, "", run.exit_code ? *run.exited : run.claimed);
  }

  Stuck critical_window(const Lease* lease) {
    found_.since_record = {.record = StandsSince::Record::cancel_requested, .after = Seq{0}};
    if (!lease) {
      return because(stuck_reason::critical_window, "it will be cancelled as soon as its crossing has ended",
                     "pawl advance " + id_text(task_.id), std::nullopt);
    }
    waits_for(lease->owner);
    found_.until = end_of(*lease);
    if (!state_.settings().lease.reclaim_enabled) found_.held_by_if_dead = reclaim_enabled;
    return because(stuck_reason::critical_window,
                   "it will be cancelled as soon as its crossing, driven by " + lease->owner.actor + ", has ended",
                   is_daemons_turn(*lease) ? "" : force(), std::nullopt);
  }

  std::optional<OriginTrouble> trouble_of_origin(const StuckSources& sources) const {
    return sources.origin_trouble ? sources.origin_trouble(task_.repo) : std::nullopt;
  }
  std::optional<TimeUs> fetching(const StuckSources& sources) const {
    return sources.fetching_since ? sources.fetching_since(task_.id) : std::nullopt;
  }

  Stuck away(const OriginTrouble& trouble, const std::string& what) {
    const std::string how = trouble.is_refused ? "refuses: " : "cannot be reached: ";
    const std::string does =
        trouble.is_refused ? "fix what git reports about '" + task_.repo + "'; the daemon then retries by itself" : "";
    return because(trouble.reason(),
                   what + " waits for the origin of '" + task_.repo + "', which " + how + trouble.words, does,
                   trouble.since);
  }

  std::optional<MissingVariable> missing_variable(const StuckSources& sources) const {
    const auto missing = sources.missing_variable ? sources.missing_variable(task_.id) : std::nullopt;
    return missing && missing->version == task_.version ? missing : std::nullopt;
  }

  Stuck lacking(const MissingVariable& missing) {
    return because(
        stuck_reason::variable_missing, "its command needs the variable " + missing.words,
        "make the file readable for pawld, or start pawld with the variable; the task then goes on by itself",
        missing.since);
  }

  Stuck fetched(const std::string& what, TimeUs since) {
    if (age_s(since, now_) < soon_s) found_.standing = Standing::waits;
    return because(stuck_reason::fetching,
                   what + " waits for a fetch from the origin of '" + task_.repo + "', which is in progress", "",
                   since);
  }

  Stuck queued_job(const Job& job, const StuckSources& sources) {
    const std::string name = "job " + id_text(job.id);
    const Outcome outcome = claim_outcome(state_, job.id, now_);
    const std::string reason(pawl::name(outcome));
    if (outcome == Outcome::dependency) return dependent(job.queued);
    if (outcome == Outcome::not_yet || outcome == Outcome::held) {
      return *kept_from_starting(name, job.queued, job.agent);
    }
    if (outcome == Outcome::retry_delay) {
      found_.until = job.not_before;
      found_.failed = {.job = job.id, .attempt = job.attempts};
      return because(reason,
                     name + " is in a pause before its next attempt: the last one failed" +
                         (gate_stands() ? "; the gate " + gate_words() : ""),
                     "", job.queued);
    }
    if (outcome == Outcome::serial_gate || outcome == Outcome::limit) found_.in_line = job.id;
    if (outcome == Outcome::serial_gate) {
      return in_turn(reason, name + " waits: another job is running for repository '" + task_.repo + "'", job.queued);
    }
    if (outcome == Outcome::limit) {
      return in_turn(reason, name + " waits for a slot: queue.max_concurrency jobs are running", job.queued);
    }
    if (outcome == Outcome::previous_alive) return barred(name, job.queued);
    if (outcome != Outcome::accepted) return because(reason, name + " cannot be claimed", "", job.queued);
    if (sources.is_skipped && sources.is_skipped(job.id)) {
      return because(stuck_reason::previous_alive,
                     name + " waits for a process of an earlier attempt, which cannot be ended", "", job.queued);
    }
    const Agent* agent = state_.pipeline_of(task_).agent(job.agent);
    const bool is_for_workers = !agent || agent->run.empty();
    if (!is_for_workers) {
      if (const auto trouble = trouble_of_origin(sources)) return away(*trouble, name);
      if (const auto missing = missing_variable(sources)) return lacking(*missing);
      if (const auto since = fetching(sources)) return fetched(name, *since);
    }
    // The daemon claims its own jobs as soon as it gets to them.
    const TimeUs free = std::max(job.queued, job.not_before.value_or(job.queued));
    if (!is_for_workers && age_s(free, now_) < soon_s) found_.standing = Standing::waits;
    found_.in_line = job.id;
    return because(stuck_reason::unclaimed, name + " waits to be claimed for agent '" + job.agent + "'",
                   is_for_workers ? "start a worker that claims jobs for agent '" + job.agent + "'" : "", job.queued);
  }

  Stuck barred(const std::string& who, std::optional<TimeUs> since) {
    const Job& left = *state_.jobs.find(state_.indexes.barred.lower_bound({task_.id, JobId{0}})->second);
    const std::string pid = std::to_string(left.previous->pid);
    return because(stuck_reason::previous_alive,
                   who + " waits for process " + pid + ", which attempt " + std::to_string(left.previous->attempt) +
                       " of job " + id_text(left.id) + " left behind and which is not known to be gone",
                   "kill -KILL " + pid + " (or, if it is gone: " + unblock() + ")", since);
  }

  /// By its time, or by a hold. One without an end is told first: it needs a person, whatever time the task has.
  std::optional<Stuck> kept_from_starting(const std::string& who, TimeUs since, std::string_view agent = {}) {
    const auto held = held_by(state_, task_, now_, agent);
    if (is_early(task_, now_) && (!held || held->until)) return early(who, since);
    return held ? std::optional(on_hold(*held, who)) : std::nullopt;
  }

  Stuck early(const std::string& who, TimeUs since) {
    found_.until = task_.not_before;
    found_.standing = Standing::waits;
    return because(pawl::name(Outcome::not_yet), who + " waits: " + early_in_words(task_),
                   "pawl priority " + id_text(task_.id) + " --not-before now", since);
  }

  Stuck on_hold(const HeldBy& held, const std::string& who) {
    const std::string override_it = "pawl override " + id_text(task_.id) + " --reason WHY";
    const HoldRow* row = held.is_freeze ? nullptr : state_.holds.find(held.place);
    found_.until = held.until;
    if (held.until) found_.standing = Standing::waits;
    return because(
        pawl::name(Outcome::held), who + " waits: " + in_words(held),
        row ? "pawl resume " + quoted(held.place) + " (or, for this task alone: " + override_it + ")" : override_it,
        row ? std::max(row->since, task_.entered) : task_.entered);
  }

  Stuck asked(const ApprovalRow& question) {
    found_.until = question.until;
    // With what was looked at: what is in question by the time that somebody types it may be another commit.
    constexpr std::size_t head_shown = 12;
    const std::string task = id_text(task_.id) + " --version " + std::to_string(raw(question.version)) +
                             (question.head.empty() ? "" : " --head " + question.head.substr(0, head_shown));
    return because(stuck_reason::approval, "it waits for people: " + in_words(question),
                   "pawl approve " + task + " (or: pawl reject " + task + " --reason WHY)", question.asked);
  }

  Stuck dependent(TimeUs since) {
    const std::string reason(pawl::name(Outcome::dependency));
    const Task* awaited = nullptr;
    for (const TaskId id : task_.depends_on) {
      const Task* other = state_.tasks.find(id);
      if (!other || is_terminal(other->stage)) continue;
      if (!awaited || !other->blocked.empty()) awaited = other;
      if (!other->blocked.empty()) break;
    }
    if (awaited) {
      const bool is_blocked = !awaited->blocked.empty();
      if (!is_blocked) found_.standing = Standing::waits;
      return because(reason,
                     "it depends on task " + id_text(awaited->id) + ", which is on '" + awaited->stage + "'" +
                         (is_blocked ? ", blocked: " + awaited->blocked : ""),
                     "pawl task " + id_text(awaited->id), since);
    }
    return because(reason,
                   "it depends on task " + id_text(*task_.lost_dependency) +
                       ", which was cancelled, and queue.cancelled_dependency is 'hold'",
                   unblock(), since);
  }

  static std::optional<TimeUs> end_of(const Lease& lease) {
    return lease.ttl_s ? std::optional(plus_s(lease.renewed, *lease.ttl_s)) : std::nullopt;
  }
  /// Whether the daemon itself is working on it, within the time that covers all its budgets.
  bool is_daemons_turn(const Lease& lease) const {
    const Boot* daemon = state_.boot_named(daemon_name);
    return daemon && lease.owner.boot_id == daemon->boot_id &&
           age_s(lease.acquired, now_) < state_.settings().reaper.max_running_s;
  }

  Stuck held(const Lease& lease, const std::string& frees, TimeUs since) {
    waits_for(lease.owner);
    found_.until = end_of(lease);
    if (!state_.settings().reaper.enabled) found_.held_by_if_dead = reaper_enabled;
    if (!state_.settings().lease.reclaim_enabled) found_.held_by_if_dead = reclaim_enabled;
    if (is_daemons_turn(lease)) found_.standing = Standing::waits;
    return because(stuck_reason::lease,
                   "it waits for the lease " + lease.key + ", which " + lease.owner.actor + " holds" +
                       (lease.edge.empty() ? "" : " to cross " + lease.edge),
                   frees, since);
  }

  Stuck leased(const Lease& lease) {
    // Taking the lease away from a daemon at work would not help. Whether the daemon is dead is checked later.
    Stuck found = held(lease, is_daemons_turn(lease) ? "" : force(), lease.acquired);
    const StepRow* step = doubtful_step(task_);
    const PipelineStep* known = step ? state_.pipeline_of(task_).step(step->to, step->step) : nullptr;
    if (!known || !step->ended || found.standing != Standing::waits) return found;
    found.detail += "; '" + step->step + "' did not happen" + (step->reason ? " (" + *step->reason + ")" : "") +
                    ", and its probe runs once more before the task may go on";
    found.until = plus_s(*step->ended, known->settle_s);
    return found;
  }

  /// The lease on the repository, if it is held and the task's edge needs it.
  const Lease* needed_repo() const {
    const Lease* repo = state_.lease(repo_key(task_.repo));
    if (!repo) return nullptr;
    for (const PipelineStep& step : state_.stage_of(task_)->steps) {
      if (step.exclusive) return repo;
    }
    return nullptr;
  }
  Stuck repo_leased(const Lease& repo, TimeUs since) {
    const std::string release = "pawl release " + quoted(repo.key) + " --token " + std::to_string(raw(repo.token));
    return held(repo, is_daemons_turn(repo) ? "" : release, std::max(since, repo.acquired));
  }

  /// The step of the forward edge that pawl cannot run itself because it has no command.
  const PipelineStep* step_for_others() const {
    const Stage& stage = *state_.stage_of(task_);
    for (const PipelineStep& step : stage.steps) {
      const bool is_done = std::any_of(task_.steps.begin(), task_.steps.end(), [&](const StepRow& row) {
        return row.version == task_.version && row.to == stage.to && row.step == step.name &&
               row.state == StepState::done;
      });
      if (step.run.empty() && !is_done) return &step;
    }
    return nullptr;
  }
  Stuck without_command(const PipelineStep& step, TimeUs since) {
    return because(stuck_reason::no_command,
                   "step '" + step.name + "' has no command, so it has to be done from outside, under the lease " +
                       task_key(task_.id),
                   "take the lease and report the step, as docs/API.md describes", since);
  }

  /// Whether the gate's last result stands, so that a pass does not run it again.
  bool gate_stands() const { return task_.gate && task_.gate->version == task_.version && task_.gate->passed != true; }
  std::string gate_words() const {
    const GateRow& gate = *task_.gate;
    const std::string how = gate.passed                  ? "is red"
                            : gate.later.value_or(false) ? "asks to be run again"
                                                         : "is in error";
    return how + (gate.reason.empty() ? "" : ": " + gate.reason);
  }
  Stuck gate_red() {
    found_.since_record = {.record = StandsSince::Record::at, .after = task_.gate->seq};
    return because(stuck_reason::gate_red, "the gate of '" + task_.gate->gate + "' " + gate_words(),
                   "pawl advance " + id_text(task_.id), std::nullopt);
  }

  const State& state_;
  const Task& task_;
  TimeUs now_;
  Stuck found_;
};

/// Whether a step ended so that its edge was not crossed. A reversible one that did not happen merely runs later.
bool stood_against(const StepRow& row) {
  return row.state == StepState::failed || (row.state == StepState::did_not_happen && row.irreversible);
}

}  // namespace

std::string objection_to(const Task& task, Version version) {
  const bool gate_objects = task.gate && task.gate->version == version && task.gate->passed != true;
  for (const StepRow& row : task.steps) {
    if (row.version != version || !stood_against(row) || (gate_objects && task.gate->seq > row.started)) continue;
    return row.step + (row.state == StepState::failed ? " failed" : " did not happen") +
           (row.reason.value_or("").empty() ? "" : ": " + *row.reason);
  }
  if (!gate_objects) return {};
  return "the gate of " + task.gate->gate + (task.gate->passed ? " is red" : " is in error") +
         (task.gate->reason.empty() ? "" : ": " + task.gate->reason);
}

std::string words_behind_block(const Task& task, const Job* failed) {
  if (task.blocked == "max_rollbacks" && raw(task.version) > 0) {
    return objection_to(task, Version{raw(task.version) - 1});  // it has been rolled back since
  }
  if (task.blocked == "gate_red") return objection_to(task, task.version);
  // An agent that failed has its own words.
  const bool has_worked = failed && failed->run && failed->run->exit_code == 0;
  return task.blocked == "job_failed" && has_worked ? objection_to(task, task.version) : std::string();
}

std::optional<Stuck> why_stuck(const State& state, const Task& task, TimeUs now, const StuckSources& sources) {
  return StuckSearch(state, task, now).find(sources);
}

Stuck judge_owner(Stuck stuck, Liveness owner) {
  const std::string who = stuck.owner->actor + ", pid " + std::to_string(stuck.owner->pid);
  if (owner == Liveness::dead) {
    stuck.detail += "; " + who + ", is dead";
    stuck.reason = stuck_reason::owner_dead;
    stuck.frees = "pawl reap";
    stuck.standing = Standing::stands;
    stuck.held_by = stuck.held_by_if_dead;
  }
  if (owner == Liveness::invisible && stuck.standing == Standing::stands) {
    stuck.detail +=
        "; " + who + " on " + std::string(host_of(stuck)) + ", cannot be seen from here, so it counts as alive";
    // A more specific reason stays.
    if (stuck.reason == stuck_reason::lease || stuck.reason == stuck_reason::owner_alive) {
      stuck.reason = stuck_reason::owner_unseen;
    }
  }
  return stuck;
}

std::vector<SwitchedOff> switches_off(const Settings& settings) {
  struct Switch {
    SwitchedOff off;
    bool is_on;
  };
  const std::array<Switch, 5> all = {{
      {{reclaim_enabled, "leases of dead owners, and leases whose ttl has expired, are not reclaimed"},
       settings.lease.reclaim_enabled},
      {{ownership_enabled, "transitions are accepted unchecked, whoever holds the lease"}, settings.ownership.enabled},
      {{reaper_enabled, "jobs of dead owners, and jobs past their time, are not reaped"}, settings.reaper.enabled},
      {{reconciler_enabled, "tasks without a job are not advanced"}, settings.reconciler.enabled},
      {{stop_enabled, "a cancel neither ends agents nor deletes anything"}, settings.stop.enabled},
  }};
  std::vector<SwitchedOff> found;
  for (const Switch& each : all) {
    if (!each.is_on) found.push_back(each.off);
  }
  return found;
}

}  // namespace pawl
