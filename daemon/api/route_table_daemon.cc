// The rows of routes about the log, the definitions and the daemon itself, and of webhook deliveries.
#include "daemon/api/route_rows.h"

namespace pawl {

// The functions in the rows, from daemon/api/routes_*.cc and batch.cc.
void batch_post(Call call);
void events_get(Call call);
void head_get(Call call);
void healthz_get(Call call);
void leases_force(Call call);
void me_get(Call call);
void metrics_get(Call call);
void openapi_get(Call call);
void page_file(Call call);
void page_index(Call call);
void pipelines_define(Call call);
void pipelines_list(Call call);
void queue_get(Call call);
void readyz_get(Call call);
void reaper_run(Call call);
void repos_declare(Call call);
void repos_list(Call call);
void repos_remove(Call call);
void settings_get(Call call);
void settings_set(Call call);
void stuck_list(Call call);
void webhooks_generic(Call call);
void webhooks_gitea(Call call);
void webhooks_github(Call call);
void webhooks_gitlab(Call call);
void webhooks_plane(Call call);

namespace {

/// A correctly signed delivery is answered 2xx, even if it is refused.
Route delivery(std::string_view path, std::string_view summary, void (*function)(Call)) {
  return {.method = "POST",
          .path = path,
          .kind = RouteKind::writes,
          .role = Role::none,
          .reach = Reach::open,
          .summary = summary,
          .form = BodyForm::delivery,
          .answer = {.shape = RouteAnswer::Shape::members,
                     .of = "task",
                     .statuses = {201, 200, 202},
                     .members = {"result", "reason"},
                     .remark = "[WEBHOOKS.md](WEBHOOKS.md)"},
          .errors = {"bad_signature", "webhook_not_configured"},
          .function = function};
}

RouteAnswer page() {
  return {.shape = RouteAnswer::Shape::file, .statuses = {200, 304}, .remark = "[below](#the-page)"};
}

}  // namespace

std::vector<Route> daemon_routes() {
  using namespace rows;
  // The largest `after`: the seq that follows it must still fit.
  constexpr std::int64_t seq_max = integer_max - 1;
  return {
      {.method = "POST",
       .path = "/v1/batch",
       .kind = Kind::writes,
       .role = Role::read,
       .reach = Reach::filtered,
       .summary = "carries out requests in order, each as if it had come alone",
       .form = BodyForm::batch,
       .answer = {.shape = Shape::members, .members = {"items"}, .remark = "without `seq`. [Batches](#batches)"},
       .errors = {"too_many_requests"},
       .function = batch_post},
      {.method = "GET",
       .path = "/v1/events",
       .role = Role::read,
       .reach = Reach::filtered,
       .summary = "returns the records after a seq",
       .query = {optional(integer("after", 0, seq_max, "a seq"), 0),
                 optional(integer("wait_s", 0, limits::wait_s_max, "seconds to wait for a record"), 0),
                 limit(10'000, 1000)},
       .answer = {.shape = Shape::lines,
                  .of = "record",
                  .remark = "about 4 MiB at most. `Pawl-Next`: the `after` of the next call"},
       .errors = {"gone", "io"},
       .function = events_get},
      {.method = "GET",
       .path = "/v1/head",
       .role = Role::read,
       .in_batch = InBatch::by_itself,
       .summary = "shows the last durable record's place in the chain, for `pawl witness`",
       .query = {at()},
       .answer = {.shape = Shape::members, .members = {"time", "digest", "chain"}},
       .errors = {"io"},
       .function = head_get},
      {.method = "GET",
       .path = "/v1/settings",
       .role = Role::read,
       .in_batch = InBatch::together,
       .summary = "shows all settings",
       .query = {at()},
       .answer = {.shape = Shape::members,
                  .of = "settings",
                  .members = {"changed"},
                  .remark = "`changed`: by name, the last record that set it"},
       .function = settings_get},
      {.method = "POST",
       .path = "/v1/settings",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::operate,
       .in_batch = InBatch::together,
       .summary = "changes settings, all of them or none",
       .events = {Event::SettingChanged},
       .form = BodyForm::settings,
       .answer = written("settings", {200}, "all of them"),
       .refusals = {O::unknown_setting, O::bad_value},
       .function = settings_set},
      {.method = "GET",
       .path = "/v1/pipelines",
       .role = Role::read,
       .summary = "lists the pipelines in force",
       .query = {at()},
       .answer = list("pipeline"),
       .function = pipelines_list},
      {.method = "POST",
       .path = "/v1/pipelines",
       .kind = Kind::writes,
       .role = Role::operate,
       .in_batch = InBatch::by_itself,
       .summary = "defines a pipeline, replacing one of the same name",
       .events = {Event::PipelineDefined},
       .form = BodyForm::fields,
       .body =
           {of_event("name", "the pipeline's name"), of_event("stages", "in order ([PIPELINES.md](PIPELINES.md))"),
            optional(of_event("agents", "the agents that the stages name")),
            optional(of_event("branch", "`existing` (if not sent) or `create`: a task creates it if origin lacks it")),
            optional(of_event("env", "variables of every command: `name`, and one of `value`, `file`, `from_daemon`"))},
       .answer = written("pipeline", {201}),
       .refusals = {O::bad_pipeline},
       .function = pipelines_define},
      {.method = "POST",
       .path = "/v1/repos",
       .kind = Kind::writes,
       .role = Role::operate,
       .in_batch = InBatch::together,
       .summary = "declares a repository, or changes its URL",
       .events = {Event::RepoDeclared},
       .form = BodyForm::fields,
       .body = {of_event("repo", "its name"),
                optional(
                    of_event("url", "where it is cloned from, without credentials; if not sent, it is not cloned"))},
       .answer = written("repo", {201}),
       .refusals = {O::limit},
       .function = repos_declare},
      {.method = "GET",
       .path = "/v1/repos",
       .role = Role::read,
       .reach = Reach::filtered,
       .summary = "lists the declared repositories, each with its number of live `tasks` and its origin's `trouble`",
       .query = {at()},
       .answer = list("repo", "by name"),
       .function = repos_list},
      {.method = "DELETE",
       .path = "/v1/repos/{repo}",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::operate,
       .in_batch = InBatch::together,
       .summary = "removes a repository",
       .answer = written("repo", {200}, "null"),
       .refusals = {O::unknown_repo, O::repo_in_use},
       .function = repos_remove},
      {.method = "DELETE",
       .path = "/v1/repos",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::operate,
       .in_batch = InBatch::together,
       .summary = "the same, for clients behind a proxy that decodes `%2F` in paths",
       .query = {text("repo", limits::repo_bytes_max, "its name")},
       .answer = written("repo", {200}, "null"),
       .refusals = {O::unknown_repo, O::repo_in_use},
       .function = repos_remove},
      {.method = "POST",
       .path = "/transition-lease/release",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::operate,
       .in_batch = InBatch::by_itself,
       .summary = "releases the lease of a work item's task by force",
       .query = {text("work_item", 0, "a live task's work item"),
                 filter("repo", "needed if live tasks in several repositories have that work item")},
       .answer = written("lease", {200}, "null"),
       .refusals = {O::unknown_task, O::not_held},
       .function = leases_force},
      {.method = "POST",
       .path = "/v1/reaper/run",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::operate,
       .summary = "runs a pass of the reaper now",
       .form = BodyForm::fields,
       .answer = {.shape = Shape::members, .members = {"pass"}},
       .function = reaper_run},
      {.method = "GET",
       .path = "/v1/stuck",
       .role = Role::read,
       .reach = Reach::filtered,
       .summary = "lists live tasks that do not move, and what would free them",
       .query = {limit(), after("a task"),
                 optional(word("all", {"true", "false"},
                               "`true`: also tasks that wait their turn or for a setting; `false` if not sent")),
                 at()},
       .answer = list("stuck task", "by id, with `waiting` and `held`"),
       .function = stuck_list},
      {.method = "GET",
       .path = "/queue",
       .role = Role::read,
       .summary = "shows what runs, waits and is blocked, and the counters",
       .query = {at()},
       .answer = {.shape = Shape::members, .remark = "[below](#the-queue)"},
       .function = queue_get},
      {.method = "GET",
       .path = "/metrics",
       .role = Role::read,
       .summary = "shows the counters for Prometheus",
       .answer = {.shape = Shape::text, .remark = "or OpenMetrics by `Accept` ([METRICS.md](METRICS.md))"},
       .function = metrics_get},
      delivery("/webhooks/gitea", "takes a delivery from Gitea", webhooks_gitea),
      delivery("/webhooks/plane", "takes a delivery from Plane", webhooks_plane),
      delivery("/webhooks/github", "takes a delivery from GitHub", webhooks_github),
      delivery("/webhooks/gitlab", "takes a delivery from GitLab", webhooks_gitlab),
      delivery("/webhooks/generic", "takes a delivery from a program of your own", webhooks_generic),
      {.method = "GET",
       .path = "/openapi.json",
       .role = Role::none,
       .reach = Reach::open,
       .summary = "describes all calls as an OpenAPI 3.1 document",
       .answer = {.shape = Shape::members, .members = {"openapi", "info", "paths", "components"}},
       .function = openapi_get},
      {.method = "GET",
       .path = "/v1/me",
       .role = Role::read,
       .reach = Reach::filtered,
       .summary = "says who the requester is, and what it may do",
       .answer = {.shape = Shape::members,
                  .members = {"role", "token", "principal", "limits"},
                  .remark = "without `seq`"},
       .function = me_get},
      {.method = "GET",
       .path = "/",
       .role = Role::none,
       .reach = Reach::open,
       .summary = "serves the web page ([PAGE.md](PAGE.md))",
       .answer = page(),
       .function = page_index},
      {.method = "GET",
       .path = "/page/files/{file}",
       .role = Role::none,
       .reach = Reach::open,
       .summary = "serves one of the page's files",
       .answer = page(),
       .errors = {"no_such_path"},
       .function = page_file},
      {.method = "GET",
       .path = "/healthz",
       .role = Role::none,
       .reach = Reach::open,
       .summary = "answers while the process is alive",
       .answer = {.shape = Shape::members, .members = {"status"}},
       .function = healthz_get},
      {.method = "GET",
       .path = "/readyz",
       .role = Role::none,
       .reach = Reach::open,
       .summary = "says whether the daemon is fit to serve",
       .answer = {.shape = Shape::members,
                  .statuses = {200, 503},
                  .members = {"ready", "reason", "version", "boot", "free_bytes", "free_bytes_floor", "free_inodes",
                              "free_inodes_floor", "reaper_age_s", "oldest_past_ceiling_s", "torn_from",
                              "clock_drift_s", "blind"}},
       .function = readyz_get},
  };
}

}  // namespace pawl
