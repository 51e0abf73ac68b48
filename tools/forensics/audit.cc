#include "tools/forensics/audit.h"

#include <algorithm>
#include <tuple>

#include "tools/forensics/line_form.h"

namespace pawl {

ReplicaPolicy Audit::policy() {
  return {.broken_chain = ReplicaPolicy::BrokenChain::go_on,
          .apply = [this](State& state, std::span<const VerifiedRecord> group) { return apply(state, group); },
          .compare = form_of_line,
          .goes_on = [this](const Difference& difference) { return goes_on(difference); },
          .each = [this](const AppliedGroup& group) { keep(group.state); },
          .gap = [this](const RecordFault& fault) { find_gap(fault); }};
}

Reapplied Audit::apply(State& state, std::span<const VerifiedRecord> group) {
  std::vector<const fb::Record*> records;
  records.reserve(group.size());
  for (const VerifiedRecord& verified : group) {
    look_at(verified);
    records.push_back(verified.record);
  }
  for (const fb::Record* record : records) late_facts_.see(state, *record);
  conflicts_.see(state, records);
  history_.see(state, records);
  if (headings_.size() == records.size() && state.last_seq > Seq{0}) deciding_.begin(state);
  CheckedGroup checked = check_group(state, records);
  std::vector<const Effects*> effects;
  for (const Applied& applied : checked.reapplied.applied) effects.push_back(&applied.effects);
  history_.settle(state, records, effects, checked.reapplied.archived);
  keep_decisions(checked, records, state);
  of_group_ = std::move(checked.findings);
  const auto parts = [](const Finding& finding) { return finding.kind == Finding::Kind::divergence; };
  const auto parting = std::find_if(of_group_.begin(), of_group_.end(), parts);
  if (parting != of_group_.end()) {
    stopped_at_ = parting->seq;
    of_group_.erase(std::next(parting), of_group_.end());
    keep(state);
  }
  return std::move(checked.reapplied);
}

void Audit::keep_decisions(const CheckedGroup& checked, std::span<const fb::Record* const> group, const State& after) {
  const std::vector<Applied>& applied = checked.reapplied.applied;
  for (std::size_t i = 0; i < group.size() && i < applied.size(); ++i) {
    std::vector<DecidedBy> by = deciding_.of(*group[i], applied[i], after);
    if (applied[i].outcome == Outcome::accepted && !by.empty()) {
      decided_.emplace(Seq{group[i]->stamp()->seq()}, std::move(by));
    }
    deciding_.see(*group[i], applied[i], after);
  }
}

namespace {

/// Whether a reader has to know it of a finding: a limit was passed, or time was left out of account.
bool is_telling(const DecidedBy& decided) {
  const bool is_limit = decided.is_passed && (!decided.setting.empty() || decided.by == DecidedBy::By::chosen);
  return decided.what == DecidedBy::What::not_counted || (is_limit && decided.what != DecidedBy::What::pause);
}

}  // namespace

/// For the first of its records at which a limit was passed.
std::vector<std::string> Audit::decided(const Finding& finding) const {
  constexpr std::size_t lines_max = 8;
  std::vector<std::string> lines;
  if (finding.kind == Finding::Kind::unchecked) return lines;
  std::set<Seq> seqs{finding.seq};
  seqs.insert(finding.led_by.begin(), finding.led_by.end());
  seqs.insert(finding.followed_by.begin(), finding.followed_by.end());
  for (const Seq seq : seqs) {
    const auto found = decided_.find(seq);
    if (found == decided_.end()) continue;
    for (const DecidedBy& each : found->second) {
      if (!is_telling(each)) continue;
      if (lines.size() == lines_max) return lines;
      lines.push_back(std::to_string(raw(seq)) + ": " + in_words(each));
    }
  }
  return lines;
}

/// Checks what the record itself shows.
void Audit::look_at(const VerifiedRecord& verified) {
  const fb::Stamp& stamp = *verified.record->stamp();
  const Seq seq = verified.seq();
  if (headings_.size() > 0 && stamp.time_us() < headings_.last_time().us) {
    find(Finding::Kind::time_backwards, seq,
         "its time, " + rfc3339({stamp.time_us()}) + ", is before the previous record's", {Seq{stamp.seq() - 1}});
  }
  if (verified.due_chain) {
    find(Finding::Kind::divergence, seq,
         "its chain does not match its content: this record, or the end of the previous one, was changed", {});
  }
  head(*verified.record);
}

void Audit::head(const fb::Record& record) {
  if (record.event_type() == fb::Event::LogRestored) {
    goes_on_at_.emplace(Seq{record.stamp()->seq()}, headings_.size());
  }
  headings_.add(record);
}

void Audit::find_gap(const RecordFault& fault) {
  const std::uint64_t expected = raw(fault.seq);
  const std::uint64_t found = fault.record->stamp()->seq();
  const std::string missing =
      std::to_string(expected) + (found - 1 > expected ? " to " + std::to_string(found - 1) : "");
  find(Finding::Kind::gap, Seq{found},
       found > expected ? "records are missing before it: " + missing
                        : "it is in the place of record " + std::to_string(expected),
       {});
  stopped_at_ = misplaced_ = Seq{found};
  head(*fault.record);
}

bool Audit::goes_on(const Difference& difference) {
  if (difference.kind != Difference::Kind::form) return false;
  if (stopped_at_) return true;  // The record that was decided differently comes next, and is enough.
  find(Finding::Kind::divergence, difference.seq,
       "its line differs from the one that the record gives, in its effects or its form; 'pawl replay' shows both", {});
  return true;
}

void Audit::conclude(const State& end) {
  incidents_ = {};
  incidents_ = incidents(history_, end, findings());
  for (BadEnd& bad : incidents_.ended) {
    const auto found = decided_.find(bad.at.seq);
    if (found == decided_.end()) continue;
    for (const DecidedBy& each : found->second) bad.decided.push_back(in_words(each));
  }
}

Findings Audit::findings() const {
  Findings all = found_;
  for (Finding& finding : conflicts_.findings()) all.push_back(std::move(finding));
  for (const Finding& finding : late_facts_.findings()) all.push_back(finding);
  all.insert(all.end(), incidents_.findings.begin(), incidents_.findings.end());
  for (Finding& finding : all) finding.decided = decided(finding);
  // What is only to be known comes last.
  // What an incident explains follows it.
  std::map<Seq, Seq> explained;
  for (const Finding& incident : incidents_.findings) {
    if (incident.kind != Finding::Kind::incident) continue;
    for (const auto* seqs : {&incident.led_by, &incident.followed_by}) {
      for (const Seq seq : *seqs) explained.try_emplace(seq, incident.seq);
    }
  }
  const auto place_of = [&](const Finding& finding) {
    const auto found = explained.find(finding.seq);
    return finding.kind == Finding::Kind::incident || found == explained.end() ? finding.seq : found->second;
  };
  const auto rank = [&](const Finding& finding) {
    const int last = finding.kind == Finding::Kind::unchecked       ? 2
                     : finding.kind == Finding::Kind::taken_on_word ? 1
                                                                    : 0;
    return std::tuple(last, place_of(finding), finding.kind != Finding::Kind::incident, finding.seq);
  };
  std::stable_sort(all.begin(), all.end(),
                   [&](const Finding& left, const Finding& right) { return rank(left) < rank(right); });
  return all;
}

/// The index of the record's heading; none if it was not added.
std::optional<std::size_t> Audit::index_of(Seq seq) const {
  const auto after = goes_on_at_.upper_bound(seq);
  Seq begin = first_;
  std::size_t index = 0;
  if (after != goes_on_at_.begin()) std::tie(begin, index) = *std::prev(after);
  const std::size_t end = after == goes_on_at_.end() ? headings_.size() : after->second;
  if (seq < begin || raw(seq) - raw(begin) >= end - index) return std::nullopt;
  return index + (raw(seq) - raw(begin));
}

std::optional<Heading> Audit::heading(Seq seq) const {
  const bool is_misplaced = misplaced_ == seq;
  const std::optional<std::size_t> index = is_misplaced ? headings_.size() - 1 : index_of(seq);
  if (!index) return std::nullopt;
  return headings_.at(*index);
}

std::optional<fb::Event> Audit::type_of(Seq seq) const {
  const std::optional<std::size_t> index = index_of(seq);
  return index ? std::optional(headings_.at(*index).event) : std::nullopt;
}

void Audit::find(Finding::Kind kind, Seq seq, std::string what, std::vector<Seq> led_by) {
  found_.push_back({.kind = kind, .seq = seq, .what = std::move(what), .led_by = std::move(led_by)});
}

void Audit::keep(const State& state) {
  for (Finding& finding : std::exchange(of_group_, {})) {
    const bool may_persist = finding.kind == Finding::Kind::violation;
    if (may_persist && !known_.insert({finding.invariant, finding.what}).second) continue;
    const Task* task = state.tasks.find(finding.task);
    if (finding.led_by.empty() && task && task->last.seq < finding.seq) finding.led_by.push_back(task->last.seq);
    std::sort(finding.led_by.begin(), finding.led_by.end());
    found_.push_back(std::move(finding));
  }
}

}  // namespace pawl
