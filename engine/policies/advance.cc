#include "engine/policies/advance.h"

#include <algorithm>

#include "engine/policies/gate_said.h"
#include "engine/rules/proposals.h"

namespace pawl {
namespace {

constexpr std::string_view moved_on = "moved_on";
constexpr std::string_view in_hand = "in_hand";

/// How a refusal ends the path: what the asker is told.
AdvanceResult result_of(Outcome refusal) {
  switch (refusal) {
    case Outcome::lease_held:
    case Outcome::stale_token:
    case Outcome::lease_required:  // it was held, and somebody reclaimed it
      return AdvanceResult::deferred;
    case Outcome::blocked:
      return AdvanceResult::blocked;
    case Outcome::committed:
      return AdvanceResult::committed;
    default:
      return AdvanceResult::waiting;
  }
}

/// One try at driving a task over its forward edge.
class Path {
 public:
  Path(Machine& machine, World& world, const AdvanceOrder& order)
      : machine_(machine),
        world_(world),
        order_(order),
        asks_gate_(order.gate == AdvanceOrder::Gate::ask),
        token_(order.token) {}

  AdvanceAnswer run() {
    if (!order_.is_entered && !(hold_ = world_.enter_path(order_.task))) return end(AdvanceResult::deferred, in_hand);
    if (!begin()) return end(AdvanceResult::waiting, moved_on);
    if (!view_->task.blocked.empty()) return end(AdvanceResult::blocked, view_->task.blocked);
    if (view_->waits_for_dependency && !is_committed(view_->task) && !open_step(view_->task)) {
      return end(AdvanceResult::waiting, name(Outcome::dependency));
    }
    // Neither a gate nor a step beside what may still write where they read.
    if (view_->is_barred && !is_committed(view_->task)) {
      return end(AdvanceResult::waiting, name(Outcome::previous_alive));
    }
    if (const auto refusal = ask_origin()) return *refusal;
    if (const auto refusal = enter()) return *refusal;
    if (const auto refusal = ready_tree()) return *refusal;
    if (!is_committed(view_->task) && asks_gate_ && stage_->gate) {
      if (const auto refusal = ask_gate()) return *refusal;
    }
    if (const auto refusal = settle_open()) return *refusal;
    for (const PipelineStep& step : stage_->steps) {
      if (const auto refusal = cross(step)) return *refusal;
    }
    return finish_by(transition(stage_->to, "advanced"), AdvanceResult::advanced, {});
  }

 private:
  /// Finds the edge that is to be crossed; false if the task is no longer at the version that the order names.
  bool begin() {
    view_ = machine_.view(order_.task);
    if (!view_) return false;
    // With ownership off the asker's token stands for no lease, and there is nothing to release.
    if (token_ && view_->lease && view_->lease->token == *token_) held_.emplace_back(view_->lease->key, *token_);
    if (view_->task.version != order_.version) return false;
    pipeline_ = view_->pipeline;
    stage_ = pipeline_->stage(view_->task.stage);
    return stage_ != nullptr;
  }

  /// Looks at the task anew; false if somebody has moved it on. With ownership off that is nobody's concern (SPEC §7):
  /// the path then goes on as if it were alone, and only what apply always checks stands in its way.
  bool look() {
    std::optional<TaskView> seen = machine_.view(order_.task);
    if (!seen) return false;
    view_ = std::move(seen);
    return view_->task.version == order_.version || !view_->settings.ownership_checked(view_->task.repo);
  }

  // Entry: the leases, before any heavy work.

  std::optional<AdvanceAnswer> enter() {
    const bool checked = view_->settings.ownership_checked(view_->task.repo);
    if (checked && view_->lease && view_->lease->token != token_) return end(AdvanceResult::deferred, "lease");
    if (!stage_->guarded()) return runs_gate() && !token_ ? take({.task = true, .repo = false}) : std::nullopt;
    // What somebody outside has begun and left is settled all the same: that needs no command, and nobody else does it.
    // With ownership off there is no telling whether he has left it.
    if (!checked || !has_open_step()) {
      if (auto refusal = need_commands()) return refusal;
    }
    const auto exclusive = [](const PipelineStep& step) { return step.exclusive; };
    return take({.task = !token_, .repo = std::any_of(stage_->steps.begin(), stage_->steps.end(), exclusive)});
  }

  /// Whether a gate is going to run for the path: two of them in one worktree would spoil each other's work.
  bool runs_gate() const { return asks_gate_ && stage_->gate && !stage_->gate->run.empty(); }

