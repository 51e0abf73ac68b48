// Creates a task and shows how it moves.
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "schema/json/json_text.h"
#include "tools/commands/answers.h"
#include "tools/commands/follow.h"
#include "tools/commands/named_task.h"
#include "tools/commands/output.h"
#include "tools/commands/progress.h"
#include "tools/commands/turn.h"
#include "tools/commands/working_copy.h"

namespace pawl {
namespace {

namespace json = boost::json;
using std::chrono::steady_clock;

/// What the task works on: as the options say, else as the current working copy has it.
struct Place {
  std::string repo;
  std::string branch;  // empty: none
};

Error with_way_out(const Error& error, const std::string& option) {
  return {ErrorCode::malformed, "submit: " + option + " is missing, and " + error.message + "; give " + option};
}

/// The repositories that this working copy may belong to: those declared with the URL of its origin.
Result<std::vector<std::string>> declared_with(Client& client, const std::string& url) {
  std::vector<std::string> names;
  for (const json::value& repo : PAWL_TRY(call_list(client, "/v1/repos"))) {
    if (is_same_url(cell(repo, "url"), url)) names.push_back(cell(repo, "repo"));
  }
  return names;
}

/// Of several, the one with the name in origin's URL; that name also if there are none.
Result<std::string> repo_here(Client& client) {
  const std::string origin = PAWL_TRY(working_copy_origin());
  const std::vector<std::string> names = PAWL_TRY(declared_with(client, origin));
  const std::string last_part = repo_name_of(origin);
  if (names.empty() || std::find(names.begin(), names.end(), last_part) != names.end()) return last_part;
  if (names.size() == 1) return names.front();
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "as " : " and as ") + name;
  return Error{ErrorCode::malformed, "origin is declared " + all};
}

bool is_repo_here(Client& client, const std::string& repo) {
  const auto origin = working_copy_origin();
  if (!origin) return false;
  if (repo_name_of(*origin) == repo) return true;
  const auto names = declared_with(client, *origin);
  return names && std::find(names->begin(), names->end(), repo) != names->end();
}

Result<Place> place_from(Client& client, const Arguments& arguments) {
  Place place{.repo = arguments.value_or("repo", ""), .branch = arguments.value_or("branch", "")};
  const bool has_repo = arguments.has("repo");
  if (!has_repo) {
    auto repo = repo_here(client);
    if (!repo && repo.error().code != ErrorCode::missing && repo.error().code != ErrorCode::malformed) {
      return repo.error();  // an error of the daemon
    }
    if (!repo) return with_way_out(repo.error(), "--repo");
    place.repo = *std::move(repo);
  }
  if (arguments.has("branch")) return place;
  if (has_repo) {
    // A working copy of another repository says nothing about this one's branch.
    const auto branch = is_repo_here(client, place.repo) ? working_copy_branch() : Result<std::string>(std::string());
    if (branch) place.branch = *branch;
    return place;
  }
  auto branch = working_copy_branch();
  if (!branch) return with_way_out(branch.error(), "--branch");
  place.branch = *std::move(branch);
  return place;
}

Result<std::string> body_from(Client& client, const Arguments& arguments) {
  const Place place = PAWL_TRY(place_from(client, arguments));
  std::string body = "{\"work_item\":";
  append_json_text(body, arguments.positional()[0]);
  body += ",\"repo\":";
  append_json_text(body, place.repo);
  body += ",\"branch\":";
  append_json_text_or_null(body, place.branch);
  for (const std::string_view option : {"pipeline", "stage"}) {
    if (!arguments.has(option)) continue;
    body += ",\"" + std::string(option) + "\":";
    append_json_text(body, arguments.value_or(option, ""));
  }
  if (const auto list = arguments.value("depends-on")) {
    body += ",\"depends_on\":[";
    for (std::size_t begin = 0; begin <= list->size();) {
      const std::size_t end = std::min(list->find(',', begin), list->size());
      const std::uint64_t task = PAWL_TRY(task_of_word(client, list->substr(begin, end - begin), ""));
      if (body.back() != '[') body += ',';
      append_json_integer(body, task);
      begin = end + 1;
    }
    body += ']';
  }
  // A task that may start at once waits for nothing: there is nothing to clear.
  const auto not_before = arguments.value("not-before");
  body += PAWL_TRY(turn_members(arguments.value("priority"), not_before == "now" ? std::nullopt : not_before));
  return body + '}';
}

/// Lines on a terminal, redrawn in place.
class Screen {
 public:
  void draw(std::vector<std::string> lines) {
    winsize size{};
    const bool is_known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 1;
    const std::size_t columns = is_known ? size.ws_col : 80;
    const std::size_t rows_max = is_known ? size.ws_row - 1U : 23U;  // the cursor could not move up past more rows
    if (lines.size() > rows_max) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(rows_max));
    std::string out;
    if (drawn_ > 0) out += "\x1b[" + std::to_string(drawn_) + "A";
    for (const std::string& line : lines) out += "\r\x1b[2K" + cut(printable(line), columns) + "\n";
    out += "\x1b[J";
    drawn_ = lines.size();
    print(out);
    std::fflush(stdout);
  }

