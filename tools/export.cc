// Writes what a data folder holds, for programs and for people.
#include <cstdio>
#include <limits>

#include "schema/json_text.h"
#include "schema/record_json.h"
#include "store/open.h"
#include "store/state_json.h"
#include "tools/command.h"
#include "tools/log_source.h"
#include "tools/output.h"
#include "tools/replayer.h"
#include "tools/traces.h"

namespace pawl {
namespace {

enum class Format { jsonl, json, csv };

Result<Format> format_of(const Arguments& arguments, Format otherwise) {
  const auto text = arguments.value("format");
  if (!text) return otherwise;
  if (*text == "jsonl") return Format::jsonl;
  if (*text == "json") return Format::json;
  if (*text == "csv") return Format::csv;
  return Error{ErrorCode::malformed, "--format: '" + *text + "' is none of jsonl, json, csv"};
}

/// A field of a CSV line (RFC 4180).
std::string csv(std::string_view text) {
  if (text.find_first_of(",\"\n\r") == std::string_view::npos) return std::string(text);
  std::string out = "\"";
  for (const char letter : text) {
    if (letter == '"') out += '"';
    out += letter;
  }
  return out + '"';
}

constexpr Seq no_end{std::numeric_limits<std::uint64_t>::max()};

Result<std::optional<Seq>> seq_option(Log& log, const Arguments& arguments, std::string_view option) {
  const auto text = arguments.value(option);
  if (!text) return std::optional<Seq>();
  const Moment moment = PAWL_TRY(moment_of(*text, "--" + std::string(option)));
  return std::optional(PAWL_TRY(seq_at(log, moment)));
}

/// What is written of a log, and how.
struct LogOrder {
  Seq from{1};
  Seq to = no_end;
  std::optional<TaskId> task;
  Format format = Format::jsonl;
};

Result<LogOrder> log_order(Log& log, const Arguments& arguments) {
  LogOrder order;
  order.format = PAWL_TRY(format_of(arguments, Format::jsonl));
  if (arguments.has("at") && arguments.has("to")) {
    return Error{ErrorCode::malformed, "--at and --to say the same: give one of them"};
  }
  if (arguments.has("all")) return Error{ErrorCode::malformed, "--all is for the state"};
  const auto task = PAWL_TRY(arguments.number("task"));
  if (task) order.task = TaskId{*task};
  const auto to = PAWL_TRY(seq_option(log, arguments, arguments.has("at") ? "at" : "to"));
  if (to) order.to = *to;
  if (const auto text = arguments.value("from")) {
    const Moment moment = PAWL_TRY(moment_of(*text, "--from"));
    const Moment just_before = moment.seq ? Moment{Seq{raw(*moment.seq) - (raw(*moment.seq) > 0 ? 1 : 0)}, {}}
                                          : Moment{{}, TimeUs{moment.time->us - 1}};
    order.from = next(PAWL_TRY(seq_at(log, just_before)));
  }
  if (order.from > order.to) return Error{ErrorCode::malformed, "--from lies behind --to"};
  return order;
}

class LogWriter {
 public:
  explicit LogWriter(Format format) : format_(format) {
    if (format_ == Format::json) print("[");
    if (format_ == Format::csv) {
      print("seq,group,rules,time,boot,actor,key,request,type,data,outcome,unchecked,effects,digest,chain\n");
    }
  }

  /// A line that is no record.
  void write_line(std::string_view line) {
    if (format_ == Format::csv) return;
    begin();
    print(line);
    end();
  }

  void write(const Replayer::Item& item) {
    begin();
    text_.clear();
    if (format_ == Format::csv) {
      append_csv(item);
    } else {
      append_record_line(text_, item.record, item.applied.effects);
    }
    print(text_);
    end();
  }

  void close() {
    if (format_ == Format::json) print(first_ ? "]\n" : "\n]\n");
  }

 private:
  void begin() {
    if (format_ == Format::json) print(first_ ? "\n" : ",\n");
    first_ = false;
  }
  void end() {
    if (format_ != Format::json) print("\n");
  }

  void append_csv(const Replayer::Item& item) {
    const fb::Record& record = item.record;
    const fb::Stamp& stamp = *record.stamp();
    const auto integer = [&](std::uint64_t value) { text_ += std::to_string(value) + ','; };
    const auto text = [&](std::string_view value) { text_ += csv(value) + ','; };
    const auto bare = [](std::string json) { return json.substr(1, json.size() - 2); };
    integer(stamp.seq());
    integer(stamp.group());
    integer(stamp.rules());
    text(rfc3339({stamp.time_us()}));
    text(record.boot()->string_view());
    text(record.actor()->string_view());
    text(record.key() ? record.key()->string_view() : "");
    std::string hex;
    if (record.request()) append_json_hex(hex, *record.request());
    text(record.request() ? bare(hex) : "");
    text(fb::EnumNameEvent(record.event_type()));
    std::string data;
    append_event_json(data, record);
    text(data);
    text(name(item.applied.outcome));
    text(stamp.unchecked() ? "true" : "false");
    std::string effects;
    append_json(effects, item.applied.effects);
    text(effects);
    hex.clear();
    append_json_hex(hex, stamp.digest());
    text(bare(hex));
    hex.clear();
    append_json_hex(hex, {stamp.chain()->data(), stamp.chain()->size()});
    text_ += bare(hex);
  }

