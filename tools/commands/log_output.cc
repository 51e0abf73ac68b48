#include "tools/commands/log_output.h"

#include <boost/json/value.hpp>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <optional>
#include <thread>

#include "tools/commands/answers.h"
#include "tools/commands/output.h"
#include "tools/commands/terminal_text.h"

namespace pawl {
namespace {

using std::chrono::steady_clock;

constexpr int output_wait_s = 30;
constexpr auto away_max = std::chrono::seconds(60);  // patience with a daemon that is away
constexpr auto ask_again = std::chrono::milliseconds(200);

/// Whether anything may still run for the task in `path`. True if the daemon does not say: it has just gone away.
bool may_run(Client& client, const std::string& path) {
  const auto answer = call(client, {.method = "GET", .path = path.substr(0, path.find("/log?"))});
  if (!answer) return true;
  const std::string stage = cell(part_of(*answer, "task"), "stage");
  return stage != "done" && stage != "cancelled";
}

}  // namespace

OutputForm output_form(const Arguments& arguments) {
  const bool is_raw = arguments.has("raw") || ::isatty(STDOUT_FILENO) != 1;
  return is_raw ? OutputForm::raw : OutputForm::seen;
}

Exit print_output(Client& client, const std::string& path, Following following, OutputForm form) {
  TerminalText terminal;
  const std::string wait = following == Following::yes ? "&wait_s=" + std::to_string(output_wait_s) : "";
  std::string run;  // the run that the output began with: a newer one may exist by now
  std::string from = "0";
  bool is_waiting = false;  // no run yet
  bool was_there = false;   // the daemon has answered once
  std::optional<steady_clock::time_point> away_since;
  for (;;) {
    const std::string chosen = run.empty() ? "" : "run=" + percent_encoded(run) + "&";
    const auto answer = client.send({.method = "GET", .path = path + chosen + "from=" + from + wait});
    const bool is_away = !answer || answer->status == 503;
    if (following == Following::yes && answer && refusal_code(*answer) == "no_log" && path.starts_with("/v1/tasks/") &&
        path.find("run=") == std::string::npos && may_run(client, path)) {
      const std::string message = body_of(*answer).error().message;  // the sentence follows the code
      if (!is_waiting) fail(Exit::done, message.substr(message.find(": ") + 2) + "; waiting for it");
      is_waiting = was_there = true;
      away_since.reset();
      std::this_thread::sleep_for(ask_again);
      continue;
    }
    if (is_away || !answer->is_success()) {
      const Error trouble = answer ? body_of(*answer).error() : answer.error();
      const bool goes_on = is_away && following == Following::yes && was_there;
      if (goes_on && !away_since) {
        away_since = steady_clock::now();
        fail(Exit::refused, trouble.message + "; trying again");
      }
      if (!goes_on || steady_clock::now() - *away_since >= away_max) {
        print(terminal.end());
        return fail(trouble);
      }
      std::this_thread::sleep_for(ask_again);
      continue;
    }
    was_there = true;
    away_since.reset();
    print(form == OutputForm::raw ? answer->body : terminal.take(answer->body));
    const std::string next = answer->header("Pawl-Log-Next");
    const bool is_idle = answer->body.empty() || next == from;
    if (answer->header("Pawl-Log-End") == "true" || (is_idle && following == Following::no)) {
      print(terminal.end());
      return Exit::done;
    }
    if (std::fflush(stdout) != 0) return Exit::refused;
    if (path.starts_with("/v1/tasks/") && path.find("run=") == std::string::npos) run = answer->header("Pawl-Log-Run");
    from = next;
  }
}

}  // namespace pawl
