#include "tools/forensics/explain_context.h"

#include "engine/json/state_json.h"
#include "schema/subject.h"

namespace pawl {
namespace {

std::string text_of(const flatbuffers::String* text) {
  return text ? text->str() : std::string();
}

}  // namespace

RecordRef ref_of(const fb::Record& record) {
  return {Seq{record.stamp()->seq()}, {record.stamp()->time_us()}, record.actor()->str(), boot_of(record)};
}

std::string boot_of(const fb::Record& record) {
  const auto* started = record.event_as_BootStarted();
  return started ? started->boot_id()->str() : record.boot()->str();
}

Owner owner_of(const fb::Owner& owner) {
  return {owner.boot_id()->str(), owner.pid(), owner.actor()->str()};
}

void StoryContext::begin(const State& state) {
  for (const auto& [id, boot] : state.boots.rows()) {
    boots_[id] = {boot.name, boot.host};
    if (!boot.stale) boot_in_force_[boot.name] = id;
  }
  for (const auto& [key, row] : state.settings_changed.rows()) append_json(setting_values_[key], row.value);
  deciding_.begin(state);
}

void StoryContext::know(const State& state, TaskId id) {
  const Task* row = state.tasks.find(id);
  if (!row) return;
  moved_.insert(id);
  TaskSeen& task = tasks_[id];
  task = {.work_item = row->work_item,
          .repo = row->repo,
          .branch = row->branch,
          .stage = row->stage,
          .version = row->version,
          .entered = {row->last.seq, row->entered, row->last.actor, row->last.boot},
          .blocked = row->blocked,
          .blocked_by = {},
          .cancel_asked = {},
          .committed = {},
          .gate = {},
          .step_end = {}};
  const auto& jobs = state.indexes.jobs_of_task;
  for (auto at = jobs.lower_bound({id, JobId{0}}); at != jobs.end() && at->first == id; ++at) {
    const JobId job_id = at->second;
    const Job& job = *state.jobs.find(job_id);
    JobSeen& seen = jobs_[job_id];
    seen.task = id;
    seen.attempt = job.attempts;
    seen.queued.time = job.queued;
    if (!job.run) continue;
    seen.claimed = {Seq{}, job.run->claimed, job.run->owner.actor};
    if (job.run->started) seen.started.time = *job.run->started;
    if (job.run->exited) seen.exited.time = *job.run->exited;
  }
  if (const Lease* lease = state.lease(task_key(id))) {
    leases_[lease->token] = {lease->key, lease->owner, {Seq{raw(lease->token)}, lease->acquired, lease->owner.actor}};
  }
}

void StoryContext::add_circumstance(const fb::Record& record, const Applied& applied, const State& state) {
  if (applied.outcome != Outcome::accepted) return;
  deciding_.see(record, applied, state);
  const RecordRef ref = ref_of(record);
  if (const auto* changed = record.event_as_SettingChanged()) {
    settings_[changed->key()->str()] = ref;
    std::string& value = setting_values_[changed->key()->str()];
    value.clear();
    append_json(value, setting_value_from(*changed->value()));
  }
  if (const auto* ended = record.event_as_BootEnded()) boot_ends_.try_emplace(ended->boot_id()->str(), ref);
  if (const auto* started = record.event_as_BootStarted()) {
    const std::string id = started->boot_id()->str();
    std::string& in_force = boot_in_force_[started->name()->str()];
    if (!in_force.empty() && in_force != id) boot_ends_.try_emplace(in_force, ref);
    in_force = id;
    boots_[id] = {started->name()->str(), started->host()->str()};
  }
}

std::string StoryContext::boot_name(const std::string& boot_id) const {
  const BootSeen* known = boot(boot_id);
  return known ? known->name : boot_id;
}

std::string StoryContext::boot_in_force(const std::string& name) const {
  const std::string* id = find(boot_in_force_, name);
  return id ? *id : std::string();
}

std::string StoryContext::setting_value(const std::string& key) const {
  if (const std::string* value = find(setting_values_, key)) return *value;
  std::string value;
  if (const SettingKey* setting = setting_named(key)) append_json(value, setting->get(Settings()));
  return value;
}

void StoryContext::add(const fb::Record& record, Outcome outcome, const Effects& effects, const State& state) {
  if (outcome != Outcome::accepted) return;
  const RecordRef ref = ref_of(record);
  add_event(record, ref, state);
  add_effects(record, ref, effects, state);
}

void StoryContext::leaves(TaskId id, const std::string& to, const RecordRef& ref) {
  moved_.insert(id);
  TaskSeen& task = tasks_[id];
  task.stage = to;
  task.version = next(task.version);
  task.entered = ref;
  task.committed = task.gate = task.step_end = {};
}

void StoryContext::add_event(const fb::Record& record, const RecordRef& ref, const State& state) {
  const Subject subject = subject_of(record);
  const std::optional<TaskId> task_id = task_of(subject);
  TaskSeen* task = task_id && tasks_.contains(*task_id) ? &tasks_[*task_id] : nullptr;
  JobSeen* job = subject.job && jobs_.contains(*subject.job) ? &jobs_[*subject.job] : nullptr;
  if (const auto* event = record.event_as_StageTransition(); event && task) leaves(*task_id, event->to()->str(), ref);
  if (record.event_as_TaskCancelled() && task) leaves(*task_id, "cancelled", ref);
  if (const auto* event = record.event_as_LogRestored()) {
    for (auto& [id, seen] : tasks_) {
      if (is_terminal(seen.stage)) continue;
      moved_.insert(id);
      seen.version = Version{raw(seen.version) + event->next_seq() - event->from()};
      seen.gate = {};
    }
  }
  if (record.event_as_CancelRequested() && task) task->cancel_asked = ref;
  if (record.event_as_GateEvaluated() && task) task->gate = ref;
  if (record.event_as_TaskUnblocked() && task) task->blocked.clear();
  if (const auto* event = record.event_as_StepStarted(); event && task) {
    steps_[ref.seq] = {event->step()->str(), ref};
    const Task* row = state.tasks.find(*task_id);
    for (const StepRow& step : row ? row->steps : std::vector<StepRow>()) {
      if (step.started == ref.seq && step.irreversible && step.version == task->version) task->committed = ref;
    }
  }
  if (const auto* event = record.event_as_StepFinished(); event && task) {
    task->step_end = ref;
    if (task->committed.seq == Seq{event->started()} && event->outcome() != fb::StepOutcome::done) task->committed = {};
  }
  if (const auto* event = record.event_as_LeaseAcquired(); event && !event->token()) {
    leases_[Token{raw(ref.seq)}] = {event->key()->str(), owner_of(*event->owner()), ref};
  }
  if (!job) return;
  if (record.event_as_JobClaimed()) {
    job->claimed = ref;
    job->started = job->exited = job->ended = {};
    ++job->attempt;
  }
  if (record.event_as_RunStarted()) job->started = ref;
  if (record.event_as_RunExited()) job->exited = ref;
  if (record.event_as_JobFinished() || record.event_as_JobReaped()) job->ended = ref;
}

void StoryContext::add_effects(const fb::Record& record, const RecordRef& ref, const Effects& effects,
                               const State& state) {
  std::optional<TaskId> task = task_of(subject_of(record));
  for (const Effect& effect : effects) {
    if (effect.kind == EffectKind::task) {
      const auto& event = *record.event_as_TaskCreated();
      task = TaskId{effect.id};
      const Task* row = state.tasks.find(*task);
      moved_.insert(*task);
      tasks_[*task] = {.work_item = event.work_item()->str(),
                       .repo = event.repo()->str(),
                       .branch = text_of(event.branch()),
                       .stage = row && row->version == Version{1} ? row->stage : text_of(event.stage()),
                       .version = Version{1},
                       .entered = ref,
                       .blocked = "",
                       .blocked_by = {},
                       .cancel_asked = {},
                       .committed = {},
                       .gate = {},
                       .step_end = {}};
    }
    // After a restore, every task's effects begin with its block.
    if (effect.kind == EffectKind::blocked && record.event_as_LogRestored()) task = TaskId{effect.id};
    if (effect.kind == EffectKind::job_queued && task) {
      jobs_[JobId{effect.id}].task = *task;
      jobs_[JobId{effect.id}].queued = ref;
    }
    if (effect.kind == EffectKind::job_cancelled && jobs_.contains(JobId{effect.id})) {
      jobs_[JobId{effect.id}].ended = ref;
    }
    if (effect.kind == EffectKind::blocked && tasks_.contains(TaskId{effect.id})) {
      tasks_[TaskId{effect.id}].blocked = effect.text;
      tasks_[TaskId{effect.id}].blocked_by = ref;
    }
  }
}

}  // namespace pawl
