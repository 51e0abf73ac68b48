// The effects of a delivery that are not ordinary calls: a note in the log, and what follows from it.
//
// A delivery that lets a task advance is first recorded as a note with the delivery's idempotency key. `advance` runs
// after the answer, since a gate may take minutes and a webhook's sender waits for seconds. A crash between the two
// loses nothing: the reconciler drives the task.
#include <algorithm>
#include <utility>

#include "daemon/api/delivery.h"
#include "engine/json/state_json.h"
#include "schema/limits.h"

namespace pawl {
namespace {

constexpr std::size_t found_max = 2;

/// Blocks: call on a thread that may. An empty branch matches any.
FoundTasks find_in_repo(Sequencer& sequencer, const std::string& repo, const std::string& branch) {
  FoundTasks found;
  std::pair<std::string, std::string> after{repo, ""};  // Every work item has a name.
  bool more = true;
  while (more && found.tasks.size() < found_max) {
    more = sequencer.ask([&](const State& state) {
      const auto& live = state.indexes.live_work_items;
      auto at = live.upper_bound(after);
      for (std::size_t rows = 0; rows < limits::rows_per_read_max; ++rows, ++at) {
        if (at == live.end() || at->first.first != repo) return false;
        found.is_worked_on = true;
        after = at->first;
        const Task* task = state.tasks.find(at->second);
        if (task && (branch.empty() || task->branch == branch)) found.tasks.push_back(task->id);
        if (found.tasks.size() == found_max) return false;
      }
      return true;
    });
  }
  return found;
}

/// What to do with the task found, decided atomically with the note.
struct WebhookVerdict {
  enum class What { pass_on, defer, ignore };
  What what = What::pass_on;
  std::string why = {};
};

bool is_lease_live(const State& state, const Task& task, TimeUs now) {
  const Lease* lease = state.lease(task_key(task.id));
  return lease && state.settings().ownership_checked(task.repo) && state.is_live(*lease, now);
}

WebhookVerdict verdict_on_advance(const State& state, const Task& task, TimeUs now) {
  if (is_lease_live(state, task, now)) return {WebhookVerdict::What::defer, "lease"};
  if (!task.cancel_requested.empty()) return {WebhookVerdict::What::ignore, "cancel_requested"};
  if (!task.blocked.empty()) return {WebhookVerdict::What::ignore, "blocked"};
  if (state.open_job(task)) return {WebhookVerdict::What::ignore, "already_queued"};
  return {};
}

/// Ignores a merge that pawl made itself or is about to make.
WebhookVerdict verdict_on_merge(const State& state, const Task& task, TimeUs now) {
  if (is_lease_live(state, task, now)) return {WebhookVerdict::What::defer, "lease"};
  if (has_own_step(task)) return {WebhookVerdict::What::ignore, "own_step"};
  return {};
}

using Judge = WebhookVerdict (*)(const State&, const Task&, TimeUs);

/// A note about the task found, and what follows from it.
struct Noting {
  SharedDelivery delivery;
  TaskId task{};
  Judge judge;
  std::string_view result;                                 // for the answer
  int status;                                              // for the answer
  std::function<void(const Delivery&, const Task&)> then;  // once the note is durable; only for the first delivery