  struct Wanted {
    bool task;
    bool repo;
  };

  std::optional<AdvanceAnswer> take(const Wanted& wanted) {
    Group group;
    if (wanted.task) group.push_back(propose(order_.asker, lease(task_key(order_.task), std::nullopt)));
    if (wanted.repo) {
      group.push_back(propose(order_.asker, lease(repo_key(view_->task.repo), view_->settings.lease.merge_ttl_s)));
    }
    if (!group.empty()) {
      const Decision decision = tell(std::move(group));
      if (decision.outcome != Outcome::accepted) return not_entered(decision);
      if (wanted.task) token_ = hold(task_key(order_.task), decision);
      if (wanted.repo) repo_token_ = hold(repo_key(view_->task.repo), decision);
    }
    // What another path did until the lease was ours is what this one goes on from.
    if (!look()) return end(AdvanceResult::waiting, moved_on);
    return std::nullopt;
  }

  bool has_open_step() const {
    return std::any_of(stage_->steps.begin(), stage_->steps.end(), [this](const PipelineStep& step) {
      const StepRow* row = journal_of(step);
      return row && row->state == StepState::started;
    });
  }

  std::optional<AdvanceAnswer> need_commands() {
    for (const PipelineStep& step : stage_->steps) {
      if (!is_done(step) && !world_.can_run(step)) return end(AdvanceResult::waiting, "no_command");
    }
    return std::nullopt;
  }

  fb::LeaseAcquiredT lease(const std::string& key, std::optional<std::int64_t> ttl_s) const {
    const Owner owner{.boot_id = order_.asker.boot, .pid = order_.pid, .actor = order_.asker.actor};
    return lease_wanted(key, owner, edge(), ttl_s);
  }

  /// The token on `key`. With ownership switched off nothing was granted and nothing is to be released; the seq then
  /// stands for a token, which is stale as soon as ownership is switched on again (SPEC §7).
  Token hold(const std::string& key, const Decision& decision) {
    const std::optional<Token> granted = decision.granted(key);
    if (granted) held_.emplace_back(key, *granted);
    return granted.value_or(Token{raw(decision.seq)});
  }

  AdvanceAnswer not_entered(const Decision& decision) {
    if (decision.outcome != Outcome::lease_held) return refused(decision);
    // Either the task's or the repository's: the first defers to its owner, the second waits for its turn.
    const bool moved = !look();
    const bool repo_is_held = !moved && (!view_->lease || view_->lease->token == token_);
    return end(repo_is_held ? AdvanceResult::waiting : AdvanceResult::deferred, "lease");
  }

  // The worktree.

  /// None: nothing that runs in one is going to.
  std::optional<TreeNeed> tree_need() const {
    const bool runs_steps = std::any_of(stage_->steps.begin(), stage_->steps.end(), [this](const PipelineStep& step) {
      return !is_done(step) && (world_.can_run(step) || !step.probe.empty());
    });
    // What has begun goes on in what it began in, whatever origin does.
    if (is_committed(view_->task) || has_open_step()) return runs_steps ? std::optional(TreeNeed::any) : std::nullopt;
    if (!runs_steps) return runs_gate() ? std::optional(TreeNeed::of_today) : std::nullopt;
    const bool changes_origin = std::any_of(stage_->steps.begin(), stage_->steps.end(),
                                            [](const PipelineStep& step) { return step.exclusive; });
    return changes_origin ? TreeNeed::compared_by_all_means : TreeNeed::compared;
  }

  /// Before the leases: nothing is held while an origin does not answer.
  std::optional<AdvanceAnswer> ask_origin() {
    const bool checked = view_->settings.ownership_checked(view_->task.repo);
    const bool is_leased = checked && view_->lease && view_->lease->token != token_;
    // What is not going to be entered needs no worktree.
    if (is_leased || (!view_->task.cancel_requested.empty() && !is_committed(view_->task))) return std::nullopt;
    need_ = tree_need();
    return need_ ? not_ready(world_.ask_origin(context({}), *need_)) : std::nullopt;
  }

  std::optional<AdvanceAnswer> ready_tree() {
    if (!need_) return std::nullopt;
    const TreeAnswer before = asks_gate_ ? TreeAnswer() : world_.look_at_tree(context({}));
    tree_ = world_.ready_tree(context({}), *need_);
    // Green was another head.
    if (before.state == TreeAnswer::State::ready && before.head != tree_.head) asks_gate_ = true;
    return not_ready(tree_);
  }

