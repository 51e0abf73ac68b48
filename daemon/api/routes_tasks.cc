// Calls about tasks: to make one, to move it, and to say what became of it.
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

#include "daemon/api/call.h"
#include "daemon/api/history.h"
#include "engine/json/state_json.h"
#include "schema/json/json_text.h"
#include "schema/json/record_json.h"
#include "schema/limits.h"

namespace pawl {
namespace {

namespace json = boost::json;

/// A proposal about the task in the path. None after the request was refused.
struct TaskCall {
  TaskId task{};
  Proposal proposal;
};

std::optional<TaskCall> read_task_call(const Call& call, fb::Event type, const BodyFields& fields) {
  const auto id = call.id(0, Outcome::unknown_task);
  if (!id) return std::nullopt;
  auto body = read_body(call.request.body, fields);
  if (!body) {
    call.refuse(body.error());
    return std::nullopt;
  }
  body->emplace("task", *id);
  auto proposal = proposal_from_json(call.asker, type, *body, Reading::asked);
  if (!proposal) {
    call.refuse(proposal.error());
    return std::nullopt;
  }
  return TaskCall{.task = TaskId{*id}, .proposal = std::move(*proposal)};
}

Look showing_task(TaskId task) {
  return [task](const SeenDecision& seen, Shown& shown) { show_task(seen, task, shown); };
}

Group group_of(Proposal proposal) {
  Group group;
  group.push_back(std::move(proposal));
  return group;
}

void write_task_event(Call call, fb::Event type, const BodyFields& fields) {
  auto read = read_task_call(call, type, fields);
  if (!read) return;
  write(call.shop, {.group = group_of(std::move(read->proposal)), .look = showing_task(read->task)},
        std::move(call.reply));
}

/// Names of repositories become folders, and names of branches words of command lines.
Result<void> check_names(const json::object& body) {
  const auto text = [&](std::string_view field) -> std::string_view {
    const json::value* value = body.if_contains(json::string_view(field.data(), field.size()));
    return value && value->is_string() ? std::string_view(value->get_string().data(), value->get_string().size())
                                       : std::string_view();
  };
  for (std::string_view rest = text("repo"); !rest.empty();) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    const std::string_view part = rest.substr(0, slash);
    if (part.empty() || part == "." || part == ".." || slash + 1 == rest.size()) {
      return Error{ErrorCode::malformed, "field \"repo\" must not have '.', '..' or nothing between its slashes"};
    }
    rest.remove_prefix(std::min(rest.size(), slash + 1));
  }
  for (const std::string_view field : {"repo", "branch"}) {
    if (text(field).starts_with('-')) {
      return Error{ErrorCode::malformed, "field \"" + std::string(field) + "\" must not begin with '-'"};
    }
    for (const char c : text(field)) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
        return Error{ErrorCode::malformed, "field \"" + std::string(field) + "\" has a control character in it"};
      }
    }
  }
  return {};
}

std::string text_in(const json::object& body, std::string_view field) {
  const json::value* value = body.if_contains(json::string_view(field.data(), field.size()));
  return value && value->is_string() ? std::string(value->get_string().data(), value->get_string().size())
                                     : std::string();
}

TaskId created_in(const SeenDecision& seen) {
  if (seen.decision.first) return seen.decision.first->task;
  for (const Effect& effect : seen.decision.effects) {
    if (effect.kind == EffectKind::task) return TaskId{effect.id};
  }
  return TaskId{0};
}

/// What an advance is to begin from.
struct AdvanceStart {
  std::optional<Task> task;
  bool given_out = false;
};

