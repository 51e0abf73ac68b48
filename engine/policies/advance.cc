#include "engine/policies/advance.h"

#include <algorithm>

#include "engine/policies/advance_path.h"
#include "engine/policies/gate_said.h"
#include "engine/rules/proposals.h"

namespace pawl {
namespace {

/// How a refusal ends the path: the result that the requester gets.
AdvanceResult result_of(Outcome refusal) {
  switch (refusal) {
    case Outcome::lease_held:
    case Outcome::stale_token:
    case Outcome::lease_required:  // it was held, and was reclaimed
      return AdvanceResult::deferred;
    case Outcome::blocked:
      return AdvanceResult::blocked;
    case Outcome::committed:
      return AdvanceResult::committed;
    default:
      return AdvanceResult::waiting;
  }
}

Awaited awaited_after(Outcome refusal) {
  switch (refusal) {
    case Outcome::dependency:
      return Awaited::dependency;
    case Outcome::held:
    case Outcome::not_yet:
      return Awaited::hold;
    case Outcome::not_approved:
      return Awaited::approval;
    case Outcome::previous_alive:
      return Awaited::previous;
    default:
      return Awaited::nothing;
  }
}

}  // namespace

AdvanceAnswer AdvancePath::run() {
  if (!request_.is_entered && !(hold_ = world_.enter_path(request_.task))) {
    return end(AdvanceResult::deferred, "in_hand", Awaited::path);
  }
  if (!begin()) return end(AdvanceResult::waiting, moved_on);
  if (!view_->task.blocked.empty()) return end(AdvanceResult::blocked, view_->task.blocked);
  if (view_->waits_for_dependency && !is_committed(view_->task) && !open_step(view_->task)) {
    return end(AdvanceResult::waiting, name(Outcome::dependency), Awaited::dependency);
  }
  // A worker began a step of another edge. The path would take the lease only to be refused and give it back, again and
  // again: every lease that is freed wakes those who wait.
  if (is_committed(view_->task) && committed_to(view_->task) != stage_->to) {
    return end(AdvanceResult::committed, name(Outcome::committed));
  }
  // Do not run gates or steps next to a process that may still write to the files they read.
  if (view_->is_barred && !is_committed(view_->task)) {
    return end(AdvanceResult::waiting, name(Outcome::previous_alive), Awaited::previous);
  }
  if (is_agent_at_work()) return end(AdvanceResult::waiting, "agent_at_work", Awaited::agent);
  if (const auto refusal = heed_people()) return *refusal;
  if (view_->is_early_at(machine_.now())) {
    return wait(std::string(name(Outcome::not_yet)) + ": " + early_in_words(view_->task), Awaited::hold,
                view_->task.not_before);
  }
  if (const HeldBy* held = view_->held_at(machine_.now())) {
    return wait(std::string(name(Outcome::held)) + ": " + in_words(*held), Awaited::hold, held->until);
  }
  if (const auto refusal = look_at_question()) return *refusal;
  if (const auto refusal = ask_origin()) return *refusal;
  if (const auto refusal = need_variables()) return *refusal;
  if (const auto refusal = enter()) return *refusal;
  if (const auto refusal = ready_tree()) return *refusal;
  if (!is_committed(view_->task) && asks_gate_ && stage_->gate) {
    if (const auto refusal = ask_gate()) return *refusal;
  }
  if (const auto refusal = need_approval()) return *refusal;
  if (const auto refusal = settle_open()) return *refusal;
  if (const auto refusal = compare_after_settling()) return *refusal;
  for (const PipelineStep& step : stage_->steps) {
    if (const auto refusal = cross(step)) return *refusal;
  }
  return finish_by(transition(stage_->to, "advanced"), AdvanceResult::advanced, {});
}

bool AdvancePath::begin() {
  view_ = machine_.view(request_.task);
  if (!view_) return false;
  // With ownership off the requester's token does not belong to a lease, and there is nothing to release.
  if (token_ && view_->lease && view_->lease->token == *token_) held_.emplace_back(view_->lease->key, *token_);
  if (view_->task.version != request_.version) return false;
  pipeline_ = view_->pipeline;
  stage_ = pipeline_->stage(view_->task.stage);
  return stage_ != nullptr;
}

bool AdvancePath::look() {
  std::optional<TaskView> seen = machine_.view(request_.task);
  if (!seen) return false;
  view_ = std::move(seen);
  return view_->task.version == request_.version || !view_->settings.ownership_checked(view_->task.repo);
}

// Entry: take the leases before any heavy work.

std::optional<AdvanceAnswer> AdvancePath::enter() {
  const bool checked = view_->settings.ownership_checked(view_->task.repo);
  if (checked && view_->lease && view_->lease->token != token_) {
    return end(AdvanceResult::deferred, "lease", Awaited::lease);
  }
  if (!stage_->guarded()) {
    return (runs_gate() || needs_approval()) && !token_ ? take({.task = true, .repo = false}) : std::nullopt;
  }
  // A step that an outside worker started and left is settled anyway: that needs no command, and no one else does it.
  // With ownership off, it is not possible to tell whether the worker has left it.
  if (!checked || !has_open_step()) {
    if (auto refusal = need_commands()) return refusal;
  }
  const auto exclusive = [](const PipelineStep& step) { return step.exclusive; };
  return take({.task = !token_, .repo = std::any_of(stage_->steps.begin(), stage_->steps.end(), exclusive)});
}

std::optional<AdvanceAnswer> AdvancePath::take(const Wanted& wanted) {
  Group group;
  if (wanted.task) group.push_back(propose(request_.requester, lease(task_key(request_.task), std::nullopt)));
  if (wanted.repo) {
    group.push_back(propose(request_.requester, lease(repo_key(view_->task.repo), view_->settings.lease.merge_ttl_s)));
  }
  if (!group.empty()) {
    const Decision decision = tell(std::move(group));
    if (decision.outcome != Outcome::accepted) return not_entered(decision);
    if (wanted.task) token_ = hold(task_key(request_.task), decision);
    if (wanted.repo) repo_token_ = hold(repo_key(view_->task.repo), decision);
  }
  // Continue from whatever another path did before the lease was ours.
  if (!look()) return end(AdvanceResult::waiting, moved_on);
  return std::nullopt;
}

bool AdvancePath::has_open_step() const {
  return std::any_of(stage_->steps.begin(), stage_->steps.end(), [this](const PipelineStep& step) {
    const StepRow* row = journal_of(step);
    return row && row->state == StepState::started;
  });
}

std::optional<AdvanceAnswer> AdvancePath::need_commands() {
  for (const PipelineStep& step : stage_->steps) {
    if (!is_done(step) && !world_.can_run(step)) return end(AdvanceResult::waiting, "no_command", Awaited::command);
  }
  return std::nullopt;
}

fb::LeaseAcquiredT AdvancePath::lease(const std::string& key, std::optional<std::int64_t> ttl_s) const {
  const Owner owner{.boot_id = request_.requester.boot, .pid = request_.pid, .actor = request_.requester.actor};
  return lease_wanted(key, owner, edge(), ttl_s);
}

Token AdvancePath::hold(const std::string& key, const Decision& decision) {
  const std::optional<Token> granted = decision.granted(key);
  if (granted) held_.emplace_back(key, *granted);
  return granted.value_or(Token{raw(decision.seq)});
}

AdvanceAnswer AdvancePath::not_entered(const Decision& decision) {
  if (decision.outcome != Outcome::lease_held) return refused(decision);
  // It is either the task's lease or the repository's: for the first, defer to its owner; for the second, wait.
  const bool moved = !look();
  const bool repo_is_held = !moved && (!view_->lease || view_->lease->token == token_);
  return end(repo_is_held ? AdvanceResult::waiting : AdvanceResult::deferred, "lease", Awaited::lease);
}

// The worktree.

std::optional<TreeNeed> AdvancePath::tree_need() const {
  const bool runs_steps = std::any_of(stage_->steps.begin(), stage_->steps.end(), [this](const PipelineStep& step) {
    return !is_done(step) && (world_.can_run(step) || !step.probe.empty());
  });
  // Work that has started continues in its worktree, whatever happens at origin.
  if (is_committed(view_->task) || has_open_step()) return runs_steps ? std::optional(TreeNeed::any) : std::nullopt;
  if (!runs_steps) {
    // An approval is for a commit: one that is pushed meanwhile needs another.
    if (needs_approval()) return TreeNeed::compared;
    if (!runs_gate()) return std::nullopt;
    // If no agent has worked here, the gate judges the branch as it is at origin: nothing else fetches what was pushed.
    return stage_->agent.empty() ? TreeNeed::compared : TreeNeed::of_today;
  }
  const bool changes_origin =
      std::any_of(stage_->steps.begin(), stage_->steps.end(), [](const PipelineStep& step) { return step.exclusive; });
  return changes_origin ? TreeNeed::compared_by_all_means : TreeNeed::compared;
}

std::optional<AdvanceAnswer> AdvancePath::ask_origin() {
  const bool checked = view_->settings.ownership_checked(view_->task.repo);
  const bool is_leased = checked && view_->lease && view_->lease->token != token_;
  // A crossing that will not be entered needs no worktree.
  if (is_leased || (!view_->task.cancel_requested.empty() && !is_committed(view_->task))) return std::nullopt;
  need_ = tree_need();
  return need_ ? not_ready(world_.ask_origin(context({}), *need_)) : std::nullopt;
}

std::optional<AdvanceAnswer> AdvancePath::need_variables() {
  if (!need_) return std::nullopt;
  std::optional<std::string> missing;
  if (!is_committed(view_->task) && runs_gate()) missing = world_.missing_variable(stage_->gate->env, context({}));
  for (const PipelineStep& step : stage_->steps) {
    const bool runs = !is_done(step) && (world_.can_run(step) || !step.probe.empty());
    if (runs && !missing) missing = world_.missing_variable(step.env, context(step.name));
  }
  return missing ? std::optional(end(AdvanceResult::waiting, *missing, Awaited::variable)) : std::nullopt;
}

std::optional<AdvanceAnswer> AdvancePath::ready_tree() {
  if (!need_) return std::nullopt;
  const TreeAnswer before = asks_gate_ ? TreeAnswer() : world_.look_at_tree(context({}));
  tree_ = world_.ready_tree(context({}), *need_);
  // A different head was green.
  if (before.state == TreeAnswer::State::ready && before.head != tree_.head) asks_gate_ = true;
  return not_ready(tree_);
}

std::optional<AdvanceAnswer> AdvancePath::not_ready(const TreeAnswer& tree) {
  switch (tree.state) {
    case TreeAnswer::State::ready:
      return std::nullopt;
    case TreeAnswer::State::waits:
      return end(AdvanceResult::waiting, tree.reason, Awaited::origin);
    case TreeAnswer::State::barred:
      return block(tree.reason);
    case TreeAnswer::State::failed:
      return give_back_job(AdvanceResult::waiting, "cannot_start: " + tree.reason);
  }
  return std::nullopt;
}

std::optional<AdvanceAnswer> AdvancePath::still_the_same() {
  const bool is_compared = need_ == TreeNeed::compared || need_ == TreeNeed::compared_by_all_means;
  if (!is_compared || is_committed(view_->task)) return std::nullopt;
  if (auto refusal = not_ready(world_.ask_origin(context({}), *need_))) return refusal;
  const TreeAnswer now = world_.look_at_tree(context({}));
  if (auto refusal = not_ready(now)) return refusal;
  if (now.head == tree_.head && now.origin_head == tree_.origin_head) return std::nullopt;
  return head_moved();
}

std::optional<AdvanceAnswer> AdvancePath::compare_after_settling() {
  if (need_ != TreeNeed::any || is_committed(view_->task)) return std::nullopt;
  need_ = tree_need();
  if (!need_) return std::nullopt;
  if (auto refusal = not_ready(world_.ask_origin(context({}), *need_))) return refusal;
  const TreeAnswer before = std::exchange(tree_, world_.ready_tree(context({}), *need_));
  if (auto refusal = not_ready(tree_)) return refusal;
  return tree_.head == before.head ? std::nullopt : std::optional(head_moved());
}

AdvanceAnswer AdvancePath::head_moved() {
  constexpr std::string_view why = "head_moved";
  const bool has_begun = std::any_of(stage_->steps.begin(), stage_->steps.end(),
                                     [this](const PipelineStep& step) { return is_done(step); });
  // Go back to the gate, which judges what is there now.
  if (!has_begun) return end(AdvanceResult::waiting, why, Awaited::gate);
  // Steps were done for a head that is no longer current: only a new version can repeat them.
  if (stage_->rollback.empty()) return block(std::string(why));
  return finish_by(transition(stage_->rollback, std::string(why)), AdvanceResult::rolled_back, why);
}

// The gate.

std::optional<AdvanceAnswer> AdvancePath::ask_gate() {
  const GateAnswer gate = world_.run_gate(*stage_->gate, context({}));
  // For the record only; if the task has moved on meanwhile, look() detects it.
  const std::optional<RedRow> was_red = view_->task.red;
  tell(propose_group(request_.requester, gate_said(request_.task, request_.version, stage_->name, gate)));
  if (!look()) return end(AdvanceResult::waiting, moved_on);
  // A cancel requested while the gate ran: the task goes no further, whatever the gate said.
  if (!view_->task.cancel_requested.empty() && !is_committed(view_->task)) {
    return give_back_job(AdvanceResult::waiting, name(Outcome::cancel_requested));
  }
  if (gate.passed == true) return std::nullopt;

  const std::string why = gate.reason.empty() ? "" : ": " + gate.reason;
  // It could not tell yet: this does not count against the job, and the reconciler runs the gate again.
  if (gate.later) return give_back_job(AdvanceResult::waiting, "later" + why);
  const bool is_unchanged = was_red && was_red->gate == stage_->name && was_red->head == gate.head;
  if (gate.passed && is_unchanged && request_.on_red == AdvanceRequest::OnRed::roll_back_or_retry &&
      view_->settings.gate.unchanged == "block") {
    return block("gate_red on the same commit as before" + why);
  }
  if (request_.on_red == AdvanceRequest::OnRed::roll_back_or_retry) {
    if (gate.passed && !stage_->rollback.empty()) {
      return finish_by(transition(stage_->rollback, "gate_red" + why), AdvanceResult::rolled_back, "gate_red" + why);
    }
    return give_back_job(gate.passed ? AdvanceResult::gate_red : AdvanceResult::waiting,
                         (gate.passed ? "gate_red" : "gate_error") + why);
  }
  return gate.passed ? end(AdvanceResult::gate_red, "gate_red" + why) : end(AdvanceResult::waiting, "gate_error" + why);
}

// Ends of the path.

template <class Event>
Group AdvancePath::closing_group(const Event& first, fb::JobResult result) {
  Group group = propose_group(request_.requester, first);
  add_job_end(group, result);
  add_releases(group);
  return group;
}

fb::StageTransitionT AdvancePath::transition(const std::string& to, const std::string& reason) const {
  fb::StageTransitionT event;
  event.task = raw(request_.task);
  event.to = to;
  event.expected_version = raw(request_.version);
  if (token_) event.token = raw(*token_);
  event.reason = reason;
  return event;
}

AdvanceAnswer AdvancePath::finish_by(const fb::StageTransitionT& event, AdvanceResult result, std::string_view reason) {
  look();
  const Decision decision = tell(closing_group(event, fb::JobResult::done));
  if (decision.outcome != Outcome::accepted) return refused(decision);
  held_.clear();
  return answer(result, reason);
}

AdvanceAnswer AdvancePath::block(const std::string& reason) {
  look();
  fb::TaskBlockedT event;
  event.task = raw(request_.task);
  event.version = raw(request_.version);
  event.reason = reason;
  if (token_) event.token = raw(*token_);
  const Decision decision = tell(closing_group(event, fb::JobResult::done));
  if (decision.outcome != Outcome::accepted) return refused(decision);
  held_.clear();
  return answer(AdvanceResult::blocked, reason);
}

AdvanceAnswer AdvancePath::give_back_job(AdvanceResult result, std::string_view reason) {
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

AdvanceAnswer AdvancePath::refused(const Decision& decision) {
  AdvanceAnswer given = end(result_of(decision.outcome), name(decision.outcome), awaited_after(decision.outcome));
  given.outcome = decision.outcome;
  return given;
}

AdvanceAnswer AdvancePath::end(AdvanceResult result, std::string_view reason, Awaited awaited) {
  for (const auto& [key, token] : std::exchange(held_, {})) {
    tell(propose_group(request_.requester, release(key, token)));
  }
  AdvanceAnswer given = answer(result, reason);
  given.awaited = awaited;
  return given;
}

AdvanceAnswer AdvancePath::wait(std::string_view reason, Awaited awaited, std::optional<TimeUs> until) {
  AdvanceAnswer given = end(AdvanceResult::waiting, reason, awaited);
  given.until = until;
  return given;
}

AdvanceAnswer AdvancePath::answer(AdvanceResult result, std::string_view reason) const {
  return {.result = result, .seq = last_seq_, .outcome = Outcome::accepted, .reason = std::string(reason)};
}

void AdvancePath::add_job_end(Group& group, fb::JobResult result) const {
  const Job* job = running_job();
  if (!job) return;
  fb::JobFinishedT event;
  event.job = raw(job->id);
  event.attempt = job->attempts;
  event.result = result;
  group.push_back(propose(request_.requester, event));
}

void AdvancePath::add_releases(Group& group) const {
  for (const auto& [key, token] : held_) group.push_back(propose(request_.requester, release(key, token)));
}

fb::LeaseReleasedT AdvancePath::release(const std::string& key, Token token) {
  fb::LeaseReleasedT event;
  event.key = key;
  event.token = raw(token);
  return event;
}

bool AdvancePath::is_agent_at_work() const {
  const bool comes_for_a_job =
      request_.on_red != AdvanceRequest::OnRed::report || request_.gate != AdvanceRequest::Gate::ask;
  return std::any_of(view_->running.begin(), view_->running.end(), [&](const RunningJob& running) {
    const bool is_its_own = comes_for_a_job && running.job.version == request_.version;
    return !is_its_own && runs_an_agent_of(running.job, request_.requester.boot);
  });
}

const Job* AdvancePath::running_job() const {
  const bool runs = view_ && view_->open_job && view_->open_job->status == JobStatus::running &&
                    view_->open_job->version == request_.version;
  return runs ? &*view_->open_job : nullptr;
}

const StepRow* AdvancePath::journal_of(const PipelineStep& step) const {
  for (const StepRow& row : view_->task.steps) {
    if (row.version == request_.version && row.to == stage_->to && row.step == step.name) return &row;
  }
  return nullptr;
}

bool AdvancePath::is_done(const PipelineStep& step) const {
  const StepRow* row = journal_of(step);
  return row && row->state == StepState::done;
}

CommandContext AdvancePath::context(const std::string& step) const {
  const Task& task = view_->task;
  return {.task = task.id,
          .work_item = task.work_item,
          .repo = task.repo,
          .branch = task.branch,
          .stage = stage_->name,
          .version = request_.version,
          .edge = edge(),
          .token = token_,
          .step = step,
          .restores = view_->restores,
          .begins_branch = pipeline_->begins_branches(),
          .of_pipeline = pipeline_->env,
          .of_stage = stage_->env};
}

Decision AdvancePath::tell(Group group) {
  Decision decision = machine_.propose(std::move(group));
  last_seq_ = decision.seq;
  return decision;
}

AdvanceAnswer advance(Machine& machine, World& world, const AdvanceRequest& request) {
  return AdvancePath(machine, world, request).run();
}

}  // namespace pawl
