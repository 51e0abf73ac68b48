// The commands about one task, and the list of tasks.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "tools/commands/answers.h"
#include "tools/commands/named_task.h"
#include "tools/commands/output.h"
#include "tools/commands/turn.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::string path_of(std::uint64_t task) {
  return "/v1/tasks/" + std::to_string(task);
}

std::string show_task(const json::value& answer) {
  return task_line(part_of(answer, "task")) + '\n';
}

std::string show_list(const json::array& tasks) {
  if (tasks.empty()) return "no tasks\n";
  return table_of(tasks, {"task=id", "work item=work_item", "repo", "branch", "stage", "version", "priority", "blocked",
                          "since=entered_at"});
}

std::string show_history(const json::array& records) {
  return table_of(records, {"seq", "time", "event=type", "actor", "by=principal", "outcome", "data"});
}

/// The query of a list, from the filter options.
std::string list_path(const Arguments& arguments) {
  std::string path = "/v1/tasks?limit=256";
  for (const std::string_view option : {"stage", "repo", "work-item"}) {
    const auto value = arguments.value(option);
    if (!value) continue;
    path += '&';
    path += option == "work-item" ? "work_item" : option;
    path += '=' + percent_encoded(*value);
  }
  return path;
}

/// "delivery, as record 393 defined it"; the record alone if it cannot be read.
std::string pipeline_text(Client& client, const json::value& task) {
  const std::string record = cell(task, "pipeline");
  std::string name;
  const auto seq = read_number(record, "the pipeline's record");
  if (seq && *seq > 0) {
    const auto answer = client.send({.method = "GET", .path = "/v1/events?limit=1&after=" + std::to_string(*seq - 1)});
    const auto read = answer && answer->is_success() ? parse_json(answer->body) : Result<json::value>(json::value());
    if (read && cell(*read, "type") == "PipelineDefined") name = cell(*read, "data.name") + ", as ";
  }
  return name + "record " + record + " defined it";
}

/// What `stuck` says about a task, even if its turn comes by itself; empty if it says nothing, or cannot be asked.
std::string why_it_waits(Client& client, std::uint64_t task) {
  const auto answer =
      call(client, {.method = "GET", .path = "/v1/stuck?all=true&limit=1&after=" + std::to_string(task - 1)});
  if (!answer) return {};
  for (const json::value& row : answer->at("items").as_array()) {
    if (cell(row, "task") == std::to_string(task)) return cell(row, "detail");
  }
  return {};
}

Exit run_task(const Arguments& arguments) {
  // With a word, --repo names its repository. --work-item without a word lists, since several may match.
  if (arguments.positional().empty()) return run_list(arguments, list_path(arguments), show_list);
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  const auto task = task_of_word(caller->client, arguments.positional()[0], arguments.value_or("repo", ""));
  if (!task) return fail(task.error());
  if (arguments.has("history")) return run_list(arguments, path_of(*task) + "/history", show_history);
  return run_call(arguments, {.method = "GET", .path = path_of(*task)}, [&caller, &task](const json::value& answer) {
    json::value shown = part_of(answer, "task");
    if (shown.is_object()) {
      shown.get_object()["pipeline"] = pipeline_text(caller->client, shown);
      if (const std::string why = why_it_waits(caller->client, *task); !why.empty()) shown.get_object()["waits"] = why;
    }
    return fields_of(shown);
  });
}

constexpr int answer_timeout_s = 60;

/// A POST about a task: /v1/tasks/{id}/ACTION.
struct Post {
  std::string_view action;
  /// Made from the words after TASK.
  std::function<std::string(const std::vector<std::string>& words)> body;
  std::function<std::string(const json::value&)> show;
  std::size_t words = 0;  // after TASK
  int timeout_s = answer_timeout_s;
  /// The exit code for an answer. May be empty: done.
  std::function<Exit(const json::value&)> exit = {};
};

Exit post(const Arguments& arguments, const Post& post) {
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  const auto task = named_task(caller->client, arguments, post.words);
  if (!task) return fail(task.error());
  Exit exit = Exit::done;
  const Exit called = run_call(arguments,
                               {.method = "POST",
                                .path = path_of(task->id) + "/" + std::string(post.action),
                                .body = post.body(task->rest),
                                .timeout_s = post.timeout_s},
                               post.show, [&](const json::value& answer) {
                                 if (post.exit) exit = post.exit(answer);
                               });
  return called == Exit::done ? exit : called;
}