 private:
  /// At most that wide: a line that wraps would take two rows.
  static std::string cut(std::string line, std::size_t columns) {
    while (width_of(line) > columns) {
      while ((static_cast<unsigned char>(line.back()) & 0xC0) == 0x80) line.pop_back();
      line.pop_back();
    }
    return line;
  }

  std::size_t drawn_ = 0;
};

Exit exit_of(const Progress& progress, std::uint64_t task) {
  const std::string name = "task " + std::to_string(task);
  switch (progress.state()) {
    case Progress::State::done:
      return Exit::done;
    case Progress::State::cancelled:
      return fail(Exit::refused, name + " was cancelled");
    case Progress::State::blocked:
      return fail(Exit::refused, name + " is blocked: " + progress.reason());
    case Progress::State::gate_red:
      return fail(Exit::refused, name + " waits: " + progress.reason() + "; its output: pawl log " +
                                     std::to_string(task) + "; correct the branch and push it, then: pawl advance " +
                                     std::to_string(task));
    case Progress::State::moving:
      break;
  }
  return fail(Exit::refused, name + " is still in progress");
}

std::uint64_t task_of(const json::value& job) {
  const auto task = read_number(cell(job, "task"), "task");
  return task ? *task : 0;
}

/// How progress is shown.
enum class View {
  screen,   // redrawn in place
  lines,    // one line per event
  nothing,  // --json: only the outcome, at the end
};

/// Follows the task from the record that created it. `beside` asks while `client` listens.
Exit watch(Client& client, Client& beside, std::uint64_t task, std::uint64_t created_seq, const std::string& stage,
           View view) {
  Progress progress(task, stage, [&](std::uint64_t job) -> std::uint64_t {
    const auto answer = call(beside, {.method = "GET", .path = "/v1/jobs/" + std::to_string(job)});
    if (!answer) return 0;
    return task_of(part_of(*answer, "job"));
  });
  Screen screen;
  std::string trouble;
  auto last_record_at = steady_clock::now();
  // Adds our own elapsed time to the daemon's last record time, so the two clocks need not agree.
  const auto draw = [&] {
    if (view != View::screen) return;
    const auto since = std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - last_record_at);
    auto lines = progress.lines({progress.last_time().us + since.count()});
    if (!trouble.empty()) lines.push_back("  " + trouble);
    screen.draw(std::move(lines));
  };
  const auto say = [&](const std::string& line) {
    if (view != View::lines || line.empty()) return;
    print_for_people(line);
    std::fflush(stdout);
  };
  auto looked_at = steady_clock::now();
  const auto look = [&] {
    looked_at = steady_clock::now();
    const auto answer = call(beside, {.method = "GET", .path = "/v1/tasks/" + std::to_string(task)});
    if (!answer || !part_of(*answer, "task").is_object()) return;
    trouble.clear();
    say(progress.see(part_of(*answer, "task").get_object()));
    const auto stuck = call(beside, {.method = "GET", .path = "/v1/stuck?limit=1&after=" + std::to_string(task - 1)});
    if (!stuck || !part_of(*stuck, "items").is_array()) return;
    for (const json::value& row : part_of(*stuck, "items").get_array()) {
      if (row.is_object()) say(progress.see_stuck(row.get_object()));
    }
  };
  Follower follower;
  follower.record = [&](std::string_view, const json::object& record) {
    trouble.clear();
    last_record_at = steady_clock::now();
    const std::string line = progress.add(record);
    say(line);
    draw();
    return progress.state() == Progress::State::moving;
  };
  follower.idle = [&] {
    if (steady_clock::now() - looked_at >= std::chrono::seconds(1)) look();
    draw();
    return progress.state() == Progress::State::moving;
  };
  follower.lost = [&](const Error& error) {
    trouble = error.message + "; trying again";
    if (view != View::screen) fail(Exit::refused, trouble);
  };
  follower.patience_s = 60;
  const auto followed = follow(client, created_seq - 1, follower);
  if (!followed) return fail(followed.error());
  if (view == View::nothing) {
    const auto answer = client.send({.method = "GET", .path = "/v1/tasks/" + std::to_string(task)});
    if (!answer) return fail(answer.error());
    print(answer->body + '\n');
  }
  return exit_of(progress, task);
}

