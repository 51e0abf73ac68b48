#include "tools/forensics/incident_report.h"

#include <algorithm>
#include <charconv>

#include "engine/policies/stuck.h"
#include "tools/forensics/log_source.h"
#include "tools/forensics/replay_with_changes.h"
#include "tools/forensics/what_if_report.h"

namespace pawl {
namespace {

/// Of how many of the tasks concerned the report tells the story.
constexpr std::size_t stories_max = 2;
/// How many records the trace shows.
constexpr std::size_t trace_max = 24;
/// How many tasks it names that had not ended.
constexpr std::size_t open_max = 5;

std::string number_text(Seq seq) {
  return std::to_string(raw(seq));
}

/// "; task 13 is blocked: job_failed" for a record that blocks a task among other things.
std::string block_in_words(const fb::Record& record, const Effects& effects) {
  std::string out;
  for (const Effect& effect : effects) {
    if (effect.kind != EffectKind::blocked || record.event_type() == fb::Event::TaskBlocked) continue;
    out += "; task " + std::to_string(effect.id) + " is blocked: " + effect.text;
  }
  return out;
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
                          .says = narration({record, item.applied, context_, group.state}).says +
                                  block_in_words(record, item.applied.effects),
                          .decided = {}});
        for (const DecidedBy& each : context_.deciding().of(record, item.applied, group.state)) {
          traced.back().decided.push_back(in_words(each));
        }
      }
      context_.add(record, item.applied.outcome, item.applied.effects, group.state);
      context_.add_circumstance(record, item.applied, group.state);
    }
  }

  std::vector<TracedRecord> traced;

 private:
  const std::set<Seq>& wanted_;
  StoryContext context_;
};

/// The tasks whose stories are told: those that ended badly, and those at whose steps it happened.
Result<std::vector<TaskId>> tasks_of(const RecordedLog& log, const InQuestion& question) {
  std::vector<TaskId> tasks;
  const auto add = [&](TaskId task) {
    const bool is_new = task != TaskId{0} && std::find(tasks.begin(), tasks.end(), task) == tasks.end();
    if (is_new && tasks.size() < stories_max) tasks.push_back(task);
  };
  for (const BadEnd& end : question.ends) add(end.task);
  add(question.finding.task);
  const std::vector<Seq>& chain = question.finding.followed_by;
  if (tasks.size() == stories_max) return tasks;
  PAWL_TRY(log.walk([&](const RecordedGroup& group, const AppliedGroup&) {
    for (const RecordedEvent& event : group) {
      const bool is_step = event.record().event_as_StepStarted() || event.record().event_as_StepFinished();
      const bool is_in_chain =
          event.seq() == question.finding.seq || std::binary_search(chain.begin(), chain.end(), event.seq());
      if (is_step && is_in_chain) add(task_of(log, event.record()).value_or(TaskId{0}));
    }
    return tasks.size() < stories_max;
  }));
  return tasks;
}

/// Reads the log once more for the trace and the stories.
Result<void> tell(const RecordedLog& log, const std::set<Seq>& wanted, TimelineBuilder::Lines lines,
                  IncidentReport& report) {
  const LogBeginning begun = log.beginning();
  Tracer tracer(begun.state, wanted);
  std::vector<TimelineBuilder> tellers;
  for (const TaskId task : PAWL_TRY(tasks_of(log, *report.question))) {
    tellers.emplace_back(StorySubject{.task = task}, lines);
    tellers.back().begin(begun.state);
  }
  PAWL_TRY(log.walk([&](const RecordedGroup&, const AppliedGroup& group) {
    tracer.add(group);
    for (TimelineBuilder& teller : tellers) teller.add(group.records, group.state);
    return true;
  }));
  report.trace = std::move(tracer.traced);
  const Findings found = log.audit().findings();
  for (TimelineBuilder& teller : tellers) {
    if (auto story = teller.finish(found)) report.stories.push_back(std::move(*story));
  }
  return {};
}

bool is_about(const Finding& finding, Seq seq) {
  const auto has = [seq](const std::vector<Seq>& seqs) {
    return std::find(seqs.begin(), seqs.end(), seq) != seqs.end();
  };
  return finding.seq == seq || has(finding.led_by) || has(finding.followed_by);
}

/// The task that a record of the log is about, if it is about one.
Result<std::optional<TaskId>> task_at(const RecordedLog& log, Seq seq) {
  std::optional<TaskId> task;
  PAWL_TRY(log.walk([&](const RecordedGroup& group, const AppliedGroup&) {
    for (const RecordedEvent& event : group) {
      if (event.seq() == seq) task = task_of(log, event.record());
    }
    return group.back().seq() < seq;
  }));
  return task;
}

bool is_hit(const BadEnd& end, const Around& around, const std::optional<TaskId>& task) {
  if (around.work_item) return end.work_item == *around.work_item;
  return task && end.task == *task;
}

