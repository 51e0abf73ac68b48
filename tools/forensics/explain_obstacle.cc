// Who or what stood in the way of what was refused.
#include "schema/proposal.h"
#include "tools/commands/output.h"
#include "tools/forensics/explain_words.h"

namespace pawl {
namespace {

std::string lease_key_of(const Scene& scene) {
  const Bearings bearings = bearings_of(scene.record);
  if (bearings.key) return *bearings.key;
  if (bearings.task) return task_key(*bearings.task);
  const JobSeen* job = bearings.job ? scene.memory.job(*bearings.job) : nullptr;
  return job ? task_key(job->task) : std::string();
}

void add_holder(const Scene& scene, Told& told) {
  const std::string key = lease_key_of(scene);
  const Lease* lease = scene.state.lease(key);
  if (!lease) {
    if (!key.empty()) told.notes.emplace_back("nobody held " + key);
    return;
  }
  told.notes.push_back(key + " was held by " + in_words(scene.memory, lease->owner) + " since record " +
                       std::to_string(raw(lease->token)) + ", " + span_of(lease->acquired, scene.now()) + " before");
  told.because.push_back(Seq{raw(lease->token)});
}

void add_place(const Scene& scene, const TaskSeen& task, Told& told) {
  told.notes.emplace_back("the task was at version " + std::to_string(raw(task.version)) + " on " + task.stage +
                          " by then, by " + by_record(task.entered, scene.now()));
  point_to(told, task.entered);
}

/// The step of the task that was open, or done, by then.
void add_step(const Scene& scene, StepState state, Told& told) {
  const auto task_id = bearings_of(scene.record).task;
  const Task* task = task_id ? scene.state.tasks.find(*task_id) : nullptr;
  const auto* wanted = scene.record.event_as_StepStarted();
  for (const StepRow& row : task ? task->steps : std::vector<StepRow>()) {
    const StepSeen* step = scene.memory.step(row.started);
    const bool is_wanted = wanted && wanted->step()->str() == row.step && wanted->version() == raw(row.version);
    const bool is_it = row.state == state && (state == StepState::started || is_wanted);
    if (!is_it || !step) continue;
    told.notes.emplace_back("the step " + row.step + " had been started by " + by_record(step->started, scene.now()) +
                            (state == StepState::started ? ", and nobody had said how it ended" : ", and was done"));
    point_to(told, step->started);
    return;
  }
}

}  // namespace

void add_obstacle(const Scene& scene, Told& told) {
  const Bearings bearings = bearings_of(scene.record);
  const JobSeen* job = bearings.job ? scene.memory.job(*bearings.job) : nullptr;
  const auto task_id = bearings.task ? bearings.task : job ? std::optional(job->task) : std::nullopt;
  const TaskSeen* task = task_id ? scene.memory.task(*task_id) : nullptr;
  const auto add_deed = [&](const std::string& what, const Deed& deed) {
    told.notes.push_back(what + ", by " + by_record(deed, scene.now()));
    point_to(told, deed);
  };
  switch (scene.applied.outcome) {
    case Outcome::lease_held:
    case Outcome::stale_token:
    case Outcome::not_held:
    case Outcome::lease_required:
      return add_holder(scene, told);
    case Outcome::version_conflict:
    case Outcome::terminal:
    case Outcome::no_such_edge:
    case Outcome::superseded:
      if (task) add_place(scene, *task, told);
      return;
    case Outcome::committed:
      if (task) add_deed("the irreversible step of the crossing had begun", task->committed);
      return;
    case Outcome::blocked:
      if (task) add_deed("the task was blocked as " + task->blocked, task->blocked_by);
      return;
    case Outcome::cancel_requested:
      if (task) add_deed("its cancellation was asked for", task->cancel_asked);
      return;
    case Outcome::stale_boot:
      if (const Deed* end = scene.memory.boot_end(scene.record.boot()->str())) add_deed("its boot was dead", *end);
      return;
    case Outcome::not_running:
    case Outcome::stale_attempt:
      if (job && job->ended.seq != Seq{}) add_deed("that attempt had ended", job->ended);
      return;
    case Outcome::not_queued:
      if (job && job->claimed.seq != Seq{}) add_deed("it was claimed", job->claimed);
      return;
    case Outcome::outcome_unknown:
      return add_step(scene, StepState::started, told);
    case Outcome::already_done:
      return add_step(scene, StepState::done, told);
    case Outcome::steps_unfinished:
      told.notes.emplace_back("not all steps of that edge were done at this version");
      return;
    case Outcome::duplicate_work_item:
    case Outcome::relaunch:
      told.notes.emplace_back("that work item had a live task");
      return;
    case Outcome::serial_gate:
      told.notes.emplace_back("another job of the same repository was running");
      return;
    case Outcome::limit:
      told.notes.emplace_back("as many jobs as may were running");
      return;
    case Outcome::dependency:
      told.notes.emplace_back("a task that it waits for was not finished");
      return;
    case Outcome::skipped:
      told.notes.emplace_back("another record of its group was refused");
      return;
    case Outcome::accepted:
    case Outcome::unknown_task:
    case Outcome::unknown_job:
    case Outcome::unknown_boot:
    case Outcome::reserved_name:
    case Outcome::duplicate_boot_id:
    case Outcome::bad_pipeline:
    case Outcome::unknown_setting:
    case Outcome::bad_value:
    case Outcome::unknown_pipeline:
    case Outcome::unknown_stage:
    case Outcome::no_agent:
    case Outcome::already_queued:
    case Outcome::no_such_step:
    case Outcome::not_started:
    case Outcome::not_blocked:
      if (!scene.applied.detail.empty()) told.notes.push_back(scene.applied.detail);
      return;
  }
}

std::string by_record(const Deed& deed, TimeUs now) {
  if (deed.seq == Seq{}) return "before this log begins";
  return deed.actor + "'s record " + std::to_string(raw(deed.seq)) + ", " + span_of(deed.time, now) + " before";
}

void point_to(Told& told, const Deed& deed) {
  if (deed.seq != Seq{}) told.because.push_back(deed.seq);
}

std::string in_words(const Memory& memory, const Owner& owner) {
  const std::string boot = memory.boot_name(owner.boot_id);
  return owner.actor + (boot == daemon_name ? "" : " of " + boot) + " (pid " + std::to_string(owner.pid) + ')';
}

std::string span_of(TimeUs from, TimeUs to) {
  const std::int64_t us = to.us > from.us ? to.us - from.us : 0;
  if (us == 0) return "0 s";
  if (us < us_per_s) return std::to_string((us + 999) / 1000) + " ms";
  return duration(us);
}

}  // namespace pawl
