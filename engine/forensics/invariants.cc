#include "engine/forensics/invariants.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "engine/policies/reconciler.h"
#include "engine/state/holds.h"

namespace pawl {
namespace {

/// What a finding is about, and the known records that led to it.
struct About {
  TaskId task{0};
  std::vector<Seq> led_by = {};
};

void find(Findings& findings, int invariant, std::string what, About about = {}) {
  findings.push_back({.kind = Finding::Kind::violation,
                      .seq = {},
                      .invariant = invariant,
                      .what = std::move(what),
                      .task = about.task,
                      .led_by = std::move(about.led_by)});
}

std::string label(TaskId id) {
  return "task " + std::to_string(raw(id));
}
std::string label(JobId id) {
  return "job " + std::to_string(raw(id));
}

std::string label(const StepRow& step) {
  return "step '" + step.step + "' of the crossing to '" + step.to + "' at version " +
         std::to_string(raw(step.version));
}

bool is_open(const Job& job) {
  return job.status == JobStatus::queued || job.status == JobStatus::running;
}

/// By how much the record raises every version: a restore skips versions that may have been used.
std::uint64_t versions_left_out(const Transition& change) {
  const auto* restored = change.record.event_as_LogRestored();
  return change.accepted && restored ? restored->next_seq() - restored->from() : 0;
}

/// The task that the record moves, by a transition or a cancellation; 0 if none.
TaskId moved_task(const fb::Record& record) {
  if (const auto* transition = record.event_as_StageTransition()) return TaskId{transition->task()};
  if (const auto* cancelled = record.event_as_TaskCancelled()) return TaskId{cancelled->task()};
  return TaskId{0};
}

/// The job that the record takes out of `running`; 0 if none.
JobId ended_job(const fb::Record& record) {
  if (const auto* finished = record.event_as_JobFinished()) return JobId{finished->job()};
  if (const auto* reaped = record.event_as_JobReaped()) return JobId{reaped->job()};
  if (const auto* returned = record.event_as_ClaimReturned()) return JobId{returned->job()};
  return JobId{0};
}

}  // namespace

std::string_view name(Finding::Kind kind) {
  switch (kind) {
    case Finding::Kind::violation:
      return "violation";
    case Finding::Kind::divergence:
      return "divergence";
    case Finding::Kind::unchecked:
      return "unchecked";
    case Finding::Kind::double_effect:
      return "double_effect";
    case Finding::Kind::contradiction:
      return "contradiction";
    case Finding::Kind::reaped_alive:
      return "reaped_alive";
    case Finding::Kind::double_entry:
      return "double_entry";
    case Finding::Kind::overdue:
      return "overdue";
    case Finding::Kind::time_backwards:
      return "time_backwards";
    case Finding::Kind::gap:
      return "gap";
    case Finding::Kind::rewritten:
      return "rewritten";
    case Finding::Kind::taken_on_word:
      return "taken_on_word";
    case Finding::Kind::incident:
      return "incident";
    case Finding::Kind::cut_off:
      return "cut_off";
  }
  return "?";
}

namespace {

/// The row before the record; null if there was none.
template <class Key, class Row>
const Row* row_before(const Snapshot& before, const typename Table<Key, Row>::Rows& rows, const std::set<Key>& fresh,
                      const Table<Key, Row>& after, const Key& key) {
  const auto found = rows.find(key);
  if (found != rows.end()) return &found->second;
  return before.whole || fresh.contains(key) ? nullptr : after.find(key);
}
const Task* task_before(const Transition& change, TaskId id) {
  return row_before(change.before, change.before.tasks, change.before.new_tasks, change.after.tasks, id);
}
const Job* job_before(const Transition& change, JobId id) {
  return row_before(change.before, change.before.jobs, change.before.new_jobs, change.after.jobs, id);
}
const Lease* lease_before(const Transition& change, const std::string& key) {
  return row_before(change.before, change.before.leases, change.before.new_leases, change.after.leases, key);
}

/// Calls `each` for every row after the record or, if only the touched rows are known, for those.
template <class Key, class Row, class Each>
void for_rows(const Snapshot& before, const typename Table<Key, Row>::Rows& rows, const std::set<Key>& fresh,
              const Table<Key, Row>& after, Each each) {
  if (before.whole) {
    for (const auto& [key, row] : after.rows()) each(row);
    return;
  }
  const auto if_there = [&](const Key& key) {
    if (const Row* row = after.find(key)) each(*row);
  };
  for (const auto& [key, row] : rows) if_there(key);
  for (const Key& key : fresh) if_there(key);
}
template <class Each>
void for_tasks(const Transition& change, Each each) {
  for_rows(change.before, change.before.tasks, change.before.new_tasks, change.after.tasks, each);
}
template <class Each>
void for_jobs(const Transition& change, Each each) {
  for_rows(change.before, change.before.jobs, change.before.new_jobs, change.after.jobs, each);
}

}  // namespace

void check_versions(const Transition& change, Findings& findings) {
  const TaskId moved = change.accepted ? moved_task(change.record) : TaskId{0};
  for_tasks(change, [&](const Task& task) {
    const Task* was = task_before(change, task.id);
    if (!was) {
      if (task.version != Version{1}) {
        find(findings, 1, label(task.id) + ": starts with version " + std::to_string(raw(task.version)),
             {.task = task.id});
      }
      return;
    }
    const About about{.task = task.id, .led_by = {was->last.seq}};
    const std::uint64_t grown = raw(task.version) - raw(was->version);
    const std::uint64_t left_out = is_terminal(was->stage) ? 0 : versions_left_out(change);
    if (grown != left_out + (task.id == moved ? 1u : 0u)) {
      find(findings, 1,
           label(task.id) + ": version " + std::to_string(raw(was->version)) + " became " +
               std::to_string(raw(task.version)),
           about);
    }
    if (task.id != moved && task.stage != was->stage) {
      find(findings, 1,
           label(task.id) + ": went from '" + was->stage + "' to '" + task.stage + "' without a transition", about);
    }
  });
}

void check_terminal(const Transition& change, Findings& findings) {
  for (const auto& [id, was] : change.before.tasks) {
    if (!is_terminal(was.stage)) continue;
    const Task* task = change.after.tasks.find(id);
    if (!task || task->stage != was.stage) {
      find(findings, 2, label(id) + ": left the terminal stage '" + was.stage + "'",
           {.task = id, .led_by = {was.last.seq}});
    }
  }
  for_jobs(change, [&](const Job& job) {
    const Task* task = task_before(change, job.task);
    if (!is_open(job) || !task || !is_terminal(task->stage)) return;
    const Job* was = job_before(change, job.id);
    if (!was || was->status != job.status) {
      find(findings, 2, label(job.id) + ": revived, though " + label(job.task) + " is '" + task->stage + "'",
           {.task = job.task, .led_by = {task->last.seq}});
    }
  });
}

void check_holders(const State& state, Findings& findings) {
  const auto is_stale = [&](const std::string& boot_id) {
    const Boot* boot = state.boots.find(boot_id);
    return !boot || boot->stale;
  };
  std::set<Token> tokens;
  for (const auto& [key, lease] : state.leases.rows()) {
    if (is_stale(lease.owner.boot_id)) {
      find(findings, 3, "lease '" + key + "': its holder's boot " + lease.owner.boot_id + " is stale",
           {.task = task_of_key(key).value_or(TaskId{0}), .led_by = {Seq{raw(lease.token)}}});
    }
    if (!tokens.insert(lease.token).second) {
      find(findings, 3,
           "lease '" + key + "': its token " + std::to_string(raw(lease.token)) + " is also another lease's",
           {.task = task_of_key(key).value_or(TaskId{0}), .led_by = {Seq{raw(lease.token)}}});
    }
  }
  for (const JobId id : state.indexes.running) {
    const Job& job = *state.jobs.find(id);
    // A job that has exited belongs to its finalizer; the end of a worker does not affect it.
    const bool is_finalized = job.run && job.run->exit_code;
    if (!job.run || (!is_finalized && is_stale(job.run->owner.boot_id))) {
      find(findings, 3, label(id) + ": is running under a stale boot", {.task = job.task});
    }
  }
}

void check_guarded_crossing(const Transition& change, Findings& findings) {
  const auto* transition = change.record.event_as_StageTransition();
  if (!change.accepted || !transition) return;
  const TaskId id{transition->task()};
  const Task& was = *task_before(change, id);
  const Stage* stage = change.after.stage_of(was);
  if (!stage || !stage->guarded() || stage->to != transition->to()->string_view()) return;
  if (change.unchecked) {
    findings.push_back({.kind = Finding::Kind::unchecked,
                        .seq = {},
                        .invariant = 4,
                        .what = label(id) + ": crossed the guarded edge to '" + stage->to + "' unchecked",
                        .task = id});
    return;
  }
  const Lease* lease = lease_before(change, task_key(id));
  if (!lease || !transition->token() || Token{*transition->token()} != lease->token) {
    About about{.task = id, .led_by = {was.last.seq}};
    if (lease) about.led_by.push_back(Seq{raw(lease->token)});
    find(findings, 4, label(id) + ": crossed the guarded edge to '" + stage->to + "' without the current token", about);
  }
}

namespace {

void check_job(const Transition& change, const Job& was, const Job& job, Findings& findings) {
  const auto* claim = change.record.event_as_JobClaimed();
  const bool claimed = change.accepted && claim && JobId{claim->job()} == job.id;
  const bool restored = change.accepted && change.record.event_as_LogRestored();
  const bool ended = restored || (change.accepted && ended_job(change.record) == job.id);
  const std::string status =
      label(job.id) + ": from " + fb::EnumNameJobStatus(was.status) + " to " + fb::EnumNameJobStatus(job.status);
  if (job.attempts != was.attempts + (claimed ? 1 : 0)) {
    find(findings, 5,
         label(job.id) + ": attempts went from " + std::to_string(was.attempts) + " to " + std::to_string(job.attempts),
         {.task = job.task});
  }
  switch (was.status) {
    case JobStatus::queued:
      if (claimed ? job.status != JobStatus::running
                  : job.status != JobStatus::queued && job.status != JobStatus::cancelled) {
        find(findings, 5, status, {.task = job.task});
      }
      break;
    case JobStatus::running:
      if (ended == (job.status == JobStatus::running)) find(findings, 5, status, {.task = job.task});
      break;
    case JobStatus::done:
    case JobStatus::failed:
    case JobStatus::cancelled:
      if (job.status != was.status) find(findings, 5, status, {.task = job.task});
      break;
  }
}

/// Doubt about a step ends only with a second report about the step or with the crossing.
void check_doubt(const Transition& change, const Task& was, const Task& task, Findings& findings) {
  const auto* word = change.accepted ? change.record.event_as_StepFinished() : nullptr;
  for (const StepRow& step : was.steps) {
    if (!step.is_in_doubt() || step.version != was.version || task.version != was.version) continue;
    // A starter that reports after a restore names the version from before it (SPEC §5).
    const bool is_its = word && (word->version() == raw(step.version) || Seq{word->started()} == step.started);
    if (is_its && word->step()->string_view() == step.step) continue;
    const bool stays = std::any_of(task.steps.begin(), task.steps.end(), [&](const StepRow& now) {
      return now.version == step.version && now.to == step.to && now.step == step.step && now.is_in_doubt();
    });
    if (!stays) {
      find(findings, 6,
           label(task.id) + ": " + label(step) + " may still take effect, but is treated as if it could not",
           {.task = task.id, .led_by = {step.started}});
    }
  }
}

}  // namespace

void check_jobs(const Transition& change, Findings& findings) {
  for_jobs(change, [&](const Job& job) {
    const Job* was = job_before(change, job.id);
    if (was) {
      check_job(change, *was, job, findings);
    } else if (job.status != JobStatus::queued || job.attempts != 0) {
      find(findings, 5, label(job.id) + ": its first status is not `queued`", {.task = job.task});
    }
    const std::uint64_t uncharged = job.interruptions + job.returned.value_or(0);
    if (uncharged > job.attempts || job.charged_tries() > job.max_attempts) {
      find(findings, 5,
           label(job.id) + ": " + std::to_string(job.attempts) + " attempts and " + std::to_string(uncharged) +
               " uncounted, but max_attempts is " + std::to_string(job.max_attempts),
           {.task = job.task});
    }
  });
}

void check_steps(const Transition& change, Findings& findings) {
  for_tasks(change, [&](const Task& task) {
    std::vector<Seq> open;
    std::map<std::tuple<Version, std::string, std::string>, Seq> places;
    for (const StepRow& step : task.steps) {
      if (step.state == StepState::started) open.push_back(step.started);
      const auto [place, is_first] = places.insert({{step.version, step.to, step.step}, step.started});
      if (!is_first) {
        find(findings, 6, label(task.id) + ": " + label(step) + " is in the journal twice",
             {.task = task.id, .led_by = {place->second}});
      }
    }
    if (open.size() > 1) {
      find(findings, 6, label(task.id) + ": " + std::to_string(open.size()) + " steps are started and unsettled",
           {.task = task.id, .led_by = open});
    }

    const Task* was = task_before(change, task.id);
    if (!was) return;
    for (const StepRow& step : was->steps) {
      if (!step.irreversible || step.state != StepState::done) continue;
      const bool is_present = step.version == was->version && task.stage == was->stage;
      const Version version{raw(step.version) + (is_present ? versions_left_out(change) : 0)};
      bool stands = false;
      for (const StepRow& now : task.steps) {
        stands = stands || (now.version == version && now.to == step.to && now.step == step.step &&
                            now.started == step.started && now.state == StepState::done);
      }
      if (!stands) {
        find(findings, 6, label(task.id) + ": " + label(step) + " was done, but no longer is",
             {.task = task.id, .led_by = {step.started}});
      }
    }
    check_doubt(change, *was, task, findings);
  });
}

namespace {

void check_work_items(const State& state, Findings& findings) {
  std::set<std::pair<std::string, std::string>> live;
  for (const auto& [id, task] : state.tasks.rows()) {
    if (is_terminal(task.stage)) continue;
    if (!live.insert({task.repo, task.work_item}).second) {
      find(findings, 7, label(id) + ": another live task has '" + task.repo + "' and '" + task.work_item + "'",
           {.task = id});
    }
  }
}

void check_open_jobs(const State& state, TaskId task, Findings& findings) {
  std::set<Version> open;
  for (auto at = state.indexes.jobs_of_task.lower_bound({task, JobId{0}});
       at != state.indexes.jobs_of_task.end() && at->first == task; ++at) {
    const Job& job = *state.jobs.find(at->second);
    if (is_open(job) && !open.insert(job.version).second) {
      find(findings, 7,
           label(job.id) + ": another job of version " + std::to_string(raw(job.version)) + " of " + label(task) +
               " is queued or running",
           {.task = task});
    }
  }
}

}  // namespace

void check_uniqueness_of_new(const Transition& change, Findings& findings) {
  bool is_new = false;
  for_tasks(change, [&](const Task& task) {
    const Task* was = task_before(change, task.id);
    is_new = is_new || !was || is_terminal(was->stage) != is_terminal(task.stage) || was->repo != task.repo ||
             was->work_item != task.work_item;
  });
  if (is_new) check_work_items(change.after, findings);
  std::set<TaskId> tasks;
  for_jobs(change, [&](const Job& job) {
    const Job* was = job_before(change, job.id);
    const bool is_as_before = was && is_open(*was) && was->task == job.task && was->version == job.version;
    if (is_open(job) && !is_as_before) tasks.insert(job.task);
  });
  for (const TaskId id : tasks) check_open_jobs(change.after, id, findings);
}

void check_uniqueness(const State& state, Findings& findings) {
  check_work_items(state, findings);
  for (const auto& [id, task] : state.tasks.rows()) check_open_jobs(state, id, findings);
}

void check_refusal(const Transition& change, Findings& findings) {
  if (!change.accepted && change.before.digest != change.after.digest()) {
    find(findings, 8, "a refused record changed the digest");
  }
}

void check_committed_crossing(const Transition& change, Findings& findings) {
  const TaskId moved = change.accepted ? moved_task(change.record) : TaskId{0};
  const Task* was = task_before(change, moved);
  if (!was || !is_committed(*was)) return;
  const auto* transition = change.record.event_as_StageTransition();
  if (transition && transition->to()->string_view() == committed_to(*was)) return;
  const std::string what = label(moved) + ": left '" + was->stage + "' while its crossing to '" +
                           std::string(committed_to(*was)) + "' was committed";
  std::vector<Seq> led_by = {was->last.seq};
  for (const StepRow& step : was->steps) {
    if (step.irreversible && step.version == was->version) led_by.push_back(step.started);
  }
  findings.push_back({.kind = change.unchecked ? Finding::Kind::unchecked : Finding::Kind::violation,
                      .seq = {},
                      .invariant = 9,
                      .what = what,
                      .task = moved,
                      .led_by = std::move(led_by)});
}

namespace {

/// The task on which the record starts new work; 0 if none.
TaskId begun_task(const Transition& change) {
  const fb::Record& record = change.record;
  if (const auto* step = record.event_as_StepStarted()) return TaskId{step->task()};
  if (const auto* claim = record.event_as_JobClaimed()) return job_before(change, JobId{claim->job()})->task;
  if (const auto* lease = record.event_as_LeaseAcquired()) {
    return lease->token() ? TaskId{0} : task_of_key(lease->key()->string_view()).value_or(TaskId{0});
  }
  const auto* transition = record.event_as_StageTransition();
  const Task* was = transition ? task_before(change, TaskId{transition->task()}) : nullptr;
  const Stage* stage = was ? change.after.stage_of(*was) : nullptr;
  return stage && stage->to == transition->to()->string_view() ? was->id : TaskId{0};
}

}  // namespace

void check_dependents(const Transition& change, Findings& findings) {
  if (!change.accepted || change.record.stamp()->rules() < 2) return;
  const TaskId begun = begun_task(change);
  const Task* was = begun == TaskId{0} ? nullptr : task_before(change, begun);
  if (!was || is_committed(*was) || open_step(*was)) return;
  for (const TaskId id : was->depends_on) {
    const Task* other = task_before(change, id);
    if (!other || is_terminal(other->stage)) continue;
    find(findings, 11, label(begun) + ": work on it starts before its dependency, " + label(id) + ", is finished",
         {.task = begun, .led_by = {other->last.seq}});
  }
}

void check_holds(const Transition& change, Findings& findings) {
  if (!change.accepted) return;
  const TaskId begun = begun_task(change);
  const Task* was = begun == TaskId{0} ? nullptr : task_before(change, begun);
  if (!was || is_committed(*was) || open_step(*was)) return;
  const auto* claim = change.record.event_as_JobClaimed();
  const std::string agent = claim ? job_before(change, JobId{claim->job()})->agent : std::string();
  // The record itself neither places nor lifts a hold.
  const auto held = held_by(change.after, *was, TimeUs{change.record.stamp()->time_us()}, agent);
  if (!held) return;
  find(findings, 14, label(begun) + ": work on it starts, though " + in_words(*held),
       {.task = begun, .led_by = {held->seq}});
}

void check_approvals(const Transition& change, Findings& findings) {
  const bool moves = change.record.event_as_StageTransition() || change.record.event_as_StepStarted();
  if (!change.accepted || !moves) return;
  const TaskId begun = begun_task(change);
  const Task* was = begun == TaskId{0} ? nullptr : task_before(change, begun);
  if (!was || is_committed(*was) || open_step(*was)) return;
  const Approval* approval = change.after.stage_of(*was)->approval();
  if (!approval) return;
  // By the definition and the words themselves, not by what the rules made of them.
  std::set<std::string_view> approvers;
  const bool is_asked = was->approval && was->approval->version == was->version;
  for (const SaidRow& said : is_asked ? was->approval->said : std::vector<SaidRow>()) {
    const auto names = [&](const std::string& name) { return name == said.principal || name == said.as; };
    const bool may = std::any_of(approval->by.begin(), approval->by.end(), names) &&
                     !(approval->not_submitter && said.principal == was->principal.value_or(""));
    const bool is_in_time = said.said >= was->approval->asked && (!was->approval->until || said.said < *was->approval->until);
    if (!said.approved) {
      find(findings, 15, label(begun) + ": work on it starts, though " + said.principal + " rejected it",
           {.task = begun, .led_by = {said.seq}});
    } else if (may && is_in_time) {
      approvers.insert(said.principal);
    }
  }
  if (approvers.size() >= static_cast<std::size_t>(approval->need)) return;
  find(findings, 15,
       label(begun) + ": work on it starts with " + std::to_string(approvers.size()) + " of " +
           std::to_string(approval->need) + " approvals that its gate needs",
       {.task = begun, .led_by = {was->last.seq}});
}

void check_not_lost(const State& state, const Task& task, Findings& findings) {
  const TaskId id = task.id;
  const About about{.task = id, .led_by = {task.last.seq}};
  if (is_terminal(task.stage)) {
    for (auto at = state.indexes.jobs_of_task.lower_bound({id, JobId{0}});
         at != state.indexes.jobs_of_task.end() && at->first == id; ++at) {
      if (state.jobs.find(at->second)->status != JobStatus::queued) continue;
      find(findings, 10, label(at->second) + ": still queued, though " + label(id) + " is '" + task.stage + "'", about);
    }
    return;
  }
  const bool running = state.running_job(id) != nullptr;
  const bool held = state.lease(task_key(id)) != nullptr;
  const bool cancel_waits = held || running || is_committed(task) || is_restored(task);
  if (!task.cancel_requested.empty() && !cancel_waits) {
    find(findings, 10, label(id) + ": nothing prevents its cancellation, but it is not cancelled", about);
  }
  if (!task.blocked.empty() || state.open_job(task)) return;
  if (!task.cancel_requested.empty() && !is_committed(task)) return;  // It is waiting, as checked above.
  // The reconciler drives it once no live owner holds it.
  if (reconcile_move(*view_of(state, id), false) == ReconcileMove::none) {
    find(findings, 10, label(id) + ": has no queued or running job at its version, and nothing drives it", about);
  } else if (!state.settings().reconciler.enabled && !held) {
    find(findings, 10,
         label(id) +
             ": has no queued or running job at its version, and the reconciler, which would drive it, is switched off",
         about);
  }
}

void check_nothing_lost(const State& state, Findings& findings) {
  for (const auto& [id, task] : state.tasks.rows()) check_not_lost(state, task, findings);
}

}  // namespace pawl
