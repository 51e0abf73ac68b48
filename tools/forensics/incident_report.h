// The report of an incident: what ended badly, the record that caused it, how one led to the other, what would have
// kept it off, and what the log does not say. Made for someone who was woken up.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/forensics/defences.h"
#include "tools/forensics/explain_story.h"

namespace pawl {

/// A record as the report names it.
struct TracedRecord {
  Seq seq{};
  TimeUs time;
  std::string actor;
  std::string type;
  Outcome outcome{};
  std::string says;                  // continues the actor's name
  std::vector<std::string> decided;  // by which values
};

struct IncidentReport {
  std::string log;
  std::string asked;  // what to look around, in words; empty: nothing in particular
  std::uint64_t records = 0;
  Seq first{};                     // not 1: it begins with a checkpoint
  std::optional<Seq> torn_at;      // what follows was never acknowledged
  std::optional<LogBreak> broken;  // the log goes on, but the report does not
  TimeUs begin;
  TimeUs end;
  std::optional<InQuestion> question;  // none: nothing went wrong, or nothing around what was asked for
  std::vector<TracedRecord> trace;     // the cause, and what led from it to the end, in order
  Defences defences;
  std::vector<BadEnd> by_itself;     // ended badly by itself, or was let go on after a mischance
  Findings others;                   // other incidents of the log
  std::vector<std::string> open;     // if there is no incident: tasks that had not ended at the log's end, and why
  std::vector<std::string> unknown;  // what the log does not say
  std::vector<Story> stories;        // of the first tasks concerned
};

/// What to look around: one of these, or nothing for the first incident.
struct Around {
  std::optional<Seq> seq;
  std::optional<TimeUs> time;
  std::optional<TaskId> task;
  std::optional<std::string> work_item;
};
/// "931", a time in RFC 3339, "task:12", or a work item.
Around around_from(std::string_view text);

/// `missing` if the log has nothing about what was asked for. `path`: what the report calls the log.
Result<IncidentReport> report_of(const RecordedLog& log, const std::string& path, const Around& around,
                                 TimelineBuilder::Lines lines = TimelineBuilder::Lines::kept);

std::string report_text(const IncidentReport& report);
std::string report_json(const IncidentReport& report);

}  // namespace pawl
