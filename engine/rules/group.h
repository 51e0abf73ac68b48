// Groups: what is decided together, all or nothing (SPEC §4). Every event is in one, most of them alone.
//
// decide() is the one way by which anything new happens, in the daemon, in a simulation and in tests; reapply() is its
// mirror for what already stands in a log. What the machine itself adds to a group is added here: the reclaim of an
// expired lease before somebody else gets it, the recovery of a boot that became stale (SPEC §5 step 2), a standing
// cancel request whose moment has come (§9).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/rules/apply.h"
#include "engine/state/state.h"
#include "schema/proposal.h"

namespace pawl {

/// A group as it goes to the log.
struct Decided {
  Group records;                 // stamped, but for the chain; what the machine added included
  std::vector<Applied> applied;  // one for each record; no effects in a refused group
  std::vector<ArchivedTask> archived;
  Outcome outcome = Outcome::accepted;  // of the group: the refusal, if one of its events was refused
  std::size_t first_proposed = 0;       // index of the proposer's first event among `records`
  std::size_t deciding = 0;             // index of the refused record; if accepted, that of the proposer's last event
};

/// Decides a group and changes `state` by it, or leaves all but state.last_seq and last_time as it was.
/// `rules`: those that decide; earlier ones only for who retells a log that was decided by them.
/// Requires: `group` is not empty; now ≥ state.last_time; 1 ≤ rules ≤ rules_version.
[[nodiscard]] Decided decide(State& state, Group group, TimeUs now, std::uint32_t rules = rules_version);

/// The first record of a group that does not say what the rules say.
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
  std::vector<Applied> applied;  // one for each record
  std::vector<ArchivedTask> archived;
  std::optional<Divergence> divergence;
};

/// Applies a whole group as it stands in a log, and compares outcome, mark and digest of each record.
/// After a divergence the state is what the rules made of it.
/// Requires: the records were verified, follow state.last_seq as seq_after() says, and bear one group number.
[[nodiscard]] Reapplied reapply(State& state, std::span<const fb::Record* const> group);

// For those who apply a group of a log record by record, as reapply() does.

/// Whether the group changes settings after the record at `index`.
SettingsToCome settings_after(std::span<const fb::Record* const> group, std::size_t index);
/// Whether the record says another thing than was made of it. `digest`: of the state after it.
std::optional<Divergence> divergence_of(const fb::Record& record, const Applied& applied, std::uint64_t digest);

}  // namespace pawl
