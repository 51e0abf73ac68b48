#include "tools/forensics/incident_report.h"

#include <algorithm>
#include <charconv>

#include "schema/json/json_text.h"
#include "tools/commands/output.h"
#include "tools/forensics/explain_render.h"
#include "tools/forensics/replay_with_changes.h"
#include "tools/forensics/what_if_report.h"

namespace pawl {
namespace {

/// Of how many of the tasks concerned the report tells the story.
constexpr std::size_t stories_max = 2;
/// How many records the trace shows.
constexpr std::size_t trace_max = 24;

std::string number_text(Seq seq) {
  return std::to_string(raw(seq));
}

/// Puts records into words, each by what was known before it.
class Tracer {
 public:
  Tracer(const State& begun, const std::set<Seq>& wanted) : wanted_(wanted) { context_.begin(begun); }

  void add(const AppliedGroup& group) {
    for (const AppliedRecord& item : group.records) {
      const fb::Record& record = item.record;
      const Seq seq{record.stamp()->seq()};
      if (wanted_.contains(seq)) {
        traced.push_back({.seq = seq,
                          .time = {record.stamp()->time_us()},
                          .actor = record.actor()->str(),
                          .type = fb::EnumNameEvent(record.event_type()),
                          .outcome = item.applied.outcome,
                          .says = narration({record, item.applied, context_, group.state}).says});
      }
      context_.add(record, item.applied.outcome, item.applied.effects, group.state);
      context_.add_circumstance(record, item.applied.outcome);
    }
  }

  std::vector<TracedRecord> traced;

