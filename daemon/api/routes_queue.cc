// The queue at a glance, whether all is well, and the reaper's pass on request.
#include <boost/json/object.hpp>

#include <algorithm>

#include "daemon/api/call.h"
#include "engine/json/queue_json.h"
#include "schema/json/json_text.h"

namespace pawl {
namespace {

void append_alerts(std::string& out, const AlertCounts& counts) {
  append_json_member(out, "alerts");
  out += '{';
  append_json_member(out, "queued", counts.queued);
  append_json_member(out, "sent_total", counts.sent);
  append_json_member(out, "failed_total", counts.failed);
  append_json_member(out, "dropped_total", counts.dropped);
  out += '}';
}

void append_queue(std::string& out, const State& state, const Shop& shop) {
  const Services& services = shop.services;
  const ReaperTotals reaper = services.reaper_totals();
  const ReconcilerTotals reconciler = services.reconciler_totals();
  append_queue_open(out, state,
                    {.now = services.sequencer.now(),
                     .reaper_last_run = reaper.last_pass,
                     .reaper_since_run_s = reaper.since_pass_s,
                     .oldest_past_ceiling_s = reaper.oldest_past_ceiling_s,
                     .reaper_passes = reaper.passes,
                     .reaper_troubles = reaper.troubles,
                     .reaped = shop.totals.reaped.load(),
                     .last_reaped = JobId{shop.totals.last_reaped_job.load()},
                     .leases_reclaimed = shop.totals.leases_reclaimed.load(),
                     .finalizer_defers = reaper.defers,
                     .reconciler_last_run = reconciler.last_pass,
                     .reconciler_passes = reconciler.passes,
                     .reconciler_moves = reconciler.moves,
                     .reconciler_defers = reconciler.defers,
                     .lease_defers = reaper.defers + reconciler.defers + shop.totals.advances_deferred.load(),
                     .is_passed_over = services.is_passed_over});
  append_alerts(out, services.alert_counts ? services.alert_counts() : AlertCounts());
  append_json_member(out, "webhooks");
  append_webhooks(out, services.webhooks);
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
        append_json_member(out, "reaper_age_s", reaper.since_pass_s);
        append_json_member(out, "oldest_past_ceiling_s", reaper.oldest_past_ceiling_s);
        append_json_member(out, "torn_from");
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
    append_json_member(out, "seq", raw(shop.services.sequencer.durable_seq()));
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
