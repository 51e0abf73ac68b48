#include "engine/policies/stuck.h"

#include "engine/policies/ahead.h"
#include "engine/policies/machine.h"
#include "engine/rules/claim.h"

namespace pawl {
namespace {

std::string id_text(TaskId id) {
  return std::to_string(raw(id));
}

/// As a word of a shell's command line, whatever is in it.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) c == '\'' ? out += "'\\''" : out += c;
  return out + "'";
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
    if (const Job* running = state_.running_job(task_.id)) return running_job(*running);
    const Lease* lease = state_.lease(task_key(task_.id));
    if (const StepRow* step = open_step(task_); step && !lease && !is_settled_here(*step)) return left_open(*step);
    if (!task_.cancel_requested.empty()) return critical_window(lease);
    if (const Job* queued = state_.open_job(task_)) return queued_job(*queued, sources);
    if (lease) return leased(*lease);
    if (!is_committed(task_) && waits_for_dependency(state_, task_)) return dependent(task_.entered);
    if (!is_committed(task_) && is_barred(state_, task_.id)) return barred("it", task_.entered);
    if (const auto trouble = trouble_of_origin(sources); trouble && !is_committed(task_)) {
      return away(*trouble, "its worktree");
    }
    if (const auto missing = missing_variable(sources)) return lacking(*missing);
    if (task_.gate && task_.gate->version == task_.version && task_.gate->passed != true) return gate_red();
    if (!state_.settings().reconciler.enabled) {
      return because(stuck_reason::reconciler_off, "nobody drives it, and the reconciler is switched off",
                     "pawl advance " + id_text(task_.id), task_.entered);
    }
    return repo_leased();
  }

 private:
  Stuck because(std::string_view reason, std::string detail, std::string frees, std::optional<TimeUs> since) {
    found_.reason = reason;
    found_.detail = std::move(detail);
    found_.frees = std::move(frees);
    found_.since = since;
    return found_;
  }
  void waits_for(const Owner& owner) {
    found_.owner = owner;
    if (const Boot* boot = state_.boots.find(owner.boot_id)) found_.owner_boot = *boot;
  }
  std::string force() const {
    return "pawl release --work-item " + quoted(task_.work_item) + " --repo " + quoted(task_.repo);
  }

  std::string resolve(const StepRow& step) const {
    return "pawl resolve " + id_text(task_.id) + " " + step.step + " --happened (or --did-not)";
  }
  /// Whether the reconciler finds out what became of it: it drives the present crossing of the task, by commands.
  bool is_settled_here(const StepRow& step) const {
    const PipelineStep* known = state_.pipeline_of(task_).step(step.to, step.step);
    return known && !known->run.empty() && step.version == task_.version && state_.stage_of(task_)->to == step.to;
  }

  /// Somebody outside began it and is gone, so nothing would ever block the task.
  Stuck left_open(const StepRow& step) {
    return because(stuck_reason::outcome_unknown,
                   "nobody knows whether '" + step.step + "' happened: who began it holds no lease any more",
                   resolve(step), std::nullopt);
  }

  Stuck blocked() {
    if (const StepRow* step = doubtful_step(task_)) {
      return because(stuck_reason::outcome_unknown,
                     "'" + step->step + "' has not happened, and a try of it may happen yet: " + task_.blocked,
                     resolve(*step), step->ended);
    }
    if (const StepRow* step = open_step(task_)) {
      return because(stuck_reason::outcome_unknown,
                     "nobody knows whether '" + step->step + "' happened: " + task_.blocked, resolve(*step),
                     std::nullopt);
    }
    if (is_restored(task_)) {
      return because(stuck_reason::blocked,
                     task_.blocked + ": look whether what lies ahead has happened in what was lost (" +
                         in_words(irreversible_ahead(state_, task_)) + "), and that nothing of it still acts",
                     "pawl unblock " + id_text(task_.id) + " (or pawl resolve " + id_text(task_.id) +
                         " STEP --happened, before that)",
                     std::nullopt);
    }
    if (task_.blocked.starts_with("diverged")) {
      return because(stuck_reason::blocked, task_.blocked,
                     "pawl retry " + id_text(task_.id) + " --take origin (or --take ours)", std::nullopt);
    }
    // A retry queues a job, which somebody has to be there for.
    const bool is_worked_on = !state_.stage_of(task_)->agent.empty();
    return because(stuck_reason::blocked, task_.blocked,
                   (is_worked_on ? "pawl retry " : "pawl unblock ") + id_text(task_.id), std::nullopt);
  }

