// `pawl log`: what the runs of a task printed.
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <optional>

#include "tools/commands/answers.h"
#include "tools/commands/log_output.h"
#include "tools/commands/named_task.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::string show_logs(const json::array& logs) {
  if (logs.empty()) return "nothing that ran for it has captured output\n";
  return table_of(logs, {"what", "name", "stage", "version", "attempt", "began=began_at", "ended=ended_at", "bytes",
                         "kept", "run"});
}

/// The query that chooses the run.
Result<std::string> query_of(const Arguments& arguments) {
  std::string query;
  const auto add = [&](std::string_view name, const std::string& value) {
    query += std::string(name) + "=" + percent_encoded(value) + "&";
  };
  std::optional<std::string> what;
  for (const std::string_view kind : {"agent", "gate", "step", "probe"}) {
    if (!arguments.has(kind)) continue;
    if (what)
      return Error{ErrorCode::malformed, "log: --" + *what + " and --" + std::string(kind) + " are mutually exclusive"};
    what = kind;
    add("what", *what);
    if (const std::string step = arguments.value_or(kind, ""); !step.empty()) add("step", step);
  }
  for (const std::string_view option : {"stage", "run"}) {
    if (const auto value = arguments.value(option)) add(option, *value);
  }
  const auto attempt = PAWL_TRY(arguments.number("attempt"));
  if (attempt) add("attempt", std::to_string(*attempt));
  return query;
}

/// If no option chooses a run and the newest one is a probe: the run of its step, which the user most likely means. A
/// failed step's output says why; its probe, which runs afterwards, only describes the target.
std::string step_before_probe(Client& client, const std::string& path) {
  const auto logs = call(client, {.method = "GET", .path = path + "/logs?limit=20"});
  if (!logs || !part_of(*logs, "items").is_array()) return {};
  std::string probe;
  for (const json::value& run : part_of(*logs, "items").get_array()) {
    const std::string what = cell(run, "what");
    const std::string name = cell(run, "name");
    if (what == "probe" && (probe.empty() || probe == name)) {
      probe = name;
      continue;
    }
    if (what != "step" || name != probe) return {};
    fail(Exit::done, "this is the output of the step " + name + "; for its later probe, give --probe " + name);
    return "run=" + percent_encoded(cell(run, "run")) + "&";
  }
  return {};
}

Exit run_log(const Arguments& arguments) {
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  const auto task = named_task(caller->client, arguments);
  if (!task) return fail(task.error());
  const std::string path = "/v1/tasks/" + std::to_string(task->id);
  if (arguments.has("list")) return run_list(arguments, path + "/logs", show_logs);
  if (arguments.has("json")) return fail(Exit::usage, "log: --json needs --list: a run's output is plain text");
  auto query = query_of(arguments);
  if (!query) return fail(query.error());
  if (query->empty()) *query = step_before_probe(caller->client, path);
  return print_output(caller->client, path + "/log?" + *query, arguments.has("follow") ? Following::yes : Following::no,
                      output_form(arguments));
}

}  // namespace

const Command log_command = {
    .name = "log",
    .arguments = "TASK",
    .summary = "Prints what an agent, gate or step of a task printed",
    .details =
        "Prints the newest run that matches the options; without any, the task's newest run. If that is a probe,\n"
        "prints the step that it was about instead. A line says how much of a long output was not kept. --list shows\n"
        "what there is. On a terminal, only text, colours, line ends and tabs are passed on; anything else is shown\n"
        "as \\x1b or \\u{202e}. Elsewhere, and with --raw, the output is exactly as printed.\n",
    .options = with_task_options({{"stage", "STAGE", "only what ran on that stage"},
                                  {"agent", "", "only agents"},
                                  {"gate", "", "only gates"},
                                  {"step", "NAME", "only that step"},
                                  {"probe", "NAME", "only that step's probe"},
                                  {"attempt", "N", "only an agent's attempt of that number"},
                                  {"run", "RUN", "only that run, as --list names it"},
                                  {"follow", "", "wait for the run, and follow it until it ends", 'f'},
                                  raw_option,
                                  {"list", "", "list what ran and has captured output, the newest first"}}),
    .positional_max = 1,
    .run = run_log};

}  // namespace pawl