std::string reason_body(const Arguments& arguments) {
  return arguments.has("reason") ? json_object("reason", arguments.value_or("reason", "")) : "{}";
}

std::string show_advance(const json::value& answer) {
  std::string out = cell(answer, "result");
  std::string reason = cell(answer, "reason");
  if (reason.starts_with(out + ": ")) reason.erase(0, out.size() + 2);  // do not say it twice
  if (reason != "-" && reason != out) out += " (" + reason + ")";
  return out + ": " + show_task(answer);
}

std::string show_cancel(const json::value& answer) {
  const json::value& task = part_of(answer, "task");
  if (cell(task, "stage") == "cancelled") return show_task(answer);
  return "deferred until work in progress has ended: " + show_task(answer);
}

std::function<std::string(const std::vector<std::string>&)> always(const std::string& body) {
  return [body](const std::vector<std::string>&) { return body; };
}

/// A path that failed the task's work, or left it to a person, did not do what was requested.
Exit exit_of_advance(const json::value& answer) {
  const std::string result = cell(answer, "result");
  const bool is_bad = result == "gate_red" || result == "blocked" || result == "rolled_back";
  return is_bad ? Exit::refused : Exit::done;
}

Exit run_advance(const Arguments& arguments) {
  constexpr int gate_and_steps_s = 24 * 3600;  // the daemon answers when they have ended, which their time-outs limit
  return post(arguments, {.action = "advance",
                          .body = always("{}"),
                          .show = show_advance,
                          .timeout_s = gate_and_steps_s,
                          .exit = exit_of_advance});
}
Exit run_cancel(const Arguments& arguments) {
  std::string body = reason_body(arguments);
  if (arguments.has("keep-branch")) {
    body.pop_back();
    if (body.back() != '{') body += ',';
    body += "\"keep_branch\":true}";
  }
  return post(arguments, {.action = "cancel", .body = always(body), .show = show_cancel});
}
Exit run_retry(const Arguments& arguments) {
  const std::string take = arguments.value_or("take", "");
  if (arguments.has("take") && take != "origin" && take != "ours") {
    return fail(Exit::usage, "retry: --take must be origin or ours");
  }
  std::string body = reason_body(arguments);
  if (!take.empty()) {
    body.pop_back();
    if (body.back() != '{') body += ',';
    body += "\"take\":\"" + take + "\"}";
  }
  return post(arguments, {.action = "retry", .body = always(body), .show = show_task});
}
Exit run_unblock(const Arguments& arguments) {
  return post(arguments, {.action = "unblock", .body = always(reason_body(arguments)), .show = show_task});
}

Exit run_override(const Arguments& arguments) {
  if (!arguments.has("reason"))
    return fail(Exit::usage, "override: give --reason: it is on record that it was let past");
  return post(arguments, {.action = "override", .body = always(reason_body(arguments)), .show = show_task});
}

/// "task 3 (W-1 of shop): review, version 4; priority 5, not before 2026-12-24 18:00:00 +01:00"
std::string show_turn(const json::value& answer) {
  const json::value& task = part_of(answer, "task");
  const bool waits =
      task.is_object() && task.get_object().contains("not_before_at") && !task.at("not_before_at").is_null();
  return task_line(task) + "; priority " + cell(task, "priority") +
         (waits ? ", not before " + cell(task, "not_before_at") : std::string()) + '\n';
}

Exit run_priority(const Arguments& arguments) {
  const std::size_t names = arguments.has("work-item") ? 0 : 1;
  const std::vector<std::string>& words = arguments.positional();
  const bool has_level = words.size() > names;
  const std::optional<std::string> level = has_level ? std::optional(words.back()) : std::nullopt;
  const auto turn = turn_members(level, arguments.value("not-before"));
  if (!turn) return fail(turn.error());
  if (turn->empty()) return fail(Exit::usage, "priority: give a number from -100 to 100, or --not-before");
  std::string body = '{' + turn->substr(1);
  if (const auto reason = arguments.value("reason")) {
    body += ",\"reason\":";
    append_json_text(body, *reason);
  }
  return post(arguments, {.action = "priority",
                          .body = always(body + '}'),
                          .show = show_turn,
                          .words = has_level ? std::size_t{1} : std::size_t{0}});
}

Exit run_note(const Arguments& arguments) {
  const auto body = [](const std::vector<std::string>& words) { return json_object("text", words[0]); };
  return post(arguments, {.action = "note", .body = body, .show = show_task, .words = 1});
}

