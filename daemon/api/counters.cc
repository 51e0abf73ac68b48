#include "daemon/api/counters.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <utility>

#include "daemon/api/exposition.h"
#include "daemon/outside/webhook_book.h"
#include "schema/json/json_text.h"
#include "schema/limits.h"

namespace pawl {
namespace {

using From = CounterSources;
using Counts = std::vector<LabelledCount>;

using ReadCount = std::uint64_t (*)(const From&);
using ReadCounts = Counts (*)(const From&);
using QueuePlaces = std::vector<std::string_view>;

Counter counter_of(Counter::Kind kind, std::string_view name, std::string_view unit, std::string_view help,
                   QueuePlaces places, ReadCount read) {
  return {.name = name, .kind = kind, .unit = unit, .help = help, .shown_at = std::move(places), .read = read};
}

Counter total(std::string_view name, std::string_view unit, std::string_view help, QueuePlaces places, ReadCount read) {
  return counter_of(Counter::Kind::counter, name, unit, help, std::move(places), read);
}

Counter gauge(std::string_view name, std::string_view unit, std::string_view help, QueuePlaces places, ReadCount read) {
  return counter_of(Counter::Kind::gauge, name, unit, help, std::move(places), read);
}

Counter each(Counter counter, std::string_view label, ReadCounts read_each, std::size_t series_max) {
  counter.labels = {label};
  counter.read_each = read_each;
  counter.series_max = series_max;
  return counter;
}

std::uint64_t origins_in_trouble(const From& from, bool is_refused) {
  return static_cast<std::uint64_t>(std::count_if(from.origins.begin(), from.origins.end(), [&](const auto& origin) {
    return origin.second.is_refused == is_refused;
  }));
}

/// Ages and settings: never negative.
std::uint64_t whole(std::int64_t number) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(number, 0));
}

Counts tasks_by_stage(const From& from) {
  Counts counts;
  for (const auto& [stage, tasks] : from.state.indexes.tasks_in_stage) {
    if (stage != stage_done && stage != stage_cancelled) counts.push_back({{stage}, tasks.size()});
  }
  return counts;
}

template <auto number>
Counts by_forge(const From& from) {
  Counts counts;
  for (std::size_t i = 0; i < from.forges.size(); ++i) {
    counts.push_back({{std::string(name(forge_kinds[i]))}, from.forges.at(i).*number});
  }
  return counts;
}

std::uint64_t tasks_ended(const State& state, std::string_view stage, std::uint64_t archived) {
  const auto in_memory = state.indexes.tasks_in_stage.find(stage);
  return archived + (in_memory == state.indexes.tasks_in_stage.end() ? 0 : in_memory->second.size());
}

Counts open_jobs(const From& from) {
  Counts counts;
  for (const auto& [agent, jobs] : from.state.indexes.jobs_of_agent) {
    counts.push_back({{"queued", agent}, jobs.queued});
    counts.push_back({{"running", agent}, jobs.running});
  }
  return counts;
}

template <std::atomic<std::uint64_t> WebhookTotals::*member>
Counts by_source(const From& from) {
  if (!from.webhooks) return {};
  Counts counts;
  for (const WebhookSource source : webhook_sources) {
    counts.push_back({{std::string(name(source))}, (from.webhooks->totals(source).*member).load()});
  }
  return counts;
}

Counts webhook_refusals(const From& from) {
  Counts counts;
  if (!from.webhooks) return counts;
  for (const auto& [reason, count] : from.webhooks->refusals.counts()) counts.push_back({{reason}, count});
  return counts;
}

/// Those that are over count no longer, as for the rules.
Counts holds(const From& from) {
  const State& state = from.state;
  const TimeUs now = std::max(state.last_time, from.now);
  std::uint64_t placed = 0;
  for (const auto& [place, row] : state.holds.rows()) placed += !row.until || now < *row.until;
  std::uint64_t frozen = 0;
  std::uint64_t unplanned = 0;
  for (const auto& [pipeline, row] : state.freezes.rows()) {
    const bool is_unplanned = now >= row.planned_until;
    unplanned += is_unplanned;
    frozen += !is_unplanned && std::any_of(row.windows.begin(), row.windows.end(), [now](const FreezeWindow& window) {
      return window.from <= now && now < window.until;
    });
  }
  return {{{"placed"}, placed}, {{"frozen"}, frozen}, {{"unplanned"}, unplanned}};
}

Counts shares_held(const From& from) {
  Counts counts;
  for (const ShareKind kind : share_kinds) {
    std::uint64_t count = from.shares->held(kind);
    if (kind == ShareKind::requests) count = from.shares->last_second(from.look);
    if (kind == ShareKind::boots) count = from.state.indexes.boot_in_force.size();
    if (kind == ShareKind::leases) count = from.state.leases.size();
    if (kind == ShareKind::tasks) count = from.state.indexes.live_work_items.size();
    counts.push_back({{std::string(name(kind))}, count});
  }
  return counts;
}

