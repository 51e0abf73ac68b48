// The queue at a glance: what runs, what waits and for what, what only a person can move on, and what watches over it.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <optional>

#include "schema/time.h"
#include "tools/commands/answers.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::optional<TimeUs> time_in(const json::value& value) {
  if (!value.is_string()) return std::nullopt;
  const auto time = parse_rfc3339({value.get_string().data(), value.get_string().size()});
  return time ? std::optional(*time) : std::nullopt;
}

/// How long ago, by the daemon's own clock; "-" for never.
std::string ago(const json::value& queue, const json::value& time) {
  const std::optional<TimeUs> now = time_in(queue.at("now"));
  const std::optional<TimeUs> then = time_in(time);
  return now && then ? duration(std::max<std::int64_t>(0, now->us - then->us)) : "-";
}

std::string item_of(const json::value& row) {
  return cell(row, "work_item") + " of " + cell(row, "repo");
}

std::string counted(std::string_view head, const json::value& count) {
  return std::string(head) + ' ' + cell(count) + '\n';
}

/// A section of the answer under its head; empty if it has no rows.
std::string section(const std::string& head, const TextTable& rows) {
  return rows.is_empty() ? "" : '\n' + head + rows.text();
}

std::string show_running(const json::value& queue) {
  TextTable rows({"job", "item", "stage", "agent", "attempt", "since", "pid", "state"});
  for (const json::value& job : queue.at("running").as_array()) {
    const json::value& run = job.at("run");
    const bool has_exited = !job.at("exit_code").is_null();
    rows.add({cell(job, "id"), item_of(job), cell(job, "stage"), cell(job, "agent"), attempt_text(job),
              ago(queue, run.at("claimed_at")), cell(job, "pid"),
              has_exited ? "exit " + cell(job, "exit_code") + ", finishing for " + ago(queue, run.at("exited_at"))
                         : "runs"});
  }
  return section("running " + cell(queue.at("jobs"), "running") + " of at most " +
                     cell(queue.at("jobs"), "max_concurrency") + "\n",
                 rows);
}

std::string show_queued(const json::value& queue) {
  TextTable rows({"job", "item", "stage", "agent", "priority", "waits", "for", "ahead"});
  for (const json::value& job : queue.at("queued").as_array()) {
    const bool is_free = job.at("reason").is_null();
    rows.add({cell(job, "id"), item_of(job), cell(job, "stage"), cell(job, "agent"), cell(job, "priority"),
              ago(queue, job.at("queued_at")), is_free ? "a claim" : cell(job, "reason"), cell(job, "ahead")});
  }
  return section(counted("queued", queue.at("jobs").at("queued")), rows);
}

std::string show_blocked(const json::value& queue) {
  TextTable rows({"task", "item", "stage", "why"});
  for (const json::value& task : queue.at("blocked").as_array()) {
    rows.add({cell(task, "task"), item_of(task), cell(task, "stage"), cell(task, "reason")});
  }
  return section(counted("blocked", queue.at("tasks").at("blocked")), rows);
}

std::string show_leases(const json::value& queue) {
  TextTable rows({"lease", "held by", "pid", "edge", "since"});
  for (const json::value& lease : queue.at("transition_lease").at("leases").as_array()) {
    rows.add({cell(lease, "key"), cell(lease, "owner.actor"), cell(lease, "owner.pid"), cell(lease, "edge"),
              ago(queue, lease.at("acquired_at"))});
  }
  return section(counted("transition leases", queue.at("transition_lease").at("active")), rows);
}

std::string show_tasks(const json::value& queue) {
  const json::value& tasks = queue.at("tasks");
  std::string out = "live " + cell(tasks, "live");
  std::string stages;
  for (const auto& stage : tasks.at("by_stage").as_object()) {
    stages += (stages.empty() ? ": " : ", ") + printable({stage.key().data(), stage.key().size()}) + ' ' +
              cell(stage.value());
  }
  out += stages + "; done " + cell(tasks, "done") + ", cancelled " + cell(tasks, "cancelled");
  if (cell(tasks, "cancel_requested") != "0") out += ", to be cancelled " + cell(tasks, "cancel_requested");
  return out + '\n';
}

/// "on, every 60 s, last 12 s ago" or "off"
std::string rhythm(const json::value& queue, const json::value& part) {
  if (!part.at("enabled").as_bool()) return "off";
  const bool has_run = !part.at("last_run_ts").is_null();
  return "on, every " + cell(part, "interval_s") + " s, " +
         (has_run ? "last " + ago(queue, part.at("last_run_ts")) + " ago" : std::string("not yet"));
}

