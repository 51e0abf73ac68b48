// `pawl stuck`: tasks that do not move. `pawl reap`: the pass that frees what is dead.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <map>

#include "tools/commands/answers.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

struct StuckList {
  json::array items;
  std::uint64_t waiting = 0;
  std::map<std::string, std::uint64_t> held;  // number of tasks, by the setting that holds them
};

std::string counted_tasks(std::uint64_t count) {
  return std::to_string(count) + (count == 1 ? " task" : " tasks");
}

std::string show_item(const json::value& item, const StuckList& stuck) {
  std::string out;
  const bool is_of_task = !item.at("task").is_null();
  if (is_of_task) {
    out += "task " + cell(item, "task") + "  " + cell(item, "work_item") + " of " + cell(item, "repo") + ", on " +
           cell(item, "stage") + ": " + cell(item, "reason") + "\n  ";
  }
  out += cell(item, "detail");
  if (!item.at("since").is_null()) out += ", since " + cell(item, "since");
  if (!item.at("until").is_null()) out += ", until " + cell(item, "until");
  if (!item.at("by").is_null()) out += ", by " + cell(item, "by");
  const auto held = is_of_task ? stuck.held.end() : stuck.held.find(cell(item, "held_by"));
  if (held != stuck.held.end()) out += "; " + counted_tasks(held->second) + (held->second == 1 ? " waits" : " wait");
  out += '\n';
  if (!item.at("frees").is_null()) out += "  try: " + cell(item, "frees") + '\n';
  return out;
}

std::string show_stuck(const StuckList& stuck, bool has_all) {
  std::string out;
  for (const json::value& item : stuck.items) {
    if (!out.empty()) out += '\n';
    out += show_item(item, stuck);
  }
  if (out.empty()) out = "everything moves\n";
  if (stuck.waiting == 0 || has_all) return out;
  if (!stuck.items.empty()) out += '\n';
  const bool is_one = stuck.waiting == 1;
  return out + counted_tasks(stuck.waiting) + (is_one ? " waits its turn" : " wait their turn") + "; --all lists " +
         (is_one ? "it" : "them") + '\n';
}

/// All pages, with the counts on each.
Result<StuckList> ask(Client& client, bool wants_all) {
  StuckList stuck;
  const std::string path = wants_all ? "/v1/stuck?all=true" : "/v1/stuck?all=false";
  const auto note = [&stuck](const json::object& page) {
    if (const json::value* waiting = page.if_contains("waiting")) stuck.waiting += waiting->to_number<std::uint64_t>();
    const json::value* held = page.if_contains("held");
    if (!held || !held->is_object()) return;
    for (const auto& [key, count] : held->get_object())
      stuck.held[std::string(key)] += count.to_number<std::uint64_t>();
  };
  stuck.items = PAWL_TRY(call_list(client, path, note));
  return stuck;
}

Exit run_stuck(const Arguments& arguments) {
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  const bool has_all = arguments.has("all");
  const auto stuck = ask(caller->client, has_all);
  if (!stuck) return fail(stuck.error());
  if (arguments.has("json")) {
    print(json::serialize(stuck->items) + '\n');
  } else {
    print_for_people(show_stuck(*stuck, has_all));
  }
  return Exit::done;
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
    .details =
        "Tasks that wait their turn (for a slot, or for an agent that is within its time) are only counted. A setting\n"
        "that is switched off is named once, with how many tasks wait for it. docs/GLOSSARY.md explains the reasons.\n",
    .options = with_daemon_options({{"all", "", "list every live task, including those that wait their turn"}}),
    .run = run_stuck};

const Command reap_command = {.name = "reap",
                              .arguments = "",
                              .summary = "Runs a pass of the reaper now, even if the reaper is switched off",
                              .details = "",
                              .options = with_daemon_options({}),
                              .run = run_reap};

}  // namespace pawl