  // Filled in by the sequencer:
  WebhookVerdict verdict = {};
  std::optional<Task> seen = std::nullopt;  // at the time of the verdict
  ResponseRows rows = {};
};

void answer_noted(const std::shared_ptr<Noting>& noting, const Decision& decision) {
  Noting& note = *noting;
  const bool is_accepted =
      decision.outcome == Outcome::accepted && decision.source != Decision::AnswerSource::mismatched;
  if (!is_accepted) {
    HttpResponse response;
    write_answer(response, decision, note.rows, note.status);
    return note.delivery->settle(std::move(response));
  }
  HttpResponse response = delivery_answer(note.status, decision.seq, note.result, "", note.rows);
  const bool is_first = decision.source == Decision::AnswerSource::decided;
  if (!is_first) response.headers.emplace_back("Idempotency-Replayed", "true");
  note.delivery->reply(std::move(response));
  if (is_first && note.seen) {
    note.delivery->totals().calls.fetch_add(1);
    note.then(*note.delivery, *note.seen);
  }
}

void answer_left(const Noting& note) {
  if (note.verdict.what == WebhookVerdict::What::ignore) {
    note.delivery->totals().ignored.fetch_add(1);
    return note.delivery->reply(delivery_answer(202, std::nullopt, "ignored", note.verdict.why, note.rows));
  }
  note.delivery->totals().deferred.fetch_add(1);
  note.delivery->context.totals.advances_deferred.fetch_add(1);
  note.delivery->reply(delivery_answer(202, std::nullopt, "deferred", note.verdict.why, note.rows));
}

void propose_note(const std::shared_ptr<Noting>& noting) {
  const Delivery& delivery = *noting->delivery;
  fb::TaskNoteT event;
  event.task = raw(noting->task);
  event.text = delivery.call.what;
  Sequencer& sequencer = delivery.context.services.sequencer;
  sequencer.submit({.group = propose_group(delivery.requester, event),
                    .resolve =
                        [noting, &sequencer](const State& state, Group&) {
                          const Task* task = state.tasks.find(noting->task);
                          if (!task || is_terminal(task->stage)) {
                            noting->verdict = {WebhookVerdict::What::ignore, "terminal"};
                            return false;
                          }
                          noting->seen = *task;
                          noting->rows.task = *task;
                          noting->verdict = noting->judge(state, *task, sequencer.now());
                          return noting->verdict.what == WebhookVerdict::What::pass_on;
                        },
                    .look = [noting](const SeenDecision& seen) { show_task(seen, noting->task, noting->rows); },
                    .done =
                        [noting](std::optional<Decision> decision) {
                          RouteContext& context = noting->delivery->context;
                          context.workers.post([noting, decision = std::move(decision), &context] {
                            if (!decision) return answer_left(*noting);
                            fetch_archived(context.services.archive, context.services.index, noting->rows);
                            answer_noted(noting, *decision);
                          });
                        }});
}

/// The task of this delivery: that of its key, if it came before, else the only live task on the branch. If none,
/// answers the delivery. Blocks: call on a thread that may.
std::optional<TaskId> task_of(const Delivery& delivery, const std::vector<std::string>& repos,
                              const std::string& branch) {
  if (const auto before = task_of_key(delivery)) return before;
  const FoundTasks found = find_tasks(delivery.context.services.sequencer, repos, branch);
  if (found.tasks.size() == 1) return found.tasks.front();
  if (found.tasks.empty()) {
    delivery.ignore("no live task works there");
  } else {
    delivery.ignore(branch.empty() ? "the commit is unknown, and more than one task is live"
                                   : "more than one live task works on this branch");
  }
  return std::nullopt;
}

void advance_on(const Delivery& delivery, const Task& task) {
  Webhooks& webhooks = delivery.webhooks;
  if (!webhooks.under_way.begin(task.id)) return;  // If this comes too early, the reconciler follows up.
  Requester requester = delivery.requester;
  requester.key.clear();  // The note used it; each record of the path is a separate decision.
  requester.request.reset();
  delivery.context.services.advance({.task = task.id, .version = task.version, .requester = std::move(requester)},
                                    [&webhooks, &context = delivery.context, &totals = delivery.totals(),
                                     id = task.id](const AdvanceAnswer& came_to) {
                                      webhooks.under_way.end(id);
                                      if (came_to.result != AdvanceResult::deferred) return;
                                      totals.deferred.fetch_add(1);
                                      context.totals.advances_deferred.fetch_add(1);
                                    });
}

}  // namespace

FoundTasks find_tasks(Sequencer& sequencer, const std::vector<std::string>& repos, const std::string& branch) {
  for (const std::string& repo : repos) {
    FoundTasks found = find_in_repo(sequencer, repo, branch);
    if (found.is_worked_on) return found;
  }
  return {};
}

std::optional<TaskId> task_of_key(const Delivery& delivery) {
  if (delivery.call.key.empty()) return std::nullopt;
  const TaskId before = delivery.context.services.sequencer.ask([&](const State& state) {
    const KeyRow* first = state.keys.find(delivery.requester.principal, delivery.call.key);
    return first ? first->task : TaskId{0};
  });
  return before == TaskId{0} ? std::nullopt : std::optional(before);
}

bool has_own_step(const Task& task) {
  return std::any_of(task.steps.begin(), task.steps.end(), [](const StepRow& step) {
    return step.irreversible && (step.state == StepState::started || step.state == StepState::done);
  });
}

void advance_by(const SharedDelivery& delivery, const WebhookAdvance& wanted) {
  CommitBranches& branches = delivery->webhooks.branches;
  std::string branch = wanted.branch;
  if (branch.empty()) {
    branch = branches.find(wanted.repos.front(), wanted.commit);
  } else {
    branches.learn(wanted.repos.front(), wanted.commit, branch);
    branches.learn(wanted.repos.front(), wanted.pull, branch);
  }
  const auto task = task_of(*delivery, wanted.repos, branch);
  if (!task) return;
  propose_note(std::make_shared<Noting>(Noting{.delivery = delivery,
                                               .task = *task,
                                               .judge = verdict_on_advance,
                                               .result = "advancing",
                                               .status = 202,
                                               .then = advance_on}));
}

void note_by(const SharedDelivery& delivery, const WebhookNote& wanted) {
  const auto task = task_of(*delivery, wanted.repos, wanted.branch);
  if (!task) return;
  propose_note(std::make_shared<Noting>(Noting{.delivery = delivery,
                                               .task = *task,
                                               .judge = verdict_on_merge,
                                               .result = "noted",
                                               .status = 200,
                                               .then = [](const Delivery&, const Task&) {}}));
}

}  // namespace pawl
