// The queue, the health checks, and a reaper pass on request.
#include <algorithm>
#include <chrono>

#include "daemon/api/call.h"
#include "engine/json/queue_json.h"
#include "schema/json/json_text.h"

namespace pawl {
CounterSources counter_sources(const State& state, const RouteContext& context) {
  const Services& services = context.services;
  return {.state = state,
          .totals = context.totals,
          .reaper = services.reaper_totals(),
          .reconciler = services.reconciler_totals(),
          .alerts = services.alert_counts ? services.alert_counts() : AlertCounts(),
          .forges = services.forge_counts ? services.forge_counts() : ForgeCountsByKind(),
          .readiness = services.readiness(),
          .messages_dropped = services.messages_dropped ? services.messages_dropped() : 0,
          .origins = services.origin_troubles ? services.origin_troubles() : std::map<std::string, OriginTrouble>(),
          .webhooks = services.webhooks,
          .shares = services.share_book.get(),
          .look = std::chrono::steady_clock::now(),
          .now = services.sequencer.now()};
}

namespace {

/// Only operators see names: others do not learn which clients exist or what happens to them.
void append_refused_most(std::string& out, const ShareBook& book, Role role) {
  append_json_member(out, "refused_most");
  if (role < Role::operate) {
    out += "null";
    return;
  }
  out += '[';
  for (const ShareBook::Refused& refused : book.refused_most()) {
    if (out.back() != '[') out += ',';
    out += '{';
    append_json_member(out, "principal");
    append_json_text(out, refused.principal);
    append_json_member(out, "count", refused.count);
    out += '}';
  }
  out += ']';
}

}  // namespace

void append_queue(std::string& out, const State& state, const RouteContext& context, Role role) {
  const CounterSources from = counter_sources(state, context);
  append_queue_open(out, state,
                    {.now = context.services.sequencer.now(),
                     .reaper_last_run = from.reaper.last_pass,
                     .reaper_since_run_s = from.reaper.since_pass_s,
                     .oldest_past_ceiling_s = from.reaper.oldest_past_ceiling_s,
                     .reaper_passes = from.reaper.passes,
                     .reaper_troubles = from.reaper.troubles,
                     .reaped = from.totals.reaped.load(),
                     .last_reaped = JobId{from.totals.last_reaped_job.load()},
                     .leases_reclaimed = from.totals.leases_reclaimed.load(),
                     .finalizer_defers = from.reaper.defers,
                     .reconciler_last_run = from.reconciler.last_pass,
                     .reconciler_passes = from.reconciler.passes,
                     .reconciler_moves = from.reconciler.moves,
                     .reconciler_defers = from.reconciler.defers,
                     .lease_defers = from.reaper.defers + from.reconciler.defers + from.totals.advances_deferred.load(),
                     .is_skipped = context.services.is_skipped,
                     .origin_trouble = context.services.origin_trouble,
                     .missing_variable = context.services.missing_variable});
  append_block(out, "alerts", from);
  append_json_member(out, "forges");
  out += '{';
  append_labelled(out, "forges", from);
  out += '}';
  append_block(out, "messages", from);
  append_json_member(out, "shares");
  out += '{';
  append_labelled(out, "shares", from);
  append_refused_most(out, *from.shares, role);
  out += '}';
  append_json_member(out, "webhooks");
  append_webhooks(out, from.webhooks);
  out += '}';
}

namespace {

/// What the records say. What the daemon counts besides is not known of the past.
void append_past_queue(std::string& out, const State& state) {
  append_queue_open(out, state, {.now = state.last_time, .reaper_last_run = {}, .reconciler_last_run = {}});
  out += R"(,"alerts":null,"forges":null,"messages":null,"shares":null,"webhooks":null})";
}

}  // namespace

void queue_get(Call call) {
  if (call.past) return read_json(call, [](const State& state, std::string& out) { append_past_queue(out, state); });
  read_json(call, [&context = call.context, role = call.role](const State& state, std::string& out) {
    append_queue(out, state, context, role);
  });
}

void healthz_get(Call call) {
  HttpResponse response;
  response.body = R"({"status":"ok"})";
  call.reply(std::move(response));
}

namespace {

/// Why the daemon is not ready to serve; empty if it is.
std::string_view unready_reason(const Readiness& readiness, const ReaperTotals& reaper, const Settings& settings) {
  if (!readiness.has_space) return "disk_full";
  if (!readiness.can_write) return "not_writable";
  if (!settings.reaper.enabled) return "";
  if (reaper.since_pass_s > 2 * settings.reaper.interval_s) return "reaper_stalled";
  // A job is twice as old as the ceiling that should have ended it.
  if (reaper.oldest_past_ceiling_s > settings.reaper.max_running_s) return "job_past_ceiling";
  return "";
}

}  // namespace

void readyz_get(Call call) {
  struct Seen {
    std::uint64_t seq = 0;
    Settings settings;
  };
  // Through the sequencer: a daemon that cannot answer a read is not ready.
  const auto seen = std::make_shared<Seen>();
  call.sequencer().read(
      [seen](const State& state) {
        seen->seq = raw(state.last_seq);
        seen->settings = state.settings();
      },
      [&context = call.context, seen, reply = call.reply] {
        const Services& services = context.services;
        const Readiness readiness = services.readiness();
        const ReaperTotals reaper = services.reaper_totals();
        const std::string_view reason =
            context.is_ending.load() ? "ending" : unready_reason(readiness, reaper, seen->settings);
        HttpResponse response;
        response.status = reason.empty() ? 200 : 503;
        std::string& out = response.body;
        out = '{';
        append_json_member(out, "ready", reason.empty());
        append_json_member(out, "reason");
        append_json_text_or_null(out, reason);
        append_json_member(out, "version");
        append_json_text(out, services.version);
        append_json_member(out, "boot");
        append_json_text(out, services.boot_id);
        append_json_member(out, "seq", seen->seq);
        append_json_member(out, "free_bytes", readiness.free_bytes);
        append_json_member(out, "free_bytes_floor", readiness.free_bytes_floor);
        append_json_member(out, "free_inodes");
        out += readiness.free_inodes ? std::to_string(*readiness.free_inodes) : "null";
        append_json_member(out, "free_inodes_floor", readiness.free_inodes_floor);
        append_json_member(out, "reaper_age_s", reaper.since_pass_s);
        append_json_member(out, "oldest_past_ceiling_s", reaper.oldest_past_ceiling_s);
        append_json_member(out, "torn_from");
        out += raw(services.torn_from) == 0 ? "null" : std::to_string(raw(services.torn_from));
        append_json_member(out, "clock_drift_s");
        out += readiness.clock_drift_s ? std::to_string(*readiness.clock_drift_s) : "null";
        append_json_member(out, "blind");
        append_json_text_or_null(out, services.blind.value_or(""));
        out += '}';
        reply(std::move(response));
      });
}

void reaper_run(Call call) {
  call.context.services.run_reaper([&context = call.context, reply = call.reply](const ReaperPass& pass) {
    HttpResponse response;
    std::string& out = response.body;
    out = '{';
    append_json_member(out, "seq", raw(context.services.sequencer.durable_seq()));
    append_json_member(out, "pass");
    out += '{';
    append_json_member(out, "jobs", pass.jobs);
    append_json_member(out, "reaped", pass.reaped);
    append_json_member(out, "finishing", pass.finishing);
    append_json_member(out, "deferred", pass.deferred);
    append_json_member(out, "leases_reclaimed", pass.leases_reclaimed);
    append_json_member(out, "troubles", pass.troubles);
    out += "}}";
    reply(std::move(response));
  });
}

}  // namespace pawl
