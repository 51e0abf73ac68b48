#include "engine/rules/apply.h"

#include "engine/rules/rules.h"
#include "schema/event.h"
#include "schema/subject.h"

namespace pawl {
namespace {

bool is_registered(const State& state, std::string_view boot_id) {
  return state.boots.find(boot_id) != nullptr;
}

/// Whether the id or boot in the field was ever assigned or registered.
Outcome known_outcome(const State& state, const flatbuffers::Table& event, const KnownField& known) {
  const FieldLayout& field = *known.field;
  switch (known.names) {
    case KnownField::Names::task:
      if (field.type == FieldLayout::Type::integer) {
        return state.given_out(TaskId{static_cast<std::uint64_t>(integer_of(event, field))}) ? Outcome::accepted
                                                                                             : Outcome::unknown_task;
      }
      for (std::uint32_t i = 0; i < size_of(event, field); ++i) {
        const TaskId task{static_cast<std::uint64_t>(integer_at(event, field, i))};
        if (!state.given_out(task)) return Outcome::unknown_task;
      }
      return Outcome::accepted;
    case KnownField::Names::job:
      return state.given_out(JobId{static_cast<std::uint64_t>(integer_of(event, field))}) ? Outcome::accepted
                                                                                          : Outcome::unknown_job;
    case KnownField::Names::lease: {
      const auto task = task_of_key(text_of(event, field));
      return !task || state.given_out(*task) ? Outcome::accepted : Outcome::unknown_task;
    }
    case KnownField::Names::boot:
      return is_registered(state, text_of(event, field)) ? Outcome::accepted : Outcome::unknown_boot;
    case KnownField::Names::owner:
      return is_registered(state, owner_in(event, field).boot_id()->string_view()) ? Outcome::accepted
                                                                                   : Outcome::unknown_boot;
  }
  return Outcome::accepted;
}

/// Checks the ids in the event: one that was never assigned is refused before anything else.
Outcome ids_outcome(const State& state, const fb::Record& record) {
  const auto& event = *static_cast<const flatbuffers::Table*>(record.event());
  for (const KnownField& known : known_fields(record.event_type())) {
    if (!has(event, *known.field)) continue;
    if (const Outcome outcome = known_outcome(state, event, known); outcome != Outcome::accepted) return outcome;
  }
  return Outcome::accepted;
}

/// Events that the machine adds when the last boot ends: then only a stale boot is left to propose them. They do not
/// rest on that boot's word: each follows from the state alone, and is never true between two groups.
bool follows_from_state(const State& state, const fb::Record& record) {
  const auto is_stale = [&](const Owner& owner) { return state.boots.find(owner.boot_id)->stale; };
  if (const auto* reclaimed = record.event_as_LeaseReclaimed()) {
    const Lease* lease = state.lease(reclaimed->key()->string_view());
    return reclaimed->reason() == fb::ReclaimReason::stale_boot && lease && is_stale(lease->owner);
  }
  if (const auto* reaped = record.event_as_JobReaped()) {
    const Job* job = state.jobs.find(JobId{reaped->job()});
    return reaped->tier() == fb::Tier::restart && job && job->status == JobStatus::running && is_stale(job->run->owner);
  }
  if (const auto* cancelled = record.event_as_TaskCancelled()) {
    const TaskId id{cancelled->task()};
    return state.indexes.cancel_standing.contains(id) && !state.lease(task_key(id)) && !state.running_job(id) &&
           !is_committed(*state.tasks.find(id));
  }
  return false;
}

/// Whether the principal may act for the boots behind the event. The daemon's boot proposes for requesters without a
/// boot, but holds and runs nothing for them.
bool are_its_own(const RuleContext& context, const fb::Record& record) {
  const Boot& proposer = *context.state.boots.find(context.boot);
  if (proposer.name != daemon_name && !acts_for(context, proposer)) return false;
  const fb::Owner* owner = subject_of(record).owner;
  return !owner || acts_for(context, *context.state.boots.find(owner->boot_id()->string_view()));
}

/// Whether the boots behind the event may still act. A holder's boot is never stale, so an owner's is checked like the
/// proposer's.
Outcome boots_outcome(const State& state, const fb::Record& record) {
  if (const auto* start = record.event_as_BootStarted()) {
    // The daemon's first record is its own boot.
    if (start->name()->string_view() == daemon_name &&
        start->boot_id()->string_view() == record.boot()->string_view()) {
      return Outcome::accepted;
    }
  }
  // No daemon is running while a log is restored.
  if (record.event_type() == fb::Event::LogRestored) return Outcome::accepted;
  const Boot* proposer = state.boots.find(record.boot()->string_view());
  if (!proposer) return Outcome::unknown_boot;
  const bool is_fact = record.event_type() == fb::Event::RunExited || record.event_type() == fb::Event::StepFinished;
  if (proposer->stale && !is_fact && !follows_from_state(state, record)) return Outcome::stale_boot;
  const fb::Owner* owner = subject_of(record).owner;
  if (owner && state.boots.find(owner->boot_id()->string_view())->stale) return Outcome::stale_boot;
  return Outcome::accepted;
}

}  // namespace

RuleContext context_of(State& state, const fb::Record& record, IsLastSetting is_last_setting, Applied& applied) {
  const fb::Stamp& stamp = *record.stamp();
  return {.state = state,
          .seq = Seq{stamp.seq()},
          .group = Seq{stamp.group()},
          .now = TimeUs{stamp.time_us()},
          .rules = stamp.rules(),
          .boot = record.boot()->string_view(),
          .actor = record.actor()->string_view(),
          .principal = record.principal() ? record.principal()->string_view() : std::string_view(),
          .is_last_setting = is_last_setting,
          .applied = applied};
}

Applied apply(State& state, const fb::Record& record, IsLastSetting is_last_setting) {
  Applied applied;
  applied.outcome = ids_outcome(state, record);
  if (applied.outcome == Outcome::accepted) applied.outcome = boots_outcome(state, record);
  if (applied.outcome == Outcome::accepted) {
    RuleContext context = context_of(state, record, is_last_setting, applied);
    if (!context.principal.empty() && !are_its_own(context, record)) {
      applied.outcome = Outcome::not_yours;
      return applied;
    }
    applied.outcome = with_event(record, [&context](const auto& event) { return apply_event(context, event); });
  }
  PAWL_ASSERT(applied.outcome == Outcome::accepted || applied.effects.empty());
  return applied;
}

namespace {

bool is_by_the_daemons_boot(const RuleContext& context) {
  const Boot* proposer = context.state.boots.find(context.boot);
  return proposer && proposer->name == daemon_name;
}

}  // namespace

bool is_daemon(const RuleContext& context) {
  return context.principal.empty() && is_by_the_daemons_boot(context);
}

bool is_guest(const RuleContext& context) {
  return !context.principal.empty() && is_by_the_daemons_boot(context);
}

bool acts_for(const RuleContext& context, const Boot& boot) {
  return belongs_to(boot, context.principal);
}

/// The sequencer's count of refusals, for people: it has no consequences.
Outcome apply_event(RuleContext&, const fb::RefusalsFolded&) {
  return Outcome::accepted;
}

}  // namespace pawl
