// Tasks: how they are created, move over edges, are blocked and are stopped.
#include "engine/rules/claim.h"
#include "engine/rules/rules.h"
#include "engine/state/approvals.h"

namespace pawl {
namespace {

/// Whether all steps of the guarded edge from `stage` are done in the crossing at the task's version.
bool steps_are_done(const Task& task, const Stage& stage) {
  for (const PipelineStep& step : stage.steps) {
    bool done = false;
    for (const StepRow& row : task.steps) {
      done = done || (row.version == task.version && row.to == stage.to && row.step == step.name &&
                      row.state == StepState::done);
    }
    if (!done) return false;
  }
  return true;
}

/// Moves a task to a stage: increments its version, after which no job of an earlier version can start.
Task& enter_stage(RuleContext& context, TaskId id, std::string stage) {
  cancel_queued_jobs(context, id);
  Task& task = context.state.tasks.edit(id);
  task.stage = std::move(stage);
  task.lost_dependency.reset();
  task.approval.reset();
  task.version = next(task.version);
  task.entered = context.now;
  task.last = {.seq = context.seq, .boot = std::string(context.boot), .actor = std::string(context.actor)};
  // There is nothing left to hold, and it would count against the limit.
  const std::string place = task_key(id);
  if (is_terminal(task.stage) && context.state.holds.find(place)) context.state.holds.erase(place);
  return task;
}

/// Refuses as `no_such_edge`; the detail names the edge wanted, and those that there are.
Outcome no_such_edge(RuleContext& context, const Stage& stage, const std::string& to) {
  context.applied.detail = "no edge from '" + stage.name + "' to '" + to + "'; this stage leads to '" + stage.to + "'" +
                           (stage.rollback.empty() ? "" : " and rolls back to '" + stage.rollback + "'");
  return Outcome::no_such_edge;
}

/// Whether the proposer's report on a gate counts: it must be the daemon or hold the task's lease. With ownership off
/// there are no leases, and every report counts.
bool has_in_hand(const RuleContext& context, const Task& task) {
  if (context.principal.empty() || !context.state.settings().ownership_checked(task.repo)) return true;
  const Lease* lease = context.state.lease(task_key(task.id));
  return lease && is_its_own(context, *lease);
}

/// A cancelled task leaves memory, so the tasks that depend on it must record the fact for when they are claimed.
void tell_dependents(RuleContext& context, TaskId cancelled) {
  const std::set<std::pair<TaskId, TaskId>>& dependents = context.state.indexes.dependents;
  for (auto at = dependents.lower_bound({cancelled, TaskId{0}}); at != dependents.end() && at->first == cancelled;
       ++at) {
    context.state.tasks.edit(at->second).lost_dependency = cancelled;
  }
}

/// On an operator's word: the processes that earlier attempts left behind are gone.
void let_previous_go(RuleContext& context, TaskId id) {
  std::set<std::pair<TaskId, JobId>>& barred = context.state.indexes.barred;
  for (auto at = barred.lower_bound({id, JobId{0}}); at != barred.end() && at->first == id; ++at) {
    context.state.jobs.edit(at->second).previous.reset();  // the index is updated when the record ends
  }
}

}  // namespace

Outcome apply_event(RuleContext& context, const fb::TaskCreated& event) {
  State& state = context.state;
  const std::string repo = event.repo()->str();
  const std::string work_item = event.work_item()->str();
  if (!state.is_known_repo(repo)) {
    context.applied.detail = no_repo_named(state, repo);
    return Outcome::unknown_repo;
  }
  if (const auto live = state.indexes.live_work_items.find({repo, work_item});
      live != state.indexes.live_work_items.end()) {
    const Task& other = *state.tasks.find(live->second);
    const bool on_first_stage = other.stage == state.pipeline_of(other).stages.front().name;
    return on_first_stage ? Outcome::duplicate_work_item : Outcome::relaunch;
  }
  const std::string fallback = context.rules >= 2 ? state.settings().pipeline.fallback : "delivery";
  const std::string pipeline_name = event.pipeline() ? event.pipeline()->str() : fallback;
  const PipelineRow* pipeline = state.pipeline_in_force(pipeline_name);
  if (!pipeline) {
    context.applied.detail = no_pipeline_named(state, pipeline_name);
    return Outcome::unknown_pipeline;
  }
  const Stage* stage =
      event.stage() ? pipeline->definition->stage(event.stage()->string_view()) : &pipeline->definition->stages.front();
  if (!stage) {
    context.applied.detail = no_stage_named(*pipeline->definition, event.stage()->string_view());
    return Outcome::unknown_stage;
  }
  if (const Outcome priority = priority_outcome(context, event.priority()); priority != Outcome::accepted) {
    return priority;
  }

  if (!is_within_quota(context, state.indexes.live_work_items.size(), state.indexes.tasks_of_principal,
                       state.settings().quota.tasks)) {
    return Outcome::quota;
  }

  Ids& ids = state.ids.edit(0);
  const TaskId id = ids.next_task;
  Task task;
  task.id = id;
  task.work_item = work_item;
  task.repo = repo;
  task.branch = text_or_empty(event.branch());
  task.pipeline = pipeline->seq;
  task.stage = stage->name;
  task.version = Version{1};
  for (const std::uint64_t dependency : *event.depends_on()) task.depends_on.push_back(TaskId{dependency});
  task.last = {.seq = context.seq, .boot = std::string(context.boot), .actor = std::string(context.actor)};
  task.created = context.now;
  task.principal = principal_if_any(context);
  task.entered = context.now;
  set_turn(context, task, event.priority(), event.not_before());
  ids.next_task = next(id);
  context.effect({.kind = EffectKind::task, .id = raw(id)});
  const Task& created = state.tasks.insert(id, std::move(task));
  if (!stage->agent.empty()) queue_job(context, created, "created");
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::StageTransition& event) {
  State& state = context.state;
  const TaskId id{event.task()};
  const Task* task = live_task(state, id);
  if (!task) return Outcome::terminal;
  const bool checked = is_checked(context, task->repo);
  if (checked && event.expected_version() != raw(task->version)) {
    return version_conflict(context, task, event.expected_version());
  }
  const Stage& stage = *state.stage_of(*task);
  const std::string to = event.to()->str();
  const bool forward = to == stage.to;
  const bool rollback = !forward && !stage.rollback.empty() && to == stage.rollback;
  if (!forward && !rollback) return no_such_edge(context, stage, to);
  if (is_committed(*task) && committed_to(*task) != to) return Outcome::committed;
  if (open_step(*task)) return Outcome::outcome_unknown;
  const bool guarded = forward && stage.guarded();
  if (guarded && !steps_are_done(*task, stage)) return Outcome::steps_unfinished;
  if (!task->blocked.empty()) return Outcome::blocked;
  if (forward) {
    const Outcome waits = held_back(context, *task);
    if (waits != Outcome::accepted) return waits;
    const Outcome approval = approval_outcome(context, *task);
    if (approval != Outcome::accepted) return approval;
  }
  if (checked) {
    const Outcome token = token_outcome(context, task_key(id), token_from(event.token()),
                                        guarded ? LeaseNeed::required : LeaseNeed::optional);
    if (token != Outcome::accepted) return token;
  }

  Task& moved = enter_stage(context, id, to);
  if (rollback) ++moved.rollbacks;
  if (rollback && moved.rollbacks > static_cast<std::uint64_t>(state.settings().pipeline.max_rollbacks)) {
    block_task(context, id, "max_rollbacks");
    return Outcome::accepted;
  }
  const Stage* entered = state.stage_of(moved);
  // While a cancel request is pending nothing new starts: the task is cancelled as soon as its lease is free.
  if (entered && !entered->agent.empty() && moved.cancel_requested.empty()) {
    queue_job(context, moved, rollback ? "rolled_back" : "entered");
  }
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::GateEvaluated& event) {
  const Task* task = live_task(context.state, TaskId{event.task()});
  if (!task || event.version() != raw(task->version)) return version_conflict(context, task, event.version());

  const auto passed = event.passed();
  GateRow gate{.version = task->version,
               .gate = event.gate()->str(),
               .passed = passed ? std::optional(*passed) : std::nullopt,
               .reason = text_or_empty(event.reason()),
               .seq = context.seq,
               .later = std::nullopt,
               .head = std::nullopt};
  if (!passed && event.later() == true) gate.later = true;
  if (event.head()) gate.head = event.head()->str();
  // A gate report from a proposer that does not have the task in hand is recorded and has no consequences (SPEC §7).
  if (!has_in_hand(context, *task)) return Outcome::accepted;
  Task& judged = context.state.tasks.edit(task->id);
  // Only the daemon's own gate result determines the next attempt.
  if (passed == false && gate.head && context.principal.empty()) {
    judged.red = RedRow{.gate = gate.gate, .head = *gate.head};
  }
  judged.gate = std::move(gate);
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::TaskBlocked& event) {
  const TaskId id{event.task()};
  const Task* task = live_task(context.state, id);
  if (!task) return Outcome::terminal;
  if (event.version() != raw(task->version)) return version_conflict(context, task, event.version());
  if (is_checked(context, task->repo)) {
    const Outcome token = token_outcome(context, task_key(id), token_from(event.token()), LeaseNeed::optional);
    if (token != Outcome::accepted) return token;
  }

  const std::string reason = text_or_empty(event.reason());
  block_task(context, id, reason.empty() ? "blocked" : reason);
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::TaskUnblocked& event) {
  const Task* task = live_task(context.state, TaskId{event.task()});
  if (!task) return Outcome::terminal;
  const bool waits_for_word = !task->blocked.empty() || task->lost_dependency;
  if (!waits_for_word && !is_barred(context.state, task->id)) return Outcome::not_blocked;

  // Processes that an earlier attempt left behind are a separate question, answered only if nothing else is open.
  if (!waits_for_word) {
    let_previous_go(context, task->id);
    return Outcome::accepted;
  }
  // After a restore, unblocking also confirms that no earlier agent is left.
  if (is_restored(*task)) let_previous_go(context, task->id);
  Task& freed = context.state.tasks.edit(task->id);
  freed.blocked.clear();
  freed.lost_dependency.reset();
  // What was rejected, or not answered in time, is asked again.
  if (freed.approval && !is_approved(*freed.approval)) freed.approval.reset();
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::CancelRequested& event) {
  State& state = context.state;
  const Task* task = live_task(state, TaskId{event.task()});
  if (!task) return Outcome::terminal;

  if (task->cancel_requested.empty()) {
    const std::string reason = text_or_empty(event.reason());
    state.tasks.edit(task->id).cancel_requested = reason.empty() ? "cancel" : reason;
  }
  // A request to keep the branch counts whenever it comes; a later request without it does not revoke it.
  if (event.keep_branch() == true) state.tasks.edit(task->id).keep_branch = true;
  cancel_queued_jobs(context, task->id);
  if (const Job* job = state.running_job(task->id)) {
    context.effect(
        {.kind = EffectKind::end_group, .id = raw(job->id), .pid = job->run->pid.value_or(0), .task = raw(task->id)});
  }
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::TaskCancelled& event) {
  const TaskId id{event.task()};
  const Task* task = live_task(context.state, id);
  if (!task) return Outcome::terminal;
  if (is_restored(*task)) return Outcome::blocked;
  if (is_checked(context, task->repo)) {
    const Outcome lease = token_outcome(context, task_key(id), std::nullopt, LeaseNeed::optional);
    if (lease != Outcome::accepted) return lease;
  }
  if (is_committed(*task)) return Outcome::committed;

  enter_stage(context, id, std::string(stage_cancelled)).blocked.clear();
  if (context.rules >= 2) tell_dependents(context, id);
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::BranchSeen& event) {
  if (!is_daemon(context)) return Outcome::not_daemon;
  const Task* task = live_task(context.state, TaskId{event.task()});
  if (!task) return Outcome::terminal;

  Task& seen = context.state.tasks.edit(task->id);
  seen.branch_head = event.head()->str();
  // Once the task has created the branch, it stays the task's own, wherever it has moved since.
  if (event.begun()) seen.branch_begun = true;
  return Outcome::accepted;
}

/// For people: it has no consequences.
Outcome apply_event(RuleContext&, const fb::TaskNote&) {
  return Outcome::accepted;
}

}  // namespace pawl
