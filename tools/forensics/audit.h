// Looks for what is wrong in a log: the invariants of SPEC §14 after every record, conflicts between records, and
// whether the log is consistent. check.cc reads the log and prints the findings.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/forensics/conflicts.h"
#include "engine/forensics/deciding.h"
#include "engine/forensics/history.h"
#include "engine/forensics/incidents.h"
#include "engine/forensics/late_facts.h"
#include "store/replica.h"
#include "tools/forensics/headings.h"

namespace pawl {

class Audit {
 public:
  /// For a log that begins with the record `first`.
  explicit Audit(Seq first) : first_(first) {}

  /// The policy of a replica under audit: it goes on after a broken chain or a line in another form, and ends where
  /// nothing more can be said (records are missing, or were decided against the rules).
  /// The audit must outlive the replica and must not move.
  ReplicaPolicy policy();

  // The parts of that policy, for a walk that ends at the first difference.

  /// Applies a group and audits it.
  Reapplied apply(State& state, std::span<const VerifiedRecord> group);
  /// Call it after a group that matches its records, before the next one.
  void keep(const State& state);

  /// Looks for the causes of what ended badly. `end` is the state after the last group. Call it after the walk, and
  /// again after undo().
  void conclude(const State& end);
  /// Makes it the audit of a story that differs from this one only in a setting: a change of it set another value.
  void undo(Seq change, std::string_view key, const SettingValue& value) { history_.undo(change, key, value); }

  /// In seq order, those about unchecked records last. Incidents are among them once it was concluded.
  /// With the values by which their records were decided.
  Findings findings() const;
  /// The tasks that ended badly, in the order of their records. Empty until it was concluded.
  const std::vector<BadEnd>& ended() const { return incidents_.ended; }
  /// None if the record was not added.
  std::optional<Heading> heading(Seq seq) const;
  std::optional<fb::Event> type_of(Seq seq) const;

  const History& history() const { return history_; }

  std::uint64_t records() const { return headings_.size(); }
  Seq first() const { return first_; }
  /// The record at which the audit ended early, if it did.
  std::optional<Seq> stopped_at() const { return stopped_at_; }

 private:
  void look_at(const VerifiedRecord& verified);
  void head(const fb::Record& record);
  std::optional<std::size_t> index_of(Seq seq) const;
  void find_gap(const RecordFault& fault);
  bool goes_on(const Difference& difference);
  void find(Finding::Kind kind, Seq seq, std::string what, std::vector<Seq> led_by);
  void keep_decisions(const CheckedGroup& checked, std::span<const fb::Record* const> group, const State& after);
  std::vector<std::string> decided(const Finding& finding) const;

  Seq first_;
  Conflicts conflicts_;
  LateFacts late_facts_;
  History history_;
  Incidents incidents_;
  DecidingValues deciding_;
  std::map<Seq, std::vector<DecidedBy>> decided_;  // of accepted records
  Findings found_;
  Findings of_group_;                            // found in the current group
  std::set<std::pair<int, std::string>> known_;  // so that a finding is not reported again after every record
  Headings headings_;
  std::map<Seq, std::size_t> goes_on_at_;  // where a restore left seqs out: the index of the record that continues
  std::optional<Seq> stopped_at_;
  std::optional<Seq> misplaced_;  // the record after a gap; its heading is the last one
};

}  // namespace pawl
