#include "tools/forensics/what_if_report.h"

#include <algorithm>

#include "schema/json/json_text.h"
#include "schema/printable.h"
#include "tools/forensics/defences.h"
#include "tools/forensics/what_if_judge.h"

namespace pawl {
namespace {

void append_turn(std::string& out, const TurningPoint& turn) {
  out += rfc3339(turn.time) + (turn.seq ? ", " + record_name(*turn.seq) : ", no record") + "\n  the log     " +
         printable(turn.recorded) + "\n  the change  " + printable(turn.changed) + '\n';
}

void append_time(std::string& out, TimeUs time) {
  append_json_time(out, time);
}

void append_seq(std::string& out, std::optional<Seq> seq) {
  out += seq ? std::to_string(raw(*seq)) : "null";
}

void append_verdict(std::string& out, const RecordedLog& log, const Retold& retold, const InQuestion* target) {
  if (!target) {
    out += "null";
    return;
  }
  const Judged judged = judge(log, *target, retold);
  out += "{\"kind\":";
  append_json_text(out, name(target->finding.kind));
  out += ",\"seq\":" + std::to_string(raw(target->finding.seq)) + ",\"verdict\":";
  append_json_text(out, name(judged.verdict));
  out += ",\"why\":";
  append_json_text(out, judged.why);
  out += '}';
}

/// "  recovery.max_interruptions=5 (undoes record 269)  prevented      record 931 does not happen"
std::string defence_name(const Defence& defence) {
  return in_words(defence.change) +
         (defence.change.undoes ? " (undoes " + record_name(*defence.change.undoes) + ")" : " from the beginning");
}

std::string defence_in_words(const Defence& defence, std::size_t width) {
  std::string line = "  " + defence_name(defence);
  line.resize(width + 4, ' ');
  std::string verdict(name(defence.judged.verdict));
  verdict.resize(15, ' ');
  return line + verdict + printable(defence.judged.why) + '\n';
}

}  // namespace

std::string finding_in_words(const Finding& finding) {
  return std::string(name(finding.kind)) + " of " + record_name(finding.seq);
}

std::string what_if_text(const RecordedLog& log, const std::vector<Change>& changes, const Retold& retold,
                         const InQuestion* target) {
  std::string out = "what if";
  for (const Change& change : changes) out += ' ' + in_words(change);
  out += "\n\n";
  if (retold.turns.empty()) {
    out += "no decision differs\n";
  } else {
    out += "the first decision that differs: ";
    append_turn(out, retold.turns.front());
  }
  if (retold.turns.size() > 1) out += "\nand from there\n";
  for (std::size_t i = 1; i < retold.turns.size(); ++i) append_turn(out, retold.turns[i]);
  out += '\n';
  if (retold.horizon) {
    out += "horizon: " + rfc3339(retold.horizon->time);
    if (retold.horizon->seq) out += ", " + record_name(*retold.horizon->seq);
    out += "\n  " + printable(retold.horizon->why) + '\n';
  } else {
    out += "no horizon: the facts carry it to the end of the log, " + rfc3339(retold.end) + '\n';
  }
  for (const std::string& wait : retold.waits) out += "  " + wait + '\n';
  out += "up to there: ";
  const auto graves = std::count_if(retold.findings.begin(), retold.findings.end(), is_grave);
  out += graves == 0 ? "every invariant holds, and nothing contradicts itself\n" : "check finds\n";
  for (const Finding& finding : retold.findings) {
    if (is_grave(finding)) out += "  " + std::string(name(finding.kind)) + ": " + printable(finding.what) + '\n';
  }
  if (!target) return out;
  const Judged judged = judge(log, *target, retold);
  return out + "the " + finding_in_words(target->finding) + ": " + std::string(name(judged.verdict)) + ", " +
         judged.why + '\n';
}

std::string what_if_json(const RecordedLog& log, const std::vector<Change>& changes, const Retold& retold,
                         const InQuestion* target) {
  std::string out = "{\"what_if\":[";
  for (const Change& change : changes) {
    if (out.back() != '[') out += ',';
    append_json_text(out, in_words(change));
  }
  out += "],\"turns\":[";
  for (const TurningPoint& turn : retold.turns) {
    out += out.back() == '[' ? "{\"time\":" : ",{\"time\":";
    append_time(out, turn.time);
    out += ",\"seq\":";
    append_seq(out, turn.seq);
    out += ",\"recorded\":";
    append_json_text(out, turn.recorded);
    out += ",\"changed\":";
    append_json_text(out, turn.changed);
    out += '}';
  }
  out += "],\"horizon\":";
  if (retold.horizon) {
    out += "{\"time\":";
    append_time(out, retold.horizon->time);
    out += ",\"seq\":";
    append_seq(out, retold.horizon->seq);
    out += ",\"why\":";
    append_json_text(out, retold.horizon->why);
    out += '}';
  } else {
    out += "null";
  }
  out += ",\"waits\":[";
  for (const std::string& wait : retold.waits) {
    if (out.back() != '[') out += ',';
    append_json_text(out, wait);
  }
  out += "],\"findings\":[";
  for (const Finding& finding : retold.findings) {
    if (!is_grave(finding)) continue;
    out += out.back() == '[' ? "{\"kind\":" : ",{\"kind\":";
    append_json_text(out, name(finding.kind));
    out += ",\"what\":";
    append_json_text(out, finding.what);
    out += '}';
  }
  out += "],\"target\":";
  append_verdict(out, log, retold, target);
  return out + "}";
}

std::string defences_in_words(const InQuestion& question, const Defences& defences) {
  const std::vector<Defence>& all = defences.tried;
  // What does not undo the cause, and is not known to help, is only named.
  const auto is_shown = [&](const Defence& each) {
    return each.judged.verdict == WhatIfVerdict::prevented || each.change.undoes == question.finding.seq;
  };
  std::size_t width = 0;
  for (const Defence& each : all) width = std::max(width, is_shown(each) ? defence_name(each).size() : 0);
  std::string out;
  std::string not_known;
  std::string in_vain;
  bool is_any = false;
  for (const Defence& each : all) {
    if (is_shown(each)) {
      out += defence_in_words(each, width);
      is_any = is_any || each.judged.verdict != WhatIfVerdict::not_prevented;
      continue;
    }
    std::string& list = each.judged.verdict == WhatIfVerdict::not_known ? not_known : in_vain;
    list += (list.empty() ? "" : ", ") + in_words(each.change);
  }
  if (!is_any) {
    out += "  no setting is known that would have prevented it: " + record_name(question.finding.seq) +
           " would have had to be another\n";
  }
  if (!in_vain.empty()) out += "  not prevented by " + in_vain + '\n';
  if (!not_known.empty()) {
    out += "  not known of " + not_known + ": the log does not show what would have been done with it\n";
  }
  if (!defences.untried.empty()) {
    out +=
        "  not tried: " + std::to_string(defences.untried.size()) + " more; 'pawl replay --each-defence' tries each\n";
  }
  return out;
}

}  // namespace pawl
