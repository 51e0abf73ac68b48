#include "engine/rules/group.h"

#include <algorithm>

#include "engine/rules/claim.h"
#include "engine/rules/recovery.h"
#include "schema/record_view.h"
#include "schema/subject.h"

namespace pawl {
namespace {

constexpr std::string_view recovery_actor = "recovery";
constexpr std::string_view sequencer_actor = "sequencer";

/// The proposer of events that the machine adds: the daemon's boot, once there is one.
Requester machine_requester(const State& state, const std::string& boot_otherwise, std::string_view actor) {
  const Boot* daemon = state.boot_named(daemon_name);
  return {.boot = daemon ? daemon->boot_id : boot_otherwise, .actor = std::string(actor), .key = {}, .request = {}};
}

/// The reclaim that precedes granting a lease on a key whose holder's ttl has expired.
std::optional<Proposal> reclaim_before(const State& state, const fb::Record& record, TimeUs now) {
  const auto* wanted = record.event_as_LeaseAcquired();
  if (!wanted) return std::nullopt;
  const Lease* held = state.lease(wanted->key()->str());
  if (!held || !is_key_checked(state, held->key)) return std::nullopt;
  const bool renewal = wanted->token() == raw(held->token);
  if (renewal || state.is_live(*held, now)) return std::nullopt;
  // Without a daemon in force the proposer itself would have to propose it; if it may not, its own event is refused
  // anyway.
  const Requester speaker = machine_requester(state, record.boot()->str(), sequencer_actor);
  const Boot* boot = state.boots.find(speaker.boot);
  if (!boot || boot->stale) return std::nullopt;
  fb::LeaseReclaimedT reclaim;
  reclaim.key = held->key;
  reclaim.token = raw(held->token);
  reclaim.reason = fb::ReclaimReason::ttl_expired;
  return propose(speaker, reclaim);
}

/// Remembers the answer for the group's idempotency key, if it has one.
void remember_key(State& state, std::span<const fb::Record* const> records, const std::vector<Applied>& applied,
                  Outcome outcome) {
  KeyRow row;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const fb::Record& record = *records[i];
    if (!record.key()) continue;
    if (row.key.empty()) {
      row.key = record.key()->str();
      row.request = record.request().value_or(0);
      row.principal = principal_of(record);
      row.outcome = outcome;
    }
    // As in the first answer: the refused record, or the proposer's last.
    if (applied[i].outcome != Outcome::skipped) row.seq = Seq{record.stamp()->seq()};
    const Subject subject = subject_of(record);
    if (subject.task && *subject.task != TaskId{0}) row.task = *subject.task;
    if (subject.job && *subject.job != JobId{0}) row.job = *subject.job;
    for (const Effect& effect : applied[i].effects) {
      if (effect.kind == EffectKind::task) row.task = TaskId{effect.id};
      if (effect.kind == EffectKind::job_queued && row.job == JobId{0}) row.job = JobId{effect.id};
      if (effect.kind == EffectKind::lease_granted && row.token == Token{0}) row.token = Token{effect.token};
    }
  }
  if (!row.key.empty()) state.keys.remember(std::move(row));
}

/// Refuses a group: its refused record keeps its outcome, all others become `skipped`, and the state is as before.
void refuse_group(State& state, std::vector<Applied>& applied, std::size_t refused, std::size_t count) {
  state.settle();
  state.undo_group();
  applied.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    if (i != refused) applied[i] = Applied::skipped();
  }
}

std::vector<ArchivedTask> accept_group(State& state) {
  state.keep_group();
  return state.archive_finished();
}

std::vector<const fb::Record*> records_of(Group& group) {
  std::vector<const fb::Record*> records;
  records.reserve(group.size());
  for (const Proposal& proposal : group) records.push_back(&proposal.record());
  return records;
}

/// Decides a group, event by event.
class GroupDecision {
 public:
  GroupDecision(State& state, TimeUs now, std::uint32_t rules) : state_(state), now_(now), rules_(rules) {}

  Decided decide(Group group) {
    const std::vector<const fb::Record*> proposed = records_of(group);
    const std::string proposer = proposed.front()->boot()->str();
    decided_.records.reserve(group.size());
    decided_.applied.reserve(group.size());
    group_ = seq_after(state_.last_seq, *proposed.front());
    for (std::size_t i = 0; i < group.size(); ++i) {
      if (auto reclaim = reclaim_before(state_, *proposed[i], now_)) add_own(std::move(*reclaim));
      if (i == 0) decided_.first_proposed = decided_.records.size();
      const IsLastSetting is_last_setting = is_last_setting_of(proposed, i);
      decided_.deciding = decided_.records.size();
      if (!add(std::move(group[i]), is_last_setting)) {
        for (std::size_t rest = i + 1; rest < group.size(); ++rest) stamp(std::move(group[rest]));
        return refused();
      }
    }
    // Consequences of the group. Recovery goes first: it may free what a pending cancel request is waiting for.
    if (state_.boots.is_touched()) recover(machine_requester(state_, proposer, recovery_actor));
    if (!state_.indexes.cancel_standing.empty()) {
      for (Proposal& event : cancellations_due(state_, machine_requester(state_, proposer, sequencer_actor))) {
        add_own(std::move(event));
      }
    }
    decided_.archived = accept_group(state_);
    return finish();
  }

