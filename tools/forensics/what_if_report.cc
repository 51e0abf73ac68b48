#include "tools/forensics/what_if_report.h"

#include <algorithm>

#include "schema/json/json_text.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

/// What a change does to the finding in question.
enum class WhatIfVerdict { prevented, not_prevented, not_known };

struct Judged {
  WhatIfVerdict verdict = WhatIfVerdict::not_known;
  std::string why;
};

/// The finding in question: the contradiction, else the first one; null if nothing went wrong.
const Finding* target_of(const Findings& findings) {
  for (const Finding& finding : findings) {
    if (finding.kind == Finding::Kind::contradiction) return &finding;
  }
  const bool is_clean = findings.empty() || findings.front().kind == Finding::Kind::unchecked;
  return is_clean ? nullptr : &findings.front();
}

TimeUs time_of(const RecordedLog& log, Seq seq) {
  for (const RecordedGroup& group : log.groups) {
    if (group.back().seq() >= seq) return {group.front().record().stamp()->time_us()};
  }
  return {};
}

std::string record(Seq seq) {
  return "record " + std::to_string(raw(seq));
}

const fb::Record* record_at(const RecordedLog& log, Seq seq) {
  const auto group = std::lower_bound(log.groups.begin(), log.groups.end(), seq,
                                      [](const RecordedGroup& each, Seq wanted) { return each.back().seq() < wanted; });
  if (group == log.groups.end()) return nullptr;
  const auto found =
      std::find_if(group->begin(), group->end(), [seq](const RecordedEvent& event) { return event.seq() == seq; });
  return found == group->end() ? nullptr : &found->record();
}

/// For a live owner whose job was reaped: the reap that takes the same job from it in the other story too, by whatever
/// rule, while it still acts. Null: there is none.
const RetoldReap* reap_all_the_same(const RecordedLog& log, const Finding& target, const Retold& retold) {
  const fb::Record* record = record_at(log, target.seq);
  const auto* reaped = record ? record->event_as_JobReaped() : nullptr;
  if (target.kind != Finding::Kind::reaped_alive || !reaped || target.followed_by.empty()) return nullptr;
  const auto job = log.jobs.place_of(JobId{reaped->job()});
  const TimeUs alive_until = time_of(log, target.followed_by.back());
  const auto found = std::find_if(retold.reaps.begin(), retold.reaps.end(),
                                  [&](const RetoldReap& reap) { return reap.job == job && reap.time <= alive_until; });
  return found == retold.reaps.end() ? nullptr : &*found;
}

/// Prevented: the other story has no such finding, and either goes past its time or lacks a record that caused it.
Judged judge(const RecordedLog& log, const Finding& target, const Retold& retold) {
  for (const Finding& finding : retold.findings) {
    if (finding.kind == target.kind && finding.task == target.task) {
      return {WhatIfVerdict::not_prevented,
              retold.turns.empty() ? "no decision differs" : "it happens in the other story too"};
    }
  }
  if (const RetoldReap* reap = reap_all_the_same(log, target, retold)) {
    const bool is_decided_alike = retold.turns.empty();
    return {WhatIfVerdict::not_prevented, is_decided_alike ? "no decision differs"
                                                           : "the job is reaped from its live owner all the same, at " +
                                                                 rfc3339(reap->time) + ", tier " +
                                                                 std::to_string(static_cast<int>(reap->tier))};
  }
  std::vector<Seq> parts = target.led_by;
  parts.push_back(target.seq);
  parts.insert(parts.end(), target.followed_by.begin(), target.followed_by.end());
  for (const Seq seq : parts) {
    if (std::find(retold.lost.begin(), retold.lost.end(), seq) == retold.lost.end()) continue;
    return {WhatIfVerdict::prevented, record(seq) + " does not happen"};
  }
  const auto is_reached = [&](Seq seq) {
    if (!retold.horizon) return true;
    return retold.horizon->seq ? *retold.horizon->seq >= seq : retold.horizon->time > time_of(log, seq);
  };
  // Only the passing of time shows that something outlives its limit.
  const Seq end = log.groups.back().back().seq();
  const bool is_overdue = target.kind == Finding::Kind::overdue;
  const bool is_past = is_reached(target.seq) && (!is_overdue || is_reached(end)) &&
                       std::all_of(target.followed_by.begin(), target.followed_by.end(), is_reached);
  if (is_past) return {WhatIfVerdict::prevented, "the story goes past it"};
  return {WhatIfVerdict::not_known, "the log's facts end before it"};
}

std::string_view name(WhatIfVerdict verdict) {
  switch (verdict) {
    case WhatIfVerdict::prevented:
      return "prevented";
    case WhatIfVerdict::not_prevented:
      return "not prevented";
    case WhatIfVerdict::not_known:
      return "not known";
  }
  return "?";
}

bool is_grave(const Finding& finding) {
  return finding.kind != Finding::Kind::unchecked;
}

std::string finding_in_words(const Finding& finding) {
  return std::string(name(finding.kind)) + " of " + record(finding.seq);
}

void append_turn(std::string& out, const TurningPoint& turn) {
  out += rfc3339(turn.time) + (turn.seq ? ", " + record(*turn.seq) : ", no record") + "\n  the log     " +
         printable(turn.recorded) + "\n  the change  " + printable(turn.changed) + '\n';
}

