// Approvals: the question that a gate asks, and the answers (SPEC §4).
#include "engine/state/approvals.h"

#include <algorithm>

#include "engine/rules/rules.h"

namespace pawl {
namespace {

/// Whether the question names the proposer, by its principal or by the name that the daemon knows it by.
bool is_named(const ApprovalRow& question, std::string_view principal, const flatbuffers::String* as) {
  return std::any_of(question.by.begin(), question.by.end(),
                     [&](const std::string& name) { return name == principal || (as && name == as->string_view()); });
}

/// Refuses as `not_asked`; the detail says what became of the question.
Outcome not_asked(RuleContext& context, const ApprovalRow* question) {
  if (!question) return Outcome::not_asked;
  if (const SaidRow* said = rejection(*question)) {
    context.applied.detail = "it was rejected by " + said->principal + " in record " + std::to_string(raw(said->seq));
  } else if (is_approved(*question)) {
    context.applied.detail = "it is approved already";
  } else {
    context.applied.detail = "the time for an answer was over at " + rfc3339(*question->until);
  }
  return Outcome::not_asked;
}

}  // namespace

Outcome apply_event(RuleContext& context, const fb::ApprovalAsked& event) {
  // A path asks, whoever requested it: by itself no client can.
  if (!is_daemon(context) && !is_guest(context)) return Outcome::not_daemon;
  State& state = context.state;
  const Task* task = live_task(state, TaskId{event.task()});
  if (!task) return Outcome::terminal;
  if (event.version() != raw(task->version)) return version_conflict(context, task, event.version());
  const Approval* approval = needed_approval(*task, *state.stage_of(*task));
  if (!approval) return Outcome::not_asked;
  if (!task->blocked.empty()) return Outcome::blocked;

  state.tasks.edit(task->id).approval = ApprovalRow{
      .version = task->version,
      .head = text_or_empty(event.head()),
      .origin_head = text_or_empty(event.origin_head()),
      .seq = context.seq,
      .asked = context.now,
      .until = approval->timeout_s ? std::optional(plus_s(context.now, *approval->timeout_s)) : std::nullopt,
      .by = approval->by,
      .need = static_cast<std::uint64_t>(approval->need),
      .not_submitter = approval->not_submitter,
      .said = {}};
  context.effect({.kind = EffectKind::alert, .text = "approval_asked"});
  return Outcome::accepted;
}

Outcome apply_event(RuleContext& context, const fb::ApprovalGiven& event) {
  State& state = context.state;
  const Task* task = live_task(state, TaskId{event.task()});
  if (!task) return Outcome::terminal;
  if (event.version() != raw(task->version)) return version_conflict(context, task, event.version());
  const ApprovalRow* question = question_of(*task);
  if (!question || !needed_approval(*task, *state.stage_of(*task))) return not_asked(context, nullptr);
  // An approved task may still be rejected, as long as its crossing has not begun.
  const bool takes_answers = is_open(*question, context.now) || (is_approved(*question) && !event.approved());
  if (!takes_answers) return not_asked(context, question);
  if (text_or_empty(event.head()) != question->head) {
    context.applied.detail = question->head.empty() ? "it is about no commit"
                                                    : "it is about commit " + question->head +
                                                          (event.head() ? "" : ", which has to be sent as `head`");
    return Outcome::stale_head;
  }
  const std::string principal(context.principal);
  if (principal.empty() || !is_named(*question, principal, event.as())) {
    context.applied.detail = "it does not name you: " + in_words(*question);
    return Outcome::may_not_approve;
  }
  if (question->not_submitter && event.approved() && task->principal.value_or("") == principal) {
    context.applied.detail = "who submitted a task cannot approve it here";
    return Outcome::may_not_approve;
  }
  const auto is_its_own = [&](const SaidRow& said) { return said.principal == principal; };
  const auto said = std::find_if(question->said.begin(), question->said.end(), is_its_own);
  if (said != question->said.end() && event.approved()) return Outcome::already_said;

  state.tasks.edit(task->id).approval->said.push_back(
      {.principal = principal,
       .as = event.as() ? std::optional(event.as()->str()) : std::nullopt,
       .approved = event.approved(),
       .reason = text_or_empty(event.reason()),
       .seq = context.seq,
       .said = context.now});
  return Outcome::accepted;
}

Outcome approval_outcome(RuleContext& context, const Task& task) {
  if (!needed_approval(task, *context.state.stage_of(task))) return Outcome::accepted;
  const ApprovalRow* question = question_of(task);
  if (question && is_approved(*question)) return Outcome::accepted;
  context.applied.detail = question ? in_words(*question) : "none was asked for yet";
  return Outcome::not_approved;
}

}  // namespace pawl
