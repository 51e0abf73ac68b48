// Applies a log again, group by group, and holds every record against what the rules make of it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/rules/group.h"
#include "schema/hex.h"
#include "store/log.h"

namespace pawl {

/// The first record that is not what it should be.
struct Difference {
  Seq seq{};
  std::string what;  // "outcome", "digest", "chain", "form of the line"
  std::string recorded;
  std::string recomputed;
};

class Replayer {
 public:
  struct Item {
    const fb::Record& record;
    const Applied& applied;
  };
  using EachGroup = std::function<void(std::span<const Item>, std::span<const ArchivedTask>)>;

  /// Begins after the record state.last_seq, whose chain is `chain`. `each` sees every group once it was applied, with
  /// items that live for the call; a group with a difference in it is not handed on.
  Replayer(State state, Chain chain, EachGroup each);

  /// Takes the next record, and the line that it was read from, if it was one. Its group is applied when it is whole,
  /// which the record after it shows. `damaged`: the record does not follow; `unsupported`: of newer rules.
  /// Requires: no difference was found.
  Result<void> add(std::vector<std::uint8_t> bytes, std::string line = {});
  /// Applies the last group.
  Result<void> finish();

  const std::optional<Difference>& difference() const { return difference_; }
  const State& state() const { return state_; }
  const Chain& chain() const { return chain_; }
  std::uint64_t records() const { return records_; }

 private:
  struct Waiting {
    std::vector<std::uint8_t> bytes;
    std::string line;  // empty: none
    Chain chain{};     // that it should bear
  };

  void apply();
  std::optional<Difference> difference_in(std::span<const fb::Record* const> group, const Reapplied& reapplied) const;

  State state_;
  Chain chain_;
  EachGroup each_;
  std::vector<Waiting> group_;
  std::uint64_t records_ = 0;
  std::optional<Difference> difference_;
};

}  // namespace pawl
