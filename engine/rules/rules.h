// One function per event, for apply.cc alone. Each has the same shape: the checks, in the order of SPEC §4, then the
// changes, which cannot fail. So "a refused event changes nothing" is to be seen on the page.
//
// A rule that is to decide otherwise gets a second version beside the first one, because every log replays under the
// rules that decided it. rules_version (schema/proposal.h) grows by one, which is what new records are stamped with;
// the rule asks `turn.rules >= 2` in one small branch with a name, where it differs and nowhere else; and the golden
// log of the older version (tests/golden) stays as the proof that its branch still decides as it did.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "engine/rules/apply.h"
#include "engine/state/state.h"

namespace pawl {

/// The event in hand: what its record says of it, and what it leads to.
struct Turn {
  State& state;
  Seq seq;
  Seq group;  // seq of its first record
  TimeUs now;
  std::uint32_t rules;  // version of the rules that decide: rules_version for what is new, the record's on a replay
  std::string boot;
  std::string actor;
  std::string principal;  // who is known to propose it; empty: the daemon itself, or a record of before
  SettingsToCome settings_to_come;
  Applied& applied;

  void effect(Effect effect) { applied.effects.push_back(std::move(effect)); }
};

/// The turn of a record, by its stamp and its proposer.
Turn turn_of(State& state, const fb::Record& record, SettingsToCome settings_to_come, Applied& applied);

Outcome apply_event(Turn& turn, const fb::BootStarted& event);
Outcome apply_event(Turn& turn, const fb::BootEnded& event);
Outcome apply_event(Turn& turn, const fb::PipelineDefined& event);
Outcome apply_event(Turn& turn, const fb::SettingChanged& event);
Outcome apply_event(Turn& turn, const fb::TaskCreated& event);
Outcome apply_event(Turn& turn, const fb::StageTransition& event);
Outcome apply_event(Turn& turn, const fb::LeaseAcquired& event);
Outcome apply_event(Turn& turn, const fb::LeaseReleased& event);
Outcome apply_event(Turn& turn, const fb::LeaseReclaimed& event);
Outcome apply_event(Turn& turn, const fb::JobQueued& event);
Outcome apply_event(Turn& turn, const fb::JobClaimed& event);
Outcome apply_event(Turn& turn, const fb::RunStarted& event);
Outcome apply_event(Turn& turn, const fb::RunExited& event);
Outcome apply_event(Turn& turn, const fb::JobFinished& event);
Outcome apply_event(Turn& turn, const fb::JobReaped& event);
Outcome apply_event(Turn& turn, const fb::FinalizerMarked& event);
Outcome apply_event(Turn& turn, const fb::FinalizerCleared& event);
Outcome apply_event(Turn& turn, const fb::GateEvaluated& event);
Outcome apply_event(Turn& turn, const fb::StepStarted& event);
Outcome apply_event(Turn& turn, const fb::StepFinished& event);
Outcome apply_event(Turn& turn, const fb::TaskBlocked& event);
Outcome apply_event(Turn& turn, const fb::TaskUnblocked& event);
Outcome apply_event(Turn& turn, const fb::CancelRequested& event);
Outcome apply_event(Turn& turn, const fb::TaskCancelled& event);
Outcome apply_event(Turn& turn, const fb::TaskNote& event);
Outcome apply_event(Turn& turn, const fb::RefusalsFolded& event);
Outcome apply_event(Turn& turn, const fb::TimeGap& event);
Outcome apply_event(Turn& turn, const fb::PreviousGone& event);
Outcome apply_event(Turn& turn, const fb::LogRestored& event);
Outcome apply_event(Turn& turn, const fb::ClaimRenewed& event);
Outcome apply_event(Turn& turn, const fb::ClaimReturned& event);
Outcome apply_event(Turn& turn, const fb::BranchSeen& event);
Outcome apply_event(Turn& turn, const fb::RepoDeclared& event);
Outcome apply_event(Turn& turn, const fb::RepoRemoved& event);

// What several rules share.

std::string text_or_empty(const flatbuffers::String* text);
Owner owner_from(const fb::Owner& owner);
std::optional<Token> token_from(flatbuffers::Optional<std::uint64_t> token);

/// The live task of that id; null if it is terminal, archived or not. Requires: the id was given out.
const Task* live_task(const State& state, TaskId id);

/// Whether the daemon in force, or one before it, proposes the event itself.
bool is_daemon(const Turn& turn);
/// Whether somebody proposes it through the daemon, without a boot of its own: what that may ask for the daemon has
/// looked at (docs/SECURITY.md).
bool is_guest(const Turn& turn);
/// Whether the proposer may act for a boot, and for what that holds: a boot belongs to who registered it.
bool acts_for(const Turn& turn, const Boot& boot);
/// The same for a held lease. Its token is a number and no secret: it is worth something to its holder alone.
bool is_its_own(const Turn& turn, const Lease& lease);
/// Whether there is room for one more, of `all` that there are and for the principal, whose share is a part of the
/// setting `most`: what one token may have is never everything. The daemon's own are counted, and never refused.
bool is_within_quota(const Turn& turn, std::size_t all, const std::map<std::string, std::uint64_t>& by_principal,
                     std::int64_t most);
/// As rows keep it.
std::optional<std::string> principal_if_any(const Turn& turn);

/// Whether ownership is checked for this repository; if it is not, the record is marked `unchecked`.
bool is_checked(Turn& turn, std::string_view repo);

enum class LeaseNeed { required, optional };
/// What a token, sent or not, is worth on a key: `accepted`, `stale_token`, `not_yours`, `lease_held` or
/// `lease_required`.
Outcome token_outcome(const Turn& turn, const std::string& key, std::optional<Token> token, LeaseNeed need);

/// Whether something new of the task may not begin yet, because of what it depends on. What re-enters or settles a
/// crossing that has begun may.
bool is_held_back(const Turn& turn, const Task& task);
/// Something new of the task has begun: what became of a dependency is judged once, then.
void note_begun(Turn& turn, TaskId id);

/// Frees a lease that is held.
void free_lease(Turn& turn, const std::string& key);
/// Queues a fresh job for the task's present stage, which has an agent.
void queue_job(Turn& turn, const Task& task, const std::string& reason);
/// Cancels every queued job of the task.
void cancel_queued_jobs(Turn& turn, TaskId task);
/// Blocks a live task, with the alert that is due. A task that is blocked already keeps its first reason.
void block_task(Turn& turn, TaskId id, const std::string& reason);

}  // namespace pawl
