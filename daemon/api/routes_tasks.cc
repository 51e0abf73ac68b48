// Calls about existing tasks: to move one, and to report results. routes_submit.cc creates them.
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

#include <algorithm>

#include "daemon/api/call.h"
#include "daemon/api/history.h"
#include "engine/json/state_json.h"
#include "engine/rules/claim.h"
#include "schema/json/json_text.h"
#include "schema/json/record_json.h"
#include "schema/limits.h"

namespace pawl {
namespace {

namespace json = boost::json;

Look showing_task(TaskId task) {
  return [task](const SeenDecision& seen, ResponseRows& rows) { show_task(seen, task, rows); };
}

Group group_of(Proposal proposal) {
  Group group;
  group.push_back(std::move(proposal));
  return group;
}

/// The starting point of an advance.
struct AdvanceStart {
  std::optional<Task> task;
  bool given_out = false;
};

void answer_advance(RouteContext& context, TaskId task, const AdvanceAnswer& answer, HttpReply reply) {
  if (answer.result == AdvanceResult::deferred) context.totals.advances_deferred.fetch_add(1);
  const auto rows = std::make_shared<ResponseRows>();
  context.services.sequencer.read(
      [task, rows, answer](const State& state) {
        const Decision decision{.outcome = answer.outcome, .seq = answer.seq, .effects = {}, .detail = {}};
        *rows = ResponseRows();
        show_task({.state = state, .decision = decision, .archived = {}}, task, *rows);
      },
      [&context, rows, answer, reply = std::move(reply)] {
        context.workers.post([&context, rows, answer, reply] {
          fetch_archived(context.services.archive, context.services.index, *rows);
          HttpResponse response;
          if (answer.outcome != Outcome::accepted && context.services.sequencer.is_superseded()) {
            response = superseded_answer();
          } else if (answer.awaited == Awaited::command) {
            response = http_error(409, "no_command", "a step of the edge has no command: the daemon cannot start it");
          } else if (answer.result == AdvanceResult::waiting && answer.outcome != Outcome::accepted) {
            Decision refusal{.outcome = answer.outcome, .seq = answer.seq, .effects = {}, .detail = answer.reason};
            write_answer(response, refusal, *rows, 200);
          } else {
            response.body = R"({"seq":)";
            append_json_integer(response.body, raw(answer.seq));
            response.body += R"(,"result":)";
            append_json_text(response.body, name(answer.result));
            response.body += R"(,"reason":)";
            append_json_text_or_null(response.body, answer.reason);
            response.body += R"(,"task":)";
            append_object(response.body, *rows, ResourceKind::task);
            response.body += '}';
          }
          reply(std::move(response));
        });
      });
}

/// The start of the step that an operator resolves: it is open, or may still happen.
struct OpenStep {
  Version version{};
  Seq started{};
  std::string run;
  bool is_elsewhere = false;  // on another host, where our locks mean nothing
};

OpenStep open_step_named(const State& state, TaskId id, const std::string& step) {
  OpenStep open;
  const Task* task = state.tasks.find(id);
  if (!task) return open;
  open.version = task->version;
  for (const StepRow& row : task->steps) {
    const bool may_happen_yet = row.is_in_doubt() && row.version == task->version;
    if (row.step != step || (row.state != StepState::started && !may_happen_yet)) continue;
    open.version = row.version;
    open.started = row.started;
    open.run = row.run;
    const Boot* boot = state.boots.find(row.boot);
    const Boot* daemon = state.boot_named(daemon_name);
    open.is_elsewhere = boot && daemon && boot->host != daemon->host;
  }
  return open;
}

enum class Happened { yes, no };

void propose_resolution(RouteContext& context, const Requester& requester, TaskId task, const std::string& step,
                        const OpenStep& open, Happened happened, const std::string& reason, std::shared_ptr<void> lock,
                        HttpReply reply) {
  fb::StepFinishedT finished;
  finished.task = raw(task);
  finished.version = raw(open.version);
  finished.step = step;
  finished.started = raw(open.started);
  finished.outcome = happened == Happened::yes ? fb::StepOutcome::done : fb::StepOutcome::did_not_happen;
  finished.by = fb::StepBy::operator_;
  fb::TaskUnblockedT unblocked;
  unblocked.task = raw(task);
  unblocked.reason = reason;
  write(context,
        {.group = propose_group(requester, finished, unblocked),
         .look = showing_task(task),
         .resolve =
             [task](const State& state, Group& group) {
               const Task* row = state.tasks.find(task);
               // After a restore, more may need to be resolved before the task goes on.
               if (!row || row->blocked.empty() || is_restored(*row)) group.pop_back();
               return true;
             },
         .keep = std::move(lock)},
        std::move(reply));
}

}  // namespace

void tasks_event(Call call) {
  auto proposal = propose_asked(call, call.route.events.front(), "task");
  if (!proposal) return;
  write(call.context, {.group = group_of(std::move(*proposal)), .look = showing_task(TaskId{call.id})},
        std::move(call.reply));
}

void tasks_prioritize(Call call) {
  const json::object& fields = call.body.event_fields();
  const bool changes_nothing =
      !fields.contains("priority") && !fields.contains("not_before") && !fields.contains("clear_not_before");
  if (changes_nothing) {
    return call.refuse(Error{ErrorCode::malformed, "give priority, not_before or clear_not_before"});
  }
  tasks_event(std::move(call));
}

void tasks_cancel(Call call) {
  auto proposal = propose_asked(call, fb::Event::CancelRequested, "task");
  if (!proposal) return;
  write(call.context,
        {.group = group_of(std::move(*proposal)),
         .look = showing_task(TaskId{call.id}),
         .status =
             [](const ResponseRows& rows) {
               const bool is_deferred = rows.task && !is_terminal(rows.task->stage);
               return is_deferred ? 202 : 200;
             }},
        std::move(call.reply));
}

namespace {

void propose_retry(RouteContext& context, const Requester& requester, TaskId task,
                   const std::optional<std::string>& reason, HttpReply reply) {
  fb::TaskUnblockedT unblocked;
  unblocked.task = raw(task);
  unblocked.reason = reason.value_or("");
  fb::JobQueuedT queued;
  queued.task = raw(task);
  queued.reason = reason.value_or("retry");
  write(context,
        {.group = propose_group(requester, unblocked, queued),
         .look = showing_task(task),
         .resolve =
             [task](const State& state, Group& group) {
               const Task* row = state.tasks.find(task);
               const bool is_blocked = row && !row->blocked.empty();
               if (is_blocked && !retry_queues(state, *row)) group.pop_back();
               if (!is_blocked) group.erase(group.begin());
               return true;
             }},
        std::move(reply));
}

}  // namespace

void tasks_retry(Call call) {
  const auto text = [&](std::string_view name) {
    const auto value = call.body.text(name);
    return value ? std::optional<std::string>(*value) : std::nullopt;
  };
  const std::optional<std::string> reason = text("reason");
  const std::optional<std::string> take = text("take");
  if (!take) return propose_retry(call.context, call.requester, TaskId{call.id}, reason, std::move(call.reply));
  if (!call.context.services.take_side) {
    return call.reply(http_error(409, "cannot_take", "this daemon has no worktrees"));
  }
  call.context.services.take_side(TaskId{call.id}, *take == "origin" ? Side::origin : Side::ours,
                                  [&context = call.context, requester = call.requester, task = TaskId{call.id}, reason,
                                   reply = call.reply](const Result<Worktree>& tree) {
                                    if (!tree) return reply(http_error(409, "cannot_take", tree.error().message));
                                    if (!tree->barred.empty()) {
                                      return reply(http_error(409, "cannot_take", tree->barred));
                                    }
                                    propose_retry(context, requester, task, reason, reply);
                                  });
}

namespace {

/// Whether a start of an irreversible step was settled as not happened.
bool was_settled_as_not_done(const StepRow& row, Seq started) {
  const bool is_earlier = row.not_done && std::find(row.not_done->seqs.begin(), row.not_done->seqs.end(), started) !=
                                              row.not_done->seqs.end();
  return row.irreversible && (is_earlier || (row.started == started && row.state != StepState::done));
}

/// A step settled as not happened did happen, and its task has ended meanwhile. The machine can only refuse the report,
/// but people have to know (SPEC §8).
std::function<void(Decision&, const ResponseRows&)> telling_of_late_news(const Call& call,
                                                                         const fb::StepFinished& event) {
  if (event.outcome() != fb::StepOutcome::done) return nullptr;
  return [&context = call.context, requester = call.requester, step = event.step()->str(),
          started = Seq{event.started()}](const Decision& decision, const ResponseRows& rows) {
    if (decision.outcome != Outcome::not_started || decision.source != Decision::AnswerSource::decided) return;
    if (!rows.task || !is_terminal(rows.task->stage) || !context.services.raise_alert) return;
    for (const StepRow& row : rows.task->steps) {
      const bool is_asked = row.step == step && was_settled_as_not_done(row, started);
      if (!is_asked || row.principal.value_or("") != requester.principal) continue;
      context.services.raise_alert({.reason = "outcome_unknown",
                                    .type = "StepFinished",
                                    .seq = decision.seq,
                                    .time = context.services.sequencer.now(),
                                    .boot = requester.boot,
                                    .actor = requester.actor,
                                    .principal = requester.principal,
                                    .task = rows.task->id,
                                    .work_item = rows.task->work_item,
                                    .repo = rows.task->repo,
                                    .branch = rows.task->branch,
                                    .stage = rows.task->stage,
                                    .what = "step '" + step + "' of task " + std::to_string(raw(rows.task->id)) +
                                            " has happened, although it was settled as not happened, and the task has "
                                            "ended"});
      return;
    }
  };
}

}  // namespace

void tasks_steps(Call call) {
  const bool is_start = call.body.text("type") == "StepStarted";
  if (is_start) {
    if (auto refused = no_room(call.context.services.readiness(), RouteRoom::usual)) {
      return call.reply(*std::move(refused));
    }
  }
  // An operator's verdict needs the operate role and, if it is "not done", the step's lock: only resolve gives it.
  const json::value* by = call.body.event_fields().if_contains("by");
  if (by && by->is_string() && by->get_string() == "operator") {
    return call.refuse({ErrorCode::malformed, R"(field "by" must not be "operator": use POST …/resolve for that)"});
  }
  auto proposal = propose_asked(call, is_start ? fb::Event::StepStarted : fb::Event::StepFinished, "task");
  if (!proposal) return;
  Writing writing{.group = group_of(std::move(*proposal)), .look = showing_task(TaskId{call.id})};
  if (!is_start) writing.amend = telling_of_late_news(call, *writing.group.front().record().event_as_StepFinished());
  write(call.context, std::move(writing), std::move(call.reply));
}

void tasks_advance(Call call) {
  const auto expected = call.body.integer("expected_version");
  const TaskId task{call.id};
  const auto beginning = std::make_shared<AdvanceStart>();
  call.sequencer().read(
      [beginning, task](const State& state) {
        beginning->given_out = state.given_out(task);
        if (const Task* row = state.tasks.find(task)) beginning->task = *row;
      },
      [&context = call.context, beginning, task, requester = call.requester, expected, reply = call.reply] {
        const auto end = [&](Outcome outcome) {
          answer_advance(context, task, {.result = AdvanceResult::waiting, .outcome = outcome, .reason = {}}, reply);
        };
        if (!beginning->given_out) return end(Outcome::unknown_task);
        if (!beginning->task || is_terminal(beginning->task->stage)) return end(Outcome::terminal);
        const Version version = beginning->task->version;
        if (expected && *expected != static_cast<std::int64_t>(raw(version))) return end(Outcome::version_conflict);
        context.services.advance(
            {.task = task, .version = version, .requester = requester},
            [&context, task, reply](const AdvanceAnswer& answer) { answer_advance(context, task, answer, reply); });
      });
}

void tasks_resolve(Call call) {
  const TaskId task{call.id};
  const std::string step(*call.body.text("step"));
  const Happened happened = *call.body.flag("happened") ? Happened::yes : Happened::no;
  const auto open = std::make_shared<OpenStep>();
  call.sequencer().read(
      [open, task, step](const State& state) { *open = open_step_named(state, task, step); },
      [&context = call.context, open, task, step, happened, reason = std::string(call.body.text("reason").value_or("")),
       requester = call.requester, reply = call.reply] {
        const bool needs_lock = happened == Happened::no && raw(open->started) != 0 && !open->is_elsewhere;
        if (!needs_lock) {
          return propose_resolution(context, requester, task, step, *open, happened, reason, nullptr, reply);
        }
        context.services.lock_step(
            {.task = task, .version = open->version, .step = step}, open->run,
            [&context, open, task, step, happened, reason, requester, reply](std::shared_ptr<StepLock> lock) {
              if (!lock) {
                return reply(http_error(409, "previous_alive",
                                        "the step's process may still be running: the step may still happen"));
              }
              propose_resolution(context, requester, task, step, *open, happened, reason, std::move(lock), reply);
            });
      });
}

void tasks_get(Call call) {
  const auto rows = std::make_shared<ResponseRows>();
  call.read_state(
      [rows, task = TaskId{call.id}](const State& state) {
        const Decision none;
        show_task({.state = state, .decision = none, .archived = {}}, task, *rows);
      },
      [&context = call.context, rows, reply = call.reply] {
        const auto answer = [rows, reply] {
          if (!rows->task) return reply(unknown_answer(Outcome::unknown_task));
          HttpResponse response;
          response.format = [rows](HttpResponse& out) { append_json(out.body, *rows->task); };
          reply(std::move(response));
        };
        if (!rows->archived_task) return answer();
        context.workers.post([&context, rows, answer] {
          fetch_archived(context.services.archive, context.services.index, *rows);
          answer();
        });
      });
}

void tasks_list(Call call) {
  const auto text = [&](std::string_view name) {
    const auto value = call.query.text(name);
    return value ? std::optional<std::string>(*value) : std::nullopt;
  };
  TaskFilter filter{.stage = text("stage"),
                    .repo = text("repo"),
                    .work_item = text("work_item"),
                    .live_only = call.query.text("live") == "true",
                    .narrow = call.narrow};
  call.work([&context = call.context, filter = std::move(filter), reply = call.reply, upto = call.upto(),
             limit = static_cast<std::size_t>(call.query.number("limit")),
             first = TaskId{static_cast<std::uint64_t>(call.query.number("after")) + 1}](StateReader& reader) {
    const auto page = list_tasks(reader, context.services.archive, context.services.index, filter, first, limit, upto);
    if (!page) return reply(http_error(500, "io", page.error().message));
    HttpResponse response;
    std::string& out = response.body;
    out = R"({"items":[)";
    for (const Task& task : page->tasks) {
      if (&task != page->tasks.data()) out += ',';
      append_json(out, task);
    }
    out += R"(],"next":)";
    out += page->next ? std::to_string(raw(*page->next)) : "null";
    out += '}';
    reply(std::move(response));
  });
}

void tasks_history(Call call) {
  call.work([&context = call.context, task = TaskId{call.id}, reply = call.reply, narrow = call.narrow,
             upto = call.upto(), limit = static_cast<std::size_t>(call.query.number("limit")),
             after = Seq{static_cast<std::uint64_t>(call.query.number("after"))}](StateReader& reader) {
    const auto page = history_of(reader, context.services.journal, context.services.archive, context.services.index,
                                 narrow.get(), task, after, limit, upto);
    if (!page && page.error().code == ErrorCode::missing) {
      return reply(unknown_answer(Outcome::unknown_task));
    }
    if (!page) return reply(http_error(500, "io", page.error().message));
    HttpResponse response;
    std::string& out = response.body;
    out = R"({"items":[)";
    for (const std::string& line : page->lines) {
      if (&line != page->lines.data()) out += ',';
      out += line;
    }
    out += R"(],"next":)";
    out += page->next ? std::to_string(raw(*page->next)) : "null";
    out += '}';
    reply(std::move(response));
  });
}

}  // namespace pawl
