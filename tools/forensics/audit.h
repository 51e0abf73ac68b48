// Looks for what is wrong in a log: the invariants of SPEC §14 after every record, what records make of each other, and
// whether the log hangs together. What reads it, and what prints what was found, is in check.cc.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/forensics/conflicts.h"
#include "engine/forensics/late_facts.h"
#include "store/replica.h"

namespace pawl {

/// What a finding tells of a record that it names.
struct Heading {
  TimeUs time;
  std::string actor;
  std::string boot;
  std::string type;
  Outcome outcome{};
};

class Audit {
 public:
  /// Of a log that begins with the record `first`.
  explicit Audit(Seq first) : first_(first) {}

  /// What a replica does that this looks at: it goes on after a broken chain and a line in another form, and ends where
  /// nothing can be said any more (records are missing, or were decided otherwise than the rules say).
  /// The audit outlives the replica, and stays where it is.
  ReplicaPolicy policy();

  // What that policy consists of, for a walk that ends at the first difference.

  /// Applies a group and looks at it.
  Reapplied apply(State& state, std::span<const VerifiedRecord> group);
  /// Once the group is as it was recorded. Before the next one.
  void keep(const State& state);

  /// In the order of the seqs, those about unchecked records last.
  Findings findings() const;
  /// Of a record that was added.
  std::optional<Heading> heading(Seq seq) const;

  std::uint64_t records() const { return headings_.size(); }
  Seq first() const { return first_; }
  /// The record at which it ended early, if it did.
  std::optional<Seq> stopped_at() const { return stopped_at_; }

 private:
  /// A Heading in few bytes: there is one for every record.
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

  Seq first_;
  Conflicts conflicts_;
  LateFacts late_facts_;
  Findings found_;
  Findings of_group_;                            // found in the group in hand
  std::set<std::pair<int, std::string>> known_;  // what was found once is not told after every record
  std::vector<Brief> headings_;
  std::map<Seq, std::size_t> goes_on_at_;  // where a restore left seqs out: the index of the record that goes on
  std::vector<std::string> names_;
  std::map<std::string, std::uint32_t> index_of_name_;
  std::optional<Seq> stopped_at_;
  std::optional<Seq> misplaced_;  // the record behind a gap, whose heading is the last one
};

}  // namespace pawl
