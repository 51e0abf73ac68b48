// The answer to a gate's question for an approval.
#include <algorithm>
#include <optional>
#include <utility>

#include "daemon/api/call.h"
#include "daemon/api/other_names.h"
#include "engine/rules/proposals.h"
#include "engine/state/approvals.h"

namespace pawl {
namespace {

/// The name among those who may by which the gate knows the requester, unless it names the principal itself.
std::optional<std::string> named_as(const ApprovalRow& question, const std::string& principal,
                                    const std::vector<std::string>& names) {
  const auto is_listed = [&](const std::string& name) {
    return std::find(question.by.begin(), question.by.end(), name) != question.by.end();
  };
  if (is_listed(principal)) return std::nullopt;
  const auto found = std::find_if(names.begin(), names.end(), is_listed);
  return found == names.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

void tasks_approval(Call call) {
  const auto proposal = propose_asked(call, fb::Event::ApprovalGiven, "task");
  if (!proposal) return;
  fb::ApprovalGivenT given;
  proposal->record().event_as_ApprovalGiven()->UnPackTo(&given);
  Permit permit = call.permit ? *call.permit : Permit{};
  permit.principal = call.requester.principal;
  // The host's user database may be slow to answer.
  call.work([&context = call.context, given = std::move(given), permit = std::move(permit), requester = call.requester,
             reply = call.reply](StateReader&) {
    const std::vector<std::string> names = other_names(permit);
    write(context,
          {.group = propose_group(requester, given),
           .look = [task = TaskId{given.task}](const SeenDecision& seen,
                                               ResponseRows& rows) { show_task(seen, task, rows); },
           .resolve =
               [given, names, requester](const State& state, Group& group) {
                 const Task* task = state.tasks.find(TaskId{given.task});
                 const ApprovalRow* question = task ? question_of(*task) : nullptr;
                 const auto as = question ? named_as(*question, requester.principal, names) : std::nullopt;
                 if (!as) return true;
                 fb::ApprovalGivenT known = given;
                 known.as = *as;
                 group = propose_group(requester, known);
                 return true;
               }},
          reply);
  });
}

}  // namespace pawl
