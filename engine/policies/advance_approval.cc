// The part of a path that asks people: a gate's approvals (SPEC §7).
#include <algorithm>

#include "engine/policies/advance_path.h"
#include "engine/rules/proposals.h"

namespace pawl {

std::optional<AdvanceAnswer> AdvancePath::heed_people() {
  const ApprovalRow* question = needs_approval() ? question_of(view_->task) : nullptr;
  if (!question) return std::nullopt;
  if (const SaidRow* no = rejection(*question)) {
    return turn_back("rejected by " + no->principal + (no->reason.empty() ? "" : ": " + no->reason));
  }
  if (is_approved(*question) || !has_lapsed(*question, machine_.now())) return std::nullopt;
  const bool rolls_back = stage_->approval()->on_timeout == ApprovalTimeout::roll_back;
  return rolls_back ? turn_back("approval_timed_out") : block("approval_timed_out");
}

std::optional<AdvanceAnswer> AdvancePath::look_at_question() {
  if (!needs_approval()) return std::nullopt;
  const ApprovalRow* question = question_of(view_->task);
  if (question && is_approved(*question)) return std::nullopt;
  // Who drives the steps from outside runs the gate too, so there is none to wait for: people are asked at once.
  const bool is_driven_here = std::all_of(stage_->steps.begin(), stage_->steps.end(), [this](const PipelineStep& step) {
    return is_done(step) || world_.can_run(step);
  });
  if (!question) return is_driven_here ? std::nullopt : std::optional(ask_people({}));

  if (const auto need = is_driven_here ? tree_need() : std::nullopt) {
    if (auto refusal = not_ready(world_.ask_origin(context({}), *need))) return refusal;
    const TreeAnswer now = world_.look_at_tree(context({}));
    if (now.state == TreeAnswer::State::ready && !is_about_this(*question, now)) return std::nullopt;
  }
  return wait("approval: " + in_words(*question), Awaited::approval, question->until);
}

bool AdvancePath::is_about_this(const ApprovalRow& question, const TreeAnswer& tree) const {
  return question.head == tree.head && question.origin_head == tree.origin_head;
}

std::optional<AdvanceAnswer> AdvancePath::need_approval() {
  if (!needs_approval()) return std::nullopt;
  const ApprovalRow* question = question_of(view_->task);
  if (question && is_approved(*question) && is_about_this(*question, tree_)) return std::nullopt;
  return ask_people(tree_);
}

AdvanceAnswer AdvancePath::ask_people(const TreeAnswer& tree) {
  fb::ApprovalAskedT asked;
  asked.task = raw(request_.task);
  asked.version = raw(request_.version);
  asked.head = tree.head;
  asked.origin_head = tree.origin_head;
  const Decision decision = tell(propose_group(request_.requester, asked));
  if (decision.outcome != Outcome::accepted) return refused(decision);
  const auto timeout_s = stage_->approval()->timeout_s;
  return wait("approval: asked", Awaited::approval,
              timeout_s ? std::optional(plus_s(machine_.now(), *timeout_s)) : std::nullopt);
}

AdvanceAnswer AdvancePath::turn_back(const std::string& why) {
  if (stage_->rollback.empty()) return block(why);
  return finish_by(transition(stage_->rollback, why), AdvanceResult::rolled_back, why);
}

}  // namespace pawl
