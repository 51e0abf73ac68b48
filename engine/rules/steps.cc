// The step journal: durable before a command starts, and again after it has ended (SPEC §8).
#include <algorithm>

#include "engine/rules/rules.h"
#include "schema/limits.h"

namespace pawl {
namespace {

/// The latest start of a step in one crossing; null if it was never started.
const StepRow* step_at(const Task& task, Version version, std::string_view to, std::string_view step) {
  for (const StepRow& row : task.steps) {
    if (row.version == version && row.to == to && row.step == step) return &row;
  }
  return nullptr;
}

/// Records a start in its place in the journal, replacing the previous start. If a principal started the previous,
/// irreversible one, its most recent earlier starts are remembered: one that was settled as not happened may still be
/// reported as done.
void put_step(Task& task, StepRow row) {
  const auto with = [](std::optional<Starts> starts, Seq last) {
    if (!starts) starts.emplace();
    starts->seqs.push_back(last);
    if (starts->seqs.size() > limits::earlier_starts_max) starts->seqs.erase(starts->seqs.begin());
    return starts;
  };
  const auto is_place = [&](const StepRow& at) {
    return at.version == row.version && at.to == row.to && at.step == row.step;
  };
  const auto place = std::find_if(task.steps.begin(), task.steps.end(), is_place);
  if (place == task.steps.end()) {
    task.steps.push_back(std::move(row));
    return;
  }
  row.late = std::move(place->late);
  row.not_done = std::move(place->not_done);
  // The daemon's own starts need not be remembered: it never reports on a start that it has settled.
  if (place->irreversible && place->principal) row.not_done = with(std::move(row.not_done), place->started);
  *place = std::move(row);
}

StepState state_of(fb::StepOutcome outcome) {
  switch (outcome) {
    case fb::StepOutcome::done:
      return StepState::done;
    case fb::StepOutcome::failed:
      return StepState::failed;
    case fb::StepOutcome::did_not_happen:
      return StepState::did_not_happen;
  }
  return StepState::did_not_happen;
}

/// The row of a start that is known to exist.
StepRow* step_row(Task& task, Seq started) {
  const auto found =
      std::find_if(task.steps.begin(), task.steps.end(), [&](const StepRow& row) { return row.started == started; });
  return &*found;
}

/// Whether an event means this step, by the version at which it was started. A restore moves a task's present crossing
/// to another version; a starter that reports later does not know that (SPEC §5).
bool is_place_of(const RuleContext& context, const StepRow& row, const fb::StepFinished& event) {
  if (row.step != event.step()->string_view()) return false;
  std::uint64_t version = event.version();
  if (raw(row.version) == version) return true;
  const std::optional<Restores>& restored = context.state.ids.find(0)->restored;
  if (context.rules < 2 || event.outcome() != fb::StepOutcome::done || !restored) return false;
  for (const Gap& gap : restored->gaps) {
    if (raw(gap.first_seq) <= event.started()) continue;
    version += raw(gap.next_seq) - raw(gap.first_seq) + 1;
    if (raw(row.version) == version) return true;
  }
  return false;
}

/// The step that the event's record started; null if there is none or it has been started again since.
const StepRow* step_started_by(const RuleContext& context, const Task& task, const fb::StepFinished& event) {
  for (const StepRow& row : task.steps) {
    if (row.started == Seq{event.started()} && is_place_of(context, row, event)) return &row;
  }
  return nullptr;
}

bool has(const std::optional<Starts>& starts, Seq started) {
  return starts && std::find(starts->seqs.begin(), starts->seqs.end(), started) != starts->seqs.end();
}

/// The step one of whose earlier starts, settled as not happened, is that record; null if there is none.
const StepRow* place_of_earlier(const RuleContext& context, const Task& task, const fb::StepFinished& event) {
  const Seq started{event.started()};
  for (const StepRow& row : task.steps) {
    if ((has(row.not_done, started) || has(row.late, started)) && is_place_of(context, row, event)) return &row;
  }
  return nullptr;
}

/// Whether the proposer can know the result of a start. It can if it is the starter, by its boot or by the token of the
/// lease at the start; an operator, whose permission the daemon has checked; or the daemon, which runs probes.
Outcome knower_outcome(const RuleContext& context, const StepRow& row, const fb::StepFinished& event) {
  if (context.rules < 2 || is_daemon(context)) return Outcome::accepted;
  if (event.by() == fb::StepBy::operator_) return Outcome::accepted;
  if (event.by() != fb::StepBy::command) return Outcome::not_daemon;
  const bool is_by_boot = context.boot == row.boot && !is_guest(context);
  const bool is_by_token = row.token && token_from(event.token()) == row.token;
  const bool is_same_principal = context.principal == row.principal.value_or("");
  return (is_by_boot || is_by_token) && is_same_principal ? Outcome::accepted : Outcome::not_owner;
}

/// A start that was settled as not happened did happen. Decisions based on that settlement are void, so a person has to
/// look (SPEC §8). A reversible step may simply run again, so late reports about it are refused.
Outcome happened_late(RuleContext& context, TaskId id, const StepRow& place, const fb::StepFinished& event) {
  const Seq started{event.started()};
  if (event.outcome() != fb::StepOutcome::done || !place.irreversible) return Outcome::not_started;
  StepRow& row = *step_row(context.state.tasks.edit(id), place.started);
  if (!row.late) row.late.emplace();
  row.late->seqs.push_back(started);
  if (row.not_done) std::erase(row.not_done->seqs, started);
  if (row.started == started) row.state = StepState::done;
  if (context.state.tasks.find(id)->blocked.empty()) {
    block_task(context, id, "outcome_unknown");
  } else {
    context.effect({.kind = EffectKind::alert, .text = "outcome_unknown"});
  }
  return Outcome::accepted;
}

/// When a probe's *no* about a step in doubt may release the crossing.
TimeUs doubt_end(const State& state, const Task& task, const StepRow& row) {
  const PipelineStep* step = state.pipeline_of(task).step(row.to, row.step);
  return plus_s(*row.ended, step ? step->settle_s : 0);
}

/// A second report about a step in doubt: the late effect has happened, or it no longer can.
Outcome end_doubt(RuleContext& context, const Task& task, const StepRow& row, const fb::StepFinished& event) {
  const bool is_operators = event.by() == fb::StepBy::operator_;
  const bool happened = event.outcome() == fb::StepOutcome::done;
  if (!happened && !is_operators) {
    if (event.outcome() != fb::StepOutcome::did_not_happen || event.conclusive() != true) return Outcome::not_started;
    // Only the daemon knows when the probe ran: its path waits before running it (policies/advance_steps.cc).
    if (!is_daemon(context)) return Outcome::not_daemon;
    if (context.now < doubt_end(context.state, task, row)) return Outcome::too_early;
  }
  StepRow& settled = *step_row(context.state.tasks.edit(task.id), row.started);
  if (happened) settled.state = StepState::done;
  settled.in_doubt.reset();
  settled.ended.reset();
  return Outcome::accepted;
}

/// After a restore an operator may report that a step happened in the lost records; this log has no start for it. This
/// record takes the place of the start.
Outcome happened_in_what_was_lost(RuleContext& context, const fb::StepFinished& event) {
  State& state = context.state;
  const Task* task = live_task(state, TaskId{event.task()});
  if (!task || !is_restored(*task) || event.version() != raw(task->version)) return Outcome::not_started;
  if (event.outcome() != fb::StepOutcome::done) return Outcome::not_started;
  const Stage& stage = *state.stage_of(*task);
  const std::string name = event.step()->str();
  const PipelineStep* step = state.pipeline_of(*task).step(stage.to, name);
  if (!step) return Outcome::no_such_step;
  const StepRow* earlier = step_at(*task, task->version, stage.to, name);
  if (earlier && earlier->state == StepState::done) return Outcome::already_done;
  if (open_step(*task)) return Outcome::outcome_unknown;

  StepRow row{.version = task->version,
              .to = stage.to,
              .step = name,
              .started = context.seq,
              .run = {},
              .irreversible = step->irreversible,
              .state = StepState::done,
              .boot = std::string(context.boot),
              .in_doubt = std::nullopt,
              .ended = std::nullopt,
              .reason = std::nullopt,
              .token = std::nullopt,
              .principal = principal_if_any(context),
              .not_done = std::nullopt,
              .late = std::nullopt};
  put_step(state.tasks.edit(task->id), std::move(row));
  return Outcome::accepted;
}

}  // namespace

Outcome apply_event(RuleContext& context, const fb::StepStarted& event) {
  State& state = context.state;
  const TaskId id{event.task()};
  const Task* task = live_task(state, id);
  if (!task) return Outcome::terminal;
  const bool checked = is_checked(context, task->repo);
  const Version version{event.version()};
  if (checked && version != task->version) return version_conflict(context, task, raw(version));
  const std::string to = event.to()->str();
  const std::string name = event.step()->str();
  const PipelineStep* step = state.pipeline_of(*task).step(to, name);
  if (!step) return Outcome::no_such_step;
  if (!task->blocked.empty()) return Outcome::blocked;
  if (!task->cancel_requested.empty() && !is_committed_beyond_doubt(*task)) return Outcome::cancel_requested;
  if (const Outcome waits = held_back(context, *task); waits != Outcome::accepted) return waits;
  if (const Outcome approval = approval_outcome(context, *task); approval != Outcome::accepted) return approval;
  if (checked) {
    if (!event.token() || (step->exclusive && !event.repo_token())) return Outcome::lease_required;
    Outcome token = token_outcome(context, task_key(id), token_from(event.token()), LeaseNeed::required);
    if (token == Outcome::accepted && step->exclusive) {
      token = token_outcome(context, repo_key(task->repo), token_from(event.repo_token()), LeaseNeed::required);
    }
    if (token != Outcome::accepted) return token;
  }
  // Without a separate boot, the start would count as the daemon's, which has no process for it.
  if (is_guest(context)) return Outcome::not_yours;
  const StepRow* earlier = step_at(*task, version, to, name);
  if (earlier && earlier->state == StepState::done) return Outcome::already_done;
  if (open_step(*task)) return Outcome::outcome_unknown;
  // The run identifies the process that has to be found and ended, so two starts may not share one.
  const std::string run = text_or_empty(event.run());
  if (!context.principal.empty() && !run.empty() && state.indexes.step_runs.contains(run)) return Outcome::run_in_use;

  // A step in doubt may still take effect: only that same step may start again, under the same key.
  const StepRow* doubtful = doubtful_step(*task);
  if (doubtful && doubtful != earlier) return Outcome::outcome_unknown;

  StepRow row{.version = version,
              .to = to,
              .step = name,
              .started = context.seq,
              .run = run,
              .irreversible = step->irreversible,
              .state = StepState::started,
              .boot = std::string(context.boot),
              // The doubt that an earlier attempt left is still there.
              .in_doubt = doubtful ? std::optional(true) : std::nullopt,
              .ended = std::nullopt,
              .reason = std::nullopt,
              .token = context.principal.empty() ? std::nullopt : token_from(event.token()),
              .principal = principal_if_any(context),
              .not_done = std::nullopt,
              .late = std::nullopt};
  put_step(state.tasks.edit(id), std::move(row));
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::StepFinished& event) {
  State& state = context.state;
  const TaskId id{event.task()};
  const Task* task = live_task(state, id);
  const Seq started{event.started()};
  if (started == Seq{0} && event.by() == fb::StepBy::operator_) return happened_in_what_was_lost(context, event);
  const StepRow* step = task ? step_started_by(context, *task, event) : nullptr;
  const bool is_latest = step != nullptr;
  if (!is_latest && task) step = place_of_earlier(context, *task, event);
  if (!step) return Outcome::not_started;
  if (const Outcome outcome = knower_outcome(context, *step, event); outcome != Outcome::accepted) return outcome;
  if (!is_latest) return has(step->late, started) ? Outcome::already_done : happened_late(context, id, *step, event);
  if (step->state == StepState::done) return Outcome::already_done;
  if (step->is_in_doubt() && step->state != StepState::started) return end_doubt(context, *task, *step, event);
  if (step->state != StepState::started) {
    return context.rules < 2 ? Outcome::not_started : happened_late(context, id, *step, event);
  }
  const bool happened = event.outcome() == fb::StepOutcome::done;
  // That it can no longer happen is a second report. A first one, from after the process was gone, must precede it.
  if (!happened && event.conclusive() == true) return Outcome::too_early;

  StepRow& row = *step_row(state.tasks.edit(id), started);
  row.state = state_of(event.outcome());
  if (!happened && event.conclusive() == false && row.irreversible) row.in_doubt = true;
  if (happened || event.by() == fb::StepBy::operator_) row.in_doubt.reset();
  if (row.is_in_doubt()) row.ended = context.now;
  if (!happened && event.reason()) row.reason = event.reason()->str();
  return Outcome::accepted;
}

}  // namespace pawl