/// The incident that is asked for: about that record or task, or whose end is nearest to that time. `task`: the one
/// that is asked for, or that the record is about.
const Finding* chosen(const FoundInLog& found, const Around& around, const std::optional<TaskId>& task) {
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

InQuestion question_about(const FoundInLog& found, const Finding& finding) {
  FoundInLog only = found;
  std::erase_if(only.findings,
                [&](const Finding& each) { return each.kind == Finding::Kind::incident && each.seq != finding.seq; });
  if (finding.kind == Finding::Kind::incident) return *in_question(only);
  return {.finding = finding, .ends = {}, .shown_by = {}, .other = {}};
}

void add_unknown(const RecordedLog& log, IncidentReport& report) {
  if (log.begins_with_checkpoint()) {
    report.unknown.push_back("the log begins with a checkpoint: what led to the state before record " +
                             number_text(log.records() == 0 ? Seq{0} : log.first()) + " is not in it");
  }
  for (const Defence& each : report.defences.tried) {
    if (each.judged.verdict != WhatIfVerdict::not_known || each.change.undoes != report.question->finding.seq) continue;
    report.unknown.push_back("whether " + in_words(each.change) + " would have prevented it: " + each.judged.why);
  }
}

/// Tasks that had not ended when the log does, and do not go on by themselves. Too little time may have passed to call
/// that an incident, as a log tells no time after its last record.
void add_open(const RecordedLog& log, const Around& around, IncidentReport& report) {
  std::size_t more = 0;
  const auto look = [&](const State& end) {
    for (const auto& [id, task] : end.tasks.rows()) {
      const bool is_asked =
          (!around.task || *around.task == id) && (!around.work_item || *around.work_item == task.work_item);
      if (!is_asked || is_terminal(task.stage) || !task.blocked.empty()) continue;
      const std::optional<Stuck> stuck = why_stuck(end, task, end.last_time, {});
      if (!stuck) continue;
      if (report.open.size() == open_max) {
        ++more;
        continue;
      }
      report.open.push_back("task " + std::to_string(raw(id)) + " (" + task.work_item + ") on " + task.stage +
                            ", since " + rfc3339(stuck->since.value_or(task.entered)) + ": " + stuck->detail);
    }
    if (more > 0) report.open.push_back("and " + std::to_string(more) + " more");
    if (report.open.empty()) return;
    for (const SwitchedOff& off : switches_off(end.settings())) {
      report.unknown.push_back(std::string(off.key) + " is off: " + std::string(off.words));
    }
    report.unknown.emplace_back(
        "what only the daemon sees, such as an origin that does not answer or a process that died: 'pawl stuck' asks "
        "it");
  };
  look(log.end());
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
  } else if (const auto time = time_from(text)) {
    around.time = *time;
  } else {
    around.work_item = std::string(text.starts_with("item:") ? text.substr(5) : text);
  }
  return around;
}

namespace {

/// `missing` if the log knows nothing of what was asked for.
Result<void> is_known(const RecordedLog& log, const Around& around) {
  const LogBeginning begun = log.beginning();
  if (around.seq && (*around.seq <= begun.state.last_seq || *around.seq > log.last())) {
    return Error{ErrorCode::missing, "the log has no record " + number_text(*around.seq) + ": it has those from " +
                                         number_text(next(begun.state.last_seq)) + " to " + number_text(log.last())};
  }
  if (!around.task && !around.work_item) return {};
  for (const auto& [id, task] : begun.state.tasks.rows()) {
    if (around.task == id || around.work_item == task.work_item) return {};
  }
  const auto names_it = [&](const RecordedEvent& event) {
    if (around.task && task_of(log, event.record()) == around.task) return true;
    for (const Effect& effect : event.effects) {
      if (around.task && effect.kind == EffectKind::task && TaskId{effect.id} == *around.task) return true;
    }
    const auto* created = event.record().event_as_TaskCreated();
    return created && around.work_item && created->work_item()->string_view() == *around.work_item;
  };
  bool is_named = false;
  PAWL_TRY(log.walk([&](const RecordedGroup& group, const AppliedGroup&) {
    is_named = std::any_of(group.begin(), group.end(), names_it);
    return !is_named;
  }));
  if (is_named) return {};
  return Error{ErrorCode::missing, "the log has no " + (around.task ? "task " + std::to_string(raw(*around.task))
                                                                    : "work item '" + *around.work_item +
                                                                          "' (a seq, a time and 'task:12' "
                                                                          "may be asked for, too)")};
}

/// What was asked for, as it stands behind "about".
std::string in_words(const Around& around) {
  if (around.seq) return "record " + number_text(*around.seq);
  if (around.task) return "task " + std::to_string(raw(*around.task));
  return around.time ? rfc3339(*around.time) : around.work_item.value_or("");
}

}  // namespace

Result<IncidentReport> report_of(const RecordedLog& log, const std::string& path, const Around& around,
                                 TimelineBuilder::Lines lines) {
  PAWL_TRY(is_known(log, around));
  IncidentReport report;
  report.log = path;
  report.first = log.first();
  report.torn_at = log.torn_at();
  report.broken = log.broken();
  report.records = log.records();
  report.begin = log.begin_time();
  report.end = log.end_time();
  const FoundInLog found = log.found();
  const std::optional<TaskId> task = around.seq ? PAWL_TRY(task_at(log, *around.seq)) : around.task;
  const bool is_asked = around.seq || around.time || around.task || around.work_item;
  if (is_asked) {
    report.asked = in_words(around);
    if (const Finding* finding = chosen(found, around, task)) report.question = question_about(found, *finding);
  } else {
    report.question = in_question(found);
  }
  for (const BadEnd& end : found.ended) {
    const bool is_incident = end.cause != Seq{0} && end.why.empty();
    if (!is_incident && (!is_asked || around.time || is_hit(end, around, task))) report.by_itself.push_back(end);
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
    report.defences = PAWL_TRY(defences_against(log, *report.question, Effort::likely));
    PAWL_TRY(tell(log, wanted, lines, report));
  }
  if (!report.question) add_open(log, around, report);
  add_unknown(log, report);
  return report;
}

}  // namespace pawl
