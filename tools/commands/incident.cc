// `pawl incident`: one command from a copied log to the cause of what ended badly.
#include <filesystem>

#include "tools/commands/command.h"
#include "tools/commands/log_arguments.h"
#include "tools/commands/output.h"
#include "tools/commands/story_file.h"
#include "tools/forensics/explain_render.h"
#include "tools/forensics/incident_report.h"
#include "tools/forensics/log_source.h"

namespace pawl {
namespace {

/// Whether the only word names the log. A seq, a time or a task never does, unless a file has that name.
bool names_log(const std::string& word, const Arguments& arguments) {
  if (arguments.source_of({"data"}) == Source::command_line) return false;
  std::error_code failed;
  if (word == "-" || std::filesystem::exists(word, failed)) return true;
  return around_from(word).work_item && !arguments.has("data");
}

Exit run_incident(const Arguments& arguments) {
  std::vector<std::string> words = arguments.positional();
  const auto html = arguments.value("html");
  if (html && arguments.has("json")) return fail(Exit::usage, "incident: give --html or --json, not both");
  const bool has_log = words.size() == 2 || (words.size() == 1 && names_log(words[0], arguments));
  const auto path = log_named(has_log ? std::optional(words[0]) : std::nullopt, arguments, "incident");
  if (!path) return fail(path.error());
  const auto log = RecordedLog::read_part(*path);
  if (!log) return fail_to_read(log.error());
  const std::size_t at = has_log ? 1 : 0;
  const Around around = words.size() > at ? around_from(words[at]) : Around();
  const auto report = report_of(*log, *path, around);
  if (!report) return fail_to_read(report.error());
  if (html) {
    if (!report->question) return fail(Exit::refused, "incident: there is no incident to draw");
    const Result<void> written = write_page(*html, *path, page_of(report_text(*report), report_json(*report)));
    if (!written) return fail(written.error());
  }
  if (arguments.has("json")) {
    print(report_json(*report));
  } else {
    print_for_people(report_text(*report));
  }
  const bool is_readable = !report->broken || report->broken->kind == LogBreak::Kind::diverges;
  if (!is_readable) return fail(Exit::usage, report->broken->why);
  return report->question || report->broken ? Exit::refused : Exit::done;
}

}  // namespace

const Command incident_command = {
    .name = "incident",
    .arguments = "[LOG] [AROUND]",
    .summary = "Reports an incident: what ended badly, the record that caused it, and what would have prevented it",
    .details =
        "LOG is a data folder (PAWL_DATA), a file of exported lines, or '-' for such lines on standard input. AROUND\n"
        "is a record's seq (every alert about a record has it), a time such as 2026-06-15T10:00:00Z, a task\n"
        "('task:12') or a work item; without it, the first incident is reported. A single word is AROUND after "
        "--data,\n"
        "and if it is a seq, a time or a task; with PAWL_DATA set also if it is a work item. But the name of a file\n"
        "that exists is LOG. Exit 1 if there is an incident, 2 if the log cannot be read.\n\n"
        "The report has the cause, the records that lead from it to the end, each setting that would have prevented\n"
        "it, what the log does not say, and the stories of the tasks concerned.\n",
    .options = with_log_options({{"html", "FILE", "also write the whole report as a page for a browser"},
                                 {"json", "", "print the report as JSON"}}),
    .positional_max = 2,
    .run = run_incident};

}  // namespace pawl
