// `pawl export`: writes the log or the state of a data folder, for programs and for people.
#include <algorithm>
#include <optional>
#include <vector>

#include "engine/json/state_json.h"
#include "schema/layout.h"
#include "store/checkpoint.h"
#include "store/open.h"
#include "tools/commands/command.h"
#include "tools/commands/log_arguments.h"
#include "tools/commands/log_export.h"
#include "tools/commands/output.h"
#include "tools/forensics/log_source.h"
#include "tools/forensics/redacted_export.h"

namespace pawl {
namespace {

Result<Format> format_of(const Arguments& arguments, Format otherwise) {
  const auto text = arguments.value("format");
  if (!text) return otherwise;
  if (*text == "jsonl") return Format::jsonl;
  if (*text == "json") return Format::json;
  if (*text == "csv") return Format::csv;
  return Error{ErrorCode::malformed, "--format: '" + *text + "' is not jsonl, json or csv"};
}

Result<std::optional<Seq>> seq_option(Log& log, const Arguments& arguments, std::string_view option) {
  const auto text = arguments.value(option);
  if (!text) return std::optional<Seq>();
  const Moment moment = PAWL_TRY(moment_of(*text, "--" + std::string(option)));
  return std::optional(PAWL_TRY(seq_at(log, moment)));
}

/// The words of "a,b", each converted by `named`. `malformed` names the first unknown one.
template <class Value, class Named>
Result<std::vector<Value>> list_option(const Arguments& arguments, std::string_view option, Named named) {
  std::vector<Value> list;
  const std::string text = arguments.value_or(option, "");
  if (text.empty() && arguments.has(option)) {
    return Error{ErrorCode::malformed, "--" + std::string(option) + " needs a list such as A,B"};
  }
  for (std::size_t at = 0; at < text.size() || (at > 0 && at == text.size());) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const std::string word = text.substr(at, comma - at);
    const std::optional<Value> value = word.empty() ? std::optional<Value>() : named(word);
    if (!value) return Error{ErrorCode::malformed, "--" + std::string(option) + ": unknown '" + word + "'"};
    list.push_back(*value);
    at = comma + 1;
  }
  return list;
}

Result<LogExportOptions> log_export_options(Log& log, const Arguments& arguments) {
  LogExportOptions options;
  options.format = PAWL_TRY(format_of(arguments, Format::jsonl));
  if (arguments.has("at") && arguments.has("to")) {
    return Error{ErrorCode::malformed, "--at and --to mean the same: give only one"};
  }
  if (arguments.has("all")) return Error{ErrorCode::malformed, "--all applies only to the state"};
  const auto task = PAWL_TRY(arguments.number("task"));
  if (task) options.task = TaskId{*task};
  options.actors = PAWL_TRY(
      list_option<std::string>(arguments, "actor", [](const std::string& word) { return std::optional(word); }));
  options.types = PAWL_TRY(list_option<fb::Event>(arguments, "type", event_named));
  options.outcomes = PAWL_TRY(list_option<Outcome>(arguments, "outcome", outcome_named));
  const auto to = PAWL_TRY(seq_option(log, arguments, arguments.has("at") ? "at" : "to"));
  if (to) options.to = *to;
  if (const auto text = arguments.value("from")) {
    options.from = next(PAWL_TRY(seq_before(log, *text, "--from")));
  }
  if (options.from > options.to) return Error{ErrorCode::malformed, "--from is after --to"};
  return options;
}

Result<void> write_state(Log& log, const Arguments& arguments) {
  for (const std::string_view option : {"from", "to", "task", "actor", "type", "outcome", "redact"}) {
    if (arguments.has(option)) {
      return Error{ErrorCode::malformed, "--" + std::string(option) + " applies only to the log"};
    }
  }
  const Format format = PAWL_TRY(format_of(arguments, Format::json));
  const auto at = PAWL_TRY(seq_option(log, arguments, "at"));
  const Opened opened = PAWL_TRY(open_state_at(log, at.value_or(no_end)));

  EachArchived archived;
  if (arguments.has("all")) {
    archived = [&](const std::function<void(const ArchivedTask&)>& each) -> Result<void> {
      Result<void> unpacked;
      PAWL_TRY(log.walk(TaskId{1}, [&](TaskId, RecordBytes bytes) {
        const auto row = unpack_archived(bytes);
        if (!row) {
          unpacked = row.error();
          return false;
        }
        if (row->seq <= opened.state.last_seq) each(row->rows);  // those archived later are still in this state
        return true;
      }));
      return unpacked;
    };
  }
  if (format != Format::csv) {
    PAWL_TRY(write_state_json(opened.state, archived, print));
    print("\n");
    return {};
  }
  print("id,work_item,repo,branch,stage,version,blocked,created_at,entered_at\n");
  const auto write = [](const Task& task) {
    print(std::to_string(raw(task.id)) + ',' + csv(task.work_item) + ',' + csv(task.repo) + ',' + csv(task.branch) +
          ',' + csv(task.stage) + ',' + std::to_string(raw(task.version)) + ',' + csv(task.blocked) + ',' +
          rfc3339(task.created) + ',' + rfc3339(task.entered) + '\n');
  };
  return for_each_task(opened.state, archived, write);
}

Result<RedactedRange> redacted_range(const Arguments& arguments) {
  for (const std::string_view option : {"task", "actor", "type", "outcome", "all"}) {
    if (arguments.has(option)) {
      return Error{ErrorCode::malformed,
                   "--redact writes whole groups, so --" + std::string(option) + " does not apply"};
    }
  }
  if (PAWL_TRY(format_of(arguments, Format::jsonl)) != Format::jsonl) {
    return Error{ErrorCode::malformed, "--redact writes jsonl only"};
  }
  if (arguments.has("at") && arguments.has("to")) {
    return Error{ErrorCode::malformed, "--at and --to mean the same: give only one"};
  }
  const auto moment = [&](std::string_view option) -> Result<std::optional<Moment>> {
    const auto text = arguments.value(option);
    if (!text) return std::optional<Moment>();
    return std::optional(PAWL_TRY(moment_of(*text, "--" + std::string(option))));
  };
  RedactedRange range{.from = PAWL_TRY(moment("from")), .to = PAWL_TRY(moment(arguments.has("at") ? "at" : "to"))};
  const bool is_turned =
      range.from && range.to && range.from->seq && range.to->seq && *range.from->seq > *range.to->seq;
  if (is_turned) return Error{ErrorCode::malformed, "--from is after --to"};
  return range;
}

Exit write_redacted_log(const std::optional<std::string>& word, const Arguments& arguments) {
  const auto named = log_named(word, arguments, "export");
  if (!named) return fail(named.error());
  const auto range = redacted_range(arguments);
  if (!range) return fail_to_read(range.error());
  const auto records = write_redacted(walker_of(*named), *range, print);
  return records ? Exit::done : fail_to_read(records.error());
}

Exit run_export(const Arguments& arguments) {
  const std::string& what = arguments.positional()[0];
  if (what != "log" && what != "state") return fail(Exit::usage, "export: '" + what + "' is neither log nor state");
  const bool names_log = arguments.positional().size() > 1;
  if (what == "log" && arguments.has("redact")) {
    return write_redacted_log(names_log ? std::optional(arguments.positional()[1]) : std::nullopt, arguments);
  }
  if (names_log) return fail(Exit::usage, "export: LOG goes with 'log --redact'; otherwise --data names the folder");
  const auto log = open_data(arguments, "export");
  if (!log) return fail_to_read(log.error());
  Result<void> written;
  if (what == "state") {
    written = write_state(**log, arguments);
  } else {
    const auto options = log_export_options(**log, arguments);
    if (!options) return fail_to_read(options.error());
    const auto records = write_log(**log, *options, (*log)->last_seq());
    if (!records) written = records.error();
  }
  return written ? Exit::done : fail_to_read(written.error());
}

}  // namespace

