// Which records belong to a story.
#include <algorithm>

#include "engine/state/holds.h"
#include "schema/subject.h"
#include "tools/forensics/explain_setting.h"
#include "tools/forensics/explain_story.h"

namespace pawl {
namespace {

bool is_about_a_lease(Outcome outcome) {
  return outcome == Outcome::lease_held || outcome == Outcome::lease_required || outcome == Outcome::stale_token ||
         outcome == Outcome::not_held;
}

/// What the story of a repository tells of its tasks: what takes leases and runs into them, not the work of agents.
bool is_of_deliveries(fb::Event type) {
  switch (type) {
    case fb::Event::TaskCreated:
    case fb::Event::StageTransition:
    case fb::Event::LeaseAcquired:
    case fb::Event::LeaseReleased:
    case fb::Event::LeaseReclaimed:
    case fb::Event::JobReaped:
    case fb::Event::GateEvaluated:
    case fb::Event::StepStarted:
    case fb::Event::StepFinished:
    case fb::Event::TaskBlocked:
    case fb::Event::TaskUnblocked:
    case fb::Event::CancelRequested:
    case fb::Event::TaskCancelled:
    case fb::Event::RefusalsFolded:
    case fb::Event::LogRestored:
    case fb::Event::RepoDeclared:
    case fb::Event::RepoRemoved:
    case fb::Event::HoldPlaced:
    case fb::Event::HoldLifted:
    case fb::Event::HoldOverridden:
    case fb::Event::ApprovalAsked:
    case fb::Event::ApprovalGiven:
      return true;
    default:
      return false;
  }
}

/// Compares entries and seqs: the entries are in that order.
struct BySeq {
  bool operator()(const StoryEntry& left, Seq right) const { return left.seq < right; }
  bool operator()(Seq left, const StoryEntry& right) const { return left < right.seq; }
};

}  // namespace

/// Keeps all settings, since they are few; a log may be full of boots, so only those whose names occur in the story.
bool TimelineBuilder::may_bear_on_it(const fb::Record& record) const {
  if (const auto* started = record.event_as_BootStarted()) return boots_.contains(started->name()->str());
  if (const auto* ended = record.event_as_BootEnded()) {
    return boots_.contains(context_.boot_name(ended->boot_id()->str()));
  }
  return record.event_as_SettingChanged() != nullptr;
}

bool TimelineBuilder::creates_a_task(const AppliedRecord& item) const {
  const auto* created = item.record.event_as_TaskCreated();
  return created && std::any_of(item.applied.effects.begin(), item.applied.effects.end(), [&](const Effect& effect) {
           return effect.kind == EffectKind::task &&
                  (subject_.task == TaskId{effect.id} || subject_.work_item == created->work_item()->string_view() ||
                   subject_.repo == created->repo()->string_view() || tasks_.contains(TaskId{effect.id}));
         });
}

bool TimelineBuilder::concerns(const AppliedRecord& item, const State& state) const {
  if (const auto* folded = item.record.event_as_RefusalsFolded()) return is_folded_into_it(*folded);
  if (subject_.setting) {
    const auto* changed = item.record.event_as_SettingChanged();
    if (changed) return changed->key()->string_view() == *subject_.setting;
    return rests_on(*subject_.setting, {item.record, item.applied, context_, state});
  }
  if (subject_.boot) return concerns_the_boot(item);
  if (subject_.is_of_key()) return concerns_the_key(item, state);
  return concerns_a_task(item.record) || holds_a_task(item.record, state);
}

/// Whether a place that is held, or held no longer, is one of a task of the story.
bool TimelineBuilder::holds_a_task(const fb::Record& record, const State& state) const {
  const auto* placed = record.event_as_HoldPlaced();
  const auto* lifted = record.event_as_HoldLifted();
  const auto* planned = record.event_as_FreezePlanned();
  if (!placed && !lifted && !planned) return false;
  const std::string place = planned ? place_of_pipeline(planned->pipeline()->string_view())
                                    : (placed ? placed->place() : lifted->place())->str();
  return std::any_of(tasks_.begin(), tasks_.end(), [&](TaskId id) {
    const Task* task = state.tasks.find(id);
    return task && !is_terminal(task->stage) && is_place_of(state, *task, place);
  });
}

/// Whether the record is told, not only followed.
bool TimelineBuilder::is_told(const AppliedRecord& item) const {
  if (!subject_.repo || is_of_deliveries(item.record.event_type())) return true;
  return std::any_of(item.applied.effects.begin(), item.applied.effects.end(), [](const Effect& effect) {
    return effect.kind == EffectKind::blocked || effect.kind == EffectKind::lease_freed;
  });
}

bool TimelineBuilder::is_folded_into_it(const fb::RefusalsFolded& event) const {
  return std::binary_search(entries_.begin(), entries_.end(), Seq{event.seq()}, BySeq());
}

bool TimelineBuilder::frees_its_own(const AppliedRecord& item) const {
  return std::any_of(item.applied.effects.begin(), item.applied.effects.end(), [&](const Effect& effect) {
    const bool is_lease = effect.kind == EffectKind::lease_freed && own_keys_.contains(effect.text);
    return is_lease || (effect.kind == EffectKind::job_cancelled && own_jobs_.contains(JobId{effect.id}));
  });
}

bool TimelineBuilder::concerns_the_boot(const AppliedRecord& item) const {
  const fb::Record& record = item.record;
  if (const auto* started = record.event_as_BootStarted()) {
    const std::string name = started->name()->str();
    const bool is_its = subject_.boot == started->boot_id()->string_view() || subject_.boot == name;
    const bool ends_it = item.applied.outcome == Outcome::accepted && own_boots_.contains(context_.boot_in_force(name));
    return is_its || ends_it;
  }
  if (const auto* ended = record.event_as_BootEnded()) return own_boots_.contains(ended->boot_id()->str());
  const Subject subject = subject_of(record);
  // People and webhooks speak through the daemon's boot.
  const bool is_of_others = context_.boot_name(record.boot()->str()) == daemon_name && record.principal();
  const bool is_by_it = own_boots_.contains(record.boot()->str()) && !is_of_others;
  const bool is_step = record.event_as_StepStarted() || record.event_as_StepFinished();
  if (is_by_it && (item.applied.outcome != Outcome::accepted || is_step)) return true;
  if (subject.owner && own_boots_.contains(subject.owner->boot_id()->str())) return true;
  if (subject.job && own_jobs_.contains(*subject.job)) return true;
  const bool is_of_lease = subject.lease && subject.token && tokens_.contains(*subject.token);
  return is_of_lease || frees_its_own(item);
}

bool TimelineBuilder::concerns_the_key(const AppliedRecord& item, const State& state) const {
  const Subject subject = subject_of(item.record);
  if (subject.lease == *subject_.key) return true;
  const auto frees_it = [&](const Effect& effect) {
    return effect.kind == EffectKind::lease_freed && effect.text == *subject_.key;
  };
  if (std::any_of(item.applied.effects.begin(), item.applied.effects.end(), frees_it)) return true;
  if (!is_about_a_lease(item.applied.outcome)) return false;
  const std::optional<TaskId> task = task_of(subject);
  if (task && task_key(*task) == *subject_.key) return true;
  // A step may need the lease on its repository too.
  const Task* row = task && item.record.event_as_StepStarted() ? state.tasks.find(*task) : nullptr;
  return row && repo_key(row->repo) == *subject_.key;
}

bool TimelineBuilder::concerns_a_task(const fb::Record& record) const {
  if (const auto* created = record.event_as_TaskCreated()) {
    return Outcome{record.stamp()->outcome()} != Outcome::accepted && concerns(*created);
  }
  const Subject subject = subject_of(record);
  if (subject_.repo && subject.repo == *subject_.repo) return true;
  if (subject_.repo && subject.lease == repo_key(*subject_.repo)) return true;
  const std::optional<TaskId> task = task_of(subject);
  if (task && tasks_.contains(*task)) return true;
  if (subject.job) return context_.job(*subject.job) || subject_.job == subject.job;
  if (!subject.lease || task) return false;
  if (subject.lease == subject_.key) return true;
  if (subject.token) return tokens_.contains(*subject.token);
  const auto* acquired = record.event_as_LeaseAcquired();
  return acquired && concerns(*acquired);
}

/// Whether a record that is in a group with the story's own is about its leases or its repository.
bool TimelineBuilder::touches(const fb::Record& record) const {
  const Subject subject = subject_of(record);
  const auto is_its_repo = [&](std::string_view repo) {
    if (subject_.repo) return subject_.repo == repo;  // and so is every task's
    return std::any_of(tasks_.begin(), tasks_.end(), [&](TaskId id) {
      const TaskSeen* task = context_.task(id);
      return task && task->repo == repo;
    });
  };
  if (subject.repo && is_its_repo(*subject.repo)) return true;
  if (!subject.lease) return false;
  if (own_keys_.contains(std::string(*subject.lease))) return true;
  return subject.lease->starts_with(repo_prefix) && is_its_repo(subject.lease->substr(repo_prefix.size()));
}

/// A refused request for the same work item.
bool TimelineBuilder::concerns(const fb::TaskCreated& event) const {
  if (subject_.repo) return subject_.repo == event.repo()->string_view();
  return std::any_of(context_.tasks().begin(), context_.tasks().end(), [&](const auto& task) {
    return task.second.work_item == event.work_item()->string_view() && task.second.repo == event.repo()->string_view();
  });
}

/// Whether a lease on something else was taken for one of the tasks: together with the task's own, or by the owner that
/// is moving it. No record says for which task a repository is locked.
bool TimelineBuilder::concerns(const fb::LeaseAcquired& event) const {
  if (leased_in_group_) return tasks_.contains(*leased_in_group_);
  const Owner owner = owner_of(*event.owner());
  return std::any_of(paths_.begin(), paths_.end(), [&](const auto& each) {
    const auto& [id, path] = each;
    const TaskSeen* task = context_.task(id);
    return task && event.key()->string_view() == repo_key(task->repo) && path.owner == owner && event.edge() &&
           event.edge()->string_view() == path.edge;
  });
}

}  // namespace pawl
