#include "tools/forensics/audit.h"

#include <algorithm>

#include "engine/json/state_json.h"
#include "schema/limits.h"
#include "schema/proposal.h"
#include "store/chain.h"

namespace pawl {

Audit::Audit(State state, const Chain& chain)
    : state_(std::move(state)), chain_(chain), first_(next(state_.last_seq)) {}

Result<bool> Audit::add(std::vector<std::uint8_t> bytes, std::string line) {
  if (stopped_at_) return false;
  const fb::Record& record = *PAWL_TRY(view_record(bytes));
  const fb::Stamp& stamp = *record.stamp();
  const Seq seq{stamp.seq()};
  const std::string where = "record " + std::to_string(stamp.seq());
  const Seq expected{raw(first_) + headings_.size()};
  if (seq != expected) {
    look();
    if (stopped_at_) return false;
    const bool is_later = seq > expected;
    const std::string missing = std::to_string(raw(expected)) +
                                (stamp.seq() - 1 > raw(expected) ? " to " + std::to_string(stamp.seq() - 1) : "");
    find(Finding::Kind::gap, seq,
         is_later ? "records are missing before it: " + missing
                  : "it stands where record " + std::to_string(raw(expected)) + " should",
         {});
    stopped_at_ = seq;
    headings_.push_back({stamp.time_us(), index_of(record.actor()->str()), index_of(record.boot()->str()),
                         stamp.outcome(), static_cast<std::uint8_t>(record.event_type())});
    return false;
  }
  if (stamp.rules() == 0 || stamp.rules() > rules_version) {
    return Error{ErrorCode::unsupported, where + " was decided by rules " + std::to_string(stamp.rules()) +
                                             "; this program knows up to " + std::to_string(rules_version)};
  }
  const bool begins = stamp.group() == stamp.seq();
  const bool continues = !group_.empty() && stamp.group() == fb::GetRecord(group_.front().bytes.data())->stamp()->seq();
  if (!begins && !continues) {
    return Error{ErrorCode::damaged, where + " says that its group begins at " + std::to_string(stamp.group()) +
                                         ", which is not the group before it"};
  }
  if (begins) look();
  if (stopped_at_) return false;
  if (group_.size() == limits::group_records_max) {
    return Error{ErrorCode::damaged, where + ": its group is too long"};
  }
  if (!headings_.empty() && stamp.time_us() < headings_.back().time_us) {
    find(Finding::Kind::time_backwards, seq,
         "it is of " + rfc3339({stamp.time_us()}) + ", older than the one before it", {Seq{stamp.seq() - 1}});
  }
  if (chain_after(chain_, record) != chain_of(record)) {
    find(Finding::Kind::divergence, seq,
         "its chain is not that of its content: it, or the end of the one before it, was changed", {});
  }
  chain_ = chain_of(record);
  headings_.push_back({stamp.time_us(), index_of(record.actor()->str()), index_of(record.boot()->str()),
                       stamp.outcome(), static_cast<std::uint8_t>(record.event_type())});
  group_.push_back({std::move(bytes), std::move(line)});
  return true;
}

void Audit::finish() {
  if (!stopped_at_) look();
}

Findings Audit::findings() const {
  Findings all = found_;
  for (Finding& finding : conflicts_.findings()) all.push_back(std::move(finding));
  const auto is_unchecked = [](const Finding& finding) { return finding.kind == Finding::Kind::unchecked; };
  std::stable_sort(all.begin(), all.end(), [&](const Finding& left, const Finding& right) {
    return std::pair(is_unchecked(left), left.seq) < std::pair(is_unchecked(right), right.seq);
  });
  return all;
}

std::optional<Heading> Audit::heading(Seq seq) const {
  const bool is_last = stopped_at_ == seq;
  if (!is_last && (seq < first_ || raw(seq) - raw(first_) >= headings_.size())) return std::nullopt;
  const Brief& brief = is_last ? headings_.back() : headings_[raw(seq) - raw(first_)];
  return Heading{.time = {brief.time_us},
                 .actor = names_[brief.actor],
                 .boot = names_[brief.boot],
                 .type = fb::EnumNameEvent(static_cast<fb::Event>(brief.type)),
                 .outcome = Outcome{brief.outcome}};
}

void Audit::look() {
  if (group_.empty()) return;
  std::vector<const fb::Record*> group;
  group.reserve(group_.size());
  for (const Waiting& waiting : group_) group.push_back(fb::GetRecord(waiting.bytes.data()));
  conflicts_.see(state_, group);
  auto [findings, applied] = check_group(state_, group);
  const auto parts = [](const Finding& finding) { return finding.kind == Finding::Kind::divergence; };
  const auto parting = std::find_if(findings.begin(), findings.end(), parts);
  if (parting != findings.end()) {
    stopped_at_ = parting->seq;
    findings.erase(std::next(parting), findings.end());
  }
  std::string line;
  for (std::size_t i = 0; i < group.size() && !stopped_at_; ++i) {
    if (group_[i].line.empty()) continue;
    line.clear();
    append_record_line(line, *group[i], applied[i].effects);
    if (line == group_[i].line) continue;
    find(Finding::Kind::divergence, Seq{group[i]->stamp()->seq()},
         "its line, effects and form included, is not that of the record; 'pawl replay' shows both", {});
  }
  note(std::move(findings));
  group_.clear();
}

void Audit::find(Finding::Kind kind, Seq seq, std::string what, std::vector<Seq> led_by) {
  found_.push_back({.kind = kind, .seq = seq, .what = std::move(what), .led_by = std::move(led_by)});
}

void Audit::note(Findings findings) {
  for (Finding& finding : findings) {
    const bool may_persist = finding.kind == Finding::Kind::violation;
    if (may_persist && !known_.insert({finding.invariant, finding.what}).second) continue;
    const Task* task = state_.tasks.find(finding.task);
    if (finding.led_by.empty() && task && task->last.seq < finding.seq) finding.led_by.push_back(task->last.seq);
    std::sort(finding.led_by.begin(), finding.led_by.end());
    found_.push_back(std::move(finding));
  }
}

std::uint32_t Audit::index_of(std::string name) {
  const auto [at, is_new] = index_of_name_.try_emplace(std::move(name), static_cast<std::uint32_t>(names_.size()));
  if (is_new) names_.push_back(at->first);
  return at->second;
}

}  // namespace pawl
