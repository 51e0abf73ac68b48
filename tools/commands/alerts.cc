// Alerts: whether they arrive.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>

#include "tools/commands/answers.h"
#include "tools/commands/output.h"

namespace pawl {
namespace {

namespace json = boost::json;

std::string show_tested(const json::value& answer) {
  const json::array& destinations = part_of(answer, "destinations").as_array();
  if (destinations.empty()) {
    return "this pawld sends alerts to its own log only: start it with --alert-command, --alert-url or --alert-smtp\n";
  }
  std::string text;
  for (const json::value& each : destinations) {
    text += cell(each, "name") + ": " + cell(each, "result");
    if (!each.at("why").is_null()) text += ": " + cell(each, "why");
    text += '\n';
  }
  return text;
}

bool all_arrived(const json::array& destinations) {
  return std::all_of(destinations.begin(), destinations.end(),
                     [](const json::value& each) { return each.at("result").as_string() == "delivered"; });
}

Exit run_alerts(const Arguments& arguments) {
  const std::string& word = arguments.positional().front();
  if (word != "test") return fail(Exit::usage, "alerts: '" + printable(word) + "' is not 'test'");
  bool has_arrived = false;
  const auto note = [&has_arrived](const json::value& answer) {
    const json::array& destinations = part_of(answer, "destinations").as_array();
    has_arrived = !destinations.empty() && all_arrived(destinations);
  };
  // Each destination has its time, one after the other.
  const Request request{.method = "POST", .path = "/v1/alerts/test", .timeout_s = 120};
  const Exit exit = run_call(arguments, request, show_tested, note);
  return exit == Exit::done && !has_arrived ? Exit::refused : exit;
}

}  // namespace

const Command alerts_command = {
    .name = "alerts",
    .arguments = "test",
    .summary = "Sends a test alert to every destination now, and says what became of it",
    .details =
        "Exit 1 if one of them did not take it, or there is none. docs/ALERTS.md says how to name destinations.\n",
    .options = with_daemon_options({}),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_alerts};

}  // namespace pawl
