// What /queue says, of a simulated daemon.
#include "engine/machine.h"
#include "schema/json_text.h"
#include "store/state_json.h"
#include "tools/simulation.h"

namespace pawl {
namespace {

void name(std::string& out, std::string_view member) {
  if (out.back() != '{') out += ',';
  append_json_text(out, member);
  out += ':';
}
void add(std::string& out, std::string_view member, std::uint64_t value) {
  name(out, member);
  append_json_integer(out, value);
}
void add(std::string& out, std::string_view member, std::int64_t value) {
  name(out, member);
  append_json_integer(out, value);
}
void add(std::string& out, std::string_view member, bool value) {
  name(out, member);
  append_json_bool(out, value);
}
void add(std::string& out, std::string_view member, const std::optional<TimeUs>& time) {
  name(out, member);
  time ? append_json_time(out, *time) : append_json_text_or_null(out, "");
}

void append_jobs(std::string& out, const State& state) {
  name(out, "jobs");
  out += '{';
  add(out, "queued", std::uint64_t{state.indexes.queued.size()});
  add(out, "running", std::uint64_t{state.indexes.running.size()});
  add(out, "max_concurrency", state.settings().queue.max_concurrency);
  add(out, "serial_per_repo", state.settings().queue.serial_per_repo);
  out += '}';
  name(out, "running");
  out += '[';
  for (const JobId id : state.indexes.running) {
    if (out.back() != '[') out += ',';
    append_json(out, *state.jobs.find(id));
  }
  out += ']';
  name(out, "queued");
  out += '[';
  for (const JobId id : state.indexes.queued) {
    const Job& job = *state.jobs.find(id);
    const Outcome outcome = claim_outcome(state, id);
    if (out.back() != '[') out += ',';
    out += '{';
    add(out, "id", raw(id));
    add(out, "task", raw(job.task));
    name(out, "agent");
    append_json_text(out, job.agent);
    name(out, "stage");
    append_json_text(out, job.stage);
    add(out, "queued_at", std::optional(job.queued));
    name(out, "reason");
    append_json_text_or_null(out, outcome == Outcome::accepted ? "" : name(outcome));
    out += '}';
  }
  out += ']';
}

void append_reaper(std::string& out, const State& state, const PassTotals& totals) {
  const auto& settings = state.settings().reaper;
  name(out, "reaper");
  out += '{';
  add(out, "enabled", settings.enabled);
  add(out, "interval_s", settings.interval_s);
  add(out, "last_run_ts", totals.last_reaper_run);
  add(out, "reaped_total", totals.reaped);
  name(out, "last_reaped");
  out += totals.last_reaped ? std::to_string(raw(*totals.last_reaped)) : "null";
  add(out, "lease_reclaimed_total", totals.leases_reclaimed);
  add(out, "finalizer_liveness_enabled", settings.finalizer_liveness);
  add(out, "finalizer_defers_total", totals.finalizer_defers);
  name(out, "finalizer_owned");
  out += '[';
  for (const JobId id : state.indexes.running) {
    if (!state.jobs.find(id)->run->marked) continue;
    if (out.back() != '[') out += ',';
    append_json_integer(out, raw(id));
  }
  out += "]}";
}

void append_leases(std::string& out, const State& state, const PassTotals& totals) {
  std::string rows;
  std::uint64_t active = 0;
  for (const auto& [key, lease] : state.leases.rows()) {
    if (!key.starts_with("task:")) continue;
    if (active++ > 0) rows += ',';
    append_json(rows, lease);
  }
  name(out, "transition_lease");
  out += '{';
  add(out, "enabled", state.settings().ownership.enabled);
  add(out, "active", active);
  name(out, "leases");
  out += '[' + rows + ']';
  add(out, "reclaimed_total", totals.leases_reclaimed);
  add(out, "defers_total", totals.reconciler_defers);
  out += '}';
}

}  // namespace

std::string queue_json(const State& state, const PassTotals& totals) {
  const Settings& settings = state.settings();
  std::string out = "{";
  add(out, "seq", raw(state.last_seq));
  name(out, "tasks");
  out += '{';
  add(out, "live", std::uint64_t{state.indexes.live_work_items.size()});
  add(out, "blocked", std::uint64_t{state.indexes.blocked.size()});
  add(out, "cancel_requested", std::uint64_t{state.indexes.cancel_standing.size()});
  std::uint64_t done = state.indexes.archived_done;
  std::uint64_t cancelled = state.indexes.archived_cancelled;
  name(out, "by_stage");
  out += '{';
  for (const auto& [stage, count] : state.indexes.tasks_by_stage) {
    if (stage == stage_done) {
      done += count;
    } else if (stage == stage_cancelled) {
      cancelled += count;
    } else {
      add(out, stage, count);
    }
  }
  out += '}';
  add(out, "done", done);
  add(out, "cancelled", cancelled);
  out += '}';
  append_jobs(out, state);
  append_reaper(out, state, totals);
  append_leases(out, state, totals);
  name(out, "stop");
  out += '{';
  add(out, "enabled", settings.stop.enabled);
  add(out, "kill_after_s", settings.stop.kill_after_s);
  add(out, "requested", std::uint64_t{state.indexes.cancel_standing.size()});
  out += '}';
  name(out, "reconciler");
  out += '{';
  add(out, "enabled", settings.reconciler.enabled);
  add(out, "interval_s", settings.reconciler.interval_s);
  add(out, "last_run_ts", totals.last_reconciler_run);
  add(out, "passes_total", totals.reconciler_passes);
  add(out, "moves_total", totals.reconciler_moves);
  add(out, "defers_total", totals.reconciler_defers);
  return out + "}}";
}

}  // namespace pawl
