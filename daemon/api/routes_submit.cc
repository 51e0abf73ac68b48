// How a task is created (SPEC §7). If the pipeline does not create the branch, origin must have it. This asks origin,
// for a bounded time, before accepting the task, because the log does not know.
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

#include <utility>

#include "daemon/api/call.h"
#include "engine/state/state.h"
#include "schema/json/json_in_words.h"
#include "schema/json/record_json.h"
#include "schema/names.h"
#include "schema/repository.h"
#include "schema/subject.h"

namespace pawl {
namespace {

namespace json = boost::json;

/// Names of repositories become folders, and names of branches become command-line arguments.
Result<void> check_names(const json::object& body) {
  const auto text = [&](std::string_view field) -> std::string_view {
    const json::value* value = body.if_contains(json::string_view(field.data(), field.size()));
    return value && value->is_string() ? std::string_view(value->get_string().data(), value->get_string().size())
                                       : std::string_view();
  };
  if (const auto checked = check_repo_name(text("repo")); !text("repo").empty() && !checked) {
    return Error{ErrorCode::malformed, "field \"repo\" must not " + checked.error().message};
  }
  if (const auto checked = check_branch_name(text("branch")); !text("branch").empty() && !checked) {
    return Error{ErrorCode::malformed, "field \"branch\" must not " + checked.error().message};
  }
  return {};
}

/// A submission in progress. Shared by its callbacks.
struct Submission {
  Group group;
  std::string repo;
  std::string work_item;
  std::string branch;
  std::string pipeline;
  bool begins_branch = false;  // by its pipeline, if origin does not have it
  bool may_be_refused = false;
  std::optional<bool> branch_begins = std::nullopt;
  std::shared_ptr<const Narrow> narrow = nullptr;  // of who asks; null: nothing is kept from it
  std::string wrong_repo = {};                     // what a narrow one is told of a repository that is not declared
};

const fb::TaskCreated& event_of(const Submission& submission) {
  return *submission.group.front().record().event_as_TaskCreated();
}

/// Whether to ask origin: not if the machine would refuse the task anyway, or repeats an earlier answer.
bool look_first(const State& state, Submission& submission) {
  const fb::TaskCreated& event = event_of(submission);
  submission.pipeline = event.pipeline() ? event.pipeline()->str() : state.settings().pipeline.fallback;
  const PipelineRow* pipeline = state.pipeline_in_force(submission.pipeline);
  submission.begins_branch = pipeline && pipeline->definition->begins_branches();
  const fb::Record& record = submission.group.front().record();
  if (const KeyRow* first = record.key() ? state.keys.find(principal_of(record), record.key()->str()) : nullptr) {
    const Task* task = state.tasks.find(first->task);
    if (task) submission.branch_begins = task->branch_begun;
    return submission.begins_branch && task && !task->branch_begun;
  }
  submission.may_be_refused = !submission.begins_branch;
  return pipeline && state.is_known_repo(submission.repo) &&
         !state.indexes.live_work_items.contains({submission.repo, submission.work_item});
}

TaskId created_in(const SeenDecision& seen) {
  if (seen.decision.first) return seen.decision.first->task;
  for (const Effect& effect : seen.decision.effects) {
    if (effect.kind == EffectKind::task) return TaskId{effect.id};
  }
  return TaskId{0};
}

void create(RouteContext& context, const std::shared_ptr<Submission>& submission, HttpReply reply) {
  write(context,
        {.group = std::move(submission->group),
         .look =
             [submission](const SeenDecision& seen, ResponseRows& rows) {
               const auto& live = seen.state.indexes.live_work_items;
               const auto found = live.find({submission->repo, submission->work_item});
               const bool is_new = seen.decision.outcome == Outcome::accepted;
               const bool is_shown = is_new || found == live.end();
               if (submission->narrow && seen.decision.outcome == Outcome::unknown_repo) {
                 submission->wrong_repo = no_repo_named(seen.state, submission->repo, [&](const std::string& repo) {
                   return submission->narrow->scope().has_repo(repo);
                 });
               }
               show_task(seen, is_shown ? created_in(seen) : found->second, rows);
               rows.branch_begins = submission->branch_begins;
             },
         .status_accepted = 201,
         .amend =
             [submission](Decision& decision, const ResponseRows&) {
               if (!submission->wrong_repo.empty()) decision.detail = submission->wrong_repo;
             }},
        std::move(reply));
}

HttpResponse no_branch(const Submission& submission, const FoundBranch& found) {
  std::string message = "origin of '" + submission.repo + "' has no branch '" + submission.branch + "'";
  if (!found.nearest.empty()) message += "; did you mean '" + found.nearest + "'?";
  message += (found.nearest.empty() ? "; push" : " Push") +
             std::string(" it first, or set `branch: create` in the pipeline '") + submission.pipeline +
             "': it then begins at origin's default branch";
  return http_error(422, "no_branch", message);
}

}  // namespace

void tasks_create(Call call) {
  if (const auto checked = check_names(call.body.event_fields()); !checked) return call.refuse(checked.error());
  auto proposal = propose_asked(call, fb::Event::TaskCreated);
  if (!proposal) return;
  const auto submission = std::make_shared<Submission>();
  submission->group.push_back(std::move(*proposal));
  const fb::TaskCreated& event = event_of(*submission);
  submission->repo = event.repo()->str();
  submission->work_item = event.work_item()->str();
  submission->branch = event.branch() ? event.branch()->str() : std::string();
  submission->narrow = call.narrow;
  const bool is_asked = !submission->branch.empty() && !call.is_of_webhook && call.context.services.find_branch;
  if (!is_asked) return create(call.context, submission, std::move(call.reply));

  const auto asks = std::make_shared<bool>(false);
  call.sequencer().read([submission, asks](const State& state) { *asks = look_first(state, *submission); },
                        [&context = call.context, submission, asks, reply = call.reply] {
                          if (!*asks) return create(context, submission, reply);
                          context.services.find_branch(submission->repo, submission->branch,
                                                       [&context, submission, reply](const FoundBranch& found) {
                                                         const bool is_absent = found.is == FoundBranch::Is::absent;
                                                         if (is_absent && submission->may_be_refused) {
                                                           return reply(no_branch(*submission, found));
                                                         }
                                                         const bool is_known = found.is != FoundBranch::Is::unknown;
                                                         if (is_known) {
                                                           submission->branch_begins =
                                                               is_absent && submission->begins_branch;
                                                         }
                                                         create(context, submission, reply);
                                                       });
                        });
}

}  // namespace pawl