 private:
  const std::set<Seq>& wanted_;
  StoryContext context_;
};

/// The tasks whose stories are told.
std::vector<TaskId> tasks_of(const InQuestion& question) {
  std::vector<TaskId> tasks;
  const auto add = [&](TaskId task) {
    const bool is_new = task != TaskId{0} && std::find(tasks.begin(), tasks.end(), task) == tasks.end();
    if (is_new && tasks.size() < stories_max) tasks.push_back(task);
  };
  for (const BadEnd& end : question.ends) add(end.task);
  add(question.finding.task);
  return tasks;
}

/// Reads the log once more for the trace and the stories.
void tell(const RecordedLog& log, const std::set<Seq>& wanted, IncidentReport& report) {
  LogBeginning begun = beginning_of(log);
  Audit audit(next(begun.state.last_seq));
  Tracer tracer(begun.state, wanted);
  std::vector<TimelineBuilder> tellers;
  for (const TaskId task : tasks_of(*report.question)) {
    tellers.emplace_back(StorySubject{.task = task});
    tellers.back().begin(begun.state);
  }
  ReplicaPolicy policy = audit.policy();
  policy.each = [&](const AppliedGroup& group) {
    audit.keep(group.state);
    tracer.add(group);
    for (TimelineBuilder& teller : tellers) teller.add(group.records, group.state);
  };
  Replica replica(std::move(begun.state), begun.chain, policy);
  for (const RecordedGroup& group : log.groups) {
    for (const RecordedEvent& event : group) {
      const auto added = replica.add(event.bytes);
      PAWL_ASSERT(added.has_value());
    }
  }
  PAWL_ASSERT(replica.finish().has_value());
  audit.conclude(replica.state());
  report.trace = std::move(tracer.traced);
  for (TimelineBuilder& teller : tellers) {
    if (auto story = teller.finish(audit)) report.stories.push_back(std::move(*story));
  }
}

bool is_about(const Finding& finding, Seq seq) {
  const auto has = [seq](const std::vector<Seq>& seqs) {
    return std::find(seqs.begin(), seqs.end(), seq) != seqs.end();
  };
  return finding.seq == seq || has(finding.led_by) || has(finding.followed_by);
}

/// The task that a record of the log is about, if it is about one.
std::optional<TaskId> task_at(const RecordedLog& log, Seq seq) {
  for (const RecordedGroup& group : log.groups) {
    for (const RecordedEvent& event : group) {
      if (event.seq() == seq) return task_of(log, event.record());
    }
  }
  return std::nullopt;
}

bool is_hit(const BadEnd& end, const Around& around, const std::optional<TaskId>& task) {
  if (around.work_item) return end.work_item == *around.work_item;
  return task && end.task == *task;
}

/// The incident that is asked for: about that record or task, or whose end is nearest to that time.
const Finding* chosen(const RecordedLog& log, const FoundInLog& found, const Around& around) {
  const auto of_seq = [&](Seq cause) -> const Finding* {
    const auto at = std::find_if(found.findings.begin(), found.findings.end(), [&](const Finding& each) {
      return each.kind == Finding::Kind::incident && each.seq == cause;
    });
    return at == found.findings.end() ? nullptr : &*at;
  };
  if (around.seq) {
    for (const Finding& finding : found.findings) {
      if (finding.kind != Finding::Kind::unchecked && is_about(finding, *around.seq)) return &finding;
    }
  }
  const std::optional<TaskId> task = around.seq ? task_at(log, *around.seq) : around.task;
  if (task || around.work_item) {
    for (const BadEnd& end : found.ended) {
      const Finding* incident = is_hit(end, around, task) ? of_seq(end.cause) : nullptr;
      if (incident) return incident;
    }
    return nullptr;
  }
  if (!around.time) return nullptr;
  const Finding* nearest = nullptr;
  std::int64_t least = 0;
  for (const BadEnd& end : found.ended) {
    const Finding* incident = of_seq(end.cause);
    const std::int64_t apart = std::abs(end.at.time.us - around.time->us);
    if (incident && (!nearest || apart < least)) {
      nearest = incident;
      least = apart;
    }
  }
  return nearest;
}

/// Whether the log has what is asked for.
Result<void> check_has(const RecordedLog& log, const Around& around) {
  const Seq last = log.groups.empty() ? Seq{0} : log.groups.back().back().seq();
  if (around.seq && (*around.seq > last || *around.seq == Seq{0})) {
    return Error{ErrorCode::missing,
                 "the log has no record " + number_text(*around.seq) + ": its last one is " + number_text(last)};
  }
  if (!around.task && !around.work_item) return {};
  for (const RecordedGroup& group : log.groups) {
    for (const RecordedEvent& event : group) {
      const auto* created = event.record().event_as_TaskCreated();
      if (around.work_item && created && created->work_item()->string_view() == *around.work_item) return {};
      if (around.task && event.is_accepted() && task_of(log, event.record()) == around.task) return {};
      if (!around.task || !created) continue;
      for (const Effect& effect : event.effects) {
        if (effect.kind == EffectKind::task && TaskId{effect.id} == *around.task) return {};
      }
    }
  }
  return Error{ErrorCode::missing, around.task ? "the log has no task " + std::to_string(raw(*around.task))
                                               : "the log has no work item '" + *around.work_item + "'"};
}

InQuestion question_about(const FoundInLog& found, const Finding& finding) {
  FoundInLog only = found;
  std::erase_if(only.findings,
                [&](const Finding& each) { return each.kind == Finding::Kind::incident && each.seq != finding.seq; });
  if (finding.kind == Finding::Kind::incident) return *in_question(only);
  return {.finding = finding, .ends = {}, .shown_by = {}};
}

void add_unknown(const RecordedLog& log, IncidentReport& report) {
  if (!log.checkpoint.empty()) {
    report.unknown.push_back("the log begins with a checkpoint: what led to the state before record " +
                             number_text(log.groups.empty() ? Seq{0} : log.groups.front().front().seq()) +
                             " is not in it");
  }
  for (const Defence& each : report.defences.tried) {
    if (each.judged.verdict != WhatIfVerdict::not_known || each.change.undoes != report.question->finding.seq) continue;
    report.unknown.push_back("whether " + in_words(each.change) + " would have prevented it: " + each.judged.why);
  }
}

}  // namespace

Around around_from(std::string_view text) {
  Around around;
  std::uint64_t number = 0;
  const auto read = [&](std::string_view digits) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc() && end == digits.data() + digits.size() && !digits.empty();
  };
  if (read(text)) {
    around.seq = Seq{number};
  } else if (text.starts_with("task:") && read(text.substr(5))) {
    around.task = TaskId{number};
  } else if (const auto time = parse_rfc3339(text)) {
    around.time = *time;
  } else {
    around.work_item = std::string(text.starts_with("item:") ? text.substr(5) : text);
  }
  return around;
}

