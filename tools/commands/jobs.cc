// `pawl jobs`.
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "tools/commands/answers.h"
#include "tools/commands/log_output.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::string show_jobs(const json::array& jobs) {
  if (jobs.empty()) return "no jobs\n";
  TextTable table({"job", "task", "agent", "stage", "version", "status", "attempt", "pid", "exit", "queued", "reason"});
  for (const json::value& job : jobs) {
    std::vector<std::string> row;
    for (const std::string_view member : {"id", "task", "agent", "stage", "version", "status"}) {
      row.push_back(cell(job, member));
    }
    row.push_back(attempt_text(job));
    for (const std::string_view member : {"pid", "exit_code", "queued_at", "reason"}) row.push_back(cell(job, member));
    table.add(std::move(row));
  }
  return table.text();
}

Exit print_log(const Arguments& arguments, std::uint64_t job) {
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  const auto attempt = arguments.number("attempt");
  if (!attempt) return fail(attempt.error());
  std::string path = "/v1/jobs/" + std::to_string(job) + "/log?";
  if (*attempt) path += "attempt=" + std::to_string(**attempt) + "&";
  return print_output(caller->client, path, Following::no, output_form(arguments));
}

Exit run_jobs(const Arguments& arguments) {
  if (arguments.positional().empty()) {
    if (arguments.has("log")) return fail(Exit::usage, "jobs: --log needs a JOB");
    return run_list(arguments, "/v1/jobs", show_jobs);
  }
  const auto job = id_of(arguments, 0, "JOB");
  if (!job) return fail(job.error());
  if (arguments.has("log")) return print_log(arguments, *job);
  return run_call(arguments, {.method = "GET", .path = "/v1/jobs/" + std::to_string(*job)},
                  [](const json::value& answer) { return fields_of(part_of(answer, "job")); });
}

}  // namespace

const Command jobs_command = {
    .name = "jobs",
    .arguments = "[JOB]",
    .summary = "Lists the jobs, or shows one job or its log",
    .details =
        "On a terminal, --log passes on only text, colours, line ends and tabs; it shows anything else as \\x1b or\n"
        "\\u{202e}. Elsewhere, and with --raw, the output is exactly as printed.\n",
    .options = with_daemon_options({{"log", "", "print what the job's agent printed"},
                                    {"attempt", "N", "the log of that attempt (default: the last)"},
                                    raw_option}),
    .positional_max = 1,
    .run = run_jobs};

}  // namespace pawl
