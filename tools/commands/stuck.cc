// What does not move; and the pass that frees what is dead.
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "tools/commands/answers.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::string show_stuck(const json::array& items) {
  if (items.empty()) return "everything moves\n";
  std::string out;
  for (const json::value& item : items) {
    if (!out.empty()) out += '\n';
    out += "task " + cell(item, "task") + "  " + cell(item, "work_item") + " of " + cell(item, "repo") + ", on " +
           cell(item, "stage") + ": " + cell(item, "reason") + '\n';
    out += "  " + cell(item, "detail");
    if (!item.at("since").is_null()) out += ", since " + cell(item, "since");
    out += '\n';
    if (!item.at("frees").is_null()) out += "  try: " + cell(item, "frees") + '\n';
  }
  return out;
}

Exit run_stuck(const Arguments& arguments) {
  return run_list(arguments, "/v1/stuck", show_stuck);
}

Exit run_reap(const Arguments& arguments) {
  return run_call(arguments, {.method = "POST", .path = "/v1/reaper/run"}, [](const json::value& answer) {
    const json::value& pass = part_of(answer, "pass");
    return "looked at " + cell(pass, "jobs") + " running jobs: reaped " + cell(pass, "reaped") + ", finishing " +
           cell(pass, "finishing") + ", deferred " + cell(pass, "deferred") + ", in trouble " + cell(pass, "troubles") +
           "; reclaimed " + cell(pass, "leases_reclaimed") + " leases\n";
  });
}

}  // namespace

const Command stuck_command = {
    .name = "stuck",
    .arguments = "",
    .summary = "Lists what does not move, each with its reason and the command that would free it",
    .details = "The reasons are explained in docs/API.md.",
    .options = with_daemon_options({}),
    .run = run_stuck};

const Command reap_command = {.name = "reap",
                              .arguments = "",
                              .summary = "Makes a pass of the reaper now, also where it is switched off",
                              .details = "",
                              .options = with_daemon_options({}),
                              .run = run_reap};

}  // namespace pawl
