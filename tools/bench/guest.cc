#include "tools/bench/guest.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <unistd.h>

#include <algorithm>

#include "schema/json/json_text.h"
#include "schema/json/read_json.h"
#include "store/os/process_identity.h"
#include "store/os/random.h"
#include "tools/bench/pipeline.h"
#include "tools/commands/output.h"

namespace pawl::bench {
namespace {

namespace json = boost::json;

bool is_own(const json::value& task) {
  return cell(task, "repo").starts_with(repo_prefix);
}

/// A member as a number; 0 if it is not one.
std::uint64_t number_at(const json::value& object, std::string_view member) {
  const auto read = read_number(cell(object, member), member);
  return read ? *read : 0;
}

bool is_live(const json::value& task) {
  return !is_terminal(cell(task, "stage"));
}

/// The daemon's pid if it runs on this machine, and in this pid namespace.
std::int64_t pid_of_daemon(const json::array& boots, const std::string& boot) {
  const std::string host = this_host();
  if (!is_known(host_parts(host))) return 0;
  for (const json::value& row : boots) {
    if (cell(row, "boot_id") != boot || cell(row, "host") != host) continue;
    const json::value* pid = row.get_object().if_contains("pid");
    return pid && pid->is_int64() ? pid->get_int64() : 0;
  }
  return 0;
}

std::string boot_body(const std::string& boot) {
  std::string out = "{";
  append_json_member(out, "name");
  append_json_text(out, "pawl-bench-" + std::to_string(::getpid()) + "-" + boot.substr(0, 8));
  append_json_member(out, "boot_id");
  append_json_text(out, boot);
  append_json_member(out, "pid", static_cast<std::int64_t>(::getpid()));
  append_json_member(out, "pid_start", pid_start_of(::getpid()).value_or(0));
  append_json_member(out, "host");
  append_json_text(out, this_host());
  append_json_member(out, "version");
  append_json_text(out, PAWL_VERSION);
  return out + '}';
}

std::string pipeline_body() {
  const Pipeline pipeline = bench_pipeline();
  std::string out =
      R"({"name":")" + pipeline.name + R"(","agents":[{"name":")" + pipeline.agents[0].name + R"("}],"stages":[)";
  for (const Stage& stage : pipeline.stages) {
    if (out.back() != '[') out += ',';
    out += R"({"name":")" + stage.name + R"(","agent":")" + stage.agent + R"(","to":")" + stage.to + R"("})";
  }
  return out + "]}";
}

bool has_pipeline(const json::array& pipelines) {
  for (const json::value& row : pipelines) {
    if (cell(row, "definition.name") != pipeline_name) continue;
    const json::value& definition = row.at("definition");
    const json::value* rows = definition.is_object() ? definition.get_object().if_contains("stages") : nullptr;
    return rows && rows->is_array() && rows->get_array().size() == stages;
  }
  return false;
}

/// How many live tasks have a benchmark's pipeline.
std::uint64_t own_tasks(const json::array& pipelines) {
  std::uint64_t out = 0;
  for (const json::value& row : pipelines) {
    if (cell(row, "definition.name") == pipeline_name) out += number_at(row, "live_tasks");
  }
  return out;
}

Result<void> cancel(Caller& caller, const std::string& task) {
  const Answer answer = PAWL_TRY(caller.client.send({.method = "POST",
                                                     .path = "/v1/tasks/" + task + "/cancel",
                                                     .body = R"({"reason":"the end of a benchmark"})",
                                                     .actor = caller.actor}));
  if (refusal_code(answer) != "terminal") PAWL_TRY(body_of(answer));
  return {};
}

/// Cancels what is not known to this process. Only if there is anything: the list has every task that ever was.
Result<void> cancel_own_tasks(Caller& caller) {
  if (own_tasks(PAWL_TRY(call_list(caller.client, "/v1/pipelines"))) == 0) return {};
  const json::array tasks = PAWL_TRY(call_list(caller.client, "/v1/tasks"));
  for (const json::value& task : tasks) {
    if (is_own(task) && is_live(task)) PAWL_TRY(cancel(caller, cell(task, "id")));
  }
  return {};
}

/// Waits for a moment if a cancel is not finished: the daemon ends the task's job first.
Result<void> remove(Caller& caller, const std::string& repo) {
  for (int tries = 50;; --tries) {
    const Answer removed = PAWL_TRY(
        caller.client.send({.method = "DELETE", .path = "/v1/repos/" + percent_encoded(repo), .actor = caller.actor}));
    const std::string code = refusal_code(removed);
    if (code == "unknown_repo") return {};
    if (code != "repo_in_use" || tries == 0) {
      PAWL_TRY(body_of(removed));
      return {};
    }
    ::usleep(100'000);
  }
}

}  // namespace

Result<Host> look_at(Client& client) {
  Host out;
  const json::value ready = PAWL_TRY(call(client, {.method = "GET", .path = "/readyz"}));
  out.pid = pid_of_daemon(PAWL_TRY(call_list(client, "/v1/boots")), cell(ready, "boot"));
  const json::value queue = PAWL_TRY(call(client, {.method = "GET", .path = "/queue"}));
  out.max_concurrency = number_at(queue, "jobs.max_concurrency");
  const std::uint64_t live = number_at(queue, "tasks.live");
  const std::uint64_t own = own_tasks(PAWL_TRY(call_list(client, "/v1/pipelines")));
  out.live_tasks = live - std::min(live, own);
  return out;
}

std::string what_a_guest_does() {
  return "It registers a boot, defines the pipeline '" + std::string(pipeline_name) +
         "', creates and cancels tasks in repositories\n"
         "named '" +
         std::string(repo_prefix) +
         "N', and takes as much of the daemon's time as it can get: the work of others is delayed.\n"
         "All its requests stay in the log. At its end, also by Ctrl-C, its tasks are cancelled and its repositories\n"
         "removed; the pipeline's definition stays.\n";
}

Result<Guest> Guest::arrive(Caller& caller, std::size_t actors) {
  Guest guest;
  guest.boot_ = random_uuid();
  guest.run_ = guest.boot_.substr(0, 8);
  PAWL_TRY(cancel_own_tasks(caller));
  if (!has_pipeline(PAWL_TRY(call_list(caller.client, "/v1/pipelines")))) {
    PAWL_TRY(call(caller.client,
                  {.method = "POST", .path = "/v1/pipelines", .body = pipeline_body(), .actor = caller.actor}));
  }
  PAWL_TRY(call(caller.client,
                {.method = "POST", .path = "/v1/boots", .body = boot_body(guest.boot_), .actor = caller.actor}));
  // The first declaration would make all undeclared repositories unknown, so none is made unless there are some.
  const json::array repos = PAWL_TRY(call_list(caller.client, "/v1/repos"));
  bool has_others = false;
  for (const json::value& repo : repos) has_others = has_others || !is_own(repo);
  for (const json::value& repo : repos) {
    if (is_own(repo)) guest.repos_.push_back(cell(repo, "repo"));
  }
  for (std::size_t actor = 0; has_others && actor < actors; ++actor) {
    const Result<json::value> declared = call(
        caller.client,
        {.method = "POST", .path = "/v1/repos", .body = json_object("repo", repo_name(actor)), .actor = caller.actor});
    if (!declared) {
      static_cast<void>(guest.end(caller, {}));
      return declared.error();
    }
    guest.repos_.push_back(repo_name(actor));
  }
  return guest;
}

Result<void> Guest::end(Caller& caller, const std::vector<std::uint64_t>& tasks) const {
  const Answer ended =
      PAWL_TRY(caller.client.send({.method = "DELETE", .path = "/v1/boots/" + boot_, .actor = caller.actor}));
  if (refusal_code(ended) != "unknown_boot") PAWL_TRY(body_of(ended));
  for (const std::uint64_t task : tasks) PAWL_TRY(cancel(caller, std::to_string(task)));
  PAWL_TRY(cancel_own_tasks(caller));
  for (const std::string& repo : repos_) PAWL_TRY(remove(caller, repo));
  return {};
}

}  // namespace pawl::bench