Result<IncidentReport> report_of(const RecordedLog& log, const std::string& path, const Around& around) {
  IncidentReport report;
  report.log = path;
  for (const RecordedGroup& group : log.groups) report.records += group.size();
  if (!log.groups.empty()) {
    report.begin = {log.groups.front().front().record().stamp()->time_us()};
    report.end = {log.groups.back().back().record().stamp()->time_us()};
  }
  PAWL_TRY(check_has(log, around));
  const FoundInLog found = found_in(log);
  const bool is_asked = around.seq || around.time || around.task || around.work_item;
  if (is_asked) {
    if (const Finding* finding = chosen(log, found, around)) report.question = question_about(found, *finding);
  } else {
    report.question = in_question(found);
  }
  const std::optional<TaskId> task = around.seq ? task_at(log, *around.seq) : around.task;
  for (const BadEnd& end : found.ended) {
    if (end.cause == Seq{0} && (!is_asked || around.time || is_hit(end, around, task))) report.by_itself.push_back(end);
  }
  for (const Finding& other : found.findings) {
    const bool is_other = !report.question || other.seq != report.question->finding.seq;
    if (is_other && other.kind == Finding::Kind::incident) report.others.push_back(other);
  }
  if (report.question) {
    const Finding& finding = report.question->finding;
    std::set<Seq> wanted{finding.seq};
    const auto add = [&](const std::vector<Seq>& seqs) {
      for (const Seq seq : seqs) {
        if (wanted.size() < trace_max) wanted.insert(seq);
      }
    };
    add(finding.led_by);
    add(finding.followed_by);
    report.defences = defences_against(log, *report.question, Effort::likely);
    tell(log, wanted, report);
  }
  add_unknown(log, report);
  return report;
}

namespace {

void append_end(std::string& out, const BadEnd& end) {
  out += "  " + printable(end.words);
  if (end.at) out += " (record " + number_text(end.at.seq) + ")";
  if (end.let_go) out += "; let go on by record " + number_text(end.let_go.seq);
  out += '\n';
}

void append_trace(std::string& out, const IncidentReport& report) {
  std::size_t seq_width = 0;
  std::size_t actor_width = 0;
  for (const TracedRecord& each : report.trace) {
    seq_width = std::max(seq_width, number_text(each.seq).size());
    actor_width = std::max(actor_width, width_of(printable(each.actor)));
  }
  for (const TracedRecord& each : report.trace) {
    const std::string seq = number_text(each.seq);
    out += each.seq == report.question->finding.seq ? "> " : "  ";
    out += std::string(seq_width - seq.size(), ' ') + seq + "  " + rfc3339(each.time).substr(0, 19) + "Z  " +
           padded(printable(each.actor), actor_width + 2) + printable(each.says);
    if (each.outcome != Outcome::accepted) out += " (refused: " + std::string(name(each.outcome)) + ")";
    out += '\n';
  }
}

}  // namespace

std::string report_text(const IncidentReport& report) {
  std::string out = printable(report.log) + ": " + std::to_string(report.records) + " records, " +
                    rfc3339(report.begin) + " to " + rfc3339(report.end) + '\n';
  if (!report.question) {
    out += report.by_itself.empty() ? "no incident, and nothing ended badly\n" : "no incident\n";
  } else {
    out += "\nthe cause: record " + number_text(report.question->finding.seq) + "\n  " +
           printable(report.question->finding.what) + '\n';
    out += "\nwhat ended badly\n";
    if (report.question->ends.empty()) out += "  " + printable(report.question->finding.what) + '\n';
    for (const BadEnd& end : report.question->ends) append_end(out, end);
    out += "\nhow it came about\n";
    append_trace(out, report);
    out += "\nwhat would have prevented it\n" + defences_in_words(*report.question, report.defences);
  }
  if (!report.by_itself.empty()) {
    out += "\nended badly by itself\n";
    for (const BadEnd& end : report.by_itself) {
      append_end(out, end);
      out += "    " + printable(end.why) + '\n';
    }
  }
  if (!report.others.empty()) {
    out += "\nother incidents\n";
    for (const Finding& other : report.others)
      out += "  record " + number_text(other.seq) + ": " + printable(other.what) + '\n';
  }
  if (!report.unknown.empty()) {
    out += "\nwhat is not known\n";
    for (const std::string& each : report.unknown) out += "  " + printable(each) + '\n';
  }
  for (const Story& story : report.stories) out += "\n--------\n" + story_text(story);
  return out;
}

