#include "tools/forensics/what_if_judge.h"

#include <algorithm>

#include "engine/policies/stuck.h"

namespace pawl {
namespace {

/// Whether the other story lacks a record of the log. The lost ones are in the log's order.
bool is_lost(const Retold& retold, Seq seq) {
  return std::binary_search(retold.lost.begin(), retold.lost.end(), seq);
}

/// For a live owner whose job was reaped: the reap that takes the same job from it in the other story too, by whatever
/// rule, while it still acts. Null: there is none.
const RetoldReap* reap_all_the_same(const RecordedLog& log, const Finding& target, const Retold& retold) {
  const RecordedEvent* event = log.reap(target.seq);
  const auto* reaped = event ? event->record().event_as_JobReaped() : nullptr;
  if (target.kind != Finding::Kind::reaped_alive || !reaped || target.followed_by.empty()) return nullptr;
  const auto job = log.jobs().place_of(JobId{reaped->job()});
  const TimeUs alive_until = log.time_of(target.followed_by.back());
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
    if (!is_lost(retold, seq)) continue;
    return {WhatIfVerdict::prevented, record_name(seq) + " does not happen"};
  }
  const auto is_reached = [&](Seq seq) {
    if (!retold.horizon) return true;
    return retold.horizon->seq ? *retold.horizon->seq >= seq : retold.horizon->time > log.time_of(seq);
  };
  // Only the passing of time shows that something outlives its limit.
  const Seq end = log.last();
  const bool is_overdue = target.kind == Finding::Kind::overdue;
  const bool is_past = is_reached(target.seq) && (!is_overdue || is_reached(end)) &&
                       std::all_of(target.followed_by.begin(), target.followed_by.end(), is_reached);
  if (is_past) return {WhatIfVerdict::prevented, "the story goes past it"};
  return {WhatIfVerdict::not_known, "the log's facts end before it"};
}

/// Whether the other story goes on up to that record.
bool reaches(const RecordedLog& log, const Retold& retold, Seq seq) {
  if (!retold.horizon) return true;
  return retold.horizon->seq ? *retold.horizon->seq >= seq : retold.horizon->time > log.time_of(seq);
}

/// A decision of pawl's that led to it, a reap, a reclaim or a block, and is not taken in the other story.
std::optional<Seq> lost_decision(const RecordedLog& log, const Finding& incident, const Retold& retold) {
  for (const Seq seq : incident.followed_by) {
    if (!is_lost(retold, seq)) continue;
    const auto type = log.type_of(seq);
    if (type == fb::Event::JobReaped || type == fb::Event::LeaseReclaimed || type == fb::Event::TaskBlocked) return seq;
  }
  return std::nullopt;
}

/// The step of the chain that the other story cannot begin, and at which it therefore ends.
std::optional<Seq> prevented_step(const RecordedLog& log, const Finding& incident, const Retold& retold) {
  if (!retold.horizon || !retold.horizon->seq) return std::nullopt;
  const Seq seq = *retold.horizon->seq;
  const auto& chain = incident.followed_by;
  if (std::find(chain.begin(), chain.end(), seq) == chain.end()) return std::nullopt;
  return log.type_of(seq) == fb::Event::StepStarted ? std::optional(seq) : std::nullopt;
}

/// A bad end of a task: it must not end badly in the other story either, and that story must get that far, or lack a
/// record that led to it. `lost`: what lost_decision() or else prevented_step() says.
Judged judge_end(const RecordedLog& log, const InQuestion& question, const BadEnd& end, const Retold& retold,
                 const std::optional<Seq>& lost) {
  const std::string task = "task " + std::to_string(raw(end.task));
  if (retold.freed.contains(end.task)) return {WhatIfVerdict::prevented, task + " goes on: its job is queued again"};
  for (const BadEnd& other : retold.ended) {
    if (other.task != end.task || end.task == TaskId{0}) continue;
    const bool is_in_log = std::any_of(question.other.begin(), question.other.end(), [&](const BadEnd& each) {
      return each.task == other.task && each.at.time == other.at.time && each.words == other.words;
    });
    if (is_in_log) continue;  // another trouble of that task, which has nothing to do with this one
    // It could go on, but the log cannot have what was not done.
    const bool could_go_on = other.reason == stuck_reason::unclaimed && end.reason != stuck_reason::unclaimed;
    if (could_go_on) return {WhatIfVerdict::prevented, task + " could be claimed"};
    return {WhatIfVerdict::not_prevented,
            retold.turns.empty() ? "no decision differs" : "all the same, " + other.words};
  }
  if (is_lost(retold, end.at.seq)) return {WhatIfVerdict::prevented, record_name(end.at.seq) + " does not happen"};
  if (lost) return {WhatIfVerdict::prevented, record_name(*lost) + " does not happen"};
  const Seq last = log.last();
  if (reaches(log, retold, last)) {
    const bool is_same = retold.turns.empty() && end.reason.empty();
    return is_same ? Judged{WhatIfVerdict::not_prevented, "no decision differs"}
                   : Judged{WhatIfVerdict::prevented, "the story goes past it"};
  }
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
  std::optional<Seq> lost = lost_decision(log, question.finding, retold);
  if (!lost) lost = prevented_step(log, question.finding, retold);
  for (const BadEnd& end : question.ends) all.push_back(judge_end(log, question, end, retold, lost));
  for (const Finding& finding : question.shown_by) all.push_back(judge_finding(log, finding, retold));
  // None of it may come about. What the story no longer reaches is not known; but what it prevents it prevents.
  const auto first = [&](WhatIfVerdict verdict) {
    return std::find_if(all.begin(), all.end(), [&](const Judged& each) { return each.verdict == verdict; });
  };
  for (const WhatIfVerdict verdict : {WhatIfVerdict::not_prevented, WhatIfVerdict::prevented}) {
    if (const auto found = first(verdict); found != all.end()) return *found;
  }
  return all.empty() ? Judged{WhatIfVerdict::not_known, "the log does not show what it did"} : all.front();
}

std::optional<Seq> culprit_of(const Findings& findings) {
  if (findings.empty() || !is_grave(findings.front())) return std::nullopt;
  return findings.front().seq;
}

}  // namespace pawl