  std::optional<Stuck> running_job(const Job& job) {
    const Run& run = *job.run;
    const auto& reaper = state_.settings().reaper;
    const std::string name = "job " + std::to_string(raw(job.id));
    const Lease* lease = state_.lease(task_key(task_.id));
    if (run.exit_code && age_s(*run.exited, now_) >= reaper.finalize_grace_s) {
      waits_for(lease ? lease->owner : run.owner);
      return because(stuck_reason::owner_alive,
                     name + " has exited, and " + found_.owner->actor + " has not finished it",
                     lease ? force() : "pawl reap", run.exited);
    }
    // Within its grace what has exited waits for a finalizer, whatever became of whoever ran it.
    if (run.exit_code && !lease) return repo_leased();
    waits_for(run.exit_code ? lease->owner : run.owner);
    if (age_s(run.claimed, now_) >= reaper.max_running_s) {
      return because(stuck_reason::owner_alive, name + " runs for longer than reaper.max_running_s", "pawl reap",
                     run.claimed);
    }
    found_.only_if_owner_is_dead = true;
    return because(stuck_reason::owner_alive, name + " runs", "pawl reap", run.claimed);
  }

  Stuck critical_window(const Lease* lease) {
    if (lease) waits_for(lease->owner);
    return because(stuck_reason::critical_window, "it is cancelled as soon as its crossing has ended",
                   lease ? force() : "pawl advance " + id_text(task_.id),
                   lease ? std::optional(lease->acquired) : std::nullopt);
  }

  std::optional<OriginTrouble> trouble_of_origin(const StuckSources& sources) const {
    return sources.origin_trouble ? sources.origin_trouble(task_.repo) : std::nullopt;
  }

  Stuck away(const OriginTrouble& trouble, const std::string& what) {
    const std::string how = trouble.is_refused ? "refuses: " : "cannot be reached: ";
    const std::string does =
        trouble.is_refused ? "set right what git says of '" + task_.repo + "'; it is tried again by itself" : "";
    return because(trouble.reason(), what + " waits for origin of '" + task_.repo + "', which " + how + trouble.words,
                   does, trouble.since);
  }

  std::optional<MissingVariable> missing_variable(const StuckSources& sources) const {
    const auto missing = sources.missing_variable ? sources.missing_variable(task_.id) : std::nullopt;
    return missing && missing->version == task_.version ? missing : std::nullopt;
  }

  Stuck lacking(const MissingVariable& missing) {
    return because(stuck_reason::variable_missing, "its command cannot be given the variable " + missing.words,
                   "make it readable for pawld; it is tried again by itself", missing.since);
  }

  Stuck queued_job(const Job& job, const StuckSources& sources) {
    const std::string name = "job " + std::to_string(raw(job.id));
    const Outcome outcome = claim_outcome(state_, job.id, now_);
    const std::string reason(pawl::name(outcome));
    if (outcome == Outcome::dependency) return dependent(job.queued);
    if (outcome == Outcome::retry_delay) {
      return because(reason, name + " is tried again at " + rfc3339(*job.not_before), "", job.queued);
    }
    if (outcome == Outcome::serial_gate) {
      return because(reason, "another job runs for repository '" + task_.repo + "'", "pawl jobs", job.queued);
    }
    if (outcome == Outcome::limit) {
      return because(reason, "as many jobs run as may", "pawl settings queue.max_concurrency=N", job.queued);
    }
    if (outcome == Outcome::previous_alive) return barred(name, job.queued);
    if (outcome != Outcome::accepted) return because(reason, name + " cannot be claimed", "", job.queued);
    if (sources.is_passed_over && sources.is_passed_over(job.id)) {
      return because(stuck_reason::previous_alive,
                     name + " waits for a process of an earlier attempt, which cannot be ended", "", job.queued);
    }
    const Agent* agent = state_.pipeline_of(task_).agent(job.agent);
    const auto trouble = trouble_of_origin(sources);
    if (trouble && agent && !agent->run.empty()) return away(*trouble, name);
    const auto missing = missing_variable(sources);
    if (missing && agent && !agent->run.empty()) return lacking(*missing);
    return because(stuck_reason::unclaimed, name + " waits for somebody to claim it as '" + job.agent + "'", "",
                   job.queued);
  }

