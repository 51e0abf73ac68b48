// Tasks: how they begin, move over edges, are blocked and stopped.
#include "engine/rules/claim.h"
#include "engine/rules/rules.h"

namespace pawl {
namespace {

/// All steps of the guarded edge out of `stage` are done for the crossing at the task's version.
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

/// Moves a task to a stage: its version grows, and no job of an earlier version can begin any more.
Task& enter_stage(Turn& turn, TaskId id, std::string stage) {
  cancel_queued_jobs(turn, id);
  Task& task = turn.state.tasks.edit(id);
  task.stage = std::move(stage);
  task.lost_dependency.reset();
  task.version = next(task.version);
  task.entered = turn.now;
  task.last = {.seq = turn.seq, .boot = turn.boot, .actor = turn.actor};
  return task;
}

/// Whether what the proposer says of a gate counts: it is the daemon, or holds the task's lease. With ownership off
/// nobody holds it.
bool has_in_hand(const Turn& turn, const Task& task) {
  if (turn.principal.empty() || !turn.state.settings().ownership_checked(task.repo)) return true;
  const Lease* lease = turn.state.lease(task_key(task.id));
  return lease && is_its_own(turn, *lease);
}

/// A cancelled task leaves memory; those that depend on it have to know of it when they are claimed.
void tell_dependents(Turn& turn, TaskId cancelled) {
  const std::set<std::pair<TaskId, TaskId>>& dependents = turn.state.indexes.dependents;
  for (auto at = dependents.lower_bound({cancelled, TaskId{0}}); at != dependents.end() && at->first == cancelled;
       ++at) {
    turn.state.tasks.edit(at->second).lost_dependency = cancelled;
  }
}

/// By the word of an operator: what earlier attempts left behind is gone.
void let_previous_go(Turn& turn, TaskId id) {
  std::set<std::pair<TaskId, JobId>>& barred = turn.state.indexes.barred;
  for (auto at = barred.lower_bound({id, JobId{0}}); at != barred.end() && at->first == id; ++at) {
    turn.state.jobs.edit(at->second).previous.reset();  // the index follows when the record has ended
  }
}

/// The sentence for an edge that is not there. It names those that are.
std::string no_edge_named(const Stage& stage, const std::string& to) {
  std::string out = "no edge from '" + stage.name + "' to '" + to + "'; this stage leads to '" + stage.to + "'";
  if (!stage.rollback.empty()) out += ", and back to '" + stage.rollback + "'";
  return out;
}

}  // namespace

Outcome apply_event(Turn& turn, const fb::TaskCreated& event) {
  State& state = turn.state;
  const std::string repo = event.repo()->str();
  const std::string work_item = event.work_item()->str();
  if (!state.is_known_repo(repo)) {
    turn.applied.detail = no_repo_named(state, repo);
    return Outcome::unknown_repo;
  }
  if (const auto live = state.indexes.live_work_items.find({repo, work_item});
      live != state.indexes.live_work_items.end()) {
    const Task& other = *state.tasks.find(live->second);
    const bool on_first_stage = other.stage == state.pipeline_of(other).stages.front().name;
    return on_first_stage ? Outcome::duplicate_work_item : Outcome::relaunch;
  }
  const std::string fallback = turn.rules >= 2 ? state.settings().pipeline.fallback : "delivery";
  const std::string pipeline_name = event.pipeline() ? event.pipeline()->str() : fallback;
  const PipelineRow* pipeline = state.pipeline_in_force(pipeline_name);
  if (!pipeline) {
    turn.applied.detail = no_pipeline_named(state, pipeline_name);
    return Outcome::unknown_pipeline;
  }
  const Stage* stage =
      event.stage() ? pipeline->definition->stage(event.stage()->string_view()) : &pipeline->definition->stages.front();
  if (!stage) {
    turn.applied.detail = no_stage_named(*pipeline->definition, event.stage()->string_view());
    return Outcome::unknown_stage;
  }

  if (!is_within_quota(turn, state.indexes.live_work_items.size(), state.indexes.tasks_of_principal,
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
  task.last = {.seq = turn.seq, .boot = turn.boot, .actor = turn.actor};
  task.created = turn.now;
  task.principal = principal_if_any(turn);
  task.entered = turn.now;
  ids.next_task = next(id);
  turn.effect({.kind = EffectKind::task, .id = raw(id)});
  const Task& created = state.tasks.insert(id, std::move(task));
  if (!stage->agent.empty()) queue_job(turn, created, "created");
  return Outcome::accepted;
}

Outcome apply_event(Turn& turn, const fb::StageTransition& event) {
  State& state = turn.state;
  const TaskId id{event.task()};
  const Task* task = live_task(state, id);
  if (!task) return Outcome::terminal;
  const bool checked = is_checked(turn, task->repo);
  if (const auto expected = event.expected_version(); checked && expected != raw(task->version)) {
    if (expected) turn.applied.detail = "version " + std::to_string(*expected) + " was expected";
    return Outcome::version_conflict;
  }
  const Stage& stage = *state.stage_of(*task);
  const std::string to = event.to()->str();
  const bool forward = to == stage.to;
  const bool rollback = !forward && !stage.rollback.empty() && to == stage.rollback;
  if (!forward && !rollback) {
    turn.applied.detail = no_edge_named(stage, to);
    return Outcome::no_such_edge;
  }
  if (is_committed(*task) && committed_to(*task) != to) return Outcome::committed;
  if (open_step(*task)) return Outcome::outcome_unknown;
  const bool guarded = forward && stage.guarded();
  if (guarded && !steps_are_done(*task, stage)) return Outcome::steps_unfinished;
  if (!task->blocked.empty()) return Outcome::blocked;
  if (forward && is_held_back(turn, *task)) return Outcome::dependency;
  if (checked) {
    const Outcome token = token_outcome(turn, task_key(id), token_from(event.token()),
                                        guarded ? LeaseNeed::required : LeaseNeed::optional);
    if (token != Outcome::accepted) return token;
  }

  Task& moved = enter_stage(turn, id, to);
  if (rollback) ++moved.rollbacks;
  if (rollback && moved.rollbacks > static_cast<std::uint64_t>(state.settings().pipeline.max_rollbacks)) {
    block_task(turn, id, "max_rollbacks");
    return Outcome::accepted;
  }
  const Stage* entered = state.stage_of(moved);
  // A standing cancel request lets nothing new begin: the task is cancelled as soon as its lease is free.
  if (entered && !entered->agent.empty() && moved.cancel_requested.empty()) {
    queue_job(turn, moved, rollback ? "rolled_back" : "entered");
  }
  return Outcome::accepted;
}

Outcome apply_event(Turn& turn, const fb::GateEvaluated& event) {
  const Task* task = live_task(turn.state, TaskId{event.task()});
  if (!task || event.version() != raw(task->version)) return Outcome::version_conflict;

  const auto passed = event.passed();
  GateRow gate{.version = task->version,
               .gate = event.gate()->str(),
               .passed = passed ? std::optional(*passed) : std::nullopt,
               .reason = text_or_empty(event.reason()),
               .seq = turn.seq,
               .later = std::nullopt,
               .head = std::nullopt};
  if (!passed && event.later() == true) gate.later = true;
  if (event.head()) gate.head = event.head()->str();
  // What somebody says of a gate who has not the task in hand is recorded, and nothing follows from it (SPEC §7).
  if (!has_in_hand(turn, *task)) return Outcome::accepted;
  Task& judged = turn.state.tasks.edit(task->id);
  // What the daemon's own gate found decides about the next try, and nobody else's.
  if (passed == false && gate.head && turn.principal.empty()) {
    judged.red = RedRow{.gate = gate.gate, .head = *gate.head};
  }
  judged.gate = std::move(gate);
  return Outcome::accepted;
}

Outcome apply_event(Turn& turn, const fb::TaskBlocked& event) {
  const TaskId id{event.task()};
  const Task* task = live_task(turn.state, id);
  if (!task) return Outcome::terminal;
  if (event.version() != raw(task->version)) return Outcome::version_conflict;
  if (is_checked(turn, task->repo)) {
    const Outcome token = token_outcome(turn, task_key(id), token_from(event.token()), LeaseNeed::optional);
    if (token != Outcome::accepted) return token;
  }

  const std::string reason = text_or_empty(event.reason());
  block_task(turn, id, reason.empty() ? "blocked" : reason);
  return Outcome::accepted;
}

Outcome apply_event(Turn& turn, const fb::TaskUnblocked& event) {
  const Task* task = live_task(turn.state, TaskId{event.task()});
  if (!task) return Outcome::terminal;
  const bool waits_for_word = !task->blocked.empty() || task->lost_dependency;
  if (!waits_for_word && !is_barred(turn.state, task->id)) return Outcome::not_blocked;

  // What an earlier attempt left behind is a question of its own: it is answered when nothing else is asked.
  if (!waits_for_word) {
    let_previous_go(turn, task->id);
    return Outcome::accepted;
  }
  // After a restore the word is also that no agent of before is left.
  if (is_restored(*task)) let_previous_go(turn, task->id);
  Task& freed = turn.state.tasks.edit(task->id);
  freed.blocked.clear();
  freed.lost_dependency.reset();
  return Outcome::accepted;
}

Outcome apply_event(Turn& turn, const fb::CancelRequested& event) {
  State& state = turn.state;
  const Task* task = live_task(state, TaskId{event.task()});
  if (!task) return Outcome::terminal;

  if (task->cancel_requested.empty()) {
    const std::string reason = text_or_empty(event.reason());
    state.tasks.edit(task->id).cancel_requested = reason.empty() ? "cancel" : reason;
  }
  // The word to keep it counts whenever it comes, and is not taken back by a request without it.
  if (event.keep_branch() == true) state.tasks.edit(task->id).keep_branch = true;
  cancel_queued_jobs(turn, task->id);
  if (const Job* job = state.running_job(task->id)) {
    turn.effect(
        {.kind = EffectKind::end_group, .id = raw(job->id), .pid = job->run->pid.value_or(0), .task = raw(task->id)});
  }
  return Outcome::accepted;
}

Outcome apply_event(Turn& turn, const fb::TaskCancelled& event) {
  const TaskId id{event.task()};
  const Task* task = live_task(turn.state, id);
  if (!task) return Outcome::terminal;
  if (is_restored(*task)) return Outcome::blocked;
  if (is_checked(turn, task->repo)) {
    const Outcome lease = token_outcome(turn, task_key(id), std::nullopt, LeaseNeed::optional);
    if (lease != Outcome::accepted) return lease;
  }
  if (is_committed(*task)) return Outcome::committed;

  enter_stage(turn, id, std::string(stage_cancelled)).blocked.clear();
  if (turn.rules >= 2) tell_dependents(turn, id);
  return Outcome::accepted;
}

Outcome apply_event(Turn& turn, const fb::BranchSeen& event) {
  if (!is_daemon(turn)) return Outcome::not_daemon;
  const Task* task = live_task(turn.state, TaskId{event.task()});
  if (!task) return Outcome::terminal;

  Task& seen = turn.state.tasks.edit(task->id);
  seen.branch_head = event.head()->str();
  // Begun once, it stays the task's own, wherever it has moved since.
  if (event.begun()) seen.branch_begun = true;
  return Outcome::accepted;
}

/// For people: nothing follows from it.
Outcome apply_event(Turn&, const fb::TaskNote&) {
  return Outcome::accepted;
}

}  // namespace pawl
