// One function per event, for apply.cc only. Each has the same shape: the checks, in the order of SPEC §4, then the
// changes, which cannot fail. So you can see on the page that a refused event changes nothing.
//
// To change what a rule decides, add a second version beside the first, because every log replays under the rules that
// decided it. Increment rules_version (schema/proposal.h), which new records are stamped with; test `turn.rules >= 2`
// in one small named branch, only where the rule differs; and keep the golden log of the older version (tests/golden)
// as proof that its branch still decides as before.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "engine/rules/apply.h"
#include "engine/state/state.h"

namespace pawl {

/// The event being decided: the facts in its record, and its results.
struct RuleContext {
  State& state;
  Seq seq;
  Seq group;  // seq of its first record
  TimeUs now;
  /// The deciding version of the rules: rules_version for a new record, the record's own in a replay.
  std::uint32_t rules;
  // In the record:
  std::string_view boot;
  std::string_view actor;
  /// The authenticated proposer; empty: the daemon itself, or a record from before principals.
  std::string_view principal;
  IsLastSetting is_last_setting;
  Applied& applied;

  void effect(Effect effect) { applied.effects.push_back(std::move(effect)); }
};

/// The turn for a record, from its stamp and its proposer.
RuleContext context_of(State& state, const fb::Record& record, IsLastSetting is_last_setting, Applied& applied);

Outcome apply_event(RuleContext& context, const fb::BootStarted& event);
Outcome apply_event(RuleContext& context, const fb::BootEnded& event);
Outcome apply_event(RuleContext& context, const fb::PipelineDefined& event);
Outcome apply_event(RuleContext& context, const fb::SettingChanged& event);
Outcome apply_event(RuleContext& context, const fb::TaskCreated& event);
Outcome apply_event(RuleContext& context, const fb::StageTransition& event);
Outcome apply_event(RuleContext& context, const fb::LeaseAcquired& event);
Outcome apply_event(RuleContext& context, const fb::LeaseReleased& event);
Outcome apply_event(RuleContext& context, const fb::LeaseReclaimed& event);
Outcome apply_event(RuleContext& context, const fb::JobQueued& event);
Outcome apply_event(RuleContext& context, const fb::JobClaimed& event);
Outcome apply_event(RuleContext& context, const fb::RunStarted& event);
Outcome apply_event(RuleContext& context, const fb::RunExited& event);
Outcome apply_event(RuleContext& context, const fb::JobFinished& event);
Outcome apply_event(RuleContext& context, const fb::JobReaped& event);
Outcome apply_event(RuleContext& context, const fb::FinalizerMarked& event);
Outcome apply_event(RuleContext& context, const fb::FinalizerCleared& event);
Outcome apply_event(RuleContext& context, const fb::GateEvaluated& event);
Outcome apply_event(RuleContext& context, const fb::StepStarted& event);
Outcome apply_event(RuleContext& context, const fb::StepFinished& event);
Outcome apply_event(RuleContext& context, const fb::TaskBlocked& event);
Outcome apply_event(RuleContext& context, const fb::TaskUnblocked& event);
Outcome apply_event(RuleContext& context, const fb::CancelRequested& event);
Outcome apply_event(RuleContext& context, const fb::TaskCancelled& event);
Outcome apply_event(RuleContext& context, const fb::TaskNote& event);
Outcome apply_event(RuleContext& context, const fb::RefusalsFolded& event);
Outcome apply_event(RuleContext& context, const fb::TimeGap& event);
Outcome apply_event(RuleContext& context, const fb::PreviousGone& event);
Outcome apply_event(RuleContext& context, const fb::LogRestored& event);
Outcome apply_event(RuleContext& context, const fb::ClaimRenewed& event);
Outcome apply_event(RuleContext& context, const fb::ClaimReturned& event);
Outcome apply_event(RuleContext& context, const fb::BranchSeen& event);
Outcome apply_event(RuleContext& context, const fb::RepoDeclared& event);
Outcome apply_event(RuleContext& context, const fb::RepoRemoved& event);
Outcome apply_event(RuleContext& context, const fb::HoldPlaced& event);
Outcome apply_event(RuleContext& context, const fb::HoldLifted& event);
Outcome apply_event(RuleContext& context, const fb::HoldOverridden& event);
Outcome apply_event(RuleContext& context, const fb::FreezePlanned& event);
Outcome apply_event(RuleContext& context, const fb::ApprovalAsked& event);
Outcome apply_event(RuleContext& context, const fb::ApprovalGiven& event);

// Helpers that several rules share.

std::string text_or_empty(const flatbuffers::String* text);
Owner owner_from(const fb::Owner& owner);
std::optional<Token> token_from(flatbuffers::Optional<std::uint64_t> token);

/// The live task with that id; null if it is terminal, archived or not. Requires: the id was assigned.
const Task* live_task(const State& state, TaskId id);

/// Whether the proposer is the daemon itself: the one in force or an earlier one.
bool is_daemon(const RuleContext& context);
/// Whether the proposer goes through the daemon because it has no boot itself. The daemon has already checked what it
/// may request (docs/SECURITY.md).
bool is_guest(const RuleContext& context);
/// Whether the proposer may act for a boot and for what it holds. A boot belongs to the principal that registered it.
bool acts_for(const RuleContext& context, const Boot& boot);
/// The same for a held lease. Its token is a number, not a secret: it is of use only to the holder.
bool is_its_own(const RuleContext& context, const Lease& lease);
/// Whether there is room for one more, both among `all` that exist and for the principal, whose share is a fraction of
/// the setting `most`, so that one token can never use up everything. The daemon's own are counted but never refused.
bool is_within_quota(const RuleContext& context, std::size_t all,
                     const std::map<std::string, std::uint64_t, std::less<>>& by_principal, std::int64_t most);
/// The principal in the form that rows store.
std::optional<std::string> principal_if_any(const RuleContext& context);

/// Refuses as `version_conflict`; the detail says how the expected version differs from the task's. `task` is null if
/// it is terminal.
Outcome version_conflict(RuleContext& context, const Task* task, std::optional<std::uint64_t> expected);

/// Whether ownership is checked for this repository; if it is not, the record is marked `unchecked`.
bool is_checked(RuleContext& context, std::string_view repo);

enum class LeaseNeed { required, optional };
/// Checks a token, sent or not, against the lease on a key: `accepted`, `stale_token`, `not_yours`, `lease_held` or
/// `lease_required`.
Outcome token_outcome(const RuleContext& context, const std::string& key, std::optional<Token> token, LeaseNeed need);

/// Why new work on the task must wait: `dependency`, or `held`, with a detail; `accepted` if it need not. Re-entering
/// or settling a crossing that has begun need not.
Outcome held_back(RuleContext& context, const Task& task);
/// Whether the gate of the task's stage has the approvals that it needs to be left forward: `accepted`, or
/// `not_approved`, with a detail. A crossing that has begun needs no further word.
Outcome approval_outcome(RuleContext& context, const Task& task);
/// Records that new work on the task has started: from then on, the fate of its dependencies no longer matters.
void note_begun(RuleContext& context, TaskId id);

/// Frees a held lease.
void free_lease(RuleContext& context, const std::string& key);
/// Queues a new job for the task's current stage, which must have an agent.
void queue_job(RuleContext& context, const Task& task, const std::string& reason);
/// Cancels every queued job of the task.
void cancel_queued_jobs(RuleContext& context, TaskId task);
/// Blocks a live task and raises the alert. A task that is already blocked keeps its first reason.
void block_task(RuleContext& context, TaskId id, const std::string& reason);

}  // namespace pawl