template <std::uint64_t (ShareBook::*member)(ShareKind) const>
Counts shares_by_kind(const From& from, std::initializer_list<ShareKind> kinds) {
  Counts counts;
  for (const ShareKind kind : kinds) counts.push_back({{std::string(name(kind))}, (from.shares->*member)(kind)});
  return counts;
}

Counts shares_refused(const From& from) {
  using enum ShareKind;
  return shares_by_kind<&ShareBook::refused>(from, {connections, streams, polls, requests, boots, leases, tasks});
}

Counts shares_evicted(const From& from) {
  using enum ShareKind;
  return shares_by_kind<&ShareBook::evicted>(from, {connections, streams, polls, bytes});
}

// One row each. The rows of a block that append_block() writes are in the order in which /queue shows them.
std::vector<Counter> make_counters() {
  return {
      gauge("pawl_log_seq", "records", "the last record's seq", {"seq"},
            [](const From& from) { return raw(from.state.last_seq); }),
      gauge("pawl_tasks_live", "tasks", "tasks that are not finished", {"tasks.live"},
            [](const From& from) { return std::uint64_t{from.state.indexes.live_work_items.size()}; }),
      gauge("pawl_tasks_blocked", "tasks", "tasks that only a person can move on", {"tasks.blocked"},
            [](const From& from) { return std::uint64_t{from.state.indexes.blocked.size()}; }),
      gauge("pawl_tasks_cancel_requested", "tasks", "tasks whose cancel waits for a job, a lease or a crossing",
            {"tasks.cancel_requested", "stop.requested"},
            [](const From& from) { return std::uint64_t{from.state.indexes.cancel_standing.size()}; }),
      each(gauge("pawl_tasks_by_stage", "tasks", "live tasks, by stage", {"tasks.by_stage.*"}, nullptr), "stage",
           tasks_by_stage, names_max + 1),
      total("pawl_tasks_done_total", "tasks", "tasks that have ever reached `done`", {"tasks.done"},
            [](const From& from) { return tasks_ended(from.state, stage_done, from.state.indexes.archived_done); }),
      total("pawl_tasks_cancelled_total", "tasks", "tasks that have ever reached `cancelled`", {"tasks.cancelled"},
            [](const From& from) {
              return tasks_ended(from.state, stage_cancelled, from.state.indexes.archived_cancelled);
            }),
      gauge("pawl_jobs_queued", "jobs", "jobs waiting to be claimed", {"jobs.queued"},
            [](const From& from) { return std::uint64_t{from.state.indexes.queued.size()}; }),
      gauge("pawl_jobs_running", "jobs", "running jobs", {"jobs.running"},
            [](const From& from) { return std::uint64_t{from.state.indexes.running.size()}; }),
      [] {
        Counter jobs = each(gauge("pawl_jobs", "jobs", "open jobs, by state and agent", {}, nullptr), "state",
                            open_jobs, 2 * (names_max + 1));
        jobs.labels.emplace_back("agent");
        return jobs;
      }(),
      gauge("pawl_jobs_max_concurrency", "jobs", "the setting `queue.max_concurrency`", {"jobs.max_concurrency"},
            [](const From& from) { return whole(from.state.settings().queue.max_concurrency); }),

      gauge("pawl_reaper_enabled", "flag", "the setting `reaper.enabled`: 1, or 0", {},
            [](const From& from) { return std::uint64_t{from.state.settings().reaper.enabled ? 1U : 0U}; }),
      gauge("pawl_reaper_interval_seconds", "seconds", "the setting `reaper.interval_s`",
            {"reaper.interval", "reaper.interval_s"},
            [](const From& from) { return whole(from.state.settings().reaper.interval_s); }),
      gauge("pawl_reaper_last_pass_age_seconds", "seconds", "time since the reaper's last pass, or the daemon's start",
            {"reaper.last_run_age_s"}, [](const From& from) { return whole(from.reaper.since_pass_s); }),
      gauge("pawl_reaper_oldest_past_ceiling_seconds", "seconds",
            "by how much the oldest running job is past `reaper.max_running_s`", {"reaper.oldest_past_ceiling_s"},
            [](const From& from) { return whole(from.reaper.oldest_past_ceiling_s); }),
      total("pawl_jobs_reaped_total", "jobs", "jobs that the reaper ended", {"reaper.reaped_total"},
            [](const From& from) { return from.totals.reaped.load(); }),
      gauge("pawl_jobs_last_reaped", "id", "the job reaped last; 0 (null in `/queue`): none yet",
            {"reaper.last_reaped"}, [](const From& from) { return from.totals.last_reaped_job.load(); }),
      total("pawl_leases_reclaimed_total", "leases", "leases taken back from their owner",
            {"reaper.lease_reclaimed_total", "transition_lease.reclaimed_total"},
            [](const From& from) { return from.totals.leases_reclaimed.load(); }),
      total("pawl_reaper_defers_total", "jobs", "jobs left to a live owner that is finishing them",
            {"reaper.finalizer_defers_total"}, [](const From& from) { return from.reaper.defers; }),
      total("pawl_reaper_passes_total", "passes", "passes of the reaper", {"reaper.passes_total"},
            [](const From& from) { return from.reaper.passes; }),
      total("pawl_reaper_troubles_total", "jobs", "jobs that a pass failed to handle", {"reaper.troubles_total"},
            [](const From& from) { return from.reaper.troubles; }),

      gauge("pawl_transition_leases", "leases", "leases held on tasks", {"transition_lease.active"},
            [](const From& from) { return from.state.indexes.task_leases; }),
      gauge("pawl_leases", "leases", "leases held on any key", {},
            [](const From& from) { return std::uint64_t{from.state.leases.size()}; }),
      each(gauge("pawl_holds", "places",
                 "places that are held now, by a person (`placed`) or a calendar (`frozen`); `unplanned`: pipelines "
                 "that wait for the daemon to plan their calendar",
                 {}, nullptr),
           "kind", holds, 3),
      total("pawl_lease_defers_total", "tasks", "times a task was left to the live owner of its lease",
            {"transition_lease.defers_total"},
            [](const From& from) {
              return from.reaper.defers + from.reconciler.defers + from.totals.advances_deferred.load();
            }),
      gauge("pawl_stop_kill_after_seconds", "seconds", "the setting `stop.kill_after_s`", {"stop.kill_after_s"},
            [](const From& from) { return whole(from.state.settings().stop.kill_after_s); }),

      gauge("pawl_reconciler_interval_seconds", "seconds", "the setting `reconciler.interval_s`",
            {"reconciler.interval_s"},
            [](const From& from) { return whole(from.state.settings().reconciler.interval_s); }),
      total("pawl_reconciler_passes_total", "passes", "passes of the reconciler", {"reconciler.passes_total"},
            [](const From& from) { return from.reconciler.passes; }),
      total("pawl_reconciler_moves_total", "tasks", "tasks that the reconciler moved on", {"reconciler.moves_total"},
            [](const From& from) { return from.reconciler.moves; }),
      total("pawl_reconciler_defers_total", "tasks", "tasks left to the live owner of their lease",
            {"reconciler.defers_total"}, [](const From& from) { return from.reconciler.defers; }),

      gauge("pawl_alerts_queued", "alerts", "alerts waiting to be sent", {"alerts.queued"},
            [](const From& from) { return from.alerts.queued; }),
      total("pawl_alerts_sent_total", "alerts", "alerts delivered", {"alerts.sent_total"},
            [](const From& from) { return from.alerts.sent; }),
      total("pawl_alerts_failed_total", "alerts", "alerts refused, or given up after the last attempt",
            {"alerts.failed_total"}, [](const From& from) { return from.alerts.failed; }),
      total("pawl_alerts_dropped_total", "alerts", "alerts dropped because the queue was full, or at shutdown",
            {"alerts.dropped_total"}, [](const From& from) { return from.alerts.dropped; }),

      each(gauge("pawl_forges_waiting", "words", "words that wait to be told to forges", {"forges.waiting.*"}, nullptr),
           "forge", by_forge<&ForgeCounts::waiting>, std::size(forge_kinds)),
      each(total("pawl_forges_told_total", "words", "statuses and comments that forges have taken", {"forges.told.*"},
                 nullptr),
           "forge", by_forge<&ForgeCounts::told>, std::size(forge_kinds)),
      each(total("pawl_forges_retried_total", "tries", "tries to tell a forge that failed and are made again",
                 {"forges.retried.*"}, nullptr),
           "forge", by_forge<&ForgeCounts::retried>, std::size(forge_kinds)),
      each(total("pawl_forges_refused_total", "words", "words that a forge refused for good, and that were given up",
                 {"forges.refused.*"}, nullptr),
           "forge", by_forge<&ForgeCounts::refused>, std::size(forge_kinds)),

      total("pawl_messages_dropped_total", "messages", "messages dropped because stderr was not read in time",
            {"messages.dropped_total"}, [](const From& from) { return from.messages_dropped; }),

      each(gauge(
               "pawl_shares_held", "of its kind",
               "what clients hold now of each shared resource; for `requests`, those by token in the last whole second",
               {"shares.held.*"}, nullptr),
           "share", shares_held, share_kinds.size()),
      each(total("pawl_shares_refused_total", "answers",
                 "refusals because a client has its full share (429), or no connection is free (503)",
                 {"shares.refused.*"}, nullptr),
           "share", shares_refused, share_kinds.size()),
      each(total("pawl_shares_evicted_total", "connections",
                 "streams, polls and connections ended to make room for others, or to free their memory (`bytes`)",
                 {"shares.evicted.*"}, nullptr),
           "share", shares_evicted, share_kinds.size()),

      each(total("pawl_webhooks_received_total", "deliveries", "deliveries received", {"webhooks.*.received"}, nullptr),
           "source", by_source<&WebhookTotals::received>, webhook_sources.size()),
      each(total("pawl_webhooks_calls_total", "deliveries", "deliveries that led to a call", {"webhooks.*.calls"},
                 nullptr),
           "source", by_source<&WebhookTotals::calls>, webhook_sources.size()),
      each(total("pawl_webhooks_deferred_total", "deliveries", "deliveries that met a live lease",
                 {"webhooks.*.deferred"}, nullptr),
           "source", by_source<&WebhookTotals::deferred>, webhook_sources.size()),
      each(total("pawl_webhooks_ignored_total", "deliveries", "deliveries that call for no action",
                 {"webhooks.*.ignored"}, nullptr),
           "source", by_source<&WebhookTotals::ignored>, webhook_sources.size()),
      each(total("pawl_webhooks_refused_total", "deliveries", "correctly signed deliveries that were refused",
                 {"webhooks.*.refused"}, nullptr),
           "source", by_source<&WebhookTotals::refused>, webhook_sources.size()),
      each(total("pawl_webhooks_refusals_total", "deliveries", "the same, by reason", {"webhooks.refusals.*"}, nullptr),
           "reason", webhook_refusals, names_max + 1),
      each(total("pawl_webhooks_bad_signatures_total", "deliveries", "deliveries with a wrong signature, or none",
                 {"webhooks.*.bad_signatures"}, nullptr),
           "source", by_source<&WebhookTotals::bad_signatures>, webhook_sources.size()),
      each(total("pawl_webhooks_too_long_total", "deliveries", "deliveries longer than the limit, which are not parsed",
                 {"webhooks.*.too_long"}, nullptr),
           "source", by_source<&WebhookTotals::too_long>, webhook_sources.size()),
      each(total("pawl_webhooks_not_configured_total", "deliveries",
                 "deliveries refused because no secret is configured", {"webhooks.*.not_configured"}, nullptr),
           "source", by_source<&WebhookTotals::not_configured>, webhook_sources.size()),

      gauge("pawl_origins_unreachable", "repositories", "repositories whose origin is unreachable or silent", {},
            [](const From& from) { return origins_in_trouble(from, false); }),
      gauge("pawl_origins_refused", "repositories", "repositories whose origin refuses access or does not exist", {},
            [](const From& from) { return origins_in_trouble(from, true); }),

      gauge("pawl_free_bytes", "bytes", "free space for the log", {},
            [](const From& from) { return from.readiness.free_bytes; }),
      gauge("pawl_free_bytes_floor", "bytes", "no new work begins below this much free space", {},
            [](const From& from) { return from.readiness.free_bytes_floor; }),
      gauge("pawl_free_inodes", "inodes",
            "files that can still be created where the log is; also 0 if they are not counted", {},
            [](const From& from) { return from.readiness.free_inodes.value_or(0); }),
      gauge("pawl_free_inodes_floor", "inodes", "no new work begins below this many free inodes", {},
            [](const From& from) { return from.readiness.free_inodes_floor; }),
  };
}

}  // namespace

std::string_view name(Counter::Kind kind) {
  switch (kind) {
    case Counter::Kind::counter:
      return "counter";
    case Counter::Kind::gauge:
      return "gauge";
    case Counter::Kind::histogram:
      return "histogram";
    case Counter::Kind::info:
      return "info";
  }
  return "";
}

const std::vector<Counter>& counters() {
  static const std::vector<Counter> all = [] {
    std::vector<Counter> rows = make_counters();
    for (auto of_kind : {counters_of_records(), counters_of_daemon()}) {
      std::move(of_kind.begin(), of_kind.end(), std::back_inserter(rows));
    }
    return rows;
  }();
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

void append_labelled(std::string& out, std::string_view block, const CounterSources& sources) {
  for (const Counter& counter : counters()) {
    for (const std::string_view place : counter.shown_at) {
      const std::size_t dot = place.find('.');
      if (!counter.read_each || place.substr(0, dot) != block) continue;
      append_json_member(out, place.substr(dot + 1, place.rfind('.') - dot - 1));
      out += '{';
      for (const LabelledCount& each : counter.read_each(sources))
        append_json_member(out, each.labels.front(), each.count);
      out += '}';
    }
  }
}

}  // namespace pawl
