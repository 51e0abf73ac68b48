#include "tools/forensics/what_if_judge.h"

#include <algorithm>

namespace pawl {
namespace {

TimeUs time_of(const RecordedLog& log, Seq seq) {
  for (const RecordedGroup& group : log.groups) {
    if (group.back().seq() >= seq) return {group.front().record().stamp()->time_us()};
  }
  return {};
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
Judged judge_finding(const RecordedLog& log, const Finding& target, const Retold& retold) {
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
    return {WhatIfVerdict::prevented, record_name(seq) + " does not happen"};
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

/// Whether the other story goes on up to that record.
bool reaches(const RecordedLog& log, const Retold& retold, Seq seq) {
  if (!retold.horizon) return true;
  return retold.horizon->seq ? *retold.horizon->seq >= seq : retold.horizon->time > time_of(log, seq);
}

/// A bad end of a task: it must not end badly in the other story either, and that story must get that far, or lack the
/// record that ended it so.
Judged judge_end(const RecordedLog& log, const BadEnd& end, const std::vector<BadEnd>& others, const Retold& retold) {
  const bool is_freed = retold.freed.contains(end.task);
  for (const BadEnd& other : retold.ended) {
    if (other.task != end.task || end.task == TaskId{0} || is_freed) continue;
    const bool is_in_log = std::any_of(others.begin(), others.end(), [&](const BadEnd& each) {
      return each.task == other.task && each.at.time == other.at.time && each.words == other.words;
    });
    if (is_in_log) continue;  // another trouble of that task, which has nothing to do with this one
    return {WhatIfVerdict::not_prevented,
            retold.turns.empty() ? "no decision differs" : "all the same, " + other.words};
  }
  if (retold.turns.empty()) return {WhatIfVerdict::not_prevented, "no decision differs"};
  if (std::find(retold.lost.begin(), retold.lost.end(), end.at.seq) != retold.lost.end()) {
    return {WhatIfVerdict::prevented, record_name(end.at.seq) + " does not happen"};
  }
  if (is_freed)
    return {WhatIfVerdict::prevented, "task " + std::to_string(raw(end.task)) + " goes on: its job is queued again"};
  const Seq last = log.groups.back().back().seq();
  if (reaches(log, retold, last)) return {WhatIfVerdict::prevented, "the story goes past it"};
  return {WhatIfVerdict::not_known, "the log's facts end before it: " + retold.horizon->why};
}

}  // namespace

bool is_grave(const Finding& finding) {
  return finding.kind != Finding::Kind::unchecked && finding.kind != Finding::Kind::taken_on_word;
}

std::string record_name(Seq seq) {
  return "record " + std::to_string(raw(seq));
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

std::optional<InQuestion> in_question(const FoundInLog& found) {
  const auto first = [&](auto is_it) { return std::find_if(found.findings.begin(), found.findings.end(), is_it); };
  auto at = first([](const Finding& each) { return each.kind == Finding::Kind::incident; });
  if (at == found.findings.end())
    at = first([](const Finding& each) { return each.kind == Finding::Kind::contradiction; });
  if (at == found.findings.end()) at = first(is_grave);
  if (at == found.findings.end()) return std::nullopt;
  InQuestion question{.finding = *at, .ends = {}, .shown_by = {}, .other = {}};
  if (at->kind != Finding::Kind::incident) return question;
  for (const BadEnd& end : found.ended) {
    (end.cause == at->seq ? question.ends : question.other).push_back(end);
  }
  const auto is_in_chain = [&](Seq seq) {
    return std::find(at->followed_by.begin(), at->followed_by.end(), seq) != at->followed_by.end();
  };
  for (const Finding& other : found.findings) {
    if (is_grave(other) && other.kind != Finding::Kind::incident && is_in_chain(other.seq))
      question.shown_by.push_back(other);
  }
  return question;
}

Judged judge(const RecordedLog& log, const InQuestion& question, const Retold& retold) {
  if (question.finding.kind != Finding::Kind::incident) return judge_finding(log, question.finding, retold);
  std::vector<Judged> all;
  for (const Finding& finding : question.shown_by) all.push_back(judge_finding(log, finding, retold));
  for (const BadEnd& end : question.ends) all.push_back(judge_end(log, end, question.other, retold));
  // The worst of them counts.
  const auto rank = [](const Judged& judged) {
    return judged.verdict == WhatIfVerdict::not_prevented ? 0 : judged.verdict == WhatIfVerdict::not_known ? 1 : 2;
  };
  const auto worst = std::min_element(
      all.begin(), all.end(), [&](const Judged& left, const Judged& right) { return rank(left) < rank(right); });
  return worst == all.end() ? Judged{WhatIfVerdict::not_known, "the log does not show what it did"} : *worst;
}

}  // namespace pawl
