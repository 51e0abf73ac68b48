// What `pawl check` and `pawl incident` find in this log.
#include <sys/resource.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "daemon/api/call.h"
#include "daemon/api/log_audit.h"
#include "schema/json/json_text.h"
#include "tools/forensics/explain_render.h"
#include "tools/forensics/findings_json.h"
#include "tools/forensics/incident_report.h"
#include "tools/forensics/redacted_export.h"
#include "tools/forensics/what_if_judge.h"

namespace pawl {
namespace {

/// What the reports call the log: a reader need not know where it is.
constexpr const char* log_name = "this daemon's log";
constexpr std::size_t redacted_bytes_max = std::size_t{64} << 20;
/// A report replays the log, several times: it must not take the processor from what delivers.
constexpr int nice_of_reports = 15;

void append_or_null(std::string& out, std::optional<Seq> seq) {
  out += seq ? std::to_string(raw(*seq)) : "null";
}

/// Of each list, the items from the one at `first` on.
struct Part {
  std::size_t first = 0;
  std::size_t count_max = 0;
};

/// Appends `"<name>":[…],"<name>_total":…`.
template <class List, class Append>
void append_some(std::string& out, const std::string& name, const List& all, Part part, Append append) {
  out += ",\"" + name + "\":[";
  const std::size_t first = std::min(part.first, all.size());
  const std::size_t end = first + std::min(part.count_max, all.size() - first);
  for (std::size_t i = first; i < end; ++i) {
    if (i > first) out += ',';
    append(all[i]);
  }
  out += "],\"" + name + "_total\":" + std::to_string(all.size());
}

std::string list_of(const AuditView* view, int percent, Seq head, Part part) {
  static const AuditView nothing;
  const AuditView& seen = view ? *view : nothing;
  std::string out = "{\"percent\":" + std::to_string(percent) + ",\"audited\":";
  append_or_null(out, view ? std::optional(seen.audited) : std::nullopt);
  out += ",\"head\":" + std::to_string(raw(head)) + ",\"first\":";
  append_or_null(out, view ? std::optional(seen.first) : std::nullopt);
  out += ",\"records\":" + std::to_string(seen.records) + ",\"culprit\":";
  append_or_null(out, culprit_of(seen.findings));
  out += ",\"stopped_at\":";
  append_or_null(out, seen.stopped_at);
  append_some(out, "findings", seen.findings, part, [&](const Finding& finding) {
    const auto heading = seen.headings.find(finding.seq);
    append_finding(out, finding,
                   heading == seen.headings.end() ? std::nullopt : std::optional<Heading>(heading->second));
  });
  append_some(out, "ended", seen.ended, part, [&](const BadEnd& end) { append_end(out, end); });
  return out + '}';
}

/// A report, and what it was made from.
struct Reported {
  Journal& journal;
  IncidentReport report;
  Seq about{};
};

/// Makes the report of the incident around the call's record on the thread for that, and calls `show` there.
void report(Call call, std::function<HttpResponse(const Reported&)> show) {
  const auto seq = id_of(call.param);
  if (!seq) return call.refuse({ErrorCode::malformed, "'" + call.param + "' is not a record's seq"});
  if (auto refused = refuse_beyond(call, static_cast<std::int64_t>(std::min<std::uint64_t>(*seq, INT64_MAX)))) {
    return call.reply(*std::move(refused));
  }
  const auto make = [&journal = call.context.services.journal, about = Seq{*seq}, show = std::move(show),
                     reply = call.reply] {
    ::setpriority(PRIO_PROCESS, 0, nice_of_reports);  // of this thread alone
    const auto log = RecordedLog::read_part(journal);
    if (!log) return reply(http_error(500, "io", log.error().message));
    auto made = report_of(*log, log_name, {.seq = about}, TimelineBuilder::Lines::for_readers);
    if (!made && made.error().code != ErrorCode::missing) return reply(http_error(500, "io", made.error().message));
    if (!made || !made->question) {
      return reply(http_error(404, "no_incident",
                              "record " + std::to_string(raw(about)) + " has no part in anything that went wrong"));
    }
    reply(show({.journal = journal, .report = *std::move(made), .about = about}));
  };
  if (!call.context.reports.post(make)) call.reply(too_many_past());
}

/// A file to keep. If a browser shows it after all, then as a page of no site.
HttpResponse attachment(std::string type, const std::string& name, std::string body) {
  HttpResponse response{.content_type = std::move(type), .body = std::move(body)};
  response.headers = {{"Content-Disposition", "attachment; filename=\"" + name + "\""},
                      {"Content-Security-Policy", "sandbox allow-scripts"},
                      {"X-Content-Type-Options", "nosniff"},
                      {"Cache-Control", "no-store"}};
  return response;
}

/// From the first record of the chain or of the stories to the last one.
RedactedRange range_of(const IncidentReport& report) {
  Seq from = report.question->finding.seq;
  Seq to = from;
  const auto take = [&](Seq seq) {
    from = std::min(from, seq);
    to = std::max(to, seq);
  };
  for (const TracedRecord& each : report.trace) take(each.seq);
  for (const Story& story : report.stories) {
    for (const StoryEntry& entry : story.entries) take(entry.seq);
  }
  return {.from = Moment{.seq = from, .time = {}}, .to = Moment{.seq = to, .time = {}}};
}

HttpResponse redacted_log(const Reported& reported) {
  std::string lines;
  const RedactedRange range = range_of(reported.report);
  bool is_too_long = false;
  const auto written = write_redacted(walker_of(reported.journal), range, [&](std::string_view line) {
    is_too_long = is_too_long || lines.size() + line.size() > redacted_bytes_max;
    if (!is_too_long) lines += line;
  });
  if (is_too_long) {
    return http_error(422, "log_too_long",
                      "the incident's log is longer than is answered at once (64 MiB): 'pawl export log --redact "
                      "--from " +
                          std::to_string(raw(*range.from->seq)) + " --to " + std::to_string(raw(*range.to->seq)) +
                          "' on the data folder writes it");
  }
  if (!written) return http_error(500, "io", written.error().message);
  return attachment("application/jsonl", "incident-" + std::to_string(raw(reported.about)) + ".jsonl",
                    std::move(lines));
}

}  // namespace

void incidents_list(Call call) {
  LogAudit* const audit = call.context.services.audit;
  const int percent = audit ? audit->percent() : 0;
  const Part part{.first = static_cast<std::size_t>(call.query.number("skip")),
                  .count_max = static_cast<std::size_t>(call.query.number("limit"))};
  const auto answer = [&context = call.context, reply = call.reply, percent, part,
                       head = call.sequencer().durable_seq()](std::shared_ptr<const AuditView> view) {
    context.workers.post([reply, percent, part, head, view = std::move(view)] {
      HttpResponse response;
      response.body = list_of(view.get(), percent, head, part);
      reply(std::move(response));
    });
  };
  audit ? audit->ask(answer) : answer(nullptr);
}

void incidents_get(Call call) {
  report(std::move(call), [](const Reported& reported) {
    HttpResponse response;
    response.body = report_json(reported.report);
    return response;
  });
}

void incidents_page(Call call) {
  report(std::move(call), [](const Reported& reported) {
    return attachment("text/html; charset=utf-8", "incident-" + std::to_string(raw(reported.about)) + ".html",
                      page_of(report_text(reported.report), report_json(reported.report)));
  });
}

void incidents_log(Call call) {
  report(std::move(call), redacted_log);
}

}  // namespace pawl