  Stuck barred(const std::string& who, std::optional<TimeUs> since) {
    const Job& left = *state_.jobs.find(state_.indexes.barred.lower_bound({task_.id, JobId{0}})->second);
    const std::string pid = std::to_string(left.previous->pid);
    return because(stuck_reason::previous_alive,
                   who + " waits for process " + pid + ", which attempt " + std::to_string(left.previous->attempt) +
                       " of job " + std::to_string(raw(left.id)) + " left behind and which is not known to be gone",
                   "kill -KILL " + pid + " (or, if it is gone: pawl unblock " + id_text(task_.id) + ")", since);
  }

  Stuck dependent(TimeUs since) {
    const std::string reason(pawl::name(Outcome::dependency));
    for (const TaskId id : task_.depends_on) {
      const Task* other = state_.tasks.find(id);
      if (!other || is_terminal(other->stage)) continue;
      return because(reason, "it depends on task " + id_text(id) + ", which stands on '" + other->stage + "'",
                     "pawl task " + id_text(id), since);
    }
    return because(reason,
                   "it depends on task " + id_text(*task_.lost_dependency) +
                       ", which was cancelled, and queue.cancelled_dependency is 'hold'",
                   "pawl unblock " + id_text(task_.id), since);
  }

  Stuck leased(const Lease& lease) {
    waits_for(lease.owner);
    return because(stuck_reason::lease, lease.key + " is held by " + lease.owner.actor, force(), lease.acquired);
  }

  std::optional<Stuck> repo_leased() {
    const Stage* stage = state_.stage_of(task_);
    const Lease* repo = state_.lease(repo_key(task_.repo));
    bool needs_repo = false;
    for (const PipelineStep& step : stage->steps) needs_repo = needs_repo || step.exclusive;
    if (!repo || !needs_repo) return std::nullopt;
    waits_for(repo->owner);
    return because(stuck_reason::lease, repo->key + " is held by " + repo->owner.actor,
                   "pawl release " + quoted(repo->key) + " --token " + std::to_string(raw(repo->token)),
                   repo->acquired);
  }

  Stuck gate_red() {
    const GateRow& gate = *task_.gate;
    const std::string how = gate.passed ? "is red" : "is in error";
    return because(stuck_reason::gate_red,
                   "the gate of '" + gate.gate + "' " + how + (gate.reason.empty() ? "" : ": " + gate.reason),
                   "pawl advance " + id_text(task_.id), task_.entered);
  }

  const State& state_;
  const Task& task_;
  TimeUs now_;
  Stuck found_;
};

}  // namespace

std::optional<Stuck> why_stuck(const State& state, const Task& task, TimeUs now, const StuckSources& sources) {
  return StuckSearch(state, task, now).find(sources);
}

std::optional<Stuck> judge_owner(Stuck stuck, bool is_alive) {
  if (is_alive) return stuck.only_if_owner_is_dead ? std::nullopt : std::optional(std::move(stuck));
  stuck.detail += "; " + stuck.owner->actor + ", pid " + std::to_string(stuck.owner->pid) + ", is dead";
  stuck.reason = stuck_reason::owner_dead;
  stuck.frees = "pawl reap";
  return stuck;
}

}  // namespace pawl
