// `pawl replay`: applies a log again and compares everything in it.
#include <boost/json/value.hpp>

#include <algorithm>

#include "engine/json/state_json.h"
#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "tools/commands/command.h"
#include "tools/commands/log_arguments.h"
#include "tools/commands/output.h"
#include "tools/commands/record_line.h"
#include "tools/commands/what_if.h"
#include "tools/forensics/line_form.h"
#include "tools/forensics/log_source.h"
#include "tools/forensics/state_diff.h"
#include "tools/forensics/traces.h"

namespace pawl {
namespace {

/// What a replay is to do besides the proof.
struct Order {
  std::string path;
  std::optional<Moment> until;
  std::optional<TaskId> task;  // show its records
  std::optional<std::pair<Moment, Moment>> diff;
  bool is_json = false;
};

/// The result of a replay.
struct Summary {
  Seq first{};  // 1, or the first after the checkpoint
  std::optional<Difference> difference;
  std::uint64_t records = 0;
  std::uint64_t refused = 0;
  std::uint64_t unchecked = 0;
  std::uint64_t digest = 0;
  Chain chain{};
  std::optional<Seq> torn_at;
  std::optional<std::pair<StateRows, StateRows>> changes;
};

class Replay {
 public:
  explicit Replay(const Order& order) : order_(order) {}

  Result<Summary> run() {
    const auto torn_at = PAWL_TRY(walk_log(
        order_.path,
        {.begin = [this](State state, const Chain& chain) -> Replica& { return begin(std::move(state), chain); },
         .differs = [this](Difference difference) { summary_.difference = std::move(difference); }}));
    summary_.torn_at = torn_at;
    if (!summary_.difference) summary_.difference = replica_->difference();
    summary_.records = replica_->records();
    summary_.digest = replica_->state().digest();
    summary_.chain = replica_->chain();
    if (order_.diff) {
      if (!before_) before_ = rows_of(replica_->state());
      StateRows after = rows_of(replica_->state());
      for (const ArchivedTask& archived : archived_) add_rows(after, archived);
      summary_.changes.emplace(std::move(*before_), std::move(after));
    }
    return summary_;
  }

 private:
  Replica& begin(State state, const Chain& chain) {
    summary_.first = next(state.last_seq);
    if (order_.task) traces_.add(state);
    ReplicaPolicy policy = proving_policy([this](const AppliedGroup& group) { take(group); });
    policy.wants = [this](const State& before, std::span<const VerifiedRecord> group) { return wants(before, group); };
    return replica_.emplace(std::move(state), chain, std::move(policy));
  }

  /// Whether a group is within what was requested; others are not applied.
  Result<bool> wants(const State& before, std::span<const VerifiedRecord> group) {
    const TimeUs time{group.back().record->stamp()->time_us()};
    const auto is_past = [&](const Moment& moment) {
      return moment.seq ? group.back().seq() > *moment.seq : time > *moment.time;
    };
    const bool is_wanted = !order_.until || !is_past(*order_.until);
    if (!order_.diff) return is_wanted;
    const auto& [from, to] = *order_.diff;
    const bool is_too_early = from.seq && next(*from.seq) < summary_.first;
    if (is_too_early) {
      return Error{ErrorCode::malformed, "--diff: the log begins with record " + std::to_string(raw(summary_.first))};
    }
    if (!before_ && is_past(from)) before_ = rows_of(before);
    const bool is_behind = is_past(to);
    if (is_behind && !before_) return Error{ErrorCode::malformed, "--diff: the second moment is before the first"};
    return is_wanted && !is_behind;
  }

  void take(const AppliedGroup& group) {
    for (const AppliedRecord& item : group.records) {
      if (item.applied.outcome != Outcome::accepted) ++summary_.refused;
      if (item.applied.unchecked) ++summary_.unchecked;
      if (order_.task) show(item);
    }
    if (before_) archived_.insert(archived_.end(), group.archived.begin(), group.archived.end());
  }

  void show(const AppliedRecord& item) {
    traces_.add(item.record, item.applied.effects);
    if (!traces_.concerns(*order_.task, item.record, item.applied.effects)) return;
    std::string line;
    append_record_line(line, item.record, item.applied.effects);
    if (order_.is_json) return print(line + '\n');
    print_for_people(record_in_words(*parse_json(line), rfc3339({item.record.stamp()->time_us()})));
  }