/// The created task, and where its branch begins if it is new.
std::string show_created(const json::value& answer) {
  const json::value& task = part_of(answer, "task");
  std::string text = task_line(task) + '\n';
  const json::value& begins = part_of(answer, "branch_begins");
  if (begins.is_bool() && begins.get_bool()) {
    text += "branch '" + cell(task, "branch") + "' is not at origin yet: it begins at origin's default branch\n";
  }
  return text;
}

Exit run_submit(const Arguments& arguments) {
  auto caller = caller_of(arguments);
  if (!caller) return fail(caller.error());
  const auto body = body_from(caller->client, arguments);
  if (!body) return fail(body.error());
  Request request{.method = "POST", .path = "/v1/tasks", .body = *body};
  if (!arguments.has("wait")) return run_call(arguments, request, show_created);

  request.actor = caller->actor;
  const auto answer = call(caller->client, request);
  if (!answer) return fail(answer.error());
  const json::value& task = part_of(*answer, "task");
  const auto id = read_number(cell(task, "id"), "the task's id");
  const auto seq = read_number(cell(*answer, "seq"), "the record's seq");
  if (!id || !seq || *seq == 0) return fail(Exit::refused, "the daemon's answer lacks the task or the seq");
  const View view = arguments.has("json") ? View::nothing : ::isatty(STDOUT_FILENO) == 1 ? View::screen : View::lines;
  if (view != View::nothing) print_for_people(show_created(*answer));
  std::fflush(stdout);
  auto beside = caller_of(arguments);
  if (!beside) return fail(beside.error());
  return watch(caller->client, beside->client, *id, *seq, cell(task, "stage"), view);
}

}  // namespace

const Command submit_command = {
    .name = "submit",
    .arguments = "WORK_ITEM",
    .summary = "Creates a task; with --wait, shows how it moves until it ends",
    .details =
        "In a git working copy, --repo defaults to the repository that is declared with origin's URL (else to the\n"
        "last part of that URL, without .git), and --branch to the branch that is checked out. Elsewhere, or for\n"
        "another repository, a task without --branch has none.\n\n"
        "With --wait, the exit code is 0 when the task is done, and 1 when it was cancelled, is blocked, or waits\n"
        "because the gate of a stage without an agent is red; with --json too, only the task's final state is "
        "printed.\n",
    .options = with_daemon_options({{"repo", "REPO", "the repository (default: this working copy's)"},
                                    {"branch", "BRANCH", "the feature branch (default: the one checked out here)"},
                                    {"pipeline", "NAME", "the pipeline (default: the setting pipeline.default)"},
                                    {"stage", "STAGE", "where to begin (default: the pipeline's first stage)"},
                                    {"depends-on", "TASK,...", "tasks that must end before this one's jobs run"},
                                    {"priority", "N", "-100 to 100: higher ones are served earlier (default: 0)"},
                                    {"not-before", "TIME", "no work on it starts earlier"},
                                    {"wait", "", "show its progress until it ends"}}),
    .positional_min = 1,
    .positional_max = 1,
    .run = run_submit};

}  // namespace pawl
