#include "engine/invariants.h"

#include <set>
#include <utility>

#include "engine/reconciler.h"

namespace pawl {
namespace {

void find(Findings& findings, int invariant, std::string what) {
  findings.push_back({.kind = Finding::Kind::violation, .seq = {}, .invariant = invariant, .what = std::move(what)});
}

std::string label(TaskId id) {
  return "task " + std::to_string(raw(id));
}
std::string label(JobId id) {
  return "job " + std::to_string(raw(id));
}

std::string label(const StepRow& step) {
  return "step '" + step.step + "' of the crossing to '" + step.to + "' at version " +
         std::to_string(raw(step.version));
}

bool is_open(const Job& job) {
  return job.status == JobStatus::queued || job.status == JobStatus::running;
}

/// The task that the record moves, by a transition or a cancellation; 0 if it moves none.
TaskId moved_task(const fb::Record& record) {
  if (const auto* transition = record.event_as_StageTransition()) return TaskId{transition->task()};
  if (const auto* cancelled = record.event_as_TaskCancelled()) return TaskId{cancelled->task()};
  return TaskId{0};
}

/// The job that the record takes from running; 0 if it takes none.
JobId ended_job(const fb::Record& record) {
  if (const auto* finished = record.event_as_JobFinished()) return JobId{finished->job()};
  if (const auto* reaped = record.event_as_JobReaped()) return JobId{reaped->job()};
  return JobId{0};
}

}  // namespace

Snapshot snapshot_of(const State& state) {
  Snapshot snapshot{.tasks = state.tasks.rows(),
                    .pipelines = {},
                    .jobs = state.jobs.rows(),
                    .leases = state.leases.rows(),
                    .digest = state.digest()};
  for (const auto& [id, task] : snapshot.tasks) {
    snapshot.pipelines[id] = state.pipelines.find(task.pipeline)->definition;
  }
  return snapshot;
}

void check_versions(const Passage& passage, Findings& findings) {
  const TaskId moved = passage.accepted ? moved_task(passage.record) : TaskId{0};
  for (const auto& [id, task] : passage.after.tasks.rows()) {
    const auto was = passage.before.tasks.find(id);
    if (was == passage.before.tasks.end()) {
      if (task.version != Version{1}) {
        find(findings, 1, label(id) + ": begins with version " + std::to_string(raw(task.version)));
      }
      continue;
    }
    const std::uint64_t grown = raw(task.version) - raw(was->second.version);
    if (grown != (id == moved ? 1u : 0u)) {
      find(findings, 1,
           label(id) + ": version " + std::to_string(raw(was->second.version)) + " became " +
               std::to_string(raw(task.version)));
    }
    if (id != moved && task.stage != was->second.stage) {
      find(findings, 1, label(id) + ": came from '" + was->second.stage + "' to '" + task.stage + "' by no transition");
    }
  }
}

void check_terminal(const Passage& passage, Findings& findings) {
  for (const auto& [id, was] : passage.before.tasks) {
    if (!is_terminal(was.stage)) continue;
    const Task* task = passage.after.tasks.find(id);
    if (!task || task->stage != was.stage) find(findings, 2, label(id) + ": left '" + was.stage + "'");
  }
  for (const auto& [id, job] : passage.after.jobs.rows()) {
    const auto task = passage.before.tasks.find(job.task);
    if (!is_open(job) || task == passage.before.tasks.end() || !is_terminal(task->second.stage)) continue;
    const auto was = passage.before.jobs.find(id);
    if (was == passage.before.jobs.end() || was->second.status != job.status) {
      find(findings, 2, label(id) + ": revived, though " + label(job.task) + " is '" + task->second.stage + "'");
    }
  }
}

void check_holders(const State& state, Findings& findings) {
  const auto is_stale = [&](const std::string& boot_id) {
    const Boot* boot = state.boots.find(boot_id);
    return !boot || boot->stale;
  };
  std::set<Token> tokens;
  for (const auto& [key, lease] : state.leases.rows()) {
    if (is_stale(lease.owner.boot_id)) {
      find(findings, 3, "lease '" + key + "': its holder's boot " + lease.owner.boot_id + " is stale");
    }
    if (!tokens.insert(lease.token).second) {
      find(findings, 3, "lease '" + key + "': its token " + std::to_string(raw(lease.token)) + " is another's as well");
    }
  }
  for (const JobId id : state.indexes.running) {
    const Job& job = *state.jobs.find(id);
    if (!job.run || is_stale(job.run->owner.boot_id)) find(findings, 3, label(id) + ": runs under a stale boot");
  }
}

void check_guarded_crossing(const Passage& passage, Findings& findings) {
  const auto* transition = passage.record.event_as_StageTransition();
  if (!passage.accepted || !transition) return;
  const TaskId id{transition->task()};
  const Task& was = passage.before.tasks.at(id);
  const Stage* stage = passage.before.pipelines.at(id)->stage(was.stage);
  if (!stage || !stage->guarded() || stage->to != transition->to()->string_view()) return;
  if (passage.unchecked) {
    findings.push_back({.kind = Finding::Kind::unchecked,
                        .seq = {},
                        .invariant = 4,
                        .what = label(id) + ": crossed the guarded edge to '" + stage->to + "' unchecked"});
    return;
  }
  const auto lease = passage.before.leases.find(task_key(id));
  if (lease == passage.before.leases.end() || !transition->token() ||
      Token{*transition->token()} != lease->second.token) {
    find(findings, 4, label(id) + ": crossed the guarded edge to '" + stage->to + "' without the token then held");
  }
}

namespace {

void check_job(const Passage& passage, const Job& was, const Job& job, Findings& findings) {
  const auto* claim = passage.record.event_as_JobClaimed();
  const bool claimed = passage.accepted && claim && JobId{claim->job()} == job.id;
  const bool ended = passage.accepted && ended_job(passage.record) == job.id;
  const std::string status =
      label(job.id) + ": from " + fb::EnumNameJobStatus(was.status) + " to " + fb::EnumNameJobStatus(job.status);
  if (job.attempts != was.attempts + (claimed ? 1 : 0)) {
    find(
        findings, 5,
        label(job.id) + ": attempts went from " + std::to_string(was.attempts) + " to " + std::to_string(job.attempts));
  }
  switch (was.status) {
    case JobStatus::queued:
      if (claimed ? job.status != JobStatus::running
                  : job.status != JobStatus::queued && job.status != JobStatus::cancelled) {
        find(findings, 5, status);
      }
      break;
    case JobStatus::running:
      if (ended == (job.status == JobStatus::running)) find(findings, 5, status);
      break;
    case JobStatus::done:
    case JobStatus::failed:
    case JobStatus::cancelled:
      if (job.status != was.status) find(findings, 5, status);
      break;
  }
}

}  // namespace

void check_jobs(const Passage& passage, Findings& findings) {
  for (const auto& [id, job] : passage.after.jobs.rows()) {
    const auto was = passage.before.jobs.find(id);
    if (was != passage.before.jobs.end()) {
      check_job(passage, was->second, job, findings);
    } else if (job.status != JobStatus::queued || job.attempts != 0) {
      find(findings, 5, label(id) + ": begins otherwise than queued");
    }
    if (job.interruptions > job.attempts || job.attempts - job.interruptions > job.max_attempts) {
      find(findings, 5,
           label(id) + ": " + std::to_string(job.attempts) + " attempts and " + std::to_string(job.interruptions) +
               " interruptions, of " + std::to_string(job.max_attempts));
    }
  }
}

void check_steps(const Passage& passage, Findings& findings) {
  for (const auto& [id, task] : passage.after.tasks.rows()) {
    std::size_t open = 0;
    std::set<std::tuple<Version, std::string, std::string>> places;
    for (const StepRow& step : task.steps) {
      if (step.state == StepState::started) ++open;
      if (!places.insert({step.version, step.to, step.step}).second) {
        find(findings, 6, label(id) + ": " + label(step) + " stands twice in the journal");
      }
    }
    if (open > 1) find(findings, 6, label(id) + ": " + std::to_string(open) + " steps are started and unsettled");

    const auto was = passage.before.tasks.find(id);
    if (was == passage.before.tasks.end()) continue;
    for (const StepRow& step : was->second.steps) {
      if (!step.irreversible || step.state != StepState::done) continue;
      bool stands = false;
      for (const StepRow& now : task.steps) {
        stands = stands || (now.version == step.version && now.to == step.to && now.step == step.step &&
                            now.started == step.started && now.state == StepState::done);
      }
      if (!stands) find(findings, 6, label(id) + ": " + label(step) + " was done, and is no longer");
    }
  }
}

void check_uniqueness(const State& state, Findings& findings) {
  std::set<std::pair<std::string, std::string>> live;
  for (const auto& [id, task] : state.tasks.rows()) {
    if (is_terminal(task.stage)) continue;
    if (!live.insert({task.repo, task.work_item}).second) {
      find(findings, 7, label(id) + ": another live task has '" + task.repo + "' and '" + task.work_item + "'");
    }
  }
  std::set<std::pair<TaskId, Version>> open;
  for (const auto& [id, job] : state.jobs.rows()) {
    if (is_open(job) && !open.insert({job.task, job.version}).second) {
      find(findings, 7,
           label(id) + ": another job of version " + std::to_string(raw(job.version)) + " of " + label(job.task) +
               " is queued or running");
    }
  }
}

void check_refusal(const Passage& passage, Findings& findings) {
  if (!passage.accepted && passage.before.digest != passage.after.digest()) {
    find(findings, 8, "a refused record changed the digest");
  }
}

void check_committed_crossing(const Passage& passage, Findings& findings) {
  const TaskId moved = passage.accepted ? moved_task(passage.record) : TaskId{0};
  const auto was = passage.before.tasks.find(moved);
  if (was == passage.before.tasks.end() || !is_committed(was->second)) return;
  const auto* transition = passage.record.event_as_StageTransition();
  if (transition && transition->to()->string_view() == committed_to(was->second)) return;
  const std::string what = label(moved) + ": left '" + was->second.stage + "' while its crossing to '" +
                           std::string(committed_to(was->second)) + "' was committed";
  findings.push_back({.kind = passage.unchecked ? Finding::Kind::unchecked : Finding::Kind::violation,
                      .seq = {},
                      .invariant = 9,
                      .what = what});
}

void check_nothing_lost(const State& state, Findings& findings) {
  for (const auto& [id, task] : state.tasks.rows()) {
    if (is_terminal(task.stage)) {
      for (auto at = state.indexes.jobs_of_task.lower_bound({id, JobId{0}});
           at != state.indexes.jobs_of_task.end() && at->first == id; ++at) {
        if (state.jobs.find(at->second)->status != JobStatus::queued) continue;
        find(findings, 10, label(at->second) + ": still queued, though " + label(id) + " is '" + task.stage + "'");
      }
      continue;
    }
    const bool running = state.running_job(id) != nullptr;
    const bool cancel_waits = state.lease(task_key(id)) || running || is_committed(task);
    if (!task.cancel_requested.empty() && !cancel_waits) {
      find(findings, 10, label(id) + ": nothing stands in the way of its cancellation, and it is not cancelled");
    }
    if (!task.blocked.empty() || state.open_job(task)) continue;
    if (!task.cancel_requested.empty() && !is_committed(task)) continue;  // It waits, as was just checked.
    // Driven by the reconciler, once no live owner holds it.
    if (reconcile_move(*view_of(state, id), false) == ReconcileMove::none) {
      find(findings, 10, label(id) + ": has no queued or running job of its version, and nobody drives it");
    }
  }
}

namespace {

SettingsToCome settings_to_come(std::span<const fb::Record* const> group, std::size_t index) {
  for (std::size_t i = index + 1; i < group.size(); ++i) {
    if (group[i]->event_type() == fb::Event::SettingChanged) return SettingsToCome::some;
  }
  return SettingsToCome::none;
}

void check_passage(const Passage& passage, Findings& findings) {
  check_versions(passage, findings);
  check_terminal(passage, findings);
  check_guarded_crossing(passage, findings);
  check_jobs(passage, findings);
  check_steps(passage, findings);
  check_uniqueness(passage.after, findings);
  check_refusal(passage, findings);
  check_committed_crossing(passage, findings);
}

/// Applies one record and checks what came of it.
Applied check_record(State& state, const fb::Record& record, SettingsToCome to_come, Findings& findings) {
  const Snapshot before = snapshot_of(state);
  Applied applied = apply(state, record, to_come);
  state.settle();
  check_passage({.before = before,
                 .after = state,
                 .record = record,
                 .accepted = applied.outcome == Outcome::accepted,
                 .unchecked = applied.unchecked},
                findings);
  return applied;
}

void compare(const fb::Record& record, const Applied& applied, std::uint64_t digest, Findings& findings) {
  const fb::Stamp& stamp = *record.stamp();
  const auto differs = [&](const std::string& what) {
    find(findings, 0, "the rules give another " + what + " than the record has");
  };
  if (stamp.outcome() != static_cast<std::uint16_t>(applied.outcome)) {
    differs("outcome (" + std::string(name(applied.outcome)) + ")");
  }
  if (stamp.unchecked() != applied.unchecked) differs("mark `unchecked`");
  if (stamp.digest() != digest) differs("digest");
}

}  // namespace

Findings check_group(State& state, std::span<const fb::Record* const> group) {
  Findings findings;
  const auto date_from = [&](std::size_t first, const fb::Record& record) {
    for (std::size_t i = first; i < findings.size(); ++i) findings[i].seq = Seq{record.stamp()->seq()};
  };

  const std::uint64_t digest_before = state.digest();
  std::vector<Applied> applied;
  std::vector<std::uint64_t> digests;
  bool refused = false;
  for (std::size_t i = 0; i < group.size() && !refused; ++i) {
    const std::size_t first = findings.size();
    applied.push_back(check_record(state, *group[i], settings_to_come(group, i), findings));
    refused = applied.back().outcome != Outcome::accepted;
    digests.push_back(state.digest());
    date_from(first, *group[i]);
  }
  if (refused) {
    state.undo_group();
    const std::size_t at = applied.size() - 1;
    applied.resize(group.size());
    for (std::size_t i = 0; i < group.size(); ++i) {
      if (i != at) applied[i] = Applied{.outcome = Outcome::skipped, .unchecked = false, .effects = {}, .detail = {}};
    }
    digests.assign(group.size(), digest_before);
  } else {
    state.keep_group();
  }
  state.last_seq = Seq{group.back()->stamp()->seq()};
  state.last_time = TimeUs{group.back()->stamp()->time_us()};

  for (std::size_t i = 0; i < group.size(); ++i) {
    const std::size_t first = findings.size();
    compare(*group[i], applied[i], digests[i], findings);
    date_from(first, *group[i]);
  }
  const std::size_t first = findings.size();
  if (state.digest() != digests.back()) find(findings, 8, "a refused group left another digest than it found");
  check_holders(state, findings);
  check_nothing_lost(state, findings);
  if (!refused) state.archive_finished();
  if (state.digest() != digests.back()) find(findings, 8, "archiving changed the digest");
  date_from(first, *group.back());
  return findings;
}

}  // namespace pawl
