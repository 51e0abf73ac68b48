// Who or what caused a refusal.
#include "schema/proposal.h"
#include "schema/subject.h"
#include "tools/forensics/explain_words.h"
#include "tools/forensics/text_forms.h"

namespace pawl {
namespace {

void add_holder(const Scene& scene, Narration& narration) {
  const std::string key = lease_key_of(scene);
  const Lease* lease = scene.state.lease(key);
  if (!lease) {
    if (!key.empty()) narration.notes.emplace_back(key + " was not held");
    return;
  }
  narration.notes.push_back(key + " was held by " + in_words(lease->owner) + " since record " +
                            std::to_string(raw(lease->token)) + ", " + span_of(lease->acquired, scene.now()) +
                            " before");
  narration.because.push_back(Seq{raw(lease->token)});
}

void add_place(const Scene& scene, const TaskSeen& task, Narration& narration) {
  narration.notes.emplace_back("the task was at version " + std::to_string(raw(task.version)) + " on " + task.stage +
                               " by then, by " + by_record(task.entered, scene.now()));
  point_to(narration, task.entered);
}

/// The step of the task that was open or done by then.
void add_step(const Scene& scene, StepState state, Narration& narration) {
  const auto task_id = task_of(subject_of(scene.record));
  const Task* task = task_id ? scene.state.tasks.find(*task_id) : nullptr;
  const auto* wanted = scene.record.event_as_StepStarted();
  for (const StepRow& row : task ? task->steps : std::vector<StepRow>()) {
    const StepSeen* step = scene.context.step(row.started);
    const bool is_wanted = wanted && wanted->step()->str() == row.step && wanted->version() == raw(row.version);
    const bool is_it = row.state == state && (state == StepState::started || is_wanted);
    if (!is_it || !step) continue;
    narration.notes.emplace_back(
        "the step " + row.step + " had been started by " + by_record(step->started, scene.now()) +
        (state == StepState::started ? ", and its outcome was not reported" : ", and was done"));
    point_to(narration, step->started);
    return;
  }
}

/// A refusal, and what is known of its cause.
struct Refused {
  const Scene& scene;
  Narration& narration;
  const JobSeen* job = nullptr;
  const TaskSeen* task = nullptr;

