// How the report of an incident is shown.
#include <algorithm>

#include "schema/json/json_text.h"
#include "schema/printable.h"
#include "tools/forensics/explain_render.h"
#include "tools/forensics/findings_json.h"
#include "tools/forensics/incident_report.h"
#include "tools/forensics/text_forms.h"
#include "tools/forensics/what_if_report.h"

namespace pawl {
namespace {

std::string seq_text(Seq seq) {
  return std::to_string(raw(seq));
}

void append_end_line(std::string& out, const BadEnd& end) {
  out += "  " + printable(end.words);
  if (end.at) out += " (record " + seq_text(end.at.seq) + ")";
  if (end.let_go) out += "; let go on by record " + seq_text(end.let_go.seq);
  out += '\n';
  for (const std::string& each : end.decided) out += "    " + printable(each) + '\n';
}

void append_trace(std::string& out, const IncidentReport& report) {
  std::size_t seq_width = 0;
  std::size_t actor_width = 0;
  for (const TracedRecord& each : report.trace) {
    seq_width = std::max(seq_width, seq_text(each.seq).size());
    actor_width = std::max(actor_width, width_of(printable(each.actor)));
  }
  for (const TracedRecord& each : report.trace) {
    const std::string seq = seq_text(each.seq);
    out += each.seq == report.question->finding.seq ? "> " : "  ";
    out += std::string(seq_width - seq.size(), ' ') + seq + "  " + rfc3339(each.time).substr(0, 19) + "Z  " +
           padded(printable(each.actor), actor_width + 2) + printable(each.says);
    if (each.outcome != Outcome::accepted) out += " (refused: " + std::string(name(each.outcome)) + ")";
    out += '\n';
    for (const std::string& by : each.decided) {
      out += std::string(2 + seq_width + 24 + actor_width + 2, ' ') + printable(by) + '\n';
    }
  }
}

/// The finding's words without the bad ends, which have lines of their own.
std::string cause_alone(const InQuestion& question) {
  std::string words = question.finding.what;
  for (const BadEnd& end : question.ends) words.resize(std::min(words.size(), words.find("; " + end.words)));
  return words;
}

}  // namespace

std::string report_text(const IncidentReport& report) {
  std::string out = printable(report.log) + ": " + std::to_string(report.records) + " records";
  if (report.records > 0) out += ", " + rfc3339(report.begin) + " to " + rfc3339(report.end);
  out += '\n';
  if (report.first > Seq{1}) out += "it begins with the checkpoint before record " + seq_text(report.first) + '\n';
  if (report.broken) out += printable_lines(in_words(*report.broken)) + "up to there:\n";
  if (report.torn_at) {
    out += "records from " + seq_text(*report.torn_at) + " on are torn: never acknowledged, or still being written\n";
  }
  if (!report.question) {
    const std::string about = report.asked.empty() ? "" : " about " + printable(report.asked);
    out += "no incident" + about + (report.by_itself.empty() ? ", and nothing ended badly\n" : "\n");
  } else {
    out += "\nthe cause: record " + seq_text(report.question->finding.seq) + "\n  " +
           printable(cause_alone(*report.question)) + '\n';
    out += "\nwhat ended badly\n";
    if (report.question->ends.empty()) out += "  " + printable(report.question->finding.what) + '\n';
    for (const BadEnd& end : report.question->ends) append_end_line(out, end);
    out += "\nhow it came about\n";
    append_trace(out, report);
    out += "\nwhat would have prevented it\n" + defences_in_words(*report.question, report.defences);
  }
  if (!report.by_itself.empty()) {
    out += "\nended badly, without an incident\n";
    for (const BadEnd& end : report.by_itself) {
      append_end_line(out, end);
      out += "    " + (end.cause != Seq{0} ? "by record " + seq_text(end.cause) + ": " : "by itself: ") +
             printable(end.why) + '\n';
    }
  }
  if (!report.others.empty()) {
    out += "\nother incidents\n";
    for (const Finding& other : report.others)
      out += "  record " + seq_text(other.seq) + ": " + printable(other.what) + '\n';
  }
  if (!report.open.empty()) {
    out += "\nnot ended at the end of the log\n";
    for (const std::string& each : report.open) out += "  " + printable(each) + '\n';
  }
  if (!report.unknown.empty()) {
    out += "\nwhat is not known\n";
    for (const std::string& each : report.unknown) out += "  " + printable(each) + '\n';
  }
  for (const Story& story : report.stories) out += "\n--------\n" + story_text(story);
  return out;
}

namespace {

template <class List>
void append_ends(std::string& out, const List& ends) {
  out += '[';
  for (const BadEnd& end : ends) {
    if (out.back() != '[') out += ',';
    append_end(out, end);
  }
  out += ']';
}

void append_incident(std::string& out, const Finding& finding) {
  out += "{\"kind\":";
  append_json_text(out, name(finding.kind));
  out += ",\"seq\":" + seq_text(finding.seq) + ",\"what\":";
  append_json_text(out, finding.what);
  out += ",\"led_by\":";
  append_seqs(out, finding.led_by);
  out += ",\"followed_by\":";
  append_seqs(out, finding.followed_by);
  out += ",\"decided\":";
  append_json_texts(out, finding.decided);
  out += '}';
}

}  // namespace

std::string report_json(const IncidentReport& report) {
  std::string out = "{\"log\":";
  append_json_text(out, report.log);
  out += ",\"begin\":";
  report.records > 0 ? append_json_time(out, report.begin) : void(out += "null");
  out += ",\"end\":";
  report.records > 0 ? append_json_time(out, report.end) : void(out += "null");
  out += ",\"records\":" + std::to_string(report.records) + ",\"first\":" + seq_text(report.first) +
         ",\"torn_at\":" + (report.torn_at ? seq_text(*report.torn_at) : "null") +
         ",\"broken\":" + break_json(report.broken) + ",\"incident\":";
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
    out += "{\"seq\":" + seq_text(each.seq) + ",\"time\":";
    append_json_time(out, each.time);
    out += ",\"actor\":";
    append_json_text(out, each.actor);
    out += ",\"type\":";
    append_json_text(out, each.type);
    out += ",\"outcome\":";
    append_json_text(out, name(each.outcome));
    out += ",\"says\":";
    append_json_text(out, each.says);
    out += ",\"decided\":";
    append_json_texts(out, each.decided);
    out += '}';
  }
  out += "],\"defences\":[";
  for (const Defence& each : report.defences.tried) {
    out += out.back() == '[' ? "{\"change\":" : ",{\"change\":";
    append_json_text(out, in_words(each.change));
    out += ",\"undoes\":" + (each.change.undoes ? seq_text(*each.change.undoes) : "null") + ",\"verdict\":";
    append_json_text(out, name(each.judged.verdict));
    out += ",\"why\":";
    append_json_text(out, each.judged.why);
    out += '}';
  }
  std::vector<std::string> untried;
  for (const Change& change : report.defences.untried) untried.push_back(in_words(change));
  out += "],\"untried\":";
  append_json_texts(out, untried);
  out += ",\"by_itself\":";
  append_ends(out, report.by_itself);
  out += ",\"others\":[";
  for (const Finding& other : report.others) {
    if (out.back() != '[') out += ',';
    append_incident(out, other);
  }
  out += "],\"open\":";
  append_json_texts(out, report.open);
  out += ",\"unknown\":";
  append_json_texts(out, report.unknown);
  out += ",\"stories\":[";
  for (const Story& story : report.stories) {
    if (out.back() != '[') out += ',';
    std::string json = story_json(story);
    if (!json.empty() && json.back() == '\n') json.pop_back();
    out += json;
  }
  return out + "]}\n";
}

}  // namespace pawl
