// `pawl leases` and `pawl release`.
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "tools/commands/answers.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::string show_leases(const json::array& leases) {
  if (leases.empty()) return "no leases\n";
  return table_of(leases, {"key", "token", "actor=owner.actor", "pid=owner.pid", "boot=owner.boot_id", "edge", "ttl",
                           "since=acquired_at"});
}

Exit run_leases(const Arguments& arguments) {
  return run_list(arguments, "/v1/leases", show_leases);
}

Exit run_release(const Arguments& arguments) {
  const auto token = arguments.number("token");
  if (!token) return fail(token.error());
  const auto item = arguments.value("work-item");
  if (item.has_value() == !arguments.positional().empty()) {
    return fail(Exit::usage, "release: give either KEY with --token, or --work-item");
  }
  if (item) {
    if (*token) return fail(Exit::usage, "release: --work-item takes no --token: it frees any holder's lease");
    std::string path = "/transition-lease/release?work_item=" + percent_encoded(*item);
    if (const auto repo = arguments.value("repo")) path += "&repo=" + percent_encoded(*repo);
    return run_call(arguments, {.method = "POST", .path = path}, [&](const json::value& answer) {
      return "freed the transition lease of " + printable(*item) + " by force, seq " + cell(answer, "seq") + '\n';
    });
  }
  if (!*token) return fail(Exit::usage, "release: KEY needs --token N, as shown by 'pawl leases'");
  const std::string& key = arguments.positional()[0];
  // In the query, so that no proxy splits a key with a slash.
  return run_call(
      arguments,
      {.method = "DELETE", .path = "/v1/leases?key=" + percent_encoded(key) + "&token=" + std::to_string(**token)},
      [&](const json::value& answer) { return "released " + printable(key) + ", seq " + cell(answer, "seq") + '\n'; });
}

}  // namespace

const Command leases_command = {.name = "leases",
                                .arguments = "",
                                .summary = "Lists the leases, and who holds them",
                                .details = "",
                                .options = with_daemon_options({}),
                                .run = run_leases};

const Command release_command = {
    .name = "release",
    .arguments = "(KEY --token N | --work-item ITEM)",
    .summary = "Gives a lease back, or frees a task's transition lease by force",
    .details =
        "--work-item is for a holder that is stuck: its token becomes stale, so its next step is refused, and an\n"
        "alert is sent.\n",
    .options = with_daemon_options({{"token", "N", "the fencing token of the lease"},
                                    {"work-item", "ITEM", "the work item whose transition lease is freed by force"},
                                    {"repo", "REPO", "its repository, if several have that work item"}}),
    .positional_max = 1,
    .run = run_release};

}  // namespace pawl
