// Groups: events that are decided together, all or nothing (SPEC §4). Every event is in a group, usually alone.
//
// decide() is the only way that anything new happens, in the daemon, in simulations and in tests; reapply() is its
// counterpart for records already in a log. The events that the machine adds to a group are added here: the reclaim of
// an expired lease before the next holder gets it, the recovery of a boot that became stale (SPEC §5 step 2), and a
// pending cancellation that can now take effect (§9).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/rules/apply.h"
#include "engine/state/state.h"
#include "schema/proposal.h"

namespace pawl {

/// A decided group, ready for the log.
struct Decided {
  Group records;                 // stamped, except for the chain; includes the events the machine added
  std::vector<Applied> applied;  // one per record; a refused group has no effects
  std::vector<ArchivedTask> archived;
  Outcome outcome = Outcome::accepted;  // of the group: if an event was refused, its outcome
  std::size_t first_proposed = 0;       // index of the proposer's first event among `records`
  std::size_t deciding = 0;             // index of the refused record or, if accepted, of the proposer's last event
};

/// Decides a group and applies it to `state`; if it is refused, only state.last_seq and last_time change. `rules` is
/// the deciding version; pass an earlier one only to replay a log that was decided by it.
/// Requires: `group` is not empty; now ≥ state.last_time; 1 ≤ rules ≤ rules_version.
[[nodiscard]] Decided decide(State& state, Group group, TimeUs now, std::uint32_t rules = rules_version);

/// The first record of a group whose stamp differs from what the rules compute.
struct Divergence {
  Seq seq{};
  Outcome recorded{};
  Outcome recomputed{};
  bool recorded_unchecked = false;
  bool recomputed_unchecked = false;
  std::uint64_t recorded_digest = 0;
  std::uint64_t recomputed_digest = 0;
};

struct Reapplied {
  std::vector<Applied> applied;        // one per record
  std::vector<std::uint64_t> digests;  // of the state after each record; filled in by reapply() only
  std::vector<ArchivedTask> archived;
  std::optional<Divergence> divergence;
};

/// Applies a whole group from a log, and compares each record's outcome, `unchecked` mark and digest. After a
/// divergence the state is what the rules computed. Requires: the records were verified, follow state.last_seq as
/// seq_after() says, and have the same group number.
[[nodiscard]] Reapplied reapply(State& state, std::span<const fb::Record* const> group);

// For code that applies a group from a log record by record, as reapply() does.

/// Whether the group changes more settings after the record at `index`.
IsLastSetting is_last_setting_of(std::span<const fb::Record* const> group, std::size_t index);
/// The difference between the record's stamp and what the rules computed, if any. `digest` is that of the state after
/// it.
std::optional<Divergence> divergence_of(const fb::Record& record, const Applied& applied, std::uint64_t digest);

}  // namespace pawl