  std::optional<AdvanceAnswer> not_ready(const TreeAnswer& tree) {
    switch (tree.state) {
      case TreeAnswer::State::ready:
        return std::nullopt;
      case TreeAnswer::State::waits:
        return end(AdvanceResult::waiting, tree.reason);
      case TreeAnswer::State::barred:
        return block(tree.reason);
      case TreeAnswer::State::failed:
        return give_back_job(AdvanceResult::waiting, "cannot_start: " + tree.reason);
    }
    return std::nullopt;
  }

  /// Whether branch and worktree still are what the gate judged. Asked until the crossing is committed: from there
  /// nothing changes until it ends.
  std::optional<AdvanceAnswer> still_the_same() {
    const bool is_compared = need_ == TreeNeed::compared || need_ == TreeNeed::compared_by_all_means;
    if (!is_compared || is_committed(view_->task)) return std::nullopt;
    if (auto refusal = not_ready(world_.ask_origin(context({}), *need_))) return refusal;
    const TreeAnswer now = world_.look_at_tree(context({}));
    if (auto refusal = not_ready(now)) return refusal;
    if (now.head == tree_.head && now.origin_head == tree_.origin_head) return std::nullopt;
    constexpr std::string_view why = "head_moved";
    const bool has_begun = std::any_of(stage_->steps.begin(), stage_->steps.end(),
                                       [this](const PipelineStep& step) { return is_done(step); });
    // Back to the gate, which judges what is there by now.
    if (!has_begun) return end(AdvanceResult::waiting, why);
    // Steps are done for a head that is none any more: only another version does them again.
    if (stage_->rollback.empty()) return block(std::string(why));
    return finish_by(transition(stage_->rollback, std::string(why)), AdvanceResult::rolled_back, why);
  }

  // The gate.

  std::optional<AdvanceAnswer> ask_gate() {
    const GateAnswer gate = world_.run_gate(*stage_->gate, context({}));
    // For the record only; if the task has moved on meanwhile, look() sees it.
    const std::optional<RedRow> was_red = view_->task.red;
    tell(propose_group(order_.asker, gate_said(order_.task, order_.version, stage_->name, gate)));
    if (!look()) return end(AdvanceResult::waiting, moved_on);
    // Asked for while the gate ran: what is to be cancelled goes no further, whatever the gate said.
    if (!view_->task.cancel_requested.empty() && !is_committed(view_->task)) {
      return give_back_job(AdvanceResult::waiting, name(Outcome::cancel_requested));
    }
    if (gate.passed == true) return std::nullopt;

    const std::string why = gate.reason.empty() ? "" : ": " + gate.reason;
    // It could not tell: nothing is held against the job, and the reconciler asks again.
    if (gate.later) return give_back_job(AdvanceResult::waiting, "later" + why);
    const bool is_unchanged = was_red && was_red->gate == stage_->name && was_red->head == gate.head;
    if (gate.passed && is_unchanged && order_.on_red == AdvanceOrder::OnRed::roll_back_or_retry &&
        view_->settings.gate.unchanged == "block") {
      return block("gate_red on the same commit as before" + why);
    }
    if (order_.on_red == AdvanceOrder::OnRed::roll_back_or_retry) {
      if (gate.passed && !stage_->rollback.empty()) {
        return finish_by(transition(stage_->rollback, "gate_red" + why), AdvanceResult::rolled_back, "gate_red" + why);
      }
      return give_back_job(gate.passed ? AdvanceResult::gate_red : AdvanceResult::waiting,
                           (gate.passed ? "gate_red" : "gate_error") + why);
    }
    return gate.passed ? end(AdvanceResult::gate_red, "gate_red" + why)
                       : end(AdvanceResult::waiting, "gate_error" + why);
  }

  // Steps.

  /// Whichever step of the crossing is open, before any other: nothing can be started beside it.
  std::optional<AdvanceAnswer> settle_open() {
    if (!look()) return end(AdvanceResult::waiting, moved_on);
    for (const PipelineStep& step : stage_->steps) {
      const StepRow* row = journal_of(step);
      if (!row || row->state != StepState::started) continue;
      // If the lease was lost while the gate ran, this is no leftover but what the next owner does.
      // A lease that was granted and is gone was taken from this path, also if ownership is switched off by now.
      const bool is_ours = view_->lease && view_->lease->token == token_;
      const bool was_granted = std::any_of(held_.begin(), held_.end(),
                                           [this](const auto& held) { return held.first == task_key(order_.task); });
      const bool lost = !is_ours && (was_granted || view_->settings.ownership_checked(view_->task.repo));
      if (lost) return end(AdvanceResult::deferred, "lease");
      if (auto refusal = settle(step, *row).refusal) return refusal;
      if (!look()) return end(AdvanceResult::waiting, moved_on);
      break;
    }
    if (auto refusal = settle_doubt()) return refusal;
    // Asked again, also if none is open: whoever had begun it may have ended it while the gate ran.
    return need_commands();
  }

