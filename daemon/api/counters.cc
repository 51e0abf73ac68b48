#include "daemon/api/counters.h"

#include <algorithm>

#include "daemon/outside/webhooks.h"
#include "schema/json/json_text.h"
#include "schema/limits.h"

namespace pawl {
namespace {

using From = CounterSources;
using Counts = std::vector<LabelledCount>;

/// Ages and settings: never negative.
std::uint64_t whole(std::int64_t number) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(number, 0));
}

Counts tasks_by_stage(const From& from) {
  Counts counts;
  for (const auto& [stage, count] : from.state.indexes.tasks_by_stage) {
    if (stage != stage_done && stage != stage_cancelled && count > 0) counts.push_back({stage, count});
  }
  return counts;
}

std::uint64_t tasks_ended(const State& state, std::string_view stage, std::uint64_t archived) {
  const auto in_memory = state.indexes.tasks_by_stage.find(std::string(stage));
  return archived + (in_memory == state.indexes.tasks_by_stage.end() ? 0 : in_memory->second);
}

std::uint64_t transition_leases(const From& from) {
  const auto& rows = from.state.leases.rows();
  std::uint64_t count = 0;
  for (auto at = rows.lower_bound("task:"); at != rows.end() && at->first.starts_with("task:"); ++at) ++count;
  return count;
}

template <std::atomic<std::uint64_t> WebhookTotals::*member>
Counts by_source(const From& from) {
  if (!from.webhooks) return {};
  return {{name(WebhookSource::gitea), (from.webhooks->of_gitea.*member).load()},
          {name(WebhookSource::plane), (from.webhooks->of_plane.*member).load()}};
}

