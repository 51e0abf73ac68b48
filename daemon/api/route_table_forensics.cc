// Rows of the HTTP contract: what a log tells.
#include "daemon/api/route_rows.h"

namespace pawl {

// From daemon/api/routes_*.cc.
void compare_get(Call call);
void incidents_get(Call call);
void incidents_list(Call call);
void incidents_log(Call call);
void incidents_page(Call call);
void tasks_story(Call call);

std::vector<Route> forensics_routes() {
  using namespace rows;
  const auto incident = [](std::string_view path, std::string_view summary, RouteAnswer answer,
                           void (*function)(Call)) {
    return Route{.method = "GET",
                 .path = path,
                 .role = Role::read,
                 .summary = summary,
                 .answer = std::move(answer),
                 .errors = {"no_incident", "beyond_end", "too_many_past", "io"},
                 .function = function};
  };
  const auto to_keep = [](std::string_view remark, std::string_view media) {
    return RouteAnswer{.shape = RouteAnswer::Shape::file,
                       .remark = remark,
                       .headers = {{"Content-Disposition", "a name for the file"}, {"Cache-Control", "`no-store`"}},
                       .media = {media}};
  };
  std::vector<Route> all = {
      {.method = "GET",
       .path = "/v1/tasks/{id}/story",
       .role = Role::read,
       .summary = "tells what happened to a task, in sentences",
       .unknown_id = O::unknown_task,
       .query = {at()},
       .answer = object("story", "what `pawl explain task:ID --json` prints. [Below](#stories-and-incidents)"),
       .refusals = {O::unknown_task},
       .errors = {"story_too_long", "too_many_past", "io"},
       .function = tasks_story},
      {.method = "GET",
       .path = "/v1/compare",
       .role = Role::read,
       .summary = "shows what changed in the state between two positions",
       .query = {limit(), skip(), integer("from", 1, integer_max, "a seq: the state after that record"),
                 integer("to", 1, integer_max, "a later one")},
       .answer = {.shape = RouteAnswer::Shape::members,
                  .members = {"from", "from_time", "to", "to_time", "rows_total", "rows"},
                  .remark = "[Below](#stories-and-incidents)",
                  .schema = "Comparison"},
       .errors = {"beyond_end", "too_many_past", "io"},
       .function = compare_get},
      {.method = "GET",
       .path = "/v1/incidents",
       .role = Role::read,
       .summary = "lists what `pawl check` finds in this log, and what ended badly",
       .query = {limit(), skip()},
       .answer = {.shape = RouteAnswer::Shape::members,
                  .members = {"percent", "audited", "head", "first", "records", "culprit", "stopped_at", "findings",
                              "findings_total", "ended", "ended_total"},
                  .remark = "[Below](#stories-and-incidents)",
                  .schema = "Incidents"},
       .function = incidents_list},
  };
  all.push_back(incident("/v1/incidents/{seq}", "reports the incident that a record has a part in",
                         object("report", "what `pawl incident` prints with `--json`"), incidents_get));
  all.push_back(incident("/v1/incidents/{seq}/page", "the same report as one page for a browser",
                         to_keep("HTML, to keep", "text/html"), incidents_page));
  all.push_back(incident("/v1/incidents/{seq}/log", "the incident's part of the log, with its names replaced",
                         to_keep("JSON lines, to keep: `pawl check` reads them", "application/jsonl"), incidents_log));
  all.back().errors.emplace_back("log_too_long");
  return all;
}

}  // namespace pawl
