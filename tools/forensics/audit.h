// Looks for what is wrong in a log: the invariants of SPEC §14 after every record, conflicts between records, and
// whether the log is consistent. check.cc reads the log and prints the findings.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/forensics/conflicts.h"
#include "engine/forensics/deciding.h"
#include "engine/forensics/history.h"
#include "engine/forensics/incidents.h"
#include "engine/forensics/late_facts.h"
#include "store/replica.h"

namespace pawl {

/// What a finding shows of a record that it names.
struct Heading {
  TimeUs time;
  std::string actor;
  std::string boot;
  std::string type;
  Outcome outcome{};
};

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

  /// Looks for the causes of what ended badly. `end` is the state after the last group. Call once, after the walk.
  void conclude(const State& end);

  /// In seq order, those about unchecked records last. Incidents are among them once it was concluded.
  /// With the values by which their records were decided.
  Findings findings() const;
  /// The tasks that ended badly, in the order of their records. Empty until it was concluded.
  const std::vector<BadEnd>& ended() const { return incidents_.ended; }
  /// None if the record was not added.
  std::optional<Heading> heading(Seq seq) const;
  std::optional<fb::Event> type_of(Seq seq) const;

  std::uint64_t records() const { return headings_.size(); }
  Seq first() const { return first_; }
  /// The record at which the audit ended early, if it did.
  std::optional<Seq> stopped_at() const { return stopped_at_; }

 private:
  /// A compact Heading: there is one for every record.
  struct Brief {
    std::int64_t time_us;
    std::uint32_t actor;  // index of names_
    std::uint32_t boot;
    std::uint16_t outcome;
    std::uint8_t type;
  };

  void look_at(const VerifiedRecord& verified);
  void head(const fb::Record& record);
  std::optional<std::size_t> index_of(Seq seq) const;
  void find_gap(const RecordFault& fault);
  bool goes_on(const Difference& difference);
  void find(Finding::Kind kind, Seq seq, std::string what, std::vector<Seq> led_by);
  std::uint32_t index_of(std::string name);
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
  std::vector<Brief> headings_;
  std::map<Seq, std::size_t> goes_on_at_;  // where a restore left seqs out: the index of the record that continues
  std::vector<std::string> names_;
  std::map<std::string, std::uint32_t> index_of_name_;
  std::optional<Seq> stopped_at_;
  std::optional<Seq> misplaced_;  // the record after a gap; its heading is the last one
};

}  // namespace pawl