  Format format_;
  bool first_ = true;
  std::string text_;  // reused
};

Result<void> write_log(Log& log, const LogOrder& order) {
  // What comes before is only applied, for the effects and the digest depend on it; a checkpoint saves most of that,
  // but not which jobs belong to a task.
  Opened opened;
  if (order.from > Seq{1} && !order.task) opened = PAWL_TRY(open_state_at(log, Seq{raw(order.from) - 1}));
  LogWriter writer(order.format);
  const Seq begun = opened.state.last_seq;
  if (begun > Seq{0}) writer.write_line(checkpoint_line(opened.state, opened.chain));
  TaskTraces traces;
  bool is_past = false;
  Replayer replayer(std::move(opened.state), opened.chain, [&](std::span<const Replayer::Item> items, auto) {
    is_past = is_past || Seq{items.back().record.stamp()->seq()} > order.to;
    if (is_past) return;
    for (const Replayer::Item& item : items) {
      traces.add(item.record, item.applied.effects);
      const bool is_wanted = !order.task || (Seq{item.record.stamp()->seq()} >= order.from &&
                                             traces.concerns(*order.task, item.record, item.applied.effects));
      if (is_wanted) writer.write(item);
    }
  });
  Result<void> added;
  PAWL_TRY(log.read(next(begun), [&](RecordBytes bytes) {
    added = replayer.add({bytes.begin(), bytes.end()});
    return added.has_value() && !replayer.difference() && !is_past;
  }));
  PAWL_TRY(added);
  if (!replayer.difference()) PAWL_TRY(replayer.finish());
  if (const auto& difference = replayer.difference()) {
    return Error{ErrorCode::damaged, "record " + std::to_string(raw(difference->seq)) + " differs in its " +
                                         difference->what + "; 'pawl replay' shows both sides"};
  }
  writer.close();
  return {};
}

Result<void> write_state(Log& log, const Arguments& arguments) {
  for (const std::string_view option : {"from", "to", "task"}) {
    if (arguments.has(option)) return Error{ErrorCode::malformed, "--" + std::string(option) + " is for the log"};
  }
  const Format format = PAWL_TRY(format_of(arguments, Format::json));
  const auto at = PAWL_TRY(seq_option(log, arguments, "at"));
  const Opened opened = PAWL_TRY(open_state_at(log, at.value_or(no_end)));

  EachArchived archived;
  if (arguments.has("all")) {
    archived = [&](const std::function<void(const ArchivedTask&)>& each) -> Result<void> {
      Result<void> unpacked;
      PAWL_TRY(log.read_archive(TaskId{1}, [&](TaskId, RecordBytes bytes) {
        const auto row = unpack_archived(bytes);
        if (!row) {
          unpacked = row.error();
          return false;
        }
        if (row->seq <= opened.state.last_seq) each(row->rows);  // those of later are still in this state
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

Exit run_export(const Arguments& arguments) {
  const std::string& what = arguments.positional()[0];
  if (what != "log" && what != "state") return fail(Exit::usage, "export: '" + what + "' is neither log nor state");
  std::string dir = arguments.value_or("data", "");
  if (const char* variable = std::getenv("PAWL_DATA"); dir.empty() && variable) dir = variable;
  if (dir.empty()) return fail(Exit::usage, "export: which data folder? Give --data DIR");
  const auto log = open_log(dir);
  if (!log) return fail(log.error());
  Result<void> written;
  if (what == "state") {
    written = write_state(**log, arguments);
  } else {
    const auto order = log_order(**log, arguments);
    if (!order) return fail(order.error());
    written = write_log(**log, *order);
  }
  return written ? Exit::done : fail(written.error());
}

}  // namespace

const Command export_command = {
    .name = "export",
    .arguments = "(log | state)",
    .summary = "Writes the records of a data folder, or the state after them",
    .details =
        "A range is of whole groups: those that end at or before its end, and from the one that its start is in.\n"
        "Records that do not begin at 1 come after a checkpoint, so that they replay by themselves; those of one\n"
        "task do not replay. The state of a moment is that after the last group that ends there or before.\n",
    .options = {{"data", "DIR", "the data folder (PAWL_DATA)"},
                {"at", "SEQ|TIME", "as it was then (now)"},
                {"from", "SEQ|TIME", "log: begin there (1)"},
                {"to", "SEQ|TIME", "log: end there"},
                {"task", "ID", "log: only what concerns this task"},
                {"all", "", "state: finished tasks that left memory, too"},
                {"format", "FORMAT", "jsonl (log), json (state) or csv"}},
    .positional_min = 1,
    .positional_max = 1,
    .run = run_export};

}  // namespace pawl