  void ref(const std::string& what, const RecordRef& ref) const {
    narration.notes.push_back(what + ", by " + by_record(ref, scene.now()));
    point_to(narration, ref);
  }
};

struct Obstacle {
  Outcome outcome;
  std::string_view note;                  // always added, unless empty
  void (*add)(const Refused&) = nullptr;  // adds what this log shows
};

void tell_holder(const Refused& refused) {
  add_holder(refused.scene, refused.narration);
}
void tell_place(const Refused& refused) {
  if (refused.task) add_place(refused.scene, *refused.task, refused.narration);
}
void tell_end_of_attempt(const Refused& refused) {
  if (refused.job && refused.job->ended.seq != Seq{}) refused.ref("that attempt had ended", refused.job->ended);
}

/// For a refusal that is not listed, the story shows its detail, if it has one.
/// The machine's own words.
void tell_detail(const Refused& it) {
  if (!it.scene.applied.detail.empty()) it.narration.notes.push_back(it.scene.applied.detail);
}

const std::vector<Obstacle>& obstacles() {
  static const std::vector<Obstacle> all{
      {Outcome::lease_held, {}, tell_holder},
      {Outcome::stale_token, {}, tell_holder},
      {Outcome::not_held, {}, tell_holder},
      {Outcome::lease_required, {}, tell_holder},
      {Outcome::version_conflict, {}, tell_place},
      {Outcome::terminal, {}, tell_place},
      {Outcome::no_such_edge, {}, tell_place},
      {Outcome::superseded, {}, tell_place},
      {Outcome::committed,
       {},
       [](const Refused& it) {
         if (it.task) it.ref("the irreversible step of the crossing had begun", it.task->committed);
       }},
      {Outcome::blocked,
       {},
       [](const Refused& it) {
         if (it.task) it.ref("the task was blocked as " + it.task->blocked, it.task->blocked_by);
       }},
      {Outcome::cancel_requested,
       {},
       [](const Refused& it) {
         if (it.task) it.ref("its cancellation had been requested", it.task->cancel_asked);
       }},
      {Outcome::stale_boot,
       {},
       [](const Refused& it) {
         const RecordRef* end = it.scene.context.boot_end(it.scene.record.boot()->str());
         if (end) it.ref("its boot was dead", *end);
       }},
      {Outcome::not_running, {}, tell_end_of_attempt},
      {Outcome::stale_attempt, {}, tell_end_of_attempt},
      {Outcome::not_queued,
       {},
       [](const Refused& it) {
         if (it.job && it.job->claimed.seq != Seq{}) it.ref("it was claimed", it.job->claimed);
       }},
      {Outcome::outcome_unknown, {}, [](const Refused& it) { add_step(it.scene, StepState::started, it.narration); }},
      {Outcome::already_done, {}, [](const Refused& it) { add_step(it.scene, StepState::done, it.narration); }},
      {Outcome::steps_unfinished, "not all steps of that edge were done at this version"},
      {Outcome::duplicate_work_item, "that work item had a live task"},
      {Outcome::relaunch, "that work item had a live task"},
      {Outcome::serial_gate, "another job of the same repository was running"},
      {Outcome::limit, "the concurrency limit was reached"},
      {Outcome::dependency, "a task that it waits for was not finished"},
      {Outcome::held, {}, tell_detail},
      {Outcome::not_yet, {}, tell_detail},
      {Outcome::skipped, "another record of its group was refused"},
  };
  return all;
}

}  // namespace

void add_obstacle(const Scene& scene, Narration& narration) {
  const Subject subject = subject_of(scene.record);
  Refused refused{.scene = scene, .narration = narration};
  refused.job = subject.job ? scene.context.job(*subject.job) : nullptr;
  const auto task = task_of(subject);
  const auto task_id = task ? task : refused.job ? std::optional(refused.job->task) : std::nullopt;
  refused.task = task_id ? scene.context.task(*task_id) : nullptr;
  for (const Obstacle& obstacle : obstacles()) {
    if (obstacle.outcome != scene.applied.outcome) continue;
    if (!obstacle.note.empty()) narration.notes.emplace_back(obstacle.note);
    if (obstacle.add) obstacle.add(refused);
    return;
  }
  if (!scene.applied.detail.empty()) narration.notes.push_back(scene.applied.detail);
}

std::string lease_key_of(const Scene& scene) {
  const Subject subject = subject_of(scene.record);
  if (subject.lease) return std::string(*subject.lease);
  if (subject.task) return task_key(*subject.task);
  const JobSeen* job = subject.job ? scene.context.job(*subject.job) : nullptr;
  return job ? task_key(job->task) : std::string();
}

std::string by_record(const RecordRef& ref, TimeUs now) {
  if (ref.seq == Seq{}) return "before this log begins";
  return ref.actor + boot_mark(BootMark::machine, ref.boot) + "'s record " + std::to_string(raw(ref.seq)) + ", " +
         span_of(ref.time, now) + " before";
}

void point_to(Narration& narration, const RecordRef& ref) {
  if (ref.seq != Seq{}) narration.because.push_back(ref.seq);
}

std::string in_words(const Owner& owner) {
  return owner.actor + boot_mark(BootMark::name, owner.boot_id) + " (pid " + std::to_string(owner.pid) + ')';
}

std::string span_of(TimeUs from, TimeUs to) {
  const std::int64_t us = to.us > from.us ? to.us - from.us : 0;
  if (us == 0) return "0 s";
  if (us < us_per_s) return std::to_string((us + 999) / 1000) + " ms";
  return duration(us);
}

}  // namespace pawl