const Command export_command = {
    .name = "export",
    .arguments = "(log | state) [LOG]",
    .summary = "Writes the records of a data folder, or the state after them",
    .details =
        "A range consists of whole groups: from the one that contains its start to the last one that ends at or\n"
        "before its end. A range that does not begin at 1 is preceded by a checkpoint, so that it replays on its\n"
        "own; a selection by --task, --actor, --type or --outcome does not replay. The state at a moment is the\n"
        "one after the last group that ends at or before it.\n\n"
        "--redact replaces every name and text that could tell whose log it is, the same text by the same\n"
        "replacement (repo-3, item-7, text-5), and recomputes digests and chain: 'pawl check', 'replay' and 'explain'\n"
        "say of it what they say of the original. Stages, steps, settings, times and pids stay. With it LOG may\n"
        "also be a file of exported lines, or '-'.\n",
    .options = with_log_options({{"at", "SEQ|TIME", "as of then (default: now)"},
                                 {"from", "SEQ|TIME", "log: begin there (default: 1)"},
                                 {"to", "SEQ|TIME", "log: end there"},
                                 {"task", "ID", "log: only records that concern this task"},
                                 {"actor", "A,B", "log: only requests of these actors"},
                                 {"type", "A,B", "log: only events of these types"},
                                 {"outcome", "A,B", "log: only records with these outcomes: accepted, or a refusal"},
                                 {"redact", "", "log: replace names, texts, commands and addresses"},
                                 {"all", "", "state: also finished tasks that left memory"},
                                 {"format", "FORMAT", "jsonl (log), json (state) or csv"}}),
    .positional_min = 1,
    .positional_max = 2,
    .run = run_export};

}  // namespace pawl