void answer_advance(Shop& shop, TaskId task, const AdvanceAnswer& answer, HttpReply reply) {
  if (answer.result == AdvanceResult::deferred) shop.totals.advances_deferred.fetch_add(1);
  const auto shown = std::make_shared<Shown>();
  shop.services.sequencer.read(
      [task, shown, answer](const State& state) {
        const Decision decision{.outcome = answer.outcome, .seq = answer.seq, .effects = {}, .detail = {}};
        *shown = Shown();
        show_task({.state = state, .decision = decision, .archived = {}}, task, *shown);
      },
      [&shop, shown, answer, reply = std::move(reply)] {
        shop.workers.post([&shop, shown, answer, reply] {
          fetch_archived(shop.services.archive, *shown);
          HttpResponse response;
          if (answer.outcome != Outcome::accepted && shop.services.sequencer.is_superseded()) {
            response = superseded_answer();
          } else if (answer.reason == "no_command") {
            response = http_error(409, "no_command", "a step of the edge has no command: the daemon cannot start it");
          } else if (answer.result == AdvanceResult::waiting && answer.outcome != Outcome::accepted) {
            Decision refusal{.outcome = answer.outcome, .seq = answer.seq, .effects = {}, .detail = answer.reason};
            write_answer(response, refusal, *shown, 200);
          } else {
            response.body = R"({"seq":)";
            append_json_integer(response.body, raw(answer.seq));
            response.body += R"(,"result":)";
            append_json_text(response.body, name(answer.result));
            response.body += R"(,"reason":)";
            append_json_text_or_null(response.body, answer.reason);
            response.body += R"(,"task":)";
            append_object(response.body, *shown, Noun::task);
            response.body += '}';
          }
          reply(std::move(response));
        });
      });
}

/// The start of the step that an operator speaks of.
struct OpenStep {
  Version version{};
  Seq started{};
  std::string run;
  bool is_elsewhere = false;  // on another host, where no lock of ours says anything
};