// One row each. Rows of a block that append_block() writes stand in the order in which /queue shows them.
std::vector<Counter> make_counters() {
  using Kind = Counter::Kind;
  return {
      {"pawl_log_seq",
       Kind::gauge,
       "records",
       "the last record's seq",
       {"seq"},
       [](const From& from) { return raw(from.state.last_seq); }},
      {"pawl_tasks_live",
       Kind::gauge,
       "tasks",
       "tasks that are not finished",
       {"tasks.live"},
       [](const From& from) { return std::uint64_t{from.state.indexes.live_work_items.size()}; }},
      {"pawl_tasks_blocked",
       Kind::gauge,
       "tasks",
       "tasks that only a person moves on",
       {"tasks.blocked"},
       [](const From& from) { return std::uint64_t{from.state.indexes.blocked.size()}; }},
      {"pawl_tasks_cancel_requested",
       Kind::gauge,
       "tasks",
       "tasks whose cancel waits for a job, a lease or a crossing",
       {"tasks.cancel_requested", "stop.requested"},
       [](const From& from) { return std::uint64_t{from.state.indexes.cancel_standing.size()}; }},
      {"pawl_tasks_by_stage",
       Kind::gauge,
       "tasks",
       "live tasks, by stage",
       {"tasks.by_stage.*"},
       nullptr,
       tasks_by_stage,
       "stage"},
      {"pawl_tasks_done_total",
       Kind::counter,
       "tasks",
       "tasks that came to `done`, ever",
       {"tasks.done"},
       [](const From& from) { return tasks_ended(from.state, stage_done, from.state.indexes.archived_done); }},
      {"pawl_tasks_cancelled_total",
       Kind::counter,
       "tasks",
       "tasks that came to `cancelled`, ever",
       {"tasks.cancelled"},
       [](const From& from) {
         return tasks_ended(from.state, stage_cancelled, from.state.indexes.archived_cancelled);
       }},
      {"pawl_jobs_queued",
       Kind::gauge,
       "jobs",
       "jobs that wait to be claimed",
       {"jobs.queued"},
       [](const From& from) { return std::uint64_t{from.state.indexes.queued.size()}; }},
      {"pawl_jobs_running",
       Kind::gauge,
       "jobs",
       "jobs that run",
       {"jobs.running"},
       [](const From& from) { return std::uint64_t{from.state.indexes.running.size()}; }},
      {"pawl_jobs_max_concurrency",
       Kind::gauge,
       "jobs",
       "the setting `queue.max_concurrency`",
       {"jobs.max_concurrency"},
       [](const From& from) { return whole(from.state.settings().queue.max_concurrency); }},

      {"pawl_reaper_interval_seconds",
       Kind::gauge,
       "seconds",
       "the setting `reaper.interval_s`",
       {"reaper.interval_s"},
       [](const From& from) { return whole(from.state.settings().reaper.interval_s); }},
      {"pawl_reaper_last_pass_age_seconds",
       Kind::gauge,
       "seconds",
       "since the reaper's last pass, or the daemon's start",
       {"reaper.last_run_age_s"},
       [](const From& from) { return whole(from.reaper.since_pass_s); }},
      {"pawl_reaper_oldest_past_ceiling_seconds",
       Kind::gauge,
       "seconds",
       "by how much the oldest running job is past `reaper.max_running_s`",
       {"reaper.oldest_past_ceiling_s"},
       [](const From& from) { return whole(from.reaper.oldest_past_ceiling_s); }},
      {"pawl_jobs_reaped_total",
       Kind::counter,
       "jobs",
       "jobs that the reaper ended",
       {"reaper.reaped_total"},
       [](const From& from) { return from.totals.reaped.load(); }},
      {"pawl_jobs_last_reaped",
       Kind::gauge,
       "id",
       "the job reaped last; 0 (null in `/queue`): none yet",
       {"reaper.last_reaped"},
       [](const From& from) { return from.totals.last_reaped_job.load(); }},
      {"pawl_leases_reclaimed_total",
       Kind::counter,
       "leases",
       "leases taken back from their owner",
       {"reaper.lease_reclaimed_total", "transition_lease.reclaimed_total"},
       [](const From& from) { return from.totals.leases_reclaimed.load(); }},
      {"pawl_reaper_defers_total",
       Kind::counter,
       "jobs",
       "jobs left to the live owner who finishes them",
       {"reaper.finalizer_defers_total"},
       [](const From& from) { return from.reaper.defers; }},
      {"pawl_reaper_passes_total",
       Kind::counter,
       "passes",
       "passes of the reaper",
       {"reaper.passes_total"},
       [](const From& from) { return from.reaper.passes; }},
      {"pawl_reaper_troubles_total",
       Kind::counter,
       "jobs",
       "jobs whose part of a pass went wrong",
       {"reaper.troubles_total"},
       [](const From& from) { return from.reaper.troubles; }},

      {"pawl_transition_leases",
       Kind::gauge,
       "leases",
       "leases held on tasks",
       {"transition_lease.active"},
       transition_leases},
      {"pawl_lease_defers_total",
       Kind::counter,
       "tasks",
       "times that a task was left to the live owner of its lease, by whoever met it",
       {"transition_lease.defers_total"},
       [](const From& from) {
         return from.reaper.defers + from.reconciler.defers + from.totals.advances_deferred.load();
       }},
      {"pawl_stop_kill_after_seconds",
       Kind::gauge,
       "seconds",
       "the setting `stop.kill_after_s`",
       {"stop.kill_after_s"},
       [](const From& from) { return whole(from.state.settings().stop.kill_after_s); }},

      {"pawl_reconciler_interval_seconds",
       Kind::gauge,
       "seconds",
       "the setting `reconciler.interval_s`",
       {"reconciler.interval_s"},
       [](const From& from) { return whole(from.state.settings().reconciler.interval_s); }},
      {"pawl_reconciler_passes_total",
       Kind::counter,
       "passes",
       "passes of the reconciler",
       {"reconciler.passes_total"},
       [](const From& from) { return from.reconciler.passes; }},
      {"pawl_reconciler_moves_total",
       Kind::counter,
       "tasks",
       "tasks that the reconciler drove on",
       {"reconciler.moves_total"},
       [](const From& from) { return from.reconciler.moves; }},
      {"pawl_reconciler_defers_total",
       Kind::counter,
       "tasks",
       "tasks left to the live owner of their lease",
       {"reconciler.defers_total"},
       [](const From& from) { return from.reconciler.defers; }},

      {"pawl_alerts_queued",
       Kind::gauge,
       "alerts",
       "alerts that wait to be sent",
       {"alerts.queued"},
       [](const From& from) { return from.alerts.queued; }},
      {"pawl_alerts_sent_total",
       Kind::counter,
       "alerts",
       "alerts delivered",
       {"alerts.sent_total"},
       [](const From& from) { return from.alerts.sent; }},
      {"pawl_alerts_failed_total",
       Kind::counter,
       "alerts",
       "alerts refused, or tried as often as they may be",
       {"alerts.failed_total"},
       [](const From& from) { return from.alerts.failed; }},
      {"pawl_alerts_dropped_total",
       Kind::counter,
       "alerts",
       "alerts dropped for want of room, or at the end",
       {"alerts.dropped_total"},
       [](const From& from) { return from.alerts.dropped; }},

      {"pawl_webhooks_received_total",
       Kind::counter,
       "deliveries",
       "deliveries that came",
       {"webhooks.*.received"},
       nullptr,
       by_source<&WebhookTotals::received>,
       "source"},
      {"pawl_webhooks_calls_total",
       Kind::counter,
       "deliveries",
       "deliveries that led to a call",
       {"webhooks.*.calls"},
       nullptr,
       by_source<&WebhookTotals::calls>,
       "source"},
      {"pawl_webhooks_deferred_total",
       Kind::counter,
       "deliveries",
       "deliveries that met a live lease",
       {"webhooks.*.deferred"},
       nullptr,
       by_source<&WebhookTotals::deferred>,
       "source"},
      {"pawl_webhooks_ignored_total",
       Kind::counter,
       "deliveries",
       "deliveries that nothing follows from",
       {"webhooks.*.ignored"},
       nullptr,
       by_source<&WebhookTotals::ignored>,
       "source"},
      {"pawl_webhooks_malformed_total",
       Kind::counter,
       "deliveries",
       "deliveries signed right that cannot be read",
       {"webhooks.*.malformed"},
       nullptr,
       by_source<&WebhookTotals::malformed>,
       "source"},
      {"pawl_webhooks_bad_signatures_total",
       Kind::counter,
       "deliveries",
       "deliveries with a wrong signature, or none",
       {"webhooks.*.bad_signatures"},
       nullptr,
       by_source<&WebhookTotals::bad_signatures>,
       "source"},
      {"pawl_webhooks_not_configured_total",
       Kind::counter,
       "deliveries",
       "deliveries for which there is no secret",
       {"webhooks.*.not_configured"},
       nullptr,
       by_source<&WebhookTotals::not_configured>,
       "source"},

      {"pawl_free_bytes",
       Kind::gauge,
       "bytes",
       "free space for the log",
       {},
       [](const From& from) { return from.readiness.free_bytes; }},
      {"pawl_free_bytes_floor",
       Kind::gauge,
       "bytes",
       "below this much free space writes are refused",
       {},
       [](const From& from) { return from.readiness.free_bytes_floor; }},
  };
}

}  // namespace

std::string_view name(Counter::Kind kind) {
  return kind == Counter::Kind::counter ? "counter" : "gauge";
}

const std::vector<Counter>& counters() {
  static const std::vector<Counter> all = make_counters();
  return all;
}

void append_block(std::string& out, std::string_view block, const CounterSources& sources) {
  append_json_member(out, block);
  out += '{';
  for (const Counter& counter : counters()) {
    for (const std::string_view place : counter.shown_at) {
      const std::size_t dot = place.find('.');
      if (!counter.read || place.substr(0, dot) != block) continue;
      append_json_member(out, place.substr(dot + 1), counter.read(sources));
    }
  }
  out += '}';
}

}  // namespace pawl