  /// A step that may happen yet is started again, under the same key, or it is asked after a second time: if it
  /// refused, if nobody is to start it any more, or if it had been begun before its turn.
  std::optional<AdvanceAnswer> settle_doubt() {
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

  std::optional<AdvanceAnswer> cross(const PipelineStep& step) {
    if (!look()) return end(AdvanceResult::waiting, moved_on);
    const StepRow* row = journal_of(step);
    if (row && row->state == StepState::done) return std::nullopt;
    // Ours is settled by now: this is what the next owner does, who got the lease meanwhile.
    if (row && row->state == StepState::started) return end(AdvanceResult::deferred, "lease");
    const std::string previous_run = row ? row->run : std::string();
    if (auto refusal = still_the_same()) return refusal;
    Held held = world_.hold_step(step, context(step.name), previous_run);
    if (held.status == Held::Status::previous_alive) return block("outcome_unknown");
    if (held.status == Held::Status::cannot_start) {
      return give_back_job(AdvanceResult::waiting, "cannot_start: " + held.why);
    }
    fb::StepStartedT start;
    start.task = raw(order_.task);
    start.version = raw(order_.version);
    start.to = stage_->to;
    start.step = step.name;
    if (token_) start.token = raw(*token_);
    if (step.exclusive) start.repo_token = raw(*repo_token_);  // enter() has it
    start.run = held.step->run();
    const Decision started = tell(propose_group(order_.asker, start));
    if (started.outcome != Outcome::accepted) return refused(started);  // `held` ends the process, which never ran

    const CommandExit exit = held.step->go();
    const bool exited = exit.how == CommandExit::How::exited;
    Said said{.outcome = fb::StepOutcome::failed, .reason = held.step->reason()};
    if (exited && exit.code == 0) {
      said.outcome = fb::StepOutcome::done;
    } else if (exited && exit.code == exit_code_later && !step.irreversible) {
      said.outcome = fb::StepOutcome::did_not_happen;
    } else if (step.irreversible && !(exited && vouches(step, exit.code))) {
      // Nobody knows whether it happened. Its lock is given back first: only who gets it anew has shown that no
      // process of it is left.
      StepRow open;
      open.version = order_.version;
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
    // Its word is for its own start: an earlier one may have left something in the air.
    return ask_again(step, OnNo::failed);
  }

  static bool vouches(const PipelineStep& step, std::int64_t code) {
    return std::find(step.not_done_exit_codes.begin(), step.not_done_exit_codes.end(), code) !=
           step.not_done_exit_codes.end();
  }

  /// What is said of a start's end.
  struct Said {
    fb::StepOutcome outcome = fb::StepOutcome::did_not_happen;
    fb::StepBy by = fb::StepBy::command;
    std::optional<bool> conclusive = std::nullopt;
    std::string reason = {};  // of a step that was not done: its last line
  };

  struct Settled {
    fb::StepOutcome outcome = fb::StepOutcome::did_not_happen;
    std::optional<AdvanceAnswer> refusal;
  };

  /// Finds out what became of a start whose end is not recorded (SPEC §8, re-entry), with its lock held until that is
  /// recorded.
  Settled settle(const PipelineStep& step, const StepRow& row, const std::string& reason = {}) {
    const Seq started = row.started;  // a copy: looking anew takes the row away
    Asked asked = ask_probe(step, row);
    if (!asked.lock) return {.refusal = block("outcome_unknown")};
    Said said{.by = fb::StepBy::probe, .reason = reason};
    if (asked.verdict == Verdict::unknown && !step.irreversible && asked.gone) {
      asked.verdict = Verdict::no;  // It may run again, so it does not matter.
      said.by = fb::StepBy::rerun;
    }
    if (asked.verdict == Verdict::unknown) return {.refusal = block("outcome_unknown")};
    if (asked.verdict == Verdict::yes) said.outcome = fb::StepOutcome::done;
    // Its process is gone; what it has asked the target for may come yet.
    if (asked.verdict == Verdict::no && step.irreversible) said.conclusive = false;
    return {.outcome = said.outcome, .refusal = record_end(step, started, said)};
  }

  struct Asked {
    std::unique_ptr<StepLock> lock;  // of the place; null: it cannot be had, and nothing was asked
    bool gone = false;               // the start's process is shown to be gone
    Verdict verdict = Verdict::unknown;
  };

  /// Ends what is left of a start, and asks the probe with the lock of its place held. A *no* is worth nothing while
  /// the process may be there yet.
  Asked ask_probe(const PipelineStep& step, const StepRow& row) {
    const Version version = row.version;
    const std::string run = row.run;
    look();  // for who started it
    EndedStart ended =
        world_.end_and_lock({order_.task, version, step.name}, run, view_->step_boot ? &*view_->step_boot : nullptr);
    Asked asked{.lock = std::move(ended.lock), .gone = ended.gone};
    if (!asked.lock || step.probe.empty()) return asked;
    asked.verdict = world_.probe(step, context(step.name));
    if (asked.verdict == Verdict::no && !asked.gone) asked.verdict = Verdict::unknown;
    return asked;
  }

  enum class OnNo { failed, begin_again };

  /// After a step that did not happen, or failed. If a try of it may come yet, its probe is asked a second time, when
  /// its settle time is over: only that *no* lets the crossing go (SPEC §8).
  std::optional<AdvanceAnswer> ask_again(const PipelineStep& step, OnNo on_no) {
    if (!look()) return end(AdvanceResult::waiting, moved_on);
    const StepRow* row = journal_of(step);
    if (row && row->state == StepState::done) return std::nullopt;
    if (row && row->state == StepState::started) return end(AdvanceResult::deferred, "lease");
    const std::string reason = row ? row->reason.value_or("") : "";
    if (!row || !row->is_in_doubt()) return step_failed(step, reason);
    const StepRow doubtful = *row;
    const TimeUs settled = plus_s(*doubtful.ended, step.settle_s);
    for (TimeUs now = machine_.now(); now < settled; now = machine_.now()) {
      if (!world_.wait(order_.task, settled.us - now.us)) {
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

  std::optional<AdvanceAnswer> record_end(const PipelineStep& step, Seq started, const Said& said) {
    fb::StepFinishedT event;
    event.task = raw(order_.task);
    event.version = raw(order_.version);
    event.step = step.name;
    event.started = raw(started);
    event.outcome = said.outcome;
    event.by = said.by;
    if (said.conclusive) event.conclusive = *said.conclusive;
    if (said.outcome != fb::StepOutcome::done) event.reason = said.reason;
    const Decision decision = tell(propose_group(order_.asker, event));
    if (decision.outcome == Outcome::accepted) return std::nullopt;
    return refused(decision);
  }

  /// A step that did not happen, or failed: back, unless an irreversible one before it stands.
  AdvanceAnswer step_failed(const PipelineStep& step, const std::string& reason) {
    const std::string why = "step_failed: " + step.name + (reason.empty() ? "" : ": " + reason);
    if (!look()) return end(AdvanceResult::waiting, moved_on);
    if (is_committed(view_->task)) return block(why);
    if (!stage_->rollback.empty()) {
      return finish_by(transition(stage_->rollback, why), AdvanceResult::rolled_back, why);
    }
    if (running_job()) return give_back_job(AdvanceResult::waiting, why);
    return block(why);
  }

  // Ends of the path.

  /// A group that begins with `first`, ends the running job by `result`, and gives back every lease.
  template <class Event>
  Group closing_group(const Event& first, fb::JobResult result) {
    Group group = propose_group(order_.asker, first);
    add_job_end(group, result);
    add_releases(group);
    return group;
  }

  fb::StageTransitionT transition(const std::string& to, const std::string& reason) const {
    fb::StageTransitionT event;
    event.task = raw(order_.task);
    event.to = to;
    event.expected_version = raw(order_.version);
    if (token_) event.token = raw(*token_);
    event.reason = reason;
    return event;
  }

  AdvanceAnswer finish_by(const fb::StageTransitionT& event, AdvanceResult result, std::string_view reason) {
    look();
    const Decision decision = tell(closing_group(event, fb::JobResult::done));
    if (decision.outcome != Outcome::accepted) return refused(decision);
    held_.clear();
    return answer(result, reason);
  }

  AdvanceAnswer block(const std::string& reason) {
    look();
    fb::TaskBlockedT event;
    event.task = raw(order_.task);
    event.version = raw(order_.version);
    event.reason = reason;
    if (token_) event.token = raw(*token_);
    const Decision decision = tell(closing_group(event, fb::JobResult::done));
    if (decision.outcome != Outcome::accepted) return refused(decision);
    held_.clear();
    return answer(AdvanceResult::blocked, reason);
  }

  /// Ends the path with the retry rule for the job, if one runs.
  AdvanceAnswer give_back_job(AdvanceResult result, std::string_view reason) {
    look();
    Group group;
    add_job_end(group, fb::JobResult::retry);
    add_releases(group);
    if (!group.empty()) {
      const Decision decision = tell(std::move(group));
      if (decision.outcome != Outcome::accepted) return refused(decision);
      held_.clear();
    }
    return answer(result, reason);
  }

  AdvanceAnswer refused(const Decision& decision) {
    AdvanceAnswer given = end(result_of(decision.outcome), name(decision.outcome));
    given.outcome = decision.outcome;
    return given;
  }

  /// Gives back the leases, one by one: one that was reclaimed meanwhile must not keep the other from its release.
  AdvanceAnswer end(AdvanceResult result, std::string_view reason) {
    for (const auto& [key, token] : std::exchange(held_, {})) {
      tell(propose_group(order_.asker, release(key, token)));
    }
    return answer(result, reason);
  }

  AdvanceAnswer answer(AdvanceResult result, std::string_view reason) const {
    return {.result = result, .seq = last_seq_, .outcome = Outcome::accepted, .reason = std::string(reason)};
  }

  void add_job_end(Group& group, fb::JobResult result) const {
    const Job* job = running_job();
    if (!job) return;
    fb::JobFinishedT event;
    event.job = raw(job->id);
    event.attempt = job->attempts;
    event.result = result;
    group.push_back(propose(order_.asker, event));
  }

  void add_releases(Group& group) const {
    for (const auto& [key, token] : held_) group.push_back(propose(order_.asker, release(key, token)));
  }

  static fb::LeaseReleasedT release(const std::string& key, Token token) {
    fb::LeaseReleasedT event;
    event.key = key;
    event.token = raw(token);
    return event;
  }

  /// The running job of the version that the path leaves.
  const Job* running_job() const {
    const bool runs = view_ && view_->open_job && view_->open_job->status == JobStatus::running &&
                      view_->open_job->version == order_.version;
    return runs ? &*view_->open_job : nullptr;
  }

  const StepRow* journal_of(const PipelineStep& step) const {
    for (const StepRow& row : view_->task.steps) {
      if (row.version == order_.version && row.to == stage_->to && row.step == step.name) return &row;
    }
    return nullptr;
  }

  bool is_done(const PipelineStep& step) const {
    const StepRow* row = journal_of(step);
    return row && row->state == StepState::done;
  }

  std::string edge() const { return stage_->name + "->" + stage_->to; }

  CommandContext context(const std::string& step) const {
    const Task& task = view_->task;
    return {.task = task.id,
            .work_item = task.work_item,
            .repo = task.repo,
            .branch = task.branch,
            .stage = stage_->name,
            .version = order_.version,
            .edge = edge(),
            .token = token_,
            .step = step,
            .restores = view_->restores,
            .begins_branch = pipeline_->begins_branches()};
  }

  Decision tell(Group group) {
    Decision decision = machine_.propose(std::move(group));
    last_seq_ = decision.seq;
    return decision;
  }

  Machine& machine_;
  World& world_;
  const AdvanceOrder& order_;
  bool asks_gate_ = true;
  std::unique_ptr<PathHold> hold_;
  std::optional<TaskView> view_;
  std::shared_ptr<const Pipeline> pipeline_;
  const Stage* stage_ = nullptr;                     // of *pipeline_: the one that is to be left
  std::optional<TreeNeed> need_;                     // none: nothing runs in a worktree
  TreeAnswer tree_;                                  // as the gate saw it
  std::optional<Token> token_;                       // of the task's lease
  std::optional<Token> repo_token_;                  // of the repository's
  std::vector<std::pair<std::string, Token>> held_;  // to be released: key and token, in the order taken
  Seq last_seq_{};
};

}  // namespace

AdvanceAnswer advance(Machine& machine, World& world, const AdvanceOrder& order) {
  return Path(machine, world, order).run();
}

}  // namespace pawl