OpenStep open_step_named(const State& state, TaskId id, const std::string& step) {
  OpenStep open;
  const Task* task = state.tasks.find(id);
  if (!task) return open;
  open.version = task->version;
  for (const StepRow& row : task->steps) {
    if (row.step != step || row.state != StepState::started) continue;
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

void propose_resolution(Shop& shop, const Asker& asker, TaskId task, const std::string& step, const OpenStep& open,
                        Happened happened, const std::string& reason, std::shared_ptr<void> lock, HttpReply reply) {
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
  write(shop,
        {.group = propose_group(asker, finished, unblocked),
         .look = showing_task(task),
         .resolve =
             [task](const State& state, Group& group) {
               const Task* row = state.tasks.find(task);
               if (!row || row->blocked.empty()) group.pop_back();
               return true;
             },
         .keep = std::move(lock)},
        std::move(reply));
}

}  // namespace

void tasks_create(Call call) {
  auto body = read_body(call.request.body,
                        {.required = {"work_item", "repo"}, .optional = {"branch", "pipeline", "stage", "depends_on"}});
  if (!body) return call.refuse(body.error());
  if (const auto checked = check_names(*body); !checked) return call.refuse(checked.error());
  auto proposal = proposal_from_json(call.asker, fb::Event::TaskCreated, *body, Reading::asked);
  if (!proposal) return call.refuse(proposal.error());
  const std::pair<std::string, std::string> work_item{text_in(*body, "repo"), text_in(*body, "work_item")};
  write(call.shop,
        {.group = group_of(std::move(*proposal)),
         .look =
             [work_item](const SeenDecision& seen, Shown& shown) {
               const auto& live = seen.state.indexes.live_work_items;
               const auto found = live.find(work_item);
               const bool is_new = seen.decision.outcome == Outcome::accepted;
               shown.noun = Noun::task;
               if (is_new || found == live.end()) {
                 show_task(seen, created_in(seen), shown);
               } else {
                 show_task(seen, found->second, shown);
               }
             },
         .status_accepted = 201},
        std::move(call.reply));
}

void tasks_transition(Call call) {
  write_task_event(std::move(call), fb::Event::StageTransition,
                   {.required = {"to", "expected_version"}, .optional = {"token", "reason"}});
}

void tasks_unblock(Call call) {
  write_task_event(std::move(call), fb::Event::TaskUnblocked, {.optional = {"reason"}});
}

void tasks_note(Call call) {
  write_task_event(std::move(call), fb::Event::TaskNote, {.required = {"text"}});
}

void tasks_gate(Call call) {
  write_task_event(std::move(call), fb::Event::GateEvaluated,
                   {.required = {"gate", "version"}, .optional = {"passed", "reason"}});
}

void tasks_cancel(Call call) {
  auto read = read_task_call(call, fb::Event::CancelRequested, {.optional = {"reason"}});
  if (!read) return;
  write(call.shop,
        {.group = group_of(std::move(read->proposal)),
         .look = showing_task(read->task),
         .status =
             [](const Shown& shown) {
               const bool is_deferred = shown.task && !is_terminal(shown.task->stage);
               return is_deferred ? 202 : 200;
             }},
        std::move(call.reply));
}

void tasks_retry(Call call) {
  const auto id = call.id(0, Outcome::unknown_task);
  if (!id) return;
  auto body = read_body(call.request.body, {.optional = {"reason"}});
  if (!body) return call.refuse(body.error());
  const auto reason = take_text(*body, "reason", limits::reason_bytes_max);
  if (!reason) return call.refuse(reason.error());
  fb::TaskUnblockedT unblocked;
  unblocked.task = *id;
  unblocked.reason = reason->value_or("");
  fb::JobQueuedT queued;
  queued.task = *id;
  queued.reason = reason->value_or("retry");
  write(call.shop,
        {.group = propose_group(call.asker, unblocked, queued),
         .look = showing_task(TaskId{*id}),
         .resolve =
             [task = TaskId{*id}](const State& state, Group& group) {
               const Task* row = state.tasks.find(task);
               if (!row || row->blocked.empty()) group.erase(group.begin());
               return true;
             }},
        std::move(call.reply));
}

void tasks_steps(Call call) {
  const auto id = call.id(0, Outcome::unknown_task);
  if (!id) return;
  auto body =
      read_body(call.request.body, {.required = {"type", "version", "step"},
                                    .optional = {"to", "token", "repo_token", "run", "started", "outcome", "by"}});
  if (!body) return call.refuse(body.error());
  const auto type = take_text(*body, "type", limits::name_bytes_max);
  if (!type) return call.refuse(type.error());
  const bool is_start = **type == "StepStarted";
  if (!is_start && **type != "StepFinished") {
    return call.refuse({ErrorCode::malformed, R"(field "type" must be "StepStarted" or "StepFinished")"});
  }
  // The word of an operator takes an operator's right and, if it is a no, the step's lock: it is given by resolve.
  if (const json::value* by = body->if_contains("by"); by && by->is_string() && by->get_string() == "operator") {
    return call.refuse({ErrorCode::malformed, R"(field "by" must not be "operator": that is said by POST …/resolve)"});
  }
  body->emplace("task", *id);
  auto proposal = proposal_from_json(call.asker, is_start ? fb::Event::StepStarted : fb::Event::StepFinished, *body,
                                     Reading::asked);
  if (!proposal) return call.refuse(proposal.error());
  write(call.shop, {.group = group_of(std::move(*proposal)), .look = showing_task(TaskId{*id})}, std::move(call.reply));
}

void tasks_advance(Call call) {
  const auto id = call.id(0, Outcome::unknown_task);
  if (!id) return;
  auto body = read_body(call.request.body, {.optional = {"expected_version"}});
  if (!body) return call.refuse(body.error());
  const auto expected = take_integer(*body, "expected_version", 1, INT64_MAX);
  if (!expected) return call.refuse(expected.error());
  const TaskId task{*id};
  const auto beginning = std::make_shared<AdvanceStart>();
  call.sequencer().read(
      [beginning, task](const State& state) {
        beginning->given_out = state.given_out(task);
        if (const Task* row = state.tasks.find(task)) beginning->task = *row;
      },
      [&shop = call.shop, beginning, task, asker = call.asker, expected = *expected, reply = call.reply] {
        const auto end = [&](Outcome outcome) {
          answer_advance(shop, task, {.result = AdvanceResult::waiting, .outcome = outcome, .reason = {}}, reply);
        };
        if (!beginning->given_out) return end(Outcome::unknown_task);
        if (!beginning->task || is_terminal(beginning->task->stage)) return end(Outcome::terminal);
        const Version version = beginning->task->version;
        if (expected && *expected != static_cast<std::int64_t>(raw(version))) return end(Outcome::version_conflict);
        shop.services.advance(
            {.task = task, .version = version, .asker = asker},
            [&shop, task, reply](const AdvanceAnswer& answer) { answer_advance(shop, task, answer, reply); });
      });
}

void tasks_resolve(Call call) {
  const auto id = call.id(0, Outcome::unknown_task);
  if (!id) return;
  auto body = read_body(call.request.body, {.required = {"step", "happened"}, .optional = {"reason"}});
  if (!body) return call.refuse(body.error());
  const auto step = take_text(*body, "step", limits::name_bytes_max);
  if (!step) return call.refuse(step.error());
  const auto happened_flag = take_bool(*body, "happened");
  if (!happened_flag) return call.refuse(happened_flag.error());
  const auto reason = take_text(*body, "reason", limits::reason_bytes_max);
  if (!reason) return call.refuse(reason.error());

  const TaskId task{*id};
  const Happened happened = **happened_flag ? Happened::yes : Happened::no;
  const auto open = std::make_shared<OpenStep>();
  call.sequencer().read(
      [open, task, name = **step](const State& state) { *open = open_step_named(state, task, name); },
      [&shop = call.shop, open, task, name = **step, happened, reason = reason->value_or(""), asker = call.asker,
       reply = call.reply] {
        const bool needs_lock = happened == Happened::no && raw(open->started) != 0 && !open->is_elsewhere;
        if (!needs_lock) {
          return propose_resolution(shop, asker, task, name, *open, happened, reason, nullptr, reply);
        }
        shop.services.lock_step(
            {.task = task, .version = open->version, .step = name}, open->run,
            [&shop, open, task, name, happened, reason, asker, reply](std::shared_ptr<StepLock> lock) {
              if (!lock) {
                return reply(http_error(409, "previous_alive",
                                        "the step's process is not known to be gone: what it does may still happen"));
              }
              propose_resolution(shop, asker, task, name, *open, happened, reason, std::move(lock), reply);
            });
      });
}

void tasks_get(Call call) {
  const auto id = call.id(0, Outcome::unknown_task);
  if (!id) return;
  const auto shown = std::make_shared<Shown>();
  call.sequencer().read(
      [shown, task = TaskId{*id}](const State& state) {
        const Decision none;
        show_task({.state = state, .decision = none, .archived = {}}, task, *shown);
      },
      [&shop = call.shop, shown, reply = call.reply] {
        const auto answer = [shown, reply] {
          if (!shown->task) return reply(http_error(404, "unknown_task", "no task of that id was ever created"));
          HttpResponse response;
          response.format = [shown](HttpResponse& out) { append_json(out.body, *shown->task); };
          reply(std::move(response));
        };
        if (!shown->archived_task) return answer();
        shop.workers.post([&shop, shown, answer] {
          fetch_archived(shop.services.archive, *shown);
          answer();
        });
      });
}

void tasks_list(Call call) {
  const auto query = Query::read(call.request.query, {"stage", "repo", "work_item", "limit", "after"});
  if (!query) return call.refuse(query.error());
  const auto limit = query->integer("limit", 1, static_cast<std::int64_t>(limits::rows_per_read_max));
  if (!limit) return call.refuse(limit.error());
  const auto after = query->integer("after", 0, INT64_MAX);
  if (!after) return call.refuse(after.error());
  const auto text = [&](std::string_view name) {
    const auto value = query->text(name);
    return value ? std::optional<std::string>(*value) : std::nullopt;
  };
  TaskFilter filter{.stage = text("stage"), .repo = text("repo"), .work_item = text("work_item")};
  call.shop.workers.post([&shop = call.shop, filter = std::move(filter), reply = call.reply,
                          limit = static_cast<std::size_t>(limit->value_or(limits::rows_per_read_max)),
                          first = TaskId{static_cast<std::uint64_t>(after->value_or(0)) + 1}] {
    const auto page = list_tasks(shop.services.sequencer, shop.services.archive, filter, first, limit);
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
  const auto id = call.id(0, Outcome::unknown_task);
  if (!id) return;
  const auto query = Query::read(call.request.query, {"limit", "after"});
  if (!query) return call.refuse(query.error());
  const auto limit = query->integer("limit", 1, 1000);
  if (!limit) return call.refuse(limit.error());
  const auto after = query->integer("after", 0, INT64_MAX);
  if (!after) return call.refuse(after.error());
  call.shop.workers.post([&shop = call.shop, task = TaskId{*id}, reply = call.reply,
                          limit = static_cast<std::size_t>(limit->value_or(256)),
                          after = Seq{static_cast<std::uint64_t>(after->value_or(0))}] {
    const auto page =
        history_of(shop.services.sequencer, shop.services.journal, shop.services.archive, task, after, limit);
    if (!page && page.error().code == ErrorCode::missing) {
      return reply(http_error(404, "unknown_task", page.error().message));
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
