// Calls for those who run the daemon: settings, pipelines, the queue at a glance, and whether all is well.
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "daemon/call.h"
#include "schema/json_text.h"
#include "schema/limits.h"
#include "schema/read_json.h"
#include "schema/record_json.h"
#include "store/state_json.h"

namespace pawl {
namespace {

namespace json = boost::json;

constexpr std::size_t settings_per_call_max = 64;

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

void append_null(std::string& out, std::string_view name) {
  append_member(out, name);
  out += "null";
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

void append_reaper(std::string& out, const State& state, const Totals& totals) {
  const Settings& settings = state.settings();
  append_member(out, "reaper");
  out += '{';
  append_flag(out, "enabled", settings.reaper.enabled);
  append_number(out, "interval_s", settings.reaper.interval_s);
  append_null(out, "last_run_ts");
  append_number(out, "reaped_total", totals.reaped.load());
  append_member(out, "last_reaped");
  const std::uint64_t last = totals.last_reaped_job.load();
  out += last == 0 ? "null" : std::to_string(last);
  append_number(out, "lease_reclaimed_total", totals.leases_reclaimed.load());
  append_flag(out, "finalizer_liveness_enabled", settings.reaper.finalizer_liveness);
  append_number(out, "finalizer_defers_total", std::uint64_t{0});
  append_member(out, "finalizer_owned");
  out += '[';
  bool first = true;
  for (const JobId id : state.indexes.running) {
    if (!state.jobs.find(id)->run->marked) continue;
    out += (first ? "" : ",") + std::to_string(raw(id));
    first = false;
  }
  out += "]}";
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
  append_reaper(out, state, shop.totals);
  const ReconcilerTotals reconciler = shop.services.reconciler_totals();
  append_leases(out, state, shop.totals, reconciler.defers + shop.totals.advances_deferred.load());
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
  append_member(out, "last_run_ts");
  if (reconciler.last_pass.us == 0) {
    out += "null";
  } else {
    append_json_time(out, reconciler.last_pass);
  }
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

void settings_get(Call call) {
  read_json(call, [](const State& state, std::string& out) {
    out = R"({"seq":)";
    append_json_integer(out, raw(state.last_seq));
    out += R"(,"settings":)";
    append_json(out, state.settings());
    out += '}';
  });
}

void settings_set(Call call) {
  // The names are the body's fields, so which of them exist is for apply to say.
  const auto value = parse_json(call.request.body);
  if (!value) return call.refuse(value.error());
  if (!value->is_object() || value->get_object().empty() || value->get_object().size() > settings_per_call_max) {
    return call.refuse({ErrorCode::malformed, "the body must be an object of 1 to " +
                                                  std::to_string(settings_per_call_max) + " settings by name"});
  }
  Group group;
  for (const auto& member : value->get_object()) {
    json::object event;
    event.emplace("key", member.key());
    event.emplace("value", member.value());
    auto proposal = proposal_from_json(call.asker, fb::Event::SettingChanged, event, Reading::asked);
    if (!proposal) {
      return call.refuse(
          {ErrorCode::malformed, "setting '" + std::string(member.key()) + "': " + proposal.error().message});
    }
    group.push_back(std::move(*proposal));
  }
  write(call.shop,
        {.group = std::move(group),
         .look =
             [](const Sequencer::Seen& seen, Shown& shown) {
               shown.noun = Noun::settings;
               shown.settings = seen.state.settings();
             }},
        std::move(call.reply));
}

void pipelines_list(Call call) {
  read_json(call, [](const State& state, std::string& out) {
    out = R"({"items":[)";
    bool first = true;
    for (const auto& [seq, row] : state.pipelines.rows()) {
      if (!row.in_force) continue;
      if (!first) out += ',';
      first = false;
      append_json(out, row);
    }
    out += R"(],"next":null})";
  });
}

void pipelines_define(Call call) {
  const auto body = read_body(call.request.body, {.required = {"name", "stages"}, .optional = {"agents"}});
  if (!body) return call.refuse(body.error());
  auto proposal = proposal_from_json(call.asker, fb::Event::PipelineDefined, *body, Reading::asked);
  if (!proposal) return call.refuse(proposal.error());
  const std::string name = proposal->record().event_as_PipelineDefined()->name()->str();
  Group group;
  group.push_back(std::move(*proposal));
  write(call.shop,
        {.group = std::move(group),
         .look =
             [name](const Sequencer::Seen& seen, Shown& shown) {
               shown.noun = Noun::pipeline;
               if (const PipelineRow* row = seen.state.pipeline_in_force(name)) shown.pipeline = *row;
             },
         .status_accepted = 201},
        std::move(call.reply));
}

void queue_get(Call call) {
  read_json(call, [&shop = call.shop](const State& state, std::string& out) { append_queue(out, state, shop); });
}

void healthz_get(Call call) {
  HttpResponse response;
  response.body = R"({"status":"ok"})";
  call.reply(std::move(response));
}

void readyz_get(Call call) {
  // Through the sequencer: what cannot answer a read is not ready.
  const auto seq = std::make_shared<std::uint64_t>(0);
  call.sequencer().read([seq](const State& state) { *seq = raw(state.last_seq); },
                        [&shop = call.shop, seq, reply = call.reply] {
                          const Services& services = shop.services;
                          const Readiness readiness = services.readiness();
                          HttpResponse response;
                          response.status = readiness.has_space ? 200 : 503;
                          std::string& out = response.body;
                          out = '{';
                          append_flag(out, "ready", readiness.has_space);
                          append_member(out, "reason");
                          append_json_text_or_null(out, readiness.has_space ? "" : "disk_full");
                          append_member(out, "version");
                          append_json_text(out, services.version);
                          append_member(out, "boot");
                          append_json_text(out, services.boot_id);
                          append_number(out, "seq", *seq);
                          append_number(out, "free_bytes", readiness.free_bytes);
                          append_number(out, "free_bytes_floor", readiness.free_bytes_floor);
                          append_member(out, "torn_from");
                          out += raw(services.torn_from) == 0 ? "null" : std::to_string(raw(services.torn_from));
                          out += '}';
                          reply(std::move(response));
                        });
}

}  // namespace pawl