std::string on_or_off(const json::value& part) {
  return part.at("enabled").as_bool() ? "on" : "off";
}

/// "streams 4, requests 8", without those that are 0.
std::string show_counts(const json::value& counts) {
  std::string out;
  for (const auto& count : counts.as_object()) {
    if (cell(count.value()) == "0") continue;
    out += (out.empty() ? "" : ", ") + printable({count.key().data(), count.key().size()}) + ' ' + cell(count.value());
  }
  return out.empty() ? "none" : out;
}

std::string show_shares(const json::value& shares) {
  std::string out = "refused " + show_counts(shares.at("refused")) + "; evicted " + show_counts(shares.at("evicted"));
  if (!shares.at("refused_most").is_array()) return out;
  std::string most;
  for (const json::value& each : shares.at("refused_most").as_array()) {
    most += (most.empty() ? "; refused most: " : ", ") + cell(each, "principal") + ' ' + cell(each, "count");
  }
  return out + most;
}

/// Whether any of the counts in an object of objects is not 0.
bool is_used(const json::value& counts) {
  const auto& all = counts.as_object();
  return std::any_of(all.begin(), all.end(), [](const auto& each) { return show_counts(each.value()) != "none"; });
}

std::string show_watch(const json::value& queue) {
  const json::value& reaper = queue.at("reaper");
  const json::value& reconciler = queue.at("reconciler");
  const json::value& leases = queue.at("transition_lease");
  const json::value& alerts = queue.at("alerts");
  TextTable rows({"", "", "since the daemon's start"});
  std::string reaped = "reaped " + cell(reaper, "reaped_total");
  if (!reaper.at("last_reaped").is_null()) reaped += " (last: job " + cell(reaper, "last_reaped") + ")";
  rows.add({"reaper", rhythm(queue, reaper),
            reaped + ", deferred " + cell(reaper, "finalizer_defers_total") + ", troubles " +
                cell(reaper, "troubles_total")});
  rows.add({"reconciler", rhythm(queue, reconciler),
            "moved " + cell(reconciler, "moves_total") + ", deferred " + cell(reconciler, "defers_total")});
  rows.add({"ownership", on_or_off(leases),
            "deferred " + cell(leases, "defers_total") + ", leases reclaimed " + cell(leases, "reclaimed_total")});
  rows.add({"alerts", cell(alerts, "queued") + " waiting",
            "sent " + cell(alerts, "sent_total") + ", failed " + cell(alerts, "failed_total") + ", dropped " +
                cell(alerts, "dropped_total")});
  if (const json::value* forges = queue.get_object().if_contains("forges"); forges && is_used(*forges)) {
    rows.add({"forges", "waiting: " + show_counts(forges->at("waiting")),
              "told: " + show_counts(forges->at("told")) + "; retried: " + show_counts(forges->at("retried")) +
                  "; refused: " + show_counts(forges->at("refused"))});
  }
  rows.add({"shares", "held: " + show_counts(queue.at("shares").at("held")), show_shares(queue.at("shares"))});
  for (const auto& source : queue.at("webhooks").as_object()) {
    // The refusals, by reason, are next to the sources.
    const json::value* configured =
        source.value().is_object() ? source.value().as_object().if_contains("configured") : nullptr;
    if (!configured || !configured->as_bool()) continue;
    rows.add({"webhooks", std::string(source.key()),
              "received " + cell(source.value(), "received") + ", acted on " + cell(source.value(), "calls") +
                  ", deferred " + cell(source.value(), "deferred") + ", refused " + cell(source.value(), "refused") +
                  ", bad signatures " + cell(source.value(), "bad_signatures") + ", too long " +
                  cell(source.value(), "too_long")});
  }
  if (const json::value& refusals = part_of(queue.at("webhooks"), "refusals");
      refusals.is_object() && !refusals.as_object().empty()) {
    rows.add({"webhooks", "all", "refused: " + show_counts(refusals)});
  }
  return '\n' + rows.text();
}

std::string show_queue(const json::value& queue) {
  std::string out = "at seq " + cell(queue, "seq") + ", " + cell(queue, "now") + '\n' + show_tasks(queue);
  out += show_running(queue) + show_queued(queue) + show_blocked(queue) + show_leases(queue) + show_watch(queue);
  return out;
}

Exit run_queue(const Arguments& arguments) {
  return run_call(arguments, {.method = "GET", .path = "/queue"}, show_queue);
}

}  // namespace

const Command queue_command = {
    .name = "queue",
    .arguments = "",
    .summary = "Shows what runs, what waits and for what, what is blocked, and what watches over it",
    .details = "",
    .options = with_daemon_options({}),
    .run = run_queue};

}  // namespace pawl
