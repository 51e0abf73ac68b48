#include "engine/json/queue_json.h"

#include <map>
#include <vector>

#include "engine/json/state_json.h"
#include "engine/policies/machine.h"
#include "engine/policies/turns.h"
#include "engine/rules/claim.h"
#include "schema/json/json_text.h"
#include "schema/limits.h"

namespace pawl {
namespace {

void append_text(std::string& out, std::string_view name, std::string_view text) {
  append_json_member(out, name);
  append_json_text_or_null(out, text);
}

/// Adds the work item, so that people need not look up task ids.
void append_work_item(std::string& out, const Task& task) {
  append_text(out, "work_item", task.work_item);
  append_text(out, "repo", task.repo);
}

void append_tasks(std::string& out, const State& state) {
  const Indexes& indexes = state.indexes;
  append_json_member(out, "tasks");
  out += '{';
  append_json_member(out, "live", indexes.live_work_items.size());
  append_json_member(out, "blocked", indexes.blocked.size());
  append_json_member(out, "cancel_requested", indexes.cancel_standing.size());
  std::uint64_t done = indexes.archived_done;
  std::uint64_t cancelled = indexes.archived_cancelled;
  append_json_member(out, "by_stage");
  out += '{';
  for (const auto& [stage, tasks] : indexes.tasks_in_stage) {
    if (stage == stage_done) {
      done += tasks.size();
    } else if (stage == stage_cancelled) {
      cancelled += tasks.size();
    } else {
      append_json_member(out, stage, tasks.size());
    }
  }
  out += '}';
  append_json_member(out, "done", done);
  append_json_member(out, "cancelled", cancelled);
  out += '}';
}

void append_jobs(std::string& out, const State& state, const QueueTotals& totals) {
  append_json_member(out, "jobs");
  out += '{';
  append_json_member(out, "queued", state.indexes.queued.size());
  append_json_member(out, "running", state.indexes.running.size());
  append_json_member(out, "max_concurrency", state.settings().queue.max_concurrency);
  append_json_member(out, "serial_per_repo", state.settings().queue.serial_per_repo);
  out += '}';

  append_json_member(out, "running");
  out += '[';
  std::size_t count = 0;
  for (const JobId id : state.indexes.running) {
    if (count == limits::rows_per_read_max) break;
    if (count++ > 0) out += ',';
    const Job& job = *state.jobs.find(id);
    append_json(out, job);
    out.pop_back();
    append_work_item(out, *state.tasks.find(job.task));
    out += '}';
  }
  out += ']';

  // The waiting jobs, each with what it waits for and, if it is only its turn, with how many are before it.
  const std::map<JobId, std::size_t> turns = turns_of_jobs(state, totals.now, 4 * limits::rows_per_read_max);
  append_json_member(out, "queued");
  out += '[';
  count = 0;
  for (const JobId id : state.indexes.queued) {
    if (count == limits::rows_per_read_max) break;
    if (count++ > 0) out += ',';
    const Job& job = *state.jobs.find(id);
    out += '{';
    append_json_member(out, "id", raw(id));
    append_json_member(out, "task", raw(job.task));
    append_text(out, "agent", job.agent);
    append_text(out, "stage", job.stage);
    append_json_member(out, "queued_at");
    append_json_time(out, job.queued);
    const Outcome outcome = claim_outcome(state, id, totals.now);
    const bool waits = outcome == Outcome::accepted && totals.is_skipped && totals.is_skipped(id);
    std::string_view reason = outcome != Outcome::accepted ? name(outcome) : waits ? "previous_alive" : "";
    const Task& task = *state.tasks.find(job.task);
    const Agent* agent = reason.empty() ? state.pipeline_of(task).agent(job.agent) : nullptr;
    if (agent && !agent->run.empty() && totals.missing_variable) {
      const auto missing = totals.missing_variable(task.id);
      if (missing && missing->version == task.version) reason = stuck_reason::variable_missing;
    }
    if (agent && !agent->run.empty() && totals.origin_trouble) {
      if (const auto trouble = totals.origin_trouble(task.repo)) reason = trouble->reason();
    }
    append_text(out, "reason", reason);
    append_json_member(out, "priority");
    append_json_integer(out, task.priority.value_or(0));
    append_json_member(out, "ahead");
    const auto turn = turns.find(id);
    turn == turns.end() ? void(out += "null") : append_json_integer(out, std::uint64_t{turn->second});
    append_work_item(out, task);
    out += '}';
  }
  out += ']';
}

/// Tasks that only a person can move.
void append_blocked(std::string& out, const State& state) {
  append_json_member(out, "blocked");
  out += '[';
  std::size_t count = 0;
  for (const TaskId id : state.indexes.blocked) {
    if (count == limits::rows_per_read_max) break;
    if (count++ > 0) out += ',';
    const Task& task = *state.tasks.find(id);
    out += '{';
    append_json_member(out, "task", raw(id));
    append_text(out, "stage", task.stage);
    append_text(out, "reason", task.blocked);
    append_work_item(out, task);
    out += '}';
  }
  out += ']';
}

void append_time_or_null(std::string& out, std::string_view name, TimeUs time) {
  append_json_member(out, name);
  if (time.us == 0) {
    out += "null";
  } else {
    append_json_time(out, time);
  }
}

/// Jobs that a live owner is finalizing: an exit code is recorded, and the task's lease is held or the mark replaces
/// it.
std::vector<JobId> finalizer_owned(const State& state) {
  std::vector<JobId> owned;
  std::size_t rows = 0;
  for (const JobId id : state.indexes.running) {
    if (rows++ == limits::rows_per_read_max) break;
    const Job& job = *state.jobs.find(id);
    const Lease* lease = state.lease(task_key(job.task));
    const bool is_leased = lease && state.is_live(*lease, state.last_time);
    if (job.run->exit_code && (is_leased || job.run->marked)) owned.push_back(id);
  }
  return owned;
}

void append_reaper(std::string& out, const State& state, const QueueTotals& totals) {
  const Settings& settings = state.settings();
  append_json_member(out, "reaper");
  out += '{';
  append_json_member(out, "enabled", settings.reaper.enabled);
  append_json_member(out, "interval", settings.reaper.interval_s);
  append_json_member(out, "interval_s", settings.reaper.interval_s);
  append_time_or_null(out, "last_run_ts", totals.reaper_last_run);
  append_json_member(out, "last_run_age_s", totals.reaper_since_run_s);
  append_json_member(out, "oldest_past_ceiling_s", totals.oldest_past_ceiling_s);
  append_json_member(out, "reaped_total", totals.reaped);
  append_json_member(out, "last_reaped");
  out += raw(totals.last_reaped) == 0 ? "null" : std::to_string(raw(totals.last_reaped));
  append_json_member(out, "lease_reclaimed_total", totals.leases_reclaimed);
  append_json_member(out, "finalizer_liveness_enabled", settings.reaper.finalizer_liveness);
  append_json_member(out, "finalizer_defers_total", totals.finalizer_defers);
  append_json_member(out, "finalizer_owned");
  out += '[';
  bool first = true;
  for (const JobId id : finalizer_owned(state)) {
    out += (first ? "" : ",") + std::to_string(raw(id));
    first = false;
  }
  out += ']';
  append_json_member(out, "passes_total", totals.reaper_passes);
  append_json_member(out, "troubles_total", totals.reaper_troubles);
  out += '}';
}

void append_leases(std::string& out, const State& state, const QueueTotals& totals) {
  const auto& leases = state.leases.rows();
  append_json_member(out, "transition_lease");
  out += '{';
  std::uint64_t active = 0;
  std::string rows;
  for (auto at = leases.lower_bound("task:"); at != leases.end() && at->first.starts_with("task:"); ++at) {
    if (active++ >= limits::rows_per_read_max) continue;
    if (!rows.empty()) rows += ',';
    append_json(rows, at->second);
  }
  append_json_member(out, "enabled", state.settings().ownership.enabled);
  append_json_member(out, "active", active);
  append_json_member(out, "leases");
  out += '[' + rows + ']';
  append_json_member(out, "reclaimed_total", totals.leases_reclaimed);
  append_json_member(out, "defers_total", totals.lease_defers);
  out += '}';
}

}  // namespace

void append_queue_open(std::string& out, const State& state, const QueueTotals& totals) {
  const Settings& settings = state.settings();
  out += '{';
  append_json_member(out, "seq", raw(state.last_seq));
  append_json_member(out, "now");
  append_json_time(out, totals.now);
  append_tasks(out, state);
  append_jobs(out, state, totals);
  append_blocked(out, state);
  append_reaper(out, state, totals);
  append_leases(out, state, totals);
  append_json_member(out, "stop");
  out += '{';
  append_json_member(out, "enabled", settings.stop.enabled);
  append_json_member(out, "kill_after_s", settings.stop.kill_after_s);
  append_json_member(out, "requested", state.indexes.cancel_standing.size());
  out += '}';
  append_json_member(out, "reconciler");
  out += '{';
  append_json_member(out, "enabled", settings.reconciler.enabled);
  append_json_member(out, "interval_s", settings.reconciler.interval_s);
  append_time_or_null(out, "last_run_ts", totals.reconciler_last_run);
  append_json_member(out, "passes_total", totals.reconciler_passes);
  append_json_member(out, "moves_total", totals.reconciler_moves);
  append_json_member(out, "defers_total", totals.reconciler_defers);
  out += '}';
}

}  // namespace pawl
