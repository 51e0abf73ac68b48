#include "daemon/api/route_table.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "checkpoint_generated.h"
#include "daemon/api/route_rows.h"
#include "schema/result.h"

namespace pawl {

// The functions of the rows, in daemon/api/routes_*.cc.
void boots_end(Call call);
void boots_list(Call call);
void boots_start(Call call);
void events_get(Call call);
void head_get(Call call);
void healthz_get(Call call);
void jobs_claim(Call call);
void jobs_exited(Call call);
void jobs_finished(Call call);
void jobs_get(Call call);
void jobs_list(Call call);
void jobs_log(Call call);
void jobs_renew(Call call);
void jobs_report(Call call);
void leases_acquire(Call call);
void leases_force(Call call);
void leases_list(Call call);
void leases_release(Call call);
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

/// What is signed right is answered 2xx, also where it is refused.
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

std::vector<Route> lease_and_boot_routes() {
  using namespace rows;
  return {
      {.method = "POST",
       .path = "/v1/leases",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::work,
       .reach = Reach::key,
       .summary = "takes a lease, or renews it",
       .events = {Event::LeaseAcquired},
       .form = BodyForm::fields,
       .body = {of_event("key", "`task:ID`, `repo:NAME`, or any other name"), of_event("owner", owner_summary),
                optional(integer("ttl_s", 1, limits::timeout_s_max, "seconds that it lasts; without: no end")),
                optional(of_event("edge", "`from->to`: the edge to be crossed under it")),
                optional(of_event("token", "the token held, to renew"))},
       .answer = {.shape = Shape::written, .of = "lease", .statuses = {201}, .members = {"token"}},
       .refusals = {O::unknown_task, O::unknown_boot, O::lease_held, O::stale_token, O::terminal, O::blocked,
                    O::cancel_requested},
       .function = leases_acquire},
      {.method = "GET",
       .path = "/v1/leases",
       .role = Role::read,
       .reach = Reach::filtered,
       .summary = "lists leases",
       .query = {limit(), filter("after", "a key")},
       .answer = list("lease", "by key"),
       .function = leases_list},
      {.method = "DELETE",
       .path = "/v1/leases/{key}",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::work,
       .reach = Reach::key,
       .summary = "gives a lease back",
       .query = {integer("token", 1, integer_max, "the token held")},
       .answer = written("lease", {200}, "null"),
       .refusals = {O::not_held, O::stale_token},
       .function = leases_release},
      {.method = "DELETE",
       .path = "/v1/leases",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::work,
       .reach = Reach::key,
       .summary = "the same, for clients behind a proxy that takes `%2F` in a path apart",
       .query = {text("key", limits::lease_key_bytes_max, "of the lease"),
                 integer("token", 1, integer_max, "the token held")},
       .answer = written("lease", {200}, "null"),
       .refusals = {O::not_held, O::stale_token},
       .function = leases_release},
      {.method = "POST",
       .path = "/v1/boots",
       .kind = Kind::writes,
       .role = Role::work,
       .reach = Reach::filtered,
       .summary = "registers a start of a worker",
       .events = {Event::BootStarted},
       .form = BodyForm::fields,
       .body = {of_event("name", "of the worker; a later boot of this name ends the one before"),
                of_event("boot_id", "drawn fresh at each start"), of_event("pid", "of its process"),
                of_event("pid_start", "field 22 of `/proc/PID/stat`"), of_event("host", "where it runs"),
                of_event("version", "of the program")},
       .answer = written("boot", {201}),
       .refusals = {O::reserved_name, O::duplicate_boot_id},
       .function = boots_start},
      {.method = "GET",
       .path = "/v1/boots",
       .role = Role::read,
       .reach = Reach::filtered,
       .summary = "lists boots",
       .query = {limit(), filter("after", "a boot's id")},
       .answer = list("boot", "by id"),
       .function = boots_list},
      {.method = "DELETE",
       .path = "/v1/boots/{id}",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::work,
       .reach = Reach::filtered,
       .summary = "ends a boot",
       .query = {optional(word("reason", words_of(fb::EnumValuesBootEndReason(), fb::EnumNameBootEndReason),
                               "why; `clean` if not sent"))},
       .answer = written("boot"),
       .refusals = {O::unknown_boot, O::reserved_name},
       .function = boots_end},
  };
}

std::vector<Route> job_routes() {
  using namespace rows;
  return {
      {.method = "POST",
       .path = "/v1/jobs/claim",
       .kind = Kind::writes,
       .begins_work = true,
       .role = Role::work,
       .reach = Reach::claims,
       .summary = "claims a queued job, and waits for one if asked to",
       .events = {Event::JobClaimed},
       .form = BodyForm::fields,
       .body = {names("agents", limits::agents_max, "the agents that the worker can be"),
                of_event("owner", owner_summary),
                optional(integer("wait_s", 0, limits::wait_s_max, "seconds to wait for a job"), 0),
                optional(integer("ttl_s", 1, limits::timeout_s_max,
                                 "the claim has to be renewed within so many seconds; without: it need not"))},
       .answer = written("job", {200, 204}, "204, without a body: there is none"),
       .refusals = {O::unknown_boot, O::stale_boot},
       .function = jobs_claim},
      {.method = "GET",
       .path = "/v1/jobs",
       .role = Role::read,
       .reach = Reach::filtered,
       .summary = "lists the jobs of tasks that are not archived",
       .query = {limit(), after("a job"),
                 optional(word("status", words_of(fb::EnumValuesJobStatus(), fb::EnumNameJobStatus),
                               "only those that are that")),
                 optional(integer("task", 1, integer_max, "only those of that task"))},
       .answer = list("job", "by id"),
       .function = jobs_list},
      {.method = "GET",
       .path = "/v1/jobs/{id}",
       .role = Role::read,
       .reach = Reach::job,
       .summary = "shows a job, an archived one too",
       .unknown_id = O::unknown_job,
       .answer = object("job"),
       .refusals = {O::unknown_job},
       .function = jobs_get},
      {.method = "GET",
       .path = "/v1/jobs/{id}/log",
       .role = Role::read,
       .reach = Reach::job,
       .summary = "what the job's agent printed, also while it runs",
       .unknown_id = O::unknown_job,
       .query = {optional(integer("attempt", 1, integer_max, "which one; the last if not sent")), log_from(),
                 log_wait()},
       .answer = log_text(),
       .refusals = {O::unknown_job},
       .errors = {"no_log"},
       .function = jobs_log},
      {.method = "POST",
       .path = "/v1/jobs/{id}/started",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::work,
       .role_without_boot = Role::operate,
       .reach = Reach::job,
       .summary = "records the process of a claimed job",
       .unknown_id = O::unknown_job,
       .events = {Event::RunStarted},
       .form = BodyForm::fields,
       .body = {of_event("attempt", "the job's `attempts` when it was claimed"), of_event("pid", "of the process"),
                of_event("pid_start", "field 22 of `/proc/PID/stat`")},
       .answer = written("job"),
       .refusals = {O::unknown_job, O::not_running, O::stale_attempt, O::not_owner, O::bad_pid},
       .function = jobs_report},
      {.method = "POST",
       .path = "/v1/jobs/{id}/renew",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::work,
       .role_without_boot = Role::operate,
       .reach = Reach::job,
       .summary = "keeps a claim, and asks whether the task is to be cancelled",
       .unknown_id = O::unknown_job,
       .events = {Event::ClaimRenewed},
       .form = BodyForm::fields,
       .body = {of_event("attempt", "the job's `attempts` when it was claimed")},
       .answer = {.shape = Shape::written,
                  .of = "job",
                  .members = {"cancel_requested"},
                  .remark = "`cancel_requested`: why, or null"},
       .refusals = {O::unknown_job, O::not_running, O::stale_attempt, O::not_owner, O::already_exited},
       .function = jobs_renew},
      {.method = "POST",
       .path = "/v1/jobs/{id}/exited",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::work,
       .role_without_boot = Role::operate,
       .reach = Reach::job,
       .summary = "records the exit code of a job's process",
       .unknown_id = O::unknown_job,
       .events = {Event::RunExited},
       .form = BodyForm::fields,
       .body = {of_event("attempt", "the job's `attempts` when it was claimed"),
                of_event("exit_code", "0: done, and the gate is asked")},
       .answer = written("job"),
       .refusals = {O::unknown_job, O::not_running, O::stale_attempt, O::not_owner, O::already_exited},
       .function = jobs_exited},
      {.method = "POST",
       .path = "/v1/jobs/{id}/finished",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::work,
       .role_without_boot = Role::operate,
       .reach = Reach::job,
       .summary = "ends a job",
       .unknown_id = O::unknown_job,
       .events = {Event::JobFinished},
       .form = BodyForm::fields,
       .body = {of_event("attempt", "the job's `attempts` when it was claimed"),
                of_event("result", "`done` is the same as `exited` with 0")},
       .answer = written("job"),
       .refusals = {O::unknown_job, O::not_running, O::stale_attempt, O::not_owner, O::already_exited},
       .function = jobs_finished},
  };
}

std::vector<Route> daemon_routes() {
  using namespace rows;
  // What can be asked after: the seq behind it is still a number.
  constexpr std::int64_t seq_max = integer_max - 1;
  return {
      {.method = "GET",
       .path = "/v1/events",
       .role = Role::read,
       .reach = Reach::filtered,
       .summary = "the records after a seq",
       .query = {optional(integer("after", 0, seq_max, "a seq"), 0),
                 optional(integer("wait_s", 0, limits::wait_s_max, "seconds to wait for a record"), 0),
                 limit(10'000, 1000)},
       .answer = {.shape = Shape::lines,
                  .of = "record",
                  .remark = "at most some 4 MiB. `Pawl-Next`: what to ask after next"},
       .errors = {"gone", "io"},
       .function = events_get},
      {.method = "GET",
       .path = "/v1/head",
       .role = Role::read,
       .summary = "the last durable record's place in the chain, for `pawl witness`",
       .answer = {.shape = Shape::members, .members = {"time", "digest", "chain"}},
       .errors = {"io"},
       .function = head_get},
      {.method = "GET",
       .path = "/v1/settings",
       .role = Role::read,
       .summary = "shows all settings",
       .answer = {.shape = Shape::members, .of = "settings"},
       .function = settings_get},
      {.method = "POST",
       .path = "/v1/settings",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::operate,
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
       .answer = list("pipeline"),
       .function = pipelines_list},
      {.method = "POST",
       .path = "/v1/pipelines",
       .kind = Kind::writes,
       .role = Role::operate,
       .summary = "defines a pipeline, in place of the one of that name",
       .events = {Event::PipelineDefined},
       .form = BodyForm::fields,
       .body = {of_event("name", "of the pipeline"), of_event("stages", "in order ([PIPELINES.md](PIPELINES.md))"),
                optional(of_event("agents", "those that the stages name")),
                optional(of_event("branch", "`existing`, if not sent, or `create`: it begins where origin lacks it")),
                optional(
                    of_event("env", "variables of every command: `name`, and one of `value`, `file`, `from_daemon`"))},
       .answer = written("pipeline", {201}),
       .refusals = {O::bad_pipeline},
       .function = pipelines_define},
      {.method = "POST",
       .path = "/v1/repos",
       .kind = Kind::writes,
       .role = Role::operate,
       .summary = "declares a repository, or says where it is from now on",
       .events = {Event::RepoDeclared},
       .form = BodyForm::fields,
       .body = {of_event("repo", "its name"),
                optional(of_event("url", "where it is cloned from, without credentials; not sent: nowhere"))},
       .answer = written("repo", {201}),
       .refusals = {O::limit},
       .function = repos_declare},
      {.method = "GET",
       .path = "/v1/repos",
       .role = Role::read,
       .reach = Reach::filtered,
       .summary = "lists the declared repositories, each with how many live `tasks` it has and its origin's `trouble`",
       .answer = list("repo", "by name"),
       .function = repos_list},
      {.method = "DELETE",
       .path = "/v1/repos/{repo}",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::operate,
       .summary = "removes a repository",
       .answer = written("repo", {200}, "null"),
       .refusals = {O::unknown_repo, O::repo_in_use},
       .function = repos_remove},
      {.method = "DELETE",
       .path = "/v1/repos",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::operate,
       .summary = "the same, for clients behind a proxy that takes `%2F` in a path apart",
       .query = {text("repo", limits::repo_bytes_max, "its name")},
       .answer = written("repo", {200}, "null"),
       .refusals = {O::unknown_repo, O::repo_in_use},
       .function = repos_remove},
      {.method = "POST",
       .path = "/transition-lease/release",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::operate,
       .summary = "takes the lease of a work item's task away, by force",
       .query = {text("work_item", 0, "of a live task"),
                 filter("repo", "needed where live tasks of several repositories have it")},
       .answer = written("lease", {200}, "null"),
       .refusals = {O::unknown_task, O::not_held},
       .function = leases_force},
      {.method = "POST",
       .path = "/v1/reaper/run",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::operate,
       .summary = "makes a pass of the reaper, now",
       .form = BodyForm::fields,
       .answer = {.shape = Shape::members, .members = {"pass"}},
       .function = reaper_run},
      {.method = "GET",
       .path = "/v1/stuck",
       .role = Role::read,
       .reach = Reach::filtered,
       .summary = "lists live tasks that do not move, and what would free them",
       .query = {limit(), after("a task"),
                 optional(word("all", {"true", "false"}, "also what waits its turn, or for a setting (false)"))},
       .answer = list("stuck task", "by id; beside them `waiting` and `held`"),
       .function = stuck_list},
      {.method = "GET",
       .path = "/queue",
       .role = Role::read,
       .summary = "what runs, waits and is blocked, and the counters",
       .answer = {.shape = Shape::members, .remark = "[below](#the-queue)"},
       .function = queue_get},
      delivery("/webhooks/gitea", "takes a delivery of Gitea", webhooks_gitea),
      delivery("/webhooks/plane", "takes a delivery of Plane", webhooks_plane),
      delivery("/webhooks/github", "takes a delivery of GitHub", webhooks_github),
      delivery("/webhooks/gitlab", "takes a delivery of GitLab", webhooks_gitlab),
      delivery("/webhooks/generic", "takes a delivery of a program of one's own", webhooks_generic),
      {.method = "GET",
       .path = "/healthz",
       .role = Role::none,
       .reach = Reach::open,
       .summary = "answers while the process does",
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

std::vector<Route> all_routes() {
  std::vector<Route> all = task_routes();
  for (auto of_noun : {lease_and_boot_routes(), job_routes(), daemon_routes()}) {
    std::move(of_noun.begin(), of_noun.end(), std::back_inserter(all));
  }
  return all;
}

std::string_view next_segment(std::string_view& path) {
  const std::size_t slash = std::min(path.find('/', 1), path.size());
  const std::string_view segment = path.substr(1, slash - 1);
  path.remove_prefix(slash);
  return segment;
}

enum class Match { none, literal, with_param };

/// Whether the path is of that form; `param` gets the raw segment that stands for `{…}`.
Match match(std::string_view form, std::string_view path, std::string_view& param) {
  Match match = Match::literal;
  while (!form.empty() && !path.empty()) {
    const std::string_view wanted = next_segment(form);
    const std::string_view segment = next_segment(path);
    if (wanted.starts_with('{')) {
      if (segment.empty()) return Match::none;
      param = segment;
      match = Match::with_param;
    } else if (wanted != segment) {
      return Match::none;
    }
  }
  return form.empty() && path.empty() ? match : Match::none;
}

}  // namespace

const std::vector<Route>& routes() {
  static const std::vector<Route> all = all_routes();
  return all;
}

FoundRoute find_route(std::string_view method, std::string_view path) {
  FoundRoute found;
  bool literal_seen = false;
  for (const Route& route : routes()) {
    std::string_view param;
    const Match matched = match(route.path, path, param);
    if (matched == Match::none) continue;
    const bool literal = matched == Match::literal;
    if (literal_seen && !literal) continue;
    if (literal && !literal_seen) found = {};
    literal_seen = literal_seen || literal;
    found.is_path_known = true;
    if (route.method != method) continue;
    found.route = &route;
    found.param = param;
  }
  return found;
}

std::string methods_of(std::string_view path) {
  std::string methods;
  bool literal_seen = false;
  for (const Route& route : routes()) {
    std::string_view param;
    const Match matched = match(route.path, path, param);
    if (matched == Match::none) continue;
    const bool literal = matched == Match::literal;
    if (literal_seen && !literal) continue;
    if (literal && !literal_seen) methods.clear();
    literal_seen = literal_seen || literal;
    methods += (methods.empty() ? "" : ", ") + std::string(route.method);
    if (route.method == "GET") methods += ", HEAD";
  }
  return methods;
}

std::size_t body_bytes_max(std::string_view path, std::size_t delivery_max) {
  const Route* route = find_route("POST", path).route;
  return route && route->form == BodyForm::delivery ? delivery_max : limits::body_bytes_max;
}

const Route& route_named(std::string_view method, std::string_view path) {
  const auto& all = routes();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Route& route) { return route.method == method && route.path == path; });
  PAWL_ASSERT(found != all.end());
  return *found;
}

}  // namespace pawl
