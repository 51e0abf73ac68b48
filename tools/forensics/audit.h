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
#include "store/log.h"

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
  /// Begins after the record state.last_seq, whose chain is `chain`.
  Audit(State state, const Chain& chain);

  /// Takes the next record, and the line that it was read from, if it was one. Its group is looked at when it is whole,
  /// which the record after it shows. False: from here on nothing can be said (records are missing, or were decided
  /// otherwise than the rules say), so no more is wanted. `damaged`: it belongs to no group; `unsupported`: of newer
  /// rules.
  Result<bool> add(std::vector<std::uint8_t> bytes, std::string line = {});
  /// Looks at the last group.
  void finish();

  /// In the order of the seqs, those about unchecked records last. After finish().
  Findings findings() const;
  /// Of a record that was added.
  std::optional<Heading> heading(Seq seq) const;

  std::uint64_t records() const { return headings_.size(); }
  Seq first() const { return first_; }
  const State& state() const { return state_; }
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

  struct Waiting {
    std::vector<std::uint8_t> bytes;
    std::string line;  // empty: none
  };

  void look();
  void find(Finding::Kind kind, Seq seq, std::string what, std::vector<Seq> led_by);
  void note(Findings findings);
  std::uint32_t index_of(std::string name);

  State state_;
  Chain chain_;
  Seq first_;
  std::vector<Waiting> group_;
  Conflicts conflicts_;
  Findings found_;
  std::set<std::pair<int, std::string>> known_;  // what was found once is not told after every record
  std::vector<Brief> headings_;
  std::vector<std::string> names_;
  std::map<std::string, std::uint32_t> index_of_name_;
  std::optional<Seq> stopped_at_;
};

}  // namespace pawl
