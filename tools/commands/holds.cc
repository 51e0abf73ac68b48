// `pawl hold` and `pawl resume`: where nothing new starts, for now.
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <chrono>
#include <optional>

#include "daemon/pipeline_zone.h"
#include "engine/state/calendar.h"
#include "schema/json/json_text.h"
#include "tools/commands/answers.h"
#include "tools/commands/output.h"
#include "tools/forensics/log_source.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::string show_holds(const json::array& holds) {
  if (holds.empty()) return "nothing is held\n";
  TextTable table({"place", "", "from", "until", "by", "reason"});
  for (const json::value& hold : holds) {
    const bool is_freeze = cell(hold, "freeze") == "yes";
    const bool is_active = cell(hold, "active") == "yes";
    std::string place = cell(hold, "place");
    const json::array& stages = hold.at("stages").as_array();
    for (std::size_t at = 0; at < stages.size(); ++at) place += (at == 0 ? ", stage " : ", ") + cell(stages[at]);
    table.add({std::move(place), std::string(is_active ? "" : "to be ") + (is_freeze ? "frozen" : "held"),
               cell(hold, "since_at"), cell(hold, "until_at"), is_freeze ? "its pipeline" : cell(hold, "by"),
               cell(hold, "reason")});
  }
  return table.text();
}

/// Seconds in "90s", "45m", "2h" or "3d".
Result<std::int64_t> seconds_in(const std::string& text) {
  const Error wrong{ErrorCode::malformed, "--for: '" + text + "' is not a time such as 90s, 45m, 2h or 3d"};
  if (text.size() < 2) return wrong;
  const auto number = read_number(text.substr(0, text.size() - 1), "--for");
  constexpr std::uint64_t number_max = 100'000'000;
  if (!number || *number == 0 || *number > number_max) return wrong;
  const auto count = static_cast<std::int64_t>(*number);
  switch (text.back()) {
    case 's':
      return count;
    case 'm':
      return count * 60;
    case 'h':
      return count * 3600;
    case 'd':
      return count * 24 * 3600;
    default:
      return wrong;
  }
}

/// "2026-12-24 18:00 Europe/Berlin": as the end of a freeze in a calendar. None: it has another form.
Result<std::optional<TimeUs>> local_end(const std::string& text) {
  const std::size_t blank = text.rfind(' ');
  if (blank == std::string::npos) return std::optional<TimeUs>();
  const auto covered = dated_span({.from = "1970-01-01", .until = text.substr(0, blank)});
  const char zone_begin = blank + 1 < text.size() ? text[blank + 1] : '\0';
  if (!covered || zone_begin < 'A' || zone_begin > 'Z') return std::optional<TimeUs>();
  const Zone zone = PAWL_TRY(Zone::named(text.substr(blank + 1)));
  return std::optional(zone.at(covered->until_minute).late);
}

/// The end of the hold; none: it has none.
Result<std::optional<TimeUs>> end_of(const Arguments& arguments) {
  const auto until = arguments.value("until");
  const auto lasts = arguments.value("for");
  if (until && lasts) return Error{ErrorCode::malformed, "hold: give --until or --for, not both"};
  if (until) {
    const auto local = PAWL_TRY(local_end(*until));
    if (local) return local;
    const auto time = time_from(*until);
    if (!time) {
      return Error{ErrorCode::malformed, "--until: '" + *until +
                                             "' is not a time such as 2026-12-24T18:00:00Z or "
                                             "'2026-12-24 18:00 Europe/Berlin'"};
    }
    return std::optional(*time);
  }
  if (!lasts) return std::optional<TimeUs>();
  const std::int64_t seconds = PAWL_TRY(seconds_in(*lasts));
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::optional(plus_s({std::chrono::duration_cast<std::chrono::microseconds>(now).count()}, seconds));
}

Exit run_hold(const Arguments& arguments) {
  if (arguments.positional().empty()) {
    for (const char* of_a_hold : {"until", "for", "reason"}) {
      if (arguments.has(of_a_hold)) return fail(Exit::usage, "hold: --" + std::string(of_a_hold) + " needs a PLACE");
    }
    return run_list(arguments, "/v1/holds", show_holds);
  }
  const auto until = end_of(arguments);
  if (!until) return fail(until.error());
  const std::string& place = arguments.positional()[0];
  std::string body = "{\"place\":";
  append_json_text(body, place);
  if (*until) {
    body += ",\"until\":";
    append_json_time(body, **until);
  }
  if (const auto reason = arguments.value("reason")) {
    body += ",\"reason\":";
    append_json_text(body, *reason);
  }
  return run_call(arguments, {.method = "POST", .path = "/v1/holds", .body = body + '}'},
                  [&](const json::value& answer) {
                    return printable(place) + " is held" + (*until ? " until " + local_time(**until) : "") + ", seq " +
                           cell(answer, "seq") + ": nothing new starts there\n";
                  });
}

Exit run_resume(const Arguments& arguments) {
  const std::string& place = arguments.positional()[0];
  std::string path = "/v1/holds?place=" + percent_encoded(place);
  if (const auto reason = arguments.value("reason")) path += "&reason=" + percent_encoded(*reason);
  return run_call(arguments, {.method = "DELETE", .path = path}, [&](const json::value& answer) {
    return printable(place) + " is no longer held, seq " + cell(answer, "seq") + '\n';
  });
}

const OptionSpec hold_reason = {"reason", "TEXT", "why, for the record"};

}  // namespace

const Command hold_command = {
    .name = "hold",
    .arguments = "[PLACE]",
    .summary = "Holds a place, so that nothing new starts there; without PLACE, lists what is held",
    .details =
        "PLACE is pipeline:NAME, repo:NAME, stage:NAME (of any pipeline), agent:NAME (its jobs alone) or task:ID.\n"
        "No job is claimed there, no lease on a task is taken, no step starts and no task moves forward. Agents that\n"
        "run go on; what a crossing has committed itself to is finished; rollbacks and cancels go on. Holding a held\n"
        "place again replaces its end and its reason. `pawl override TASK` lets one task past.\n",
    .options =
        with_daemon_options({{"until", "TIME", "when it is over by itself; also '2026-12-24 18:00 Europe/Berlin'"},
                             {"for", "TIME", "the same, from now: 90s, 45m, 2h or 3d"},
                             hold_reason}),
    .positional_max = 1,
    .run = run_hold};

const Command resume_command = {
    .name = "resume",
    .arguments = "PLACE",
    .summary = "Lifts the hold of a place",
    .details = "A planned freeze is not a hold: `pawl override TASK` lets a task past one.\n",
    .options = with_daemon_options({hold_reason}),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_resume};

}  // namespace pawl
