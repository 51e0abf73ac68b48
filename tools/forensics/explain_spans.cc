// What lasts in a story: leases, jobs, steps, and a task's stay on a stage.
#include <algorithm>

#include "schema/subject.h"
#include "tools/forensics/explain_story.h"

namespace pawl {

void TimelineBuilder::close(StorySpan::Kind kind, const std::string& label, const AppliedRecord& item,
                            const std::string& how) {
  const auto open = open_spans_.find({kind, label});
  if (open == open_spans_.end()) return;
  StorySpan& last = spans_[open->second.back()];
  open->second.pop_back();
  if (open->second.empty()) open_spans_.erase(open);
  last.to = Seq{item.record.stamp()->seq()};
  last.ended = {item.record.stamp()->time_us()};
  last.how = how;
}

void TimelineBuilder::open(StorySpan span) {
  switch (span.kind) {
    case StorySpan::Kind::step:
      step_spans_[span.from] = spans_.size();
      break;
    case StorySpan::Kind::lease:
    case StorySpan::Kind::job:
      if (span.holds) {
        open_spans_[{span.kind, span.label}].push_back(spans_.size());
      } else {
        unheld_spans_.push_back(spans_.size());
      }
      break;
  }
  spans_.push_back(std::move(span));
}

void TimelineBuilder::follow_lease(const AppliedRecord& item, const fb::LeaseAcquired& event) {
  const RecordRef ref = ref_of(item.record);
  const Owner owner = owner_of(*event.owner());
  const std::string key = event.key()->str();
  const auto task = task_of_key(key);
  if (task && tasks_.contains(*task)) {
    paths_[*task] = {owner, event.edge() ? event.edge()->str() : std::string()};
  }
  for (const Effect& effect : item.applied.effects) {
    if (effect.kind != EffectKind::lease_granted || effect.token != raw(ref.seq)) continue;
    tokens_.insert(Token{effect.token});
    const std::size_t lane = lane_of(owner.actor, owner.boot_id);
    boots_.insert(context_.boot_name(owner.boot_id));
    boot_ids_.insert(owner.boot_id);
    open({StorySpan::Kind::lease, key, lane, ref.seq, ref.time, {}, {}, ""});
    return;
  }
  if (!item.applied.unchecked || event.token()) return;
  boot_ids_.insert(owner.boot_id);
  StorySpan span{StorySpan::Kind::lease, key, lane_of(owner.actor, owner.boot_id), ref.seq, ref.time, {}, {}, ""};
  span.holds = false;
  open(std::move(span));
}

/// Leases that keep no one out leave no trace in the state: they last until their owner gives one back, or moves or
/// blocks the task, or tries to.
void TimelineBuilder::leave_path(const AppliedRecord& item) {
  if (unheld_spans_.empty()) return;
  const fb::Record& record = item.record;
  const auto* released = record.event_as_LeaseReleased();
  if (!released && !record.event_as_StageTransition() && !record.event_as_TaskBlocked()) return;
  const std::size_t lane = lane_of(record.actor()->str(), record.boot()->str());
  std::erase_if(unheld_spans_, [&](std::size_t index) {
    StorySpan& span = spans_[index];
    if (span.lane != lane) return false;
    if (released && released->key()->string_view() != span.label) return false;
    span.to = Seq{record.stamp()->seq()};
    span.ended = {record.stamp()->time_us()};
    span.how = released ? "released" : "left";
    return true;
  });
}

/// The lease that stood in the way of a refused record, if it is nothing else in the story: a bar of its owner.
void TimelineBuilder::open_obstacle(const AppliedRecord& item, const State& state) {
  const Outcome outcome = item.applied.outcome;
  if (outcome != Outcome::lease_held && outcome != Outcome::stale_token && outcome != Outcome::lease_required) return;
  const Lease* lease = state.lease(lease_key_of({item.record, item.applied, context_, state}));
  if (!lease || tokens_.contains(lease->token) || !obstacles_.insert(lease->token).second) return;
  boot_ids_.insert(lease->owner.boot_id);
  open({StorySpan::Kind::lease,
        lease->key,
        lane_of(lease->owner.actor, lease->owner.boot_id),
        Seq{raw(lease->token)},
        lease->acquired,
        {},
        {},
        ""});
}

void TimelineBuilder::follow_obstacles(const AppliedRecord& item) {
  for (const Effect& effect : item.applied.effects) {
    if (effect.kind != EffectKind::lease_freed || obstacles_.erase(Token{effect.token}) == 0) continue;
    close(StorySpan::Kind::lease, effect.text, item, item.record.event_as_LeaseReleased() ? "released" : "reclaimed");
  }
}

void TimelineBuilder::follow_spans(const AppliedRecord& item) {
  leave_path(item);
  if (item.applied.outcome != Outcome::accepted) return;
  const fb::Record& record = item.record;
  const RecordRef ref = ref_of(record);
  const auto begin_span = [&](StorySpan::Kind kind, std::string label, std::size_t lane) {
    open({kind, std::move(label), lane, ref.seq, ref.time, {}, {}, ""});
  };
  if (const auto* event = record.event_as_LeaseAcquired()) follow_lease(item, *event);
  if (const auto* event = record.event_as_StageTransition()) paths_.erase(TaskId{event->task()});
  for (const Effect& effect : item.applied.effects) {
    if (effect.kind != EffectKind::lease_freed) continue;
    const char* how = record.event_as_LeaseReleased() ? "released" : "reclaimed";
    close(StorySpan::Kind::lease, effect.text, item, how);
    if (const auto task = task_of_key(effect.text)) paths_.erase(*task);
  }
  if (const auto* event = record.event_as_JobClaimed()) {
    const Owner owner = owner_of(*event->owner());
    boots_.insert(context_.boot_name(owner.boot_id));
    boot_ids_.insert(owner.boot_id);
    begin_span(StorySpan::Kind::job, "job " + std::to_string(event->job()), lane_of(owner.actor, owner.boot_id));
  }
  if (const auto* event = record.event_as_JobFinished()) {
    close(StorySpan::Kind::job, "job " + std::to_string(event->job()), item, fb::EnumNameJobResult(event->result()));
  }
  if (const auto* event = record.event_as_JobReaped()) {
    close(StorySpan::Kind::job, "job " + std::to_string(event->job()), item, "reaped");
  }
  if (const auto* event = record.event_as_StepStarted()) {
    begin_span(StorySpan::Kind::step, event->step()->str(), lane_of(record.actor()->str(), record.boot()->str()));
  }
  if (const auto* event = record.event_as_StepFinished()) {
    const auto found = step_spans_.find(Seq{event->started()});
    if (found == step_spans_.end()) return;
    StorySpan& step = spans_[found->second];
    step.to = ref.seq;
    step.ended = ref.time;
    step.how = fb::EnumNameStepOutcome(event->outcome());
  }
}

void TimelineBuilder::follow_interval(const AppliedRecord& item) {
  for (const TaskId id : context_.take_moved()) begin_interval(id, Seq{item.record.stamp()->seq()});
}

void TimelineBuilder::begin_interval(TaskId id, std::optional<Seq> at) {
  const TaskSeen* task = context_.task(id);
  if (!task) return;
  const auto [last, is_first] = last_interval_.try_emplace(id, intervals_.size());
  if (!is_first) {
    StageSpan& before = intervals_[last->second];
    if (before.version == task->version) return;
    before.to = at;
    last->second = intervals_.size();
  }
  intervals_.push_back({id, task->stage, task->version, task->entered.seq, task->entered.time, {}});
}

/// Follows what the boots of the subject are, hold and run.
void TimelineBuilder::follow_boot(const AppliedRecord& item) {
  if (!subject_.boot || item.applied.outcome != Outcome::accepted) return;
  const fb::Record& record = item.record;
  const auto is_own = [&](const fb::Owner& owner) { return own_boots_.contains(owner.boot_id()->str()); };
  if (const auto* started = record.event_as_BootStarted()) {
    const bool is_its = subject_.boot == started->boot_id()->str() || subject_.boot == started->name()->str();
    if (is_its) own_boots_.insert(started->boot_id()->str());
  }
  if (const auto* claimed = record.event_as_JobClaimed(); claimed && is_own(*claimed->owner())) {
    own_jobs_.insert(JobId{claimed->job()});
  }
  const bool ends_job = record.event_as_JobFinished() || record.event_as_JobReaped() || record.event_as_ClaimReturned();
  if (const Subject subject = subject_of(record); ends_job && subject.job) own_jobs_.erase(*subject.job);
  const auto* acquired = record.event_as_LeaseAcquired();
  for (const Effect& effect : item.applied.effects) {
    if (effect.kind == EffectKind::lease_granted && acquired && is_own(*acquired->owner())) {
      own_keys_.insert(acquired->key()->str());
    }
    if (effect.kind == EffectKind::lease_freed) own_keys_.erase(effect.text);
    if (effect.kind == EffectKind::job_cancelled) own_jobs_.erase(JobId{effect.id});
  }
}

}  // namespace pawl
