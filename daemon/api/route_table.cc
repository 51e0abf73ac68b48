#include "daemon/api/route_table.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <utility>

#include "checkpoint_generated.h"
#include "daemon/api/route_rows.h"
#include "schema/result.h"

namespace pawl {

// The functions in the rows, from daemon/api/routes_*.cc.
void boots_end(Call call);
void boots_list(Call call);
void boots_start(Call call);
void jobs_claim(Call call);
void jobs_exited(Call call);
void jobs_finished(Call call);
void jobs_get(Call call);
void jobs_list(Call call);
void jobs_log(Call call);
void jobs_renew(Call call);
void jobs_report(Call call);
void leases_acquire(Call call);
void leases_list(Call call);
void leases_release(Call call);

namespace {

std::vector<Route> lease_and_boot_routes() {
  using namespace rows;
  return {
      {.method = "POST",
       .path = "/v1/leases",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::work,
       .reach = Reach::key,
       .in_batch = InBatch::together,
       .summary = "takes a lease, or renews it",
       .events = {Event::LeaseAcquired},
       .form = BodyForm::fields,
       .body = {of_event("key", "`task:ID`, `repo:NAME`, or any other name"), of_event("owner", owner_summary),
                optional(integer("ttl_s", 1, limits::timeout_s_max,
                                 "how many seconds it lasts; if not sent, it does not expire")),
                optional(of_event("edge", "`from->to`: the edge to cross under it")),
                optional(of_event("token", "the token held, to renew"))},
       .answer = {.shape = Shape::written, .of = "lease", .statuses = {201}, .members = {"token"}},
       .refusals = {O::unknown_task, O::unknown_boot, O::lease_held, O::stale_token, O::terminal, O::blocked,
                    O::cancel_requested, O::dependency, O::not_yet, O::held, O::quota},
       .function = leases_acquire},
      {.method = "GET",
       .path = "/v1/leases",
       .role = Role::read,
       .reach = Reach::filtered,
       .summary = "lists leases",
       .query = {limit(), filter("after", "a key"), at()},
       .answer = list("lease", "by key"),
       .function = leases_list},
      {.method = "DELETE",
       .path = "/v1/leases/{key}",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::work,
       .reach = Reach::key,
       .in_batch = InBatch::together,
       .summary = "releases a lease",
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
       .in_batch = InBatch::together,
       .summary = "the same, for clients behind a proxy that decodes `%2F` in paths",
       .query = {text("key", limits::lease_key_bytes_max, "the lease's key"),
                 integer("token", 1, integer_max, "the token held")},
       .answer = written("lease", {200}, "null"),
       .refusals = {O::not_held, O::stale_token},
       .function = leases_release},
      {.method = "POST",
       .path = "/v1/boots",
       .kind = Kind::writes,
       .boot = BootNeed::none,
       .role = Role::work,
       .reach = Reach::filtered,
       .in_batch = InBatch::together,
       .summary = "registers the start of a worker",
       .events = {Event::BootStarted},
       .form = BodyForm::fields,
       .body = {of_event("name", "the worker's; a later boot with this name ends the earlier one"),
                of_event("boot_id", "new at each start"), of_event("pid", "the worker's process id"),
                of_event("pid_start", "field 22 of `/proc/PID/stat`"), of_event("host", "the host it runs on"),
                of_event("version", "the program's version")},
       .answer = written("boot", {201}),
       .refusals = {O::reserved_name, O::duplicate_boot_id, O::not_yours, O::quota},
       .function = boots_start},
      {.method = "GET",
       .path = "/v1/boots",
       .role = Role::read,
       .reach = Reach::filtered,
       .summary = "lists boots",
       .query = {limit(), filter("after", "a boot's id"), at()},
       .answer = list("boot", "by id"),
       .function = boots_list},
      {.method = "DELETE",
       .path = "/v1/boots/{id}",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .role = Role::work,
       .reach = Reach::filtered,
       .in_batch = InBatch::by_itself,
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
       .in_batch = InBatch::together,
       .summary = "claims a queued job, and waits for one if asked to",
       .events = {Event::JobClaimed},
       .form = BodyForm::fields,
       .body = {names("agents", limits::agents_max, "the agents that the worker can run"),
                of_event("owner", owner_summary),
                optional(integer("wait_s", 0, limits::wait_s_max, "seconds to wait for a job"), 0),
                optional(integer(
                    "ttl_s", 1, limits::timeout_s_max,
                    "the claim must be renewed within this many seconds; if not sent, it need not be renewed"))},
       .answer = written("job", {200, 204}, "204, without a body: no job"),
       .refusals = {O::unknown_boot, O::stale_boot},
       .function = jobs_claim},
      {.method = "GET",
       .path = "/v1/jobs",
       .role = Role::read,
       .reach = Reach::filtered,
       .summary = "lists the jobs of tasks that are not archived",
       .query = {limit(), after("a job"),
                 optional(word("status", words_of(fb::EnumValuesJobStatus(), fb::EnumNameJobStatus),
                               "only jobs with that status")),
                 optional(integer("task", 1, integer_max, "only jobs of that task")), at()},
       .answer = list("job", "by id"),
       .function = jobs_list},
      {.method = "GET",
       .path = "/v1/jobs/{id}",
       .role = Role::read,
       .reach = Reach::job,
       .in_batch = InBatch::together,
       .summary = "shows a job, even an archived one",
       .unknown_id = O::unknown_job,
       .query = {at()},
       .answer = object("job"),
       .refusals = {O::unknown_job},
       .function = jobs_get},
      {.method = "GET",
       .path = "/v1/jobs/{id}/log",
       .role = Role::read,
       .reach = Reach::job,
       .summary = "returns what the job's agent printed, even while it runs",
       .unknown_id = O::unknown_job,
       .query = {optional(integer("attempt", 1, integer_max, "which attempt; the last if not sent")), log_from(),
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
       .in_batch = InBatch::together,
       .summary = "records the process of a claimed job",
       .unknown_id = O::unknown_job,
       .events = {Event::RunStarted},
       .form = BodyForm::fields,
       .body = {of_event("attempt", "the job's `attempts` when it was claimed"),
                of_event("pid", "the agent's process id"), of_event("pid_start", "field 22 of `/proc/PID/stat`")},
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
       .in_batch = InBatch::together,
       .summary = "renews a claim, and tells whether a cancel is requested",
       .unknown_id = O::unknown_job,
       .events = {Event::ClaimRenewed},
       .form = BodyForm::fields,
       .body = {of_event("attempt", "the job's `attempts` when it was claimed")},
       .answer = {.shape = Shape::written,
                  .of = "job",
                  .members = {"cancel_requested"},
                  .remark = "`cancel_requested`: the reason, or null"},
       .refusals = {O::unknown_job, O::not_running, O::stale_attempt, O::not_owner, O::already_exited},
       .function = jobs_renew},
      {.method = "POST",
       .path = "/v1/jobs/{id}/exited",
       .kind = Kind::writes,
       .room = RouteRoom::reserve,
       .boot = BootNeed::known,
       .role = Role::work,
       .role_without_boot = Role::operate,
       .reach = Reach::job,
       .in_batch = InBatch::together,
       .summary = "records the exit code of a job's process",
       .unknown_id = O::unknown_job,
       .events = {Event::RunExited},
       .form = BodyForm::fields,
       .body = {of_event("attempt", "the job's `attempts` when it was claimed"),
                of_event("exit_code", "0: done, and the gate runs next")},
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
       .in_batch = InBatch::together,
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

std::vector<Route> all_routes() {
  std::vector<Route> all = task_routes();
  for (auto of_kind : {lease_and_boot_routes(), job_routes(), forensics_routes(), daemon_routes()}) {
    std::move(of_kind.begin(), of_kind.end(), std::back_inserter(all));
  }
  return all;
}

/// A route's path, as it is compared with that of a request: "/v1/tasks/", something, "/transition". Without a
/// parameter all of it is `before`.
struct Form {
  const Route* route;
  std::string_view before;
  std::string_view behind;
  bool has_param;
};

Form form_of(const Route& route) {
  const std::string_view path = route.path;
  const std::size_t begin = path.find('{');
  if (begin == path.npos) return {&route, path, {}, false};
  return {&route, path.substr(0, begin), path.substr(path.find('}') + 1), true};
}

enum class Match { none, literal, with_param };

/// Whether the path has that form; `param` gets the raw segment in the place of `{…}`.
Match match(const Form& form, std::string_view path, std::string_view& param) {
  if (!form.has_param) return path == form.before ? Match::literal : Match::none;
  if (path.size() <= form.before.size() + form.behind.size()) return Match::none;
  if (!path.ends_with(form.behind) || !path.starts_with(form.before)) return Match::none;
  param = path.substr(form.before.size(), path.size() - form.before.size() - form.behind.size());
  return param.find('/') == param.npos ? Match::with_param : Match::none;
}

/// What the routes are looked up by: the first two segments, in which no route has a parameter, and their number.
using RouteKey = std::pair<std::size_t, std::string_view>;

RouteKey key_of(std::string_view path) {
  const std::size_t second = path.find('/', 1);
  const std::size_t third = second == std::string_view::npos ? second : path.find('/', second + 1);
  return {static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')), path.substr(0, third)};
}

std::map<RouteKey, std::vector<Form>> index_of(const std::vector<Route>& all) {
  std::map<RouteKey, std::vector<Form>> index;
  for (const Route& route : all) {
    const RouteKey key = key_of(route.path);
    PAWL_ASSERT(key.second.find('{') == std::string_view::npos);
    index[key].push_back(form_of(route));
  }
  return index;
}

/// The routes that may match.
const std::vector<Form>& routes_like(std::string_view path) {
  static const std::map<RouteKey, std::vector<Form>> index = index_of(routes());
  static const std::vector<Form> none;
  const auto found = index.find(key_of(path));
  return found == index.end() ? none : found->second;
}

}  // namespace

const std::vector<Route>& routes() {
  static const std::vector<Route> all = all_routes();
  return all;
}

FoundRoute find_route(std::string_view method, std::string_view path) {
  FoundRoute found;
  bool literal_seen = false;
  for (const Form& form : routes_like(path)) {
    const Route* route = form.route;
    std::string_view param;
    const Match matched = match(form, path, param);
    if (matched == Match::none) continue;
    const bool literal = matched == Match::literal;
    if (literal_seen && !literal) continue;
    if (literal && !literal_seen) found = {};
    literal_seen = literal_seen || literal;
    found.is_path_known = true;
    if (route->method != method) continue;
    found.route = route;
    found.param = param;
  }
  return found;
}

std::string methods_of(std::string_view path) {
  std::string methods;
  bool literal_seen = false;
  for (const Form& form : routes_like(path)) {
    const Route* route = form.route;
    std::string_view param;
    const Match matched = match(form, path, param);
    if (matched == Match::none) continue;
    const bool literal = matched == Match::literal;
    if (literal_seen && !literal) continue;
    if (literal && !literal_seen) methods.clear();
    literal_seen = literal_seen || literal;
    methods += (methods.empty() ? "" : ", ") + std::string(route->method);
    if (route->method == "GET") methods += ", HEAD";
  }
  return methods;
}

std::size_t body_bytes_max(std::string_view path) {
  const Route* route = find_route("POST", path).route;
  return route && route->form == BodyForm::delivery ? delivery_read_bytes_max : limits::body_bytes_max;
}

const Route& route_named(std::string_view method, std::string_view path) {
  const auto& all = routes();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const Route& route) { return route.method == method && route.path == path; });
  PAWL_ASSERT(found != all.end());
  return *found;
}

}  // namespace pawl