 private:
  Proposal& stamp(Proposal proposal) {
    fb::Stamp& stamp = proposal.stamp();
    stamp.mutate_seq(raw(group_) + decided_.records.size());
    stamp.mutate_group(raw(group_));
    stamp.mutate_time_us(now_.us);
    stamp.mutate_rules(rules_);
    decided_.records.push_back(std::move(proposal));
    return decided_.records.back();
  }

  /// Whether it was accepted.
  bool add(Proposal proposal, IsLastSetting is_last_setting) {
    Proposal& record = stamp(std::move(proposal));
    Span span = span_ended_by(state_, record.record());
    decided_.applied.push_back(apply(state_, record.record(), is_last_setting));
    if (decided_.applied.back().outcome != Outcome::accepted) return false;
    state_.settle();
    decided_.applied.back().frees = state_.freed();
    decided_.applied.back().span = std::move(span);
    record.stamp().mutate_digest(state_.digest());
    return true;
  }

  /// No stale boot holds anything once a group has ended, so recovery is needed only in a group that makes a boot
  /// stale.
  void recover(const Requester& requester) {
    for (Proposal& event : recovery_of_stale_boots(state_, requester, now_, rules_)) add_own(std::move(event));
  }

  /// Events that the machine adds are valid by construction: if one were refused, that would be a bug.
  void add_own(Proposal proposal) { PAWL_ASSERT(add(std::move(proposal), IsLastSetting::yes)); }

  Decided refused() {
    const std::size_t at = decided_.applied.size() - 1;
    decided_.outcome = decided_.applied[at].outcome;
    refuse_group(state_, decided_.applied, at, decided_.records.size());
    group_ = next(state_.last_seq);  // a refused restore skips no seqs
    for (std::size_t i = 0; i < decided_.records.size(); ++i) {
      fb::Stamp& stamp = decided_.records[i].stamp();
      stamp.mutate_seq(raw(group_) + i);
      stamp.mutate_group(raw(group_));
      stamp.mutate_digest(state_.digest());
    }
    return finish();
  }

  Decided finish() {
    for (std::size_t i = 0; i < decided_.records.size(); ++i) {
      fb::Stamp& stamp = decided_.records[i].stamp();
      stamp.mutate_outcome(static_cast<std::uint16_t>(decided_.applied[i].outcome));
      stamp.mutate_unchecked(decided_.applied[i].unchecked);
    }
    state_.last_seq = Seq{raw(group_) + decided_.records.size() - 1};
    state_.last_time = now_;
    const auto has_key = [](const Proposal& proposal) { return proposal.record().key() != nullptr; };
    if (std::any_of(decided_.records.begin(), decided_.records.end(), has_key)) {
      remember_key(state_, records_of(decided_.records), decided_.applied, decided_.outcome);
    }
    return std::move(decided_);
  }

  State& state_;
  TimeUs now_;
  std::uint32_t rules_;
  Seq group_{};
  Decided decided_;
};

}  // namespace

Decided decide(State& state, Group group, TimeUs now, std::uint32_t rules) {
  PAWL_ASSERT(!group.empty() && now >= state.last_time && rules >= 1 && rules <= rules_version);
  return GroupDecision(state, now, rules).decide(std::move(group));
}

IsLastSetting is_last_setting_of(std::span<const fb::Record* const> group, std::size_t index) {
  for (std::size_t i = index + 1; i < group.size(); ++i) {
    if (group[i]->event_type() == fb::Event::SettingChanged) return IsLastSetting::no;
  }
  return IsLastSetting::yes;
}

std::optional<Divergence> divergence_of(const fb::Record& record, const Applied& applied, std::uint64_t digest) {
  const fb::Stamp& stamp = *record.stamp();
  const bool same = stamp.outcome() == static_cast<std::uint16_t>(applied.outcome) &&
                    stamp.unchecked() == applied.unchecked && stamp.digest() == digest;
  if (same) return std::nullopt;
  return Divergence{.seq = Seq{stamp.seq()},
                    .recorded = Outcome{stamp.outcome()},
                    .recomputed = applied.outcome,
                    .recorded_unchecked = stamp.unchecked(),
                    .recomputed_unchecked = applied.unchecked,
                    .recorded_digest = stamp.digest(),
                    .recomputed_digest = digest};
}

Reapplied reapply(State& state, std::span<const fb::Record* const> group) {
  Reapplied result;
  Outcome outcome = Outcome::accepted;
  const Seq first = seq_after(state.last_seq, *group.front());
  for (std::size_t i = 0; i < group.size() && outcome == Outcome::accepted; ++i) {
    PAWL_ASSERT(group[i]->stamp()->seq() == raw(first) + i);
    result.applied.push_back(apply(state, *group[i], is_last_setting_of(group, i)));
    outcome = result.applied.back().outcome;
    if (outcome == Outcome::accepted) state.settle();
    result.digests.push_back(state.digest());
  }
  if (outcome == Outcome::accepted) {
    result.archived = accept_group(state);
  } else {
    refuse_group(state, result.applied, result.applied.size() - 1, group.size());
    result.digests.assign(group.size(), state.digest());
  }
  state.last_seq = Seq{group.back()->stamp()->seq()};
  state.last_time = TimeUs{group.back()->stamp()->time_us()};
  remember_key(state, group, result.applied, outcome);

  for (std::size_t i = 0; i < group.size() && !result.divergence; ++i) {
    result.divergence = divergence_of(*group[i], result.applied[i], result.digests[i]);
  }
  return result;
}

}  // namespace pawl