namespace {

void append_seq_list(std::string& out, const std::vector<Seq>& seqs) {
  out += '[';
  for (const Seq seq : seqs) {
    if (out.back() != '[') out += ',';
    append_json_integer(out, raw(seq));
  }
  out += ']';
}

void append_json(std::string& out, const BadEnd& end) {
  out += "{\"task\":" + (end.task != TaskId{0} ? std::to_string(raw(end.task)) : "null") + ",\"work_item\":";
  append_json_text_or_null(out, end.work_item);
  out += ",\"seq\":" + (end.at ? number_text(end.at.seq) : "null") + ",\"what\":";
  append_json_text(out, end.words);
  out += ",\"cause\":" + (end.cause != Seq{0} ? number_text(end.cause) : "null") + ",\"by_itself\":";
  append_json_text_or_null(out, end.why);
  out += ",\"let_go\":" + (end.let_go ? number_text(end.let_go.seq) : "null") + '}';
}

template <class List>
void append_ends(std::string& out, const List& ends) {
  out += '[';
  for (const BadEnd& end : ends) {
    if (out.back() != '[') out += ',';
    append_json(out, end);
  }
  out += ']';
}

void append_incident(std::string& out, const Finding& finding) {
  out += "{\"kind\":";
  append_json_text(out, name(finding.kind));
  out += ",\"seq\":" + number_text(finding.seq) + ",\"what\":";
  append_json_text(out, finding.what);
  out += ",\"led_by\":";
  append_seq_list(out, finding.led_by);
  out += ",\"followed_by\":";
  append_seq_list(out, finding.followed_by);
  out += '}';
}

}  // namespace

std::string report_json(const IncidentReport& report) {
  std::string out = "{\"log\":";
  append_json_text(out, report.log);
  out += ",\"records\":" + std::to_string(report.records) + ",\"incident\":";
  if (report.question) {
    append_incident(out, report.question->finding);
  } else {
    out += "null";
  }
  out += ",\"ended\":";
  append_ends(out, report.question ? report.question->ends : std::vector<BadEnd>());
  out += ",\"trace\":[";
  for (const TracedRecord& each : report.trace) {
    if (out.back() != '[') out += ',';
    out += "{\"seq\":" + number_text(each.seq) + ",\"time\":";
    append_json_time(out, each.time);
    out += ",\"actor\":";
    append_json_text(out, each.actor);
    out += ",\"type\":";
    append_json_text(out, each.type);
    out += ",\"outcome\":";
    append_json_text(out, name(each.outcome));
    out += ",\"says\":";
    append_json_text(out, each.says);
    out += '}';
  }
  out += "],\"defences\":[";
  for (const Defence& each : report.defences.tried) {
    out += out.back() == '[' ? "{\"change\":" : ",{\"change\":";
    append_json_text(out, in_words(each.change));
    out += ",\"undoes\":" + (each.change.undoes ? number_text(*each.change.undoes) : "null") + ",\"verdict\":";
    append_json_text(out, name(each.judged.verdict));
    out += ",\"why\":";
    append_json_text(out, each.judged.why);
    out += '}';
  }
  out += "],\"by_itself\":";
  append_ends(out, report.by_itself);
  out += ",\"others\":[";
  for (const Finding& other : report.others) {
    if (out.back() != '[') out += ',';
    append_incident(out, other);
  }
  out += "],\"unknown\":[";
  for (const std::string& each : report.unknown) {
    if (out.back() != '[') out += ',';
    append_json_text(out, each);
  }
  out += "],\"stories\":[";
  for (const Story& story : report.stories) {
    if (out.back() != '[') out += ',';
    std::string json = story_json(story);
    if (!json.empty() && json.back() == '\n') json.pop_back();
    out += json;
  }
  return out + "]}\n";
}

}  // namespace pawl