std::string in_words(const RecordedLog& log, const std::vector<Change>& changes, const Retold& retold,
                     const Finding* target) {
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
    if (retold.horizon->seq) out += ", " + record(*retold.horizon->seq);
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
  return out + "the " + finding_in_words(*target) + ": " + std::string(name(judged.verdict)) + ", " + judged.why + '\n';
}

void append_time(std::string& out, TimeUs time) {
  append_json_time(out, time);
}

void append_seq(std::string& out, std::optional<Seq> seq) {
  out += seq ? std::to_string(raw(*seq)) : "null";
}

void append_verdict(std::string& out, const RecordedLog& log, const Retold& retold, const Finding* target) {
  if (!target) {
    out += "null";
    return;
  }
  const Judged judged = judge(log, *target, retold);
  out += "{\"kind\":";
  append_json_text(out, name(target->kind));
  out += ",\"seq\":" + std::to_string(raw(target->seq)) + ",\"verdict\":";
  append_json_text(out, name(judged.verdict));
  out += ",\"why\":";
  append_json_text(out, judged.why);
  out += '}';
}

std::string in_json(const RecordedLog& log, const std::vector<Change>& changes, const Retold& retold,
                    const Finding* target) {
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

/// The settings in the log at the record in question.
Settings settings_at(const RecordedLog& log, Seq seq) {
  Settings settings = beginning_of(log).state.settings();
  for (const RecordedGroup& group : log.groups) {
    for (const RecordedEvent& event : group) {
      if (event.seq() > seq) return settings;
      const auto* changed = event.record().event_as_SettingChanged();
      const SettingKey* key = changed && event.is_accepted() ? setting_named(changed->key()->string_view()) : nullptr;
      if (key) key->set(settings, setting_value_from(*changed->value()));
    }
  }
  return settings;
}

struct Tried {
  Change change;
  Retold retold;
  Judged judged;
};

/// Doubles the grace until it is enough, or more than the pipelines allow.
std::optional<Tried> try_grace(const RecordedLog& log, const Finding& target, const Settings& settings) {
  const SettingKey* key = setting_named("reaper.finalize_grace_s");
  std::optional<Tried> last;
  for (std::int64_t grace = std::max<std::int64_t>(1, settings.reaper.finalize_grace_s) * 2;; grace *= 2) {
    const Change change{key, SettingValue(grace)};
    Settings scratch;
    if (!key->set(scratch, change.value)) return last;
    auto retold = retell(log, {change});
    if (!retold) return last;
    const Judged judged = judge(log, target, *retold);
    last = Tried{change, std::move(*retold), judged};
    if (judged.verdict == WhatIfVerdict::prevented) return last;
  }
}

std::string defence_in_words(const Tried& tried, std::size_t width) {
  std::string line = "  " + in_words(tried.change);
  line.resize(width + 4, ' ');
  std::string verdict(name(tried.judged.verdict));
  verdict.resize(15, ' ');
  return line + verdict + tried.judged.why + '\n';
}

}  // namespace

Exit run_what_if(const RecordedLog& log, const std::vector<Change>& changes, ReportForm form) {
  const auto retold = retell(log, changes);
  if (!retold) return fail(retold.error());
  const Findings findings = findings_in(log);
  const Finding* target = target_of(findings);
  if (form == ReportForm::json) {
    print(in_json(log, changes, *retold, target) + '\n');
  } else {
    print_for_people(in_words(log, changes, *retold, target));
  }
  return Exit::done;
}

Exit run_each_defence(const RecordedLog& log, ReportForm form) {
  const Findings findings = findings_in(log);
  const Finding* target = target_of(findings);
  if (!target) {
    print(form == ReportForm::json ? "{\"target\":null,\"defences\":[]}\n" : "check finds nothing that went wrong\n");
    return Exit::done;
  }
  const Settings settings = settings_at(log, target->seq);
  std::vector<Tried> all;
  for (const SettingKey& key : setting_keys()) {
    const SettingValue now = key.get(settings);
    const bool* flag = std::get_if<bool>(&now);
    if (!flag) continue;
    const Change change{&key, SettingValue(!*flag)};
    auto retold = retell(log, {change});
    if (!retold) return fail(retold.error());
    const Judged judged = judge(log, *target, *retold);
    all.push_back({change, std::move(*retold), judged});
  }
  if (auto grace = try_grace(log, *target, settings)) all.push_back(std::move(*grace));
  if (form == ReportForm::json) {
    std::string out = "{\"target\":{\"kind\":";
    append_json_text(out, name(target->kind));
    out += ",\"seq\":" + std::to_string(raw(target->seq)) + "},\"defences\":[";
    for (const Tried& tried : all) {
      if (out.back() != '[') out += ',';
      out += in_json(log, {tried.change}, tried.retold, target);
    }
    print(out + "]}\n");
    return Exit::done;
  }
  std::string out = "the " + finding_in_words(*target) + ": " + printable(target->what) + "\n\n";
  std::size_t width = 0;
  for (const Tried& tried : all) width = std::max(width, in_words(tried.change).size());
  for (const Tried& tried : all) out += defence_in_words(tried, width);
  print_for_people(out);
  return Exit::done;
}

}  // namespace pawl
