// The command about what ran for a task: what it printed.
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

/// What chooses the run.
Result<std::string> query_of(const Arguments& arguments) {
  std::string query;
  const auto add = [&](std::string_view name, const std::string& value) {
    query += std::string(name) + "=" + percent_encoded(value) + "&";
  };
  std::optional<std::string> what;
  for (const std::string_view kind : {"agent", "gate", "step", "probe"}) {
    if (!arguments.has(kind)) continue;
    if (what)
      return Error{ErrorCode::malformed, "log: --" + *what + " and --" + std::string(kind) + " exclude each other"};
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

Exit run_log(const Arguments& arguments) {
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  const auto task = named_task(caller->client, arguments);
  if (!task) return fail(task.error());
  const std::string path = "/v1/tasks/" + std::to_string(task->id);
  if (arguments.has("list")) return run_list(arguments, path + "/logs", show_logs);
  if (arguments.has("json")) return fail(Exit::usage, "log: --json goes with --list: what a run printed is a text");
  const auto query = query_of(arguments);
  if (!query) return fail(query.error());
  return print_output(caller->client, path + "/log?" + *query, arguments.has("follow") ? Following::yes : Following::no,
                      output_form(arguments));
}

}  // namespace

const Command log_command = {
    .name = "log",
    .arguments = "TASK",
    .summary = "Prints what an agent, gate or step of a task printed",
    .details =
        "Prints the newest run that fits the options, and without any the task's newest run. Where a part of a long\n"
        "output was not kept, a line says how much. --list shows what there is. On a terminal, what is no text, "
        "colour, end\n"
        "of a line or tab is shown as \\x1b or \\u{202e} instead of obeyed; elsewhere, and with --raw, all is as "
        "printed.\n",
    .options = with_task_options({{"stage", "STAGE", "only what ran on that stage"},
                                  {"agent", "", "only agents"},
                                  {"gate", "", "only gates"},
                                  {"step", "NAME", "only that step"},
                                  {"probe", "NAME", "only that step's probe"},
                                  {"attempt", "N", "only an agent's attempt of that number"},
                                  {"run", "RUN", "only that run, as --list names it"},
                                  {"follow", "", "go on until the run has ended", 'f'},
                                  raw_option,
                                  {"list", "", "list what ran and has captured output, the newest first"}}),
    .positional_max = 1,
    .run = run_log};

}  // namespace pawl
