// The steps of a path: starts them, settles them, and probes a second time if one may still take effect (SPEC §8).
#include <algorithm>

#include "engine/policies/advance_path.h"
#include "engine/rules/proposals.h"

namespace pawl {

std::optional<AdvanceAnswer> AdvancePath::settle_open() {
  if (!look()) return end(AdvanceResult::waiting, moved_on);
  for (const PipelineStep& step : stage_->steps) {
    const StepRow* row = journal_of(step);
    if (!row || row->state != StepState::started) continue;
    // If the lease was lost while the gate ran, this step is not a leftover but the work of the next owner. A lease
    // that was granted and is gone was taken from this path, even if ownership has been switched off since.
    const bool is_ours = view_->lease && view_->lease->token == token_;
    const bool was_granted = std::any_of(held_.begin(), held_.end(),
                                         [this](const auto& held) { return held.first == task_key(request_.task); });
    const bool lost = !is_ours && (was_granted || view_->settings.ownership_checked(view_->task.repo));
    if (lost) return end(AdvanceResult::deferred, "lease", Awaited::lease);
    if (auto refusal = settle(step, *row).refusal) return refusal;
    if (!look()) return end(AdvanceResult::waiting, moved_on);
    break;
  }
  if (auto refusal = settle_doubt()) return refusal;
  // Check again even if no step is open: its starter may have finished it while the gate ran.
  return need_commands();
}

std::optional<AdvanceAnswer> AdvancePath::settle_doubt() {
  bool is_its_turn = true;
  for (const PipelineStep& step : stage_->steps) {
    const StepRow* row = journal_of(step);
    if (!row || !row->is_in_doubt()) {
      is_its_turn = is_its_turn && is_done(step);
      continue;
    }
    const bool refused = row->state == StepState::failed;
    const bool is_wanted = view_->task.cancel_requested.empty() || is_committed_beyond_doubt(view_->task);
    if (!refused && is_wanted && is_its_turn && world_.can_run(step)) return std::nullopt;
    return ask_again(step, refused ? OnNo::failed : OnNo::begin_again);
  }
  return std::nullopt;
}

std::optional<AdvanceAnswer> AdvancePath::cross(const PipelineStep& step) {
  if (!look()) return end(AdvanceResult::waiting, moved_on);
  const StepRow* row = journal_of(step);
  if (row && row->state == StepState::done) return std::nullopt;
  // Ours is already settled: this start belongs to the next owner, who got the lease meanwhile.
  if (row && row->state == StepState::started) return end(AdvanceResult::deferred, "lease", Awaited::lease);
  const std::string previous_run = row ? row->run : std::string();
  if (auto refusal = still_the_same()) return refusal;
  Held held = world_.hold_step(step, context(step.name), previous_run);
  if (held.status == Held::Status::previous_alive) return block("outcome_unknown");
  if (held.status == Held::Status::cannot_start) {
    return give_back_job(AdvanceResult::waiting, "cannot_start: " + held.why);
  }
  fb::StepStartedT start;
  start.task = raw(request_.task);
  start.version = raw(request_.version);
  start.to = stage_->to;
  start.step = step.name;
  if (token_) start.token = raw(*token_);
  if (step.exclusive) start.repo_token = raw(*repo_token_);  // enter() has it
  start.run = held.step->run();
  const Decision started = tell(propose_group(request_.requester, start));
  if (started.outcome != Outcome::accepted) return refused(started);  // `held` ends the process, which never ran

  const CommandExit exit = held.step->start_and_wait();
  const bool exited = exit.how == CommandExit::How::exited;
  Said said{.outcome = fb::StepOutcome::failed, .reason = held.step->reason()};
  if (exited && exit.code == 0) {
    said.outcome = fb::StepOutcome::done;
  } else if (exited && exit.code == exit_code_later && !step.irreversible) {
    said.outcome = fb::StepOutcome::did_not_happen;
  } else if (step.irreversible && !(exited && vouches(step, exit.code))) {
    // It is unknown whether it happened. Release its lock first: acquiring the lock again proves that none of its
    // processes is left.
    StepRow open;
    open.version = request_.version;
    open.step = step.name;
    open.started = started.seq;
    open.run = start.run;
    held.step.reset();
    const Settled settled = settle(step, open, said.reason);
    if (settled.refusal) return *settled.refusal;
    return settled.outcome == fb::StepOutcome::done ? std::nullopt : ask_again(step, OnNo::failed);
  }
  if (auto refusal = record_end(step, started.seq, said)) return refusal;
  if (said.outcome == fb::StepOutcome::done) return std::nullopt;
  held.step.reset();
  if (!step.irreversible && said.outcome == fb::StepOutcome::did_not_happen) {
    return give_back_job(AdvanceResult::waiting, "later: " + step.name);
  }
  // This report covers only this start: an earlier one may still take effect.
  return ask_again(step, OnNo::failed);
}

bool AdvancePath::vouches(const PipelineStep& step, std::int64_t code) {
  return std::find(step.not_done_exit_codes.begin(), step.not_done_exit_codes.end(), code) !=
         step.not_done_exit_codes.end();
}

AdvancePath::Settled AdvancePath::settle(const PipelineStep& step, const StepRow& row, const std::string& reason) {
  const Seq started = row.started;  // a copy: look() invalidates the row
  Asked asked = ask_probe(step, row);
  if (!asked.lock) return {.refusal = block("outcome_unknown")};
  Said said{.by = fb::StepBy::probe, .reason = reason};
  if (asked.verdict == Verdict::unknown && !step.irreversible && asked.gone) {
    asked.verdict = Verdict::no;  // It may run again, so the answer does not matter.
    said.by = fb::StepBy::rerun;
  }
  if (asked.verdict == Verdict::unknown) return {.refusal = block("outcome_unknown")};
  if (asked.verdict == Verdict::yes) said.outcome = fb::StepOutcome::done;
  // Its process is gone; what it requested at the target may still happen.
  if (asked.verdict == Verdict::no && step.irreversible) said.conclusive = false;
  return {.outcome = said.outcome, .refusal = record_end(step, started, said)};
}

AdvancePath::Asked AdvancePath::ask_probe(const PipelineStep& step, const StepRow& row) {
  const Version version = row.version;
  const std::string run = row.run;
  look();  // to get the starter's boot
  EndedStart ended =
      world_.end_and_lock({request_.task, version, step.name}, run, view_->step_boot ? &*view_->step_boot : nullptr);
  Asked asked{.lock = std::move(ended.lock), .gone = ended.gone};
  if (!asked.lock || step.probe.empty()) return asked;
  asked.verdict = world_.probe(step, context(step.name));
  if (asked.verdict == Verdict::no && !asked.gone) asked.verdict = Verdict::unknown;
  return asked;
}

std::optional<AdvanceAnswer> AdvancePath::ask_again(const PipelineStep& step, OnNo on_no) {
  if (!look()) return end(AdvanceResult::waiting, moved_on);
  const StepRow* row = journal_of(step);
  if (row && row->state == StepState::done) return std::nullopt;
  if (row && row->state == StepState::started) return end(AdvanceResult::deferred, "lease", Awaited::lease);
  const std::string reason = row ? row->reason.value_or("") : "";
  if (!row || !row->is_in_doubt()) return step_failed(step, reason);
  const StepRow doubtful = *row;
  const TimeUs settled = plus_s(*doubtful.ended, step.settle_s);
  for (TimeUs now = machine_.now(); now < settled; now = machine_.now()) {
    if (!world_.wait(request_.task, settled.us - now.us)) {
      return give_back_job(AdvanceResult::waiting, "settling: " + step.name);
    }
  }
  Asked asked = ask_probe(step, doubtful);
  if (asked.verdict == Verdict::unknown) return block("outcome_unknown");
  Said said{.by = fb::StepBy::probe};
  if (asked.verdict == Verdict::yes) said.outcome = fb::StepOutcome::done;
  if (asked.verdict == Verdict::no) said.conclusive = true;
  if (auto refusal = record_end(step, doubtful.started, said)) return refusal;
  if (asked.verdict == Verdict::yes) return std::nullopt;
  asked.lock.reset();
  if (!view_->task.cancel_requested.empty()) {
    return give_back_job(AdvanceResult::waiting, name(Outcome::cancel_requested));
  }
  return on_no == OnNo::failed ? step_failed(step, reason)
                               : end(AdvanceResult::waiting, "did_not_happen: " + step.name);
}

std::optional<AdvanceAnswer> AdvancePath::record_end(const PipelineStep& step, Seq started, const Said& said) {
  fb::StepFinishedT event;
  event.task = raw(request_.task);
  event.version = raw(request_.version);
  event.step = step.name;
  event.started = raw(started);
  event.outcome = said.outcome;
  event.by = said.by;
  if (said.conclusive) event.conclusive = *said.conclusive;
  if (said.outcome != fb::StepOutcome::done) event.reason = said.reason;
  const Decision decision = tell(propose_group(request_.requester, event));
  if (decision.outcome == Outcome::accepted) return std::nullopt;
  return refused(decision);
}

AdvanceAnswer AdvancePath::step_failed(const PipelineStep& step, const std::string& reason) {
  const std::string why = "step_failed: " + step.name + (reason.empty() ? "" : ": " + reason);
  if (!look()) return end(AdvanceResult::waiting, moved_on);
  if (is_committed(view_->task)) return block(why);
  if (!stage_->rollback.empty()) {
    return finish_by(transition(stage_->rollback, why), AdvanceResult::rolled_back, why);
  }
  if (running_job()) return give_back_job(AdvanceResult::waiting, why);
  return block(why);
}

}  // namespace pawl