Exit run_resolve(const Arguments& arguments) {
  if (arguments.has("happened") == arguments.has("did-not")) {
    return fail(Exit::usage, "resolve: give either --happened or --did-not");
  }
  const auto body = [&arguments](const std::vector<std::string>& words) {
    std::string out = "{\"step\":";
    append_json_text(out, words[0]);
    out += ",\"happened\":";
    append_json_bool(out, arguments.has("happened"));
    out += ",\"reason\":";
    append_json_text_or_null(out, arguments.value_or("reason", ""));
    return out + '}';
  };
  return post(arguments, {.action = "resolve", .body = body, .show = show_task, .words = 1});
}

const OptionSpec reason_option = {"reason", "TEXT", "why, for the record"};

}  // namespace

const Command task_command = {.name = "task",
                              .arguments = "[TASK]",
                              .summary = "Shows a task, or lists them",
                              .details = "",
                              .options = with_daemon_options({{"history", "", "the records that concern the task"},
                                                              {"stage", "STAGE", "list those on this stage"},
                                                              {"repo", "REPO", "list those of this repository"},
                                                              {"work-item", "ITEM", "list those of this work item"}}),
                              .positional_max = 1,
                              .run = run_task};

const Command advance_command = {
    .name = "advance",
    .arguments = "TASK",
    .summary = "Drives a task over its forward edge, as far as it can go now",
    .details =
        "Takes the lease, runs the gate and the steps as the daemon does on its own; the answer says what happened.\n"
        "Exit 1 if the gate is red, or the task was rolled back or blocked.\n",
    .options = with_task_options({}),
    .positional_max = 1,
    .run = run_advance};

const Command cancel_command = {
    .name = "cancel",
    .arguments = "TASK",
    .summary = "Stops a task for good",
    .details =
        "Ends the agent and removes the task's folder. A crossing that is under way finishes first. The branch at\n"
        "origin is deleted if this task began it there and it has not moved since pawl last saw it (setting\n"
        "stop.delete_branch); the task's history has the command that restores it.\n",
    .options =
        with_task_options({reason_option, {"keep-branch", "", "keep the branch at origin, whatever the setting"}}),
    .positional_max = 1,
    .run = run_cancel};

const Command retry_command = {
    .name = "retry",
    .arguments = "TASK",
    .summary = "Unblocks a task if it is blocked, and queues a new job for its stage",
    .details = "If the task is blocked as diverged, --take says whose commits to keep.\n",
    .options = with_task_options({reason_option, {"take", "SIDE", "origin or ours, if the branch has diverged"}}),
    .positional_max = 1,
    .run = run_retry};

const Command unblock_command = {.name = "unblock",
                                 .arguments = "TASK",
                                 .summary = "Lets a blocked task go on",
                                 .details = "",
                                 .options = with_task_options({reason_option}),
                                 .positional_max = 1,
                                 .run = run_unblock};

const Command override_command = {
    .name = "override",
    .arguments = "TASK --reason TEXT",
    .summary = "Lets a task past what holds it",
    .details = "For as long as the task is at its version: its next stage is held again.\n",
    .options = with_task_options({reason_option}),
    .positional_max = 1,
    .run = run_override};

const Command priority_command = {
    .name = "priority",
    .arguments = "TASK [N]",
    .summary = "Changes when it is a task's turn: its priority, or the time before which it does not start",
    .details =
        "N is from -100 to 100. Each level counts as if the task's jobs had been queued that much earlier (setting\n"
        "queue.priority_s), so a job that waits long enough overtakes every priority. What has begun goes on.\n",
    .options = with_task_options(
        {{"not-before", "TIME", "no work on it starts earlier; 'now': it need not wait"}, reason_option}),
    .positional_max = 2,
    .run = run_priority};

const Command note_command = {.name = "note",
                              .arguments = "TASK TEXT",
                              .summary = "Records a note about a task, for people",
                              .details = "",
                              .options = with_task_options({}),
                              .positional_min = 1,
                              .positional_max = 2,
                              .run = run_note};

const Command resolve_command = {
    .name = "resolve",
    .arguments = "TASK STEP (--happened | --did-not)",
    .summary = "Says whether a step whose outcome is unknown has happened",
    .details = "Check the target of the effect first: pawl relies on this answer.\n",
    .options = with_task_options({{"happened", "", "the effect has happened"},
                                  {"did-not", "", "the effect has not happened, and can no longer happen"},
                                  reason_option}),
    .positional_min = 1,
    .positional_max = 2,
    .run = run_resolve};

}  // namespace pawl
