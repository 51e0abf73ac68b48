// The queue at a glance, whether all is well, and the reaper's pass on request.
#include <boost/json/object.hpp>

#include <algorithm>

#include "daemon/call.h"
#include "schema/json_text.h"
#include "schema/limits.h"
#include "store/state_json.h"

namespace pawl {
namespace {

void append_member(std::string& out, std::string_view name) {
  if (out.back() != '{') out += ',';
  append_json_text(out, name);
  out += ':';
}

void append_number(std::string& out, std::string_view name, std::uint64_t value) {
  append_member(out, name);
  append_json_integer(out, value);
}

void append_number(std::string& out, std::string_view name, std::int64_t value) {
  append_member(out, name);
  append_json_integer(out, value);
}

void append_flag(std::string& out, std::string_view name, bool value) {
  append_member(out, name);
  append_json_bool(out, value);
}

void append_tasks(std::string& out, const State& state) {
  const Indexes& indexes = state.indexes;
  append_member(out, "tasks");
  out += '{';
  append_number(out, "live", indexes.live_work_items.size());
  append_number(out, "blocked", indexes.blocked.size());
  append_number(out, "cancel_requested", indexes.cancel_standing.size());
  std::uint64_t done = indexes.archived_done;
  std::uint64_t cancelled = indexes.archived_cancelled;
  append_member(out, "by_stage");
  out += '{';
  for (const auto& [stage, count] : indexes.tasks_by_stage) {
    if (stage == stage_done) {
      done += count;
    } else if (stage == stage_cancelled) {
      cancelled += count;
    } else if (count > 0) {
      append_number(out, stage, count);
    }
  }
  out += '}';
  append_number(out, "done", done);
  append_number(out, "cancelled", cancelled);
  out += '}';
}

void append_jobs(std::string& out, const State& state, const std::function<bool(JobId)>& is_passed_over) {
  append_member(out, "jobs");
  out += '{';
  append_number(out, "queued", state.indexes.queued.size());
  append_number(out, "running", state.indexes.running.size());
  append_number(out, "max_concurrency", state.settings().queue.max_concurrency);
  append_flag(out, "serial_per_repo", state.settings().queue.serial_per_repo);
  out += '}';

  append_member(out, "running");
  out += '[';
  std::size_t count = 0;
  for (const JobId id : state.indexes.running) {
    if (count == limits::rows_per_read_max) break;
    if (count++ > 0) out += ',';
    append_json(out, *state.jobs.find(id));
  }
  out += ']';

  // Those that wait, each with what it waits for.
  append_member(out, "queued");
  out += '[';
  count = 0;
  for (const JobId id : state.indexes.queued) {
    if (count == limits::rows_per_read_max) break;
    if (count++ > 0) out += ',';
    const Job& job = *state.jobs.find(id);
    out += '{';
    append_number(out, "id", raw(id));
    append_number(out, "task", raw(job.task));
    append_member(out, "agent");
    append_json_text(out, job.agent);
    append_member(out, "stage");
    append_json_text(out, job.stage);
    append_member(out, "queued_at");
    append_json_time(out, job.queued);
    append_member(out, "reason");
    const Outcome outcome = claim_outcome(state, id);
    if (outcome != Outcome::accepted) {
      append_json_text(out, name(outcome));
    } else {
      append_json_text_or_null(out, is_passed_over && is_passed_over(id) ? "previous_alive" : "");
    }
    out += '}';
  }
  out += ']';
}

void append_time_or_null(std::string& out, std::string_view name, TimeUs time) {
  append_member(out, name);
  if (time.us == 0) {
    out += "null";
  } else {
    append_json_time(out, time);
  }
}

/// Jobs whose finalization a live owner sees to: an exit code is recorded, and the task's lease is held, or the mark
/// stands in for it.
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

void append_reaper(std::string& out, const State& state, const Totals& totals, const ReaperTotals& reaper) {
  const Settings& settings = state.settings();
  append_member(out, "reaper");
  out += '{';
  append_flag(out, "enabled", settings.reaper.enabled);
  append_number(out, "interval_s", settings.reaper.interval_s);
  append_time_or_null(out, "last_run_ts", reaper.last_pass);
  append_number(out, "last_run_age_s", reaper.since_pass_s);
  append_number(out, "oldest_past_ceiling_s", reaper.oldest_past_ceiling_s);
  append_number(out, "reaped_total", totals.reaped.load());
  append_member(out, "last_reaped");
  const std::uint64_t last = totals.last_reaped_job.load();
  out += last == 0 ? "null" : std::to_string(last);
  append_number(out, "lease_reclaimed_total", totals.leases_reclaimed.load());
  append_flag(out, "finalizer_liveness_enabled", settings.reaper.finalizer_liveness);
  append_number(out, "finalizer_defers_total", reaper.defers);
  append_member(out, "finalizer_owned");
  out += '[';
  bool first = true;
  for (const JobId id : finalizer_owned(state)) {
    out += (first ? "" : ",") + std::to_string(raw(id));
    first = false;
  }
  out += ']';
  append_number(out, "passes_total", reaper.passes);
  append_number(out, "troubles_total", reaper.troubles);
  out += '}';
}

void append_leases(std::string& out, const State& state, const Totals& totals, std::uint64_t defers) {
  const auto& leases = state.leases.rows();
  append_member(out, "transition_lease");
  out += '{';
  std::uint64_t active = 0;
  std::string rows;
  for (auto at = leases.lower_bound("task:"); at != leases.end() && at->first.starts_with("task:"); ++at) {
    if (active++ >= limits::rows_per_read_max) continue;
    if (!rows.empty()) rows += ',';
    append_json(rows, at->second);
  }
  append_flag(out, "enabled", state.settings().ownership.enabled);
  append_number(out, "active", active);
  append_member(out, "leases");
  out += '[' + rows + ']';
  append_number(out, "reclaimed_total", totals.leases_reclaimed.load());
  append_number(out, "defers_total", defers);
  out += '}';
}

void append_alerts(std::string& out, const AlertCounts& counts) {
  append_member(out, "alerts");
  out += '{';
  append_number(out, "queued", counts.queued);
  append_number(out, "sent_total", counts.sent);
  append_number(out, "failed_total", counts.failed);
  append_number(out, "dropped_total", counts.dropped);
  out += '}';
}

void append_queue(std::string& out, const State& state, const Shop& shop) {
  const Settings& settings = state.settings();
  out += '{';
  append_number(out, "seq", raw(state.last_seq));
  append_tasks(out, state);
  append_jobs(out, state, shop.services.is_passed_over);
  const ReaperTotals reaper = shop.services.reaper_totals();
  append_reaper(out, state, shop.totals, reaper);
  const ReconcilerTotals reconciler = shop.services.reconciler_totals();
  append_leases(out, state, shop.totals, reaper.defers + reconciler.defers + shop.totals.advances_deferred.load());
  append_member(out, "stop");
  out += '{';
  append_flag(out, "enabled", settings.stop.enabled);
  append_number(out, "kill_after_s", settings.stop.kill_after_s);
  append_number(out, "requested", state.indexes.cancel_standing.size());
  out += '}';
  append_member(out, "reconciler");
  out += '{';
  append_flag(out, "enabled", settings.reconciler.enabled);
  append_number(out, "interval_s", settings.reconciler.interval_s);
  append_time_or_null(out, "last_run_ts", reconciler.last_pass);
  append_number(out, "passes_total", reconciler.passes);
  append_number(out, "moves_total", reconciler.moves);
  append_number(out, "defers_total", reconciler.defers);
  out += '}';
  append_alerts(out, shop.services.alert_counts ? shop.services.alert_counts() : AlertCounts());
  append_member(out, "webhooks");
  append_webhooks(out, shop.services.webhooks);
  out += '}';
}

}  // namespace

void queue_get(Call call) {
  read_json(call, [&shop = call.shop](const State& state, std::string& out) { append_queue(out, state, shop); });
}

void healthz_get(Call call) {
  HttpResponse response;
  response.body = R"({"status":"ok"})";
  call.reply(std::move(response));
}

namespace {

/// Why the daemon is not fit to serve; empty if it is.
std::string_view unready_reason(const Readiness& readiness, const ReaperTotals& reaper, const Settings& settings) {
  if (!readiness.has_space) return "disk_full";
  if (!settings.reaper.enabled) return "";
  if (reaper.since_pass_s > 2 * settings.reaper.interval_s) return "reaper_stalled";
  // What the ceiling should have ended is twice as old as that.
  if (reaper.oldest_past_ceiling_s > settings.reaper.max_running_s) return "job_past_ceiling";
  return "";
}

}  // namespace

void readyz_get(Call call) {
  struct Seen {
    std::uint64_t seq = 0;
    Settings settings;
  };
  // Through the sequencer: what cannot answer a read is not ready.
  const auto seen = std::make_shared<Seen>();
  call.sequencer().read(
      [seen](const State& state) {
        seen->seq = raw(state.last_seq);
        seen->settings = state.settings();
      },
      [&shop = call.shop, seen, reply = call.reply] {
        const Services& services = shop.services;
        const Readiness readiness = services.readiness();
        const ReaperTotals reaper = services.reaper_totals();
        const std::string_view reason = unready_reason(readiness, reaper, seen->settings);
        HttpResponse response;
        response.status = reason.empty() ? 200 : 503;
        std::string& out = response.body;
        out = '{';
        append_flag(out, "ready", reason.empty());
        append_member(out, "reason");
        append_json_text_or_null(out, reason);
        append_member(out, "version");
        append_json_text(out, services.version);
        append_member(out, "boot");
        append_json_text(out, services.boot_id);
        append_number(out, "seq", seen->seq);
        append_number(out, "free_bytes", readiness.free_bytes);
        append_number(out, "free_bytes_floor", readiness.free_bytes_floor);
        append_number(out, "reaper_age_s", reaper.since_pass_s);
        append_number(out, "oldest_past_ceiling_s", reaper.oldest_past_ceiling_s);
        append_member(out, "torn_from");
        out += raw(services.torn_from) == 0 ? "null" : std::to_string(raw(services.torn_from));
        out += '}';
        reply(std::move(response));
      });
}

void reaper_run(Call call) {
  if (const auto body = read_body(call.request.body, {}); !body) return call.refuse(body.error());
  call.shop.services.run_reaper([&shop = call.shop, reply = call.reply](const ReaperPass& pass) {
    HttpResponse response;
    std::string& out = response.body;
    out = '{';
    append_number(out, "seq", raw(shop.services.sequencer.durable_seq()));
    append_member(out, "pass");
    out += '{';
    append_number(out, "jobs", pass.jobs);
    append_number(out, "reaped", pass.reaped);
    append_number(out, "finishing", pass.finishing);
    append_number(out, "deferred", pass.deferred);
    append_number(out, "leases_reclaimed", pass.leases_reclaimed);
    append_number(out, "troubles", pass.troubles);
    out += "}}";
    reply(std::move(response));
  });
}

}  // namespace pawl
