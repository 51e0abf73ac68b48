// The commands about one task, and the list of tasks.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "schema/json/json_text.h"
#include "tools/commands/answers.h"
#include "tools/commands/output.h"

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
  return table_of(
      tasks, {"task=id", "work item=work_item", "repo", "branch", "stage", "version", "blocked", "since=entered_at"});
}

std::string show_history(const json::array& records) {
  return table_of(records, {"seq", "time", "event=type", "actor", "outcome", "data"});
}

/// The query of a list, from the options that are filters.
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

Exit run_task(const Arguments& arguments) {
  if (arguments.positional().empty()) return run_list(arguments, list_path(arguments), show_list);
  const auto task = id_of(arguments, 0, "TASK");
  if (!task) return fail(task.error());
  if (arguments.has("history")) return run_list(arguments, path_of(*task) + "/history", show_history);
  return run_call(arguments, {.method = "GET", .path = path_of(*task)},
                  [](const json::value& answer) { return fields_of(part_of(answer, "task")); });
}

constexpr int answer_timeout_s = 60;

/// POST /v1/tasks/{id}/ACTION, with TASK as the first argument.
Exit post(const Arguments& arguments, std::string_view action, const std::string& body,
          const std::function<std::string(const json::value&)>& show, int timeout_s = answer_timeout_s) {
  const auto task = id_of(arguments, 0, "TASK");
  if (!task) return fail(task.error());
  return run_call(
      arguments,
      {.method = "POST", .path = path_of(*task) + "/" + std::string(action), .body = body, .timeout_s = timeout_s},
      show);
}

std::string reason_body(const Arguments& arguments) {
  return arguments.has("reason") ? json_object("reason", arguments.value_or("reason", "")) : "{}";
}

std::string show_advance(const json::value& answer) {
  std::string out = cell(answer, "result");
  if (const std::string reason = cell(answer, "reason"); reason != "-") out += " (" + reason + ")";
  return out + ": " + show_task(answer);
}

std::string show_cancel(const json::value& answer) {
  const json::value& task = part_of(answer, "task");
  if (cell(task, "stage") == "cancelled") return show_task(answer);
  return "deferred until what is under way has ended: " + show_task(answer);
}

Exit run_advance(const Arguments& arguments) {
  constexpr int gate_and_steps_s = 24 * 3600;  // the daemon answers when they have ended, which their time-outs bound
  return post(arguments, "advance", "{}", show_advance, gate_and_steps_s);
}
Exit run_cancel(const Arguments& arguments) {
  std::string body = reason_body(arguments);
  if (arguments.has("keep-branch")) {
    body.pop_back();
    if (body.back() != '{') body += ',';
    body += "\"keep_branch\":true}";
  }
  return post(arguments, "cancel", body, show_cancel);
}
Exit run_retry(const Arguments& arguments) {
  const std::string take = arguments.value_or("take", "");
  if (arguments.has("take") && take != "origin" && take != "ours") {
    return fail(Exit::usage, "retry: --take is origin or ours");
  }
  std::string body = reason_body(arguments);
  if (!take.empty()) {
    body.pop_back();
    if (body.back() != '{') body += ',';
    body += "\"take\":\"" + take + "\"}";
  }
  return post(arguments, "retry", body, show_task);
}
Exit run_unblock(const Arguments& arguments) {
  return post(arguments, "unblock", reason_body(arguments), show_task);
}

Exit run_note(const Arguments& arguments) {
  return post(arguments, "note", json_object("text", arguments.positional()[1]), show_task);
}

Exit run_resolve(const Arguments& arguments) {
  if (arguments.has("happened") == arguments.has("did-not")) {
    return fail(Exit::usage, "resolve: say either --happened or --did-not");
  }
  std::string body = "{\"step\":";
  append_json_text(body, arguments.positional()[1]);
  body += ",\"happened\":";
  append_json_bool(body, arguments.has("happened"));
  body += ",\"reason\":";
  append_json_text_or_null(body, arguments.value_or("reason", ""));
  body += '}';
  return post(arguments, "resolve", body, show_task);
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
    .summary = "Drives a task over its forward edge, as far as it goes now",
    .details = "Lease, gate and steps are taken as by everybody else; the answer says what happened.\n",
    .options = with_daemon_options({}),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_advance};

const Command cancel_command = {
    .name = "cancel",
    .arguments = "TASK",
    .summary = "Stops a task for good",
    .details =
        "While a crossing is under way the request stands, and is carried out when that has ended. The agent is\n"
        "ended, and the task's folder removed. Its branch at origin goes too if this task began it there and it is\n"
        "where pawl last saw it (setting stop.delete_branch); the task's history has the command that brings it "
        "back.\n",
    .options = with_daemon_options({reason_option, {"keep-branch", "", "leave the branch at origin, whatever is set"}}),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_cancel};

const Command retry_command = {
    .name = "retry",
    .arguments = "TASK",
    .summary = "Unblocks a task if it is blocked, and queues a fresh job for its stage",
    .details = "Where the task is blocked as diverged, --take says whose commits stay.\n",
    .options = with_daemon_options({reason_option, {"take", "SIDE", "origin or ours, where the branch has diverged"}}),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_retry};

const Command unblock_command = {.name = "unblock",
                                 .arguments = "TASK",
                                 .summary = "Lets a blocked task go on",
                                 .details = "",
                                 .options = with_daemon_options({reason_option}),
                                 .positional_min = 1,
                                 .positional_max = 1,
                                 .run = run_unblock};

const Command note_command = {.name = "note",
                              .arguments = "TASK TEXT",
                              .summary = "Records a sentence about a task, for people",
                              .details = "",
                              .options = with_daemon_options({}),
                              .positional_min = 2,
                              .positional_max = 2,
                              .run = run_note};

const Command resolve_command = {
    .name = "resolve",
    .arguments = "TASK STEP (--happened | --did-not)",
    .summary = "Says whether a step whose outcome is unknown has happened",
    .details = "Look at the target of the effect first: this word is what the machine goes on by.\n",
    .options = with_daemon_options({{"happened", "", "the effect is there"},
                                    {"did-not", "", "the effect is not there, and nothing of it can still come"},
                                    reason_option}),
    .positional_min = 2,
    .positional_max = 2,
    .run = run_resolve};

}  // namespace pawl