  const Order& order_;
  std::optional<Replica> replica_;
  TaskTraces traces_;
  std::optional<StateRows> before_;
  std::vector<ArchivedTask> archived_;  // since `before_`
  Summary summary_;
};

std::string changes_in_words(const Summary& summary) {
  if (!summary.changes) return {};
  const std::string changes = difference_in_words(summary.changes->first, summary.changes->second);
  if (changes.empty()) return "\nnothing changed\n";
  return (summary.difference ? "\nby the rules its group changes:\n" : "\nwhat changed:\n") + changes;
}

std::string in_words(const Summary& summary) {
  if (summary.difference) {
    const Difference& difference = *summary.difference;
    return "record " + std::to_string(raw(difference.seq)) + " differs in its " + difference.what +
           "\n  the log has  " + printable(difference.recorded) + "\n  replay gives " +
           printable(difference.recomputed) + '\n' + changes_in_words(summary);
  }
  std::string out = std::to_string(summary.records) + " records";
  if (summary.first > Seq{1}) out += ", from the checkpoint before " + std::to_string(raw(summary.first));
  out += ", of which " + std::to_string(summary.refused) + " refused";
  if (summary.unchecked > 0) out += " and " + std::to_string(summary.unchecked) + " unchecked";
  out += ": all as the rules say\nlast record  " + std::to_string(raw(summary.first) + summary.records - 1) +
         "\nlast digest  " + hex(summary.digest) + "\nlast chain   " + pawl::hex(summary.chain) + '\n';
  if (summary.torn_at) {
    out += "records from " + std::to_string(raw(*summary.torn_at)) +
           " on are torn: never acknowledged, or still being written\n";
  }
  return out + changes_in_words(summary);
}

std::string in_json(const Summary& summary) {
  std::string out = "{\"diverged\":";
  append_json_bool(out, summary.difference.has_value());
  out += ",\"records\":" + std::to_string(summary.records) + ",\"refused\":" + std::to_string(summary.refused) +
         ",\"unchecked\":" + std::to_string(summary.unchecked) +
         ",\"seq\":" + std::to_string(raw(summary.first) + summary.records - 1) + ",\"digest\":\"" +
         hex(summary.digest) + "\",\"chain\":\"" + pawl::hex(summary.chain) + "\",\"difference\":";
  if (summary.difference) {
    out += "{\"seq\":" + std::to_string(raw(summary.difference->seq)) + ",\"what\":";
    append_json_text(out, summary.difference->what);
    out += ",\"recorded\":";
    append_json_text(out, summary.difference->recorded);
    out += ",\"recomputed\":";
    append_json_text(out, summary.difference->recomputed);
    out += '}';
  } else {
    out += "null";
  }
  if (summary.changes) {
    out += ",\"changes\":" + difference_in_json(summary.changes->first, summary.changes->second);
  }
  return out + "}\n";
}

Result<Order> order_of(const Arguments& arguments) {
  const auto& words = arguments.positional();
  if (words.size() > 1) {
    return Error{ErrorCode::malformed, "too many arguments: '" + words[1] + "'"};
  }
  Order order{.path = PAWL_TRY(log_named(words.empty() ? std::nullopt : std::optional(words[0]), arguments, "replay")),
              .is_json = arguments.has("json")};
  if (const auto until = arguments.value("until")) order.until = PAWL_TRY(moment_of(*until, "--until"));
  const auto task = PAWL_TRY(arguments.number("task"));
  if (task) order.task = TaskId{*task};
  const auto moments = arguments.values("diff");
  if (moments.empty()) return order;
  const Moment first = PAWL_TRY(moment_of(moments[0], "--diff"));
  const Moment second = PAWL_TRY(moment_of(moments[1], "--diff"));
  if (first.seq && second.seq && *second.seq < *first.seq) {
    return Error{ErrorCode::malformed, "--diff: the second moment lies before the first"};
  }
  order.diff = {first, second};
  return order;
}

/// What the group of the differing record changes by the rules; the log only has a digest of its own result. Reads the
/// log again, since keeping all rows for such a rare difference would not pay.
Result<void> add_changes(const Order& order, Summary& summary) {
  const Seq seq = summary.difference->seq;
  const bool is_decided_otherwise = summary.difference->divergence.has_value();
  if (order.path == "-" || seq <= summary.first || !is_decided_otherwise) return {};
  const Moment before{.seq = Seq{raw(seq) - 1}, .time = std::nullopt};
  const Moment end{.seq = no_end, .time = std::nullopt};
  const Order again{.path = order.path, .until = {}, .task = {}, .diff = {{before, end}}};
  summary.changes = PAWL_TRY(Replay(again).run()).changes;
  return {};
}

/// Whether it has the form KEY=VALUE. Keys contain no slash, so a log with such a name can be given as ./NAME.
bool is_change(const std::string& word) {
  const std::size_t equals = word.find('=');
  return equals != std::string::npos && word.find('/') > equals;
}

/// `--what-if A=1 B=2 LOG`, in any order.
Exit run_other_story(const Arguments& arguments) {
  for (const std::string_view option : {"until", "task", "diff"}) {
    if (arguments.has(option)) return fail(Exit::usage, "--" + std::string(option) + " does not apply to a what-if");
  }
  std::vector<std::string> changes_given = arguments.values("what-if");
  std::vector<std::string> words = arguments.positional();
  if (!changes_given.empty()) {  // The list took all words after it.
    words.insert(words.end(), changes_given.begin() + 1, changes_given.end());
    changes_given.resize(1);
  }
  const auto logs_begin = std::stable_partition(words.begin(), words.end(), is_change);
  changes_given.insert(changes_given.end(), words.begin(), logs_begin);
  words.erase(words.begin(), logs_begin);
  if (words.size() > 1) return fail(Exit::usage, "--what-if needs KEY=VALUE, and one LOG");
  const auto path = log_named(words.empty() ? std::nullopt : std::optional(words[0]), arguments, "replay");
  if (!path) return fail(path.error());
  const bool tries_each = arguments.has("each-defence");
  if (tries_each && !changes_given.empty())
    return fail(Exit::usage, "--each-defence takes no KEY=VALUE: it makes its own changes");
  std::vector<Change> changes;
  for (const std::string& word : changes_given) {
    auto change = change_from(word);
    if (!change) return fail_to_read(change.error());
    for (const Change& other : changes) {
      if (name_of(other) == name_of(*change)) {
        return fail(Exit::usage, "--what-if: " + printable(name_of(other)) + " is given twice");
      }
    }
    changes.push_back(std::move(*change));
  }
  const auto log = RecordedLog::read(*path);
  if (!log) return fail_to_read(log.error());
  const ReportForm form = arguments.has("json") ? ReportForm::json : ReportForm::words;
  return tries_each ? run_each_defence(*log, form) : run_what_if(*log, changes, form);
}

Exit run_replay(const Arguments& arguments) {
  if (arguments.has("what-if") || arguments.has("each-defence")) return run_other_story(arguments);
  const auto order = order_of(arguments);
  if (!order) return fail_to_read(order.error());
  auto summary = Replay(*order).run();
  if (!summary) return fail_to_read(summary.error());
  if (summary->difference) {
    summary->changes.reset();
    const Result<void> added = add_changes(*order, *summary);
    if (!added) return fail_to_read(added.error());
  }
  if (order->is_json) {
    print(in_json(*summary));
  } else {
    print_for_people(in_words(*summary));
  }
  return summary->difference ? Exit::refused : Exit::done;
}

}  // namespace

const Command replay_command = {
    .name = "replay",
    .arguments = "[LOG]",
    .summary = "Applies a log again and compares every outcome, digest and chain",
    .details =
        "LOG is a data folder (PAWL_DATA), a file of exported lines, or '-' for such lines on standard input; the\n"
        "form of lines is compared too, byte by byte. The first difference is shown with both sides, exit 1; if the\n"
        "log cannot be read, the message names file and line or the seq, exit 2. A moment is a seq, or a time such as\n"
        "2026-06-15T10:00:00Z; its state is the one after the last group that ends at or before it.\n\n"
        "With --what-if, the log's facts are kept, and what the reaper, the reconciler, recovery and ownership\n"
        "made of them is decided again with other settings. The first decision that differs is shown with both\n"
        "sides, then what follows from it, as far as the facts go. Holds are moved by hold:PLACE=FROM/UNTIL, freezes\n"
        "by freeze:PIPELINE=FROM/UNTIL. docs/FORENSICS.md says what counts as a fact.\n",
    .options = with_log_options(
        {{"until", "SEQ|TIME", "stop there"},
         {"task", "ID", "show the records that concern this task"},
         {"diff", "A B", "show what changed in the state between two moments, row by row"},
         {"what-if", "KEY=VALUE …", "what would have been decided with other settings, holds or freezes"},
         {"each-defence", "", "which switch, or the grace alone, would have prevented what 'pawl check' finds"},
         {"json", "", "print the summary as JSON, and records as exported lines"}}),
    .positional_max = 32,
    .run = run_replay};

}  // namespace pawl
